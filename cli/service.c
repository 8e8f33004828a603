#include "service.h"

#include "clock.h"
#include "control_server.h"
#include "database.h"
#include "file_watch.h"
#include "inherited.h"
#include "log.h"
#include "server.h"
#include "service_manager.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESS_BYTES = 300, GREETING_BYTES = 512, CONFIGURATION_SETTLE_MS = 200 };

/* A configuration that was read while the service ran; requests may still use earlier ones. */
struct version {
    struct version *before;
    struct configuration configuration;
};

struct service {
    struct service_options options;
    struct database *database;
    struct server *server;
    struct control_server *control;
    bool pid_written;
    char address[ADDRESS_BYTES], greeting[GREETING_BYTES];
    struct file_watch *watch;    /* of the configuration */
    pthread_mutex_t reload_lock; /* of what follows */
    const struct configuration *configuration;
    struct version *versions;
};

/* Those that service_wait takes. SIGHUP reopens the log and reads configuration, permissions and certificate
 * again, and ends the service only when it has neither log nor certificate nor service manager, which means
 * it is in a terminal: then, and for SIGINT, it stays ignored if it was ignored when this process was started
 * (nohup, a job in the background of a script). */
static void fill_signals(sigset_t *signals, bool has_logfile)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    if (!signal_is_ignored(SIGINT))
        (void)sigaddset(signals, SIGINT);
    if (has_logfile || service_manager_listens() || !signal_is_ignored(SIGHUP))
        (void)sigaddset(signals, SIGHUP);
}

void service_block_signals(bool has_logfile)
{
    sigset_t signals;
    fill_signals(&signals, has_logfile);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); /* the threads to come inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
}

static void log_recovery(const struct service *service)
{
    const struct store_recovery *recovery = store_recovery(service->database->store);
    if (!recovery->clean)
        log_info("the database was not closed cleanly: recovered %llu points from %llu journals, cut %llu "
                 "torn bytes, "
                 "in %.3f s",
            (unsigned long long)recovery->points, (unsigned long long)recovery->journal_count,
            (unsigned long long)recovery->torn_bytes, recovery->seconds);
    if (recovery->trashed_files > 0)
        log_warn("%llu files that the manifest does not name were moved to data/trash",
            (unsigned long long)recovery->trashed_files);
    if (service->database->tombstoned_series > 0)
        log_info("removed %llu series that no stream names",
            (unsigned long long)service->database->tombstoned_series);
}

static bool is_local(const char *hostname)
{
    return !*hostname || !strcmp(hostname, "localhost") || !strcmp(hostname, "::1") ||
           !strncmp(hostname, "127.", strlen("127."));
}

static int start_server(struct service *service, struct error *ret_error)
{
    const struct configuration *configuration = service->options.configuration;
    int r = server_start(service->database, configuration, &service->server, ret_error);
    if (r < 0)
        return r;
    const char *host = *configuration->hostname ? configuration->hostname : "127.0.0.1";
    bool any = !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
    bool six = strchr(host, ':') != NULL && !any;
    const char *who = is_local(host) ? " (only from this machine)"
                      : configuration->tls_key
                          ? " (from every machine that reaches this one)"
                          : " (from every machine that reaches this one; warning: passwords "
                            "travel in clear on this interface)";
    (void)snprintf(service->address, sizeof(service->address), "%s://%s%s%s:%u",
        configuration->tls_key ? "https" : "http", six ? "[" : "", any ? "localhost" : host, six ? "]" : "",
        server_port(service->server));
    (void)snprintf(
        service->greeting, sizeof(service->greeting), "ConnectorDB answers at %s%s", service->address, who);
    return 0;
}

/* ---- the configuration is read again ---- */

static void log_unknown(const struct configuration *configuration)
{
    const char *at = configuration->unknown;
    while (at && *at) {
        size_t length = strcspn(at, "\n");
        log_warn("%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static void log_difference(void *count, const char *key, const char *value, bool live)
{
    ++*(unsigned *)count;
    if (live)
        log_info("the configuration has changed: \"%s\" is now %s", key, value);
    else
        log_warn(
            "the configuration has changed: \"%s\" will be %s when the server is started again", key, value);
}

/* Changes of both levels' interest are logged at the more talkative one. */
static void use_version(struct service *service, struct version *version)
{
    const struct configuration *before = service->configuration, *now = &version->configuration;
    enum log_level level = service->options.loglevel;
    unsigned differences = 0;
    version->before = service->versions;
    service->versions = version;
    service->configuration = now;
    (void)log_level_parse(now->loglevel, &level);
    if (level < service->options.loglevel)
        log_set_level(level);
    if (service->server)
        server_configure(service->server, now);
    configuration_compare(before, now, log_difference, &differences);
    if (differences == 0)
        log_info("read %s again; nothing has changed", service->options.paths->configuration);
    log_unknown(now);
    log_set_level(level);
    service->options.loglevel = level;
}

static void reload(struct service *service)
{
    struct error error = {0};
    struct version *version = calloc(1, sizeof(*version));
    (void)pthread_mutex_lock(&service->reload_lock);
    int r = version ? service->options.reread(service->options.context, &version->configuration, &error)
                    : error_set(&error, ENOMEM, "out of memory");
    if (r == 0) {
        use_version(service, version);
    } else {
        log_error("the configuration stays as it was: %s", error.message);
        free(version);
    }
    (void)pthread_mutex_unlock(&service->reload_lock);
}

static void reopen_log(struct service *service)
{
    struct error error = {0};
    if (!service->options.logfile)
        return;
    (void)pthread_mutex_lock(&service->reload_lock);
    if (log_open(service->options.logfile, service->options.loglevel, &error) < 0)
        log_error("cannot reopen the log: %s", error.message);
    (void)pthread_mutex_unlock(&service->reload_lock);
}

static void configuration_changed(void *service)
{
    reload(service);
}

static void watch_configuration(struct service *service)
{
    char target[PATH_MAX]; /* where a symbolic link leads to: changes are seen in that directory */
    const char *path = service->options.paths->configuration;
    if (!service->configuration->watch)
        return;
    if (realpath(path, target))
        path = target;
    int r =
        file_watch_start(&path, 1, CONFIGURATION_SETTLE_MS, configuration_changed, service, &service->watch);
    if (r < 0)
        log_warn("%s is not watched for changes: %s", path, strerrordesc_np(-r));
}

static void versions_free(struct service *service)
{
    while (service->versions) {
        struct version *version = service->versions;
        service->versions = version->before;
        configuration_free(&version->configuration);
        free(version);
    }
}

/* Of the store's background threads: inserts go on for a while, and then answer 503. */
static void report_background_error(void *context, const struct error *error)
{
    (void)context;
    log_error("data cannot be moved on in the background, it is tried again: %s", error->message);
}

static int start_control(struct service *service, struct error *ret_error)
{
    const struct report_source source = {
        .database = service->database,
        .address = service->server ? service->address : NULL,
        .started_s = clock_now_seconds(),
        .server = service->server,
    };
    return control_server_start(&source, service->options.paths->directory, &service->control, ret_error);
}

int service_open(const struct service_options *options, struct service **ret_service, struct error *ret_error)
{
    const struct database_paths *paths = options->paths;
    struct service *service = calloc(1, sizeof(*service));
    if (!service)
        return error_set(ret_error, ENOMEM, "out of memory");
    service->options = *options;
    service->configuration = options->configuration;
    (void)pthread_mutex_init(&service->reload_lock, NULL);
    log_unknown(service->configuration);
    struct store_options store_options = options->configuration->store;
    store_options.report = report_background_error;
    int r = database_open_as(paths->directory, options->role, &store_options, &service->database, ret_error);
    if (r < 0)
        goto failed;
    log_recovery(service);
    r = pid_file_write(paths, ret_error);
    if (r < 0)
        goto failed;
    service->pid_written = true;
    (void)snprintf(
        service->greeting, sizeof(service->greeting), "ConnectorDB has the database open, without HTTP");
    if (!options->backend)
        r = start_server(service, ret_error);
    if (r == 0)
        r = start_control(service, ret_error);
    if (r < 0)
        goto failed;
    log_info("%s: %s, process %d, storage by %s", paths->directory, service->greeting, getpid(),
        store_io_name(service->database->store));
    watch_configuration(service);
    service_manager_ready(service->greeting);
    *ret_service = service;
    return 0;
failed:
    (void)service_close(service, NULL);
    return r;
}

const char *service_greeting(const struct service *service)
{
    return service->greeting;
}

void service_wait(struct service *service)
{
    sigset_t signals;
    int number;
    fill_signals(&signals, service->options.logfile != NULL);
    for (;;) {
        if (sigwait(&signals, &number) != 0)
            continue;
        bool has_tls = service->options.configuration->tls_key != NULL;
        if (number != SIGHUP || !(service->options.logfile || has_tls || service_manager_listens()))
            break;
        service_manager_reloading();
        reopen_log(service);
        reload(service);
        service_manager_ready(service->greeting);
    }
    service_manager_stopping();
    log_info("stopping: %s", strsignal(number));
}

int service_close(struct service *service, struct error *ret_error)
{
    if (!service)
        return 0;
    file_watch_stop(service->watch);
    control_server_stop(service->control);
    server_stop(service->server);
    if (service->pid_written)
        pid_file_remove(service->options.paths); /* while the LOCK is still ours */
    int r = database_close(service->database, ret_error);
    versions_free(service);
    (void)pthread_mutex_destroy(&service->reload_lock);
    free(service);
    return r;
}
