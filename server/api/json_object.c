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
    put(sink, *first ? "\"" : ",\"");
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
        put_text(sink, object ? field_get_text(field, object) : "");
    else
        put(sink, object && field_get_flag(field, object) ? "true" : "false");
}

void json_print_object(
    struct sink *sink, const struct object_kind *kind, const void *object, uint32_t readable)
{
    size_t count;
    const struct field *const *fields = fields_by_name(kind, &count);
    bool first = true;
    put(sink, "{");
    for (size_t i = 0; i < count; i++) {
        if (readable & field_bit(kind, fields[i]))
            put_field(sink, fields[i], object, &first);
    }
    put(sink, "}");
}

void json_print_blanked(
    struct sink *sink, const struct object_kind *kind, const void *object, uint32_t readable)
{
    bool first = true;
    put(sink, "{");
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type != FIELD_ID && !(field->flags & FIELD_INTERNAL))
            put_field(sink, field, readable & field_bit(kind, field) ? object : NULL, &first);
    }
    put(sink, "}");
}

void json_print_stream_in_list(
    struct sink *sink, const struct stream *stream, const char *device, uint32_t readable)
{
    size_t count;
    const struct field *const *fields = fields_by_name(&STREAM_KIND, &count);
    bool first = true;
    put(sink, "{");
    for (size_t i = 0; i < count; i++) {
        if (device && strcmp(fields[i]->name, "device") > 0) {
            put_key(sink, "device", &first);
            put_text(sink, device);
            device = NULL;
        }
        if (readable & field_bit(&STREAM_KIND, fields[i]))
            put_field(sink, fields[i], stream, &first);
    }
    put(sink, "}");
}
