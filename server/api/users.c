#include "request.h"

#include "json_object.h"
#include "list.h"
#include "permission.h"

#include <errno.h>
#include <string.h>

/* What the visits of a list of streams need. */
struct streams_of_user {
    struct list list;
    bool only_public, only_downlink, only_visible;
    const struct device *device;
};

static int visit_user(void *context, const struct user *user)
{
    struct list *list = context;
    int r = list_next(list);
    if (r == 0)
        json_user(
            list->sink, user, permission_read_user(request_acting(list->request), user->id, user->is_public));
    return r;
}

void users_list(struct request *request)
{
    struct list list;
    struct error error = {0};
    if (strcmp(query_value(&request->query, "q"), "ls") != 0) {
        answer_error(request, 404, "There is nothing here without q=ls");
        return;
    }
    if (!permission_list_users(request_acting(request))) {
        answer_error(request, 404, "You may not list users");
        return;
    }
    if (list_begin(&list, request) == 0)
        list_end(&list, catalog_each_user(list.snapshot, visit_user, &list, &error), &error);
}

static int visit_device(void *context, const struct device *device)
{
    struct list *list = context;
    enum access access =
        permission_read_device(request_acting(list->request), device->user_id, device->id, device->is_public);
    if (access == ACCESS_NONE)
        return 0;
    int r = list_next(list);
    if (r == 0)
        json_device(list->sink, device, access);
    return r;
}

static void list_devices(struct request *request, const struct user *user)
{
    struct list list;
    struct error error = {0};
    if (list_begin(&list, request) == 0)
        list_end(&list, catalog_each_device(list.snapshot, user->id, visit_device, &list, &error), &error);
}

static int visit_stream(void *context, const struct stream *stream)
{
    struct streams_of_user *streams = context;
    if (streams->only_downlink && !stream->downlink)
        return 0;
    int r = list_next(&streams->list);
    if (r == 0)
        json_stream_in_list(streams->list.sink, stream, streams->device->name);
    return r;
}

static int visit_device_for_streams(void *context, const struct device *device)
{
    struct streams_of_user *streams = context;
    const struct identity *identity = request_acting(streams->list.request);
    if ((streams->only_public && !device->is_public) || (streams->only_visible && !device->visible))
        return 0;
    if (!permission_read_stream(identity, device->user_id, device->id, device->is_public))
        return 0;
    streams->device = device;
    return catalog_each_stream(streams->list.snapshot, device->id, visit_stream, streams, NULL);
}

static void list_streams(struct request *request, const struct user *user)
{
    struct error error = {0};
    struct streams_of_user streams = {
        .only_public = strcmp(query_value(&request->query, "public"), "true") == 0,
        .only_downlink = strcmp(query_value(&request->query, "downlink"), "true") == 0,
        .only_visible = strcmp(query_value(&request->query, "visible"), "true") == 0,
    };
    if (list_begin(&streams.list, request) < 0)
        return;
    int r = catalog_each_device(streams.list.snapshot, user->id, visit_device_for_streams, &streams, &error);
    list_end(&streams.list, r, &error);
}

static void answer_user(struct request *request, const struct user *user, enum access access)
{
    request->exchange->no_store = true;
    json_user(http_answer_open(request->exchange, 200, HTTP_JSON), user, access);
    (void)http_answer_close(request->exchange, true);
}

void user_get(struct request *request)
{
    const char *q = query_value(&request->query, "q");
    bool devices = strcmp(q, "ls") == 0 || strcmp(q, "devices") == 0;
    bool streams = strcmp(q, "streams") == 0;
    struct user user = {0};
    struct error error = {0};
    if (*q && !devices && !streams) {
        answer_error(request, 400, "Unrecognized query command; known are ls, devices, streams");
        return;
    }
    int r = catalog_user_by_name(request->server->database->catalog, request->user, &user, &error);
    enum access access =
        r < 0 ? ACCESS_NONE : permission_read_user(request_acting(request), user.id, user.is_public);
    if (r == 0 && access == ACCESS_NONE)
        r = -ENOENT;
    if (r < 0)
        answer_failure(request, 404, r, &error);
    else if (devices)
        list_devices(request, &user);
    else if (streams)
        list_streams(request, &user);
    else
        answer_user(request, &user, access);
    user_free(&user);
}
