#include "description.h"

#include "buffer.h"
#include "byte_order_mark.h"
#include "file.h"
#include "json_points.h"
#include "layout.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- the fields, in the order in which they are printed ---- */

enum field_type { FIELD_TEXT, FIELD_FLAG };

struct field {
    const char *key;
    enum field_type type;
    bool missing_flag; /* what a flag that the file leaves out means */
    size_t offset;     /* of the char * or bool in the object */
};

#define TEXT(type, key, member)                                                                              \
    {                                                                                                        \
        key, FIELD_TEXT, false, offsetof(struct type, member)                                                \
    }
#define FLAG(type, key, member, missing)                                                                     \
    {                                                                                                        \
        key, FIELD_FLAG, missing, offsetof(struct type, member)                                              \
    }

static const struct field USER_FIELDS[] = {
    TEXT(user, "name", name),
    TEXT(user, "nickname", nickname),
    TEXT(user, "email", email),
    TEXT(user, "description", description),
    TEXT(user, "icon", icon),
    TEXT(user, "role", role),
    FLAG(user, "public", is_public, false),
    TEXT(user, "password", password),
    TEXT(user, "password_salt", password_salt),
    TEXT(user, "password_scheme", password_scheme),
};

static const struct field DEVICE_FIELDS[] = {
    TEXT(device, "name", name),
    TEXT(device, "nickname", nickname),
    TEXT(device, "description", description),
    TEXT(device, "icon", icon),
    TEXT(device, "apikey", apikey),
    FLAG(device, "enabled", enabled, true),
    FLAG(device, "public", is_public, false),
    TEXT(device, "role", role),
    FLAG(device, "visible", visible, true),
    FLAG(device, "user_editable", user_editable, true),
};

static const struct field STREAM_FIELDS[] = {
    TEXT(stream, "name", name),
    TEXT(stream, "nickname", nickname),
    TEXT(stream, "description", description),
    TEXT(stream, "icon", icon),
    TEXT(stream, "schema", schema),
    TEXT(stream, "datatype", datatype),
    FLAG(stream, "ephemeral", ephemeral, false),
    FLAG(stream, "downlink", downlink, false),
};

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static char **field_text(const struct field *field, void *object)
{
    return (char **)(void *)((char *)object + field->offset);
}

static bool *field_flag(const struct field *field, void *object)
{
    return (bool *)(void *)((char *)object + field->offset);
}

/* ---- printing ---- */

static int print_text(struct sink *sink, const char *text)
{
    return sink_write(sink, text, strlen(text));
}

static int print_object(struct sink *sink, const struct field *fields, size_t count, const void *object)
{
    (void)print_text(sink, "{");
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        (void)print_text(sink, i == 0 ? "\n\t\"" : ",\n\t\"");
        (void)print_text(sink, field->key);
        (void)print_text(sink, "\": ");
        const char *member = (const char *)object + field->offset;
        if (field->type == FIELD_TEXT) {
            const char *text;
            memcpy(&text, member, sizeof(text));
            (void)json_print_string(sink, text, strlen(text));
        } else {
            bool flag;
            memcpy(&flag, member, sizeof(flag));
            (void)print_text(sink, flag ? "true" : "false");
        }
    }
    return print_text(sink, "\n}"); /* a sink keeps its first failure */
}

int description_print_folder(struct sink *sink)
{
    return print_text(sink, "{\n\t\"Version\": 2,\n\t\"ConnectorDB\": \"" CONNECTORDB_VERSION "\"\n}");
}

int description_print_user(struct sink *sink, const struct user *user)
{
    return print_object(sink, USER_FIELDS, COUNT(USER_FIELDS), user);
}

int description_print_device(struct sink *sink, const struct device *device)
{
    return print_object(sink, DEVICE_FIELDS, COUNT(DEVICE_FIELDS), device);
}

int description_print_stream(struct sink *sink, const struct stream *stream)
{
    return print_object(sink, STREAM_FIELDS, COUNT(STREAM_FIELDS), stream);
}

/* ---- reading ---- */

static int read_json(const char *path, json_t **ret_object, struct error *ret_error)
{
    struct buffer text = {0};
    int r = file_read_regular(path, DESCRIPTION_BYTES_MAX, &text, ret_error);
    if (r == -E2BIG)
        r = error_set(ret_error, EBADMSG, "%s: longer than the %d bytes that a description may have", path,
            DESCRIPTION_BYTES_MAX);
    if (r == 0) {
        json_error_t found;
        size_t skipped = byte_order_mark_bytes((const char *)text.data, text.size);
        const char *start = (const char *)text.data + skipped;
        json_t *object = json_loadb(start, text.size - skipped, JSON_REJECT_DUPLICATES, &found);
        if (!object)
            r = error_set(ret_error, EBADMSG, "%s: line %d, byte %d: %s%s", path,
                found.line < 1 ? 1 : found.line, found.position, found.text,
                byte_order_mark_near(start, text.size - skipped, (size_t)found.position)
                    ? BYTE_ORDER_MARK_MISPLACED : "");
        else if (!json_is_object(object))
            r = error_set(ret_error, EBADMSG, "%s: not a JSON object", path);
        if (r == 0)
            *ret_object = object;
        else
            json_decref(object);
    }
    buffer_free(&text);
    return r;
}

static int read_field(
    const char *path, const struct field *field, json_t *value, void *object, struct error *ret_error)
{
    if (field->type == FIELD_FLAG) {
        if (value && !json_is_boolean(value))
            return error_set(ret_error, EBADMSG, "%s: \"%s\" must be true or false", path, field->key);
        *field_flag(field, object) = value ? json_is_true(value) : field->missing_flag;
        return 0;
    }
    if (value && !json_is_string(value))
        return error_set(ret_error, EBADMSG, "%s: \"%s\" must be a string", path, field->key);
    const char *text = value ? json_string_value(value) : "";
    if (strlen(text) > TEXT_BYTES_MAX)
        return error_set(
            ret_error, EBADMSG, "%s: \"%s\" is longer than %d bytes", path, field->key, TEXT_BYTES_MAX);
    char *copy = strdup(text);
    if (!copy)
        return error_set(ret_error, ENOMEM, "%s: out of memory", path);
    *field_text(field, object) = copy;
    return 0;
}

static int check_keys(
    const char *path, const struct field *fields, size_t count, json_t *json, struct error *ret_error)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = !strcmp(fields[i].key, key);
        if (!known)
            return error_set(ret_error, EBADMSG, "%s: unknown key \"%.100s\"", path, key);
    }
    return 0;
}

static int check_name(const char *path, const char *expected, const char *found, struct error *ret_error)
{
    if (!strcmp(expected, found))
        return 0;
    return error_set(
        ret_error, EBADMSG, "%s: \"name\" is '%.100s', but its folder is called '%s'", path, found, expected);
}

/* Fills a zeroed object. After a failure it holds what was read so far. */
static int read_object(const char *path, const char *name, const struct field *fields, size_t count,
    void *object, struct error *ret_error)
{
    json_t *json = NULL;
    int r = read_json(path, &json, ret_error);
    if (r < 0)
        return r;
    r = check_keys(path, fields, count, json, ret_error);
    for (size_t i = 0; i < count && r == 0; i++)
        r = read_field(path, &fields[i], json_object_get(json, fields[i].key), object, ret_error);
    if (r == 0)
        r = check_name(path, name, *field_text(&fields[0], object), ret_error);
    json_decref(json);
    return r;
}

int description_read_folder(const char *path, unsigned *ret_version, struct error *ret_error)
{
    json_t *json = NULL;
    int r = read_json(path, &json, ret_error);
    if (r == -ENOENT)
        return error_set(ret_error, ENOENT,
            "%s is missing: not an export folder, or an export that was not finished", path);
    if (r < 0)
        return r;
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        if (strcmp(key, "Version") && strcmp(key, "ConnectorDB"))
            r = error_set(ret_error, EBADMSG, "%s: unknown key \"%.100s\"", path, key);
    }
    json_t *version = json_object_get(json, "Version");
    json_int_t number = json_integer_value(version); /* 0 if it is none */
    if (r == 0 && number != LAYOUT_VERSION && number != LAYOUT_VERSION_PYTHON)
        r = error_set(
            ret_error, EBADMSG, "%s: \"Version\" must be 1 or 2: this program reads no other export", path);
    if (r == 0)
        *ret_version = (unsigned)number;
    json_decref(json);
    return r;
}

int description_read_user(
    const char *path, const char *name, unsigned version, struct user *ret_user, struct error *ret_error)
{
    struct user user = {0};
    int r = read_object(path, name, USER_FIELDS, COUNT(USER_FIELDS), &user, ret_error);
    if (r == 0 && version != LAYOUT_VERSION_PYTHON && (!*user.password || !*user.password_scheme))
        r = error_set(ret_error, EBADMSG, "%s: \"password\" and \"password_scheme\" are missing", path);
    if (r == 0 && version != LAYOUT_VERSION_PYTHON && user_check_password_hash(&user, ret_error) < 0)
        r = error_prefix(ret_error, "%s", path);
    if (r < 0)
        user_free(&user);
    else
        *ret_user = user;
    return r;
}

int description_read_device(
    const char *path, const char *name, struct device *ret_device, struct error *ret_error)
{
    struct device device = {0};
    int r = read_object(path, name, DEVICE_FIELDS, COUNT(DEVICE_FIELDS), &device, ret_error);
    if (r < 0)
        device_free(&device);
    else
        *ret_device = device;
    return r;
}

int description_read_stream(
    const char *path, const char *name, struct stream *ret_stream, struct error *ret_error)
{
    struct stream stream = {0};
    int r = read_object(path, name, STREAM_FIELDS, COUNT(STREAM_FIELDS), &stream, ret_error);
    if (r == 0) {
        char *schema;
        r = schema_normalize(stream.schema, &schema, ret_error);
        if (r < 0) {
            r = error_prefix(ret_error, "%s: \"schema\"", path);
        } else {
            free(stream.schema);
            stream.schema = schema;
        }
    }
    if (r < 0)
        stream_free(&stream);
    else
        *ret_stream = stream;
    return r;
}
