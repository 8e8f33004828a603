/* Sessions: log in and out. */
#include "request.h"

#include <string.h>

/* remember=true keeps the cookie, any other value that is there does not. */
static bool remember(const struct request *request)
{
    const struct query *query = &request->query;
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, "remember") == 0)
            return strcmp(query->parameters[i].value, "true") == 0;
    }
    return request->server->configuration->session_remember;
}

bool login_get(struct request *request, struct problem *problem)
{
    const struct auth *auth = &request->server->auth;
    if (!request->login.authenticated)
        return problem_set(problem, 401, "Log in with a user name and a password, or with an API key");
    /* A link on another site would log its visitors in as somebody else. */
    if (!http_request_header(request->exchange, "Authorization") &&
        !origin_check_any(request->exchange, auth->configuration, auth->site, problem))
        return false;
    return auth_begin_session(
               &request->server->auth, request->exchange, &request->login, remember(request), problem) &&
           answer_ok(request);
}

bool logout_get(struct request *request, struct problem *problem)
{
    return auth_end_session(&request->server->auth, request->exchange, problem) && answer_ok(request);
}
