/* A server in this process for benches of the REST API: an empty database with the user "bench", its device
 * "data" with REST_SERVER_KEY, and streams s0, s1, … of it. Whatever fails ends the bench. */
#ifndef CONNECTORDB_REST_SERVER_H
#define CONNECTORDB_REST_SERVER_H

#include "configuration.h"
#include "database.h"
#include "server.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum { REST_SERVER_PATH_BYTES = 4096 };

#define REST_SERVER_KEY "bench-key"
#define REST_SERVER_LOGIN "Authorization: Basic OmJlbmNoLWtleQ==\r\n"

struct rest_server {
    char directory[REST_SERVER_PATH_BYTES]; /* of the database, below bench_directory() */
    struct configuration configuration;
    unsigned streams; /* how many rest_server_open makes */
    struct database *database;
    struct server *server; /* NULL: not started */
    char certificate[REST_SERVER_PATH_BYTES + 8], key[REST_SERVER_PATH_BYTES + 8];
    SSL_CTX *tls; /* of clients, which verify nothing; NULL: plain HTTP */
};

/* The default configuration, a free port, plain HTTP. */
void rest_server_init(struct rest_server *server);
/* HTTPS from the next rest_server_open on, or plain HTTP. */
void rest_server_set_tls(struct rest_server *server, bool on);
/* context: a struct rest_server. Removes the database before and makes an empty one, then starts the server.
 */
void rest_server_open(void *context);
/* Stops it and removes the database. */
void rest_server_close(struct rest_server *server);
/* Closes it and frees what it has. */
void rest_server_destroy(struct rest_server *server);

/* A new connection to it. */
int rest_server_dial(const struct rest_server *server);
/* TLS over the connection, NULL when the server is plain. */
SSL *rest_server_shake_hands(const struct rest_server *server, int file);

#endif
