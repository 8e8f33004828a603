#include "request.h"

#include "change_log.h"
#include "create.h"
#include "find.h"
#include "json_object.h"
#include "list.h"

#include <string.h>

/* ---- reading ---- */

bool users_list(struct request *request, struct problem *problem)
{
    if (strcmp(query_value(&request->query, "q"), "ls") != 0)
        return problem_set(problem, 404, "There is nothing here without q=ls");
    if (!(access_of_users(request->permissions, request_acting(request), false)->actions & ACCESS_LIST_USERS))
        return problem_set(problem, 404, "You may not list users");
    return list_users(request, problem);
}

static bool answer_user(struct request *request, const struct user *user)
{
    request->exchange->no_store = true;
    json_print_object(http_answer_open(request->exchange, 200, HTTP_JSON), &USER_KIND, user,
        access_to_user(request, user)->read.user_fields);
    (void)http_answer_close(request->exchange, true);
    return true;
}

bool user_get(struct request *request, struct problem *problem)
{
    const char *q = query_value(&request->query, "q");
    bool devices = strcmp(q, "ls") == 0 || strcmp(q, "devices") == 0;
    bool streams = strcmp(q, "streams") == 0;
    struct list_filter filter = list_filter_parse(&request->query);
    struct user user = {0};
    if (*q && !devices && !streams)
        return problem_set(problem, 400, "Unrecognized query command; known are ls, devices, streams");
    if (!find_user(request, 404, &user, problem))
        return false;
    const struct access *access = access_to_user(request, &user);
    unsigned needed = devices ? ACCESS_LIST_DEVICES : streams ? ACCESS_LIST_STREAMS : 0;
    bool done;
    if (!(access->read.objects & ACCESS_USER) || (access->actions & needed) != needed)
        done = request_missing(request, 404, problem);
    else if (devices)
        done = list_devices(request, user.id, problem);
    else if (streams)
        done = list_streams_of_user(request, user.id, &filter, problem);
    else
        done = answer_user(request, &user);
    user_free(&user);
    return done;
}

/* ---- create ---- */

static bool role_exists(const struct request *request, const char *role, struct problem *problem)
{
    return permissions_has_user_role(request->permissions, role) ||
           problem_set(problem, 403, "The user role '%.40s' does not exist", role);
}

static bool may_be_private(const struct request *request, const char *role, struct problem *problem)
{
    return access_limits(request->permissions, role)->user_can_be_private ||
           problem_set(problem, 403, "A user with the role '%.40s' cannot be private", role);
}

static bool email_allowed(const struct request *request, const char *email, struct problem *problem)
{
    return permissions_allow_email(request->permissions, email) ||
           problem_set(problem, 403, "Email addresses like this are not allowed on this server");
}

/* Checks that depend only on the permissions. */
static bool check_new_user(const struct request *request, const struct user *user, struct problem *problem)
{
    const struct permissions *permissions = request->permissions;
    const struct access *access = access_of_users(permissions, request_acting(request), user->is_public);
    if (!(access->actions & ACCESS_CREATE_USER))
        return problem_set(problem, 403, "You may not create users");
    if (!permissions_allow_name(permissions, user->name))
        return problem_set(problem, 403, "The user name '%.40s' is not allowed", user->name);
    if (!role_exists(request, user->role, problem))
        return false;
    for (size_t i = 0; i < USER_KIND.count; i++) {
        if (strcmp(USER_KIND.fields[i].name, "role") == 0 &&
            strcmp(user->role, request->login.identity.user_role) != 0 &&
            !(access->write.user_fields & field_bit(&USER_KIND, &USER_KIND.fields[i])))
            return problem_set(problem, 403, "You may not create users with another role than yours");
    }
    return (user->is_public || may_be_private(request, user->role, problem)) &&
           email_allowed(request, user->email, problem);
}

static int write_user(struct request *request, void *context, struct error *ret_error)
{
    const struct new_user *user = context;
    struct catalog_limits limits = create_limits(request, user->user.role);
    return catalog_create_user_tree(request->server->database->catalog, user, &limits, NULL, ret_error);
}

static bool create(struct request *request, const json_t *object, struct problem *problem)
{
    struct new_user user = {0};
    struct user made = {0};
    struct key_proposal keys = {""};
    bool done = create_take_user(request, object, request->user, &user, problem) &&
                check_new_user(request, &user.user, problem);
    for (size_t i = 0; i < user.device_count; i++)
        key_proposal_add(&keys, user.devices[i].device.apikey);
    done = done && create_with_keys(request, &keys, write_user, &user, problem);
    create_free_user(&user);
    if (!done || !find_user(request, 403, &made, problem))
        return false;
    change_log(request, "Create", "User");
    done = answer_user(request, &made);
    user_free(&made);
    return done;
}

/* Whether any user may be created: before the body is read. */
static bool may_create(const struct request *request)
{
    const struct permissions *permissions = request->permissions;
    const struct identity *identity = request_acting(request);
    return (access_of_users(permissions, identity, true)->actions |
               access_of_users(permissions, identity, false)->actions) &
           ACCESS_CREATE_USER;
}

bool user_create(struct request *request, struct problem *problem)
{
    struct body_object body = {0};
    if (!name_passes(request->user, problem))
        return false;
    if (!may_create(request))
        return problem_set(problem, 403, "You may not create users");
    bool done = body_object_read(&body, request, problem) && create(request, body.object, problem);
    body_object_free(&body);
    return done;
}

/* ---- update and delete ---- */

/* The values that only the permissions decide on; `changed` is what the user would be, as far as it is set.
 */
static bool check_changes(const struct request *request, const struct user *user, const struct user *changes,
    uint32_t fields, struct problem *problem)
{
    for (size_t i = 0; i < USER_KIND.count; i++) {
        const struct field *field = &USER_KIND.fields[i];
        if (!(fields & field_bit(&USER_KIND, field)))
            continue;
        if (strcmp(field->name, "role") == 0 && !role_exists(request, changes->role, problem))
            return false;
        if (strcmp(field->name, "email") == 0 && !email_allowed(request, changes->email, problem))
            return false;
        if (strcmp(field->name, "public") == 0 && !changes->is_public && user->is_public &&
            !may_be_private(request, changes->role ? changes->role : user->role, problem))
            return false;
    }
    return true;
}

static bool update(
    struct request *request, const struct user *user, const json_t *object, struct problem *problem)
{
    struct user changes = {0}, updated = {0};
    struct error error = {0};
    uint32_t fields;
    if (!body_changes(object, &USER_KIND, user, access_to_user(request, user)->write.user_fields, &changes,
            &fields, problem) ||
        !check_changes(request, user, &changes, fields, problem))
        return false;
    int r =
        catalog_change_user(request->server->database->catalog, user->id, &changes, fields, &updated, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    change_log(request, "Update", "User");
    bool done = answer_user(request, &updated);
    user_free(&updated);
    return done;
}

bool user_update(struct request *request, struct problem *problem)
{
    struct user user = {0};
    struct body_object body = {0};
    if (!find_user(request, 403, &user, problem))
        return false;
    bool done = (access_to_user(request, &user)->write.objects & ACCESS_USER) ||
                request_missing(request, 403, problem);
    done = done && body_object_read(&body, request, problem) && update(request, &user, body.object, problem);
    body_object_free(&body);
    user_free(&user);
    return done;
}

bool user_delete(struct request *request, struct problem *problem)
{
    struct user user = {0};
    struct error error = {0};
    if (!find_user(request, 403, &user, problem))
        return false;
    bool may = access_to_user(request, &user)->actions & ACCESS_DELETE_USER;
    int64_t id = user.id;
    user_free(&user);
    if (!may)
        return request_missing(request, 403, problem);
    int r = database_delete_user(request->server->database, id, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    request_log(request, "deleted user");
    change_log(request, "Delete", "User");
    return answer_ok(request);
}
