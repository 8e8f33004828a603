/* The control socket's wire: one JSON object a line over DIR/connectordb.sock.
 *
 *   client: {"command": "export"|"import"|"backup", "directory": absolute, "filters": [...], "threads": n,
 * "resume": b, ...} daemon: {"progress": {...}} ...  then {"result": {...}} or {"error": {"code": errno,
 * "message":
 * "..."}}
 *
 * The client ends a job early by closing its side. */
#ifndef CONNECTORDB_WIRE_H
#define CONNECTORDB_WIRE_H

#include "buffer.h"
#include "error.h"
#include "export.h"

#include <jansson.h>
#include <sys/un.h>

enum { WIRE_LINE_BYTES_MAX = 1 << 20, WIRE_SEND_SECONDS_MAX = 10 };

struct wire {
    int socket;
    struct buffer received; /* not yet a whole line */
};

/* The address of the socket in `directory` (absolute). A path that is longer than an address holds goes
 * through a descriptor of the directory and /proc: *ret_directory_file, which must stay open while the
 * address is used; -1 when there is none. -ENAMETOOLONG: too long, and /proc is not mounted. */
int wire_address(
    const char *directory, struct sockaddr_un *ret_address, int *ret_directory_file, struct error *ret_error);

/* Sends the object (whose reference it takes; NULL = out of memory). -EPIPE: the other side is gone, or does
 * not read. */
int wire_send(struct wire *wire, json_t *object);
/* The next object: *ret_object, to be freed with json_decref. 0; -EPIPE the other side closed; -EINTR a
 * signal came; -EBADMSG. */
int wire_receive(struct wire *wire, json_t **ret_object, struct error *ret_error);
/* Whether the other side closed its sending direction; does not block, drops what it sent. */
bool wire_is_closed(struct wire *wire);
void wire_free(struct wire *wire); /* closes the socket */

/* The objects that travel. */
json_t *wire_pack_progress(const struct progress *progress);
json_t *wire_pack_result(const struct transfer_result *result);
json_t *wire_pack_error(const struct error *error);
bool wire_unpack_progress(
    json_t *object, struct progress *ret_progress); /* current: borrowed from the object */
bool wire_unpack_result(json_t *object, struct transfer_result *ret_result);
bool wire_unpack_error(json_t *object, struct error *ret_error);

#endif
