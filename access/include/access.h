/* Permissions: what a device acting for a user may do to users, devices, streams and their data. The model is
 * ConnectorDB 0.3's.
 *
 * The acting user has a user role and the acting device a device role. Each role names an access level for
 * each relation between who acts and the target: self     the target is the acting device, or a stream of it
 *   user     the target belongs to the acting user, or is that user
 *   public   the target device or user is public; a stream is as public as its device
 *   private  everything else
 * Only what both levels allow is allowed. A level says which objects may be created, deleted and listed, and
 * names two sets of rights, for reading and for writing: which objects and which of their fields. nobody (no
 * login) has the user role "nobody" and the device role "user". An unknown user role counts as "nobody", an
 * unknown or empty device role as "none".
 *
 * A set of permissions is read from a file (or is the built-in one), checked, and compiled to bit masks for
 * all pairs of roles; it never changes afterwards. Asking it is a few comparisons of role names and an array
 * access: no lock, no allocation. */
#ifndef CONNECTORDB_ACCESS_H
#define CONNECTORDB_ACCESS_H

#include "catalog.h"
#include "error.h"
#include "fields.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PERMISSIONS_BYTES_MAX = 1 << 20, /* of a permissions file */
    PERMISSIONS_ROLES_MAX = 64,      /* user roles; device roles as well */
    PERMISSIONS_NAMES_MAX = 1000,    /* access levels; rw_access; disallowed names; email suffixes */
};

/* Bits of access.actions. */
enum access_action {
    ACCESS_CREATE_USER = 1,
    ACCESS_CREATE_DEVICE = 2,
    ACCESS_CREATE_STREAM = 4,
    ACCESS_DELETE_USER = 8,
    ACCESS_DELETE_DEVICE = 16,
    ACCESS_DELETE_STREAM = 32,
    ACCESS_LIST_USERS = 64,
    ACCESS_LIST_DEVICES = 128,
    ACCESS_LIST_STREAMS = 256,
    ACCESS_SUBSCRIBE = 512,
};

/* Bits of access_rights.objects. */
enum access_object {
    ACCESS_USER = 1,
    ACCESS_DEVICE = 2,
    ACCESS_STREAM = 4,
    ACCESS_DATA = 8,          /* the data of a stream */
    ACCESS_DOWNLINK = 16,     /* the downlink part */
    ACCESS_NOT_EDITABLE = 32, /* devices with user_editable false */
};

struct access_rights {
    uint32_t objects; /* enum access_object */
    /* Bit i: field i of USER_KIND, DEVICE_KIND and STREAM_KIND. */
    uint32_t user_fields, device_fields, stream_fields;
};

/* The rights of one identity on one target. */
struct access {
    uint32_t actions; /* enum access_action */
    struct access_rights read, write;
};

/* Limits of a user role; 0 = no limit. */
struct access_limits {
    uint64_t max_devices;         /* of a user */
    uint64_t max_streams;         /* of a device */
    uint64_t max_device_size;     /* bytes of all values of a device's streams */
    uint64_t max_stream_size;     /* bytes of all values of a stream */
    uint64_t max_private_devices; /* of a user */
    bool user_can_be_private;
};

/* Defaults of new objects of a user with the role. A NULL text is empty. */
struct access_defaults {
    struct user user;
    struct device device;
    struct stream stream;
};

/* Who may use the join page, for a user role. */
struct access_join {
    bool enabled;
    const char *role;             /* of the new user */
    const char *disabled_message; /* when it is not enabled */
};

struct permissions;

/* Compiles the text of a permissions file: JSON with comments. file: its name for messages. 0; -EINVAL: the
 * message names file, line, place and what is wrong; -ENOMEM. Free with permissions_free. */
int permissions_parse(const char *text, size_t size, const char *file, struct permissions **ret_permissions,
    struct error *ret_error);
/* path "default": the built-in permissions; else the file. 0 or as permissions_parse, or -errno of reading
 * the file. */
int permissions_load(const char *path, struct permissions **ret_permissions, struct error *ret_error);
void permissions_free(struct permissions *permissions); /* accepts NULL */
/* The text of the built-in permissions, with comments; static. */
const char *permissions_default_text(void);
/* Whether the file shall be watched for changes. */
bool permissions_watch(const struct permissions *permissions);

/* The object that a request is about: a user (device_id 0), a device, or a stream's device. */
struct access_target {
    int64_t user_id, device_id;
    bool is_public; /* of the user; of the device where there is one */
};

/* The rights of `identity` (NULL = nobody) on the target. Valid as long as the permissions. */
const struct access *access_of(
    const struct permissions *permissions, const struct identity *identity, struct access_target target);
/* The same for what has no owner yet: listing users (is_public false), creating a user (its `public`). */
const struct access *access_of_users(
    const struct permissions *permissions, const struct identity *identity, bool is_public);

/* Whether it may count all users, devices and streams. */
struct access_counts {
    bool users, devices, streams;
};
/* Which totals `identity` (NULL = nobody) may ask for. Any thread; does not block. */
struct access_counts access_counts(const struct permissions *permissions, const struct identity *identity);

/* Each returns what the permissions say for a user role: limits of what such a user may own, defaults of new
 * objects, and who may use the join page. A role that the file does not have gets those of nobody. Valid as
 * long as the permissions. Any thread. */
const struct access_limits *access_limits(const struct permissions *permissions, const char *user_role);
const struct access_defaults *access_defaults(const struct permissions *permissions, const char *user_role);
struct access_join access_join(const struct permissions *permissions, const char *user_role);

/* Returns whether the file has a user role, and a device role, of this name. */
bool permissions_has_user_role(const struct permissions *permissions, const char *role);
/* True for the empty role as well. */
bool permissions_has_device_role(const struct permissions *permissions, const char *role);
/* Whether a new user may have this name and this email address. */
bool permissions_allow_name(const struct permissions *permissions, const char *name);
bool permissions_allow_email(const struct permissions *permissions, const char *email);
/* The most users of the server; UINT64_MAX = no limit. */
uint64_t permissions_users_max(const struct permissions *permissions);

#endif
