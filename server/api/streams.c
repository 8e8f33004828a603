#include "request.h"

#include "change_log.h"
#include "create.h"
#include "find.h"
#include "json_object.h"
#include "stream_schema.h"

#include <string.h>

static bool answer_stream(struct request *request, const struct stream *stream, const struct access *access)
{
    request->exchange->no_store = true;
    json_print_blanked(http_answer_open(request->exchange, 200, HTTP_JSON), &STREAM_KIND, stream,
        access->read.stream_fields);
    (void)http_answer_close(request->exchange, true);
    return true;
}

/* The stream of the path and what may be done to its device. */
static bool find_both(const struct request *request, int status_missing, struct stream *ret_stream,
    const struct access **ret_access, struct problem *problem)
{
    struct device device = {0};
    if (!find_device(request, status_missing, &device, problem))
        return false;
    *ret_access = access_to_device(request, &device);
    device_free(&device);
    return find_stream(request, status_missing, ret_stream, problem);
}

bool stream_get(struct request *request, struct problem *problem)
{
    struct stream stream = {0};
    const struct access *access;
    if (*query_value(&request->query, "q"))
        return problem_set(problem, 400, "Unrecognized query command");
    if (!find_both(request, 404, &stream, &access, problem))
        return false;
    bool done = access->read.objects & ACCESS_STREAM ? answer_stream(request, &stream, access)
                                                     : request_missing(request, 404, problem);
    stream_free(&stream);
    return done;
}

/* ---- create ---- */

/* The device of the path with its owner's limits, if streams may be made on it. */
static bool find_device_for_stream(struct request *request, struct device *ret_device,
    struct catalog_limits *ret_limits, const struct access **ret_access, struct problem *problem)
{
    struct user user = {0};
    if (!find_user(request, 403, &user, problem))
        return false;
    *ret_limits = create_limits(request, user.role);
    user_free(&user);
    if (!find_device(request, 403, ret_device, problem))
        return false;
    *ret_access = access_to_device(request, ret_device);
    return ((*ret_access)->actions & ACCESS_CREATE_STREAM) || request_missing(request, 403, problem);
}

static bool create(struct request *request, int64_t device_id, const struct catalog_limits *limits,
    const struct access *access, const json_t *object, struct problem *problem)
{
    struct stream stream = {0}, made = {0};
    struct error error = {0};
    if (!create_take_stream(request, object, request->stream, &stream, problem))
        return false;
    stream.device_id = device_id;
    int r = catalog_create_stream_within(request->server->database->catalog, &stream, limits, NULL, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    if (!find_stream(request, 403, &made, problem))
        return false;
    change_log(request, "Create", "Stream");
    bool done = answer_stream(request, &made, access);
    stream_free(&made);
    return done;
}

bool stream_create(struct request *request, struct problem *problem)
{
    struct body_object body = {0};
    struct device device = {0};
    struct catalog_limits limits;
    const struct access *access;
    bool done = name_passes(request->stream, problem) &&
                find_device_for_stream(request, &device, &limits, &access, problem) &&
                body_object_read(&body, request, problem) &&
                create(request, device.id, &limits, access, body.object, problem);
    body_object_free(&body);
    device_free(&device);
    return done;
}

/* ---- update and delete ---- */

static bool update(struct request *request, const struct stream *stream, const struct access *access,
    const json_t *object, struct problem *problem)
{
    struct stream changes = {0}, updated = {0};
    struct error error = {0};
    uint32_t fields;
    if (!body_changes(
            object, &STREAM_KIND, stream, access->write.stream_fields, &changes, &fields, problem) ||
        (changes.schema && !stream_schema_valid(changes.schema, problem)))
        return false;
    int r = database_change_stream(request->server->database, stream->id, &changes, fields, &updated, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    change_log(request, "Update", "Stream");
    bool done = answer_stream(request, &updated, access);
    stream_free(&updated);
    return done;
}

bool stream_update(struct request *request, struct problem *problem)
{
    struct stream stream = {0};
    struct body_object body = {0};
    const struct access *access;
    if (!find_both(request, 403, &stream, &access, problem))
        return false;
    bool done = (access->write.objects & ACCESS_STREAM) || request_missing(request, 403, problem);
    done = done && body_object_read(&body, request, problem) &&
           update(request, &stream, access, body.object, problem);
    body_object_free(&body);
    stream_free(&stream);
    return done;
}

bool stream_delete(struct request *request, struct problem *problem)
{
    struct stream stream = {0};
    struct error error = {0};
    const struct access *access;
    if (!find_both(request, 403, &stream, &access, problem))
        return false;
    int64_t id = stream.id;
    stream_free(&stream);
    if (!(access->actions & ACCESS_DELETE_STREAM))
        return request_missing(request, 403, problem);
    int r = database_delete_stream(request->server->database, id, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    request_log(request, "deleted stream");
    change_log(request, "Delete", "Stream");
    return answer_ok(request);
}
