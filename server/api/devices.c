#include "request.h"

#include "auth.h"
#include "body.h"
#include "find.h"
#include "json_object.h"
#include "list.h"
#include "permission.h"
#include "streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_UNGUESSABLE = 16 }; /* of an API key that a client chooses */

static bool answer_device(struct request *request, const struct device *device, enum access access)
{
    request->exchange->no_store = true;
    json_device(http_answer_open(request->exchange, 200, HTTP_JSON), device, access);
    (void)http_answer_close(request->exchange, true);
    return true;
}

bool device_get(struct request *request, struct problem *problem)
{
    const char *q = query_value(&request->query, "q");
    struct device device = {0};
    if (*q && strcmp(q, "ls") != 0 && strcmp(q, "streams") != 0)
        return problem_set(problem, 400, "Unrecognized query command; known are ls, streams");
    if (!find_device(request, 404, &device, problem))
        return false;
    enum access access =
        permission_read_device(request_acting(request), device.user_id, device.id, device.is_public);
    bool done;
    if (access == ACCESS_NONE)
        done = request_missing(request, 404, problem);
    else if (*q)
        done = list_streams(request, device.id, problem);
    else
        done = answer_device(request, &device, access);
    device_free(&device);
    return done;
}

/* ---- create ---- */

/* A new device as its body describes it; texts are borrowed from the body. */
struct device_body {
    struct device device;
    const json_t *streams; /* NULL or an object {name: stream} */
};

static bool device_take(const struct request *request, const json_t *object, struct device_body *ret_body,
    struct problem *problem)
{
    struct device device = {
        .name = (char *)request->device,
        .role = (char *)permission_default_device_role(request_acting(request)),
    };
    const json_t *streams = NULL;
    struct member members[FIELDS_MAX + 1];
    fields_set_defaults(&DEVICE_KIND, &device);
    size_t count = body_field_members(&DEVICE_KIND, &device, members);
    members[count++] = (struct member){"streams", MEMBER_OBJECT, &streams};
    if (!body_members(object, members, count, problem))
        return false;
    *ret_body = (struct device_body){.device = device, .streams = streams};
    return true;
}

static bool check_device(const struct device *device, bool user_public, struct problem *problem)
{
    if (!name_valid(device->name))
        return problem_set(problem, 403,
            "The name is not valid: a letter, then at most %d letters, digits, - and _", NAME_BYTES_MAX - 1);
    if (!icon_valid(device->icon))
        return problem_set(problem, 403, "The icon is not valid: material:name, fa:name or base64");
    if (!permission_device_role_known(device->role))
        return problem_set(problem, 403, "The role is not known; none, reader, writer, user are");
    if (device->is_public && !user_public)
        return problem_set(problem, 403, "A private user cannot have a public device");
    return true;
}

/* The streams of a new device; of their texts only the schemas are their own. */
struct streams_body {
    struct stream *streams;
    size_t count;
};

static void streams_free(struct streams_body *body)
{
    for (size_t i = 0; i < body->count; i++)
        free(body->streams[i].schema);
    free(body->streams);
}

/* To be freed also on failure. */
static bool streams_take(const json_t *object, struct streams_body *body, struct problem *problem)
{
    const char *name;
    json_t *member;
    size_t count = json_object_size(object);
    body->streams = calloc(count > 0 ? count : 1, sizeof(*body->streams));
    if (!body->streams)
        return problem_later(
            problem, 503, "The server has no memory left for the streams of a device, try again");
    json_object_foreach((json_t *)object, name, member)
    {
        if (!json_is_object(member))
            return problem_set(problem, 400, "Each member of streams must be an object");
        if (!stream_take(member, name, &body->streams[body->count], problem))
            return false;
        body->count++;
    }
    return true;
}

/* A 409 for the API key tells that somebody has it, so proposing keys is a way of guessing them: it counts as
 * one when the key is taken, or so short that keys like it can be tried one by one. */
static bool insert(struct request *request, const struct device *device, const struct streams_body *streams,
    struct problem *problem)
{
    struct catalog *catalog = request->server->database->catalog;
    size_t key_size = strlen(device->apikey);
    struct guess guess;
    struct error error = {0};
    if (key_size > 0 && !auth_guess_begin(&request->server->auth, request->exchange, &guess, problem))
        return false;
    int r =
        catalog_create_device_with_streams(catalog, device, streams->streams, streams->count, NULL, &error);
    if (r == -ENOTUNIQ)
        request_log(request, "refused a device whose API key is in use,");
    bool counts = r == -ENOTUNIQ || (r == 0 && key_size < KEY_BYTES_UNGUESSABLE);
    if (key_size > 0)
        auth_guess_judged(&request->server->auth, &guess, counts ? GUESS_WRONG : GUESS_UNDECIDED);
    return r == 0 || write_refused(request, r, &error, problem);
}

static bool insert_and_answer(struct request *request, const struct device *device,
    const struct streams_body *streams, struct problem *problem)
{
    struct device made = {0};
    if (!insert(request, device, streams, problem))
        return false;
    if (!find_device(request, 403, &made, problem))
        return false;
    bool done = answer_device(request, &made, ACCESS_FULL);
    device_free(&made);
    return done;
}

static bool create(
    struct request *request, const struct user *user, const json_t *object, struct problem *problem)
{
    struct device_body body = {0};
    struct streams_body streams = {0};
    bool done = device_take(request, object, &body, problem) &&
                check_device(&body.device, user->is_public, problem) &&
                streams_take(body.streams, &streams, problem);
    body.device.user_id = user->id;
    done = done && insert_and_answer(request, &body.device, &streams, problem);
    streams_free(&streams);
    return done;
}

bool device_create(struct request *request, struct problem *problem)
{
    struct user user = {0};
    struct body_object body = {0};
    if (!name_passes(request->device, problem) || !find_user(request, 403, &user, problem))
        return false;
    bool done =
        permission_create_device(request_acting(request), user.id) || request_missing(request, 403, problem);
    done = done && body_object_read(&body, request, problem) && create(request, &user, body.object, problem);
    body_object_free(&body);
    user_free(&user);
    return done;
}

bool device_delete(struct request *request, struct problem *problem)
{
    struct device device = {0};
    struct error error = {0};
    if (!find_device(request, 403, &device, problem))
        return false;
    bool may = permission_delete_device(request_acting(request), device.user_id, device.id);
    int64_t id = device.id;
    device_free(&device);
    if (!may)
        return request_missing(request, 403, problem);
    int r = database_delete_device(request->server->database, id, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    request_log(request, "deleted device");
    return answer_ok(request);
}
