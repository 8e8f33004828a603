/* The protocol of the control socket, DIR/connectordb.sock: one JSON object on each line.
 *
 *   client  {"command": "export" | "import" | "backup", "directory": an absolute path,
 *           "filters": [path, ...], "threads": n, "resume": b, "restart": b, "sort": b, "skip_meta": b,
 * "csv": b} server  {"progress": {...}}, any number of times, then {"result": {...}} or
 *           {"error": {"code": errno, "message": "..."}}
 *   client  {"command": "cut", "directory": an absolute path, "path": "user/device/stream", "after": seconds,
 *           "downlink": b, "dry_run": b}
 *   server  the same, with {"cut": {...}} as the result
 *
 *   client  {"command": "query", "path": "user/device/stream", "downlink": b, "format": enum points_format,
 *           "transform", "i1", "i2", "t1", "t2", "limit", "time", "tz", "columns": each a string, if there
 *           is one}
 *   server  any number of times {"bytes": n} and behind the line n bytes of output, then {"printed": true} or
 *           the error
 *
 *   client  {"command": "report", "name": "status" | "streams", "path": string, "" = all}
 *   server  the same
 *
 *   client  {"command": "shell", "words": [string, ...]}
 *   server  as for a query
 *
 *   client  {"command": "account", "action": "list" | "add" | "delete" | "passwd" | "role",
 *           "name", "password", "email", "role": each a string, if there is one}
 *   server  {"users": [...]} or the error
 *
 * A client cancels its command by closing its sending side. Functions of one connection: one thread at a
 * time. */
#ifndef CONNECTORDB_CONTROL_PROTOCOL_H
#define CONNECTORDB_CONTROL_PROTOCOL_H

#include "buffer.h"
#include "cut.h"
#include "error.h"
#include "export.h"
#include "sink.h"

#include <jansson.h>
#include <stdatomic.h>
#include <sys/un.h>

enum { CONTROL_LINE_BYTES_MAX = 1 << 20, CONTROL_SEND_SECONDS_MAX = 10 };

struct control_connection {
    int socket;
    struct buffer received; /* not yet a whole line */
};

/* The address of the socket in `directory` (absolute). A path that is longer than an address holds goes
 * through a descriptor of the directory and /proc: *ret_directory_file, which must stay open while the
 * address is used; -1 when there is none. -ENAMETOOLONG: too long, and /proc is not mounted. */
int control_address(
    const char *directory, struct sockaddr_un *ret_address, int *ret_directory_file, struct error *ret_error);

/* Sends the object (whose reference it takes; NULL = out of memory). -EPIPE: the other side is gone, or does
 * not read. */
int control_send(struct control_connection *connection, json_t *object);
/* The next object: *ret_object, to be freed with json_decref. 0; -EPIPE the other side closed; -EINTR a
 * signal came; -EBADMSG. */
int control_receive(struct control_connection *connection, json_t **ret_object, struct error *ret_error);
/* Whether the other side closed its sending direction; does not block, drops what it sent. */
bool control_is_closed(struct control_connection *connection);
/* Sends the bytes as a piece of output. Waits for a slow receiver as long as *cancel is false. -EPIPE: the
 * other side is gone; -ECANCELED. */
int control_send_bytes(
    struct control_connection *connection, const void *data, size_t size, const atomic_bool *cancel);
/* Copies `size` bytes of a piece of output, which follow the object {"bytes": n}, to the sink. 0; -EPIPE the
 * other side closed; -EINTR; what the sink returned. */
int control_receive_bytes(
    struct control_connection *connection, uint64_t size, struct sink *sink, struct error *ret_error);
void control_free(struct control_connection *connection); /* closes the socket */

/* The objects of the protocol. Packing: NULL when memory runs out. */
json_t *control_pack_progress(const struct progress *progress);
json_t *control_pack_result(const struct transfer_result *result);
json_t *control_pack_cut(const struct cut_result *result);
json_t *control_pack_error(const struct error *error);
/* Unpacking: false when the object is not one of these. */
bool control_unpack_progress(
    json_t *object, struct progress *ret_progress); /* current: borrowed from the object */
bool control_unpack_result(json_t *object, struct transfer_result *ret_result);
bool control_unpack_cut(json_t *object, struct cut_result *ret_result);
bool control_unpack_error(json_t *object, struct error *ret_error);

#endif
