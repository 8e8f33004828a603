#include "page.h"

#include <string.h>

/* The page loads nothing from elsewhere, and no other page may frame it. Icons of objects are data: URLs. */
static const char POLICY[] = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
                             "frame-ancestors 'none'";

/* If-None-Match (RFC 9110, 13.1.2): the client has this content. Weak tags are equal to strong ones. */
static bool is_known(const struct http_exchange *exchange, const struct page_file *file)
{
    const char *tags = http_request_header(exchange, "If-None-Match");
    return tags && (strcmp(tags, "*") == 0 || strstr(tags, file->tag));
}

static bool answer_file(struct request *request, const struct page_file *file)
{
    struct http_exchange *exchange = request->exchange;
    (void)http_answer_header(exchange, "Cache-Control", "no-cache"); /* asks each time whether it changed */
    (void)http_answer_header(exchange, "ETag", file->tag);
    (void)http_answer_header(exchange, "Content-Security-Policy", POLICY);
    (void)http_answer_header(exchange, "Referrer-Policy", "same-origin");
    if (is_known(exchange, file))
        http_answer(exchange, 304, HTTP_NO_CONTENT, "", 0);
    else
        http_answer(exchange, 200, file->content, file->bytes, file->size);
    return true;
}

static bool nothing_here(struct problem *problem)
{
    return problem_set(problem, 404, "There is nothing at this path");
}

static bool answer_named(struct request *request, const char *name, struct problem *problem)
{
    for (const struct page_file *file = PAGE_FILES; file->name; file++) {
        if (strcmp(file->name, name) == 0)
            return answer_file(request, file);
    }
    return nothing_here(problem);
}

static bool answer_text(struct request *request, const char *text)
{
    http_answer(request->exchange, 200, HTTP_TEXT, text, strlen(text));
    return true;
}

static bool log_out(struct request *request, struct problem *problem)
{
    static const char FOUND[] = "<a href=\"/\">Found</a>.\n\n";
    if (!auth_end_session(&request->server->auth, request->exchange, problem))
        return false;
    (void)http_answer_header(request->exchange, "Location", "/");
    http_answer(request->exchange, 302, HTTP_HTML, FOUND, sizeof(FOUND) - 1);
    return true;
}

static bool is_reading(const struct request *request)
{
    return request->exchange->method & (HTTP_GET | HTTP_HEAD);
}

static bool wrong_method(struct request *request, const char *allowed, struct problem *problem)
{
    (void)http_answer_header(request->exchange, "Allow", allowed);
    return problem_set(problem, 405, "The method is not allowed here, only %s", allowed);
}

static bool join(struct request *request, struct problem *problem)
{
    if (request->exchange->method == HTTP_POST)
        return join_post(request, problem);
    if (!is_reading(request))
        return wrong_method(request, "GET, HEAD, POST, OPTIONS", problem);
    return strcmp(query_value(&request->query, "q"), "allowed") == 0 ? join_allowed(request, problem)
                                                                     : answer_file(request, &PAGE_FILES[0]);
}

/* Users, devices and streams by their names. */
static bool is_path_of_names(const struct url_path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (!name_valid(path->segments[i]))
            return false;
    }
    return path->count <= 3;
}

bool page_route(struct request *request, const struct url_path *path, struct problem *problem)
{
    const char *first = path->count > 0 ? path->segments[0] : "";
    if (!request->server->configuration->frontend_enabled || strcmp(first, "api") == 0)
        return nothing_here(problem);
    if (path->count == 1 && strcmp(first, "join") == 0)
        return join(request, problem);
    if (!is_reading(request))
        return wrong_method(request, "GET, HEAD, OPTIONS", problem);
    if (path->count == 1 && strcmp(first, "logout") == 0)
        return log_out(request, problem);
    if (path->count == 1 && strcmp(first, "robots.txt") == 0)
        return answer_text(request, "User-agent: *\nDisallow: /\n");
    if (path->count == 1 && strcmp(first, "favicon.ico") == 0)
        return answer_named(request, "icon.svg", problem);
    if (strcmp(first, "www") == 0)
        return path->count == 2 ? answer_named(request, path->segments[1], problem) : nothing_here(problem);
    return is_path_of_names(path) ? answer_file(request, &PAGE_FILES[0]) : nothing_here(problem);
}
