/* A WebSocket of a client: commands in, acknowledgements and datapoints out. Private to websocket*.c. */
#ifndef CONNECTORDB_WEBSOCKET_H
#define CONNECTORDB_WEBSOCKET_H

#include "buffer.h"
#include "ephemeral.h"
#include "http_socket.h"
#include "json_arena.h"
#include "live.h"
#include "request.h"
#include "script.h"

#include <jansson.h>
#include <stdatomic.h>

enum {
    WEBSOCKET_SUBSCRIPTIONS_MAX = 1000, /* of one socket */
    WEBSOCKET_INSERTS_MAX = 512,        /* that share a commit */
    WEBSOCKET_INSERT_BYTES_MAX = 4 << 20,
    WEBSOCKET_ID_BYTES_MAX = 256, /* JSON text of an id */
};

struct websocket;

/* What a command names: a stream, or its downlink. */
struct websocket_path {
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1], stream[NAME_BYTES_MAX + 1];
    bool downlink;
};

struct subscription {
    struct websocket *websocket;
    struct subscription *next;
    struct websocket_path path;
    char *arg, *transform; /* as the client wrote them; transform NULL: none */
    struct script *script; /* of the transform, NULL: none */
    struct stream_place place;
    uint64_t series_id;
    struct live_subscription *live;           /* of a stored series, */
    struct ephemeral_subscription *ephemeral; /* or of an ephemeral stream */
    atomic_bool woken;
};

/* An insert that waits for the commit. */
struct pending_insert {
    char id[WEBSOCKET_ID_BYTES_MAX]; /* "" = no acknowledgement is wanted */

    struct websocket_path path;
    struct stream_place place;
    uint64_t series_id;
    struct batch batch;
    uint64_t logical_bytes; /* of its values */
    bool done;              /* answered already */
    bool refused;
    struct problem problem;
};

struct websocket {
    struct request *request;
    struct http_socket *socket;
    const char *apikey; /* of the query */
    int wake_file;      /* an eventfd */
    struct subscription *subscriptions;
    unsigned subscription_count;
    struct pending_insert *inserts; /* WEBSOCKET_INSERTS_MAX of them, made with the first insert */
    unsigned insert_count;
    size_t insert_bytes;
    struct buffer text;                            /* of the message that is being made */
    struct json_arena arena;                       /* of the command that is being read */
    struct body_share message_share, insert_share; /* of the server's budget for bodies */
};

/* Splits "user/device/stream" or "user/device/stream/downlink". False: it is no such path. */
bool websocket_path_parse(const char *text, struct websocket_path *ret_path);
/* A request to the path by the client of the socket; borrows both. */
struct request websocket_request(const struct websocket *websocket, const struct websocket_path *path);
/* Whether the client is still who it was, and may still log in. False: the socket is closed. */
bool websocket_still_logged_in(struct websocket *websocket);
/* Sends {"id":ID,"ok":true}, or {"id":ID,"error":"..."} with the problem's message; id: JSON text, "" =
 * nothing is sent. problem NULL: ok. */
void websocket_acknowledge(struct websocket *websocket, const char *id, const struct problem *problem);

/* ---- websocket_subscribe.c ---- */
/* transform: "" = none. False: the problem is set. */
bool websocket_subscribe(
    struct websocket *websocket, const char *arg, const char *transform, struct problem *problem);
/* Ends the subscription with this path and transform, if there is one. */
void websocket_unsubscribe(struct websocket *websocket, const char *arg, const char *transform);
void websocket_unsubscribe_all(struct websocket *websocket);
/* Sends what subscriptions have. */
void websocket_deliver(struct websocket *websocket);

/* ---- websocket_insert.c ---- */
/* Takes an insert: the JSON text of its array of datapoints. What can be refused before the commit is
 * acknowledged here. */
void websocket_insert(
    struct websocket *websocket, const char *id, const char *arg, const char *points, size_t size);
/* Whether as many inserts wait as may. */
bool websocket_inserts_full(const struct websocket *websocket);
/* Stores all inserts that wait by one commit, if possible, and acknowledges them. */
void websocket_commit(struct websocket *websocket);
void websocket_inserts_free(struct websocket *websocket);

#endif
