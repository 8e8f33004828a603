/* Requests to the REST API of a server, through libcurl. */
#ifndef CONNECTORDB_REMOTE_HTTP_H
#define CONNECTORDB_REMOTE_HTTP_H

#include "buffer.h"
#include "error.h"
#include "remote.h"

#include <jansson.h>

enum {
    REMOTE_ANSWER_BYTES_MAX = 160 << 20, /* a larger one is refused */
    REMOTE_URL_BYTES_MAX = 4096,
};

/* A connection that is kept; used by one thread at a time. */
struct remote_http {
    const struct remote_options *options;
    const char *apikey; /* acts as this device; NULL = as the options say. Borrowed */
    void *curl;
    char url[REMOTE_URL_BYTES_MAX]; /* of the last request */
    struct buffer answer;           /* of the last request, with a 0 behind it that does not count */
    const char *body;               /* of the request that is being sent */
    size_t body_left;
    bool too_large;
    double retry_after; /* seconds that the answer asks to wait; 0 = it does not */
};

/* 0; -EINVAL: a URL that is none; -ENOMEM. */
int remote_http_open(const struct remote_options *options, struct remote_http *http, struct error *ret_error);
void remote_http_close(struct remote_http *http); /* accepts a zeroed one */

struct remote_request {
    const char *method;
    const char *path; /* behind /api/v1 */
    const void *body; /* NULL = none */
    size_t body_bytes;
    const char *idempotency_key; /* NULL = none */
};

/* Sends the request once and waits for the answer. *ret_status: of HTTP, whatever it is; the answer is in
 * http->answer. -ECONNREFUSED: nothing was sent; -ECONNABORTED: the outcome is unknown; -E2BIG: the answer is
 * larger than REMOTE_ANSWER_BYTES_MAX; -EACCES: the server's certificate is not trusted; -ECANCELED. */
int remote_send(struct remote_http *http, const struct remote_request *request, long *ret_status,
    struct error *ret_error);
/* Sets the error that an answer means: -EACCES for 401, -ENOENT for 404, -EEXIST for 409, -EFBIG for 413,
 * -EBUSY for 429 and 503, -EPROTO otherwise; where a server of 0.3 answers 400 or 403 instead of 413 or 409,
 * its message decides. The message has the request, the status and the server's message. */
int remote_refused(const struct remote_http *http, const char *method, long status, struct error *ret_error);
/* Waits before the attempt of that number (from 1), or as long as the server asked for. False: too many
 * attempts, or the transfer is cancelled. */
bool remote_wait(const struct remote_http *http, unsigned attempt);

/* GET, repeated while the server is away or busy. Answers other than 200 are errors (remote_refused). */
int remote_get(struct remote_http *http, const char *path, struct error *ret_error);
/* The same for an answer that is JSON, to be freed with json_decref, or a whole number. */
int remote_get_json(struct remote_http *http, const char *path, json_t **ret_json, struct error *ret_error);
int remote_get_number(
    struct remote_http *http, const char *path, uint64_t *ret_number, struct error *ret_error);

#endif
