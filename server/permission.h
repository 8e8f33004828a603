/* Who may do what: one function a question, so that the full model of roles can take their place.
 *
 * For now: a device acts on itself; a device with role "user" (a password login acts as such a one) on
 * everything of its user; with user role "admin" it reads and manages everything; public things can be read
 * by every device with role "user". A device with role "writer" writes the downlinks of its user's devices.
 * Only the owning device writes plain data. */
#ifndef CONNECTORDB_PERMISSION_H
#define CONNECTORDB_PERMISSION_H

#include "catalog.h"

#include <stdbool.h>
#include <stdint.h>

enum access {
    ACCESS_NONE = 0,
    ACCESS_PUBLIC, /* without what is nobody else's business: email, roles, keys */
    ACCESS_FULL,
};

/* identity is NULL for nobody. */
enum access permission_read_user(const struct identity *identity, int64_t user_id, bool is_public);
enum access permission_read_device(
    const struct identity *identity, int64_t user_id, int64_t device_id, bool is_public);
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
