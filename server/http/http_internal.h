/* Shared by the parts of the transport. */
#ifndef CONNECTORDB_HTTP_INTERNAL_H
#define CONNECTORDB_HTTP_INTERNAL_H

#include "clock.h"
#include "http.h"
#include "http_client.h"

#include <pthread.h>
#include <stdatomic.h>

struct mg_context;

enum { HTTP_SPARES = 4, HTTP_CONNECTIONS_MIN = 4 };

/* A slot for a large body that is taken. */
struct http_slot {
    uint64_t owner;
    bool taken;
};

struct http {
    struct http_options options;
    struct mg_context *context;
    uint16_t port;
    char keep_alive_line[40]; /* of answers, "" = none */
    atomic_bool serving;
    struct http_clients clients;

    pthread_mutex_t slots_lock; /* of `slots`; a leaf */
    struct http_slot slots[HTTP_LARGE_BODIES_MAX];

    pthread_mutex_t lock; /* for `changed`, and of what follows */
    pthread_cond_t
        changed;    /* serving or stopping began, the last request ended while stopping, a thread began */
    bool listening; /* the listening thread has begun */
    bool spares_end;
    unsigned spare_count;
    pthread_t spares[HTTP_SPARES];
    unsigned queue_max; /* accepted connections that wait, at most */

    struct http_listeners listeners; /* constant while CivetWeb runs, but for `next` */

    uint64_t trimmed_ns; /* listening thread only */
    bool wanting_files;  /* listening thread only: accept failed for want of descriptors or memory, and it was
                            said */
};

/* Warns in the log. */
void http_report(const struct http *http, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- bodies ---- */
void http_body_begin(struct http_exchange *exchange);
/* Gives its slot back, if it has one. */
void http_body_end(struct http_exchange *exchange);
/* Frees what decoding took. */
void http_body_free(struct http_exchange *exchange);
/* Bytes of the body are still to come. */
bool http_body_pending(const struct http_exchange *exchange);
/* After an answer that keeps the connection: reads and drops the rest. False: it did not come, and the
 * connection is of no use. */
bool http_body_drop(struct http_exchange *exchange);
/* The unread rest of the body is too much to be dropped: the connection ends with this answer. */
bool http_body_ends_connection(const struct http_exchange *exchange);

/* ---- the calls of CivetWeb's threads: see http_calls.c ---- */
void http_calls_serve(struct http_client *client); /* this thread serves this client's connections */
void http_calls_listen(struct http *http);         /* this thread accepts connections; NULL: no longer */

/* Lowers connections_max to what the limit of descriptors allows, and raises that as far as the process may.
 * 0; -EMFILE. */
int http_limit_connections(struct http *http, struct error *ret_error);

/* ---- for the listening thread ---- */
void http_housekeep(struct http *http);
/* Accepting a connection failed with this errno: says so, once until it works again. */
void http_accept_failed(struct http *http, int code);

/* Milliseconds since a time of clock_monotonic_ns. */
static inline uint64_t http_elapsed_ms(uint64_t since_ns)
{
    return (clock_monotonic_ns() - since_ns) / NS_PER_MS;
}

#endif
