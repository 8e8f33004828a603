/* The limits of the process, and how the server adapts to low ones. */
#include "http_internal.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

enum {
    FILES_RESERVED_MIN = 40, /* for the store, the catalog, the log and the control socket */
    FILES_RESERVED_MAX = 1024,
    REPORT_SECONDS = 60,
};

/* ---- descriptors ---- */

static uint64_t raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return UINT64_MAX;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

/* A quarter of the descriptors is left to the rest of the program; of the others each connection takes one,
 * also while it waits in the queue. */
int http_limit_connections(struct http *http, struct error *ret_error)
{
    uint64_t limit = raise_file_limit(), reserved = limit / 4;
    uint32_t wanted = http->options.connections_max;
    if (reserved < FILES_RESERVED_MIN)
        reserved = FILES_RESERVED_MIN;
    if (reserved > FILES_RESERVED_MAX)
        reserved = FILES_RESERVED_MAX;
    uint64_t left = limit > reserved ? limit - reserved : 0;
    http->queue_max = HTTP_QUEUE_MAX;
    if (left >= (uint64_t)wanted + HTTP_QUEUE_MAX)
        return 0;
    if (left < HTTP_CONNECTIONS_MIN * 2)
        return error_set(ret_error, EMFILE,
            "the process may have %llu open files, which is too few to serve connections: raise the limit "
            "(ulimit -n, LimitNOFILE=)",
            (unsigned long long)limit);
    http->queue_max = (unsigned)(left / 4 < HTTP_QUEUE_MAX ? left / 4 : HTTP_QUEUE_MAX);
    left -= http->queue_max;
    if (left >= wanted)
        return 0;
    http->options.connections_max = (uint32_t)left;
    http_report(http,
        "the process may have %llu open files: %u connections at most instead of %u; raise the limit (ulimit "
        "-n, "
        "LimitNOFILE=) for more",
        (unsigned long long)limit, http->options.connections_max, wanted);
    return 0;
}

void http_accept_failed(struct http *http, int code)
{
    if (!http->wanting_files)
        http_report(http, "cannot accept connections: %s; they wait until others are closed", strerror(code));
    http->wanting_files = true;
}

/* ---- memory and threads ---- */

static void trim_memory(struct http *http)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - http->trimmed_ns < http->options.trim_ms * NS_PER_MS)
        return;
    http->trimmed_ns = now_ns;
    if (http_buffers_trim(&http->clients.pool) > 0)
        (void)malloc_trim(0); /* what the handlers' memory consisted of */
}

static void report_starving(struct http *http, unsigned unhelped)
{
    struct http_clients *clients = &http->clients;
    uint64_t now_ns = clock_monotonic_ns();
    if (clients->reported_ns > 0 && now_ns - clients->reported_ns < REPORT_SECONDS * NS_PER_SECOND)
        return;
    clients->reported_ns = now_ns;
    http_report(http, "all %u connections (connections_max) are in use and %u clients wait: %s",
        atomic_load(&clients->threads), http_clients_starving(clients),
        unhelped > 0 ? "connections are closed after their answers" : "idle connections are closed for them");
}

void http_housekeep(struct http *http)
{
    if (http_clients_starving(&http->clients) > 0)
        report_starving(http, http_clients_yield(&http->clients));
    trim_memory(http);
}
