/* HTTP/1.1 server: requests in, answers out. Knows nothing of users, streams or points.
 *
 * Threads. A connection has a thread of CivetWeb's for as long as it is open; `connections_max` of them. A
 * connection that waits for its next request holds a thread and no buffers. When further clients wait for a
 * thread, the connection that has been idle longest is closed for them, and answers carry "Connection:
 * close".
 *
 * Memory. A request takes one struct http_buffers from a pool when its first byte has come, and gives it back
 * after its answer. The pool returns what is not used to the system.
 *
 * Answers are collected in a buffer of HTTP_BUFFER_BYTES: one that fits goes out with Content-Length in one
 * write, a longer one in chunks of that size.
 *
 * CivetWeb provides threads. It does not parse what clients send: connections are accepted from sockets of
 * our own (http_listen.c), heads and bodies are read by http_head.c and http_body.c, beneath them is TLS
 * where it is configured (http_tls.c); see http_calls.c. */
#ifndef CONNECTORDB_HTTP_H
#define CONNECTORDB_HTTP_H

#include "error.h"
#include "sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_REQUEST_BYTES_MAX = 16 << 10, /* request line and header fields */
    HTTP_FIELDS_MAX = 64,              /* header fields of a request */
    HTTP_BUFFER_BYTES = 256 << 10,     /* of an answer; a longer one is sent in chunks */
    HTTP_HEAD_BYTES_MAX = 2048,        /* status line and header fields of an answer */

    HTTP_IDLE_MS_MAX =
        125000, /* a kept connection without a request is closed after this; Keep-Alive promises 120 s */
    HTTP_TRIM_MS = 5000, /* buffers that nobody took for so long are freed */
    HTTP_REST_MS = 3000, /* the thread of a connection that waits for so long gives its stack's memory back */
    HTTP_YIELD_IDLE_MS = 20, /* a connection idle for this long may be closed when others wait */
    HTTP_QUEUE_MAX = 64, /* accepted connections that wait for a thread; further ones wait in the kernel */

    HTTP_STALL_MS_MAX = 60000, /* a client must take HTTP_BUFFER_BYTES within this, or is cut off */

    /* How slowly a body may come. The client has a credit of time, the grace at first: waiting for it uses
     * the credit up, each byte that comes adds to it, up to twice the grace. Without credit it is cut off. */
    HTTP_BODY_GRACE_MS = 5000,
    HTTP_BODY_BYTES_PER_SECOND = 1024,
    HTTP_LARGE_BODY_BYTES_PER_SECOND = 8192, /* of a body that holds a slot */
    HTTP_CHUNK_LINES_BYTES_MAX = 16 << 10,   /* chunk extensions and trailer fields of a body */

    /* A body over HTTP_LARGE_BODY_BYTES needs one of HTTP_LARGE_BODIES_MAX slots, and one owner (see
     * http_body_owner) may hold HTTP_LARGE_BODIES_SHARE of them. */
    HTTP_LARGE_BODY_BYTES = 1 << 20,
    HTTP_LARGE_BODIES_MAX = 16,
    HTTP_LARGE_BODIES_SHARE = 12,

    HTTP_GZIP_BYTES_MIN = 1400, /* a smaller answer fits in one packet as it is */

    HTTP_LINGER_BYTES_MAX =
        16 << 20, /* of a refused body: read and dropped so that the client sees the answer */
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
    HTTP_OTHER = 64, /* PATCH */
};

enum http_content {
    HTTP_NO_CONTENT, /* an empty body without Content-Type */
    HTTP_JSON,
    HTTP_TEXT,
    HTTP_XML,
    HTTP_HTML,
    HTTP_SCRIPT,
    HTTP_STYLE,
    HTTP_SVG,
    HTTP_NDJSON,
    HTTP_CSV,
    HTTP_METRICS, /* text of Prometheus */
};

struct http;
struct http_gzip;
struct http_client;

/* One request and its answer. Used by the thread that handles it, until the handler returns. */
struct http_exchange {
    struct http *http;
    struct http_client *client;

    /* the request; strings are borrowed until the handler returns */
    enum http_method method;
    bool http_1_1; /* else 1.0 */
    const char *method_name;
    const char *path;           /* percent-encoded, without the query */
    const char *query;          /* "" when there is none */
    const char *remote_address; /* numeric */
    uint16_t remote_port;

    /* for the handler's use during the request; their contents are undefined at first */
    char *scratch[2]; /* HTTP_REQUEST_BYTES_MAX bytes each */
    void *memory;     /* what options.memory_open returned for these buffers; other requests use it before and
                         after */

    /* the body */
    int64_t body_length;                        /* announced; -1 = chunked */
    uint64_t body_limit, body_read, body_owner; /* body_read: bytes that the handler got */
    bool body_gzip;                             /* the body is decoded */
    bool expects_continue;

    unsigned route; /* for options.handle and options.done alone; 0 at first */

    /* the answer: the handler sets the first group before http_answer_open */
    bool cors, preflight, no_store; /* which groups of header fields to write */
    const char *allow_origin;       /* value of Access-Control-Allow-Origin; NULL = "" */
    bool allow_credentials;
    char headers[1024]; /* further header lines, each with its \r\n; see http_answer_header */
    int status;
    enum http_content content;
    struct sink sink;
    bool opened, chunked, close;
    bool varies, encoded;   /* it depends on Accept-Encoding; it is coded with gzip */
    struct http_gzip *gzip; /* of a long answer that is coded */
    uint64_t started_ns, sent_bytes;
};

struct http_options {
    const char *address; /* IPv4 or IPv6 address, or a host's name; all of whose addresses are listened on;
                            "" and "localhost" = 127.0.0.1 and ::1; "::" = every address of both families */
    uint16_t port;       /* 0 = any */
    /* Files in PEM: HTTPS only. Both NULL: plain HTTP. Read by http_start. */
    const char *tls_certificate, *tls_key;
    uint32_t connections_max; /* lowered to what the process's limits of files and threads allow */
    uint32_t
        read_timeout_ms;  /* a head must come within this from its first byte; longest pause within a body */
    uint32_t idle_ms_max; /* 0 = HTTP_IDLE_MS_MAX; so do the next five */
    uint32_t rest_ms;
    uint32_t trim_ms;
    uint32_t stall_ms_max;
    uint32_t body_grace_ms;
    uint32_t body_bytes_per_second;
    /* Answers the request: exactly one http_answer_open with http_answer_close, or one http_answer. Called by
     * many threads at once; their stacks have 100 KiB. */
    void (*handle)(void *context, struct http_exchange *exchange);
    /* Called after the answer was sent, for the log. May be NULL. */
    void (*done)(void *context, const struct http_exchange *exchange);
    /* Answers with http_answer what is no valid request. text: why, in English. */
    void (*refuse)(void *context, struct http_exchange *exchange, int status, const char *text);
    /* Receives warnings for the log. Any thread. May be NULL. */
    void (*report)(void *context, const char *text);
    /* Make and free exchange->memory. Both NULL: there is none. */
    void *(*memory_open)(void *context);
    void (*memory_close)(void *context, void *memory);
    void *context;
};

struct http_counts {
    uint32_t connections_max; /* after it was lowered */
    uint32_t connections;     /* open now */
    uint32_t waiting;         /* accepted, without a thread yet */
    uint64_t accepted;        /* since the start */
    uint64_t yielded;         /* idle connections closed for waiting ones, since the start */
    uint64_t buffers;         /* of the pool, in use or kept */
    uint64_t buffers_used;    /* by requests under way */
};

/* Listens and starts the threads; requests wait until http_serve. Raises the process's soft limit of open
 * files to the hard one. One server at a time may start or stop. 0; -EADDRINUSE; -EINVAL the address;
 * -EMFILE, -EAGAIN limits of files or threads too low for any connection; -ENOMEM; another -errno of the
 * sockets. After an error nothing is left behind. */
int http_start(const struct http_options *options, struct http **ret_http, struct error *ret_error);
/* Lets the requests begin that wait since http_start. Once. */
void http_serve(struct http *http);
/* Uses another certificate, or the same files anew, for connections that begin from now on; open ones go on.
 * 0; otherwise nothing has changed: -EINVAL with the file and the reason, or that the server has no TLS;
 * -errno of the files; -ENOMEM. Any thread. */
int http_load_certificate(
    struct http *http, const char *certificate, const char *key, struct error *ret_error);
/* When the certificate of new connections expires, in unix seconds; 0: the server has no TLS. Any thread. */
int64_t http_certificate_expiry(const struct http *http);
/* The port that it listens on, also when the options asked for any. */
uint16_t http_port(const struct http *http);
/* Any thread. */
void http_count(struct http *http, struct http_counts *ret_counts);
/* Refuses new requests, waits for those under way (HTTP_STOP_MS_MAX at most), ends the threads, frees.
 * Accepts NULL. */
void http_stop(struct http *http);
/* True from the beginning of http_stop. Any thread. */
bool http_stopping(const struct http *http);
/* Sleeps up to ms, less when the server stops. */
void http_pause(struct http_exchange *exchange, uint32_t ms);

/* Whether the request came over TLS to this server. False over plain HTTP, also when a proxy in front of it
 * speaks TLS with the client. */
bool http_exchange_secure(const struct http_exchange *exchange);

/* Value of a request's header field without the blanks around it, NULL when it is absent. */
const char *http_request_header(const struct http_exchange *exchange, const char *name);
/* The same of the last field with this name: what a proxy appended stands behind what the client sent. */
const char *http_request_header_last(const struct http_exchange *exchange, const char *name);

/* The weight of one entry of Accept, Accept-Encoding and the like, such as "text/csv;q=0.5" (RFC
 * 9110, 12.4.2), in thousandths: 0 = not acceptable; 1000 if the entry has none in due form. The entry ends
 * before entry[length], which can be read. Any thread. */
unsigned http_weight(const char *entry, size_t length);

/* Sets the limit of the body. 0, or -EFBIG when it announces more. Call it before http_body_read. */
int http_body_limit(struct http_exchange *exchange, uint64_t limit, struct error *ret_error);
/* Who sends the body, so that one owner cannot hold all slots for large bodies: any number that is the same
 * for the same owner (an id, a hash). Without it the client's address counts. Call it before http_body_read.
 */
void http_body_owner(struct http_exchange *exchange, uint64_t owner);
/* The body is coded with gzip: http_body_read decodes it, and the limit holds for what it returns as well as
 * for what comes. Call it before http_body_read. */
void http_body_gunzip(struct http_exchange *exchange);
/* A json_source (context is the struct http_exchange): fills at most size bytes; 0 at the end. Blocks for the
 * client. -EFBIG over the limit; -EBUSY no slot for a large body; -ETIMEDOUT the client sends too slowly;
 * -ECONNABORTED it stopped; -EBADMSG broken chunks or broken gzip; -ENOMEM. */
long http_body_read(void *exchange, void *buffer, size_t size, struct error *ret_error);

/* Adds a header line to the answer. False when there is no room or value has control characters. */
bool http_answer_header(struct http_exchange *exchange, const char *name, const char *value);
/* Starts an answer: write the body into the sink. It is coded with gzip when the request asks for that and it
 * is HTTP_GZIP_BYTES_MIN or longer. */
struct sink *http_answer_open(struct http_exchange *exchange, int status, enum http_content content);
/* Ends it. complete = false: what was written is dropped when nothing was sent yet (true is returned: answer
 * an error instead); otherwise the connection is closed without the end of the body (false). */
bool http_answer_close(struct http_exchange *exchange, bool complete);
/* A whole answer. */
void http_answer(
    struct http_exchange *exchange, int status, enum http_content content, const void *body, size_t size);

#endif
