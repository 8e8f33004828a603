/* A client under TLS, and certificates for tests. Each function fails the test when it cannot, unless it says
 * otherwise. Any thread but those that make certificates. */
#ifndef CONNECTORDB_TLS_PEER_H
#define CONNECTORDB_TLS_PEER_H

#include <stddef.h>
#include <stdint.h>

struct ssl_st;

/* Writes a new key, and a certificate for `name` that it signs itself, to two files. */
void tls_make_certificate(const char *name, const char *certificate_path, const char *key_path);
/* Writes a new key alone, encrypted if there is a password. */
void tls_make_key(const char *path, const char *password);

/* Connects to 127.0.0.1. version: TLS1_2_VERSION, ..., the only one that it speaks; 0 = any.
 * NULL: the handshake failed. */
struct ssl_st *tls_dial(uint16_t port, int version);
/* The name in the server's certificate. */
void tls_server_name(struct ssl_st *connection, char ret_name[64]);
void tls_say(struct ssl_st *connection, const void *data, size_t size);
/* All that comes until the server ends the connection, with a NUL behind it: free it.
 * *ret_clean (may be NULL): the server took leave with close_notify. */
char *tls_hear_all(struct ssl_st *connection, size_t *ret_size, int *ret_clean);
/* Reads exactly `size` bytes. */
void tls_hear(struct ssl_st *connection, char *to, size_t size);
/* Closes the connection. */
void tls_hang_up(struct ssl_st *connection);
/* One request on a connection of its own. */
char *tls_ask(uint16_t port, const char *request, size_t *ret_size);

#endif
