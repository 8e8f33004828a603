/* Paths and queries of URLs: pure text work on bytes from outside. */
#ifndef CONNECTORDB_URL_H
#define CONNECTORDB_URL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    URL_SEGMENTS_MAX = 8, /* more are in no route */
    QUERY_PARAMETERS_MAX = 32,
};

/* Decodes %XX (and '+' as a space, if `plus`) into `to`, with a 0 byte at the end. Returns the length, or
 * -EINVAL: a broken escape, an escaped 0 byte, or no room. */
long url_decode(const char *from, bool plus, char *to, size_t capacity);

struct url_path {
    size_t count;
    char *segments[URL_SEGMENTS_MAX]; /* in the decoded text */
};

/* Splits an absolute decoded path at its slashes, writing 0 bytes over them. Empty and "." segments are
 * dropped, so that
 * "/a", "/a/" and "//a/." are the same path. 0; -EINVAL: a ".." segment; -ENAMETOOLONG: more than
 * URL_SEGMENTS_MAX segments. */
int url_split(char *path, struct url_path *ret_path);

struct query {
    size_t count;
    struct {
        const char *name, *value;
    } parameters[QUERY_PARAMETERS_MAX];
};

/* Splits a query at '&' and decodes names and values into `text` (capacity bytes). 0 or -EINVAL: a broken
 * escape, too many parameters. */
int query_parse(const char *from, char *text, size_t capacity, struct query *ret_query);

/* The first value of that name; "" when it is absent: an empty parameter counts as absent everywhere in the
 * API. */
const char *query_value(const struct query *query, const char *name);

/* True for 1, t, T, true, TRUE, True. */
bool query_flag(const struct query *query, const char *name);

/* Decodes base64 (RFC 4648, padding optional) into `to` with a 0 byte at the end. Returns the length or
 * -EINVAL. */
long base64_decode(const char *from, char *to, size_t capacity);

#endif
