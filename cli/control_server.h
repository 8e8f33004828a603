/* The daemon's end of the control socket: exports, imports and backups that the command line asks for. */
#ifndef CONNECTORDB_CONTROL_SERVER_H
#define CONNECTORDB_CONTROL_SERVER_H

#include "error.h"
#include "report.h"

struct control_server;

enum { CONTROL_JOBS_MAX = 8 };

/* Listens on DIRECTORY/connectordb.sock (mode 0600; one that a killed owner left is replaced: the caller
 * holds the LOCK) and works on threads of its own. What source points to is borrowed until
 * control_server_stop. */
int control_server_start(const struct report_source *source, const char *directory,
    struct control_server **ret_server, struct error *ret_error);
/* Cancels what is under way, waits for it, removes the socket. Accepts NULL. */
void control_server_stop(struct control_server *server);

#endif
