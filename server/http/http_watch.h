/* Ends reads for which a client takes too long.
 *
 * CivetWeb reads until it has all that it was asked for, or the client pauses: one that sends a byte now and then keeps its thread
 * for days. So each thread says until when it wants to read, and one more thread, the watch, looks at all of them every
 * HTTP_WATCH_MS: from a socket whose time is up nothing more can be received, which CivetWeb takes for the client's end. Answers
 * can still be sent. Without /proc no socket is found, and nothing is ended. */
#ifndef CONNECTORDB_HTTP_WATCH_H
#define CONNECTORDB_HTTP_WATCH_H

#include "error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { HTTP_WATCH_MS = 1000 };

/* One thread's reading. */
struct http_watched {
    struct http_watched *next;
    pthread_mutex_t lock; /* of what follows; while it is held the socket is not closed */
    uint64_t deadline_ns; /* 0 = it does not read */
    const char *remote_address;
    uint16_t remote_port;
    bool ended; /* by the watch */
};

/* Of a server. */
struct http_watch {
    pthread_mutex_t lock; /* of `watched` and `stopping`; taken before those of the watched */
    pthread_cond_t changed;
    struct http_watched *watched;
    bool started, stopping;
    pthread_t thread;
    uint16_t local_port;
    uint32_t period_ms;
};

void http_watch_init(struct http_watch *watch);
/* Starts looking at the sockets of this port. 0 or -errno. */
int http_watch_start(struct http_watch *watch, uint16_t local_port, uint32_t period_ms, struct error *ret_error);
/* Ends the thread; all of the watched must have been removed. To be called once after http_watch_init. */
void http_watch_stop(struct http_watch *watch);

/* For the thread that reads: in the beginning and in the end of its life, */
void http_watch_add(struct http_watch *watch, struct http_watched *watched);
void http_watch_remove(struct http_watch *watch, struct http_watched *watched);
/* and around each read from the client at this numeric address, which is borrowed. True: the read was ended. */
void http_watched_begin(
    struct http_watched *watched, const char *remote_address, uint16_t remote_port, uint64_t deadline_ns);
bool http_watched_end(struct http_watched *watched);

#endif
