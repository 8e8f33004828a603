/* A WebSocket (RFC 6455): what the connection of a request becomes. Text messages in both directions; pings,
 * pongs and close frames are answered here.
 *
 * The socket keeps the thread of its request. Functions of a socket: that thread only. */
#ifndef CONNECTORDB_HTTP_SOCKET_H
#define CONNECTORDB_HTTP_SOCKET_H

#include "http.h"

struct http_socket;

enum { HTTP_SOCKET_FREE_BYTES = 64 << 10 };

struct http_socket_options {
    size_t message_bytes_max; /* of a message in; the connection is closed with 1009 beyond */
    uint32_t ping_ms;         /* a ping is sent after so long without anything from the client, */
    uint32_t pong_ms;         /* and without anything for so long the connection is closed */
    /* Asked before the socket keeps so many bytes of messages that have come, once they are more than
     * HTTP_SOCKET_FREE_BYTES, and told 0 when it keeps less again. False: they may not be kept, and the
     * connection is closed with 1013. May be NULL. */
    bool (*hold)(void *context, size_t bytes);
    void *context;
};

/* Answers the request with 101. True: *ret_socket is open; http_socket_free it before the handler returns.
 * False: *ret_status and *ret_text say what is wrong with the request; nothing was sent. */
bool http_socket_open(struct http_exchange *exchange, const struct http_socket_options *options,
    struct http_socket **ret_socket, int *ret_status, const char **ret_text);

enum http_socket_event {
    HTTP_SOCKET_MESSAGE, /* a text message */
    HTTP_SOCKET_WAKE,    /* wake_file became readable */
    HTTP_SOCKET_NOTHING, /* wait is false, and nothing has come */
    HTTP_SOCKET_CLOSED,  /* by either side; nothing can be sent any more */
};

/* The next event. Messages that have come are given before anything is waited for. wait: until there is an
 * event. *ret_text: of a message, not checked to be UTF-8, with a 0 behind it; borrowed until the next
 * call. */
enum http_socket_event http_socket_next(
    struct http_socket *socket, int wake_file, bool wait, const char **ret_text, size_t *ret_size);

/* Sends a text message; waits for a slow client as long as for one that reads an answer. False: the
 * connection is closed. */
bool http_socket_send(struct http_socket *socket, const char *text, size_t size);

/* What is sent between the two is kept and goes out together. */
void http_socket_cork(struct http_socket *socket);
void http_socket_uncork(struct http_socket *socket);

/* Sends a close frame; code 0: without one. reason: at most 123 bytes. Further events are
 * HTTP_SOCKET_CLOSED. */
void http_socket_close(struct http_socket *socket, unsigned code, const char *reason);

/* Ends the connection, with a close frame (1001) if there was none. */
void http_socket_free(struct http_socket *socket);

#endif
