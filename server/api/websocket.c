/* The route, the loop and the commands of a WebSocket. */
#include "websocket.h"

#include "json_points.h"
#include "log.h"
#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { COMMAND_DEPTH_MAX = 70 }; /* of values; datapoints check theirs */

/* ---- paths and log-ins ---- */

static bool take_name(const char **at, char to[NAME_BYTES_MAX + 1])
{
    size_t size = strcspn(*at, "/");
    if (size == 0 || size > NAME_BYTES_MAX)
        return false;
    memcpy(to, *at, size);
    to[size] = '\0';
    *at += size;
    if (**at == '/')
        (*at)++;
    return true;
}

bool websocket_path_parse(const char *text, struct websocket_path *ret_path)
{
    const char *at = text;
    *ret_path = (struct websocket_path){0};
    if (!take_name(&at, ret_path->user) || !take_name(&at, ret_path->device) ||
        !take_name(&at, ret_path->stream))
        return false;
    ret_path->downlink = strcmp(at, "downlink") == 0;
    return ret_path->downlink || !*at;
}

struct request websocket_request(const struct websocket *websocket, const struct websocket_path *path)
{
    struct request request = *websocket->request;
    request.user = path->user;
    request.device = path->device;
    request.stream = path->stream;
    request.query.count = path->downlink ? 1 : 0;
    request.query.parameters[0].name = "downlink";
    request.query.parameters[0].value = "true";
    return request;
}

bool websocket_still_logged_in(struct websocket *websocket)
{
    struct request *request = websocket->request;
    struct problem problem = {0};
    struct login login = {0};
    request->permissions = permissions_file_current(request->server->permissions);
    bool same =
        authenticate(&request->server->auth, request->exchange, websocket->apikey, &login, &problem) &&
        login.authenticated == request->login.authenticated &&
        (!login.authenticated || login.identity.device_id == request->login.identity.device_id);
    if (same)
        request->login = login;
    if (same || problem.status == 429 || problem.status == 503)
        return true; /* or it cannot be judged now */
    http_socket_close(websocket->socket, 1008, "the log-in is not valid any more");
    return false;
}

/* ---- answers ---- */

static int append_json(struct buffer *text, const char *string)
{
    struct sink sink;
    if (sink_memory_init(&sink, 64 << 10) < 0)
        return -ENOMEM;
    size_t size = strlen(string);
    int r = utf8_valid((const uint8_t *)string, size) ? json_print_string(&sink, string, size) : -EINVAL;
    if (r == 0)
        r = buffer_append(text, sink.buffer, sink.used);
    sink_memory_free(&sink);
    return r;
}

static int append_text(struct buffer *text, const char *string)
{
    return buffer_append(text, string, strlen(string));
}

void websocket_acknowledge(struct websocket *websocket, const char *id, const struct problem *problem)
{
    struct buffer *text = &websocket->text;
    text->size = 0;
    if (!*id)
        return;
    int r = append_text(text, "{\"id\":");
    if (r == 0)
        r = append_text(text, id);
    if (r == 0)
        r = append_text(text, problem ? ",\"error\":" : ",\"ok\":true}");
    if (r == 0 && problem) {
        r = append_json(text, problem->message);
        if (r == 0)
            r = append_text(text, "}");
    }
    if (r < 0)
        http_socket_close(websocket->socket, 1011, "no memory");
    else
        (void)http_socket_send(websocket->socket, (const char *)text->data, text->size);
}

/* ---- the text of a member ---- */

/* The end of the JSON value at `at`, in a text that is valid JSON. */
static const char *skip_value(const char *at)
{
    unsigned depth = 0;
    for (;; at++) {
        if (*at == '"') {
            for (at++; *at != '"'; at++)
                at += *at == '\\';
        } else if (*at == '[' || *at == '{') {
            depth++;
        } else if (*at == ']' || *at == '}') {
            depth--;
        } else if (depth > 0 || !strchr(",]} \t\r\n", at[1])) {
            continue;
        }
        if (depth == 0)
            return at + 1;
    }
}

/* The text of the member of that name of an object that is valid JSON: the last one, as jansson has it.
 * False: there is none. */
static bool find_member(const char *object, const char *name, const char **ret_text, size_t *ret_size)
{
    static const char SPACE[] = " \t\r\n";
    const char *at = strchr(object, '{') + 1;
    size_t length = strlen(name);
    bool found = false;
    for (;;) {
        at += strspn(at, " \t\r\n,");
        if (*at == '}')
            return found;
        const char *key = at + 1, *end = skip_value(at);
        bool is_name = (size_t)(end - 1 - key) == length && memcmp(key, name, length) == 0;
        at = end + strspn(end, " \t\r\n:");
        end = skip_value(at);
        if (is_name) {
            found = true;
            *ret_text = at;
            *ret_size = (size_t)(end - at);
        }
        at = end + strspn(end, SPACE);
    }
}

/* ---- commands ---- */

/* A member that must be a text; "" when it is missing or null. False: it is something else. */
static bool read_text(const json_t *object, const char *name, const char **ret_text)
{
    const json_t *value = json_object_get(object, name);
    *ret_text = value && json_is_string(value) ? json_string_value(value) : "";
    return !value || json_is_string(value) || json_is_null(value);
}

static void run_command(
    struct websocket *websocket, const json_t *object, const char *text, const char *id, const char *command)
{
    const char *arg, *transform, *points;
    struct problem problem = {0};
    size_t size;
    bool done = true;
    if (!read_text(object, "arg", &arg) || !read_text(object, "transform", &transform)) {
        http_socket_close(websocket->socket, 0, "");
        return;
    }
    if (strcmp(command, "insert") == 0) {
        bool given = find_member(text, "d", &points, &size);
        websocket_insert(websocket, id, arg, given ? points : "[]", given ? size : 2);
        return;
    }
    websocket_commit(websocket); /* commands take effect in their order */
    if (strcmp(command, "subscribe") == 0)
        done =
            websocket_still_logged_in(websocket) && websocket_subscribe(websocket, arg, transform, &problem);
    else if (strcmp(command, "unsubscribe") == 0)
        websocket_unsubscribe(websocket, arg, transform);
    else if (strcmp(command, "unsubscribe_all") == 0)
        websocket_unsubscribe_all(websocket);
    else
        done = problem_set(
            &problem, 400, "Unknown command; known are subscribe, unsubscribe, unsubscribe_all, insert");
    websocket_acknowledge(websocket, id, done ? NULL : &problem);
}

/* The id as JSON text, "" when there is none. False: it is too long. */
static bool read_id(const json_t *object, const char *text, char to[WEBSOCKET_ID_BYTES_MAX])
{
    const char *id;
    size_t size;
    *to = '\0';
    if (!json_object_get(object, "id") || !find_member(text, "id", &id, &size))
        return true;
    if (size >= WEBSOCKET_ID_BYTES_MAX)
        return false;
    memcpy(to, id, size);
    to[size] = '\0';
    return true;
}

/* What is no command closes the socket, as in ConnectorDB 0.3. */
static void take_message(struct websocket *websocket, const char *text, size_t size)
{
    enum { KEEP_BYTES = 256 << 10 };
    struct json_arena *arena = &websocket->arena;
    const json_t *object = NULL;
    const char *command;
    char id[WEBSOCKET_ID_BYTES_MAX];
    if (!utf8_valid((const uint8_t *)text, size)) {
        http_socket_close(websocket->socket, 1007, "the message is no UTF-8");
        return;
    }
    struct json_measure measure = json_measure(text, size);
    if (measure.depth <= COMMAND_DEPTH_MAX && json_arena_open(arena, size, &measure) == 0)
        object = json_arena_load(arena, text, size, JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_object(object) || !read_text(object, "cmd", &command) || !read_id(object, text, id))
        http_socket_close(websocket->socket, 0, "");
    else
        run_command(websocket, object, text, id, command);
    if (arena->size > KEEP_BYTES)
        json_arena_close(arena);
}

/* ---- the loop ---- */

static void drain(int wake_file)
{
    eventfd_t count;
    (void)eventfd_read(wake_file, &count);
}

static void serve(struct websocket *websocket)
{
    for (;;) {
        const char *text;
        size_t size;
        bool wait = websocket->insert_count == 0;
        switch (http_socket_next(websocket->socket, websocket->wake_file, wait, &text, &size)) {
        case HTTP_SOCKET_MESSAGE:
            take_message(websocket, text, size);
            if (!websocket_inserts_full(websocket))
                continue;
            break;
        case HTTP_SOCKET_WAKE:
            drain(websocket->wake_file);
            break;
        case HTTP_SOCKET_NOTHING:
            break;
        case HTTP_SOCKET_CLOSED:
            websocket_commit(websocket); /* what came before the end is stored all the same */
            return;
        }
        websocket_commit(websocket);
        websocket_deliver(websocket);
    }
}

/* A cookie is sent by the browser whatever page opens the socket. */
static bool check_origin(const struct request *request, const char *apikey, struct problem *problem)
{
    bool cookie =
        request->login.authenticated && !*apikey && !http_request_header(request->exchange, "Authorization");
    return !cookie || origin_check_any(request->exchange, request->server->configuration,
                          request->server->auth.site, problem);
}

static bool hold(void *context, size_t bytes)
{
    struct websocket *websocket = context;
    struct body_budget *budget = &websocket->request->server->bodies;
    if (bytes > 0)
        return body_budget_take(budget, &websocket->message_share, bytes) == 0;
    body_budget_give(budget, &websocket->message_share);
    return true;
}

static bool open_socket(struct websocket *websocket, struct problem *problem)
{
    struct request *request = websocket->request;
    const struct configuration *configuration = request->server->configuration;
    const struct http_socket_options options = {
        .message_bytes_max = configuration->websocket_message_bytes_max,
        .ping_ms = configuration->websocket_ping_s * 1000,
        .pong_ms = configuration->websocket_pong_s * 1000,
        .hold = hold,
        .context = websocket,
    };
    int status;
    const char *text;
    if (http_socket_open(request->exchange, &options, &websocket->socket, &status, &text))
        return true;
    return status == 503 ? problem_later(problem, status, "%s", text)
                         : problem_set(problem, status, "%s", text);
}

bool websocket_get(struct request *request, struct problem *problem)
{
    struct server *server = request->server;
    struct websocket websocket = {.request = request, .apikey = query_value(&request->query, "apikey")};
    struct http_counts counts;
    websocket.message_share.account = websocket.insert_share.account =
        request->login.authenticated ? request->login.identity.user_id : 0;
    http_count(server->http, &counts);
    if (!check_origin(request, websocket.apikey, problem))
        return false;
    bool free_thread = atomic_fetch_add(&server->websockets, 1) < counts.connections_max / 2;
    websocket.wake_file = free_thread ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    bool done = false;
    if (!free_thread)
        (void)problem_later(
            problem, 503, "Too many WebSockets are open (%u), try again", counts.connections_max / 2);
    else if (websocket.wake_file < 0)
        (void)problem_later(
            problem, 503, "The server has no file descriptor left for a WebSocket, try again");
    else
        done = open_socket(&websocket, problem);
    if (done) {
        log_debug("WebSocket opened by %s", request->exchange->remote_address);
        serve(&websocket);
        websocket_unsubscribe_all(&websocket);
        http_socket_free(websocket.socket);
    }
    websocket_inserts_free(&websocket);
    body_budget_give(&server->bodies, &websocket.message_share);
    body_budget_give(&server->bodies, &websocket.insert_share);
    buffer_free(&websocket.text);
    json_arena_close(&websocket.arena);
    if (websocket.wake_file >= 0)
        (void)close(websocket.wake_file);
    atomic_fetch_sub(&server->websockets, 1);
    return done;
}
