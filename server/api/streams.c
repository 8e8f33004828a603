#include "streams.h"

#include "client.h"
#include "permission.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Else the answer has been given. */
static bool name_passes(struct request *request, const char *name)
{
    if (*name && !strpbrk(name, " ?/\\"))
        return true;
    answer_error(request, 400, "The given name may not contain spaces, ?, / or \\");
    return false;
}

void create_from_body(struct request *request, const char *name,
    int (*create)(struct request *request, const json_t *body, struct error *ret_error))
{
    struct error error = {0};
    if (!name_passes(request, name))
        return;
    json_t *body = json_body(request);
    if (!body)
        return;
    int r = create(request, body, &error);
    if (r == -EPROTO)
        answer_error(request, 400, "%s", error.message);
    else if (r < 0)
        answer_failure(request, 403, r, &error);
    json_decref(body);
}

static void answer_stream(struct request *request, const struct stream *stream)
{
    request->exchange->no_store = true;
    json_stream(http_answer_open(request->exchange, 200, HTTP_JSON), stream);
    (void)http_answer_close(request->exchange, true);
}

/* The stream of the path and its device. 0 or -errno. */
static int stream_find(const struct request *request, struct stream *ret_stream, struct device *ret_device,
    struct error *ret_error)
{
    struct catalog *catalog = request->server->database->catalog;
    struct device device = {0};
    int r = catalog_device_by_name(catalog, request->user, request->device, &device, ret_error);
    if (r == 0)
        r = catalog_stream_by_name(
            catalog, request->user, request->device, request->stream, ret_stream, ret_error);
    if (r < 0)
        device_free(&device);
    else
        *ret_device = device;
    return r;
}

void stream_get(struct request *request)
{
    struct stream stream = {0};
    struct device device = {0};
    struct error error = {0};
    if (*query_value(&request->query, "q")) {
        answer_error(request, 400, "Unrecognized query command");
        return;
    }
    int r = stream_find(request, &stream, &device, &error);
    if (r == 0 &&
        !permission_read_stream(request_acting(request), device.user_id, device.id, device.is_public))
        r = -ENOENT;
    if (r < 0)
        answer_failure(request, 404, r, &error);
    else
        answer_stream(request, &stream);
    stream_free(&stream);
    device_free(&device);
}

static int check_stream(const struct stream *stream, struct error *ret_error)
{
    if (!name_valid(stream->name))
        return error_set(ret_error, EINVAL,
            "The name is not valid: a letter, then at most %d letters, digits, - and _", NAME_BYTES_MAX - 1);
    if (!icon_valid(stream->icon))
        return error_set(ret_error, EINVAL, "The icon is not valid: material:name, fa:name or base64");
    return 0;
}

int stream_from_object(const json_t *object, const char *name, struct stream *ret_stream, char **ret_schema,
    struct error *ret_error)
{
    const char *nickname = "", *description = "", *icon = "", *schema = "", *datatype = "";
    struct stream stream = {.name = (char *)name};
    struct member members[] = {
        {"nickname", MEMBER_TEXT, &nickname},
        {"description", MEMBER_TEXT, &description},
        {"icon", MEMBER_TEXT, &icon},
        {"schema", MEMBER_TEXT, &schema},
        {"datatype", MEMBER_TEXT, &datatype},
        {"ephemeral", MEMBER_BOOLEAN, &stream.ephemeral},
        {"downlink", MEMBER_BOOLEAN, &stream.downlink},
    };
    if (json_members(object, members, sizeof(members) / sizeof(members[0]), ret_error) < 0)
        return -EPROTO;
    stream.nickname = (char *)nickname;
    stream.description = (char *)description;
    stream.icon = (char *)icon;
    stream.datatype = (char *)datatype;
    int r = check_stream(&stream, ret_error);
    if (r == 0)
        r = schema_normalize(schema, ret_schema, ret_error);
    if (r < 0)
        return r;
    stream.schema = *ret_schema;
    *ret_stream = stream;
    return 0;
}

static int create(struct request *request, const json_t *body, struct error *ret_error)
{
    struct catalog *catalog = request->server->database->catalog;
    struct device device = {0};
    struct stream stream = {0};
    char *schema = NULL;
    int r = catalog_device_by_name(catalog, request->user, request->device, &device, ret_error);
    if (r == 0 && !permission_change_streams(request_acting(request), device.user_id, device.id))
        r = -ENOENT;
    if (r == 0)
        r = stream_from_object(body, request->stream, &stream, &schema, ret_error);
    if (r == 0) {
        stream.device_id = device.id;
        r = catalog_create_stream(catalog, &stream, NULL, ret_error);
    }
    if (r == 0)
        answer_stream(request, &stream);
    free(schema);
    device_free(&device);
    return r;
}

void stream_create(struct request *request)
{
    create_from_body(request, request->stream, create);
}

void stream_delete(struct request *request)
{
    struct stream stream = {0};
    struct device device = {0};
    struct error error = {0};
    int r = stream_find(request, &stream, &device, &error);
    if (r == 0 && !permission_change_streams(request_acting(request), device.user_id, device.id))
        r = -ENOENT;
    if (r == 0)
        r = database_delete_stream(request->server->database, stream.id, &error);
    if (r < 0) {
        answer_failure(request, 403, r, &error);
    } else {
        client_log(request, "deleted stream");
        answer_ok(request);
    }
    stream_free(&stream);
    device_free(&device);
}
