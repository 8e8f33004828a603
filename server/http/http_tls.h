/* TLS 1.2 and 1.3 of connections, by OpenSSL. CivetWeb does not know of it: our calls read and write what is
 * encrypted, see http_calls.c. Handshakes take place on the connection's thread. */
#ifndef CONNECTORDB_HTTP_TLS_H
#define CONNECTORDB_HTTP_TLS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_tls;         /* the certificate and key of a server */
struct http_tls_session; /* one connection's */

/* Loads a chain of certificates and its private key (PEM). 0; -errno of the files; -EINVAL: they are not what
 * is needed, the message names the file and the reason; -ENOMEM. */
int http_tls_open(
    const char *certificate, const char *key, struct http_tls **ret_tls, struct error *ret_error);
void http_tls_close(struct http_tls *tls); /* accepts NULL; all sessions must have ended */

/* Loads both again, for connections that begin later. Nothing is changed when it fails. As http_tls_open. Any
 * thread. */
int http_tls_load(struct http_tls *tls, const char *certificate, const char *key, struct error *ret_error);

/* When the certificate of new connections expires, in unix seconds. Any thread. */
int64_t http_tls_expiry(struct http_tls *tls);

/* A connection's socket, as its owner reads it. */
struct http_tls_socket {
    int file;
    long (*receive)(void *context, void *buffer, size_t size); /* as http_client_receive, encrypted */
    bool (*wait)(void *context, uint64_t timeout_ns);          /* as http_client_wait */
    bool (*stopping)(void *context);                           /* the handshake is to be given up */
    void *context;
};

/* The handshake of a new connection, whose first byte has come. socket: copied. timeout_ns: for all of it.
 * NULL: it failed, or no memory. */
struct http_tls_session *http_tls_accept(
    struct http_tls *tls, const struct http_tls_socket *socket, uint64_t timeout_ns);
/* Tells the client that nothing more is sent. */
void http_tls_end(struct http_tls_session *session);
void http_tls_free(struct http_tls_session *session); /* accepts NULL */

/* As http_client_receive. */
long http_tls_receive(struct http_tls_session *session, void *buffer, size_t size);
/* There is something to receive that the socket no longer shows. */
bool http_tls_pending(const struct http_tls_session *session);
/* Sends what can be sent without waiting: the bytes, -EAGAIN, -ECONNABORTED. After -EAGAIN the same bytes
 * must come again. */
long http_tls_send(struct http_tls_session *session, const void *data, size_t size);

#endif
