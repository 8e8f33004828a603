/* Changes of users, devices and streams: some fields of one object, read and written in one transaction. */
#include "catalog_internal.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool changes(const struct object_kind *kind, uint32_t fields, size_t offset)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (kind->fields[i].offset == offset)
            return fields & field_bit(kind, &kind->fields[i]);
    }
    return false;
}
#define CHANGES(kind, fields, type, member) changes(kind, fields, offsetof(struct type, member))

static int replace_text(char **text, const char *value, struct error *ret_error)
{
    char *copy = strdup(value);
    if (!copy)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    free(*text);
    *text = copy;
    return 0;
}

/* Copies the fields into an object that owns its texts. */
static int overlay(
    const struct object_kind *kind, void *object, const void *from, uint32_t fields, struct error *ret_error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (!(fields & field_bit(kind, field)) || (field->flags & FIELD_FIXED) || field->type == FIELD_ID)
            continue;
        if (field->type == FIELD_FLAG)
            *field_flag(field, object) = field_get_flag(field, from);
        else
            r = replace_text(field_text(field, object), field_get_text(field, from), ret_error);
    }
    return r;
}

static int load_by_id(struct catalog *catalog, enum statement id, const struct object_kind *kind, int64_t row,
    void *ret_object, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = select_by_id(catalog->writer, id, row, &statement, ret_error);
    if (r == -ENOENT)
        r = error_set(ret_error, ENOENT, "%s not found", kind->name);
    if (r == 0)
        r = object_load(statement, kind, ret_object, ret_error);
    statement_release(catalog->writer, id, statement);
    return r;
}

/* ---- users ---- */

static int change_user(struct catalog *catalog, int64_t id, const struct user *from, uint32_t fields,
    struct user *user, struct error *ret_error)
{
    int r = load_by_id(catalog, STATEMENT_USER_BY_ID, &USER_KIND, id, user, ret_error);
    if (r < 0)
        return r;
    if (CHANGES(&USER_KIND, fields, user, email) && strcmp(user->email, from->email) != 0)
        r = exists_by_text(catalog->writer, STATEMENT_USER_EMAIL_TAKEN, from->email, ret_error);
    if (r > 0)
        r = error_set(ret_error, EEXIST, "a user with this email address already exists");
    if (r == 0)
        r = overlay(&USER_KIND, user, from, fields, ret_error);
    if (r == 0)
        r = update_object(catalog->writer, STATEMENT_USER_UPDATE, &USER_KIND, user, ret_error);
    return r;
}

/* Identities carry the role; what is remembered of logins belongs to the password and to names. */
static void outdate_user(struct catalog *catalog, const struct user *user, uint32_t fields)
{
    cache_outdate(catalog->identities);
    if (CHANGES(&USER_KIND, fields, user, password))
        password_memory_forget(catalog->passwords, user->id);
    if (CHANGES(&USER_KIND, fields, user, email)) {
        password_memory_forget(catalog->passwords, user->id);
        forget_logins(catalog, user->name, user->email);
    }
}

int catalog_change_user(struct catalog *catalog, int64_t id, const struct user *changed, uint32_t fields,
    struct user *ret_user, struct error *ret_error)
{
    static char scheme[] = PASSWORD_SCHEME_NEW;
    struct user from = *changed, user = {0};
    struct password_hash hash;
    uint32_t internal = 0; /* the password's hash, salt and scheme change together */
    for (size_t i = 0; i < USER_KIND.count; i++)
        internal |=
            USER_KIND.fields[i].flags & FIELD_INTERNAL ? field_bit(&USER_KIND, &USER_KIND.fields[i]) : 0;
    bool password = CHANGES(&USER_KIND, fields, user, password);
    fields &= ~internal;
    int r = fields_check_changes(&USER_KIND, &from, fields, ret_error);
    if (r == 0 && password) {
        r = hash_in_turn(catalog, from.password, &hash, ret_error); /* before the gate: it takes long */
        from.password = hash.hash;
        from.password_salt = hash.salt;
        from.password_scheme = scheme;
        fields |= internal;
    }
    if (r == 0)
        r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    r = change_user(catalog, id, &from, fields, &user, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r < 0) {
        user_free(&user);
        return r;
    }
    outdate_user(catalog, &user, fields);
    *ret_user = user;
    return 0;
}

/* ---- devices ---- */

static int check_key(
    struct catalog *catalog, const struct device *device, const char *key, struct error *ret_error)
{
    if (strcmp(device->apikey, key) == 0)
        return 0;
    int r = exists_by_text(catalog->writer, STATEMENT_DEVICE_KEY_TAKEN, key, ret_error);
    return r > 0 ? error_set(ret_error, ENOTUNIQ,
                       "the API key of device '%s' cannot be used: choose another, or an empty one for a "
                       "random one",
                       device->name)
                 : r;
}

static int change_device(struct catalog *catalog, int64_t id, const struct device *from, uint32_t fields,
    const struct catalog_limits *limits, struct device *device, struct error *ret_error)
{
    int r = load_by_id(catalog, STATEMENT_DEVICE_BY_ID, &DEVICE_KIND, id, device, ret_error);
    if (r == 0 && strcmp(device->name, "meta") == 0)
        r = error_set(ret_error, EPERM, "the device 'meta' belongs to its user and cannot be changed");
    if (r == 0 && CHANGES(&DEVICE_KIND, fields, device, apikey))
        r = check_key(catalog, device, from->apikey, ret_error);
    if (r < 0)
        return r;
    bool was_public = device->is_public;
    r = overlay(&DEVICE_KIND, device, from, fields, ret_error);
    if (r == 0 && !was_public && device->is_public)
        r = check_device_owner(catalog, device, ret_error);
    if (r == 0)
        r = update_object(catalog->writer, STATEMENT_DEVICE_UPDATE, &DEVICE_KIND, device, ret_error);
    if (r == 0 && was_public && !device->is_public && limits)
        r = check_limit(catalog, STATEMENT_COUNT_PRIVATE_DEVICES, device->user_id, limits->private_devices,
            "private devices of a user", ret_error);
    return r;
}

int catalog_change_device(struct catalog *catalog, int64_t id, const struct device *changed, uint32_t fields,
    const struct catalog_limits *limits, struct device *ret_device, struct error *ret_error)
{
    struct device from = *changed, device = {0};
    char key[UUID_TEXT_BYTES];
    int r = fields_check_changes(&DEVICE_KIND, &from, fields, ret_error);
    if (r == 0)
        r = uuid_generate(key, ret_error);
    if (r == 0 && (!from.apikey || from.apikey[0] == '\0'))
        from.apikey = key;
    if (r == 0)
        r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    r = change_device(catalog, id, &from, fields, limits, &device, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r < 0) {
        device_free(&device);
        return r;
    }
    cache_outdate(catalog->identities);
    cache_outdate(catalog->places);
    *ret_device = device;
    return 0;
}

/* ---- streams ---- */

/* A downlink that comes back gets a new series: the old one's data is gone. */
static int change_stream(struct catalog *catalog, int64_t id, const struct stream *from, uint32_t fields,
    struct stream *stream, uint64_t *ret_dropped, struct error *ret_error)
{
    int r = load_by_id(catalog, STATEMENT_STREAM_BY_ID, &STREAM_KIND, id, stream, ret_error);
    if (r < 0)
        return r;
    uint64_t before = stream->downlink_series_id;
    r = overlay(&STREAM_KIND, stream, from, fields, ret_error);
    stream->downlink_series_id = stream->downlink ? before : 0;
    if (r == 0 && stream->downlink && before == 0)
        r = take_series(catalog, 1, &stream->downlink_series_id, ret_error);
    if (r == 0)
        r = update_object(catalog->writer, STATEMENT_STREAM_UPDATE, &STREAM_KIND, stream, ret_error);
    if (r == 0)
        *ret_dropped = stream->downlink ? 0 : before;
    return r;
}

int catalog_change_stream(struct catalog *catalog, int64_t id, const struct stream *changed, uint32_t fields,
    struct stream *ret_stream, uint64_t *ret_dropped_series, struct error *ret_error)
{
    struct stream from = *changed, stream = {0};
    char *schema = NULL;
    uint64_t dropped = 0;
    int r = fields_check_changes(&STREAM_KIND, &from, fields, ret_error);
    if (r == 0 && CHANGES(&STREAM_KIND, fields, stream, schema))
        r = schema_normalize(from.schema, &schema, ret_error);
    from.schema = schema;
    if (r == 0)
        r = write_begin(catalog, ret_error);
    if (r == 0) {
        r = change_stream(catalog, id, &from, fields, &stream, &dropped, ret_error);
        r = write_end(catalog, r, ret_error);
    }
    free(schema);
    if (r < 0) {
        stream_free(&stream);
        return r;
    }
    cache_outdate(catalog->places);
    if (ret_stream)
        *ret_stream = stream;
    else
        stream_free(&stream);
    *ret_dropped_series = dropped;
    return 0;
}
