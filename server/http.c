#include "http.h"

#include "check.h"
#include "clock.h"

#include <civetweb.h>

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TAIL_ROOM = 16,                 /* "\r\n0\r\n\r\n" behind the last chunk */
    CHUNK_LINE_BYTES = 18,          /* a size in hexadecimal and "\r\n" */
    BODY_DROP_BYTES_MAX = 64 << 10, /* an unread body up to this is read and dropped to keep the connection */
    BODY_PIECE_BYTES = 256 << 10,
};

struct http {
    struct http_options options;
    struct mg_context *context;
    uint16_t port;
    atomic_bool serving, stopping;
    atomic_uint active; /* requests under way */
    atomic_uint large_bodies;
    pthread_mutex_t lock;   /* for `changed` only */
    pthread_cond_t changed; /* serving or stopping began, or the last request under way ended meanwhile */
};

/* ---- time ---- */

static uint64_t elapsed_ms(uint64_t since_ns)
{
    return (clock_monotonic_ns() - since_ns) / 1000000;
}

static struct timespec deadline_after(uint32_t ms)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += ms / 1000;
    deadline.tv_nsec += (long)(ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    return deadline;
}

static const char *date_text(struct http_worker *worker)
{
    time_t now = time(NULL);
    if ((uint64_t)now != worker->date_second) {
        struct tm parts;
        (void)gmtime_r(&now, &parts);
        (void)strftime(worker->date, sizeof(worker->date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        worker->date_second = (uint64_t)now;
    }
    return worker->date;
}

/* ---- the head of an answer ---- */

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
    case 429:
        return "Too Many Requests";
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

static bool is_http_1_1(const struct http_exchange *exchange)
{
    const char *version = mg_get_request_info(exchange->connection)->http_version;
    return version && strcmp(version, "1.1") == 0;
}

/* What CivetWeb will do with the connection after this request: the same rules as its own. */
static bool client_keeps_alive(const struct http_exchange *exchange)
{
    const char *connection = http_request_header(exchange, "Connection");
    if (connection)
        return strcasestr(connection, "keep-alive") != NULL;
    return is_http_1_1(exchange);
}

static bool body_pending(const struct http_exchange *exchange)
{
    return !exchange->body_ended &&
           (exchange->body_length < 0 || exchange->body_read < (uint64_t)exchange->body_length);
}

/* An unread rest that is small is dropped and the connection stays; otherwise the connection ends with this
 * answer. */
static bool body_ends_connection(const struct http_exchange *exchange)
{
    if (!body_pending(exchange))
        return false;
    return exchange->body_failed || exchange->expects_continue || exchange->body_length < 0 ||
           (uint64_t)exchange->body_length - exchange->body_read > BODY_DROP_BYTES_MAX;
}

static void put_connection(struct text *text, struct http_exchange *exchange)
{
    if (!exchange->close)
        exchange->close = body_ends_connection(exchange) || !client_keeps_alive(exchange);
    if (exchange->close)
        put(text, "Connection: close\r\n");
    else if (!is_http_1_1(exchange))
        put(text, "Connection: keep-alive\r\n");
}

static void put_cors(struct text *text, const struct http_exchange *exchange)
{
    put(text, "Access-Control-Allow-Origin: ");
    put(text, exchange->allow_origin ? exchange->allow_origin : "");
    put(text, exchange->allow_credentials ? "\r\nAccess-Control-Allow-Credentials: true\r\n"
                                          : "\r\nAccess-Control-Allow-Credentials: false\r\n");
    put(text, "Access-Control-Allow-Methods: GET, POST, PUT, DELETE\r\n");
    if (exchange->preflight)
        put(text, "Access-Control-Allow-Headers: Content-Type, Authorization\r\n");
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
    put(&text, date_text(exchange->worker));
    put(&text, "\r\nX-Frame-Options: deny\r\nX-XSS-Protection: 1; mode=block\r\n"
               "X-Content-Type-Options: nosniff\r\n");
    if (exchange->cors)
        put_cors(&text, exchange);
    if (exchange->no_store)
        put(&text, "Cache-Control: no-store, must-revalidate\r\n");
    if (exchange->content == HTTP_JSON)
        put(&text, "Content-Type: application/json; charset=utf-8\r\n");
    else if (exchange->content == HTTP_TEXT)
        put(&text, "Content-Type: text/plain; charset=utf-8\r\n");
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

/* CivetWeb gives up after its request timeout without progress; a client may be slower, within our own limit.
 */
static int send_all(struct http_exchange *exchange, const uint8_t *data, size_t size)
{
    uint64_t started_ns = clock_monotonic_ns();
    uint64_t limit_ms = exchange->http->options.stall_ms_max;
    while (size > 0) {
        errno = 0;
        int sent = mg_write(exchange->connection, data, size);
        if (sent <= 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return -ECONNABORTED;
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
            exchange->sent_bytes += (uint64_t)sent;
        }
        if (elapsed_ms(started_ns) > limit_ms || (size > 0 && http_stopping(exchange->http)))
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

static int send_part(struct http_exchange *exchange, bool last)
{
    char head[HTTP_HEAD_BYTES_MAX];
    size_t head_size = 0;
    if (exchange->sent_bytes == 0) {
        exchange->chunked = is_http_1_1(exchange);
        if (!exchange->chunked)
            exchange->close = true; /* HTTP/1.0: the body ends with the connection */
        head_size = head_print(exchange, false, 0, head);
    }
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
    exchange->opened = true;
    exchange->status = status;
    exchange->content = content;
    exchange->sink = (struct sink){
        .buffer = exchange->worker->memory + HTTP_HEAD_BYTES_MAX,
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
    exchange->chunked = endless && is_http_1_1(exchange);
    size_t head_size = head_print(exchange, !endless, exchange->sink.used, head);
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

/* ---- the request ---- */

const char *http_request_header(const struct http_exchange *exchange, const char *name)
{
    return mg_get_header(exchange->connection, name);
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

static int body_continue(struct http_exchange *exchange, struct error *ret_error)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange->expects_continue = false;
    if (mg_write(exchange->connection, CONTINUE, sizeof(CONTINUE) - 1) != (int)sizeof(CONTINUE) - 1)
        return (int)body_read_failed(exchange, ret_error);
    return 0;
}

long http_body_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct http_exchange *exchange = context;
    if (!body_pending(exchange) || size == 0)
        return 0;
    if (exchange->body_failed)
        return body_read_failed(exchange, ret_error);
    if (exchange->expects_continue && body_continue(exchange, ret_error) < 0)
        return -ECONNABORTED;
    if (size > BODY_PIECE_BYTES)
        size = BODY_PIECE_BYTES;
    if (exchange->body_length >= 0 && size > (uint64_t)exchange->body_length - exchange->body_read)
        size = (size_t)((uint64_t)exchange->body_length - exchange->body_read);
    int count = mg_read(exchange->connection, buffer, size);
    if (count == 0 && exchange->body_length < 0) {
        exchange->body_ended = true;
        return 0;
    }
    if (count <= 0)
        return body_read_failed(exchange, ret_error);
    int r = body_count(exchange, (uint64_t)count, ret_error);
    return r < 0 ? r : count;
}

/* The client of a refused body may still be sending: were the connection closed now, it would lose the
 * answer. */
static void body_linger(struct http_exchange *exchange)
{
    uint64_t started_ns = clock_monotonic_ns();
    uint64_t left = HTTP_LINGER_BYTES_MAX;
    if (exchange->body_failed || exchange->expects_continue)
        return;
    while (left > 0 && body_pending(exchange) && elapsed_ms(started_ns) < HTTP_LINGER_MS_MAX &&
           !http_stopping(exchange->http)) {
        int count = mg_read(exchange->connection, exchange->worker->memory, BODY_DROP_BYTES_MAX);
        if (count <= 0)
            return;
        exchange->body_read += (uint64_t)count;
        left -= (uint64_t)count < left ? (uint64_t)count : left;
    }
}

/* ---- one request ---- */

static enum http_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } METHODS[] = {
        {"GET", HTTP_GET},
        {"POST", HTTP_POST},
        {"PUT", HTTP_PUT},
        {"DELETE", HTTP_DELETE},
        {"HEAD", HTTP_HEAD},
        {"OPTIONS", HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
        if (strcmp(name, METHODS[i].name) == 0)
            return METHODS[i].method;
    }
    return HTTP_OTHER;
}

static int worker_prepare(struct http_worker *worker)
{
    if (worker->memory)
        return 0;
    worker->memory = malloc(HTTP_HEAD_BYTES_MAX + HTTP_BUFFER_BYTES + TAIL_ROOM);
    worker->path = malloc(HTTP_REQUEST_BYTES_MAX);
    worker->query = malloc(HTTP_REQUEST_BYTES_MAX);
    if (worker->memory && worker->path && worker->query)
        return 0;
    free(worker->memory);
    free(worker->path);
    free(worker->query);
    worker->memory = NULL;
    worker->path = worker->query = NULL;
    return -ENOMEM;
}

static void exchange_init(struct http_exchange *exchange, struct http *http, struct mg_connection *connection)
{
    memset(exchange, 0, offsetof(struct http_exchange, headers));
    exchange->headers[0] = '\0';
    memset((char *)exchange + offsetof(struct http_exchange, status), 0,
        sizeof(*exchange) - offsetof(struct http_exchange, status));
    exchange->http = http;
    exchange->worker = mg_get_thread_pointer(connection);
    exchange->connection = connection;
    exchange->method = HTTP_OTHER;
    exchange->method_name = exchange->path = exchange->query = "";
    exchange->body_limit = UINT64_MAX;
    exchange->allow_credentials = true;
    exchange->started_ns = clock_monotonic_ns();
}

static void exchange_read_head(struct http_exchange *exchange)
{
    const struct mg_request_info *info = mg_get_request_info(exchange->connection);
    exchange->method_name = info->request_method;
    exchange->method = method_of(info->request_method);
    exchange->path = info->local_uri_raw;
    exchange->query = info->query_string ? info->query_string : "";
    const char *encoding = http_request_header(exchange, "Transfer-Encoding");
    if (encoding && strcasecmp(encoding, "identity") != 0)
        exchange->body_length = -1;
    else
        exchange->body_length = info->content_length > 0 ? info->content_length : 0;
    const char *expect = http_request_header(exchange, "Expect");
    exchange->expects_continue = expect && strcasecmp(expect, "100-continue") == 0 && body_pending(exchange);
}

static void exchange_finish(struct http_exchange *exchange)
{
    const struct http_options *options = &exchange->http->options;
    CHECK(exchange->opened);
    if (exchange->body_large)
        atomic_fetch_sub(&exchange->http->large_bodies, 1);
    if (options->done)
        options->done(options->context, exchange);
    if (!exchange->close)
        return;
    mg_disable_connection_keep_alive(exchange->connection);
    body_linger(exchange);
}

static void request_enter(struct http *http)
{
    atomic_fetch_add(&http->active, 1);
    if (atomic_load_explicit(&http->serving, memory_order_acquire))
        return;
    pthread_mutex_lock(&http->lock);
    while (!atomic_load(&http->serving) && !http_stopping(http))
        pthread_cond_wait(&http->changed, &http->lock);
    pthread_mutex_unlock(&http->lock);
}

static void request_leave(struct http *http)
{
    if (atomic_fetch_sub(&http->active, 1) != 1 || !http_stopping(http))
        return;
    pthread_mutex_lock(&http->lock);
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
}

static int begin_request(struct mg_connection *connection)
{
    struct http *http = mg_get_user_data(mg_get_context(connection));
    struct http_exchange exchange;
    request_enter(http);
    exchange_init(&exchange, http, connection);
    if (!exchange.worker || worker_prepare(exchange.worker) < 0) {
        mg_disable_connection_keep_alive(connection); /* nothing to answer with */
        request_leave(http);
        return 503;
    }
    exchange_read_head(&exchange);
    if (http_stopping(http)) {
        exchange.close = true;
        http->options.refuse(http->options.context, &exchange, 503, "The server is stopping");
    } else {
        http->options.handle(http->options.context, &exchange);
    }
    exchange_finish(&exchange);
    request_leave(http);
    return exchange.status;
}

/* CivetWeb refuses a method that it does not know before it looks at the headers. */
static bool is_unknown_method(const struct mg_request_info *info)
{
    return info->request_method && info->http_version && info->num_headers == 0 &&
           method_of(info->request_method) == HTTP_OTHER;
}

/* What CivetWeb could not take for a request. */
static int refuse_request(struct mg_connection *connection, int status, const char *text)
{
    struct http *http = mg_get_user_data(mg_get_context(connection));
    struct http_exchange exchange;
    exchange_init(&exchange, http, connection);
    if (!exchange.worker || worker_prepare(exchange.worker) < 0)
        return 0;
    if (status == 400 && is_unknown_method(mg_get_request_info(connection)))
        status = 405;
    exchange.close = true; /* where the next request would begin is not known */
    exchange.body_ended = true;
    http->options.refuse(http->options.context, &exchange, status, text);
    return 0;
}

static int complain(const struct mg_connection *connection, const char *text)
{
    const struct mg_context *context = connection ? mg_get_context(connection) : NULL;
    struct http *http = context ? mg_get_user_data(context) : NULL;
    if (http && http->options.complain)
        http->options.complain(http->options.context, text);
    return 1;
}

/* ---- threads ---- */

static void *worker_open(const struct mg_context *context, int thread_type)
{
    (void)context;
    if (thread_type != 1)
        return NULL;
    struct http_worker *worker = calloc(1, sizeof(*worker));
    if (worker)
        batch_init(&worker->batch);
    return worker;
}

static void worker_close(const struct mg_context *context, int thread_type, void *pointer)
{
    struct http_worker *worker = pointer;
    (void)context;
    (void)thread_type;
    if (!worker)
        return;
    batch_free(&worker->batch);
    free(worker->memory);
    free(worker->path);
    free(worker->query);
    free(worker);
}

/* ---- life ---- */

/* CivetWeb does not say why it cannot listen: find the address's numbers and try it first. */
static int address_probe(
    const char *address, uint16_t port, char *ret_numbers, size_t capacity, struct error *ret_error)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(address, service, &hints, &found);
    if (failed)
        return error_set(ret_error, EINVAL, "cannot listen on \"%s\": %s", address, gai_strerror(failed));
    char host[NI_MAXHOST];
    int r = 0;
    int file = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (file < 0 || setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(file, found->ai_addr, found->ai_addrlen) < 0 || listen(file, 1) < 0)
        r = error_set(ret_error, errno, "cannot listen on %s port %u: %s", address, port, strerror(errno));
    else if (getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
        r = error_set(ret_error, EINVAL, "cannot listen on \"%s\"", address);
    if (r == 0)
        (void)snprintf(ret_numbers, capacity, found->ai_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
    if (file >= 0)
        (void)close(file);
    freeaddrinfo(found);
    return r;
}

static int civetweb_start(struct http *http, struct error *ret_error)
{
    const struct http_options *options = &http->options;
    char listen_on[NI_MAXHOST + 16], threads[16], read_timeout[16], idle[16], request_bytes[16], queue[16];
    const char *address = *options->address ? options->address : "127.0.0.1";
    int r = address_probe(address, options->port, listen_on, sizeof(listen_on), ret_error);
    if (r < 0)
        return r;
    (void)snprintf(threads, sizeof(threads), "%u", options->connections_max);
    (void)snprintf(queue, sizeof(queue), "%u", options->connections_max);
    (void)snprintf(read_timeout, sizeof(read_timeout), "%u", options->read_timeout_ms);
    (void)snprintf(idle, sizeof(idle), "%d", HTTP_IDLE_MS_MAX);
    (void)snprintf(request_bytes, sizeof(request_bytes), "%d", HTTP_REQUEST_BYTES_MAX);
    const char *settings[] = {"listening_ports", listen_on, "num_threads", threads, "enable_keep_alive",
        "yes", "keep_alive_timeout_ms", idle, "request_timeout_ms", read_timeout, "tcp_nodelay", "1",
        "max_request_size", request_bytes, "connection_queue", queue, "decode_url", "no",
        "enable_directory_listing", "no", "enable_auth_domain_check", "no", NULL};
    struct mg_callbacks callbacks = {
        .begin_request = begin_request,
        .http_error = refuse_request,
        .log_message = complain,
        .init_thread = worker_open,
        .exit_thread = worker_close,
    };
    char text[256] = "";
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = http, .configuration_options = settings};
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof(text)};
    http->context = mg_start2(&init, &error);
    if (!http->context)
        return error_set(ret_error, EADDRINUSE, "cannot listen on %s: %s", listen_on, text);
    struct mg_server_port port;
    if (mg_get_server_ports(http->context, 1, &port) != 1)
        return error_set(ret_error, EIO, "cannot find out the port of %s", listen_on);
    http->port = (uint16_t)port.port;
    return 0;
}

int http_start(const struct http_options *options, struct http **ret_http, struct error *ret_error)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http)
        return error_set(ret_error, ENOMEM, "out of memory");
    http->options = *options;
    if (http->options.stall_ms_max == 0)
        http->options.stall_ms_max = HTTP_STALL_MS_MAX;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&http->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&http->lock, NULL);
    (void)mg_init_library(0);
    int r = civetweb_start(http, ret_error);
    if (r < 0) {
        http_stop(http);
        return r;
    }
    *ret_http = http;
    return 0;
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}

bool http_stopping(const struct http *http)
{
    return atomic_load(&http->stopping);
}

void http_serve(struct http *http)
{
    pthread_mutex_lock(&http->lock);
    atomic_store(&http->serving, true);
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
}

void http_pause(struct http_exchange *exchange, uint32_t ms)
{
    struct http *http = exchange->http;
    struct timespec deadline = deadline_after(ms);
    pthread_mutex_lock(&http->lock);
    int r = 0;
    while (r == 0 && !http_stopping(http))
        r = pthread_cond_timedwait(&http->changed, &http->lock, &deadline);
    pthread_mutex_unlock(&http->lock);
}

static void wait_for_requests(struct http *http)
{
    struct timespec deadline = deadline_after(HTTP_STOP_MS_MAX);
    pthread_mutex_lock(&http->lock);
    atomic_store(&http->stopping, true);
    pthread_cond_broadcast(&http->changed);
    int r = 0;
    while (r == 0 && atomic_load(&http->active) > 0)
        r = pthread_cond_timedwait(&http->changed, &http->lock, &deadline);
    pthread_mutex_unlock(&http->lock);
}

static bool has_local_port(int file, uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t size = sizeof(address);
    if (getsockname(file, &address.any, &size) < 0)
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohs(address.v4.sin_port) == port;
    return address.any.sa_family == AF_INET6 && ntohs(address.v6.sin6_port) == port;
}

/* CivetWeb's threads look up from their sockets only every two seconds. No request is under way: ending the
 * sockets under them wakes them at once. CivetWeb does not tell its sockets, so they are found among the open
 * files by their port. */
static void sockets_shut_down(uint16_t port)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    if (!directory)
        return; /* without /proc it takes the two seconds */
    while ((entry = readdir(directory))) {
        int file = atoi(entry->d_name);
        if (file > STDERR_FILENO && has_local_port(file, port))
            (void)shutdown(file, SHUT_RDWR);
    }
    closedir(directory);
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    wait_for_requests(http);
    if (http->context) {
        sockets_shut_down(http->port);
        mg_stop(http->context);
    }
    (void)mg_exit_library();
    pthread_mutex_destroy(&http->lock);
    pthread_cond_destroy(&http->changed);
    free(http);
}
