/* CivetWeb does not tell its sockets; they are found among the open files by their ports. */
#ifndef CONNECTORDB_HTTP_SOCKETS_H
#define CONNECTORDB_HTTP_SOCKETS_H

#include <stdint.h>

/* Ends both directions of every socket with this local port: whoever waits for one of them is woken. Without /proc
 * it does nothing. */
void http_sockets_shut_down(uint16_t local_port);
/* Nothing more is received from the client at this address (as getnameinfo writes it in numbers) and port: whoever waits for it
 * sees its end once what has come is read. The caller sees to it that the socket is not closed meanwhile. */
void http_sockets_end_reading(uint16_t local_port, const char *remote_address, uint16_t remote_port);
/* The socket between these two ports, or -1. Reads a directory and asks every open file: not for each request. The
 * file is CivetWeb's and may be closed at any moment; its number is good for no more than a look. */
int http_sockets_find(uint16_t local_port, uint16_t remote_port);

#endif
