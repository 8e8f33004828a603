/* Answers: their head, and their body in one piece or in chunks. */
#include "http_gzip.h"
#include "http_internal.h"

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK_LINE_BYTES = 18 }; /* a size in hexadecimal and "\r\n" */

/* ---- the head ---- */

static const char *date_text(struct http_client *client)
{
    time_t now = time(NULL);
    if ((uint64_t)now != client->date_second) {
        struct tm parts;
        (void)gmtime_r(&now, &parts);
        (void)strftime(client->date, sizeof(client->date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        client->date_second = (uint64_t)now;
    }
    return client->date;
}

struct text {
    char *data;
    size_t used, capacity;
};

static void put_bytes(struct text *text, const char *data, size_t size)
{
    CHECK(size <= text->capacity - text->used);
    memcpy(text->data + text->used, data, size);
    text->used += size;
}

static void put(struct text *text, const char *string)
{
    put_bytes(text, string, strlen(string));
}

static void put_number(struct text *text, uint64_t number)
{
    char digits[20];
    size_t start = sizeof(digits);
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put_bytes(text, digits + start, sizeof(digits) - start);
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 304:
        return "Not Modified";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Status";
    }
}

/* Whether the connection stays after this answer. */
static void decide_close(struct http_exchange *exchange)
{
    const struct http_client *client = exchange->client;
    if (!exchange->close)
        exchange->close = !client->head->keep_alive || http_body_ends_connection(exchange) ||
                          atomic_load(&client->yields) || http_stopping(exchange->http) ||
                          http_clients_starving(&exchange->http->clients) > 0;
}

static void put_connection(struct text *text, struct http_exchange *exchange)
{
    decide_close(exchange);
    if (exchange->close) {
        put(text, "Connection: close\r\n");
        return;
    }
    if (!exchange->http_1_1)
        put(text, "Connection: keep-alive\r\n");
    put(text, exchange->http->keep_alive_line);
}

/* Clients of 0.3 see the same answer as ever. */
static bool asks_for_key(const struct http_exchange *exchange)
{
    const char *names = http_request_header(exchange, "Access-Control-Request-Headers");
    return names && strcasestr(names, "idempotency-key");
}

static void put_cors(struct text *text, const struct http_exchange *exchange)
{
    put(text, "Access-Control-Allow-Origin: ");
    put(text, exchange->allow_origin ? exchange->allow_origin : "");
    put(text, exchange->allow_credentials ? "\r\nAccess-Control-Allow-Credentials: true\r\n"
                                          : "\r\nAccess-Control-Allow-Credentials: false\r\n");
    put(text, "Access-Control-Allow-Methods: GET, POST, PUT, DELETE\r\n");
    if (exchange->preflight)
        put(text, asks_for_key(exchange)
                      ? "Access-Control-Allow-Headers: Content-Type, Authorization, Idempotency-Key\r\n"
                      : "Access-Control-Allow-Headers: Content-Type, Authorization\r\n");
    if (http_request_header(exchange, "Origin"))
        put(text, "Vary: Origin\r\n");
}

/* Status line and headers; with_length: Content-Length, else Transfer-Encoding when the exchange is chunked.
 */
static size_t head_print(struct http_exchange *exchange, bool with_length, uint64_t length, char *to)
{
    struct text text = {.data = to, .capacity = HTTP_HEAD_BYTES_MAX - CHUNK_LINE_BYTES};
    put(&text, "HTTP/1.1 ");
    put_number(&text, (uint64_t)exchange->status);
    put(&text, " ");
    put(&text, reason_of(exchange->status));
    put(&text, "\r\nDate: ");
    put(&text, date_text(exchange->client));
    put(&text, "\r\nX-Frame-Options: deny\r\nX-XSS-Protection: 1; mode=block\r\n"
               "X-Content-Type-Options: nosniff\r\n");
    if (exchange->cors)
        put_cors(&text, exchange);
    if (exchange->no_store)
        put(&text, "Cache-Control: no-store, must-revalidate\r\n");
    static const char *const TYPES[] = {[HTTP_JSON] = "Content-Type: application/json; charset=utf-8\r\n",
        [HTTP_TEXT] = "Content-Type: text/plain; charset=utf-8\r\n",
        [HTTP_XML] = "Content-Type: application/xml; charset=utf-8\r\n",
        [HTTP_HTML] = "Content-Type: text/html; charset=utf-8\r\n",
        [HTTP_SCRIPT] = "Content-Type: text/javascript; charset=utf-8\r\n",
        [HTTP_STYLE] = "Content-Type: text/css; charset=utf-8\r\n",
        [HTTP_SVG] = "Content-Type: image/svg+xml\r\n",
        [HTTP_NDJSON] = "Content-Type: application/x-ndjson; charset=utf-8\r\n",
        [HTTP_CSV] = "Content-Type: text/csv; charset=utf-8; header=present\r\n",
        [HTTP_METRICS] = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"};
    if (exchange->content != HTTP_NO_CONTENT)
        put(&text, TYPES[exchange->content]);
    if (exchange->varies)
        put(&text, "Vary: Accept-Encoding\r\n");
    if (exchange->encoded)
        put(&text, "Content-Encoding: gzip\r\n");
    put(&text, exchange->headers);
    put_connection(&text, exchange);
    if (with_length) {
        put(&text, "Content-Length: ");
        put_number(&text, length);
        put(&text, "\r\n");
    } else if (exchange->chunked) {
        put(&text, "Transfer-Encoding: chunked\r\n");
    }
    put(&text, "\r\n");
    return text.used;
}

/* ---- sending ---- */

/* A client may be slow, within the limit. */
static int send_all(struct http_exchange *exchange, const uint8_t *data, size_t size)
{
    uint64_t started_ns = clock_monotonic_ns();
    uint64_t limit_ms = exchange->http->options.stall_ms_max;
    while (size > 0) {
        long sent = http_client_send(exchange->client, data, size);
        if (sent < 0)
            return -ECONNABORTED;
        data += sent;
        size -= (size_t)sent;
        exchange->sent_bytes += (uint64_t)sent;
        if (http_elapsed_ms(started_ns) > limit_ms || (size > 0 && http_stopping(exchange->http)))
            return -ETIMEDOUT;
    }
    return 0;
}

/* Sends head_size bytes, which stand right before the sink's buffer, and used + tail_size bytes of it. */
static int send_buffer(struct http_exchange *exchange, const char *head, size_t head_size, size_t tail_size)
{
    uint8_t *start = exchange->sink.buffer - head_size;
    memcpy(start, head, head_size);
    return send_all(exchange, start, head_size + exchange->sink.used + tail_size);
}

/* Puts the chunk's line behind the head and its end behind the data. Returns the bytes of the end. */
static size_t frame_chunk(struct http_exchange *exchange, bool last, char *head, size_t *head_size)
{
    if (!exchange->chunked)
        return 0;
    const char *end = last ? "0\r\n\r\n" : "";
    uint8_t *tail = exchange->sink.buffer + exchange->sink.used;
    size_t size = 0;
    if (exchange->sink.used > 0) {
        int length = snprintf(head + *head_size, CHUNK_LINE_BYTES, "%zx\r\n", exchange->sink.used);
        *head_size += (size_t)length;
        memcpy(tail, "\r\n", 2);
        size = 2;
    }
    memcpy(tail + size, end, strlen(end));
    return size + strlen(end);
}

/* ---- gzip ---- */

/* The answer is worth it; an answer in chunks needs HTTP/1.1. */
static bool is_gzip_wanted(struct http_exchange *exchange)
{
    exchange->varies = exchange->content != HTTP_NO_CONTENT;
    return exchange->varies && exchange->http_1_1 && exchange->method != HTTP_HEAD &&
           http_gzip_is_wanted(exchange->client->head);
}

/* A piece of compressed output as a chunk: the room around it takes its frame. */
static int send_compressed(void *context, uint8_t *data, size_t size)
{
    char line[GZIP_ROOM + 1];
    int length = snprintf(line, sizeof(line), "%zx\r\n", size);
    memcpy(data - length, line, (size_t)length);
    memcpy(data + size, "\r\n", 2);
    return send_all(context, data - length, (size_t)length + size + 2);
}

static int send_part_compressed(struct http_exchange *exchange, const char *head, size_t head_size, bool last)
{
    static const uint8_t END[] = "0\r\n\r\n";
    int r = head_size > 0 ? send_all(exchange, (const uint8_t *)head, head_size) : 0;
    if (r == 0)
        r = http_gzip_write(
            exchange->gzip, exchange->sink.buffer, exchange->sink.used, last, send_compressed, exchange);
    if (r == 0 && last)
        r = send_all(exchange, END, sizeof(END) - 1);
    return r;
}

/* Compresses a whole answer in its buffer, if that makes it smaller. */
static void compress_whole(struct http_exchange *exchange)
{
    struct sink *sink = &exchange->sink;
    if (sink->used < HTTP_GZIP_BYTES_MIN || !is_gzip_wanted(exchange))
        return;
    uint8_t *smaller = malloc(sink->used);
    size_t size = smaller ? http_gzip_whole(sink->buffer, sink->used, smaller, sink->used - 1) : 0;
    if (size > 0) {
        memcpy(sink->buffer, smaller, size);
        sink->used = size;
        exchange->encoded = true;
    }
    free(smaller);
}

/* ---- parts ---- */

/* Decides how the body of a long answer is framed and coded, and prints its head. */
static size_t begin_parts(struct http_exchange *exchange, char *head)
{
    exchange->chunked = exchange->http_1_1;
    if (!exchange->chunked)
        exchange->close = true; /* HTTP/1.0: the body ends with the connection */
    if (is_gzip_wanted(exchange))
        exchange->gzip = http_gzip_open();
    exchange->encoded = exchange->gzip != NULL;
    return head_print(exchange, false, 0, head);
}

static int send_part(struct http_exchange *exchange, bool last)
{
    char head[HTTP_HEAD_BYTES_MAX];
    size_t head_size = exchange->sent_bytes == 0 ? begin_parts(exchange, head) : 0;
    if (exchange->gzip)
        return send_part_compressed(exchange, head, head_size, last);
    size_t tail_size = frame_chunk(exchange, last, head, &head_size);
    return send_buffer(exchange, head, head_size, tail_size);
}

static int answer_flush(struct sink *sink, struct error *ret_error)
{
    struct http_exchange *exchange = sink->context;
    if (exchange->method == HTTP_HEAD)
        return error_set(ret_error, ECANCELED, "the answer to HEAD has no body");
    if (http_stopping(exchange->http))
        return error_set(ret_error, ECONNABORTED, "the server stops");
    int r = send_part(exchange, false);
    if (r < 0)
        return error_set(
            ret_error, -r, r == -ETIMEDOUT ? "the client reads too slowly" : "the client is gone");
    return 0;
}

struct sink *http_answer_open(struct http_exchange *exchange, int status, enum http_content content)
{
    CHECK(exchange->sent_bytes == 0);
    http_body_end(exchange); /* before the client can know: its next body must find its slot free */
    exchange->opened = true;
    exchange->status = status;
    exchange->content = content;
    exchange->sink = (struct sink){
        .buffer = exchange->client->buffers->answer + HTTP_HEAD_BYTES_MAX,
        .capacity = HTTP_BUFFER_BYTES,
        .flush = answer_flush,
        .context = exchange,
    };
    return &exchange->sink;
}

/* The whole answer is in the buffer, or has no body to send. */
static void send_whole(struct http_exchange *exchange)
{
    bool endless = exchange->method == HTTP_HEAD && exchange->sink.failed;
    char head[HTTP_HEAD_BYTES_MAX];
    exchange->chunked = endless && exchange->http_1_1;
    compress_whole(exchange);
    bool has_length = !endless && exchange->status != 304; /* which has no body */
    size_t head_size = head_print(exchange, has_length, exchange->sink.used, head);
    if (exchange->method == HTTP_HEAD)
        exchange->sink.used = 0;
    if (send_buffer(exchange, head, head_size, 0) < 0)
        exchange->close = true;
}

bool http_answer_close(struct http_exchange *exchange, bool complete)
{
    CHECK(exchange->opened);
    bool unsent = exchange->sent_bytes == 0;
    bool head_only = exchange->method == HTTP_HEAD && exchange->sink.failed == -ECANCELED;
    bool failed = exchange->sink.failed && !head_only;
    if (unsent && !complete && !exchange->sink.failed) {
        exchange->opened = false;
        return true;
    }
    if (failed || (!complete && !head_only))
        exchange->close =
            true; /* without the end of the body, or without an answer when the client is gone */
    else if (unsent)
        send_whole(exchange);
    else if (send_part(exchange, true) < 0)
        exchange->close = true;
    http_gzip_close(exchange->gzip);
    exchange->gzip = NULL;
    return false;
}

void http_answer(
    struct http_exchange *exchange, int status, enum http_content content, const void *body, size_t size)
{
    struct sink *sink = http_answer_open(exchange, status, content);
    CHECK(size <= HTTP_BUFFER_BYTES);
    (void)sink_write(sink, body, size);
    (void)http_answer_close(exchange, true);
}

bool http_answer_header(struct http_exchange *exchange, const char *name, const char *value)
{
    size_t used = strlen(exchange->headers);
    if (strlen(name) + strlen(value) + 5 > sizeof(exchange->headers) - used)
        return false;
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    }
    (void)snprintf(exchange->headers + used, sizeof(exchange->headers) - used, "%s: %s\r\n", name, value);
    return true;
}
