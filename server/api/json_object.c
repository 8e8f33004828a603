#include "json_object.h"

#include "json_points.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { OBJECT_DEPTH_MAX = 64 };

/* ---- out ---- */

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

/* ---- in ---- */

size_t json_depth(const char *text, size_t size)
{
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

static int body_read_whole(struct request *request, struct buffer *body, struct error *ret_error)
{
    enum { PIECE_BYTES = 16 << 10 };
    uint64_t limit = request->server->configuration->insert_limit_bytes;
    if (limit > OBJECT_BODY_BYTES_MAX)
        limit = OBJECT_BODY_BYTES_MAX;
    int r = http_body_limit(request->exchange, limit, ret_error);
    if (r < 0)
        return r;
    for (;;) {
        if (buffer_reserve(body, PIECE_BYTES) < 0)
            return error_set(ret_error, ENOMEM, "out of memory for the body of a request");
        long count = http_body_read(request->exchange, body->data + body->size, PIECE_BYTES, ret_error);
        if (count <= 0)
            return (int)count;
        body->size += (size_t)count;
    }
}

static void answer_body_failure(struct request *request, int code, const struct error *error)
{
    if (code == -EFBIG)
        answer_error(request, 413, "%s", error->message);
    else if (code == -EBADMSG || code == -ECONNABORTED)
        answer_error(request, 400, "%s", error->message);
    else if (code == -ETIMEDOUT)
        answer_error(request, 408, "%s", error->message);
    else
        answer_failure(request, 403, code, error);
}

static json_t *parse_object(struct request *request, const struct buffer *body)
{
    json_error_t failed;
    const char *text = (const char *)body->data;
    if (body->size == 0) {
        answer_error(request, 400, "The body is empty; a JSON object is needed");
        return NULL;
    }
    if (json_depth(text, body->size) > OBJECT_DEPTH_MAX) {
        answer_error(request, 400, "The body is nested deeper than %d levels", OBJECT_DEPTH_MAX);
        return NULL;
    }
    json_t *object = json_loadb(text, body->size, 0, &failed);
    if (object && json_is_object(object))
        return object;
    if (object)
        answer_error(request, 400, "The body is not a JSON object");
    else
        answer_error(
            request, 400, "The body is not a JSON object: line %d, byte %d", failed.line, failed.position);
    json_decref(object);
    return NULL;
}

json_t *json_body(struct request *request)
{
    struct buffer body = {0};
    struct error error = {0};
    json_t *object = NULL;
    int r = body_read_whole(request, &body, &error);
    if (r < 0)
        answer_body_failure(request, r, &error);
    else
        object = parse_object(request, &body);
    buffer_free(&body);
    return object;
}

static int member_take(const struct member *member, json_t *value, struct error *ret_error)
{
    if (json_is_null(value))
        return 0;
    if (member->type == MEMBER_TEXT && json_is_string(value))
        *(const char **)member->to = json_string_value(value);
    else if (member->type == MEMBER_BOOLEAN && json_is_boolean(value))
        *(bool *)member->to = json_is_true(value);
    else if (member->type == MEMBER_OBJECT && json_is_object(value))
        *(json_t **)member->to = value;
    else
        return error_set(ret_error, EINVAL, "Value of field '%s' must be %s", member->name,
            member->type == MEMBER_TEXT      ? "a string"
            : member->type == MEMBER_BOOLEAN ? "a boolean"
                                             : "an object");
    return 0;
}

int json_members(const json_t *object, const struct member *members, size_t count, struct error *ret_error)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        for (size_t i = 0; i < count; i++) {
            if (strcasecmp(key, members[i].name) != 0)
                continue;
            int r = member_take(&members[i], value, ret_error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
