#include "http_internal.h"
#include "http_sockets.h"

#include "check.h"

#include <civetweb.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the connection ---- */

int http_socket_send(struct http_exchange *exchange, const void *data, size_t size)
{
    return mg_write(exchange->connection, data, size);
}

int http_socket_receive(struct http_exchange *exchange, void *buffer, size_t size)
{
    return mg_read(exchange->connection, buffer, size);
}

const char *http_request_header(const struct http_exchange *exchange, const char *name)
{
    return mg_get_header(exchange->connection, name);
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
    worker->memory = malloc(HTTP_HEAD_BYTES_MAX + HTTP_BUFFER_BYTES + HTTP_TAIL_ROOM);
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
    http_spin_begin(&exchange->worker->spin, (uint16_t)info->remote_port, exchange->started_ns);
    exchange->remote_address = info->remote_addr;
    exchange->remote_port = (uint16_t)info->remote_port;
    exchange->http_1_1 = strcmp(info->http_version, "1.1") == 0;
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
    exchange->expects_continue =
        expect && strcasecmp(expect, "100-continue") == 0 && http_body_pending(exchange);
}

static bool is_length(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && value[digits + strspn(value + digits, " \t")] == '\0';
}

/* What is wrong with how the request says where it ends; NULL: nothing. A proxy could read it in another way than
 * CivetWeb: then a client's body is the next request of somebody else. */
static const char *find_unclear_end(const struct mg_request_info *info)
{
    bool found = false;
    if (info->num_headers >= MG_MAX_HEADERS) /* CivetWeb drops further ones, and may have */
        return "The request has too many headers";
    for (int i = 0; i < info->num_headers; i++) {
        const struct mg_header *header = &info->http_headers[i];
        bool is_encoding = strcasecmp(header->name, "Transfer-Encoding") == 0;
        if (!is_encoding && strcasecmp(header->name, "Content-Length") != 0)
            continue;
        if (found)
            return "The request says more than once how long it is";
        if (!is_encoding && !is_length(header->value))
            return "The Content-Length is no number";
        found = true;
    }
    return NULL;
}

static void exchange_finish(struct http_exchange *exchange)
{
    const struct http_options *options = &exchange->http->options;
    CHECK(exchange->opened);
    if (exchange->body_large)
        atomic_fetch_sub(&exchange->http->large_bodies, 1);
    if (options->done)
        options->done(options->context, exchange);
    if (!exchange->close && !http_body_drop(exchange)) /* CivetWeb would wait for the rest for as long as it takes */
        exchange->close = true;
    if (!exchange->close)
        return;
    mg_disable_connection_keep_alive(exchange->connection);
    http_body_linger(exchange);
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
    const char *unclear = find_unclear_end(mg_get_request_info(connection));
    if (http_stopping(http)) {
        exchange.close = true;
        http->options.refuse(http->options.context, &exchange, 503, "The server is stopping");
    } else if (unclear) {
        exchange.close = true;
        http->options.refuse(http->options.context, &exchange, 400, unclear);
    } else {
        http->options.handle(http->options.context, &exchange);
    }
    exchange_finish(&exchange);
    request_leave(http);
    if (!exchange.close && !http_stopping(http))
        http_spin_wait(&exchange.worker->spin, &http->spinners, &http->active, http->port);
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
    if (thread_type != 1)
        return NULL;
    struct http_worker *worker = calloc(1, sizeof(*worker));
    if (worker) {
        struct http *http = mg_get_user_data(context);
        batch_init(&worker->batch);
        http_watch_add(&http->watch, &worker->watched);
    }
    return worker;
}

static void worker_close(const struct mg_context *context, int thread_type, void *pointer)
{
    struct http_worker *worker = pointer;
    struct http *http = mg_get_user_data(context);
    (void)thread_type;
    if (!worker)
        return;
    http_watch_remove(&http->watch, &worker->watched);
    batch_free(&worker->batch);
    free(worker->memory);
    free(worker->path);
    free(worker->query);
    free(worker);
}

/* ---- life ---- */

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

static int watch_start(struct http *http, struct error *ret_error)
{
    uint32_t grace_ms = http->options.body_grace_ms;
    return http_watch_start(&http->watch, http->port, grace_ms < HTTP_WATCH_MS ? grace_ms : HTTP_WATCH_MS, ret_error);
}

int http_start(const struct http_options *options, struct http **ret_http, struct error *ret_error)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http)
        return error_set(ret_error, ENOMEM, "out of memory");
    http->options = *options;
    if (http->options.stall_ms_max == 0)
        http->options.stall_ms_max = HTTP_STALL_MS_MAX;
    if (http->options.body_grace_ms == 0)
        http->options.body_grace_ms = HTTP_BODY_GRACE_MS;
    if (http->options.body_bytes_per_second == 0)
        http->options.body_bytes_per_second = HTTP_BODY_BYTES_PER_SECOND;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&http->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&http->lock, NULL);
    http_spinners_init(&http->spinners);
    http_watch_init(&http->watch);
    (void)mg_init_library(0);
    int r = civetweb_start(http, ret_error);
    if (r == 0)
        r = watch_start(http, ret_error);
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

void http_stop(struct http *http)
{
    if (!http)
        return;
    wait_for_requests(http);
    if (http->context) {
        /* CivetWeb's threads look up from their sockets only every two seconds. No request is under way: ending the
         * sockets under them wakes them at once. */
        http_sockets_shut_down(http->port);
        mg_stop(http->context);
    }
    http_watch_stop(&http->watch);
    (void)mg_exit_library();
    pthread_mutex_destroy(&http->lock);
    pthread_cond_destroy(&http->changed);
    free(http);
}
