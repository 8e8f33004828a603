#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int control_connect(
    const char *directory, struct control_connection *ret_connection, pid_t *ret_pid, struct error *ret_error)
{
    struct sockaddr_un address;
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    int directory_file = -1;
    int r = control_address(directory, &address, &directory_file, ret_error);
    if (r < 0)
        return r;
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) {
        r = error_set(ret_error, errno, "control socket: %s", strerrordesc_np(errno));
    } else if (connect(file, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        r = getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? 1 : 0;
    } else if (errno != ENOENT && errno != ECONNREFUSED) {
        r = error_set(ret_error, errno, "%s: cannot reach its server: %s", directory, strerrordesc_np(errno));
    }
    if (directory_file >= 0)
        (void)close(directory_file);
    if (r != 1) {
        if (file >= 0)
            (void)close(file);
        return r;
    }
    *ret_connection = (struct control_connection){.socket = file};
    if (ret_pid)
        *ret_pid = peer.pid;
    return 1;
}

int control_reach(const char *directory, struct control_connection *ret_connection, struct error *ret_error)
{
    int awaited = database_await(directory, ret_error);
    if (awaited == 0)
        return 0;
    int r = control_connect(directory, ret_connection, NULL, ret_error);
    /* The socket of a killed server may still take connections that nobody will answer. */
    return r == 0 && awaited == -ETIMEDOUT ? awaited : r;
}

const char *control_command_name(enum control_command command)
{
    static const char *const names[] = {
        [CONTROL_EXPORT] = "export", [CONTROL_IMPORT] = "import", [CONTROL_BACKUP] = "backup"};
    return names[command];
}

static json_t *pack_request(
    enum control_command command, const char *directory, const struct transfer_options *options)
{
    json_t *filters = json_array();
    for (size_t i = 0; i < options->filter_count; i++)
        (void)json_array_append_new(
            filters, json_string(options->filters[i])); /* NULL makes the pack fail below */
    if (json_array_size(filters) != options->filter_count) {
        json_decref(filters);
        return NULL;
    }
    return json_pack("{s:s,s:s,s:o,s:i,s:b,s:b,s:b,s:b,s:b}", "command", control_command_name(command),
        "directory", directory, "filters", filters, "threads", (int)options->threads, "resume",
        options->resume, "restart", options->restart, "sort", options->sort, "skip_meta", options->skip_meta,
        "csv", options->csv);
}

typedef bool (*unpack_result)(json_t *object, void *ret_result);

static bool unpack_transfer(json_t *object, void *ret_result)
{
    return control_unpack_result(object, ret_result);
}

static bool unpack_cut(json_t *object, void *ret_result)
{
    return control_unpack_cut(object, ret_result);
}

/* 1: it was progress; 0 and -errno: it is over. */
static int take_answer(json_t *answer, const struct transfer_options *options, unpack_result unpack,
    void *ret_result, struct error *ret_error)
{
    struct progress progress;
    struct error error;
    if (control_unpack_progress(answer, &progress)) {
        if (options->progress)
            options->progress(options->context, &progress);
        return 1;
    }
    if (unpack(answer, ret_result))
        return 0;
    if (control_unpack_error(answer, &error))
        return error_set(ret_error, error.code, "%s", error.message);
    return error_set(ret_error, EBADMSG,
        "the server of the database answers in an unknown way: is it of another "
        "version?");
}

/* Sends the request (whose reference it takes) and waits for the result. */
static int have_done(struct control_connection *connection, json_t *request,
    const struct transfer_options *options, unpack_result unpack, void *ret_result, struct error *ret_error)
{
    int r = control_send(connection, request);
    if (r < 0)
        return error_set(ret_error, -r, "cannot talk to the server of the database: %s", strerrordesc_np(-r));
    bool cancelled = false;
    for (r = 1; r == 1;) {
        if (!cancelled && options->cancel && atomic_load(options->cancel)) {
            cancelled = true;
            (void)shutdown(connection->socket, SHUT_WR); /* the daemon answers when it has cleaned up */
        }
        json_t *answer = NULL;
        r = control_receive(connection, &answer, ret_error);
        if (r == 0)
            r = take_answer(answer, options, unpack, ret_result, ret_error);
        else if (r == -EINTR)
            r = 1;
        json_decref(answer);
    }
    return r;
}

int control_transfer(struct control_connection *connection, enum control_command command,
    const char *directory, const struct transfer_options *options, struct transfer_result *ret_result,
    struct error *ret_error)
{
    json_t *request = pack_request(command, directory, options);
    if (!request)
        return error_set(ret_error, EINVAL, "%s: the path is no UTF-8", directory);
    return have_done(connection, request, options, unpack_transfer, ret_result, ret_error);
}

int control_cut(struct control_connection *connection, const struct cut_options *options,
    struct cut_result *ret_result, struct error *ret_error)
{
    json_t *request = json_pack("{s:s,s:s,s:s,s:f,s:b,s:b}", "command", "cut", "directory",
        options->directory, "path", options->path, "after", options->after, "downlink", options->downlink,
        "dry_run", options->dry_run);
    if (!request)
        return error_set(ret_error, EINVAL, "%s: the path is no UTF-8", options->directory);
    return have_done(connection, request, &options->transfer, unpack_cut, ret_result, ret_error);
}

static bool unpack_users(json_t *object, void *ret_result)
{
    json_t *users = json_object_get(object, "users");
    if (!json_is_array(users))
        return false;
    *(json_t **)ret_result = json_incref(users);
    return true;
}

int control_account(struct control_connection *connection, const struct account_request *request,
    json_t **ret_users, struct error *ret_error)
{
    static const struct transfer_options NOTHING;
    json_t *object = json_pack("{s:s,s:s,s:s*,s:s*,s:s*,s:s*}", "command", "account", "action",
        account_action_name(request->action), "name", request->name, "password", request->password, "email",
        request->email, "role", request->role);
    if (!object)
        return error_set(ret_error, EINVAL, "a name, an email address or a password is no UTF-8");
    return have_done(connection, object, &NOTHING, unpack_users, ret_users, ret_error);
}

/* Until the answer is no piece of output any more. */
static int receive_output(
    struct control_connection *connection, struct sink *output, json_t **ret_answer, struct error *ret_error)
{
    json_int_t bytes;
    int r;
    while ((r = control_receive(connection, ret_answer, ret_error)) == 0 &&
           json_unpack(*ret_answer, "{s:I}", "bytes", &bytes) == 0) {
        json_decref(*ret_answer);
        *ret_answer = NULL;
        if (bytes < 0)
            return error_set(ret_error, EBADMSG, "control socket: a piece of output of %lld bytes", bytes);
        r = control_receive_bytes(connection, (uint64_t)bytes, output, ret_error);
        if (r < 0)
            return r;
    }
    return r == -EINTR ? error_set(ret_error, EINTR, "interrupted") : r;
}

/* Sends the request (whose reference it takes) and copies what is printed. */
static int have_printed(
    struct control_connection *connection, json_t *request, struct sink *output, struct error *ret_error)
{
    json_t *answer = NULL;
    struct error error;
    int r = control_send(connection, request);
    if (r < 0)
        return error_set(ret_error, -r, "cannot talk to the server of the database: %s", strerrordesc_np(-r));
    r = receive_output(connection, output, &answer, ret_error);
    if (r == 0 && control_unpack_error(answer, &error))
        r = error_set(ret_error, error.code, "%s", error.message);
    else if (r == 0 && !json_is_true(json_object_get(answer, "printed")))
        r = error_set(ret_error, EBADMSG,
            "the server of the database answers in an unknown way: is it of another version?");
    json_decref(answer);
    if (r == 0 && sink_flush(output) < 0)
        r = error_set(ret_error, output->error.code, "%s", output->error.message);
    return r;
}

int control_report(struct control_connection *connection, const char *name, const char *path,
    struct sink *output, struct error *ret_error)
{
    json_t *request = json_pack("{s:s,s:s,s:s}", "command", "report", "name", name, "path", path);
    if (!request)
        return error_set(ret_error, EINVAL, "the path is no UTF-8");
    return have_printed(connection, request, output, ret_error);
}

int control_shell(struct control_connection *connection, const char *const *words, size_t count,
    struct sink *output, struct error *ret_error)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(words[i])) < 0) { /* NULL: no UTF-8 */
            json_decref(list);
            return error_set(ret_error, EINVAL, "an argument is no UTF-8");
        }
    }
    json_t *request = json_pack("{s:s,s:o}", "command", "shell", "words", list);
    if (!request)
        return error_set(ret_error, ENOMEM, "out of memory");
    return have_printed(connection, request, output, ret_error);
}

int control_query(struct control_connection *connection, const struct stream_query *query,
    struct sink *output, struct error *ret_error)
{
    json_t *request = json_pack("{s:s,s:s,s:b,s:i,s:s*,s:s*,s:s*,s:s*,s:s*,s:s*,s:s*,s:s*,s:s*}", "command",
        "query", "path", query->path, "downlink", query->downlink, "format", (int)query->format, "transform",
        query->transform, "i1", query->i1, "i2", query->i2, "t1", query->t1, "t2", query->t2, "limit",
        query->limit, "time", query->output.time, "tz", query->output.tz, "columns", query->output.columns);
    if (!request)
        return error_set(ret_error, EINVAL, "the path, the script or a column is no UTF-8");
    return have_printed(connection, request, output, ret_error);
}
