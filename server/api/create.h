/* New users, devices and streams as bodies describe them. Absent members have the defaults of the role of who
 * asks. */
#ifndef CONNECTORDB_CREATE_H
#define CONNECTORDB_CREATE_H

#include "body.h"
#include "request.h"

/* A name that can be none at all (empty, with a space, '?', '/', '\\') is refused with 400. */
bool name_passes(const char *name, struct problem *problem);

/* Each sets *ret from the members of an object; texts are borrowed from it and from the permissions. 400 for
 * a member of a wrong type, 403 for a role that is not known and a schema that is none; other values are
 * checked by the catalog. Devices and users are to be freed, also on failure. */
bool create_take_stream(const struct request *request, const json_t *object, const char *name,
    struct stream *ret_stream, struct problem *problem);
bool create_take_device(const struct request *request, const json_t *object, const char *name,
    struct new_device *ret_device, struct problem *problem);
bool create_take_user(const struct request *request, const json_t *object, const char *name,
    struct new_user *ret_user, struct problem *problem);
void create_free_device(struct new_device *device);
void create_free_user(struct new_user *user);

/* The limits of what a user with this role may own. */
struct catalog_limits create_limits(const struct request *request, const char *user_role);

/* API keys that a client chooses. A refusal tells that somebody has the key, so proposing keys is a way of
 * guessing them: it counts as one when the key is taken, or so short that keys like it can be tried one by
 * one. write makes or changes the object that shall have the keys; 0 or -errno. False: the problem is set. */
struct key_proposal {
    const char *shortest; /* "" = none is proposed */
};
void key_proposal_add(struct key_proposal *proposal, const char *apikey);
bool create_with_keys(struct request *request, const struct key_proposal *proposal,
    int (*write)(struct request *request, void *context, struct error *ret_error), void *context,
    struct problem *problem);

#endif
