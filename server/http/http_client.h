/* A connection, and all connections of a server.
 *
 * Each thread of CivetWeb's has one struct http_client for the connections that it serves one after the
 * other. The thread waits in http_client_next for a request; while it waits for the first byte the connection
 * is idle and holds no buffers. */
#ifndef CONNECTORDB_HTTP_CLIENT_H
#define CONNECTORDB_HTTP_CLIENT_H

#include "http_buffers.h"
#include "http_head.h"
#include "http_listen.h"
#include "http_rest.h"
#include "http_spin.h"

#include <pthread.h>
#include <stdatomic.h>

enum { HTTP_SEND_WAIT_MS = 100 }; /* how late it is noticed at most that the server stops */

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

struct http_tls;
struct http_tls_session;

/* Where the reading of a body has got to. */
struct http_body {
    bool ended, failed, large;  /* large: it holds a slot */
    uint64_t chunk_left;        /* data bytes of the current chunk still to come */
    bool in_chunk;              /* the CRLF behind the chunk's data is still to come */
    size_t line_bytes;          /* of chunk extensions and trailer fields so far */
    uint64_t received;          /* bytes without those of the chunked coding, as they came */
    struct http_gunzip *gunzip; /* NULL: not coded, or nothing was read yet */
    int64_t credit_ns;          /* how long the client may still be waited for */
};

struct http_client {
    struct http_client *next; /* in the list of all; under the list's lock */
    struct http_clients *clients;

    pthread_mutex_t lock;           /* of `file`: while another thread holds it the file is not closed */
    int file;                       /* the socket, -1 = no connection or not known yet */
    atomic_bool yields;             /* it was shut down for reading in favour of a waiting client */
    _Atomic uint64_t idle_since_ns; /* 0 = not idle */

    /* the rest is used by its thread only */
    struct http_tls_session *tls; /* NULL: none, or not begun */
    bool served;                  /* it has answered a request on this connection */
    bool ready;                   /* a head has been read, CivetWeb has not seen it yet */
    char remote_address[HTTP_ADDRESS_BYTES];
    uint16_t remote_port;
    struct http_spin spin, body_spin;
    struct http_rest rest;
    struct http_buffers *buffers; /* NULL while idle */
    size_t begin, end;            /* bytes of buffers->input that were received and not used */
    struct http_head *head;       /* of the current request, in `buffers` */
    struct http_body body;
    uint64_t date_second;
    char date[40];
};

struct http_clients {
    const struct http_options *options;
    struct http_tls *tls; /* NULL: connections are plain */
    struct http_pool pool;
    struct http_spinners spinners;
    atomic_uint active;   /* requests under way */
    atomic_bool stopping; /* no connection waits for a further request */

    pthread_mutex_t lock; /* of the list; taken before a client's lock */
    struct http_client *list;
    atomic_uint threads;              /* that serve connections */
    atomic_uint open;                 /* connections with a thread */
    _Atomic uint64_t accepted, taken; /* by the listening thread, by threads of connections */
    _Atomic uint64_t yielded;
    atomic_uint yielding; /* connections that were shut down and have not closed yet */
    uint64_t reported_ns; /* listening thread only: when it last said that clients wait */
};

/* options: borrowed. */
void http_clients_init(struct http_clients *clients, const struct http_options *options);
/* The threads must have ended. */
void http_clients_destroy(struct http_clients *clients);

/* For a new thread: a client without a connection; NULL when there is no memory. It lives until
 * http_clients_destroy. */
struct http_client *http_client_make(struct http_clients *clients);

/* A connection begins, and ends. */
void http_client_open(struct http_client *client);
void http_client_close(struct http_client *client);
/* Tells the client its socket; the first call of a connection counts. */
void http_client_set_file(struct http_client *client, int file);
/* Waits for the next request's head and reads it into client->head, which may be a refused one. False: the
 * connection is to be closed without an answer. */
bool http_client_next(struct http_client *client);
/* The request was answered; what the client has sent beyond it stays for http_client_next. */
void http_client_finish(struct http_client *client);
/* Tells the client that no more is sent, then reads and drops what it still sends, for a while: were the
 * socket closed with unread bytes, the client's system would drop the answer. */
void http_client_linger(struct http_client *client);

/* Receives what is there, size bytes at most, without waiting: the count, 0 at the client's end, -EAGAIN
 * nothing there, another -errno. Decrypts it when the connection has TLS. */
long http_client_receive(struct http_client *client, void *buffer, size_t size);
/* Sends, and waits for a client that takes nothing for HTTP_SEND_WAIT_MS at most: the bytes sent, fewer than
 * size when it waited so long, maybe none; -errno when the connection is of no more use. */
long http_client_send(struct http_client *client, const void *data, size_t size);
/* Waits until there may be something to receive, or the end. False: timeout_ns have passed. */
bool http_client_wait(struct http_client *client, uint64_t timeout_ns);

/* Connections that wait for a thread beyond those that are free. */
unsigned http_clients_starving(const struct http_clients *clients);
/* Closes idle connections for those that starve. Returns how many still do without one being closed for them.
 */
unsigned http_clients_yield(struct http_clients *clients);
/* Ends all connections' sockets: their threads wake. */
void http_clients_shut_down(struct http_clients *clients);

#endif
