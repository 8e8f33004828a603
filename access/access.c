#include "access_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct access_rights NO_RIGHTS = {0};
static const struct access_rights ALL_RIGHTS = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
static const struct level NO_LEVEL = {.name = "none", .read_name = "none", .write_name = "none"};
static const struct level FULL_LEVEL = {
    .name = "full", .actions = UINT32_MAX, .read_name = "full", .write_name = "full"};

/* ---- tables ---- */

void *table_find(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(*(char **)table_at(table, i), name) == 0)
            return table_at(table, i);
    return NULL;
}

static size_t table_index(const struct table *table, const char *name, size_t otherwise)
{
    const char *found = table_find(table, name);
    return found ? (size_t)(found - table->objects) / table->object_bytes : otherwise;
}

const struct level *permissions_level(const struct permissions *permissions, const char *name)
{
    const struct level *level = table_find(&permissions->levels, name);
    return level                       ? level
           : strcmp(name, "none") == 0 ? &NO_LEVEL
           : strcmp(name, "full") == 0 ? &FULL_LEVEL
                                       : NULL;
}

const struct access_rights *permissions_rights(const struct permissions *permissions, const char *name)
{
    const struct rights *rights = table_find(&permissions->rights, name);
    return rights                      ? &rights->rights
           : strcmp(name, "none") == 0 ? &NO_RIGHTS
           : strcmp(name, "full") == 0 ? &ALL_RIGHTS
                                       : NULL;
}

/* ---- compiling ---- */

static struct access_rights rights_and(const struct access_rights *a, const struct access_rights *b)
{
    return (struct access_rights){a->objects & b->objects, a->user_fields & b->user_fields,
        a->device_fields & b->device_fields, a->stream_fields & b->stream_fields};
}

static struct access levels_and(
    const struct permissions *permissions, const char *user_level, const char *device_level)
{
    const struct level *user = permissions_level(permissions, user_level),
                       *device = permissions_level(permissions, device_level);
    return (struct access){
        .actions = user->actions & device->actions,
        .read = rights_and(permissions_rights(permissions, user->read_name),
            permissions_rights(permissions, device->read_name)),
        .write = rights_and(permissions_rights(permissions, user->write_name),
            permissions_rights(permissions, device->write_name)),
    };
}

int permissions_compile(struct permissions *permissions)
{
    const struct table *users = &permissions->user_roles, *devices = &permissions->device_roles;
    permissions->compiled = calloc(users->count * devices->count * RELATIONS, sizeof(*permissions->compiled));
    if (!permissions->compiled)
        return -ENOMEM;
    for (size_t i = 0; i < users->count * devices->count * RELATIONS; i++) {
        const struct role *user = table_at(users, i / RELATIONS / devices->count);
        const struct role *device = table_at(devices, i / RELATIONS % devices->count);
        permissions->compiled[i] =
            levels_and(permissions, user->level_names[i % RELATIONS], device->level_names[i % RELATIONS]);
    }
    permissions->nobody = table_index(users, "nobody", 0);
    permissions->none = table_index(devices, "none", 0);
    permissions->device_user = table_index(devices, "user", 0);
    return 0;
}

/* ---- life ---- */

struct permissions *permissions_new(void)
{
    struct permissions *permissions = calloc(1, sizeof(*permissions));
    if (permissions)
        permissions->users_max = UINT64_MAX;
    return permissions;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->texts[i]);
    free(names->texts);
}

static void roles_free(struct table *roles)
{
    for (size_t i = 0; i < roles->count; i++) {
        struct role *role = table_at(roles, i);
        free(role->name);
        for (int relation = 0; relation < RELATIONS; relation++)
            free(role->level_names[relation]);
        free(role->join_role);
        free(role->join_disabled_message);
        fields_free(&USER_KIND, &role->defaults.user);
        fields_free(&DEVICE_KIND, &role->defaults.device);
        fields_free(&STREAM_KIND, &role->defaults.stream);
    }
    free(roles->objects);
}

void permissions_free(struct permissions *permissions)
{
    if (!permissions)
        return;
    for (size_t i = 0; i < permissions->levels.count; i++) {
        struct level *level = table_at(&permissions->levels, i);
        free(level->name);
        free(level->read_name);
        free(level->write_name);
    }
    for (size_t i = 0; i < permissions->rights.count; i++)
        free(((struct rights *)table_at(&permissions->rights, i))->name);
    free(permissions->levels.objects);
    free(permissions->rights.objects);
    roles_free(&permissions->user_roles);
    roles_free(&permissions->device_roles);
    names_free(&permissions->disallowed_names);
    names_free(&permissions->email_suffixes);
    free(permissions->compiled);
    free(permissions);
}

bool permissions_watch(const struct permissions *permissions)
{
    return permissions->watch;
}

/* ---- questions ---- */

static size_t user_role_of(const struct permissions *permissions, const struct identity *identity)
{
    return identity ? table_index(&permissions->user_roles, identity->user_role, permissions->nobody)
                    : permissions->nobody;
}

static size_t device_role_of(const struct permissions *permissions, const struct identity *identity)
{
    return identity ? table_index(&permissions->device_roles, identity->device_role, permissions->none)
                    : permissions->device_user;
}

static const struct access *compiled(
    const struct permissions *permissions, const struct identity *identity, enum relation relation)
{
    size_t roles = user_role_of(permissions, identity) * permissions->device_roles.count +
                   device_role_of(permissions, identity);
    return &permissions->compiled[roles * RELATIONS + relation];
}

const struct access *access_of(
    const struct permissions *permissions, const struct identity *identity, struct access_target target)
{
    enum relation relation = target.is_public ? RELATION_PUBLIC : RELATION_PRIVATE;
    if (identity && target.device_id != 0 && target.device_id == identity->device_id)
        relation = RELATION_SELF;
    else if (identity && target.user_id == identity->user_id)
        relation = RELATION_USER;
    return compiled(permissions, identity, relation);
}

const struct access *access_of_users(
    const struct permissions *permissions, const struct identity *identity, bool is_public)
{
    return compiled(permissions, identity, is_public ? RELATION_PUBLIC : RELATION_PRIVATE);
}

struct access_counts access_counts(const struct permissions *permissions, const struct identity *identity)
{
    const struct role *user = table_at(&permissions->user_roles, user_role_of(permissions, identity));
    const struct role *device = table_at(&permissions->device_roles, device_role_of(permissions, identity));
    return (struct access_counts){user->counts.users && device->counts.users,
        user->counts.devices && device->counts.devices, user->counts.streams && device->counts.streams};
}

static const struct role *user_role(const struct permissions *permissions, const char *role)
{
    return table_at(
        &permissions->user_roles, table_index(&permissions->user_roles, role, permissions->nobody));
}

const struct access_limits *access_limits(const struct permissions *permissions, const char *role)
{
    return &user_role(permissions, role)->limits;
}

const struct access_defaults *access_defaults(const struct permissions *permissions, const char *role)
{
    return &user_role(permissions, role)->defaults;
}

struct access_join access_join(const struct permissions *permissions, const char *name)
{
    const struct role *role = user_role(permissions, name);
    return (struct access_join){role->join, role->join_role,
        role->join_disabled_message ? role->join_disabled_message : "Join is disabled"};
}

bool permissions_has_user_role(const struct permissions *permissions, const char *role)
{
    return table_find(&permissions->user_roles, role) != NULL;
}

bool permissions_has_device_role(const struct permissions *permissions, const char *role)
{
    return *role == '\0' || table_find(&permissions->device_roles, role) != NULL;
}

bool permissions_allow_name(const struct permissions *permissions, const char *name)
{
    for (size_t i = 0; i < permissions->disallowed_names.count; i++)
        if (strcmp(permissions->disallowed_names.texts[i], name) == 0)
            return false;
    return true;
}

bool permissions_allow_email(const struct permissions *permissions, const char *email)
{
    size_t size = strlen(email);
    for (size_t i = 0; i < permissions->email_suffixes.count; i++) {
        const char *suffix = permissions->email_suffixes.texts[i];
        if (strlen(suffix) <= size && strcmp(email + size - strlen(suffix), suffix) == 0)
            return true;
    }
    return permissions->email_suffixes.count == 0;
}

uint64_t permissions_users_max(const struct permissions *permissions)
{
    return permissions->users_max;
}
