#include "permission.h"

#include <string.h>

static bool is_role(const struct identity *identity, const char *device_role)
{
    return identity && strcmp(identity->device_role, device_role) == 0;
}

/* A user role that is not known is nobody's: it may do nothing, not even to itself. */
static bool is_known(const struct identity *identity)
{
    return identity &&
           (strcmp(identity->user_role, "user") == 0 || strcmp(identity->user_role, "admin") == 0);
}

static bool is_admin(const struct identity *identity)
{
    return is_role(identity, "user") && strcmp(identity->user_role, "admin") == 0;
}

static bool is_self(const struct identity *identity, int64_t device_id)
{
    return is_known(identity) && identity->device_id == device_id;
}

/* The user's things are within its reach, as far as its own device's role goes. */
static bool reaches(const struct identity *identity, int64_t user_id)
{
    return is_known(identity) && (identity->user_id == user_id || strcmp(identity->user_role, "admin") == 0);
}

static bool manages(const struct identity *identity, int64_t user_id)
{
    return reaches(identity, user_id) && is_role(identity, "user");
}

static bool is_reader(const struct identity *identity)
{
    return is_role(identity, "reader") || is_role(identity, "writer");
}

enum access permission_read_user(const struct identity *identity, int64_t user_id, bool is_public)
{
    if (manages(identity, user_id))
        return ACCESS_FULL;
    if (reaches(identity, user_id) && is_reader(identity))
        return ACCESS_KEYLESS;
    if (is_public && is_known(identity) && (is_role(identity, "user") || is_reader(identity)))
        return ACCESS_PUBLIC;
    return ACCESS_NONE;
}

enum access permission_read_device(
    const struct identity *identity, int64_t user_id, int64_t device_id, bool is_public)
{
    if (is_self(identity, device_id))
        return ACCESS_FULL;
    return permission_read_user(identity, user_id, is_public); /* the same rules hold for both */
}

bool permission_shows(enum access access, const struct field *field)
{
    static const unsigned DENIED[] = {
        [ACCESS_PUBLIC] = FIELD_PUBLIC_READ, [ACCESS_KEYLESS] = FIELD_DEVICE_READ, [ACCESS_FULL] = 0};
    return access != ACCESS_NONE && !(field->flags & FIELD_INTERNAL) && !(field->denied & DENIED[access]);
}

bool permission_read_stream(
    const struct identity *identity, int64_t user_id, int64_t device_id, bool device_public)
{
    return permission_read_device(identity, user_id, device_id, device_public) != ACCESS_NONE;
}

bool permission_list_users(const struct identity *identity)
{
    return is_admin(identity);
}

bool permission_count(const struct identity *identity)
{
    return is_admin(identity);
}

bool permission_create_device(const struct identity *identity, int64_t user_id)
{
    return manages(identity, user_id);
}

bool permission_delete_device(const struct identity *identity, int64_t user_id, int64_t device_id)
{
    return is_self(identity, device_id) || manages(identity, user_id);
}

bool permission_change_streams(const struct identity *identity, int64_t user_id, int64_t device_id)
{
    return is_self(identity, device_id) || manages(identity, user_id);
}

bool permission_write_data(const struct identity *identity, int64_t user_id, int64_t device_id)
{
    (void)user_id;
    return is_self(identity, device_id);
}

bool permission_write_downlink(const struct identity *identity, int64_t user_id, int64_t device_id)
{
    if (manages(identity, user_id))
        return true; /* also its own: role user writes both parts of itself */
    return reaches(identity, user_id) && identity->device_id != device_id && is_role(identity, "writer");
}

const char *permission_default_device_role(const struct identity *identity)
{
    return is_admin(identity) ? "none" : "";
}

bool permission_device_role_known(const char *role)
{
    static const char *const ROLES[] = {"", "none", "reader", "writer", "user"};
    for (size_t i = 0; i < sizeof(ROLES) / sizeof(ROLES[0]); i++) {
        if (strcmp(role, ROLES[i]) == 0)
            return true;
    }
    return false;
}
