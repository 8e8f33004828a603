/* The HTTP server: the REST API of ConnectorDB over one open database. docs/API.md is its manual. */
#ifndef CONNECTORDB_SERVER_H
#define CONNECTORDB_SERVER_H

#include "configuration.h"
#include "database.h"
#include "error.h"

#include <stdint.h>

struct server;

/* Listens on configuration->hostname:port ("" = 127.0.0.1 and ::1, port 0 = any free one) and answers
 * requests on threads of its own; it answers when this returns. It logs through log.h, which the caller has
 * opened. database, configuration: borrowed until server_stop; the configuration must not change meanwhile.
 * 0; -EADDRINUSE the port is taken; -EINVAL the address is none; -ENOMEM; another -errno of the sockets. */
int server_start(struct database *database, const struct configuration *configuration,
    struct server **ret_server, struct error *ret_error);

/* Uses another configuration from now on, in what can change while the server runs (see
 * configuration_compare), and reads the permissions and the certificate again; the log says what came of
 * these. configuration, and the earlier ones: borrowed until server_stop. Any thread. */
void server_configure(struct server *server, const struct configuration *configuration);

/* The port it really listens on. Any thread. */
uint16_t server_port(const struct server *server);

/* What the server has done since it was started, and its connections now. */
struct server_counts {
    uint64_t requests, failed_logins;
    uint64_t connections, connections_max, websockets;
};
/* Any thread. */
void server_count(struct server *server, struct server_counts *ret_counts);

/* Takes no further request, lets the ones under way finish, joins the threads and frees everything. Reads
 * under way are cut off (their chunked body ends without its terminator); inserts under way are completed.
 * Accepts NULL. */
void server_stop(struct server *server);

#endif
