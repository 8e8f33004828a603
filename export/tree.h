/* The content of one user's export folder: the descriptions and the list of data files. */
#ifndef CONNECTORDB_TREE_H
#define CONNECTORDB_TREE_H

#include "catalog.h"
#include "error.h"
#include "filter.h"

#include <stdbool.h>
#include <stdint.h>

/* data.json or downlink.json. */
struct tree_file {
    uint64_t bytes;
    int64_t changed_ns; /* modification time */
    bool loaded;        /* its points are staged already */
};

struct tree_stream {
    struct stream stream; /* series ids: 0 */
    struct tree_file data, downlink;
};

struct tree_device {
    struct device device;
    struct tree_stream *streams;
    size_t stream_count;
};

struct tree_user {
    struct user user; /* of a version 1 folder: without password */
    struct tree_device *devices;
    size_t device_count;
};

/* The names of the users that a folder holds and the filters take, sorted. *ret_names: malloc'ed, of
 * malloc'ed strings: free with tree_names_free. -EBADMSG: something in the folder that does not belong there;
 * -errno. */
int tree_user_names(const char *directory, struct filters *filters, char ***ret_names, size_t *ret_count,
    struct error *ret_error);
void tree_names_free(char **names, size_t count);

/* Reads the descriptions of one user, in order of name; data files are only looked at. skip_meta: leaves the
 * streams of the meta device out. -EBADMSG: a bad or missing file; -errno. Free with tree_user_free. */
int tree_read_user(const char *directory, const char *name, unsigned version, bool skip_meta,
    struct filters *filters, struct tree_user *ret_user, struct error *ret_error);
void tree_user_free(struct tree_user *user); /* accepts a zeroed one */

#endif
