/* Giving memory back while a connection's thread waits for long.
 *
 * A thread keeps the pages of its stack that a request has touched (about 28 KiB of 100), and OpenSSL keeps a
 * random generator for each thread that has made a handshake (about 7 KiB). With a thread for each connection
 * this is most of what an idle one costs. */
#ifndef CONNECTORDB_HTTP_REST_H
#define CONNECTORDB_HTTP_REST_H

struct http_rest {
    char *stack; /* the lowest byte of the thread's stack, NULL = unknown */
};

/* Called by the thread whose stack it is. */
void http_rest_init(struct http_rest *rest);
/* Gives back the pages of the calling thread's stack that no function uses now, and OpenSSL's state for the
 * thread, which makes it anew when it needs it (30 µs). rest: of this thread. */
void http_rest(const struct http_rest *rest);

#endif
