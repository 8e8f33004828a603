/* HTTP/1.1 over CivetWeb: requests in, answers out. The only file that knows CivetWeb is http.c.
 *
 * Every path, also a malformed one, goes to the handler; CivetWeb never looks at a file. A connection has a
 * thread of its own, and each thread one buffer of HTTP_BUFFER_BYTES, which holds an answer until it is
 * complete or full: an answer that fits goes out with Content-Length in one write, a longer one in chunks of
 * that size. */
#ifndef CONNECTORDB_HTTP_H
#define CONNECTORDB_HTTP_H

#include "batch.h"
#include "error.h"
#include "http_spin.h"
#include "http_watch.h"
#include "sink.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_REQUEST_BYTES_MAX = 16 << 10, /* request line and headers */
    HTTP_BUFFER_BYTES = 256 << 10,     /* answer buffer of a thread */
    HTTP_HEAD_BYTES_MAX = 2048,        /* status line and headers of an answer */
    HTTP_LARGE_BODY_BYTES = 1 << 20,   /* a body over this counts as large */
    HTTP_LARGE_BODIES_MAX = 16,        /* large bodies read at once; more answer 503 */
    HTTP_IDLE_MS_MAX = 30000,          /* a kept-alive connection without a request is closed after this */
    HTTP_STALL_MS_MAX = 60000,         /* a client must take HTTP_BUFFER_BYTES within this, or is cut off */
    HTTP_BODY_GRACE_MS = 20000,        /* a client may take this long for a body, */
    HTTP_BODY_BYTES_PER_SECOND = 1024, /* and a second more for so many bytes of it */
    HTTP_LINGER_BYTES_MAX =
        16 << 20, /* of a refused body: read and dropped so that the client gets to see the answer */
    HTTP_LINGER_MS_MAX = 2000,
    HTTP_STOP_MS_MAX = 10000, /* how long a stopping server waits for requests under way */
};

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 4,
    HTTP_PUT = 8,
    HTTP_DELETE = 16,
    HTTP_OPTIONS = 32,
    HTTP_OTHER = 64, /* PATCH, ... */
};

enum http_content {
    HTTP_NO_CONTENT, /* an empty body without Content-Type */
    HTTP_JSON,
    HTTP_TEXT,
};

/* What a thread keeps from request to request. */
struct http_worker {
    uint8_t *memory;    /* head room, HTTP_BUFFER_BYTES, tail room; allocated with the first request */
    char *path, *query; /* HTTP_REQUEST_BYTES_MAX each: decoded parts of the request */
    struct batch batch; /* what an insert is read into */
    struct http_spin spin;
    struct http_watched watched;
    uint64_t date_second;
    char date[40];
};

struct http;
struct mg_connection;

/* One request and its answer; used by its thread only. */
struct http_exchange {
    struct http *http;
    struct http_worker *worker;
    struct mg_connection *connection;

    /* the request: borrowed, valid until the handler returns */
    enum http_method method;
    bool http_1_1; /* else 1.0 */
    const char *method_name;
    const char *path;  /* as it came: percent-encoded, without the query */
    const char *query; /* as it came, "" when there is none */
    const char *remote_address; /* in numbers */
    uint16_t remote_port;

    /* the body */
    int64_t body_length; /* announced; -1 = chunked */
    uint64_t body_limit, body_read;
    uint64_t body_waited_ns; /* for the client */
    bool body_ended, body_large, body_failed, expects_continue;

    /* the answer: set the first group before http_answer_open */
    bool cors, preflight, no_store; /* which groups of headers to write */
    const char *allow_origin;       /* value of Access-Control-Allow-Origin; NULL = "" */
    bool allow_credentials;
    char headers[1024]; /* further header lines, each with its \r\n; see http_answer_header */
    int status;
    enum http_content content;
    struct sink sink;
    bool opened, chunked, close;
    uint64_t started_ns, sent_bytes;
};

struct http_options {
    const char *address; /* IPv4 or IPv6 address or a host's name; "" = 127.0.0.1 */
    uint16_t port;       /* 0 = any */
    uint32_t connections_max;
    uint32_t read_timeout_ms;
    uint32_t stall_ms_max;          /* 0 = HTTP_STALL_MS_MAX */
    uint32_t body_grace_ms;         /* 0 = HTTP_BODY_GRACE_MS */
    uint32_t body_bytes_per_second; /* 0 = HTTP_BODY_BYTES_PER_SECOND */
    /* Answers the request: exactly one http_answer_open and http_answer_close, or http_answer. Called by many
     * threads. */
    void (*handle)(void *context, struct http_exchange *exchange);
    /* Called after the answer, for the log. May be NULL. */
    void (*done)(void *context, const struct http_exchange *exchange);
    /* Answers what was no valid request (status, short text) with http_answer. */
    void (*refuse)(void *context, struct http_exchange *exchange, int status, const char *text);
    /* Receives CivetWeb's own complaints. */
    void (*complain)(void *context, const char *text);
    void *context;
};

/* Listens and starts the threads; requests wait until http_serve. 0; -EADDRINUSE; -EINVAL; -ENOMEM; another
 * -errno. */
int http_start(const struct http_options *options, struct http **ret_http, struct error *ret_error);
void http_serve(struct http *http);
uint16_t http_port(const struct http *http);
/* Refuses new requests, waits for those under way (HTTP_STOP_MS_MAX at most), ends the threads, frees.
 * Accepts NULL. */
void http_stop(struct http *http);
/* True from the beginning of http_stop. Any thread. */
bool http_stopping(const struct http *http);
/* Sleeps up to ms, less when the server stops. */
void http_pause(struct http_exchange *exchange, uint32_t ms);

/* Value of a request header, NULL when it is absent. */
const char *http_request_header(const struct http_exchange *exchange, const char *name);

/* Sets the limit of the body. 0, or -EFBIG when it announces more. To be called before http_body_read. */
int http_body_limit(struct http_exchange *exchange, uint64_t limit, struct error *ret_error);
/* A json_source (context is the struct http_exchange): fills at most size bytes; 0 at the end. -EFBIG over
 * the limit; -EBUSY too many large bodies at once; -ETIMEDOUT when the client sends too slowly, -ECONNABORTED when it
 * stopped; -EBADMSG broken chunks. */
long http_body_read(void *exchange, void *buffer, size_t size, struct error *ret_error);

/* Adds a header line to the answer. False when there is no room or value has control characters. */
bool http_answer_header(struct http_exchange *exchange, const char *name, const char *value);
/* Starts an answer: write the body into the sink. */
struct sink *http_answer_open(struct http_exchange *exchange, int status, enum http_content content);
/* Ends it. complete = false: what was written is dropped when nothing was sent yet (true is returned: answer
 * an error instead); otherwise the connection is closed without the end of the body (false). */
bool http_answer_close(struct http_exchange *exchange, bool complete);
/* A whole answer. */
void http_answer(
    struct http_exchange *exchange, int status, enum http_content content, const void *body, size_t size);

#endif
