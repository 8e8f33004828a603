/* A JSON array of users, devices or streams on its way out.
 *
 * It is read in pages, and nothing of the catalog is held while a page is written to the client, who may take
 * his time. So a list is not one moment of the catalog: what is created or deleted while it is sent may be in
 * it or not. */
#ifndef CONNECTORDB_LIST_H
#define CONNECTORDB_LIST_H

#include "list_filter.h"
#include "problem.h"
#include "request.h"

/* The users that may be read. */
bool list_users(struct request *request, struct problem *problem);
/* The devices of the user that may be read. */
bool list_devices(struct request *request, int64_t user_id, struct problem *problem);
/* The streams of a device, as far as `read` shows them. */
bool list_streams(
    struct request *request, int64_t device_id, const struct access_rights *read, struct problem *problem);
/* The streams of the user's devices that may be read and pass the filter, with the extra key `device`. */
bool list_streams_of_user(
    struct request *request, int64_t user_id, const struct list_filter *filter, struct problem *problem);

#endif
