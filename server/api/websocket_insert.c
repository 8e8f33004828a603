/* Inserts of a WebSocket. Those that have come while an earlier commit was on its way to the disk are stored
 * by one commit, so that one connection can insert as fast as many. */
#include "websocket.h"

#include "insert.h"
#include "json_points.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLAGS = STORE_APPEND_RESTAMP,
    KEEP_POINTS = 256, /* of a batch that is used again */
    KEEP_BYTES = 4096,
};

struct text {
    const char *at;
    size_t left;
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text *text = context;
    (void)ret_error;
    size = size < text->left ? size : text->left;
    memcpy(buffer, text->at, size);
    text->at += size;
    text->left -= size;
    return (long)size;
}

static bool read_points(const char *points, size_t size, struct batch *batch, struct problem *problem)
{
    static const struct json_points_options OPTIONS = {.import = false};
    struct text text = {points, size};
    struct json_points *reader = NULL;
    struct error error = {0};
    int r = json_points_open(&OPTIONS, read_text, &text, &reader);
    if (r < 0)
        return insert_json_problem(r, &error, problem);
    r = json_points_read(reader, batch, BATCH_POINTS_MAX, &error);
    bool done = r == 0;
    if (r > 0)
        (void)insert_limit_problem(json_points_limit(reader), problem);
    else if (r < 0)
        (void)insert_json_problem(r, &error, problem);
    json_points_close(reader);
    return done;
}

/* Of values that wait to be inserted into streams of the device, which its limits count. */
static uint64_t waiting_bytes(const struct websocket *websocket, int64_t device_id)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < websocket->insert_count; i++) {
        const struct pending_insert *insert = &websocket->inserts[i];
        if (!insert->refused && insert->place.device_id == device_id)
            bytes += insert->logical_bytes;
    }
    return bytes;
}

/* Counts the datapoints of the insert that is being read among the bodies of all requests. */
static bool hold(struct websocket *websocket, size_t size, struct problem *problem)
{
    uint64_t bytes = websocket->insert_bytes + size;
    return bytes <= BODY_UNCOUNTED_BYTES ||
           body_budget_take(&websocket->request->server->bodies, &websocket->insert_share, bytes) == 0 ||
           problem_later(problem, 503, "Too many datapoints are under way, try again");
}

/* Everything before the commit. */
static bool prepare(struct websocket *websocket, struct pending_insert *insert, const char *arg,
    const char *points, size_t size)
{
    struct problem *problem = &insert->problem;
    if (!websocket_path_parse(arg, &insert->path))
        return problem_set(
            problem, 400, "arg must be user/device/stream or user/device/stream/downlink, not '%.100s'", arg);
    const struct request request = websocket_request(websocket, &insert->path);
    return insert_allowed(&request, &insert->place, &insert->series_id, problem) &&
           hold(websocket, size, problem) && read_points(points, size, &insert->batch, problem) &&
           insert_check(&request, &insert->place, &insert->batch, FLAGS,
               waiting_bytes(websocket, insert->place.device_id), problem);
}

static bool make_inserts(struct websocket *websocket)
{
    if (websocket->inserts)
        return true;
    websocket->inserts = calloc(WEBSOCKET_INSERTS_MAX, sizeof(*websocket->inserts));
    for (unsigned i = 0; websocket->inserts && i < WEBSOCKET_INSERTS_MAX; i++)
        batch_init(&websocket->inserts[i].batch);
    return websocket->inserts;
}

void websocket_insert(
    struct websocket *websocket, const char *id, const char *arg, const char *points, size_t size)
{
    if (websocket->insert_count == 0 && !websocket_still_logged_in(websocket))
        return;
    if (!make_inserts(websocket)) {
        http_socket_close(websocket->socket, 1011, "no memory");
        return;
    }
    struct pending_insert *insert = &websocket->inserts[websocket->insert_count];
    strcpy(insert->id, id);
    insert->problem = (struct problem){0};
    insert->done = false;
    batch_clear(&insert->batch);
    insert->refused = !prepare(websocket, insert, arg, points, size);
    if (!insert->refused && insert->place.ephemeral) {
        ephemeral_publish(websocket->request->server->ephemeral, insert->series_id, &insert->batch);
        insert->done = true;
    }
    insert->logical_bytes = insert->refused ? 0 : batch_logical_bytes(&insert->batch, 0, insert->batch.count);
    websocket->insert_count++;
    websocket->insert_bytes += size;
}

bool websocket_inserts_full(const struct websocket *websocket)
{
    return websocket->insert_count == WEBSOCKET_INSERTS_MAX ||
           websocket->insert_bytes >= WEBSOCKET_INSERT_BYTES_MAX;
}

/* ---- the commit ---- */

static int compare(const void *a, const void *b)
{
    const struct pending_insert *const *x = a, *const *y = b;
    if ((*x)->series_id != (*y)->series_id)
        return (*x)->series_id < (*y)->series_id ? -1 : 1;
    return *x < *y ? -1 : 1; /* in the order in which they came */
}

/* All of them at once: those of one series become one batch. False: something is in the way of that, and
 * nothing was stored. *ret_error, *ret_code: when that is more than the order of times. */
static int append_together(
    struct store *store, struct pending_insert **inserts, unsigned count, struct error *ret_error)
{
    struct store_part *parts = calloc(count, sizeof(*parts));
    struct batch *merged = calloc(count, sizeof(*merged));
    uint32_t part_count = 0, refused;
    int r = parts && merged ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < count; part_count++) {
        struct store_part *part = &parts[part_count];
        unsigned end = i + 1;
        *part = (struct store_part){.series_id = inserts[i]->series_id, .batch = &inserts[i]->batch};
        while (end < count && inserts[end]->series_id == part->series_id)
            end++;
        if (end > i + 1) {
            part->batch = &merged[part_count];
            batch_init(part->batch);
        }
        for (unsigned k = i; r == 0 && end > i + 1 && k < end; k++)
            r = batch_append(part->batch, &inserts[k]->batch, 0, inserts[k]->batch.count);
        i = end;
    }
    if (r == 0)
        r = store_append_many(store, parts, part_count, FLAGS, &refused, ret_error);
    for (uint32_t i = 0; merged && i < count; i++)
        batch_free(&merged[i]);
    free(merged);
    free(parts);
    return r;
}

static bool append_alone(struct websocket *websocket, struct pending_insert *insert)
{
    const struct request request = websocket_request(websocket, &insert->path);
    struct store *store = request.server->database->store;
    struct error error = {0};
    int r = store_append(store, insert->series_id, &insert->batch, FLAGS, NULL, &error);
    if (r == -ENOENT) { /* a stream that was cut meanwhile has another series */
        struct stream_place again;
        uint64_t series_id;
        if (!insert_allowed(&request, &again, &series_id, &insert->problem))
            return false;
        if (again.stream_id == insert->place.stream_id && series_id != insert->series_id)
            r = store_append(store, series_id, &insert->batch, FLAGS, NULL, &error);
    }
    return r == 0 || insert_refused(&request, r, &error, &insert->problem);
}

static void store_inserts(struct websocket *websocket)
{
    struct store *store = websocket->request->server->database->store;
    struct pending_insert *waiting[WEBSOCKET_INSERTS_MAX];
    struct error error = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < websocket->insert_count; i++) {
        struct pending_insert *insert = &websocket->inserts[i];
        if (!insert->refused && !insert->done && insert->batch.count > 0)
            waiting[count++] = insert;
    }
    if (count == 0)
        return;
    qsort(waiting, count, sizeof(waiting[0]), compare);
    int r = count > 1 ? append_together(store, waiting, count, &error) : -EINVAL;
    /* -EIO: whether they are stored is unknown, so none may be tried again. */
    for (unsigned i = 0; r < 0 && i < count; i++)
        waiting[i]->refused = r == -EIO ? !insert_refused(websocket->request, r, &error, &waiting[i]->problem)
                                        : !append_alone(websocket, waiting[i]);
}

void websocket_commit(struct websocket *websocket)
{
    if (websocket->insert_count == 0)
        return;
    store_inserts(websocket);
    http_socket_cork(websocket->socket);
    for (unsigned i = 0; i < websocket->insert_count; i++) {
        struct pending_insert *insert = &websocket->inserts[i];
        websocket_acknowledge(websocket, insert->id, insert->refused ? &insert->problem : NULL);
        if (insert->batch.capacity > KEEP_POINTS || insert->batch.msgpack.capacity > KEEP_BYTES) {
            batch_free(&insert->batch);
            batch_init(&insert->batch);
        }
    }
    http_socket_uncork(websocket->socket);
    websocket->insert_count = 0;
    websocket->insert_bytes = 0;
    body_budget_give(&websocket->request->server->bodies, &websocket->insert_share);
}

void websocket_inserts_free(struct websocket *websocket)
{
    for (unsigned i = 0; websocket->inserts && i < WEBSOCKET_INSERTS_MAX; i++)
        batch_free(&websocket->inserts[i].batch);
    free(websocket->inserts);
}
