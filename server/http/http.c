/* One request after the other, and the life of a server. The only file beside http_calls.c that knows
 * CivetWeb. */
#include "http_internal.h"

#include "check.h"
#include "http_tls.h"

#include <civetweb.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- one request ---- */

static _Thread_local struct mg_connection *connection; /* of this thread's request */

bool http_exchange_secure(const struct http_exchange *exchange)
{
    return exchange->client->tls != NULL;
}

const char *http_request_header(const struct http_exchange *exchange, const char *name)
{
    return http_head_field(exchange->client->head, name);
}

const char *http_request_header_last(const struct http_exchange *exchange, const char *name)
{
    const struct http_head *head = exchange->client->head;
    for (unsigned i = head->field_count; i > 0; i--) {
        if (strcasecmp(head->fields[i - 1].name, name) == 0)
            return head->fields[i - 1].value;
    }
    return NULL;
}

static void exchange_init(struct http_exchange *exchange, struct http *http, struct http_client *client)
{
    const struct http_head *head = client->head;
    struct http_buffers *buffers = client->buffers;
    memset(exchange, 0, offsetof(struct http_exchange, headers));
    exchange->headers[0] = '\0';
    memset((char *)exchange + offsetof(struct http_exchange, status), 0,
        sizeof(*exchange) - offsetof(struct http_exchange, status));
    exchange->http = http;
    exchange->client = client;
    exchange->method = head->method;
    exchange->http_1_1 = head->http_1_1;
    exchange->method_name = head->method_name;
    exchange->path = head->path;
    exchange->query = head->query;
    exchange->remote_address = client->remote_address;
    exchange->remote_port = client->remote_port;
    exchange->scratch[0] = buffers->scratch[0];
    exchange->scratch[1] = buffers->scratch[1];
    exchange->memory = buffers->memory;
    exchange->body_length = head->body_length;
    exchange->body_limit = UINT64_MAX;
    exchange->expects_continue = head->expects_continue;
    exchange->allow_credentials = true;
    exchange->started_ns = clock_monotonic_ns();
    http_body_begin(exchange);
}

static void request_enter(struct http *http)
{
    atomic_fetch_add(&http->clients.active, 1);
    if (atomic_load_explicit(&http->serving, memory_order_acquire))
        return;
    (void)pthread_mutex_lock(&http->lock);
    while (!atomic_load(&http->serving) && !http_stopping(http))
        (void)pthread_cond_wait(&http->changed, &http->lock);
    (void)pthread_mutex_unlock(&http->lock);
}

static void request_leave(struct http *http)
{
    if (atomic_fetch_sub(&http->clients.active, 1) != 1 || !http_stopping(http))
        return;
    (void)pthread_mutex_lock(&http->lock);
    (void)pthread_cond_broadcast(&http->changed);
    (void)pthread_mutex_unlock(&http->lock);
}

static void exchange_refuse(struct http_exchange *exchange, int status, const char *text)
{
    const struct http_options *options = &exchange->http->options;
    exchange->close = true;
    options->refuse(options->context, exchange, status, text);
}

static void exchange_answer(struct http_exchange *exchange)
{
    const struct http_options *options = &exchange->http->options;
    const struct http_head *head = exchange->client->head;
    if (head->status != 0)
        exchange_refuse(exchange, head->status, head->text);
    else if (http_stopping(exchange->http))
        exchange_refuse(exchange, 503, "The server is stopping");
    else if (head->asterisk)
        http_answer(exchange, 200, HTTP_NO_CONTENT, "", 0);
    else
        options->handle(options->context, exchange);
}

static void exchange_finish(struct http_exchange *exchange)
{
    const struct http_options *options = &exchange->http->options;
    struct http_client *client = exchange->client;
    bool refused = client->head->status != 0 || http_body_pending(exchange);
    CHECK(exchange->opened);
    if (options->done)
        options->done(options->context, exchange);
    if (!exchange->close && !http_body_drop(exchange))
        exchange->close = true;
    http_body_end(exchange);
    http_body_free(exchange);
    if (!exchange->close) {
        http_client_finish(client);
        return;
    }
    mg_disable_connection_keep_alive(connection);
    if (refused || client->begin < client->end)
        http_client_linger(client);
}

static int begin_request(struct mg_connection *of_civetweb)
{
    struct http_client *client = mg_get_thread_pointer(of_civetweb);
    if (!client || !client->head) { /* the thread had no memory for a client */
        mg_disable_connection_keep_alive(of_civetweb);
        return 503;
    }
    struct http *http = mg_get_user_data(mg_get_context(of_civetweb));
    struct http_exchange exchange;
    connection = of_civetweb;
    request_enter(http);
    exchange_init(&exchange, http, client);
    http_spin_begin(&client->spin, exchange.started_ns);
    exchange_answer(&exchange);
    exchange_finish(&exchange);
    request_leave(http);
    return exchange.status;
}

/* CivetWeb only ever receives our own request: it has nothing to refuse. Nothing is sent. */
static int ignore_error(struct mg_connection *of_civetweb, int status, const char *text)
{
    (void)of_civetweb;
    (void)status;
    (void)text;
    return 0;
}

/* ---- reports ---- */

void http_report(const struct http *http, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (!http->options.report)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    http->options.report(http->options.context, text);
}

static void spares_end(struct http *http);

static int report_civetweb(const struct mg_connection *of_civetweb, const char *text)
{
    const struct mg_context *context = of_civetweb ? mg_get_context(of_civetweb) : NULL;
    struct http *http = context ? mg_get_user_data(context) : NULL;
    if (!http)
        return 1;
    if (strncmp(text, "Cannot start worker thread", 26) == 0)
        spares_end(http); /* it goes on with those that it has, and needs one more */
    else if (strncmp(text, "Cannot create threads", 21) != 0) /* http_start says that */
        http_report(http, "%s", text);
    return 1;
}

/* ---- threads ---- */

static void *thread_begin(const struct mg_context *context, int thread_type)
{
    struct http *http = mg_get_user_data(context);
    if (thread_type == 0)
        http_calls_listen(http);
    if (thread_type != 1)
        return NULL;
    struct http_client *client = http_client_make(&http->clients);
    http_calls_serve(client);
    (void)pthread_mutex_lock(&http->lock);
    atomic_fetch_add(&http->clients.threads, 1);
    (void)pthread_cond_broadcast(&http->changed);
    (void)pthread_mutex_unlock(&http->lock);
    return client;
}

static void thread_end(const struct mg_context *context, int thread_type, void *client)
{
    (void)context;
    (void)client;
    if (thread_type == 0)
        http_calls_listen(NULL);
    if (thread_type == 1)
        http_calls_serve(NULL);
}

static int connection_begin(const struct mg_connection *of_civetweb, void **ret_data)
{
    struct http *http = mg_get_user_data(mg_get_context(of_civetweb));
    struct http_client *client = mg_get_thread_pointer(of_civetweb);
    (void)ret_data;
    atomic_fetch_add(&http->clients.open, 1); /* before `taken`: nobody must seem to wait for a free thread */
    atomic_fetch_add(&http->clients.taken, 1);
    if (client)
        http_client_open(client);
    return 0;
}

static void connection_end(const struct mg_connection *of_civetweb)
{
    struct http *http = mg_get_user_data(mg_get_context(of_civetweb));
    struct http_client *client = mg_get_thread_pointer(of_civetweb);
    if (client)
        http_client_close(client);
    atomic_fetch_sub(&http->clients.open, 1);
}

/* Threads that do nothing but keep room below the process's limit of threads while CivetWeb starts its own:
 * when that reaches the limit it starts its listening thread last, and does not say when it cannot. */
static void *spare_run(void *context)
{
    struct http *http = context;
    (void)pthread_mutex_lock(&http->lock);
    while (!http->spares_end)
        (void)pthread_cond_wait(&http->changed, &http->lock);
    (void)pthread_mutex_unlock(&http->lock);
    return NULL;
}

static int spares_begin(struct http *http, struct error *ret_error)
{
    for (; http->spare_count < HTTP_SPARES; http->spare_count++) {
        int code = pthread_create(&http->spares[http->spare_count], NULL, spare_run, http);
        if (code)
            return error_set(ret_error, code,
                "cannot start threads for connections: %s (see the limits of processes and memory: ulimit "
                "-u, -v)",
                strerror(code));
    }
    return 0;
}

static void spares_end(struct http *http)
{
    enum { SETTLE_MS = 20 }; /* a thread counts for a moment after it was joined */
    if (http->spare_count == 0)
        return;
    (void)pthread_mutex_lock(&http->lock);
    http->spares_end = true;
    (void)pthread_cond_broadcast(&http->changed);
    (void)pthread_mutex_unlock(&http->lock);
    while (http->spare_count > 0)
        (void)pthread_join(http->spares[--http->spare_count], NULL);
    (void)usleep(SETTLE_MS * 1000);
}

/* ---- life ---- */

static struct timespec deadline_after(uint32_t ms)
{
    uint64_t ns = clock_monotonic_ns() + ms * NS_PER_MS;
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

static int civetweb_start(struct http *http, struct error *ret_error)
{
    const struct http_options *options = &http->options;
    char threads[16], queue[16], read_timeout[16];
    (void)snprintf(threads, sizeof(threads), "%u", options->connections_max);
    (void)snprintf(queue, sizeof(queue), "%d", HTTP_QUEUE_MAX + 1);
    (void)snprintf(read_timeout, sizeof(read_timeout), "%u", options->read_timeout_ms);
    const char *settings[] = {"listening_ports", "127.0.0.1:0", "num_threads", threads, "enable_keep_alive",
        "yes", "request_timeout_ms", read_timeout, "tcp_nodelay", "1", "max_request_size", "1024",
        "connection_queue", queue, "listen_backlog", "1024", "decode_url", "no", "enable_directory_listing",
        "no", "enable_auth_domain_check", "no", NULL};
    struct mg_callbacks callbacks = {
        .begin_request = begin_request,
        .http_error = ignore_error,
        .log_message = report_civetweb,
        .init_thread = thread_begin,
        .exit_thread = thread_end,
        .init_connection = connection_begin,
        .connection_close = connection_end,
    };
    char text[256] = "";
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = http, .configuration_options = settings};
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof(text)};
    http->context = mg_start2(&init, &error);
    if (!http->context)
        return error_set(ret_error, EAGAIN, "cannot start CivetWeb: %s", text);
    return 0;
}

/* Until the listening thread polls, and all threads that could be started have begun. */
static int wait_for_threads(struct http *http, struct error *ret_error)
{
    enum { BEGIN_MS_MAX = 10000, REST_MS_MAX = 1000 };
    struct timespec deadline = deadline_after(BEGIN_MS_MAX);
    int r = 0;
    (void)pthread_mutex_lock(&http->lock);
    while (r == 0 && !http->listening)
        r = pthread_cond_timedwait(&http->changed, &http->lock, &deadline);
    bool listening = http->listening;
    deadline = deadline_after(REST_MS_MAX);
    while (r == 0 && !http->spares_end && atomic_load(&http->clients.threads) < http->options.connections_max)
        r = pthread_cond_timedwait(&http->changed, &http->lock, &deadline);
    (void)pthread_mutex_unlock(&http->lock);
    if (!listening)
        return error_set(ret_error, EAGAIN, "cannot start the thread that accepts connections");
    return 0;
}

static void set_defaults(struct http_options *options)
{
    if (options->idle_ms_max == 0)
        options->idle_ms_max = HTTP_IDLE_MS_MAX;
    if (options->rest_ms == 0)
        options->rest_ms = HTTP_REST_MS;
    if (options->trim_ms == 0)
        options->trim_ms = HTTP_TRIM_MS;
    if (options->stall_ms_max == 0)
        options->stall_ms_max = HTTP_STALL_MS_MAX;
    if (options->body_grace_ms == 0)
        options->body_grace_ms = HTTP_BODY_GRACE_MS;
    if (options->body_bytes_per_second == 0)
        options->body_bytes_per_second = HTTP_BODY_BYTES_PER_SECOND;
}

static struct http *http_make(const struct http_options *options)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http)
        return NULL;
    http->options = *options;
    set_defaults(&http->options);
    uint32_t promised_s =
        http->options.idle_ms_max / 1000 * 24 / 25; /* less, so that the client closes first */
    if (promised_s > 0)
        (void)snprintf(
            http->keep_alive_line, sizeof(http->keep_alive_line), "Keep-Alive: timeout=%u\r\n", promised_s);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&http->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&http->lock, NULL);
    (void)pthread_mutex_init(&http->slots_lock, NULL);
    http_clients_init(&http->clients, &http->options);
    return http;
}

int http_start(const struct http_options *options, struct http **ret_http, struct error *ret_error)
{
    struct http *http = http_make(options);
    if (!http)
        return error_set(ret_error, ENOMEM, "out of memory");
    (void)mg_init_library(0);
    int r = 0;
    if (http->options.tls_certificate)
        r = http_tls_open(
            http->options.tls_certificate, http->options.tls_key, &http->clients.tls, ret_error);
    if (r == 0)
        r = http_limit_connections(http, ret_error);
    if (r == 0)
        r = spares_begin(http, ret_error);
    if (r == 0)
        r = http_listen(&http->listeners, http->options.address, http->options.port, &http->port, ret_error);
    if (r == 0)
        r = civetweb_start(http, ret_error);
    if (r == 0)
        r = wait_for_threads(http, ret_error);
    spares_end(http);
    if (r < 0 && http->context && !http->listening)
        return r; /* CivetWeb cannot end its threads without its listening one: they wait for ever, and use
                     `http` */
    if (r < 0) {
        http_stop(http);
        return r;
    }
    unsigned threads = atomic_load(&http->clients.threads);
    if (threads < http->options.connections_max)
        http_report(http,
            "only %u of %u threads for connections could be started (see ulimit -u and -v): so many "
            "connections at most",
            threads, http->options.connections_max);
    *ret_http = http;
    return 0;
}

int http_load_certificate(
    struct http *http, const char *certificate, const char *key, struct error *ret_error)
{
    if (!http->clients.tls)
        return error_set(ret_error, EINVAL, "the server was started without TLS");
    return http_tls_load(http->clients.tls, certificate, key, ret_error);
}

int64_t http_certificate_expiry(const struct http *http)
{
    return http->clients.tls ? http_tls_expiry(http->clients.tls) : 0;
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}

bool http_stopping(const struct http *http)
{
    return atomic_load(&http->clients.stopping);
}

void http_serve(struct http *http)
{
    (void)pthread_mutex_lock(&http->lock);
    atomic_store(&http->serving, true);
    (void)pthread_cond_broadcast(&http->changed);
    (void)pthread_mutex_unlock(&http->lock);
}

void http_pause(struct http_exchange *exchange, uint32_t ms)
{
    struct http *http = exchange->http;
    struct timespec deadline = deadline_after(ms);
    (void)pthread_mutex_lock(&http->lock);
    int r = 0;
    while (r == 0 && !http_stopping(http))
        r = pthread_cond_timedwait(&http->changed, &http->lock, &deadline);
    (void)pthread_mutex_unlock(&http->lock);
}

void http_count(struct http *http, struct http_counts *ret_counts)
{
    const struct http_clients *clients = &http->clients;
    uint64_t taken = atomic_load(&clients->taken), accepted = atomic_load(&clients->accepted);
    *ret_counts = (struct http_counts){
        .connections_max = atomic_load(&clients->threads),
        .connections = atomic_load(&clients->open),
        .waiting = (uint32_t)(accepted > taken ? accepted - taken : 0),
        .accepted = accepted,
        .yielded = atomic_load(&clients->yielded),
        .buffers = http_buffers_count(&http->clients.pool),
        .buffers_used = http_buffers_used(&http->clients.pool),
    };
}

static void wait_for_requests(struct http *http)
{
    struct timespec deadline = deadline_after(HTTP_STOP_MS_MAX);
    (void)pthread_mutex_lock(&http->lock);
    atomic_store(&http->clients.stopping, true);
    (void)pthread_cond_broadcast(&http->changed);
    int r = 0;
    while (r == 0 && atomic_load(&http->clients.active) > 0)
        r = pthread_cond_timedwait(&http->changed, &http->lock, &deadline);
    http_listeners_shut_down(&http->listeners);
    (void)pthread_mutex_unlock(&http->lock);
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    wait_for_requests(http);
    http_clients_shut_down(
        &http->clients); /* CivetWeb's threads look up from their sockets only every two seconds */
    mg_stop(http->context);
    http_listeners_close(&http->listeners);
    http_clients_destroy(&http->clients);
    http_tls_close(http->clients.tls);
    (void)mg_exit_library();
    (void)pthread_mutex_destroy(&http->slots_lock);
    (void)pthread_mutex_destroy(&http->lock);
    (void)pthread_cond_destroy(&http->changed);
    free(http);
}
