/* Who may do what: one function a question, so that the full model of roles can take their place.
 *
 * For now: a device acts on itself. Beyond itself its reach is its user's things, with user role "admin"
 * everybody's; there a device with role "user" reads and manages everything, "writer" reads and writes
 * downlinks, "reader" reads, "none" does nothing. Public things of others are read by all of them but "none".
 * Only the owning device writes plain data. */
#ifndef CONNECTORDB_PERMISSION_H
#define CONNECTORDB_PERMISSION_H

#include "catalog.h"
#include "fields.h"

#include <stdbool.h>
#include <stdint.h>

enum access {
    ACCESS_NONE = 0,
    ACCESS_PUBLIC,  /* without what is nobody else's business: email, roles, keys */
    ACCESS_KEYLESS, /* all but API keys */
    ACCESS_FULL,
};

/* identity is NULL for nobody. */
enum access permission_read_user(const struct identity *identity, int64_t user_id, bool is_public);
enum access permission_read_device(
    const struct identity *identity, int64_t user_id, int64_t device_id, bool is_public);
/* Whether this access to an object includes the field. */
bool permission_shows(enum access access, const struct field *field);
/* A stream and its data follow their device. */
bool permission_read_stream(
    const struct identity *identity, int64_t user_id, int64_t device_id, bool device_public);
bool permission_list_users(const struct identity *identity);
bool permission_count(const struct identity *identity);

bool permission_create_device(const struct identity *identity, int64_t user_id);
bool permission_delete_device(const struct identity *identity, int64_t user_id, int64_t device_id);
bool permission_change_streams(const struct identity *identity, int64_t user_id, int64_t device_id);

bool permission_write_data(const struct identity *identity, int64_t user_id, int64_t device_id);
bool permission_write_downlink(const struct identity *identity, int64_t user_id, int64_t device_id);

/* The role of a new device that names none. */
const char *permission_default_device_role(const struct identity *identity);
bool permission_device_role_known(const char *role);

#endif
