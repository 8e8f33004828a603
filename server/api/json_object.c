#include "json_object.h"

#include "json_points.h"

#include <string.h>

static void put(struct sink *sink, const char *text)
{
    (void)sink_write(sink, text, strlen(text));
}

static void put_text(struct sink *sink, const char *key, const char *value)
{
    put(sink, key);
    (void)json_print_string(sink, value, strlen(value));
}

static void put_boolean(struct sink *sink, const char *key, bool value)
{
    put(sink, key);
    put(sink, value ? "true" : "false");
}

void json_user(struct sink *sink, const struct user *user, enum access access)
{
    put_text(sink, "{\"description\":", user->description);
    if (access != ACCESS_PUBLIC)
        put_text(sink, ",\"email\":", user->email);
    put_text(sink, ",\"icon\":", user->icon);
    put_text(sink, ",\"name\":", user->name);
    put_text(sink, ",\"nickname\":", user->nickname);
    put_boolean(sink, ",\"public\":", user->is_public);
    if (access != ACCESS_PUBLIC)
        put_text(sink, ",\"role\":", user->role);
    put(sink, "}");
}

void json_device(struct sink *sink, const struct device *device, enum access access)
{
    put(sink, "{");
    if (access == ACCESS_FULL) {
        put_text(sink, "\"apikey\":", device->apikey);
        put(sink, ",");
    }
    put_text(sink, "\"description\":", device->description);
    put_boolean(sink, ",\"enabled\":", device->enabled);
    put_text(sink, ",\"icon\":", device->icon);
    put_text(sink, ",\"name\":", device->name);
    put_text(sink, ",\"nickname\":", device->nickname);
    put_boolean(sink, ",\"public\":", device->is_public);
    if (access != ACCESS_PUBLIC) {
        put_text(sink, ",\"role\":", device->role);
        put_boolean(sink, ",\"user_editable\":", device->user_editable);
    }
    put_boolean(sink, ",\"visible\":", device->visible);
    put(sink, "}");
}

void json_stream_in_list(struct sink *sink, const struct stream *stream, const char *device)
{
    put_text(sink, "{\"datatype\":", stream->datatype);
    put_text(sink, ",\"description\":", stream->description);
    if (device)
        put_text(sink, ",\"device\":", device);
    put_boolean(sink, ",\"downlink\":", stream->downlink);
    put_boolean(sink, ",\"ephemeral\":", stream->ephemeral);
    put_text(sink, ",\"icon\":", stream->icon);
    put_text(sink, ",\"name\":", stream->name);
    put_text(sink, ",\"nickname\":", stream->nickname);
    put_text(sink, ",\"schema\":", stream->schema);
    put(sink, "}");
}

void json_stream(struct sink *sink, const struct stream *stream)
{
    put_text(sink, "{\"name\":", stream->name);
    put_text(sink, ",\"nickname\":", stream->nickname);
    put_text(sink, ",\"description\":", stream->description);
    put_text(sink, ",\"icon\":", stream->icon);
    put_text(sink, ",\"schema\":", stream->schema);
    put_text(sink, ",\"datatype\":", stream->datatype);
    put_boolean(sink, ",\"ephemeral\":", stream->ephemeral);
    put_boolean(sink, ",\"downlink\":", stream->downlink);
    put(sink, "}");
}
