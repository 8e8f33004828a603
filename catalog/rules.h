/* Rules for values that come from outside. The functions that return int give 0 or -EINVAL with a message
 * that names the field. */
#ifndef CONNECTORDB_RULES_H
#define CONNECTORDB_RULES_H

#include "fields.h"

/* Well-formed UTF-8: no surrogates, nothing overlong, at most U+10FFFF. */
bool text_is_utf8(const char *text, size_t size);
/* At most bytes_max bytes of UTF-8; NULL is "". label: "the description", ... */
int text_check(const char *text, size_t bytes_max, const char *label, struct error *ret_error);

/* Rules of fields (fields.h). An invalid name is not repeated in the message. */
int name_rule(const struct object_kind *kind, const char *value, struct error *ret_error);
/* Empty or like a name. Whether the role exists is for the permissions to say. */
int role_rule(const struct object_kind *kind, const char *value, struct error *ret_error);
/* Values that 0.3 let into its databases by some paths and that new objects must not have. */
int user_name_rule(const struct object_kind *kind, const char *value, struct error *ret_error);
int email_rule(const struct object_kind *kind, const char *value, struct error *ret_error);
int icon_rule(const struct object_kind *kind, const char *value, struct error *ret_error);

#endif
