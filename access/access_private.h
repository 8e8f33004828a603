/* A set of permissions in memory. */
#ifndef CONNECTORDB_ACCESS_PRIVATE_H
#define CONNECTORDB_ACCESS_PRIVATE_H

#include "access.h"

enum relation { RELATION_SELF, RELATION_USER, RELATION_PUBLIC, RELATION_PRIVATE, RELATIONS };

/* Objects of one struct whose first member is `char *name`. */
struct table {
    char *objects;
    size_t count, object_bytes;
};

struct names {
    char **texts;
    size_t count;
};

/* "rw_access" */
struct rights {
    char *name;
    struct access_rights rights;
};

/* "access_levels" */
struct level {
    char *name;
    uint32_t actions;
    char *read_name, *write_name; /* of struct rights */
};

/* "user_roles" and, with only the first four members, "device_roles" */
struct role {
    char *name;
    char *level_names[RELATIONS];
    struct access_counts counts;
    bool join;
    char *join_role, *join_disabled_message;
    struct access_limits limits;
    struct access_defaults defaults;
};

struct permissions {
    bool watch;
    struct names disallowed_names, email_suffixes;
    uint64_t users_max;
    struct table user_roles, device_roles, levels, rights;
    /* [(user role * device roles + device role) * RELATIONS + relation] */
    struct access *compiled;
    size_t nobody, none, device_user; /* indices of roles */
};

struct permissions *permissions_new(void); /* NULL = no memory */
/* Fills in what follows from the tables, whose names have been checked. 0 or -ENOMEM. */
int permissions_compile(struct permissions *permissions);

static inline void *table_at(const struct table *table, size_t i)
{
    return table->objects + i * table->object_bytes;
}

/* The object of that name, or NULL. */
void *table_find(const struct table *table, const char *name);
/* The same with the built-in ones, "none" and "full". */
const struct level *permissions_level(const struct permissions *permissions, const char *name);
const struct access_rights *permissions_rights(const struct permissions *permissions, const char *name);

#endif
