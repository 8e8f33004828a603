#include "control_server.h"

#include "accounts.h"
#include "cut.h"
#include "export.h"
#include "log.h"
#include "control_protocol.h"
#include "shell.h"
#include "stream_query.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 64 << 10, FILTERS_MAX = 4096, LISTEN_BACKLOG = 16, ACCEPT_PAUSE_MS = 100 };

/* One connection and the job it asks for. */
struct job {
    struct control_server *server;
    pthread_t thread;
    bool used;        /* the thread is to be joined */
    atomic_bool done; /* it is at its end */
    atomic_bool cancel;
    struct control_connection connection;
};

struct control_server {
    struct report_source source;
    int socket, directory_file, wake; /* wake: an eventfd, ends the accepting thread */
    struct sockaddr_un address;
    pthread_t thread;
    bool accepting;
    atomic_bool importing;
    struct job jobs[CONTROL_JOBS_MAX];
};

/* ---- one job ---- */

struct control_request {
    json_t *object; /* owns the strings below */
    const char *command, *directory;
    const char *filters[FILTERS_MAX];
    struct transfer_options options;
    struct cut_options cut;             /* of the command "cut" */
    struct account_request account;     /* of the command "account" */
    struct stream_query query;          /* of the command "query" */
    const char *report, *path;          /* of the command "report" */
    const char *words[SHELL_WORDS_MAX]; /* of the command "shell" */
    size_t word_count;
};

/* The content of the answer. */
struct result {
    struct transfer_result transfer;
    struct cut_result cut;
    json_t *users; /* of the command "account" */
};

static int bad_request(struct error *ret_error)
{
    return error_set(ret_error, EINVAL, "control socket: not a command that this version knows");
}

static int read_filters(struct control_request *request, json_t *filters, struct error *ret_error)
{
    size_t i;
    json_t *filter;
    if (json_array_size(filters) > FILTERS_MAX)
        return error_set(ret_error, E2BIG, "more than %d paths", FILTERS_MAX);
    json_array_foreach(filters, i, filter)
    {
        if (!json_is_string(filter))
            return bad_request(ret_error);
        request->filters[i] = json_string_value(filter);
    }
    request->options.filters = request->filters;
    request->options.filter_count = json_array_size(filters);
    return 0;
}

static bool is_cut(const struct control_request *request)
{
    return request->command && !strcmp(request->command, "cut");
}

static int read_cut(struct control_request *request, struct error *ret_error)
{
    int downlink, dry_run;
    struct cut_options *cut = &request->cut;
    if (json_unpack_ex(request->object, NULL, JSON_STRICT, "{s:s,s:s,s:s,s:F,s:b,s:b}", "command",
            &request->command, "directory", &request->directory, "path", &cut->path, "after", &cut->after,
            "downlink", &downlink, "dry_run", &dry_run) ||
        request->directory[0] != '/')
        return bad_request(ret_error);
    cut->directory = request->directory;
    cut->downlink = downlink;
    cut->dry_run = dry_run;
    return 0;
}

static bool is_account(const struct control_request *request)
{
    return request->command && !strcmp(request->command, "account");
}

static int read_account(struct control_request *request, struct error *ret_error)
{
    const char *action;
    struct account_request *account = &request->account;
    if (json_unpack_ex(request->object, NULL, JSON_STRICT, "{s:s,s:s,s?s,s?s,s?s,s?s}", "command",
            &request->command, "action", &action, "name", &account->name, "password", &account->password,
            "email", &account->email, "role", &account->role) ||
        !account_action_parse(action, &account->action) ||
        (account->action != ACCOUNT_LIST && !account->name) ||
        ((account->action == ACCOUNT_ADD || account->action == ACCOUNT_PASSWORD) && !account->password))
        return bad_request(ret_error);
    return 0;
}

static bool is_query(const struct control_request *request)
{
    return request->command && !strcmp(request->command, "query");
}

static int read_query(struct control_request *request, struct error *ret_error)
{
    int downlink, format;
    struct stream_query *query = &request->query;
    if (json_unpack_ex(request->object, NULL, JSON_STRICT,
            "{s:s,s:s,s:b,s:i,s?s,s?s,s?s,s?s,s?s,s?s,s?s,s?s,s?s}", "command", &request->command, "path",
            &query->path, "downlink", &downlink, "format", &format, "transform", &query->transform, "i1",
            &query->i1, "i2", &query->i2, "t1", &query->t1, "t2", &query->t2, "limit", &query->limit, "time",
            &query->output.time, "tz", &query->output.tz, "columns", &query->output.columns) ||
        format < POINTS_JSON || format > POINTS_CSV)
        return bad_request(ret_error);
    query->format = (enum points_format)format;
    query->downlink = downlink;
    return 0;
}

static bool is_report(const struct control_request *request)
{
    return request->command && !strcmp(request->command, "report");
}

static int read_report(struct control_request *request, struct error *ret_error)
{
    if (json_unpack_ex(request->object, NULL, JSON_STRICT, "{s:s,s:s,s:s}", "command", &request->command,
            "name", &request->report, "path", &request->path))
        return bad_request(ret_error);
    return 0;
}

static bool is_shell(const struct control_request *request)
{
    return request->command && !strcmp(request->command, "shell");
}

static int read_shell(struct control_request *request, struct error *ret_error)
{
    json_t *words = NULL, *word;
    bool writes;
    if (json_unpack_ex(
            request->object, NULL, JSON_STRICT, "{s:s,s:o}", "command", &request->command, "words", &words) ||
        !json_is_array(words) || json_array_size(words) > SHELL_WORDS_MAX)
        return bad_request(ret_error);
    size_t i;
    json_array_foreach(words, i, word)
    {
        if (!json_is_string(word))
            return bad_request(ret_error);
        request->words[request->word_count++] = json_string_value(word);
    }
    return shell_check(request->words, request->word_count, &writes, ret_error);
}

static int read_transfer(struct control_request *request, struct error *ret_error)
{
    json_t *filters;
    int threads, resume, restart, sort, skip_meta, csv;
    if (json_unpack_ex(request->object, NULL, JSON_STRICT, "{s:s,s:s,s:o,s:i,s:b,s:b,s:b,s:b,s:b}", "command",
            &request->command, "directory", &request->directory, "filters", &filters, "threads", &threads,
            "resume", &resume, "restart", &restart, "sort", &sort, "skip_meta", &skip_meta, "csv", &csv) ||
        request->directory[0] != '/' || threads < 0)
        return bad_request(ret_error);
    request->options.threads = (unsigned)threads;
    request->options.resume = resume;
    request->options.restart = restart;
    request->options.sort = sort;
    request->options.skip_meta = skip_meta;
    request->options.csv = csv;
    return read_filters(request, filters, ret_error);
}

static int read_request(
    struct control_connection *connection, struct control_request *request, struct error *ret_error)
{
    int r;
    do {
        r = control_receive(connection, &request->object, ret_error);
    } while (r == -EINTR);
    if (r < 0)
        return r;
    (void)json_unpack(
        request->object, "{s:s}", "command", &request->command); /* what is wrong with it is found below */
    if (is_account(request))
        return read_account(request, ret_error);
    if (is_query(request))
        return read_query(request, ret_error);
    if (is_report(request))
        return read_report(request, ret_error);
    if (is_shell(request))
        return read_shell(request, ret_error);
    return is_cut(request) ? read_cut(request, ret_error) : read_transfer(request, ret_error);
}

/* A client that went away, or asked for the end by closing its side, cancels its job. */
static void send_progress(void *context, const struct progress *progress)
{
    struct job *job = context;
    if (control_is_closed(&job->connection) ||
        control_send(&job->connection, control_pack_progress(progress)) == -EPIPE)
        atomic_store(&job->cancel, true);
}

static int run_import(struct control_server *server, const struct control_request *request,
    struct transfer_result *ret_result, struct error *ret_error)
{
    bool idle = false;
    if (!atomic_compare_exchange_strong(&server->importing, &idle, true))
        return error_set(ret_error, EBUSY, "another import is running: wait until it has ended");
    int r = import_database(
        server->source.database, request->directory, &request->options, ret_result, ret_error);
    if (r ==
        0) /* users of a running server have a log; the next start and their first change see to it as well */
        (void)catalog_add_logs(server->source.database->catalog, NULL, NULL);
    atomic_store(&server->importing, false);
    return r;
}

static bool is_cancelled(void *context)
{
    struct job *job = context;
    return atomic_load(&job->cancel) || control_is_closed(&job->connection);
}

static int flush_output(struct sink *sink, struct error *ret_error)
{
    struct job *job = sink->context;
    int r = control_send_bytes(&job->connection, sink->buffer, sink->used, &job->cancel);
    return r < 0 ? error_set(ret_error, -r, "the output was not taken: %s", strerrordesc_np(-r)) : 0;
}

/* Commands that print. */
static int run_printing(struct job *job, const struct control_request *request, struct error *ret_error)
{
    struct sink output = {
        .buffer = malloc(OUTPUT_BYTES), .capacity = OUTPUT_BYTES, .flush = flush_output, .context = job};
    if (!output.buffer)
        return error_set(ret_error, ENOMEM, "out of memory");
    struct database *database = job->server->source.database;
    int r;
    if (is_report(request))
        r = report_print(&job->server->source, request->report, request->path, &output, ret_error);
    else if (is_shell(request))
        r = shell_run(database, request->words, request->word_count, &output, ret_error);
    else
        r = stream_query_print(database, &request->query, &output, ret_error);
    free(output.buffer);
    return r;
}

static int run_request(
    struct job *job, struct control_request *request, struct result *ret_result, struct error *ret_error)
{
    struct database *database = job->server->source.database;
    request->options.progress = send_progress;
    request->options.context = job;
    request->options.cancel = &job->cancel;
    if (is_account(request)) {
        log_info("control: user %s %s", account_action_name(request->account.action),
            request->account.name ? request->account.name : "");
        return accounts_run(database, &request->account, &ret_result->users, ret_error);
    }
    if (is_query(request)) {
        log_info("control: query %s", request->query.path);
        return run_printing(job, request, ret_error);
    }
    if (is_shell(request))
        log_info("control: shell %s", request->words[0]); /* not its arguments: there may be a password */
    if (is_report(request) || is_shell(request))
        return run_printing(job, request, ret_error);
    log_info("control: %s %s", request->command, is_cut(request) ? request->cut.path : request->directory);
    if (!strcmp(request->command, "export"))
        return export_database(
            database, request->directory, &request->options, &ret_result->transfer, ret_error);
    if (!strcmp(request->command, "import"))
        return run_import(job->server, request, &ret_result->transfer, ret_error);
    if (!strcmp(request->command, "backup")) {
        int r = database_backup(
            database, request->directory, is_cancelled, job, &ret_result->transfer.streams, ret_error);
        if (r == 0)
            report_note_backup(database->path, request->directory);
        return r;
    }
    if (is_cut(request)) {
        request->cut.transfer = request->options;
        return cut_stream(database, &request->cut, &ret_result->cut, ret_error);
    }
    return bad_request(ret_error);
}

static void log_done(const struct control_request *request, const struct result *result)
{
    const struct transfer_result *transfer = &result->transfer;
    if (is_account(request) || is_query(request) || is_report(request) || is_shell(request))
        return;
    if (is_cut(request))
        log_info("control: cut done: %llu of %llu points of %s%s", (unsigned long long)result->cut.cut,
            (unsigned long long)(result->cut.cut + result->cut.kept), request->cut.path,
            request->cut.dry_run ? ", dry run" : "");
    else if (!strcmp(request->command, "backup")) /* it copies files and counts no points */
        log_info("control: backup done: %llu streams", (unsigned long long)transfer->streams);
    else
        log_info("control: %s done: %llu streams, %llu points in %.1f s", request->command,
            (unsigned long long)transfer->streams, (unsigned long long)transfer->points, transfer->seconds);
}

static json_t *pack_answer(
    int r, const struct control_request *request, const struct result *result, const struct error *error)
{
    if (r < 0)
        return control_pack_error(error);
    if (is_account(request))
        return json_pack("{s:o}", "users", result->users);
    if (is_query(request) || is_report(request) || is_shell(request))
        return json_pack("{s:b}", "printed", true);
    return is_cut(request) ? control_pack_cut(&result->cut) : control_pack_result(&result->transfer);
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    struct error error = {0};
    struct result result = {0};
    struct control_request *request = calloc(1, sizeof(*request));
    int r = request ? read_request(&job->connection, request, &error)
                    : error_set(&error, ENOMEM, "out of memory");
    if (r == 0)
        r = run_request(job, request, &result, &error);
    if (r < 0 && request && request->command)
        log_warn("control: %s: %s", request->command, error.message);
    else if (r == 0)
        log_done(request, &result);
    (void)control_send(&job->connection, pack_answer(r, request, &result, &error));
    if (request)
        json_decref(request->object);
    free(request);
    (void)shutdown(job->connection.socket, SHUT_RDWR);
    atomic_store(&job->done, true);
    return NULL;
}

/* ---- accepting ---- */

static void reap(struct job *job)
{
    (void)pthread_join(job->thread, NULL);
    control_free(&job->connection);
    job->used = false;
}

static struct job *free_job(struct control_server *server)
{
    for (unsigned i = 0; i < CONTROL_JOBS_MAX; i++) {
        struct job *job = &server->jobs[i];
        if (job->used && atomic_load(&job->done))
            reap(job);
        if (!job->used)
            return job;
    }
    return NULL;
}

/* Only the owner of the daemon (and root) may command it; the socket's mode says so too. */
static bool peer_allowed(int socket)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void refuse(int socket, int code, const char *message)
{
    struct control_connection connection = {.socket = socket};
    struct error error;
    (void)error_set(&error, code, "%s", message);
    (void)control_send(&connection, control_pack_error(&error));
    control_free(&connection);
}

static void take_connection(struct control_server *server)
{
    int socket = accept4(server->socket, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0) {
        /* It went away again; or there are no descriptors, and poll would return at once. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            (void)poll(&(struct pollfd){.fd = server->wake, .events = POLLIN}, 1, ACCEPT_PAUSE_MS);
        return;
    }
    const struct timeval patience = {.tv_sec = CONTROL_SEND_SECONDS_MAX};
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    struct job *job = free_job(server);
    if (!peer_allowed(socket)) {
        refuse(socket, EPERM, "only the user who runs the server may do that");
        return;
    }
    if (!job) {
        refuse(socket, EBUSY,
            "too many exports, imports, backups and cuts are running: wait until one has ended");
        return;
    }
    *job = (struct job){.server = server, .connection.socket = socket, .used = true};
    int code = pthread_create(&job->thread, NULL, run_job, job);
    if (code) {
        job->used = false;
        refuse(socket, code, "the server cannot start a thread");
    }
}

static void *accept_all(void *argument)
{
    struct control_server *server = argument;
    struct pollfd files[] = {
        {.fd = server->socket, .events = POLLIN}, {.fd = server->wake, .events = POLLIN}};
    for (;;) {
        if (poll(files, 2, -1) < 0)
            continue; /* EINTR */
        if (files[1].revents)
            return NULL;
        if (files[0].revents)
            take_connection(server);
    }
}

/* ---- life ---- */

static int listen_on(struct control_server *server, const char *directory, struct error *ret_error)
{
    int r = control_address(directory, &server->address, &server->directory_file, ret_error);
    if (r < 0)
        return r;
    const char *path = server->address.sun_path;
    const struct sockaddr *address = (const struct sockaddr *)&server->address;
    server->wake = eventfd(0, EFD_CLOEXEC);
    server->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->wake < 0 || server->socket < 0)
        return error_set(ret_error, errno, "control socket: %s", strerrordesc_np(errno));
    (void)unlink(path); /* of a killed owner: the LOCK is ours */
    /* No client can connect before listen. */
    if (bind(server->socket, address, sizeof(server->address)) < 0 || chmod(path, 0600) < 0 ||
        listen(server->socket, LISTEN_BACKLOG) < 0)
        return error_set(
            ret_error, errno, "%s/connectordb.sock: cannot listen: %s", directory, strerrordesc_np(errno));
    return 0;
}

int control_server_start(const struct report_source *source, const char *directory,
    struct control_server **ret_server, struct error *ret_error)
{
    struct control_server *server = calloc(1, sizeof(*server));
    if (!server)
        return error_set(ret_error, ENOMEM, "out of memory");
    server->source = *source;
    server->socket = server->directory_file = server->wake = -1;
    int r = listen_on(server, directory, ret_error);
    if (r == 0) {
        int code = pthread_create(&server->thread, NULL, accept_all, server);
        if (code)
            r = error_set(ret_error, code, "cannot start a thread: %s", strerrordesc_np(code));
        server->accepting = code == 0;
    }
    if (r < 0)
        control_server_stop(server);
    else
        *ret_server = server;
    return r;
}

void control_server_stop(struct control_server *server)
{
    if (!server)
        return;
    if (server->accepting) {
        (void)eventfd_write(server->wake, 1);
        (void)pthread_join(server->thread, NULL);
    }
    for (unsigned i = 0; i < CONTROL_JOBS_MAX; i++) {
        atomic_store(&server->jobs[i].cancel, true);
        if (server->jobs[i].used)
            (void)shutdown(server->jobs[i].connection.socket, SHUT_RD); /* a client that says nothing */
    }
    for (unsigned i = 0; i < CONTROL_JOBS_MAX; i++) {
        if (server->jobs[i].used)
            reap(&server->jobs[i]);
    }
    if (server->socket >= 0) {
        (void)unlink(server->address.sun_path);
        (void)close(server->socket);
    }
    if (server->wake >= 0)
        (void)close(server->wake);
    if (server->directory_file >= 0)
        (void)close(server->directory_file);
    free(server);
}
