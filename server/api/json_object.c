#include "json_object.h"

#include "fields.h"
#include "json_points.h"

#include <string.h>

static void put(struct sink *sink, const char *text)
{
    (void)sink_write(sink, text, strlen(text));
}

static void put_key(struct sink *sink, const char *key, bool *first)
{
    put(sink, *first ? "{\"" : ",\"");
    put(sink, key);
    put(sink, "\":");
    *first = false;
}

static void put_text(struct sink *sink, const char *value)
{
    (void)json_print_string(sink, value, strlen(value));
}

static void put_field(struct sink *sink, const struct field *field, const void *object, bool *first)
{
    put_key(sink, field->name, first);
    if (field->type == FIELD_TEXT)
        put_text(sink, field_get_text(field, object));
    else
        put(sink, field_get_flag(field, object) ? "true" : "false");
}

/* In order of name. */
static void put_object(
    struct sink *sink, const struct object_kind *kind, const void *object, enum access access)
{
    size_t count;
    const struct field *const *fields = fields_by_name(kind, &count);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (permission_shows(access, fields[i]))
            put_field(sink, fields[i], object, &first);
    }
    put(sink, "}");
}

void json_user(struct sink *sink, const struct user *user, enum access access)
{
    put_object(sink, &USER_KIND, user, access);
}

void json_device(struct sink *sink, const struct device *device, enum access access)
{
    put_object(sink, &DEVICE_KIND, device, access);
}

void json_stream_in_list(struct sink *sink, const struct stream *stream, const char *device)
{
    size_t count;
    const struct field *const *fields = fields_by_name(&STREAM_KIND, &count);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (device && strcmp(fields[i]->name, "device") > 0) {
            put_key(sink, "device", &first);
            put_text(sink, device);
            device = NULL;
        }
        put_field(sink, fields[i], stream, &first);
    }
    put(sink, "}");
}

/* In the order of the table, as 0.3 answers a single stream. */
void json_stream(struct sink *sink, const struct stream *stream)
{
    bool first = true;
    for (size_t i = 0; i < STREAM_KIND.count; i++) {
        if (STREAM_KIND.fields[i].type != FIELD_ID)
            put_field(sink, &STREAM_KIND.fields[i], stream, &first);
    }
    put(sink, "}");
}
