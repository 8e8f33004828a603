#include "access_private.h"

#include "file.h"
#include "json_comments.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_KEYS_MAX = 4 };

/* A file that is being read, and where the reader is in it. */
struct reader {
    const char *text; /* without comments */
    size_t size;
    const char *file;
    const char *path[PATH_KEYS_MAX];
    size_t path_length;
    struct permissions *permissions;
    struct error *error;
};

/* ---- errors ---- */

/* Says what is wrong with the value at the reader's path. */
static int wrong(struct reader *reader, const char *what)
{
    char place[256] = "";
    size_t size = 0;
    for (size_t i = 0; i < reader->path_length; i++)
        size += (size_t)snprintf(place + size, size < sizeof(place) ? sizeof(place) - size : 0, "%s%.60s",
            i > 0 ? "." : "", reader->path[i]);
    unsigned line = json_line_of(reader->text, reader->size, reader->path, reader->path_length);
    return error_set(reader->error, EINVAL, "%s:%u: %s %s", reader->file, line, place, what);
}

static int no_memory(struct reader *reader)
{
    return error_set(reader->error, ENOMEM, "%s: out of memory", reader->file);
}

static void enter(struct reader *reader, const char *key)
{
    reader->path[reader->path_length++] = key;
}

static void leave(struct reader *reader)
{
    reader->path_length--;
}

/* ---- simple values ---- */

static int read_flag(struct reader *reader, const json_t *value, bool *ret_flag)
{
    if (!json_is_boolean(value))
        return wrong(reader, "must be true or false");
    *ret_flag = json_is_true(value);
    return 0;
}

static int read_text(struct reader *reader, const json_t *value, char **ret_text)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value) ||
        json_string_length(value) > TEXT_BYTES_MAX)
        return wrong(reader, "must be a string");
    char *copy = strdup(json_string_value(value));
    if (!copy)
        return no_memory(reader);
    free(*ret_text);
    *ret_text = copy;
    return 0;
}

/* -1 and 0 are no limit; `none` is stored then. */
static int read_limit(struct reader *reader, const json_t *value, uint64_t none, uint64_t *ret_limit)
{
    if (!json_is_integer(value) || json_integer_value(value) < -1)
        return wrong(reader, "must be a whole number; 0 or -1 is no limit");
    *ret_limit = json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : none;
    return 0;
}

static int read_names(struct reader *reader, const json_t *value, struct names *ret_names)
{
    if (json_is_null(value))
        return 0;
    if (!json_is_array(value) || json_array_size(value) > PERMISSIONS_NAMES_MAX)
        return wrong(reader, "must be an array of at most 1000 strings, or null");
    ret_names->texts = calloc(json_array_size(value) + 1, sizeof(char *));
    if (!ret_names->texts)
        return no_memory(reader);
    int r = 0;
    for (size_t i = 0; r == 0 && i < json_array_size(value); i++) {
        r = read_text(reader, json_array_get(value, i), &ret_names->texts[i]);
        ret_names->count += r == 0;
    }
    return r;
}

/* ---- members by table ---- */

enum member_type { MEMBER_FLAG, MEMBER_NAME, MEMBER_LIMIT, MEMBER_ACTION, MEMBER_OBJECT };

/* A member of a JSON object and where its value goes. */
struct member {
    const char *key;
    enum member_type type;
    size_t offset;
    uint32_t bit; /* of a uint32_t that a true flag sets */
};

static int read_member(struct reader *reader, const struct member *member, const json_t *value, void *object)
{
    void *to = (char *)object + member->offset;
    bool flag = false;
    int r;
    switch (member->type) {
    case MEMBER_FLAG:
        return read_flag(reader, value, to);
    case MEMBER_NAME:
        return read_text(reader, value, to);
    case MEMBER_LIMIT:
        return read_limit(reader, value, 0, to);
    default:
        r = read_flag(reader, value, &flag);
        if (flag)
            *(uint32_t *)to |= member->bit;
        return r;
    }
}

/* Reads what the table knows of; other(…) decides about the rest: 1 = it has taken it, 0 = an unknown key. */
static int read_members(struct reader *reader, const json_t *json, const struct member *members, size_t count,
    void *object, int (*other)(struct reader *reader, const char *key, const json_t *value, void *object))
{
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return wrong(reader, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        size_t i = 0;
        while (i < count && strcmp(members[i].key, key) != 0)
            i++;
        enter(reader, key);
        int r = i < count ? read_member(reader, &members[i], value, object)
                : other   ? other(reader, key, value, object)
                          : 0;
        if (i == count && r == 0)
            r = wrong(reader, "is not known here");
        if (r < 0)
            return r;
        leave(reader);
    }
    return 0;
}

/* ---- rights: one set of rw_access ---- */

#define OBJECT(key_, bit_)                                                                                   \
    {                                                                                                        \
        "can_access_" key_, MEMBER_OBJECT, offsetof(struct access_rights, objects), bit_                     \
    }
static const struct member RIGHTS[] = {
    OBJECT("user", ACCESS_USER),
    OBJECT("device", ACCESS_DEVICE),
    OBJECT("stream", ACCESS_STREAM),
    OBJECT("stream_data", ACCESS_DATA),
    OBJECT("stream_downlink", ACCESS_DOWNLINK),
    OBJECT("non_user_editable_devices", ACCESS_NOT_EDITABLE),
};

/* "user_nickname": the field of a kind. */
static int read_field_right(struct reader *reader, const char *key, const json_t *value, void *object)
{
    struct access_rights *rights = object;
    const struct object_kind *kinds[] = {&USER_KIND, &DEVICE_KIND, &STREAM_KIND};
    uint32_t *masks[] = {&rights->user_fields, &rights->device_fields, &rights->stream_fields};
    for (size_t k = 0; k < 3; k++) {
        size_t length = strlen(kinds[k]->name);
        if (strncmp(key, kinds[k]->name, length) != 0 || key[length] != '_')
            continue;
        for (size_t i = 0; i < kinds[k]->count; i++) {
            bool flag = false;
            if (kinds[k]->fields[i].type == FIELD_ID ||
                strcmp(kinds[k]->fields[i].name, key + length + 1) != 0)
                continue;
            int r = read_flag(reader, value, &flag);
            if (r == 0 && flag)
                *masks[k] |= UINT32_C(1) << i;
            return r < 0 ? r : 1;
        }
    }
    return 0;
}

/* ---- access levels ---- */

#define ACTION(key_, bit_)                                                                                   \
    {                                                                                                        \
        key_, MEMBER_ACTION, offsetof(struct level, actions), bit_                                           \
    }
static const struct member LEVEL[] = {
    ACTION("can_create_user", ACCESS_CREATE_USER),
    ACTION("can_create_device", ACCESS_CREATE_DEVICE),
    ACTION("can_create_stream", ACCESS_CREATE_STREAM),
    ACTION("can_delete_user", ACCESS_DELETE_USER),
    ACTION("can_delete_device", ACCESS_DELETE_DEVICE),
    ACTION("can_delete_stream", ACCESS_DELETE_STREAM),
    ACTION("can_list_users", ACCESS_LIST_USERS),
    ACTION("can_list_devices", ACCESS_LIST_DEVICES),
    ACTION("can_list_streams", ACCESS_LIST_STREAMS),
    ACTION("can_subscribe_to_stream", ACCESS_SUBSCRIBE),
    {"read_access", MEMBER_NAME, offsetof(struct level, read_name), 0},
    {"write_access", MEMBER_NAME, offsetof(struct level, write_name), 0},
};

/* ---- roles ---- */

#define ROLE(key_, type_, member_)                                                                           \
    {                                                                                                        \
        key_, type_, offsetof(struct role, member_), 0                                                       \
    }
#define DEVICE_ROLE_MEMBERS                                                                                  \
    ROLE("CanCountUsers", MEMBER_FLAG, counts.users), ROLE("CanCountDevices", MEMBER_FLAG, counts.devices),  \
        ROLE("CanCountStreams", MEMBER_FLAG, counts.streams),                                                \
        ROLE("self_access_level", MEMBER_NAME, level_names[RELATION_SELF]),                                  \
        ROLE("user_access_level", MEMBER_NAME, level_names[RELATION_USER]),                                  \
        ROLE("public_access_level", MEMBER_NAME, level_names[RELATION_PUBLIC]),                              \
        ROLE("private_access_level", MEMBER_NAME, level_names[RELATION_PRIVATE])
static const struct member DEVICE_ROLE[] = {DEVICE_ROLE_MEMBERS};
static const struct member USER_ROLE[] = {
    DEVICE_ROLE_MEMBERS,
    ROLE("join", MEMBER_FLAG, join),
    ROLE("join_role", MEMBER_NAME, join_role),
    ROLE("join_disabled_message", MEMBER_NAME, join_disabled_message),
    ROLE("max_devices", MEMBER_LIMIT, limits.max_devices),
    ROLE("max_streams", MEMBER_LIMIT, limits.max_streams),
    ROLE("max_device_size", MEMBER_LIMIT, limits.max_device_size),
    ROLE("max_stream_size", MEMBER_LIMIT, limits.max_stream_size),
    ROLE("max_private_devices", MEMBER_LIMIT, limits.max_private_devices),
    ROLE("user_can_be_private", MEMBER_FLAG, limits.user_can_be_private),
};

/* The values of new objects: members are fields of the kind. */
static int read_defaults(
    struct reader *reader, const struct object_kind *kind, const json_t *json, void *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return wrong(reader, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        size_t i = 0;
        while (
            i < kind->count && (kind->fields[i].type == FIELD_ID || strcmp(kind->fields[i].name, key) != 0))
            i++;
        enter(reader, key);
        int r = i == kind->count ? wrong(reader, "is not known here")
                : kind->fields[i].type == FIELD_FLAG
                    ? read_flag(reader, value, field_flag(&kind->fields[i], object))
                    : read_text(reader, value, field_text(&kind->fields[i], object));
        if (r < 0)
            return r;
        leave(reader);
    }
    return 0;
}

static int read_role_defaults(struct reader *reader, const char *key, const json_t *value, void *object)
{
    struct role *role = object;
    int r;
    if (strcmp(key, "create_user_defaults") == 0)
        r = read_defaults(reader, &USER_KIND, value, &role->defaults.user);
    else if (strcmp(key, "create_device_defaults") == 0)
        r = read_defaults(reader, &DEVICE_KIND, value, &role->defaults.device);
    else if (strcmp(key, "create_stream_defaults") == 0)
        r = read_defaults(reader, &STREAM_KIND, value, &role->defaults.stream);
    else
        return 0;
    return r < 0 ? r : 1;
}

/* ---- named objects: {"name": {...}, ...} ---- */

/* The entries of a table of named objects. `name` is the first member of each. */
struct named_kind {
    const char *key;
    size_t object_bytes, count_max;
    const struct member *members;
    size_t member_count;
    size_t members_offset; /* of what the members' offsets count from */
    int (*other)(struct reader *reader, const char *key, const json_t *value, void *object);
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
static const struct named_kind RIGHTS_KIND = {"rw_access", sizeof(struct rights), PERMISSIONS_NAMES_MAX,
    RIGHTS, COUNT(RIGHTS), offsetof(struct rights, rights), read_field_right};
static const struct named_kind LEVEL_KIND = {
    "access_levels", sizeof(struct level), PERMISSIONS_NAMES_MAX, LEVEL, COUNT(LEVEL), 0, NULL};
static const struct named_kind DEVICE_ROLE_KIND = {
    "device_roles", sizeof(struct role), PERMISSIONS_ROLES_MAX, DEVICE_ROLE, COUNT(DEVICE_ROLE), 0, NULL};
static const struct named_kind USER_ROLE_KIND = {"user_roles", sizeof(struct role), PERMISSIONS_ROLES_MAX,
    USER_ROLE, COUNT(USER_ROLE), 0, read_role_defaults};

static int read_named(
    struct reader *reader, const struct named_kind *kind, const json_t *json, struct table *table)
{
    const char *name;
    json_t *value;
    if (!json_is_object(json))
        return wrong(reader, "must be an object of named objects");
    if (json_object_size(json) > kind->count_max)
        return wrong(reader, "has too many members");
    table->object_bytes = kind->object_bytes;
    table->objects = calloc(json_object_size(json) + 1, kind->object_bytes);
    if (!table->objects)
        return no_memory(reader);
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        char *object = table_at(table, table->count++);
        enter(reader, name);
        if (strlen(name) > NAME_BYTES_MAX)
            return wrong(reader, "has a name that is too long");
        *(char **)(void *)object = strdup(name);
        if (!*(char **)(void *)object)
            return no_memory(reader);
        int r = read_members(
            reader, value, kind->members, kind->member_count, object + kind->members_offset, kind->other);
        if (r < 0)
            return r;
        leave(reader);
    }
    return 0;
}

/* ---- the file ---- */

static int read_version(struct reader *reader, const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) == 1
               ? 0
               : wrong(reader, "must be 1, the version that is known");
}

static int read_top(struct reader *reader, const char *key, const json_t *value, void *object)
{
    struct permissions *permissions = object;
    int r;
    if (strcmp(key, "version") == 0)
        r = read_version(reader, value);
    else if (strcmp(key, "disallow_names") == 0)
        r = read_names(reader, value, &permissions->disallowed_names);
    else if (strcmp(key, "allowed_email_suffixes") == 0)
        r = read_names(reader, value, &permissions->email_suffixes);
    else if (strcmp(key, "max_users") == 0)
        r = read_limit(reader, value, UINT64_MAX, &permissions->users_max);
    else if (strcmp(key, USER_ROLE_KIND.key) == 0)
        r = read_named(reader, &USER_ROLE_KIND, value, &permissions->user_roles);
    else if (strcmp(key, DEVICE_ROLE_KIND.key) == 0)
        r = read_named(reader, &DEVICE_ROLE_KIND, value, &permissions->device_roles);
    else if (strcmp(key, LEVEL_KIND.key) == 0)
        r = read_named(reader, &LEVEL_KIND, value, &permissions->levels);
    else if (strcmp(key, RIGHTS_KIND.key) == 0)
        r = read_named(reader, &RIGHTS_KIND, value, &permissions->rights);
    else
        return 0;
    return r < 0 ? r : 1;
}

/* ---- names that must lead somewhere ---- */

static int check_role(struct reader *reader, const struct role *role)
{
    static const char *const KEYS[] = {[RELATION_SELF] = "self_access_level",
        "user_access_level",
        "public_access_level",
        "private_access_level"};
    for (int relation = 0; relation < RELATIONS; relation++) {
        enter(reader, KEYS[relation]);
        if (!role->level_names[relation])
            return wrong(reader, "is missing");
        if (!permissions_level(reader->permissions, role->level_names[relation]))
            return wrong(reader, "names an access level that is not there");
        leave(reader);
    }
    return 0;
}

static int check_join_role(struct reader *reader, const struct role *role)
{
    enter(reader, "join_role");
    if (!role->join_role || !table_find(&reader->permissions->user_roles, role->join_role))
        return wrong(reader, "must name a user role");
    leave(reader);
    return 0;
}

static int check_roles(struct reader *reader, const struct table *roles, const char *key, bool users)
{
    int r = 0;
    enter(reader, key);
    for (size_t i = 0; r == 0 && i < roles->count; i++) {
        const struct role *role = table_at(roles, i);
        enter(reader, role->name);
        r = check_role(reader, role);
        if (r == 0 && users)
            r = check_join_role(reader, role);
        if (r == 0)
            leave(reader);
    }
    static const char *const NEEDED[2][2] = {{"none", "user"}, {"nobody", "nobody"}};
    for (size_t i = 0; r == 0 && i < 2; i++)
        if (!table_find(roles, NEEDED[users][i]))
            r = wrong(reader,
                users ? "must have the role \"nobody\"" : "must have the roles \"none\" and \"user\"");
    if (r == 0)
        leave(reader);
    return r;
}

static int check_levels(struct reader *reader)
{
    enter(reader, LEVEL_KIND.key);
    for (size_t i = 0; i < reader->permissions->levels.count; i++) {
        const struct level *level = table_at(&reader->permissions->levels, i);
        const char *names[] = {level->read_name, level->write_name},
                   *keys[] = {"read_access", "write_access"};
        enter(reader, level->name);
        for (size_t j = 0; j < 2; j++) {
            enter(reader, keys[j]);
            if (!names[j])
                return wrong(reader, "is missing");
            if (!permissions_rights(reader->permissions, names[j]))
                return wrong(reader, "names an rw_access that is not there");
            leave(reader);
        }
        leave(reader);
    }
    leave(reader);
    return 0;
}

static int read_all(struct reader *reader, const json_t *json)
{
    static const struct member TOP[] = {{"watch", MEMBER_FLAG, offsetof(struct permissions, watch), 0}};
    int r = read_members(reader, json, TOP, 1, reader->permissions, read_top);
    if (r == 0 && !json_object_get(json, "version"))
        r = error_set(reader->error, EINVAL, "%s: \"version\": 1 is missing", reader->file);
    if (r == 0)
        r = check_levels(reader);
    if (r == 0)
        r = check_roles(reader, &reader->permissions->user_roles, USER_ROLE_KIND.key, true);
    if (r == 0)
        r = check_roles(reader, &reader->permissions->device_roles, DEVICE_ROLE_KIND.key, false);
    return r;
}

static int parse(struct reader *reader)
{
    json_error_t json_error;
    json_t *json = json_loadb(reader->text, reader->size, JSON_REJECT_DUPLICATES, &json_error);
    if (!json) {
        bool memory = json_error_code(&json_error) == json_error_out_of_memory;
        return error_set(reader->error, memory ? ENOMEM : EINVAL, "%s:%d: %s", reader->file, json_error.line,
            json_error.text);
    }
    int r = read_all(reader, json);
    if (r == 0)
        r = permissions_compile(reader->permissions) < 0 ? no_memory(reader) : 0;
    json_decref(json);
    return r;
}

int permissions_parse(const char *text, size_t size, const char *file, struct permissions **ret_permissions,
    struct error *ret_error)
{
    struct error error = {0};
    if (size > PERMISSIONS_BYTES_MAX)
        return error_set(ret_error, EINVAL, "%s: larger than %d bytes", file, PERMISSIONS_BYTES_MAX);
    char *plain = malloc(size + 1);
    struct permissions *permissions = permissions_new();
    int r = 0;
    if (!plain || !permissions) {
        r = error_set(&error, ENOMEM, "%s: out of memory", file);
    } else {
        memcpy(plain, text, size);
        unsigned line = json_blank_comments(plain, size);
        struct reader reader = {
            .text = plain, .size = size, .file = file, .permissions = permissions, .error = &error};
        r = line > 0
                ? error_set(&error, EINVAL, "%s:%u: the comment that begins here does not end", file, line)
                : parse(&reader);
    }
    free(plain);
    if (r < 0) {
        permissions_free(permissions);
        return error_set(ret_error, error.code, "%s", error.message);
    }
    *ret_permissions = permissions;
    return 0;
}

int permissions_load(const char *path, struct permissions **ret_permissions, struct error *ret_error)
{
    struct buffer bytes = {0};
    if (strcmp(path, "default") == 0) {
        const char *text = permissions_default_text();
        return permissions_parse(text, strlen(text), "default permissions", ret_permissions, ret_error);
    }
    int r = file_read(path, PERMISSIONS_BYTES_MAX, &bytes, ret_error);
    if (r == 0)
        r = permissions_parse(
            bytes.data ? (const char *)bytes.data : "", bytes.size, path, ret_permissions, ret_error);
    buffer_free(&bytes);
    return r;
}
