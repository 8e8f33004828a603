#include "description.h"

#include "buffer.h"
#include "byte_order_mark.h"
#include "fields.h"
#include "file.h"
#include "json_points.h"
#include "layout.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- printing ---- */

static int print_text(struct sink *sink, const char *text)
{
    return sink_write(sink, text, strlen(text));
}

static int print_object(struct sink *sink, const struct object_kind *kind, const void *object)
{
    (void)print_text(sink, "{");
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type == FIELD_ID)
            continue;
        (void)print_text(sink, i == 0 ? "\n\t\"" : ",\n\t\"");
        (void)print_text(sink, field->name);
        (void)print_text(sink, "\": ");
        if (field->type == FIELD_TEXT) {
            const char *text = field_get_text(field, object);
            (void)json_print_string(sink, text, strlen(text));
        } else {
            (void)print_text(sink, field_get_flag(field, object) ? "true" : "false");
        }
    }
    return print_text(sink, "\n}"); /* a sink keeps its first failure */
}

int description_print_folder(struct sink *sink, unsigned version)
{
    (void)print_text(sink, version == LAYOUT_VERSION ? "{\n\t\"Version\": 2" : "{\n\t\"Version\": 1");
    return print_text(sink, ",\n\t\"ConnectorDB\": \"" CONNECTORDB_VERSION "\"\n}");
}

int description_print_user(struct sink *sink, const struct user *user)
{
    return print_object(sink, &USER_KIND, user);
}

int description_print_device(struct sink *sink, const struct device *device)
{
    return print_object(sink, &DEVICE_KIND, device);
}

int description_print_stream(struct sink *sink, const struct stream *stream)
{
    return print_object(sink, &STREAM_KIND, stream);
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
                    ? BYTE_ORDER_MARK_MISPLACED
                    : "");
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
            return error_set(ret_error, EBADMSG, "%s: \"%s\" must be true or false", path, field->name);
        *field_flag(field, object) = value ? json_is_true(value) : field->default_flag;
        return 0;
    }
    if (value && !json_is_string(value))
        return error_set(ret_error, EBADMSG, "%s: \"%s\" must be a string", path, field->name);
    const char *text = value ? json_string_value(value) : "";
    if (strlen(text) > field->bytes_max)
        return error_set(
            ret_error, EBADMSG, "%s: \"%s\" is longer than %zu bytes", path, field->name, field->bytes_max);
    char *copy = strdup(text);
    if (!copy)
        return error_set(ret_error, ENOMEM, "%s: out of memory", path);
    *field_text(field, object) = copy;
    return 0;
}

static int check_keys(const char *path, const struct object_kind *kind, json_t *json, struct error *ret_error)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < kind->count && !known; i++)
            known = kind->fields[i].type != FIELD_ID && !strcmp(kind->fields[i].name, key);
        if (!known)
            return error_set(ret_error, EBADMSG, "%s: unknown key \"%.100s\"", path, key);
    }
    return 0;
}

static int check_name(const char *path, const char *expected, const json_t *name, struct error *ret_error)
{
    const char *found = name ? json_string_value(name) : "";
    if (!strcmp(expected, found))
        return 0;
    return error_set(
        ret_error, EBADMSG, "%s: \"name\" is '%.100s', but its folder is called '%s'", path, found, expected);
}

/* Fills a zeroed object. After a failure it holds what was read so far. */
static int read_object(
    const char *path, const char *name, const struct object_kind *kind, void *object, struct error *ret_error)
{
    json_t *json = NULL;
    int r = read_json(path, &json, ret_error);
    if (r < 0)
        return r;
    r = check_keys(path, kind, json, ret_error);
    for (size_t i = 0; i < kind->count && r == 0; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type != FIELD_ID)
            r = read_field(path, field, json_object_get(json, field->name), object, ret_error);
    }
    if (r == 0)
        r = check_name(path, name, json_object_get(json, "name"), ret_error);
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
    int r = read_object(path, name, &USER_KIND, &user, ret_error);
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
    int r = read_object(path, name, &DEVICE_KIND, &device, ret_error);
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
    int r = read_object(path, name, &STREAM_KIND, &stream, ret_error);
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
