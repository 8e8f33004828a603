/* What the parts of the HTTP layer share: http.c (CivetWeb), http_answer.c, http_body.c. */
#ifndef CONNECTORDB_HTTP_INTERNAL_H
#define CONNECTORDB_HTTP_INTERNAL_H

#include "clock.h"
#include "http.h"

#include <pthread.h>

enum { HTTP_TAIL_ROOM = 16 }; /* behind the answer buffer: "\r\n0\r\n\r\n", the end of the last chunk */

struct mg_context;

struct http {
    struct http_options options;
    struct mg_context *context;
    uint16_t port;
    atomic_bool serving, stopping;
    atomic_uint active; /* requests under way */
    atomic_uint large_bodies;
    struct http_spinners spinners;
    struct http_watch watch;
    pthread_mutex_t lock;   /* for `changed` only */
    pthread_cond_t changed; /* serving or stopping began, or the last request under way ended meanwhile */
};

/* Sends or receives up to size bytes as CivetWeb's mg_write and mg_read do: the bytes moved, or <= 0 (errno
 * says EAGAIN when sending only timed out). */
int http_socket_send(struct http_exchange *exchange, const void *data, size_t size);
int http_socket_receive(struct http_exchange *exchange, void *buffer, size_t size);

/* Bytes of the body are still to come. */
bool http_body_pending(const struct http_exchange *exchange);
/* After an answer that keeps the connection: reads and drops the rest. False: it did not come, and the connection is of no use. */
bool http_body_drop(struct http_exchange *exchange);
/* The unread rest of the body is too much to be dropped: the connection ends with this answer. */
bool http_body_ends_connection(const struct http_exchange *exchange);
/* After an answer that ends the connection. The client may still be sending a refused body: were the
 * connection closed now, it would lose the answer. Reads and drops for a while. */
void http_body_linger(struct http_exchange *exchange);

static inline uint64_t http_elapsed_ms(uint64_t since_ns)
{
    return (clock_monotonic_ns() - since_ns) / 1000000;
}

#endif
