#include "request.h"

#include "auth.h"
#include "client.h"
#include "json_object.h"
#include "list.h"
#include "permission.h"
#include "streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_UNGUESSABLE = 16 }; /* of an API key that a client chooses */

static void answer_device(struct request *request, const struct device *device, enum access access)
{
    request->exchange->no_store = true;
    json_device(http_answer_open(request->exchange, 200, HTTP_JSON), device, access);
    (void)http_answer_close(request->exchange, true);
}

static int visit_stream(void *context, const struct stream *stream)
{
    struct list *list = context;
    int r = list_next(list);
    if (r == 0)
        json_stream_in_list(list->sink, stream, NULL);
    return r;
}

static void list_streams(struct request *request, const struct device *device)
{
    struct list list;
    struct error error = {0};
    if (list_begin(&list, request) == 0)
        list_end(&list, catalog_each_stream(list.snapshot, device->id, visit_stream, &list, &error), &error);
}

void device_get(struct request *request)
{
    const char *q = query_value(&request->query, "q");
    struct device device = {0};
    struct error error = {0};
    if (*q && strcmp(q, "ls") != 0 && strcmp(q, "streams") != 0) {
        answer_error(request, 400, "Unrecognized query command; known are ls, streams");
        return;
    }
    int r = catalog_device_by_name(
        request->server->database->catalog, request->user, request->device, &device, &error);
    enum access access =
        r < 0 ? ACCESS_NONE
              : permission_read_device(request_acting(request), device.user_id, device.id, device.is_public);
    if (r == 0 && access == ACCESS_NONE)
        r = -ENOENT;
    if (r < 0)
        answer_failure(request, 404, r, &error);
    else if (*q)
        list_streams(request, &device);
    else
        answer_device(request, &device, access);
    device_free(&device);
}

/* ---- create ---- */

/* A new device as its body describes it; texts are borrowed from the body. */
struct device_body {
    struct device device;
    json_t *streams; /* NULL or an object {name: stream} */
};

static int body_take(const struct request *request, const json_t *object, struct device_body *ret_body,
    struct error *ret_error)
{
    const char *nickname = "", *description = "", *icon = "", *apikey = "";
    const char *role = permission_default_device_role(request_acting(request));
    struct device device = {.enabled = true, .visible = true, .user_editable = true};
    json_t *streams = NULL;
    struct member members[] = {
        {"nickname", MEMBER_TEXT, &nickname},
        {"description", MEMBER_TEXT, &description},
        {"icon", MEMBER_TEXT, &icon},
        {"apikey", MEMBER_TEXT, &apikey},
        {"role", MEMBER_TEXT, &role},
        {"enabled", MEMBER_BOOLEAN, &device.enabled},
        {"public", MEMBER_BOOLEAN, &device.is_public},
        {"visible", MEMBER_BOOLEAN, &device.visible},
        {"user_editable", MEMBER_BOOLEAN, &device.user_editable},
        {"streams", MEMBER_OBJECT, &streams},
    };
    if (json_members(object, members, sizeof(members) / sizeof(members[0]), ret_error) < 0)
        return -EPROTO;
    device.name = (char *)request->device;
    device.nickname = (char *)nickname;
    device.description = (char *)description;
    device.icon = (char *)icon;
    device.apikey = (char *)apikey;
    device.role = (char *)role;
    *ret_body = (struct device_body){.device = device, .streams = streams};
    return 0;
}

static int check_device(const struct device *device, bool user_public, struct error *ret_error)
{
    if (!name_valid(device->name))
        return error_set(ret_error, EINVAL,
            "The name is not valid: a letter, then at most %d letters, digits, - and _", NAME_BYTES_MAX - 1);
    if (!icon_valid(device->icon))
        return error_set(ret_error, EINVAL, "The icon is not valid: material:name, fa:name or base64");
    if (!permission_device_role_known(device->role))
        return error_set(ret_error, EINVAL, "The role is not known; none, reader, writer, user are");
    if (device->is_public && !user_public)
        return error_set(ret_error, EINVAL, "A private user cannot have a public device");
    return 0;
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
static int streams_take(json_t *object, struct streams_body *body, struct error *ret_error)
{
    const char *name;
    json_t *member;
    size_t count = json_object_size(object);
    body->streams = calloc(count > 0 ? count : 1, sizeof(*body->streams));
    if (!body->streams)
        return error_set(ret_error, ENOMEM, "out of memory for the streams of a device");
    json_object_foreach(object, name, member)
    {
        struct stream *stream = &body->streams[body->count];
        char *schema;
        if (!json_is_object(member))
            return error_set(ret_error, EPROTO, "Each member of streams must be an object");
        int r = stream_from_object(member, name, stream, &schema, ret_error);
        if (r < 0)
            return r;
        body->count++;
    }
    return 0;
}

/* A 409 for the API key tells that somebody has it, so proposing keys is a way of guessing them: it counts as
 * one when the key is taken, or so short that keys like it can be tried one by one. 1: the answer has been
 * given. */
static int insert(struct request *request, const struct device_body *body, const struct streams_body *streams,
    struct error *ret_error)
{
    struct catalog *catalog = request->server->database->catalog;
    size_t key_size = strlen(body->device.apikey);
    struct guess guess;
    if (key_size > 0 && auth_guess_begin(request, &guess) < 0)
        return 1;
    int r = catalog_create_device_with_streams(
        catalog, &body->device, streams->streams, streams->count, NULL, ret_error);
    if (r == -ENOTUNIQ)
        client_log(request, "refused a device whose API key is in use,");
    bool counts = r == -ENOTUNIQ || (r == 0 && key_size < KEY_BYTES_UNGUESSABLE);
    if (key_size > 0)
        auth_guess_judged(request, &guess, counts ? GUESS_WRONG : GUESS_UNDECIDED);
    return r;
}

static int create(struct request *request, const json_t *object, struct error *ret_error)
{
    struct catalog *catalog = request->server->database->catalog;
    struct user user = {0};
    struct device made = {0};
    struct device_body body = {0};
    struct streams_body streams = {0};
    int r = body_take(request, object, &body, ret_error);
    if (r == 0)
        r = catalog_user_by_name(catalog, request->user, &user, ret_error);
    if (r == 0 && !permission_create_device(request_acting(request), user.id))
        r = -ENOENT;
    if (r == 0)
        r = check_device(&body.device, user.is_public, ret_error);
    if (r == 0)
        r = streams_take(body.streams, &streams, ret_error);
    if (r == 0) {
        body.device.user_id = user.id;
        r = insert(request, &body, &streams, ret_error);
    }
    if (r == 0)
        r = catalog_device_by_name(catalog, request->user, request->device, &made, ret_error);
    if (r == 0)
        answer_device(request, &made, ACCESS_FULL);
    streams_free(&streams);
    device_free(&made);
    user_free(&user);
    return r > 0 ? 0 : r;
}

void device_create(struct request *request)
{
    create_from_body(request, request->device, create);
}

void device_delete(struct request *request)
{
    struct device device = {0};
    struct error error = {0};
    int r = catalog_device_by_name(
        request->server->database->catalog, request->user, request->device, &device, &error);
    if (r == 0 && !permission_delete_device(request_acting(request), device.user_id, device.id))
        r = -ENOENT;
    if (r == 0)
        r = database_delete_device(request->server->database, device.id, &error);
    if (r < 0) {
        answer_failure(request, 403, r, &error);
    } else {
        client_log(request, "deleted device");
        answer_ok(request);
    }
    device_free(&device);
}
