#include "request.h"

#include "change_log.h"
#include "create.h"
#include "find.h"
#include "json_object.h"
#include "list.h"

#include <string.h>

/* ---- reading ---- */

static bool answer_device(struct request *request, const struct device *device, bool blanked)
{
    uint32_t readable = access_to_device(request, device)->read.device_fields;
    request->exchange->no_store = true;
    struct sink *sink = http_answer_open(request->exchange, 200, HTTP_JSON);
    if (blanked)
        json_print_blanked(sink, &DEVICE_KIND, device, readable);
    else
        json_print_object(sink, &DEVICE_KIND, device, readable);
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
    const struct access *access = access_to_device(request, &device);
    bool done;
    if (!(access->read.objects & ACCESS_DEVICE) || (*q && !(access->actions & ACCESS_LIST_STREAMS)))
        done = request_missing(request, 404, problem);
    else if (*q)
        done = list_streams(request, device.id, &access->read, problem);
    else
        done = answer_device(request, &device, false);
    device_free(&device);
    return done;
}

/* ---- create ---- */

struct creation {
    struct new_device device;
    struct catalog_limits limits;
};

static int write_device(struct request *request, void *context, struct error *ret_error)
{
    struct creation *creation = context;
    return catalog_create_device_tree(
        request->server->database->catalog, &creation->device, &creation->limits, NULL, ret_error);
}

static bool create(
    struct request *request, const struct user *user, const json_t *object, struct problem *problem)
{
    struct creation creation = {.limits = create_limits(request, user->role)};
    struct key_proposal keys = {""};
    struct device made = {0};
    bool done = create_take_device(request, object, request->device, &creation.device, problem);
    creation.device.device.user_id = user->id;
    key_proposal_add(&keys, creation.device.device.apikey);
    done = done && create_with_keys(request, &keys, write_device, &creation, problem);
    create_free_device(&creation.device);
    if (!done || !find_device(request, 403, &made, problem))
        return false;
    change_log(request, "Create", "Device");
    done = answer_device(request, &made, false);
    device_free(&made);
    return done;
}

bool device_create(struct request *request, struct problem *problem)
{
    struct user user = {0};
    struct body_object body = {0};
    if (!name_passes(request->device, problem) || !find_user(request, 403, &user, problem))
        return false;
    bool done = (access_to_user(request, &user)->actions & ACCESS_CREATE_DEVICE) ||
                request_missing(request, 403, problem);
    done = done && body_object_read(&body, request, problem) && create(request, &user, body.object, problem);
    body_object_free(&body);
    user_free(&user);
    return done;
}

/* ---- update and delete ---- */

/* user_editable false: the user and the device itself may not change it. (To delete it is another right.) */
static bool check_editable(
    const struct request *request, const struct device *device, struct problem *problem)
{
    return device->user_editable ||
           (access_to_device(request, device)->write.objects & ACCESS_NOT_EDITABLE) ||
           problem_set(problem, 403, "The device is not user_editable: only administrators change it");
}

/* As a private one: by the limits of its owner's role. */
static bool limits_of_owner(const struct request *request, const struct device *device,
    struct catalog_limits *ret_limits, struct problem *problem)
{
    struct user user = {0};
    struct error error = {0};
    int r = catalog_user_by_id(request->server->database->catalog, device->user_id, &user, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    *ret_limits = create_limits(request, user.role);
    user_free(&user);
    return true;
}

struct change {
    int64_t id;
    struct device changes, *updated;
    uint32_t fields;
    struct catalog_limits limits;
};

static int write_change(struct request *request, void *context, struct error *ret_error)
{
    struct change *change = context;
    return catalog_change_device(request->server->database->catalog, change->id, &change->changes,
        change->fields, &change->limits, change->updated, ret_error);
}

static bool update(
    struct request *request, const struct device *device, const json_t *object, struct problem *problem)
{
    struct device updated = {0};
    struct change change = {.id = device->id, .updated = &updated};
    struct key_proposal keys = {""};
    uint32_t writable = access_to_device(request, device)->write.device_fields;
    if (!body_changes(object, &DEVICE_KIND, device, writable, &change.changes, &change.fields, problem) ||
        !limits_of_owner(request, device, &change.limits, problem))
        return false;
    const char *role = change.changes.role;
    if (role && !permissions_has_device_role(request->permissions, role))
        return problem_set(problem, 403, "The device role '%.40s' does not exist", role);
    if (change.changes.apikey && strcmp(change.changes.apikey, device->apikey) != 0)
        key_proposal_add(&keys, change.changes.apikey);
    if (!create_with_keys(request, &keys, write_change, &change, problem))
        return false;
    change_log(request, "Update", "Device");
    bool done = answer_device(request, &updated, true);
    device_free(&updated);
    return done;
}

bool device_update(struct request *request, struct problem *problem)
{
    struct device device = {0};
    struct body_object body = {0};
    if (!find_device(request, 403, &device, problem))
        return false;
    bool done = (access_to_device(request, &device)->write.objects & ACCESS_DEVICE) ||
                request_missing(request, 403, problem);
    done = done && check_editable(request, &device, problem) && body_object_read(&body, request, problem) &&
           update(request, &device, body.object, problem);
    body_object_free(&body);
    device_free(&device);
    return done;
}

bool device_delete(struct request *request, struct problem *problem)
{
    struct device device = {0};
    struct error error = {0};
    if (!find_device(request, 403, &device, problem))
        return false;
    bool may = access_to_device(request, &device)->actions & ACCESS_DELETE_DEVICE;
    int64_t id = device.id;
    device_free(&device);
    if (!may)
        return request_missing(request, 403, problem);
    int r = database_delete_device(request->server->database, id, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    request_log(request, "deleted device");
    change_log(request, "Delete", "Device");
    return answer_ok(request);
}
