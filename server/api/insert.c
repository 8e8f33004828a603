#include "insert.h"

#include "clock.h"
#include "data.h"
#include "data_limits.h"
#include "log.h"
#include "stream_schema.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { LIKELY_SECONDS_MIN = 100000000 }; /* 1973: earlier times are hardly meant */

/* ---- where it goes ---- */

/* The series to write to and its part of the stream. */
static bool choose_series(const struct request *request, const struct stream_place *place,
    uint64_t *ret_series_id, struct problem *problem)
{
    const struct identity *identity = request_acting(request);
    bool owner = identity && identity->device_id == place->device_id;
    uint32_t writable = access_to_place(request, place)->write.objects;
    bool wants_downlink = query_flag(&request->query, "downlink");
    if (wants_downlink && !place->downlink)
        return problem_set(problem, 403, "The stream is not a downlink stream");
    if (wants_downlink || (place->downlink && !owner)) {
        *ret_series_id = place->downlink_series_id;
        return (writable & ACCESS_DOWNLINK) ||
               problem_set(problem, 403, "Write access to stream downlink denied.");
    }
    *ret_series_id = place->series_id;
    return (writable & ACCESS_DATA) ||
           problem_set(problem, 403,
               "Write access to stream data denied: only the device that owns the stream writes its data");
}

bool insert_allowed(const struct request *request, struct stream_place *ret_place, uint64_t *ret_series_id,
    struct problem *problem)
{
    return data_place(request, 403, ret_place, problem) &&
           choose_series(request, ret_place, ret_series_id, problem);
}

/* ---- the body ---- */

bool insert_limit_problem(enum json_limit limit, struct problem *problem)
{
    switch (limit) {
    case JSON_LIMIT_BYTES:
        return problem_set(
            problem, 413, "An insert can have at most %d MiB of values", BATCH_BYTES_MAX >> 20);
    case JSON_LIMIT_SENDERS:
        return problem_set(
            problem, 413, "An insert can have at most %d different senders", BATCH_SENDERS_MAX);
    default:
        return problem_set(problem, 413, "An insert can have at most %d datapoints", BATCH_POINTS_MAX);
    }
}

bool insert_json_problem(int r, const struct error *error, struct problem *problem)
{
    if (problem->status != 0)
        return false;
    if (r == -ENOMEM)
        return problem_later(problem, 503, "The server has no memory left for the datapoints, try again");
    return problem_set(problem, r == -E2BIG ? 413 : 400, "%s", error->message);
}

/* ---- times ---- */

/* The latest time that was sent, -infinity when none was. */
static double latest_time(const struct batch *batch, unsigned flags)
{
    if (batch->count == 0)
        return -INFINITY;
    if (!batch->missing_times && !(flags & STORE_APPEND_RESTAMP))
        return batch_time(batch, batch->count - 1); /* ordered, or the store refuses them */
    double latest = -INFINITY;
    for (uint32_t i = 0; i < batch->count; i++)
        latest = fmax(latest, batch_time(batch, i)); /* fmax ignores NaN */
    return latest;
}

static bool times_problem(double time, double limit, uint64_t ahead_max_s, struct problem *problem)
{
    static const struct {
        double per_second;
        const char *unit;
    } UNITS[] = {{1e3, "milliseconds"}, {1e6, "microseconds"}, {1e9, "nanoseconds"}};
    for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
        double seconds = time / UNITS[i].per_second;
        if (seconds >= LIKELY_SECONDS_MIN && seconds <= limit)
            return problem_set(problem, 400, "t is in seconds; %.0f looks like %s", time, UNITS[i].unit);
    }
    return problem_set(problem, 400,
        "t is in seconds; %.17g is more than time_ahead_max = %llu seconds ahead of now", time,
        (unsigned long long)ahead_max_s);
}

/* A time far ahead blocks its stream: nothing can be inserted before it any more. */
static bool check_ahead(
    const struct batch *batch, unsigned flags, uint64_t ahead_max_s, struct problem *problem)
{
    double limit = clock_now_seconds() + (double)ahead_max_s;
    double latest = latest_time(batch, flags);
    return ahead_max_s == 0 || latest <= limit || times_problem(latest, limit, ahead_max_s, problem);
}

/* The checks of the store, for points that are never given to it. */
static bool check_order(const struct batch *batch, struct problem *problem)
{
    double now = clock_now_seconds(), last = -INFINITY;
    for (uint32_t i = 0; i < batch->count; i++) {
        double time = batch_time(batch, i);
        if (isnan(time))
            time = now;
        if (time < last)
            return problem_set(
                problem, 403, "times must not decrease: point %u has t=%.17g after t=%.17g", i, time, last);
        last = time;
    }
    return true;
}

/* ---- all checks, and what the store refuses ---- */

static int set_sender(const struct request *request, const struct stream_place *place, struct batch *batch)
{
    const struct identity *identity = &request->login.identity;
    char path[PATH_BYTES_MAX + 1];
    if (identity->device_id == place->device_id)
        return batch_set_senders(batch, NULL, 0);
    int length = snprintf(path, sizeof(path), "%s/%s", identity->user, identity->device);
    return batch_set_senders(batch, path, (size_t)length);
}

bool insert_refused(const struct request *request, int r, const struct error *error, struct problem *problem)
{
    switch (r) {
    case -EINVAL: /* times */
        return problem_set(problem, 403, "%s", error->message);
    case -E2BIG:
        return problem_set(problem, 413, "%s", error->message);
    case -EAGAIN: /* the sealer lags, too many bytes are under way, or the stream is being cut */
        return problem_later(problem, 503, "%s", error->message);
    case -ENOENT: /* deleted since it was looked up */
        return request_missing(request, 403, problem);
    case -EIO:
        log_error("insert into %s: %s", request->exchange->path, error->message);
        return problem_set(problem, 500, "The write failed; whether these datapoints are stored is unknown");
    default:
        return request_failed(request, r, error, problem);
    }
}

bool insert_check(const struct request *request, const struct stream_place *place, struct batch *batch,
    unsigned flags, uint64_t other_bytes, struct problem *problem)
{
    struct error error = {0};
    if (!stream_schema_check(request, place, batch, problem) ||
        !data_limits_pass(request, place, batch, other_bytes, problem))
        return false;
    /* Ordered times that start below zero are the only ones with negative times that the store would see. */
    if (batch->count > 0 && batch_time(batch, 0) < 0)
        return problem_set(problem, 403, "A datapoint cannot have a negative time (before 1970)");
    if (!check_ahead(batch, flags, request->server->configuration->time_ahead_max_s, problem))
        return false;
    if (place->ephemeral && !check_order(batch, problem))
        return false;
    int r = set_sender(request, place, batch);
    return r == 0 || request_failed(request, r, &error, problem);
}
