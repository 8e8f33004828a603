#include "request.h"

#include "client.h"
#include "clock.h"
#include "json_points.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
    REF_BYTES = 37,
    REFUSAL_STEP_NS = 1000000,
};

bool answer_ok(struct request *request)
{
    request->exchange->no_store = true;
    http_answer(request->exchange, 200, HTTP_TEXT, "ok", 2);
    return true;
}

bool answer_number(struct request *request, enum http_content content, uint64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    request->exchange->no_store = true;
    http_answer(request->exchange, 200, content, text, (size_t)length);
    return true;
}

/* A random UUID: names this error in the answer and in the log. */
static void ref_make(char to[REF_BYTES])
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        memset(bytes, 0, sizeof(bytes));
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    size_t used = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            to[used++] = '-';
        used += (size_t)snprintf(to + used, REF_BYTES - used, "%02x", bytes[i]);
    }
}

void answer_problem(struct request *request, const struct problem *problem)
{
    struct http_exchange *exchange = request->exchange;
    char ref[REF_BYTES], head[40], message[ERROR_MESSAGE_BYTES];
    ref_make(ref);
    (void)snprintf(message, sizeof(message), "%s", problem->message);
    for (char *c = message; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?'; /* it may be cut within a character */
    }
    log_debug("%s %s: %d %s (ref %s)", exchange->method_name, exchange->path, problem->status, message, ref);
    if (problem->retry_s > 0) {
        (void)snprintf(head, sizeof(head), "%u", problem->retry_s);
        (void)http_answer_header(exchange, "Retry-After", head);
    }
    exchange->no_store = true;
    struct sink *sink = http_answer_open(exchange, problem->status, HTTP_JSON);
    int length = snprintf(head, sizeof(head), "{\"code\":%d,\"msg\":", problem->status);
    (void)sink_write(sink, head, (size_t)length);
    (void)json_print_string(sink, message, strlen(message));
    (void)sink_write(sink, ",\"ref\":\"", 8);
    (void)sink_write(sink, ref, strlen(ref));
    (void)sink_write(sink, "\"}", 2);
    (void)http_answer_close(exchange, true);
}

const char *request_path(const struct request *request, char to[PATH_BYTES_MAX + 1])
{
    const char *names[] = {request->user, request->device, request->stream};
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < 3 && names[i]; i++) {
        if (!name_valid(names[i]))
            return "the path";
        used += (size_t)snprintf(to + used, PATH_BYTES_MAX + 1 - used, "%s%s", i > 0 ? "/" : "", names[i]);
    }
    return to;
}

void request_log(const struct request *request, const char *what)
{
    char path[PATH_BYTES_MAX + 1], name[CLIENT_NAME_BYTES], address[CLIENT_ADDRESS_BYTES];
    log_info("%s %s, by %s from %s", what, request_path(request, path),
        client_name(request_acting(request), name),
        client_address(request->exchange, request->server->configuration, address));
}

/* Waits until a whole number of steps has passed since the request began. What does not exist is found out
 * sooner or later than what is forbidden, by the caches and the number of rows that were looked at: a client
 * must not read from the time of a refusal which of the two it was. */
static void even_out(uint64_t started_ns)
{
    uint64_t steps = (clock_monotonic_ns() - started_ns) / REFUSAL_STEP_NS + 1;
    uint64_t end_ns = started_ns + steps * REFUSAL_STEP_NS;
    struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000), .tv_nsec = (long)(end_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        continue;
}

bool request_missing(const struct request *request, int status, struct problem *problem)
{
    char path[PATH_BYTES_MAX + 1];
    even_out(request->exchange->started_ns);
    return problem_set(
        problem, status, "%s was not found, or you may not access it", request_path(request, path));
}

bool request_failed(
    const struct request *request, int code, const struct error *error, struct problem *problem)
{
    return problem_failed(problem, request->exchange->path, code, error);
}
