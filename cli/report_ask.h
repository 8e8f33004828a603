/* The command line's end of reports: from the server when one runs, else from the database itself. */
#ifndef CONNECTORDB_REPORT_ASK_H
#define CONNECTORDB_REPORT_ASK_H

#include "error.h"

#include <jansson.h>
#include <stdbool.h>

/* Receives one object of the report, borrowed for the call. 0, or -errno to end it. */
typedef int (*report_receiver)(void *context, json_t *object, struct error *ret_error);

/* Asks for the report of this name (report.h) of the database that the argument of a command names. Opens the
 * database for reading when no server runs. *ret_served (may be NULL): whether one does. Results of
 * report_print and of the receiver. */
int report_ask(const char *database, const char *name, const char *path, report_receiver receive,
    void *context, bool *ret_served, struct error *ret_error);

#endif
