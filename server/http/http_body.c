/* Bodies of requests: their coding, limits, and what becomes of one that is refused. */
#include "http_gzip.h"
#include "http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_DROP_BYTES_MAX = 64 << 10, /* an unread rest up to this is dropped and the connection stays */
    CHUNK_LINE_BYTES_MAX = 1024,    /* size, extensions */
    CHUNK_DIGITS_MAX = 15,
};

void http_body_begin(struct http_exchange *exchange)
{
    struct http_body *body = &exchange->client->body;
    *body = (struct http_body){.credit_ns = (int64_t)(exchange->http->options.body_grace_ms * NS_PER_MS)};
    body->ended = exchange->body_length == 0;
}

bool http_body_pending(const struct http_exchange *exchange)
{
    return !exchange->client->body.ended;
}

bool http_body_ends_connection(const struct http_exchange *exchange)
{
    if (!http_body_pending(exchange))
        return false;
    return exchange->client->body.failed || exchange->expects_continue || exchange->body_length < 0 ||
           (uint64_t)exchange->body_length - exchange->client->body.received > BODY_DROP_BYTES_MAX;
}

/* ---- limits ---- */

static long body_too_large(const struct http_exchange *exchange, struct error *ret_error)
{
    return error_set(ret_error, EFBIG, "The body is larger than the limit of %llu bytes",
        (unsigned long long)exchange->body_limit);
}

int http_body_limit(struct http_exchange *exchange, uint64_t limit, struct error *ret_error)
{
    exchange->body_limit = limit;
    if (exchange->body_length > 0 && (uint64_t)exchange->body_length > limit)
        return (int)body_too_large(exchange, ret_error);
    return 0;
}

void http_body_owner(struct http_exchange *exchange, uint64_t owner)
{
    exchange->body_owner = owner;
}

static uint64_t owner_of_address(const char *address)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *address; address++)
        hash = (hash ^ (unsigned char)*address) * UINT64_C(1099511628211);
    return hash;
}

/* 0; -EBUSY all slots are taken; -EDQUOT the owner has its share. */
static int slot_take(struct http *http, uint64_t owner)
{
    struct http_slot *slot = NULL;
    unsigned share = 0;
    (void)pthread_mutex_lock(&http->slots_lock);
    for (unsigned i = 0; i < HTTP_LARGE_BODIES_MAX; i++) {
        if (!http->slots[i].taken)
            slot = &http->slots[i];
        else if (http->slots[i].owner == owner)
            share++;
    }
    int r = !slot ? -EBUSY : share >= HTTP_LARGE_BODIES_SHARE ? -EDQUOT : 0;
    if (r == 0)
        *slot = (struct http_slot){.owner = owner, .taken = true};
    (void)pthread_mutex_unlock(&http->slots_lock);
    return r;
}

static void slot_release(struct http *http, uint64_t owner)
{
    (void)pthread_mutex_lock(&http->slots_lock);
    unsigned i = 0;
    while (!http->slots[i].taken || http->slots[i].owner != owner)
        i++;
    http->slots[i].taken = false;
    (void)pthread_mutex_unlock(&http->slots_lock);
}

void http_body_end(struct http_exchange *exchange)
{
    if (exchange->client->body.large)
        slot_release(exchange->http, exchange->body_owner);
    exchange->client->body.large = false;
}

void http_body_free(struct http_exchange *exchange)
{
    http_gunzip_close(exchange->client->body.gunzip);
    exchange->client->body.gunzip = NULL;
}

void http_body_gunzip(struct http_exchange *exchange)
{
    exchange->body_gzip = true;
}

/* Bytes received and not yet decoded. */
static void count_received(struct http_exchange *exchange, size_t size)
{
    struct http_body *body = &exchange->client->body;
    body->received += size;
    if (exchange->body_length >= 0 && body->received == (uint64_t)exchange->body_length)
        body->ended = true;
}

/* Bytes for the handler. */
static long body_count(struct http_exchange *exchange, size_t size, struct error *ret_error)
{
    struct http_body *body = &exchange->client->body;
    exchange->body_read += size;
    if (exchange->body_read > exchange->body_limit || body->received > exchange->body_limit)
        return body_too_large(exchange, ret_error);
    if (body->large || exchange->body_read <= HTTP_LARGE_BODY_BYTES)
        return (long)size;
    if (exchange->body_owner == 0)
        exchange->body_owner = owner_of_address(exchange->client->remote_address);
    int r = slot_take(exchange->http, exchange->body_owner);
    if (r < 0)
        return error_set(ret_error, EBUSY, "Too many large bodies at once%s, try again",
            r == -EDQUOT ? " from one sender" : "");
    body->large = true;
    return (long)size;
}

static long body_failed(struct http_exchange *exchange, int code, const char *text, struct error *ret_error)
{
    exchange->client->body.failed = true;
    return error_set(
        ret_error, code, "%s after %llu bytes", text, (unsigned long long)exchange->client->body.received);
}

/* ---- receiving ---- */

static void credit_add(struct http_exchange *exchange, long bytes)
{
    const struct http_options *options = &exchange->http->options;
    struct http_body *body = &exchange->client->body;
    uint32_t rate = options->body_bytes_per_second;
    int64_t most_ns = (int64_t)(2 * options->body_grace_ms * NS_PER_MS);
    if (body->large && rate < HTTP_LARGE_BODY_BYTES_PER_SECOND)
        rate = HTTP_LARGE_BODY_BYTES_PER_SECOND;
    body->credit_ns += (int64_t)((uint64_t)bytes * NS_PER_SECOND / rate);
    if (body->credit_ns > most_ns)
        body->credit_ns = most_ns;
}

/* Waits for more of the body; what the server does between its reads does not use up the client's credit. */
static bool body_wait(struct http_exchange *exchange)
{
    struct http_body *body = &exchange->client->body;
    int64_t pause_ns = (int64_t)(exchange->http->options.read_timeout_ms * NS_PER_MS);
    int64_t limit_ns = body->credit_ns < pause_ns ? body->credit_ns : pause_ns;
    struct http_client *client = exchange->client;
    uint64_t begun_ns = clock_monotonic_ns();
    if (limit_ns > 0 && body->received > 0)
        http_spin_wait_body(
            &client->body_spin, &client->clients->spinners, &client->clients->active, client->file);
    bool came = limit_ns > 0 && http_client_wait(exchange->client, (uint64_t)limit_ns);
    uint64_t waited_ns = clock_monotonic_ns() - begun_ns;
    body->credit_ns -= (int64_t)waited_ns;
    return came;
}

/* Bytes as they are on the wire: first what was received together with the head. The count; an -errno as
 * http_body_read. */
static long body_receive(struct http_exchange *exchange, void *buffer, size_t size, struct error *ret_error)
{
    struct http_client *client = exchange->client;
    size_t buffered = client->end - client->begin;
    if (buffered > 0) {
        size = size < buffered ? size : buffered;
        memcpy(buffer, client->buffers->input + client->begin, size);
        client->begin += size;
        return (long)size;
    }
    for (;;) {
        long count = http_client_receive(client, buffer, size);
        if (count > 0) {
            credit_add(exchange, count);
            return count;
        }
        if (count != -EAGAIN)
            return body_failed(exchange, ECONNABORTED, "The client ended the body", ret_error);
        if (!body_wait(exchange))
            return body_failed(exchange, ETIMEDOUT, "The body comes too slowly: it was cut off", ret_error);
    }
}

/* Receives into the input buffer, which is empty. */
static long input_fill(struct http_exchange *exchange, struct error *ret_error)
{
    struct http_client *client = exchange->client;
    size_t start = HTTP_REQUEST_BYTES_MAX; /* behind the longest head, whose fields are still in use */
    client->begin = client->end = start;
    long count = body_receive(exchange, client->buffers->input + start, HTTP_INPUT_BYTES - start, ret_error);
    if (count > 0)
        client->end = start + (size_t)count;
    return count;
}

static int input_byte(struct http_exchange *exchange, char *ret_byte, struct error *ret_error)
{
    struct http_client *client = exchange->client;
    if (client->begin == client->end) {
        long count = input_fill(exchange, ret_error);
        if (count < 0)
            return (int)count;
    }
    *ret_byte = client->buffers->input[client->begin++];
    return 0;
}

/* ---- the chunked coding (RFC 9112, 7.1) ---- */

static long chunk_malformed(struct http_exchange *exchange, struct error *ret_error)
{
    return body_failed(exchange, EBADMSG, "The chunked body is malformed", ret_error);
}

/* A line without its CRLF, with a NUL. The size or an -errno. */
static long read_line(
    struct http_exchange *exchange, char line[CHUNK_LINE_BYTES_MAX], struct error *ret_error)
{
    size_t used = 0;
    char byte = 0;
    for (;;) {
        int r = input_byte(exchange, &byte, ret_error);
        if (r < 0)
            return r;
        if (byte == '\n')
            break;
        if (used == CHUNK_LINE_BYTES_MAX - 1)
            return chunk_malformed(exchange, ret_error);
        line[used++] = byte;
    }
    if (used == 0 || line[used - 1] != '\r')
        return chunk_malformed(exchange, ret_error);
    line[--used] = '\0';
    for (size_t i = 0; i < used; i++) {
        if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
            return chunk_malformed(exchange, ret_error);
    }
    return (long)used;
}

/* Extensions and trailer fields are dropped; their sum is limited. */
static bool count_line(struct http_body *body, size_t size)
{
    body->line_bytes += size;
    return body->line_bytes <= HTTP_CHUNK_LINES_BYTES_MAX;
}

static bool parse_chunk_size(const char *line, uint64_t *ret_size, size_t *ret_digits)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    const char *rest = line + digits + strspn(line + digits, " \t");
    if (digits == 0 || digits > CHUNK_DIGITS_MAX || (*rest && *rest != ';'))
        return false;
    *ret_size = strtoull(line, NULL, 16);
    *ret_digits = digits;
    return true;
}

static long read_trailer(struct http_exchange *exchange, struct error *ret_error)
{
    char line[CHUNK_LINE_BYTES_MAX];
    for (;;) {
        long size = read_line(exchange, line, ret_error);
        if (size < 0)
            return size;
        if (size == 0)
            break;
        if (!count_line(&exchange->client->body, (size_t)size))
            return chunk_malformed(exchange, ret_error);
    }
    exchange->client->body.ended = true;
    return 0;
}

/* Up to the next chunk's data, or the end. */
static long read_chunk_head(struct http_exchange *exchange, struct error *ret_error)
{
    struct http_body *body = &exchange->client->body;
    char line[CHUNK_LINE_BYTES_MAX];
    size_t digits;
    if (body->in_chunk) {
        long size = read_line(exchange, line, ret_error);
        if (size != 0)
            return size < 0 ? size : chunk_malformed(exchange, ret_error);
        body->in_chunk = false;
    }
    long size = read_line(exchange, line, ret_error);
    if (size < 0)
        return size;
    if (!parse_chunk_size(line, &body->chunk_left, &digits) || !count_line(body, (size_t)size - digits))
        return chunk_malformed(exchange, ret_error);
    if (body->chunk_left == 0)
        return read_trailer(exchange, ret_error);
    body->in_chunk = true;
    return 0;
}

static long read_chunked(struct http_exchange *exchange, void *buffer, size_t size, struct error *ret_error)
{
    struct http_body *body = &exchange->client->body;
    if (body->chunk_left == 0) {
        long r = read_chunk_head(exchange, ret_error);
        if (r < 0 || body->ended)
            return r;
    }
    if (size > body->chunk_left)
        size = (size_t)body->chunk_left;
    long count = body_receive(exchange, buffer, size, ret_error);
    if (count > 0)
        body->chunk_left -= (uint64_t)count;
    return count;
}

/* ---- reading ---- */

static int send_continue(struct http_exchange *exchange, struct error *ret_error)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange->expects_continue = false;
    if (http_client_send(exchange->client, CONTINUE, sizeof(CONTINUE) - 1) != (long)sizeof(CONTINUE) - 1)
        return (int)body_failed(exchange, ECONNABORTED, "The client is gone", ret_error);
    return 0;
}

/* The body as it was sent; 0 at its end. */
static long read_data(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct http_exchange *exchange = context;
    if (!http_body_pending(exchange))
        return 0;
    uint64_t left = exchange->body_length >= 0
                        ? (uint64_t)exchange->body_length - exchange->client->body.received
                        : UINT64_MAX;
    if (size > left)
        size = (size_t)left;
    long count = exchange->body_length < 0 ? read_chunked(exchange, buffer, size, ret_error)
                                           : body_receive(exchange, buffer, size, ret_error);
    if (count > 0)
        count_received(exchange, (size_t)count);
    return count;
}

/* An error in the gzip stream does not prevent dropping the rest of the body. */
static long read_decoded(struct http_exchange *exchange, void *buffer, size_t size, struct error *ret_error)
{
    struct http_body *body = &exchange->client->body;
    if (!body->gunzip)
        body->gunzip = http_gunzip_open();
    if (!body->gunzip)
        return error_set(ret_error, ENOMEM, "out of memory for a gzip body");
    return http_gunzip_read(body->gunzip, buffer, size, read_data, exchange, ret_error);
}

long http_body_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct http_exchange *exchange = context;
    bool pending = http_body_pending(exchange) || (exchange->body_gzip && exchange->body_length != 0);
    if (!pending || size == 0)
        return 0;
    if (exchange->client->body.failed)
        return body_failed(exchange, ECONNABORTED, "The body was cut off", ret_error);
    if (exchange->expects_continue && send_continue(exchange, ret_error) < 0)
        return -ECONNABORTED;
    long count = exchange->body_gzip ? read_decoded(exchange, buffer, size, ret_error)
                                     : read_data(exchange, buffer, size, ret_error);
    return count > 0 ? body_count(exchange, (size_t)count, ret_error) : count;
}

bool http_body_drop(struct http_exchange *exchange)
{
    while (http_body_pending(exchange) && !exchange->client->body.failed) {
        if (read_data(exchange, exchange->client->buffers->answer, BODY_DROP_BYTES_MAX, NULL) < 0)
            break;
    }
    return !exchange->client->body.failed;
}
