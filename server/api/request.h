/* One request on its way from the routing table to a handler, and the answers all handlers give. */
#ifndef CONNECTORDB_REQUEST_H
#define CONNECTORDB_REQUEST_H

#include "catalog.h"
#include "configuration.h"
#include "database.h"
#include "http.h"
#include "url.h"

#include <stdatomic.h>
#include <stdbool.h>

enum {
    ORIGIN_BYTES_MAX = 256,
    OBJECT_BODY_BYTES_MAX = 4 << 20, /* body of a create request */
    RETRY_SECONDS = 1,               /* Retry-After of what is over soon */
};

struct server {
    struct database *database;
    const struct configuration *configuration;
    struct http *http;
    struct limiter *limiter;     /* of guesses of logins; auth/ */
    atomic_uint failing_logins;  /* logins that are being delayed now */
    char site[ORIGIN_BYTES_MAX]; /* scheme://host[:port] of the site itself */
};

struct request {
    struct server *server;
    struct http_exchange *exchange;
    struct query query;
    const char *user, *device, *stream; /* names from the path, NULL where the route has none */
    bool authenticated;                 /* false: nobody */
    struct identity identity;           /* who acts, when authenticated */
};

/* Who acts; NULL = nobody. */
static inline const struct identity *request_acting(const struct request *request)
{
    return request->authenticated ? &request->identity : NULL;
}

typedef void (*request_handler)(struct request *request);

/* ---- answers (each ends the request) ---- */
void answer_ok(struct request *request);
void answer_number(struct request *request, enum http_content content, uint64_t number);
/* printf-like; characters beyond ASCII are shown as '?'. */
void answer_error(struct request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with Retry-After. */
void answer_later(struct request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* An error of a lower layer: not found and already exists by name, the rest as 500 without its text (which
 * goes to the log). status_missing: 404 for reads, 403 for writes and data. */
void answer_failure(struct request *request, int status_missing, int code, const struct error *error);

/* The path of what the request is about, for messages: "user/device/stream" of names that are valid, else
 * "the path". */
const char *request_path(const struct request *request, char to[PATH_BYTES_MAX + 1]);

/* ---- handlers, one file per group ---- */
void site_get(struct request *request); /* meta.c */
void meta_version(struct request *request);
void users_list(struct request *request); /* users.c */
void user_get(struct request *request);
void device_get(struct request *request); /* devices.c */
void device_create(struct request *request);
void device_delete(struct request *request);
void stream_get(struct request *request); /* streams.c */
void stream_create(struct request *request);
void stream_delete(struct request *request);
void data_get(struct request *request);  /* data_read.c */
void data_post(struct request *request); /* data_insert.c */
void data_put(struct request *request);

#endif
