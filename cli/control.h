/* The command line's end of the control socket. */
#ifndef CONNECTORDB_CONTROL_H
#define CONNECTORDB_CONTROL_H

#include "error.h"
#include "export.h"
#include "control_protocol.h"

#include <stdbool.h>
#include <sys/types.h>

/* Connects to the daemon of the database directory. 1, *ret_wire is to be freed with control_free and
 * *ret_pid (may be NULL) is the daemon's process; 0: no daemon answers; -errno. */
int control_connect(
    const char *directory, struct control_connection *ret_wire, pid_t *ret_pid, struct error *ret_error);

enum control_command { CONTROL_EXPORT, CONTROL_IMPORT, CONTROL_BACKUP };

/* "export", "import", "backup" */
const char *control_command_name(enum control_command command);

/* Has the daemon run the command, and blocks until it has ended. options->progress is called for each
 * progress object; setting options->cancel ends the command early. A backup takes no options but these two,
 * and of its result only `streams` is set. 0; -errno with the daemon's own message; -EPIPE: the daemon went
 * away. */
int control_transfer(struct control_connection *connection, enum control_command command,
    const char *directory, const struct transfer_options *options, struct transfer_result *ret_result,
    struct error *ret_error);

#endif
