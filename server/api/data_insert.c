/* Inserting into one stream. */
#include "data.h"

#include "body.h"
#include "insert.h"

#include <errno.h>

static bool read_batch(struct body *body, struct batch *batch, struct problem *problem)
{
    static const struct json_points_options OPTIONS = {.import = false, .refuse_null = true};
    struct json_points *reader = NULL;
    struct error error = {0};
    int r = json_points_open(&OPTIONS, body_read, body, &reader);
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

/* A stream that was cut meanwhile has another series, which takes the points. *ret_error: of the append to
 * the old one. */
static bool append_again(const struct request *request, const struct stream_place *place, uint64_t series_id,
    struct batch *batch, unsigned flags, struct error *ret_error, struct problem *problem)
{
    struct stream_place again;
    uint64_t series_id_again;
    if (!insert_allowed(request, &again, &series_id_again, problem))
        return false;
    int r = -ENOENT;
    if (again.stream_id == place->stream_id && series_id_again != series_id)
        r = store_append(request->server->database->store, series_id_again, batch, flags, NULL, ret_error);
    return r == 0 || insert_refused(request, r, ret_error, problem);
}

static bool store(const struct request *request, const struct stream_place *place, uint64_t series_id,
    struct batch *batch, unsigned flags, struct problem *problem)
{
    struct error error = {0};
    if (place->ephemeral)
        return true;
    int r = store_append(request->server->database->store, series_id, batch, flags, NULL, &error);
    if (r == -ENOENT)
        return append_again(request, place, series_id, batch, flags, &error, problem);
    return r == 0 || insert_refused(request, r, &error, problem);
}

/* ---- requests ---- */

static bool insert(struct request *request, unsigned flags, struct problem *problem)
{
    struct batch *batch = request->exchange->memory;
    struct stream_place place;
    struct body body;
    uint64_t series_id = 0;
    if (!insert_allowed(request, &place, &series_id, problem))
        return false;
    batch_clear(batch);
    bool done = body_open(&body, request, request->server->configuration->insert_limit_bytes, problem) &&
                read_batch(&body, batch, problem) &&
                insert_check(request, &place, batch, flags, 0, problem) &&
                store(request, &place, series_id, batch, flags, problem);
    if (batch->capacity > BATCH_KEEP_POINTS || batch->msgpack.capacity > BATCH_KEEP_BYTES) {
        batch_free(batch);
        batch_init(batch);
    }
    body_close(&body);
    return done && answer_ok(request);
}

bool data_post(struct request *request, struct problem *problem)
{
    return insert(request, 0, problem);
}

bool data_put(struct request *request, struct problem *problem)
{
    return insert(request, STORE_APPEND_RESTAMP, problem);
}
