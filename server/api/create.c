#include "create.h"

#include "auth.h"
#include "find.h"
#include "stream_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_BYTES_UNGUESSABLE = 16, /* of an API key that a client chooses */
    EXTRA_MEMBERS = 3,          /* beside fields: password, devices, streams */
};

bool name_passes(const char *name, struct problem *problem)
{
    return (*name && !strpbrk(name, " ?/\\")) ||
           problem_set(problem, 400, "The given name may not contain spaces, ?, / or \\");
}

static const struct access_defaults *defaults_of(const struct request *request)
{
    const struct identity *identity = request_acting(request);
    return access_defaults(request->permissions, identity ? identity->user_role : "nobody");
}

struct catalog_limits create_limits(const struct request *request, const char *user_role)
{
    const struct access_limits *limits = access_limits(request->permissions, user_role);
    return (struct catalog_limits){
        .users = permissions_users_max(request->permissions),
        .devices = limits->max_devices,
        .private_devices = limits->max_private_devices,
        .streams = limits->max_streams,
    };
}

/* ---- streams ---- */

bool create_take_stream(const struct request *request, const json_t *object, const char *name,
    struct stream *ret_stream, struct problem *problem)
{
    struct stream stream = defaults_of(request)->stream;
    struct member members[FIELDS_MAX];
    stream.name = (char *)name;
    size_t count = body_field_members(&STREAM_KIND, &stream, members);
    if (!body_members(object, members, count, problem) || !stream_schema_valid(stream.schema, problem))
        return false;
    *ret_stream = stream;
    return true;
}

static bool take_streams(const struct request *request, const json_t *object, struct stream **ret_streams,
    size_t *ret_count, struct problem *problem)
{
    const char *name;
    json_t *member;
    size_t count = json_object_size(object);
    if (count == 0)
        return true;
    *ret_streams = calloc(count, sizeof(**ret_streams));
    if (!*ret_streams)
        return problem_later(
            problem, 503, "The server has no memory left for the streams of a device, try again");
    json_object_foreach((json_t *)object, name, member)
    {
        if (!json_is_object(member))
            return problem_set(problem, 400, "Each member of streams must be an object");
        if (!create_take_stream(request, member, name, &(*ret_streams)[*ret_count], problem))
            return false;
        (*ret_count)++;
    }
    return true;
}

/* ---- devices ---- */

bool create_take_device(const struct request *request, const json_t *object, const char *name,
    struct new_device *ret_device, struct problem *problem)
{
    struct device *device = &ret_device->device;
    struct member members[FIELDS_MAX + EXTRA_MEMBERS];
    const json_t *streams = NULL;
    *ret_device = (struct new_device){.device = defaults_of(request)->device};
    device->name = (char *)name;
    size_t count = body_field_members(&DEVICE_KIND, device, members);
    members[count++] = (struct member){"streams", MEMBER_OBJECT, &streams};
    if (!body_members(object, members, count, problem))
        return false;
    if (!permissions_has_device_role(request->permissions, device->role))
        return problem_set(problem, 403, "The device role '%.40s' does not exist", device->role);
    return take_streams(request, streams, &ret_device->streams, &ret_device->stream_count, problem);
}

void create_free_device(struct new_device *device)
{
    free(device->streams);
}

static bool take_devices(
    const struct request *request, const json_t *object, struct new_user *user, struct problem *problem)
{
    const char *name;
    json_t *member;
    size_t count = json_object_size(object);
    if (count == 0)
        return true;
    user->devices = calloc(count, sizeof(*user->devices));
    if (!user->devices)
        return problem_later(
            problem, 503, "The server has no memory left for the devices of a user, try again");
    json_object_foreach((json_t *)object, name, member)
    {
        if (!json_is_object(member))
            return problem_set(problem, 400, "Each member of devices must be an object");
        if (strcmp(name, "user") == 0 || strcmp(name, "meta") == 0)
            return problem_set(problem, 403,
                "The device %s is made by itself; give the streams of the device user in streams", name);
        user->device_count++;
        if (!create_take_device(request, member, name, &user->devices[user->device_count - 1], problem))
            return false;
    }
    return true;
}

/* ---- users ---- */

bool create_take_user(const struct request *request, const json_t *object, const char *name,
    struct new_user *ret_user, struct problem *problem)
{
    struct user *user = &ret_user->user;
    struct member members[FIELDS_MAX + EXTRA_MEMBERS];
    const json_t *devices = NULL, *streams = NULL;
    *ret_user = (struct new_user){.user = defaults_of(request)->user, .password = ""};
    user->name = (char *)name;
    size_t count = body_field_members(&USER_KIND, user, members);
    members[count++] = (struct member){"password", MEMBER_TEXT, &ret_user->password};
    members[count++] = (struct member){"devices", MEMBER_OBJECT, &devices};
    members[count++] = (struct member){"streams", MEMBER_OBJECT, &streams};
    return body_members(object, members, count, problem) &&
           take_streams(request, streams, &ret_user->streams, &ret_user->stream_count, problem) &&
           take_devices(request, devices, ret_user, problem);
}

void create_free_user(struct new_user *user)
{
    for (size_t i = 0; i < user->device_count; i++)
        create_free_device(&user->devices[i]);
    free(user->devices);
    free(user->streams);
}

/* ---- API keys ---- */

void key_proposal_add(struct key_proposal *proposal, const char *apikey)
{
    if (apikey && *apikey && (!*proposal->shortest || strlen(apikey) < strlen(proposal->shortest)))
        proposal->shortest = apikey;
}

bool create_with_keys(struct request *request, const struct key_proposal *proposal,
    int (*write)(struct request *request, void *context, struct error *ret_error), void *context,
    struct problem *problem)
{
    bool proposes = *proposal->shortest;
    struct guess guess;
    struct error error = {0};
    if (proposes && !auth_guess_begin(&request->server->auth, request->exchange, &guess, problem))
        return false;
    int r = write(request, context, &error);
    if (r == -ENOTUNIQ)
        request_log(request, "refused a device whose API key is in use,");
    bool counts = r == -ENOTUNIQ || (r == 0 && strlen(proposal->shortest) < KEY_BYTES_UNGUESSABLE);
    if (proposes)
        auth_guess_judged(&request->server->auth, &guess, counts ? GUESS_WRONG : GUESS_UNDECIDED);
    return r == 0 || write_refused(request, r, &error, problem);
}
