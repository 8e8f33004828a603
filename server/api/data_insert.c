/* Inserting into one stream. */
#include "data.h"

#include "body.h"
#include "idempotency.h"
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

/* With the request's key, if it has one, in the same commit. */
static int append(const struct request *request, uint64_t series_id, struct batch *batch, unsigned flags,
    struct idempotent_request *keyed, struct error *ret_error)
{
    struct store *store = request->server->database->store;
    struct store_part parts[2] = {{.series_id = series_id, .batch = batch}};
    uint32_t refused = 0;
    if (!keyed->idempotency || batch->count == 0)
        return store_append(store, series_id, batch, flags, NULL, ret_error);
    if (idempotency_part(keyed, &parts[1]) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for an Idempotency-Key");
    int r = store_append_many(store, parts, 2, flags, &refused, ret_error);
    return r == -ENOENT && refused == 1 ? error_set(ret_error, EAGAIN, "the insert took too long; try again")
                                        : r;
}

/* A stream that was cut meanwhile has another series, which takes the points. *ret_error: of the append to
 * the old one. */
static bool append_again(const struct request *request, const struct stream_place *place, uint64_t series_id,
    struct batch *batch, unsigned flags, struct idempotent_request *keyed, struct error *ret_error,
    struct problem *problem)
{
    struct stream_place again;
    uint64_t series_id_again;
    if (!insert_allowed(request, &again, &series_id_again, problem))
        return false;
    int r = -ENOENT;
    if (again.stream_id == place->stream_id && series_id_again != series_id)
        r = append(request, series_id_again, batch, flags, keyed, ret_error);
    return r == 0 || insert_refused(request, r, ret_error, problem);
}

static bool store(const struct request *request, const struct stream_place *place, uint64_t series_id,
    struct batch *batch, unsigned flags, struct idempotent_request *keyed, struct problem *problem)
{
    struct error error = {0};
    if (place->ephemeral) {
        ephemeral_publish(request->server->ephemeral, series_id, batch);
        return true;
    }
    int r = append(request, series_id, batch, flags, keyed, &error);
    if (r == -ENOENT)
        return append_again(request, place, series_id, batch, flags, keyed, &error, problem);
    return r == 0 || insert_refused(request, r, &error, problem);
}

/* ---- requests ---- */

static bool insert_body(struct request *request, const struct stream_place *place, uint64_t series_id,
    unsigned flags, struct idempotent_request *keyed, struct problem *problem)
{
    struct batch *batch = request->exchange->memory;
    struct body body;
    bool answered = false;
    batch_clear(batch);
    bool done = body_open(&body, request, request->server->configuration->insert_limit_bytes, problem);
    idempotency_observe(keyed, &body);
    done = done && read_batch(&body, batch, problem) &&
           idempotency_check(keyed, request, &answered, problem) &&
           (answered || (insert_check(request, place, batch, flags, 0, problem) &&
                            store(request, place, series_id, batch, flags, keyed, problem)));
    if (batch->capacity > BATCH_KEEP_POINTS || batch->msgpack.capacity > BATCH_KEEP_BYTES) {
        batch_free(batch);
        batch_init(batch);
    }
    body_close(&body);
    return done;
}

static bool insert(struct request *request, unsigned flags, struct problem *problem)
{
    struct idempotent_request keyed;
    struct stream_place place;
    uint64_t series_id = 0;
    if (!insert_allowed(request, &place, &series_id, problem))
        return false;
    bool done = idempotency_begin(request, &keyed, problem) &&
                insert_body(request, &place, series_id, flags, &keyed, problem);
    idempotency_end(&keyed, done);
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
