/* Joining: creates a user for a client without an account, if the permissions of the role nobody allow it. */
#include "page.h"

#include "body.h"
#include "client.h"
#include "create.h"
#include "find.h"
#include "json_points.h"
#include "log.h"

#include <errno.h>
#include <string.h>

static struct access_join may_join(const struct request *request)
{
    const struct identity *identity = request_acting(request);
    return access_join(request->permissions, identity ? identity->user_role : "nobody");
}

bool join_allowed(struct request *request, struct problem *problem)
{
    struct access_join join = may_join(request);
    const char *message = join.enabled ? "" : join.disabled_message ? join.disabled_message : "";
    struct sink *sink = http_answer_open(request->exchange, 200, HTTP_JSON);
    (void)problem;
    (void)sink_write(sink, join.enabled ? "{\"join\":true" : "{\"join\":false", join.enabled ? 12 : 13);
    (void)sink_write(sink, ",\"message\":", 11);
    (void)json_print_string(sink, message, strlen(message));
    (void)sink_write(sink, "}", 1);
    (void)http_answer_close(request->exchange, true);
    return true;
}

/* The user that the body describes, with the role of those who join. */
static bool take_user(struct request *request, const json_t *object, const char *role,
    struct new_user *ret_user, struct problem *problem)
{
    const char *name = "";
    const struct member members[] = {{"name", MEMBER_TEXT, &name}};
    if (!body_members(object, members, 1, problem) || !name_passes(name, problem))
        return false;
    if (!permissions_allow_name(request->permissions, name))
        return problem_set(problem, 403, "The user name '%.40s' is not allowed", name);
    if (!create_take_user(request, object, name, ret_user, problem))
        return false;
    ret_user->user.role = (char *)role;
    if (ret_user->device_count > 0)
        return problem_set(problem, 403, "Devices are made after joining");
    return permissions_allow_email(request->permissions, ret_user->user.email) ||
           problem_set(problem, 403, "The email address is not allowed");
}

static bool create_user(struct request *request, const struct new_user *user, struct problem *problem)
{
    char address[CLIENT_ADDRESS_BYTES];
    struct error error = {0};
    struct catalog_limits limits = create_limits(request, user->user.role);
    int r = catalog_create_user_tree(request->server->database->catalog, user, &limits, NULL, &error);
    if (r < 0)
        return write_refused(request, r, &error, problem);
    log_info("%s joined from %s", user->user.name,
        client_address(request->exchange, request->server->configuration, address));
    return true;
}

/* Each attempt counts like a wrong login of its address: nobody fills the server with users at once. */
bool join_post(struct request *request, struct problem *problem)
{
    struct auth *auth = &request->server->auth;
    struct access_join join = may_join(request);
    struct body_object body = {0};
    struct new_user user = {0};
    struct guess guess;
    if (!join.enabled)
        return problem_set(problem, 403, "%s",
            join.disabled_message && *join.disabled_message ? join.disabled_message : "Joining is disabled");
    if (!body_of_nobody(request, problem) ||
        !origin_check_any(request->exchange, request->server->configuration, auth->site, problem) ||
        !auth_guess_begin(auth, request->exchange, &guess, problem))
        return false;
    bool done = body_object_read(&body, request, problem) &&
                take_user(request, body.object, join.role, &user, problem) &&
                create_user(request, &user, problem);
    auth_guess_judged(auth, &guess, GUESS_WRONG);
    create_free_user(&user);
    body_object_free(&body);
    return done && answer_ok(request);
}
