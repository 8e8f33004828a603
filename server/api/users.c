#include "request.h"

#include "find.h"
#include "json_object.h"
#include "list.h"
#include "permission.h"

#include <string.h>

bool users_list(struct request *request, struct problem *problem)
{
    if (strcmp(query_value(&request->query, "q"), "ls") != 0)
        return problem_set(problem, 404, "There is nothing here without q=ls");
    if (!permission_list_users(request_acting(request)))
        return problem_set(problem, 404, "You may not list users");
    return list_users(request, problem);
}

static bool answer_user(struct request *request, const struct user *user, enum access access)
{
    request->exchange->no_store = true;
    json_user(http_answer_open(request->exchange, 200, HTTP_JSON), user, access);
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
    enum access access = permission_read_user(request_acting(request), user.id, user.is_public);
    bool done;
    if (access == ACCESS_NONE)
        done = request_missing(request, 404, problem);
    else if (devices)
        done = list_devices(request, user.id, problem);
    else if (streams)
        done = list_streams_of_user(request, user.id, &filter, problem);
    else
        done = answer_user(request, &user, access);
    user_free(&user);
    return done;
}
