#include "data.h"

#include "clock.h"
#include "json_points.h"
#include "log.h"
#include "permission.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the body ---- */

static int read_batch(struct request *request, struct batch *batch, struct error *ret_error)
{
    static const struct json_points_options OPTIONS = {.import = false, .refuse_null = true};
    struct json_points *reader = NULL;
    int r = http_body_limit(request->exchange, request->server->configuration->insert_limit_bytes, ret_error);
    if (r < 0)
        return r;
    r = json_points_open(&OPTIONS, http_body_read, request->exchange, &reader);
    if (r < 0)
        return error_set(ret_error, -r, "out of memory for an insert");
    r = json_points_read(reader, batch, BATCH_POINTS_MAX, ret_error);
    if (r > 0)
        r = error_set(ret_error, E2BIG, "An insert can have at most %d datapoints", BATCH_POINTS_MAX);
    json_points_close(reader);
    return r;
}

static void answer_body_failure(struct request *request, int code, const struct error *error)
{
    switch (code) {
    case -EFBIG:
    case -E2BIG:
        answer_error(request, 413, "%s", error->message);
        return;
    case -EBADMSG:
    case -ECONNABORTED:
        answer_error(request, 400, "%s", error->message);
        return;
    case -ETIMEDOUT:
        answer_error(request, 408, "%s", error->message);
        return;
    case -EBUSY:
        answer_later(request, 503, "%s", error->message);
        return;
    default:
        answer_failure(request, 403, code, error);
    }
}

/* ---- where it goes ---- */

/* The series to write to and its part of the stream, or -EACCES with the text for the client. */
static int choose_series(const struct request *request, const struct stream_place *place,
    uint64_t *ret_series_id, struct error *ret_error)
{
    const struct identity *identity = request_acting(request);
    bool owner = identity && identity->device_id == place->device_id;
    bool wants_downlink = query_flag(&request->query, "downlink");
    if (wants_downlink && !place->downlink)
        return error_set(ret_error, EACCES, "The stream is not a downlink stream");
    if (wants_downlink || (place->downlink && !owner)) {
        if (!permission_write_downlink(identity, place->user_id, place->device_id))
            return error_set(ret_error, EACCES, "Write access to stream downlink denied.");
        *ret_series_id = place->downlink_series_id;
        return 0;
    }
    if (!permission_write_data(identity, place->user_id, place->device_id))
        return error_set(ret_error, EACCES,
            "Write access to stream data denied: only the device that owns the stream writes its data");
    *ret_series_id = place->series_id;
    return 0;
}

static int set_sender(const struct request *request, const struct stream_place *place, struct batch *batch)
{
    const struct identity *identity = &request->identity;
    char path[PATH_BYTES_MAX + 1];
    if (identity->device_id == place->device_id)
        return batch_set_senders(batch, NULL, 0);
    int length = snprintf(path, sizeof(path), "%s/%s", identity->user, identity->device);
    return batch_set_senders(batch, path, (size_t)length);
}

/* What the store would check: for points that it never gets. */
static int check_order(const struct batch *batch, struct error *ret_error)
{
    double now = clock_now_seconds(), last = -INFINITY;
    for (uint32_t i = 0; i < batch->count; i++) {
        double time = batch_time(batch, i);
        if (isnan(time))
            time = now;
        if (time < last)
            return error_set(ret_error, EINVAL, "times must not decrease: point %u has t=%.17g after t=%.17g",
                i, time, last);
        last = time;
    }
    return 0;
}

static int store(const struct request *request, const struct stream_place *place, uint64_t series_id,
    struct batch *batch, unsigned flags, struct error *ret_error)
{
    /* Ordered times that start below zero are the only ones with negative times that the store would see. */
    if (batch->count > 0 && batch_time(batch, 0) < 0)
        return error_set(ret_error, EINVAL, "A datapoint cannot have a negative time (before 1970)");
    if (place->ephemeral)
        return check_order(batch, ret_error);
    int r = set_sender(request, place, batch);
    if (r < 0)
        return error_set(ret_error, -r, "out of memory for the sender of an insert");
    return store_append(request->server->database->store, series_id, batch, flags, NULL, ret_error);
}

static void answer_store_failure(struct request *request, int code, const struct error *error)
{
    switch (code) {
    case -EACCES:
    case -EINVAL:
        answer_error(request, 403, "%s", error->message);
        return;
    case -E2BIG:
        answer_error(request, 413, "%s", error->message);
        return;
    case -EIO:
        log_error("insert into %s: %s", request->exchange->path, error->message);
        answer_error(request, 500, "The write failed; whether these datapoints are stored is unknown");
        return;
    default:
        answer_failure(request, 403, code, error);
    }
}

static void insert(struct request *request, unsigned flags)
{
    struct batch *batch = &request->exchange->worker->batch;
    struct stream_place place;
    struct error error = {0};
    uint64_t series_id = 0;
    batch_clear(batch);
    int r = read_batch(request, batch, &error);
    if (r < 0) {
        answer_body_failure(request, r, &error);
        return;
    }
    r = data_place(request, &place, &error);
    if (r == 0)
        r = choose_series(request, &place, &series_id, &error);
    if (r == 0 && !place.schema_empty)
        r = error_set(&error, EACCES,
            "The stream has a schema, and schemas are not checked in this version: inserts are refused");
    if (r == 0)
        r = store(request, &place, series_id, batch, flags, &error);
    if (r < 0)
        answer_store_failure(request, r, &error);
    else
        answer_ok(request);
}

static void insert_and_clean(struct request *request, unsigned flags)
{
    struct batch *batch = &request->exchange->worker->batch;
    insert(request, flags);
    if (batch->capacity > BATCH_KEEP_POINTS || batch->msgpack.capacity > BATCH_KEEP_BYTES) {
        batch_free(batch);
        batch_init(batch);
    }
}

void data_post(struct request *request)
{
    insert_and_clean(request, 0);
}

void data_put(struct request *request)
{
    insert_and_clean(request, STORE_APPEND_RESTAMP);
}
