/* One request on its way from the routing table to a handler, and the answers all handlers give. */
#ifndef CONNECTORDB_REQUEST_H
#define CONNECTORDB_REQUEST_H

#include "access.h"
#include "auth.h"
#include "catalog.h"
#include "configuration.h"
#include "database.h"
#include "disk_watch.h"
#include "ephemeral.h"
#include "body_budget.h"
#include "http.h"
#include "live.h"
#include "permissions_file.h"
#include "problem.h"
#include "request_metrics.h"
#include "schema_cache.h"
#include "url.h"

#include <pthread.h>
#include <stdbool.h>

/* How many users, devices and streams there are, counted now and then: metrics.c. */
struct sizes_counted {
    pthread_mutex_t lock; /* of the rest */
    bool known;
    uint64_t due_ns; /* when they may be counted again */
    uint64_t users, devices, streams;
};

struct server {
    struct database *database;
    _Atomic(const struct configuration *) configuration; /* of this moment; earlier ones stay valid, too */
    struct permissions_file *permissions;
    struct http *http;
    pthread_mutex_t reload_lock;     /* of the next three while it runs */
    char *tls_certificate, *tls_key; /* paths; NULL: plain HTTP */
    struct file_watch *tls_watch;
    struct redirect *redirect;
    struct auth auth;
    struct body_budget bodies; /* of the requests under way */
    struct schema_cache schemas;
    struct idempotency *idempotency;
    struct live *live;           /* of the store */
    struct ephemeral *ephemeral; /* datapoints that are not stored */
    atomic_uint websockets;      /* open now */
    double started_s;            /* unix time */
    struct request_metrics requests;
    struct sizes_counted sizes;
    struct disk_watch disk;
};

struct request {
    struct server *server;
    struct http_exchange *exchange;
    struct query query;
    const char *user, *device, *stream; /* names from the path, NULL where the route has none */
    struct login login;
    const struct permissions *permissions; /* who may do what; the same from the beginning to the end */
};

/* The acting identity; NULL = nobody. */
static inline const struct identity *request_acting(const struct request *request)
{
    return request->login.authenticated ? &request->login.identity : NULL;
}

/* The rights of the request on a user, a device (and its streams), or a stream by its place. */
static inline const struct access *access_to(const struct request *request, struct access_target target)
{
    return access_of(request->permissions, request_acting(request), target);
}

static inline const struct access *access_to_user(const struct request *request, const struct user *user)
{
    return access_to(request, (struct access_target){.user_id = user->id, .is_public = user->is_public});
}

static inline const struct access *access_to_device(
    const struct request *request, const struct device *device)
{
    return access_to(request, (struct access_target){device->user_id, device->id, device->is_public});
}

static inline const struct access *access_to_place(
    const struct request *request, const struct stream_place *place)
{
    return access_to(request, (struct access_target){place->user_id, place->device_id, place->device_public});
}

/* Answers the request and returns true; or sets *problem, which the dispatcher answers, and returns false. */
typedef bool (*request_handler)(struct request *request, struct problem *problem);

/* ---- answers (each ends the request; they return true) ---- */
/* 200 with `ok`. */
bool answer_ok(struct request *request);
/* 200 with a decimal number. */
bool answer_number(struct request *request, enum http_content content, uint64_t number);
/* Answers with an error. All error answers are made here. Characters beyond ASCII are shown as '?'. */
void answer_problem(struct request *request, const struct problem *problem);

/* The path of what the request is about, for messages: "user/device/stream" of names that are valid, else
 * "the path". */
const char *request_path(const struct request *request, char to[PATH_BYTES_MAX + 1]);

/* One line for the log: `what` ("deleted device", ...) was done to the path of the request, by whom and from
 * where. */
void request_log(const struct request *request, const char *what);

/* Sets the problem of a path whose object does not exist, or must appear not to. status: 404 for reads of
 * objects, 403 for writes and data. */
bool request_missing(const struct request *request, int status, struct problem *problem);
/* problem_failed for this request. */
bool request_failed(
    const struct request *request, int code, const struct error *error, struct problem *problem);

/* ---- handlers, one file per group: the comment names it. Each is a request_handler for one row of routes.c;
 * docs/API.md says what it does. Any worker thread; those that write block for the disk. ---- */
bool site_get(struct request *request, struct problem *problem); /* meta.c */
bool meta_version(struct request *request, struct problem *problem);
bool meta_transforms(struct request *request, struct problem *problem);
bool meta_interpolators(struct request *request, struct problem *problem);
bool login_get(struct request *request, struct problem *problem); /* login.c */
bool logout_get(struct request *request, struct problem *problem);
bool users_list(struct request *request, struct problem *problem); /* users.c */
bool user_get(struct request *request, struct problem *problem);
bool user_create(struct request *request, struct problem *problem);
bool user_update(struct request *request, struct problem *problem);
bool user_delete(struct request *request, struct problem *problem);
bool device_get(struct request *request, struct problem *problem); /* devices.c */
bool device_create(struct request *request, struct problem *problem);
bool device_update(struct request *request, struct problem *problem);
bool device_delete(struct request *request, struct problem *problem);
bool stream_get(struct request *request, struct problem *problem); /* streams.c */
bool stream_create(struct request *request, struct problem *problem);
bool stream_update(struct request *request, struct problem *problem);
bool stream_delete(struct request *request, struct problem *problem);
bool data_get(struct request *request, struct problem *problem);  /* data_read.c */
bool data_post(struct request *request, struct problem *problem); /* data_insert.c */
bool data_put(struct request *request, struct problem *problem);
bool data_many_post(struct request *request, struct problem *problem); /* data_many.c */
bool data_many_put(struct request *request, struct problem *problem);
bool query_merge(struct request *request, struct problem *problem); /* query.c */
bool query_dataset(struct request *request, struct problem *problem);
bool feed_get(struct request *request, struct problem *problem);      /* feed.c */
bool websocket_get(struct request *request, struct problem *problem); /* websocket.c */
bool metrics_get(struct request *request, struct problem *problem);   /* metrics.c */
bool health_get(struct request *request, struct problem *problem);
bool ready_get(struct request *request, struct problem *problem);

#endif
