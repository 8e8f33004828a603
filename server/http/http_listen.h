/* The sockets that accept connections: of IPv4 and IPv6, opened by us. Debian builds CivetWeb without IPv6,
 * and it cannot be given a socket, so it only sees the connections that http_calls.c accepts from these. */
#ifndef CONNECTORDB_HTTP_LISTEN_H
#define CONNECTORDB_HTTP_LISTEN_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

enum { HTTP_LISTENERS_MAX = 16 };

struct http_listeners {
    int files[HTTP_LISTENERS_MAX];
    unsigned count;
    unsigned next; /* where accepting goes on, so that none of them is starved; the listening thread's */
};

/* Adds sockets that listen, without blocking, on all addresses of `address`, on the same port.
 * address  numbers, or a name; "" and "localhost" are 127.0.0.1 and, if the machine has it, ::1; "::" also
 *          takes IPv4 connections
 * port     0 = any; *ret_port is the one it became
 * 0; -EADDRINUSE; -EACCES; -EINVAL no address; another -errno. After an error nothing was added. */
int http_listen(struct http_listeners *listeners, const char *address, uint16_t port, uint16_t *ret_port,
    struct error *ret_error);
/* Wakes the thread that waits for connections; no further ones are accepted. */
void http_listeners_shut_down(const struct http_listeners *listeners);
/* Closes the sockets. */
void http_listeners_close(struct http_listeners *listeners);

enum { HTTP_ADDRESS_BYTES = 48 };

/* The address and port of the other end as text; an IPv4 address mapped into IPv6 as the IPv4 address that it
 * is. "" when the socket is not connected any more. */
void http_peer_name(int file, char ret_address[HTTP_ADDRESS_BYTES], uint16_t *ret_port);
/* The port of our end, 0 when there is none. */
uint16_t http_local_port(int file);

#endif
