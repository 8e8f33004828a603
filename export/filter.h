/* Path filters: which objects an export or import takes. */
#ifndef CONNECTORDB_FILTER_H
#define CONNECTORDB_FILTER_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

struct filter; /* one path, split */

/* No filter takes everything. Used by one thread. */
struct filters {
    struct filter *filters;
    size_t count;
};

/* Parses "user", "user/device", "user/device/stream". -EINVAL: not such a path (the message says which);
 * -ENOMEM. */
int filters_init(struct filters *filters, const char *const *paths, size_t count, struct error *ret_error);
void filters_free(struct filters *filters); /* accepts a zeroed one */

/* Whether a filter names the object or what is above or below it. device and stream may be NULL; it remembers
 * which filters named something that is there. */
bool filters_take(struct filters *filters, const char *user, const char *device, const char *stream);
/* Filters that name parts of this user count as found, because the user is skipped. */
void filters_skip_user(struct filters *filters, const char *user);
/* -ENOENT when a filter named nothing that filters_take was asked about: a mistyped path must not look like
 * an empty one. `where` names the place that was searched. */
int filters_check_used(const struct filters *filters, const char *where, struct error *ret_error);

#endif
