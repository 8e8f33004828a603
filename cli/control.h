/* The command line's end of the control socket. */
#ifndef CONNECTORDB_CONTROL_H
#define CONNECTORDB_CONTROL_H

#include "accounts.h"
#include "cut.h"
#include "error.h"
#include "export.h"
#include "control_protocol.h"
#include "stream_query.h"

#include <stdbool.h>
#include <sys/types.h>

/* Connects to the daemon of the database directory. 1, *ret_connection is to be freed with control_free and
 * *ret_pid (may be NULL) is the daemon's process; 0: no daemon answers; -errno. */
int control_connect(const char *directory, struct control_connection *ret_connection, pid_t *ret_pid,
    struct error *ret_error);

/* The server to ask for work on the database of that directory. 1: as control_connect; 0: none answers: do it
 * here (opening it says who else has it open); -errno. */
int control_reach(const char *directory, struct control_connection *ret_connection, struct error *ret_error);

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
/* The same for cut_stream. */
int control_cut(struct control_connection *connection, const struct cut_options *options,
    struct cut_result *ret_result, struct error *ret_error);
/* The same for stream_query_print. */
int control_query(struct control_connection *connection, const struct stream_query *query,
    struct sink *output, struct error *ret_error);
/* The same for report_print. */
int control_report(struct control_connection *connection, const char *name, const char *path,
    struct sink *output, struct error *ret_error);
/* The same for shell_run. */
int control_shell(struct control_connection *connection, const char *const *words, size_t count,
    struct sink *output, struct error *ret_error);
/* The same for accounts_run. */
int control_account(struct control_connection *connection, const struct account_request *request,
    json_t **ret_users, struct error *ret_error);

#endif
