#include "control_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CANCEL_LOOK_MS = 200, OUTPUT_STEP_BYTES = 64 << 10 };

int control_address(
    const char *directory, struct sockaddr_un *ret_address, int *ret_directory_file, struct error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t capacity = sizeof(address.sun_path);
    int file = -1;
    if ((size_t)snprintf(address.sun_path, capacity, "%s/connectordb.sock", directory) >= capacity) {
        file = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (file < 0)
            return error_set(ret_error, errno, "%s: %s", directory, strerrordesc_np(errno));
        (void)snprintf(address.sun_path, capacity, "/proc/self/fd/%d/connectordb.sock", file);
        if (access("/proc/self/fd", F_OK) < 0) {
            (void)close(file);
            return error_set(ret_error, ENAMETOOLONG,
                "%s: the path of the database is too long for its control socket where /proc is not mounted: "
                "mount it, or move the "
                "database to a path of at most %zu bytes",
                directory, capacity - sizeof("/connectordb.sock"));
        }
    }
    *ret_address = address;
    *ret_directory_file = file;
    return 0;
}

int control_send(struct control_connection *connection, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return -ENOMEM;
    size_t size = strlen(text), done = 0;
    text[size++] = '\n'; /* instead of the 0: the length is known */
    int r = 0;
    while (r == 0 && done < size) {
        ssize_t sent = send(connection->socket, text + done, size - done, MSG_NOSIGNAL);
        if (sent >= 0)
            done += (size_t)sent;
        else if (errno != EINTR)
            r = -EPIPE;
    }
    free(text);
    return r;
}

/* A whole line in `received` -> an object; 1 when there is none yet. */
static int parse_line(struct control_connection *connection, json_t **ret_object, struct error *ret_error)
{
    struct buffer *received = &connection->received;
    uint8_t *end = received->size ? memchr(received->data, '\n', received->size) : NULL;
    if (!end && received->size >= CONTROL_LINE_BYTES_MAX)
        return error_set(ret_error, EBADMSG, "control socket: a line is too long");
    if (!end)
        return 1;
    size_t size = (size_t)(end - received->data);
    json_t *object = json_loadb((const char *)received->data, size, JSON_REJECT_DUPLICATES, NULL);
    received->size -= size + 1;
    memmove(received->data, end + 1, received->size);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(ret_error, EBADMSG, "control socket: not a JSON object");
    }
    *ret_object = object;
    return 0;
}

int control_receive(struct control_connection *connection, json_t **ret_object, struct error *ret_error)
{
    enum { STEP_BYTES = 4096 };
    int r;
    while ((r = parse_line(connection, ret_object, ret_error)) == 1) {
        if (buffer_reserve(&connection->received, STEP_BYTES) < 0)
            return error_set(ret_error, ENOMEM, "out of memory");
        ssize_t got =
            recv(connection->socket, connection->received.data + connection->received.size, STEP_BYTES, 0);
        if (got > 0)
            connection->received.size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            return -EINTR;
        else
            return error_set(ret_error, EPIPE, "the server closed the control connection");
    }
    return r;
}

/* Unlike control_send, which gives up after CONTROL_SEND_SECONDS_MAX: a person may read its output page by
 * page. */
static int send_patiently(
    struct control_connection *connection, const char *data, size_t size, const atomic_bool *cancel)
{
    size_t done = 0;
    while (done < size) {
        ssize_t sent = send(connection->socket, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            done += (size_t)sent;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            (void)poll(&(struct pollfd){.fd = connection->socket, .events = POLLOUT}, 1, CANCEL_LOOK_MS);
        else if (errno != EINTR)
            return -EPIPE;
        if (atomic_load(cancel))
            return -ECANCELED;
    }
    return 0;
}

int control_send_bytes(
    struct control_connection *connection, const void *data, size_t size, const atomic_bool *cancel)
{
    char head[48];
    int length = snprintf(head, sizeof(head), "{\"bytes\":%zu}\n", size);
    int r = send_patiently(connection, head, (size_t)length, cancel);
    return r < 0 ? r : send_patiently(connection, data, size, cancel);
}

int control_receive_bytes(
    struct control_connection *connection, uint64_t size, struct sink *sink, struct error *ret_error)
{
    struct buffer *received = &connection->received;
    while (size > 0) {
        if (received->size == 0) {
            if (buffer_reserve(received, OUTPUT_STEP_BYTES) < 0)
                return error_set(ret_error, ENOMEM, "out of memory");
            ssize_t got = recv(connection->socket, received->data, OUTPUT_STEP_BYTES, 0);
            if (got < 0 && errno == EINTR)
                return error_set(ret_error, EINTR, "interrupted");
            if (got <= 0)
                return error_set(ret_error, EPIPE, "the server closed the control connection");
            received->size = (size_t)got;
        }
        size_t part = received->size < size ? received->size : (size_t)size;
        int r = sink_write(sink, received->data, part);
        if (r < 0)
            return error_set(ret_error, sink->error.code, "%s", sink->error.message);
        received->size -= part;
        memmove(received->data, received->data + part, received->size);
        size -= part;
    }
    return 0;
}

bool control_is_closed(struct control_connection *connection)
{
    char drop[64];
    ssize_t got = recv(connection->socket, drop, sizeof(drop), MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void control_free(struct control_connection *connection)
{
    if (connection->socket >= 0)
        (void)close(connection->socket);
    buffer_free(&connection->received);
    connection->socket = -1;
}

/* ---- objects ---- */

json_t *control_pack_progress(const struct progress *progress)
{
    return json_pack("{s:{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:s}}", "progress", "points",
        (json_int_t)progress->points, "points_total", (json_int_t)progress->points_total, "bytes",
        (json_int_t)progress->bytes, "bytes_total", (json_int_t)progress->bytes_total, "streams",
        (json_int_t)progress->streams, "streams_total", (json_int_t)progress->streams_total, "seconds",
        progress->seconds, "current", progress->current);
}

bool control_unpack_progress(json_t *object, struct progress *ret_progress)
{
    json_int_t points, points_total, bytes, bytes_total, streams, streams_total;
    struct progress progress = {0};
    if (json_unpack(object, "{s:{s:I,s:I,s:I,s:I,s:I,s:I,s:F,s:s}}", "progress", "points", &points,
            "points_total", &points_total, "bytes", &bytes, "bytes_total", &bytes_total, "streams", &streams,
            "streams_total", &streams_total, "seconds", &progress.seconds, "current", &progress.current))
        return false;
    progress.points = (uint64_t)points;
    progress.points_total = (uint64_t)points_total;
    progress.bytes = (uint64_t)bytes;
    progress.bytes_total = (uint64_t)bytes_total;
    progress.streams = (uint64_t)streams;
    progress.streams_total = (uint64_t)streams_total;
    *ret_progress = progress;
    return true;
}

json_t *control_pack_result(const struct transfer_result *result)
{
    return json_pack("{s:{s:I,s:I,s:I,s:I,s:I,s:I,s:f}}", "result", "users", (json_int_t)result->users,
        "devices", (json_int_t)result->devices, "streams", (json_int_t)result->streams, "points",
        (json_int_t)result->points, "bytes", (json_int_t)result->bytes, "users_skipped",
        (json_int_t)result->users_skipped, "seconds", result->seconds);
}

bool control_unpack_result(json_t *object, struct transfer_result *ret_result)
{
    json_int_t users, devices, streams, points, bytes, users_skipped;
    double seconds;
    if (json_unpack(object, "{s:{s:I,s:I,s:I,s:I,s:I,s:I,s:F}}", "result", "users", &users, "devices",
            &devices, "streams", &streams, "points", &points, "bytes", &bytes, "users_skipped",
            &users_skipped, "seconds", &seconds))
        return false;
    *ret_result = (struct transfer_result){.users = (uint64_t)users,
        .devices = (uint64_t)devices,
        .streams = (uint64_t)streams,
        .points = (uint64_t)points,
        .bytes = (uint64_t)bytes,
        .users_skipped = (uint64_t)users_skipped,
        .seconds = seconds};
    return true;
}

json_t *control_pack_cut(const struct cut_result *result)
{
    return json_pack("{s:{s:I,s:I,s:f,s:f,s:f}}", "cut", "kept", (json_int_t)result->kept, "cut",
        (json_int_t)result->cut, "kept_last", result->kept_last, "cut_first", result->cut_first, "cut_last",
        result->cut_last);
}

bool control_unpack_cut(json_t *object, struct cut_result *ret_result)
{
    json_int_t kept, cut;
    struct cut_result result;
    if (json_unpack(object, "{s:{s:I,s:I,s:F,s:F,s:F}}", "cut", "kept", &kept, "cut", &cut, "kept_last",
            &result.kept_last, "cut_first", &result.cut_first, "cut_last", &result.cut_last))
        return false;
    result.kept = (uint64_t)kept;
    result.cut = (uint64_t)cut;
    *ret_result = result;
    return true;
}

json_t *control_pack_error(const struct error *error)
{
    json_t *message = json_string(error->message); /* UTF-8: error_set escapes everything else */
    return json_pack("{s:{s:i,s:o}}", "error", "code", error->code, "message", message);
}

bool control_unpack_error(json_t *object, struct error *ret_error)
{
    int code;
    const char *message;
    if (json_unpack(object, "{s:{s:i,s:s}}", "error", "code", &code, "message", &message))
        return false;
    (void)error_set(ret_error, code > 0 ? code : EIO, "%s", message);
    return true;
}
