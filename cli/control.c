#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int control_connect(
    const char *directory, struct control_connection *ret_wire, pid_t *ret_pid, struct error *ret_error)
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
    *ret_wire = (struct control_connection){.socket = file};
    if (ret_pid)
        *ret_pid = peer.pid;
    return 1;
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
    return json_pack("{s:s,s:s,s:o,s:i,s:b,s:b,s:b,s:b}", "command", control_command_name(command),
        "directory", directory, "filters", filters, "threads", (int)options->threads, "resume",
        options->resume, "restart", options->restart, "sort", options->sort, "skip_meta", options->skip_meta);
}

/* 1: it was progress; 0 and -errno: it is over. */
static int take_answer(json_t *answer, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error)
{
    struct progress progress;
    struct error error;
    if (control_unpack_progress(answer, &progress)) {
        if (options->progress)
            options->progress(options->context, &progress);
        return 1;
    }
    if (control_unpack_result(answer, ret_result))
        return 0;
    if (control_unpack_error(answer, &error))
        return error_set(ret_error, error.code, "%s", error.message);
    return error_set(ret_error, EBADMSG,
        "the server of the database answers in an unknown way: is it of another "
        "version?");
}

int control_transfer(struct control_connection *connection, enum control_command command,
    const char *directory, const struct transfer_options *options, struct transfer_result *ret_result,
    struct error *ret_error)
{
    json_t *request = pack_request(command, directory, options);
    if (!request)
        return error_set(ret_error, EINVAL, "%s: the path is no UTF-8", directory);
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
            r = take_answer(answer, options, ret_result, ret_error);
        else if (r == -EINTR)
            r = 1;
        json_decref(answer);
    }
    return r;
}
