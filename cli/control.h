/* The command line's end of the control socket. */
#ifndef CONNECTORDB_CONTROL_H
#define CONNECTORDB_CONTROL_H

#include "error.h"
#include "export.h"
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>

/* Connects to the daemon of the database directory. 1, *ret_wire is to be freed with wire_free and *ret_pid
 * (may be NULL) is the daemon's process; 0: no daemon answers; -errno. */
int control_connect(const char *directory, struct wire *ret_wire, pid_t *ret_pid, struct error *ret_error);

enum control_command { CONTROL_EXPORT, CONTROL_IMPORT, CONTROL_BACKUP };

/* "export", "import", "backup" */
const char *control_command_name(enum control_command command);

/* Has the daemon do an export, import or backup (which takes no options but cancel, and has no result);
 * blocks until it is over. options->cancel ends it early. The daemon's errors come back as they are. */
int control_transfer(struct wire *wire, enum control_command command, const char *directory,
    const struct transfer_options *options, struct transfer_result *ret_result, struct error *ret_error);

#endif
