/* The descriptions of an export folder: connectordb.json, user.json, device.json, stream.json.
 *
 * Printed as ConnectorDB 0.3 does: keys in a fixed order, one tab, `": "`, its string escapes, no final
 * newline. Read in any order and spacing; an unknown or repeated key, a wrong type or a missing name is an
 * error that names file and key. */
#ifndef CONNECTORDB_DESCRIPTION_H
#define CONNECTORDB_DESCRIPTION_H

#include "catalog.h"
#include "error.h"
#include "sink.h"

/* Of one file: whatever the catalog holds can be exported, and that can be imported. An object has at most
 * nine texts, of which a byte takes up to six ('<' is \u003c); the tenth is room for keys and flags. */
enum { DESCRIPTION_BYTES_MAX = 10 * 6 * TEXT_BYTES_MAX };

/* The version of an export folder from its connectordb.json: 1 or 2. -EBADMSG another version or a bad file;
 * -ENOENT there is none: not an export, or one that was not finished. */
int description_read_folder(const char *path, unsigned *ret_version, struct error *ret_error);
/* Each fills *ret_... with strings that are never NULL (free it with user_free, ...); what a file leaves out
 * is empty, or true for `enabled`, `visible`, `user_editable`. A version 2 user must have its password hash.
 * `name`: what the folder is called; the file must say the same. -EBADMSG a bad file, -ENOMEM, or -errno of
 * reading. */
int description_read_user(
    const char *path, const char *name, unsigned version, struct user *ret_user, struct error *ret_error);
int description_read_device(
    const char *path, const char *name, struct device *ret_device, struct error *ret_error);
/* The schema comes without its insignificant white space, as the catalog keeps it. */
int description_read_stream(
    const char *path, const char *name, struct stream *ret_stream, struct error *ret_error);

/* 0 or the sink's -errno. */
int description_print_folder(struct sink *sink, unsigned version);
int description_print_user(struct sink *sink, const struct user *user);
int description_print_device(struct sink *sink, const struct device *device);
int description_print_stream(struct sink *sink, const struct stream *stream);

#endif
