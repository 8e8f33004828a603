/* Bodies of requests: limits, reading, and what becomes of one that is refused. */
#include "http_internal.h"

#include <errno.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    BODY_DROP_BYTES_MAX = 64 << 10, /* an unread rest up to this is dropped and the connection stays */
    BODY_PIECE_BYTES = 256 << 10,
};

bool http_body_pending(const struct http_exchange *exchange)
{
    return !exchange->body_ended &&
           (exchange->body_length < 0 || exchange->body_read < (uint64_t)exchange->body_length);
}

/* An unread rest that is small is dropped and the connection stays; otherwise the connection ends with this
 * answer. */
bool http_body_ends_connection(const struct http_exchange *exchange)
{
    if (!http_body_pending(exchange))
        return false;
    return exchange->body_failed || exchange->expects_continue || exchange->body_length < 0 ||
           (uint64_t)exchange->body_length - exchange->body_read > BODY_DROP_BYTES_MAX;
}

int http_body_limit(struct http_exchange *exchange, uint64_t limit, struct error *ret_error)
{
    exchange->body_limit = limit;
    if (exchange->body_length > 0 && (uint64_t)exchange->body_length > limit)
        return error_set(
            ret_error, EFBIG, "The body is larger than the limit of %llu bytes", (unsigned long long)limit);
    return 0;
}

static int body_count(struct http_exchange *exchange, uint64_t size, struct error *ret_error)
{
    exchange->body_read += size;
    if (exchange->body_read > exchange->body_limit)
        return error_set(ret_error, EFBIG, "The body is larger than the limit of %llu bytes",
            (unsigned long long)exchange->body_limit);
    if (exchange->body_large || exchange->body_read <= HTTP_LARGE_BODY_BYTES)
        return 0;
    if (atomic_fetch_add(&exchange->http->large_bodies, 1) >= HTTP_LARGE_BODIES_MAX) {
        atomic_fetch_sub(&exchange->http->large_bodies, 1);
        return error_set(ret_error, EBUSY, "Too many large bodies at once, try again");
    }
    exchange->body_large = true;
    return 0;
}

static long body_read_failed(struct http_exchange *exchange, struct error *ret_error)
{
    exchange->body_failed = true;
    if (exchange->body_length < 0)
        return error_set(ret_error, EBADMSG, "The chunked body is malformed or ended after %llu bytes",
            (unsigned long long)exchange->body_read);
    return error_set(ret_error, ECONNABORTED, "The body ended or stalled after %llu of %lld bytes",
        (unsigned long long)exchange->body_read, (long long)exchange->body_length);
}

/* ---- time ---- */

/* As http_socket_receive, but for limit_ns; *ret_late: the client took longer, what came is of no use. */
static int receive_within(
    struct http_exchange *exchange, void *buffer, size_t size, uint64_t limit_ns, bool *ret_late)
{
    struct http_watched *watched = &exchange->worker->watched;
    uint64_t begun_ns = clock_monotonic_ns();
    http_watched_begin(watched, exchange->remote_address, exchange->remote_port, begun_ns + limit_ns);
    int count = http_socket_receive(exchange, buffer, size);
    *ret_late = http_watched_end(watched);
    exchange->body_waited_ns += clock_monotonic_ns() - begun_ns;
    return count;
}

/* How long the client may take for the next `size` bytes; 0: it has been too slow already. What the server does between its reads is
 * not held against it. */
static uint64_t body_time_left(const struct http_exchange *exchange, size_t size)
{
    const struct http_options *options = &exchange->http->options;
    uint64_t for_bytes_ms = (exchange->body_read + size) * 1000 / options->body_bytes_per_second;
    uint64_t allowed_ns = (options->body_grace_ms + for_bytes_ms) * NS_PER_MS;
    return allowed_ns > exchange->body_waited_ns ? allowed_ns - exchange->body_waited_ns : 0;
}

static int body_receive(struct http_exchange *exchange, void *buffer, size_t size, bool *ret_late)
{
    uint64_t left_ns = body_time_left(exchange, size);
    *ret_late = true;
    return left_ns > 0 ? receive_within(exchange, buffer, size, left_ns, ret_late) : 0;
}

static long body_too_slow(struct http_exchange *exchange, struct error *ret_error)
{
    exchange->body_failed = true;
    return error_set(ret_error, ETIMEDOUT, "The body comes too slowly: %llu bytes in %llu s",
        (unsigned long long)exchange->body_read, (unsigned long long)(exchange->body_waited_ns / NS_PER_SECOND));
}

/* ---- reading ---- */

static int body_continue(struct http_exchange *exchange, struct error *ret_error)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange->expects_continue = false;
    if (http_socket_send(exchange, CONTINUE, sizeof(CONTINUE) - 1) != (int)sizeof(CONTINUE) - 1)
        return (int)body_read_failed(exchange, ret_error);
    return 0;
}

long http_body_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct http_exchange *exchange = context;
    if (!http_body_pending(exchange) || size == 0)
        return 0;
    if (exchange->body_failed)
        return body_read_failed(exchange, ret_error);
    if (exchange->expects_continue && body_continue(exchange, ret_error) < 0)
        return -ECONNABORTED;
    if (size > BODY_PIECE_BYTES)
        size = BODY_PIECE_BYTES;
    if (exchange->body_length >= 0 && size > (uint64_t)exchange->body_length - exchange->body_read)
        size = (size_t)((uint64_t)exchange->body_length - exchange->body_read);
    bool late;
    int count = body_receive(exchange, buffer, size, &late);
    if (late)
        return body_too_slow(exchange, ret_error);
    if (count == 0 && exchange->body_length < 0) {
        exchange->body_ended = true;
        return 0;
    }
    if (count <= 0)
        return body_read_failed(exchange, ret_error);
    int r = body_count(exchange, (uint64_t)count, ret_error);
    return r < 0 ? r : count;
}

bool http_body_drop(struct http_exchange *exchange)
{
    while (http_body_pending(exchange) && !exchange->body_failed) {
        bool late;
        int count = body_receive(exchange, exchange->worker->memory, BODY_DROP_BYTES_MAX, &late);
        if (late || count <= 0)
            exchange->body_failed = true;
        else
            exchange->body_read += (uint64_t)count;
    }
    return !exchange->body_failed;
}

/* The client of a refused body may still be sending: were the connection closed now, it would lose the
 * answer. */
void http_body_linger(struct http_exchange *exchange)
{
    uint64_t started_ns = clock_monotonic_ns();
    uint64_t left = HTTP_LINGER_BYTES_MAX;
    bool late = false;
    if (exchange->body_failed || exchange->expects_continue)
        return;
    while (left > 0 && http_body_pending(exchange) && http_elapsed_ms(started_ns) < HTTP_LINGER_MS_MAX &&
           !http_stopping(exchange->http)) {
        int count = receive_within(
            exchange, exchange->worker->memory, BODY_DROP_BYTES_MAX, HTTP_LINGER_MS_MAX * NS_PER_MS, &late);
        if (late || count <= 0)
            return;
        exchange->body_read += (uint64_t)count;
        left -= (uint64_t)count < left ? (uint64_t)count : left;
    }
}
