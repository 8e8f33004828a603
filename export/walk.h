/* A walk over what an export takes: one moment's users, devices and streams, through the filters, in order of
 * name. */
#ifndef CONNECTORDB_WALK_H
#define CONNECTORDB_WALK_H

#include "database.h"
#include "error.h"
#include "filter.h"

/* Each visitor may be NULL. Objects are borrowed for the call. A negative return ends the walk and is
 * returned. */
struct walk {
    struct database_snapshot *snapshot;
    struct filters *filters;
    int (*user)(void *context, const struct user *user, struct error *ret_error);
    int (*device)(
        void *context, const struct user *user, const struct device *device, struct error *ret_error);
    int (*stream)(void *context, const struct user *user, const struct device *device,
        const struct stream *stream, struct error *ret_error);
    void *context;
};

/* Visits a user before its devices, a device before its streams. */
int walk(const struct walk *walk, struct error *ret_error);

#endif
