#include "routes.h"

#include "auth.h"
#include "origin.h"
#include "page.h"
#include "url.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    ANY_METHOD = HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE | HTTP_OTHER,
    BASE_SEGMENTS = 2, /* api, v1 */
};

struct route {
    unsigned methods;
    const char *pattern; /* segments behind /api/v1; one that begins with ':' takes any name */
    request_handler handler;
    bool open; /* no login is looked at */
};

static const struct route ROUTES[] = {
    {HTTP_GET, "", site_get, false},
    {ANY_METHOD, "crud", users_list, false},
    {HTTP_GET, "crud/:user", user_get, false},
    {HTTP_POST, "crud/:user", user_create, false},
    {HTTP_PUT, "crud/:user", user_update, false},
    {HTTP_DELETE, "crud/:user", user_delete, false},
    {HTTP_GET, "crud/:user/:device", device_get, false},
    {HTTP_POST, "crud/:user/:device", device_create, false},
    {HTTP_PUT, "crud/:user/:device", device_update, false},
    {HTTP_DELETE, "crud/:user/:device", device_delete, false},
    {HTTP_GET, "crud/:user/:device/:stream", stream_get, false},
    {HTTP_POST, "crud/:user/:device/:stream", stream_create, false},
    {HTTP_PUT, "crud/:user/:device/:stream", stream_update, false},
    {HTTP_DELETE, "crud/:user/:device/:stream", stream_delete, false},
    {HTTP_GET, "crud/:user/:device/:stream/data", data_get, false},
    {HTTP_POST, "crud/:user/:device/:stream/data", data_post, false},
    {HTTP_PUT, "crud/:user/:device/:stream/data", data_put, false},
    {HTTP_POST, "data", data_many_post, false},
    {HTTP_PUT, "data", data_many_put, false},
    {HTTP_POST, "query/merge", query_merge, false},
    {HTTP_POST, "query/dataset", query_dataset, false},
    {HTTP_GET, "feed/:user/:device/:stream", feed_get, false},
    {HTTP_GET, "websocket", websocket_get, false},
    {HTTP_GET, "login", login_get, false},
    {HTTP_GET, "logout", logout_get, true},
    {HTTP_GET, "meta/version", meta_version, true},
    {HTTP_GET, "meta/transforms", meta_transforms, true},
    {HTTP_GET, "meta/interpolators", meta_interpolators, true},
};

/* Those outside of /api. The pages of users with these names are not reachable by their short path. */
static const struct route SERVICE_ROUTES[] = {
    {HTTP_GET, "metrics", metrics_get, true},
    {HTTP_GET, "health", health_get, true},
    {HTTP_GET, "ready", ready_get, true},
};

enum {
    ROUTE_COUNT = sizeof(ROUTES) / sizeof(ROUTES[0]),
    SERVICE_ROUTE_COUNT = sizeof(SERVICE_ROUTES) / sizeof(SERVICE_ROUTES[0]),
};

/* ---- numbers of routes, for metrics ---- */

enum {
    NUMBER_OTHER, /* refused before its route was known */
    NUMBER_PAGE,
    NUMBER_ROUTES,
    NUMBER_SERVICE_ROUTES = NUMBER_ROUTES + ROUTE_COUNT,
    NUMBER_COUNT = NUMBER_SERVICE_ROUTES + SERVICE_ROUTE_COUNT,
};
static_assert((int)NUMBER_COUNT <= (int)REQUEST_ROUTES_MAX, "each route is counted");

unsigned routes_count(void)
{
    return NUMBER_COUNT;
}

static const char *method_name(unsigned methods)
{
    switch (methods) {
    case HTTP_GET:
        return "GET";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_DELETE:
        return "DELETE";
    default:
        return "any";
    }
}

const char *routes_describe(unsigned number, char to[ROUTE_NAME_BYTES])
{
    if (number < NUMBER_ROUTES) {
        (void)snprintf(to, ROUTE_NAME_BYTES, "%s", number == NUMBER_PAGE ? "page" : "other");
        return "any";
    }
    bool api = number < NUMBER_SERVICE_ROUTES;
    const struct route *route =
        api ? &ROUTES[number - NUMBER_ROUTES] : &SERVICE_ROUTES[number - NUMBER_SERVICE_ROUTES];
    (void)snprintf(
        to, ROUTE_NAME_BYTES, "%s%s%s", api ? "/api/v1" : "", *route->pattern ? "/" : "", route->pattern);
    return method_name(route->methods);
}

/* ---- matching ---- */

/* The segments behind /api/v1. False: the path is elsewhere. */
static bool strip_base(const struct url_path *path, struct url_path *ret_rest)
{
    if (path->count < BASE_SEGMENTS || strcmp(path->segments[0], "api") != 0 ||
        strcmp(path->segments[1], "v1") != 0)
        return false;
    ret_rest->count = path->count - BASE_SEGMENTS;
    memcpy(
        ret_rest->segments, path->segments + BASE_SEGMENTS, ret_rest->count * sizeof(ret_rest->segments[0]));
    return true;
}

/* names: where the segments go that the pattern's ':' take, in order; may be NULL. */
static bool pattern_matches(const char *pattern, const struct url_path *rest, const char **names)
{
    for (size_t i = 0; i < rest->count; i++) {
        size_t length = strcspn(pattern, "/");
        if (length == 0)
            return false;
        if (*pattern == ':') {
            if (names)
                *names++ = rest->segments[i];
        } else if (strncmp(rest->segments[i], pattern, length) != 0 || rest->segments[i][length]) {
            return false;
        }
        pattern += length;
        if (*pattern == '/')
            pattern++;
    }
    return *pattern == '\0';
}

unsigned routes_methods(const struct url_path *path)
{
    struct url_path rest;
    unsigned methods = 0;
    if (!strip_base(path, &rest))
        return 0;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (pattern_matches(ROUTES[i].pattern, &rest, NULL))
            methods |= ROUTES[i].methods;
    }
    return methods;
}

static const struct route *route_find(
    const struct url_path *path, enum http_method method, const char **names)
{
    struct url_path rest;
    unsigned wanted = method == HTTP_HEAD ? HTTP_GET : method;
    if (!strip_base(path, &rest))
        return NULL;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if ((ROUTES[i].methods & wanted) && pattern_matches(ROUTES[i].pattern, &rest, names))
            return &ROUTES[i];
    }
    return NULL;
}

/* ---- CORS ---- */

static void cors_decide(const struct server *server, struct http_exchange *exchange)
{
    const char *origin = http_request_header(exchange, "Origin");
    exchange->cors = true;
    if (!origin)
        return;
    if (origin_is_site(server->auth.site, origin)) {
        exchange->allow_origin = origin;
    } else if (server->configuration->allowcrossorigin) {
        exchange->allow_origin = "*";
        exchange->allow_credentials = false;
    } else {
        exchange->allow_origin = server->auth.site;
    }
}

/* ---- answers of the table itself ---- */

static bool wrong_method(struct request *request, unsigned methods, struct problem *problem)
{
    static const struct {
        unsigned method;
        const char *name;
    } NAMES[] = {{HTTP_GET, "GET, HEAD"}, {HTTP_POST, "POST"}, {HTTP_PUT, "PUT"}, {HTTP_DELETE, "DELETE"}};
    char allow[64] = "";
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (methods & NAMES[i].method) {
            strcat(allow, NAMES[i].name);
            strcat(allow, ", ");
        }
    }
    strcat(allow, "OPTIONS");
    (void)http_answer_header(request->exchange, "Allow", allow);
    return problem_set(problem, 405, "The method is not allowed here, only %s", allow);
}

static bool nothing_here(struct problem *problem)
{
    return problem_set(problem, 404, "There is nothing at this path");
}

/* ---- one request ---- */

/* Answers OPTIONS, which every path takes. */
static bool answer_options(struct request *request)
{
    request->exchange->preflight = request->exchange->cors;
    http_answer(request->exchange, 200, HTTP_NO_CONTENT, "", 0);
    return true;
}

static bool run_route(struct request *request, const struct url_path *path, struct problem *problem)
{
    struct http_exchange *exchange = request->exchange;
    const char *names[3] = {NULL, NULL, NULL};
    if (exchange->method == HTTP_OPTIONS)
        return answer_options(request);
    const struct route *route = route_find(path, exchange->method, names);
    unsigned methods = route ? route->methods : routes_methods(path);
    if (!route)
        return methods ? wrong_method(request, methods, problem) : nothing_here(problem);
    if (query_parse(exchange->query, exchange->scratch[0], HTTP_REQUEST_BYTES_MAX, &request->query) < 0)
        return problem_set(
            problem, 400, "The query has a broken escape or more than %d parameters", QUERY_PARAMETERS_MAX);
    exchange->route = NUMBER_ROUTES + (unsigned)(route - ROUTES);
    request->user = names[0];
    request->device = names[1];
    request->stream = names[2];
    const char *key = query_value(&request->query, "apikey");
    return (route->open || authenticate(&request->server->auth, exchange, key, &request->login, problem)) &&
           route->handler(request, problem);
}

/* False: the path is none of them. */
static bool find_service(const struct url_path *path, unsigned *ret_index)
{
    for (unsigned i = 0; i < SERVICE_ROUTE_COUNT; i++) {
        if (pattern_matches(SERVICE_ROUTES[i].pattern, path, NULL)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool run_service(struct request *request, unsigned index, struct problem *problem)
{
    request->exchange->route = NUMBER_SERVICE_ROUTES + index;
    if (!(request->exchange->method & (HTTP_GET | HTTP_HEAD)))
        return wrong_method(request, HTTP_GET, problem);
    return SERVICE_ROUTES[index].handler(request, problem);
}

/* Routes outside of /api/v1. */
static bool run_page(struct request *request, const struct url_path *path, struct problem *problem)
{
    struct http_exchange *exchange = request->exchange;
    unsigned service;
    if (exchange->method == HTTP_OPTIONS)
        return answer_options(request);
    if (query_parse(exchange->query, exchange->scratch[0], HTTP_REQUEST_BYTES_MAX, &request->query) < 0)
        return problem_set(
            problem, 400, "The query has a broken escape or more than %d parameters", QUERY_PARAMETERS_MAX);
    if (find_service(path, &service))
        return run_service(request, service, problem);
    exchange->route = NUMBER_PAGE;
    return page_route(request, path, problem);
}

static bool run(struct request *request, struct problem *problem)
{
    struct http_exchange *exchange = request->exchange;
    struct url_path path;
    if (url_decode(exchange->path, false, exchange->scratch[1], HTTP_REQUEST_BYTES_MAX) < 0)
        return problem_set(problem, 400, "The path has a broken escape");
    int r = url_split(exchange->scratch[1], &path);
    if (r == -EINVAL)
        return problem_set(problem, 400, "The path has a \"..\"");
    if (r < 0)
        return nothing_here(problem);
    struct url_path rest;
    return strip_base(&path, &rest) ? run_route(request, &path, problem) : run_page(request, &path, problem);
}

void routes_dispatch(struct server *server, struct http_exchange *exchange)
{
    struct request request = {
        .server = server, .exchange = exchange, .permissions = permissions_file_current(server->permissions)};
    struct problem problem = {0};
    if (strncmp(exchange->path, "/api", 4) == 0)
        cors_decide(server, exchange);
    if (!run(&request, &problem))
        answer_problem(&request, &problem);
}
