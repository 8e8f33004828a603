/* Rules for values that come from outside. The functions that return int give 0 or -EINVAL with a message that names the field. */
#ifndef CONNECTORDB_RULES_H
#define CONNECTORDB_RULES_H

#include "catalog.h"

/* Well-formed UTF-8: no surrogates, nothing overlong, at most U+10FFFF. */
bool text_is_utf8(const char *text, size_t size);
/* NULL is "" in all of these. field: "description of device 'x'", ... */
int text_check(const char *text, const char *field, struct error *ret_error);
/* kind: "user", "device", "stream". An invalid name is not repeated in the message. */
int name_check(const char *name, const char *kind, struct error *ret_error);
/* Empty or like a name. Whether the role exists is for the permissions to say. */
int role_check(const char *role, struct error *ret_error);

/* What holds for every row, also an imported one. */
int user_check(const struct user *user, struct error *ret_error);
int device_check(const struct device *device, struct error *ret_error);
int stream_check(const struct stream *stream, struct error *ret_error);
/* What 0.3 let into its own databases by some paths, but nobody can make anew. */
int user_check_new(const struct user *user, struct error *ret_error);
int icon_check(const char *icon, struct error *ret_error);

#endif
