#include "streams.h"

#include "body.h"
#include "find.h"
#include "json_object.h"
#include "permission.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool name_passes(const char *name, struct problem *problem)
{
    return (*name && !strpbrk(name, " ?/\\")) ||
           problem_set(problem, 400, "The given name may not contain spaces, ?, / or \\");
}

static bool answer_stream(struct request *request, const struct stream *stream)
{
    request->exchange->no_store = true;
    json_stream(http_answer_open(request->exchange, 200, HTTP_JSON), stream);
    (void)http_answer_close(request->exchange, true);
    return true;
}

/* The stream of the path and its device. */
static bool find_both(const struct request *request, int status_missing, struct stream *ret_stream,
    struct device *ret_device, struct problem *problem)
{
    if (!find_device(request, status_missing, ret_device, problem))
        return false;
    if (find_stream(request, status_missing, ret_stream, problem))
        return true;
    device_free(ret_device);
    return false;
}

bool stream_get(struct request *request, struct problem *problem)
{
    struct stream stream = {0};
    struct device device = {0};
    if (*query_value(&request->query, "q"))
        return problem_set(problem, 400, "Unrecognized query command");
    if (!find_both(request, 404, &stream, &device, problem))
        return false;
    bool done = permission_read_stream(request_acting(request), device.user_id, device.id, device.is_public)
                    ? answer_stream(request, &stream)
                    : request_missing(request, 404, problem);
    stream_free(&stream);
    device_free(&device);
    return done;
}

static bool check_stream(const struct stream *stream, struct problem *problem)
{
    if (!name_valid(stream->name))
        return problem_set(problem, 403,
            "The name is not valid: a letter, then at most %d letters, digits, - and _", NAME_BYTES_MAX - 1);
    if (!icon_valid(stream->icon))
        return problem_set(problem, 403, "The icon is not valid: material:name, fa:name or base64");
    return true;
}

static bool take_schema(const char *text, char **ret_schema, struct problem *problem)
{
    struct error error = {0};
    int r = schema_normalize(text, ret_schema, &error);
    if (r == -EINVAL)
        return problem_set(problem, 403, "%s", error.message);
    return r == 0 || problem_failed(problem, "a schema", r, &error);
}

bool stream_take(const json_t *object, const char *name, struct stream *ret_stream, struct problem *problem)
{
    struct stream stream = {.name = (char *)name};
    struct member members[FIELDS_MAX];
    fields_set_defaults(&STREAM_KIND, &stream);
    size_t count = body_field_members(&STREAM_KIND, &stream, members);
    if (!body_members(object, members, count, problem) || !check_stream(&stream, problem) ||
        !take_schema(stream.schema, &stream.schema, problem))
        return false;
    *ret_stream = stream;
    return true;
}

static bool create(struct request *request, int64_t device_id, const json_t *object, struct problem *problem)
{
    struct stream stream = {0};
    struct error error = {0};
    if (!stream_take(object, request->stream, &stream, problem))
        return false;
    stream.device_id = device_id;
    int r = catalog_create_stream(request->server->database->catalog, &stream, NULL, &error);
    bool done = r < 0 ? write_refused(request, r, &error, problem) : answer_stream(request, &stream);
    free(stream.schema);
    return done;
}

/* The device of the path, if its streams may be changed. */
static bool find_device_to_change(const struct request *request, int64_t *ret_id, struct problem *problem)
{
    struct device device = {0};
    if (!find_device(request, 403, &device, problem))
        return false;
    bool may = permission_change_streams(request_acting(request), device.user_id, device.id);
    *ret_id = device.id;
    device_free(&device);
    return may || request_missing(request, 403, problem);
}

bool stream_create(struct request *request, struct problem *problem)
{
    struct body_object body = {0};
    int64_t device_id;
    bool done = name_passes(request->stream, problem) &&
                find_device_to_change(request, &device_id, problem) &&
                body_object_read(&body, request, problem) && create(request, device_id, body.object, problem);
    body_object_free(&body);
    return done;
}

bool stream_delete(struct request *request, struct problem *problem)
{
    struct stream stream = {0};
    struct error error = {0};
    int64_t device_id;
    if (!find_device_to_change(request, &device_id, problem) || !find_stream(request, 403, &stream, problem))
        return false;
    int r = database_delete_stream(request->server->database, stream.id, &error);
    stream_free(&stream);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    request_log(request, "deleted stream");
    return answer_ok(request);
}
