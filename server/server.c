#include "server.h"

#include "auth.h"
#include "file_watch.h"
#include "idempotency.h"
#include "log.h"
#include "redirect.h"
#include "request.h"
#include "routes.h"

#include "batch.h"
#include "clock.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void handle(void *context, struct http_exchange *exchange)
{
    routes_dispatch(context, exchange);
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    struct request request = {.server = context, .exchange = exchange};
    struct problem problem = {0};
    if (status == 405)
        (void)http_answer_header(exchange, "Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    if (status == 503)
        (void)problem_later(&problem, status, "%s", text);
    else
        (void)problem_set(&problem, status, "%s", status == 405 ? "The method is not known" : text);
    answer_problem(&request, &problem);
}

static void done(void *context, const struct http_exchange *exchange)
{
    struct server *server = context;
    uint64_t now_ns = clock_monotonic_ns(), duration_ns = now_ns - exchange->started_ns;
    disk_watch_look(&server->disk, server->database->path, now_ns);
    request_metrics_add(&server->requests, exchange->route, exchange->status, duration_ns,
        exchange->body_read, exchange->sent_bytes);
    if (!log_enabled(LOG_DEBUG))
        return;
    log_debug("%s %s %d, %llu bytes in, %llu out, %.3f ms", exchange->method_name, exchange->path,
        exchange->status, (unsigned long long)exchange->body_read, (unsigned long long)exchange->sent_bytes,
        (double)duration_ns / 1e6);
}

static void report(void *context, const char *text)
{
    (void)context;
    log_warn("HTTP: %s", text);
}

/* The memory that an insert is read into. */
static void *memory_open(void *context)
{
    (void)context;
    struct batch *batch = malloc(sizeof(*batch));
    if (batch)
        batch_init(batch);
    return batch;
}

static void memory_close(void *context, void *memory)
{
    (void)context;
    batch_free(memory);
    free(memory);
}

/* The site as browsers name it: siteurl, else the host name, else localhost; with the port unless it has one.
 */
static void site_set(struct server *server)
{
    const struct configuration *configuration = server->configuration;
    const char *site = *configuration->siteurl ? configuration->siteurl : configuration->hostname;
    const char *scheme = strstr(site, "://");
    const char *name = scheme ? scheme + 3 : site;
    size_t name_length = strcspn(name, "/");
    char port[8] = "";
    unsigned usual_port = server->tls_key ? 443 : 80;
    const char *usual_scheme = server->tls_key ? "https://" : "http://";
    if (*name != '[' && !memchr(name, ':', name_length) && http_port(server->http) != usual_port)
        (void)snprintf(port, sizeof(port), ":%u", http_port(server->http));
    (void)snprintf(server->auth.site, sizeof(server->auth.site), "%.*s%.*s%s",
        scheme ? (int)(name - site) : (int)strlen(usual_scheme), scheme ? site : usual_scheme,
        *name ? (int)name_length : 9, *name ? name : "localhost", port);
}

static void warn_clear_text(const char *hostname)
{
    static const char *const LOCAL[] = {"", "127.0.0.1", "localhost", "::1"};
    for (size_t i = 0; i < sizeof(LOCAL) / sizeof(LOCAL[0]); i++) {
        if (strcmp(hostname, LOCAL[i]) == 0)
            return;
    }
    log_warn("listening on %s without TLS: passwords and keys travel in clear", hostname);
}

/* Bodies and batches of many requests are freed by other threads than those that need memory next. With an
 * arena for each thread most of it would stay with the process. */
static void bound_allocator(void)
{
    enum { ARENAS_MAX = 4, MAPPED_BYTES_MIN = 1 << 20, TRIMMED_BYTES_MIN = 4 << 20 };
    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, TRIMMED_BYTES_MIN);
}

static int load_permissions(struct server *server, struct error *ret_error)
{
    const char *name = server->configuration->permissions;
    if (*name == '/' || strcmp(name, "default") == 0)
        return permissions_file_open(name, &server->permissions, ret_error);
    char *path;
    if (asprintf(&path, "%s/%s", server->database->path, name) < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    int r = permissions_file_open(path, &server->permissions, ret_error);
    free(path);
    return r;
}

/* ---- TLS ---- */

enum { CERTIFICATE_SETTLE_MS = 1000 }; /* certificate and key are replaced one after the other */

/* The lock is held. */
static void reload_certificate(struct server *server)
{
    struct error error = {0};
    if (!server->tls_key)
        return;
    if (http_load_certificate(server->http, server->tls_certificate, server->tls_key, &error) < 0)
        log_error("the certificate stays as it was: %s", error.message);
    else
        log_info("read the certificate in %s again", server->tls_certificate);
}

static void certificate_changed(void *context)
{
    struct server *server = context;
    (void)pthread_mutex_lock(&server->reload_lock);
    reload_certificate(server);
    (void)pthread_mutex_unlock(&server->reload_lock);
}

static char *database_path(const struct server *server, const char *name)
{
    char *path;
    if (*name == '/')
        return strdup(name);
    return asprintf(&path, "%s/%s", server->database->path, name) < 0 ? NULL : path;
}

static int set_tls(struct server *server, struct http_options *options, struct error *ret_error)
{
    const struct configuration *configuration = server->configuration;
    if (configuration->tls_acme)
        log_warn(
            "tls.acme means nothing any more: let a program such as certbot or uacme fetch the certificate, "
            "see docs/OPERATING.md");
    if (!configuration->tls_key)
        return 0;
    server->tls_certificate = database_path(server, configuration->tls_cert);
    server->tls_key = database_path(server, configuration->tls_key);
    if (!server->tls_certificate || !server->tls_key)
        return error_set(ret_error, ENOMEM, "out of memory");
    options->tls_certificate = server->tls_certificate;
    options->tls_key = server->tls_key;
    return 0;
}

static void watch_certificate(struct server *server)
{
    const char *const paths[] = {server->tls_certificate, server->tls_key};
    int r =
        file_watch_start(paths, 2, CERTIFICATE_SETTLE_MS, certificate_changed, server, &server->tls_watch);
    if (r < 0)
        log_warn("%s is not watched for changes: %s", server->tls_certificate, strerror(-r));
}

/* Resources other than the port. */
static int begin_tls(struct server *server, struct error *ret_error)
{
    if (!server->tls_key)
        return 0;
    watch_certificate(server);
    if (server->configuration->redirect_port == 0)
        return 0;
    return redirect_start(server->configuration, server->database->path, server->auth.site,
        http_port(server->http), &server->redirect, ret_error);
}

/* Other files, if the configuration names others. */
static void move_certificate(struct server *server, const struct configuration *configuration)
{
    char *certificate = database_path(server, configuration->tls_cert);
    char *key = database_path(server, configuration->tls_key);
    if (!certificate || !key) {
        log_error("out of memory: the certificate stays where it was");
    } else if (strcmp(certificate, server->tls_certificate) != 0 || strcmp(key, server->tls_key) != 0) {
        char *old_certificate = server->tls_certificate, *old_key = server->tls_key;
        struct file_watch *watch = server->tls_watch;
        server->tls_certificate = certificate;
        server->tls_key = key;
        server->tls_watch = NULL;
        (void)pthread_mutex_unlock(&server->reload_lock); /* its thread may wait for it */
        file_watch_stop(watch);
        (void)pthread_mutex_lock(&server->reload_lock);
        watch_certificate(server);
        certificate = old_certificate;
        key = old_key;
    }
    free(certificate);
    free(key);
}

void server_configure(struct server *server, const struct configuration *configuration)
{
    struct limiter_options limits = auth_limits(configuration);
    limiter_configure(server->auth.limiter, &limits);
    body_budget_resize(&server->bodies, configuration->insert_limit_bytes);
    server->configuration = configuration;
    server->auth.configuration = configuration;
    permissions_file_reload(server->permissions);
    (void)pthread_mutex_lock(&server->reload_lock);
    if (server->tls_key && configuration->tls_key)
        move_certificate(server, configuration);
    reload_certificate(server);
    (void)pthread_mutex_unlock(&server->reload_lock);
}

static int open_sessions(struct server *server, struct error *ret_error)
{
    char *path;
    if (asprintf(&path, "%s/sessions", server->database->path) < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    int r = sessions_open(path, &server->auth.sessions, ret_error);
    free(path);
    return r;
}

/* A full disk is no reason not to serve what is there; the next change of such a user tries again. */
static void add_logs(struct catalog *catalog)
{
    struct error error = {0};
    if (catalog_add_logs(catalog, NULL, &error) < 0)
        log_warn("the logs of changes of users that have none could not be made: %s", error.message);
}

static void server_free(struct server *server)
{
    redirect_stop(server->redirect);
    file_watch_stop(server->tls_watch);
    http_stop(server->http);
    live_stop(server->live);
    ephemeral_close(server->ephemeral);
    limiter_free(server->auth.limiter);
    sessions_close(server->auth.sessions);
    idempotency_close(server->idempotency);
    permissions_file_close(server->permissions);
    body_budget_destroy(&server->bodies);
    schema_cache_destroy(&server->schemas);
    free(server->tls_certificate);
    free(server->tls_key);
    (void)pthread_mutex_destroy(&server->reload_lock);
    (void)pthread_mutex_destroy(&server->sizes.lock);
    free(server);
}

static struct http_options http_options_of(struct server *server)
{
    const struct configuration *configuration = server->configuration;
    return (struct http_options){
        .address = configuration->hostname,
        .port = configuration->port,
        .connections_max = configuration->connections_max,
        .read_timeout_ms = configuration->http_read_timeout_s * 1000,
        .handle = handle,
        .done = done,
        .refuse = refuse,
        .report = report,
        .memory_open = memory_open,
        .memory_close = memory_close,
        .context = server,
    };
}

static void log_start(const struct server *server)
{
    const struct configuration *configuration = server->configuration;
    struct http_counts counts;
    http_count(server->http, &counts);
    if (!server->tls_key)
        warn_clear_text(configuration->hostname);
    log_info("serving the REST API on %s port %u%s, %u connections at most",
        *configuration->hostname ? configuration->hostname : "127.0.0.1", http_port(server->http),
        server->tls_key ? " over HTTPS" : "", counts.connections_max);
}

static int begin(struct server *server, struct error *ret_error)
{
    struct http_options options = http_options_of(server);
    struct limiter_options limits = auth_limits(server->configuration);
    int r = limiter_create(&limits, &server->auth.limiter, ret_error);
    if (r == 0)
        r = open_sessions(server, ret_error);
    if (r == 0)
        r = idempotency_open(server->database->store, &server->idempotency, ret_error);
    if (r == 0)
        r = load_permissions(server, ret_error);
    if (r == 0)
        r = live_start(server->database->store, &server->live, ret_error);
    if (r == 0 && !(server->ephemeral = ephemeral_open()))
        r = error_set(ret_error, ENOMEM, "out of memory");
    if (r == 0)
        r = set_tls(server, &options, ret_error);
    if (r < 0)
        return r;
    add_logs(server->database->catalog);
    r = http_start(&options, &server->http, ret_error);
    if (r < 0)
        return r;
    site_set(server);
    return begin_tls(server, ret_error);
}

int server_start(struct database *database, const struct configuration *configuration,
    struct server **ret_server, struct error *ret_error)
{
    struct server *server = calloc(1, sizeof(*server));
    if (!server)
        return error_set(ret_error, ENOMEM, "out of memory");
    bound_allocator();
    (void)pthread_mutex_init(&server->reload_lock, NULL);
    (void)pthread_mutex_init(&server->sizes.lock, NULL);
    server->started_s = clock_now_seconds();
    server->database = database;
    server->configuration = configuration;
    server->auth.catalog = database->catalog;
    server->auth.configuration = configuration;
    body_budget_init(&server->bodies, configuration->insert_limit_bytes);
    schema_cache_init(&server->schemas, SCHEMA_CACHE_BYTES);
    int r = begin(server, ret_error);
    if (r < 0) {
        server_free(server);
        return r;
    }
    disk_watch_look(&server->disk, database->path, clock_monotonic_ns());
    http_serve(server->http);
    log_start(server);
    *ret_server = server;
    return 0;
}

uint16_t server_port(const struct server *server)
{
    return http_port(server->http);
}

void server_count(struct server *server, struct server_counts *ret_counts)
{
    struct http_counts http;
    http_count(server->http, &http);
    *ret_counts = (struct server_counts){
        .requests = request_metrics_total(&server->requests),
        .failed_logins = atomic_load(&server->auth.failed_logins),
        .connections = http.connections,
        .connections_max = http.connections_max,
        .websockets = atomic_load(&server->websockets),
    };
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    catalog_stop_hashing(server->database->catalog); /* logins that wait are answered with 503 */
    server_free(server);
    log_info("the server has stopped");
}
