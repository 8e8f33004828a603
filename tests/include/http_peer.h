/* A client that writes what it is told, byte for byte, to 127.0.0.1. Each function fails the test when it
 * cannot. */
#ifndef CONNECTORDB_HTTP_PEER_H
#define CONNECTORDB_HTTP_PEER_H

#include <stddef.h>
#include <stdint.h>

/* receive_bytes: of the socket's buffer; 0 = the system's choice. */
int peer_dial(uint16_t port, int receive_bytes);
/* Sends all of it, or less when the server has closed. */
void peer_say(int file, const void *data, size_t size);
/* All that comes until the server closes, with a NUL behind it: free it. Closes the file. */
char *peer_hear_all(int file, size_t *ret_size);
/* One request on a connection of its own. */
char *peer_ask(uint16_t port, const char *request, size_t *ret_size);
void peer_assert_status(const char *reply, int status);
/* What follows the answer's head. */
const char *peer_body(const char *reply);

#endif
