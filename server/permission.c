#include "permission.h"

#include <string.h>

/* Acts for its user, not only for itself. */
static bool is_user_device(const struct identity *identity)
{
    return identity && strcmp(identity->device_role, "user") == 0;
}

static bool is_admin(const struct identity *identity)
{
    return is_user_device(identity) && strcmp(identity->user_role, "admin") == 0;
}

/* A user role that is not known is nobody's: it may do nothing, not even to itself. */
static bool has_role(const struct identity *identity)
{
    return identity &&
           (strcmp(identity->user_role, "user") == 0 || strcmp(identity->user_role, "admin") == 0);
}

static bool is_self(const struct identity *identity, int64_t device_id)
{
    return has_role(identity) && identity->device_id == device_id;
}

static bool manages(const struct identity *identity, int64_t user_id)
{
    return is_admin(identity) ||
           (has_role(identity) && is_user_device(identity) && identity->user_id == user_id);
}

enum access permission_read_user(const struct identity *identity, int64_t user_id, bool is_public)
{
    if (manages(identity, user_id))
        return ACCESS_FULL;
    return is_public && has_role(identity) && is_user_device(identity) ? ACCESS_PUBLIC : ACCESS_NONE;
}

enum access permission_read_device(
    const struct identity *identity, int64_t user_id, int64_t device_id, bool is_public)
{
    if (is_self(identity, device_id) || manages(identity, user_id))
        return ACCESS_FULL;
    return is_public && has_role(identity) && is_user_device(identity) ? ACCESS_PUBLIC : ACCESS_NONE;
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
    return has_role(identity) && identity->user_id == user_id && identity->device_id != device_id &&
           strcmp(identity->device_role, "writer") == 0;
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
