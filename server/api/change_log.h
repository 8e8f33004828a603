/* The log of changes: the stream `log` of a user's device `meta`. */
#ifndef CONNECTORDB_CHANGE_LOG_H
#define CONNECTORDB_CHANGE_LOG_H

#include "request.h"

/* Appends {"cmd": verb + kind, "arg": the path of the request} with sender ConnectorDB to the log of the user
 * who acts and to that of the path's user. For changes that have been made: what cannot be logged goes to the
 * server's log and is no failure of the request. Blocks for a flush of the store, as an insert does. */
void change_log(const struct request *request, const char *verb, const char *kind);

#endif
