#include "data.h"

#include "log.h"
#include "points_format.h"
#include "range_query.h"
#include "series_buckets.h"
#include "series_downsample.h"
#include "series_print.h"
#include "data_transform.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

bool data_place(const struct request *request, int status_missing, struct stream_place *ret_place,
    struct problem *problem)
{
    struct error error = {0};
    int r = catalog_stream_place(request->server->database->catalog, request->user, request->device,
        request->stream, ret_place, &error);
    if (r == -ENOENT || (r == 0 && !(access_to_place(request, ret_place)->read.objects & ACCESS_STREAM)))
        return request_missing(request, status_missing, problem);
    return r == 0 || request_failed(request, r, &error, problem);
}

/* ---- one series at one moment ---- */

struct reading {
    struct store_snapshot *snapshot;
    uint64_t series_id; /* 0: the downlink part of a stream that has none, always empty */
    uint64_t length;
};

/* The series of the part that the request reads. */
static bool find_series(
    const struct request *request, int status_missing, uint64_t *ret_series_id, struct problem *problem)
{
    struct stream_place place;
    if (!data_place(request, status_missing, &place, problem))
        return false;
    bool downlink = query_flag(&request->query, "downlink");
    if (!(access_to_place(request, &place)->read.objects & (downlink ? ACCESS_DOWNLINK : ACCESS_DATA)))
        return request_missing(request, status_missing, problem);
    *ret_series_id = downlink ? place.downlink_series_id : place.series_id;
    return true;
}

static bool snapshot_open(const struct request *request, struct reading *reading, struct problem *problem)
{
    struct store_series series = {0};
    struct error error = {0};
    int r = store_snapshot_open(request->server->database->store, &reading->snapshot, &error);
    if (r == 0 && reading->series_id)
        r = store_snapshot_series(reading->snapshot, reading->series_id, &series, &error);
    reading->length = series.length;
    return r == 0 || request_failed(request, r, &error, problem);
}

static void reading_close(struct reading *reading)
{
    store_snapshot_close(reading->snapshot);
    reading->snapshot = NULL;
}

/* To be closed also on failure. A stream that was cut between the look-up and the snapshot has another
 * series, and its old one is empty: an empty one is looked up again. The catalog names the new series before
 * the old one is deleted. */
static bool reading_open(
    const struct request *request, int status_missing, struct reading *reading, struct problem *problem)
{
    uint64_t series_id;
    *reading = (struct reading){0};
    if (!find_series(request, status_missing, &reading->series_id, problem) ||
        !snapshot_open(request, reading, problem))
        return false;
    if (reading->series_id == 0 || reading->length > 0)
        return true;
    if (!find_series(request, status_missing, &series_id, problem))
        return false;
    if (series_id == reading->series_id)
        return true;
    reading_close(reading);
    reading->series_id = series_id;
    return snapshot_open(request, reading, problem);
}

static int index_of_time(
    const struct reading *reading, double time, uint64_t *ret_index, struct error *ret_error)
{
    *ret_index = 0;
    if (reading->length == 0)
        return 0;
    return store_snapshot_index_of_time(reading->snapshot, reading->series_id, time, ret_index, ret_error);
}

/* ---- q=length, q=time2index ---- */

static bool answer_length(struct request *request, struct problem *problem)
{
    struct reading reading;
    bool done = reading_open(request, 403, &reading, problem);
    reading_close(&reading);
    return done && answer_number(request, HTTP_TEXT, reading.length);
}

static bool answer_time_to_index(struct request *request, struct problem *problem)
{
    struct reading reading;
    struct error error = {0};
    const char *text = query_value(&request->query, "t");
    double time = 0;
    uint64_t index = 0;
    if (!parameter_time(text, &time))
        return problem_set(problem, strcasecmp(text, "nan") == 0 ? 400 : 403,
            "time2index requires an argument of \"t\" which is a decimal timestamp");
    bool done = reading_open(request, 404, &reading, problem);
    int r = done ? index_of_time(&reading, time, &index, &error) : 0;
    reading_close(&reading);
    if (r < 0)
        return request_failed(request, r, &error, problem);
    return done && answer_number(request, HTTP_JSON, index);
}

/* ---- ranges ---- */

static int resolve_times(const struct range *range, const struct reading *reading, uint64_t *ret_from,
    uint64_t *ret_to, struct error *ret_error)
{
    uint64_t from = 0, to = reading->length;
    int r = index_of_time(reading, range->t1, &from, ret_error);
    if (r == 0 && range->t2 > 0)
        r = index_of_time(reading, range->t2, &to, ret_error);
    if (r < 0)
        return r;
    if (to < from)
        to = from;
    if (range->limit > 0 && to - from > range->limit)
        to = from + range->limit;
    *ret_from = from;
    *ret_to = to;
    return 0;
}

/* The parameters of a read. */
struct selection {
    struct range range;
    struct script *script;  /* NULL: the points as they are */
    struct buckets buckets; /* of `every` */
    uint64_t points;        /* of `points`: 0, or downsample to so many */
    struct points_output output;
};

/* An error of the script is the client's, and told to it while nothing has been sent. */
static bool printing_failed(const struct request *request, const struct selection *selection, int r,
    const struct error *error, struct problem *problem)
{
    if (selection->script && r == -EINVAL)
        return problem_set(problem, 400, "%s", error->message);
    if (selection->buckets.unit != BUCKET_NONE && r == -ERANGE)
        return problem_set(problem, 400, "%s", error->message);
    if ((selection->script || selection->buckets.unit != BUCKET_NONE) && r == -E2BIG)
        return problem_set(problem, 413, "%s", error->message);
    if (r == -ENOMEM)
        return request_failed(request, r, error, problem);
    log_error("reading %s failed: %s", request->exchange->path, error->message);
    return problem_set(problem, 500, "The data cannot be read; the server's log says why");
}

static bool send_points(struct request *request, struct reading *reading, uint64_t from, uint64_t to,
    struct selection *selection, struct problem *problem)
{
    struct error error = {0};
    request->exchange->no_store = true;
    struct sink *sink =
        http_answer_open(request->exchange, 200, points_format_content(selection->output.text.format));
    (void)points_text_begin(sink, &selection->output.text);
    const struct series_range range = {reading->snapshot, reading->series_id, from, to};
    uint64_t limit = selection->range.by_index ? 0 : selection->range.limit;
    int r = 0;
    if (selection->buckets.unit != BUCKET_NONE)
        r = series_buckets_print(sink, &range, &selection->buckets, limit, &selection->output.text, &error);
    else if (selection->points)
        r = series_downsample_print(sink, &range, selection->points, &selection->output.text, &error);
    else
        r = series_print(sink, &range, selection->script, limit, &selection->output.text, &error);
    if (r == 0)
        r = points_text_end(sink, &selection->output.text);
    bool client_left = sink->failed;
    reading_close(reading); /* before the last bytes wait for the client */
    if (!http_answer_close(request->exchange, r == 0)) {
        if (r < 0 && !client_left)
            log_error("the answer to %s was cut off: %s", request->exchange->path, error.message);
        return true;
    }
    return r == 0 || printing_failed(request, selection, r, &error, problem);
}

/* The indices [*ret_from, *ret_to) of the range. The limit of a script or of buckets counts results. */
static bool resolve(const struct request *request, const struct selection *selection,
    const struct reading *reading, uint64_t *ret_from, uint64_t *ret_to, struct problem *problem)
{
    struct error error = {0};
    struct range range = selection->range;
    if (selection->script || selection->buckets.unit != BUCKET_NONE)
        range.limit = 0;
    if (range.by_index)
        return range_resolve(&range, reading->length, ret_from, ret_to) == 0 ||
               problem_set(problem, 403, "Invalid index range.");
    int r = resolve_times(&range, reading, ret_from, ret_to, &error);
    return r == 0 || request_failed(request, r, &error, problem);
}

static bool select_range(const struct request *request, struct selection *selection, struct problem *problem)
{
    struct error error = {0};
    const char *transform = query_value(&request->query, "transform");
    if (range_parse_query(&request->query, &selection->range, &error) < 0)
        return problem_set(problem, 400, "%s", error.message);
    bool senders = query_flag(&request->query, "downlink") || query_flag(&request->query, "senders");
    if (!buckets_parse(&request->query, &selection->buckets, problem))
        return false;
    if (*transform && selection->buckets.unit != BUCKET_NONE)
        return problem_set(problem, 400, "every and transform exclude each other");
    if (!downsample_parse(&request->query, &selection->points, problem))
        return false;
    if (selection->points && (*transform || selection->buckets.unit != BUCKET_NONE))
        return problem_set(problem, 400, "points excludes every and transform");
    return points_format_find(request, senders, &selection->output, problem) &&
           (!*transform ||
               data_transform_compile(request, transform, strlen(transform), &selection->script, problem));
}

static bool answer_range(struct request *request, struct problem *problem)
{
    struct reading reading = {0};
    struct selection selection = {0};
    uint64_t from = 0, to = 0;
    bool done = select_range(request, &selection, problem) && reading_open(request, 403, &reading, problem) &&
                resolve(request, &selection, &reading, &from, &to, problem) &&
                send_points(request, &reading, from, to, &selection, problem);
    reading_close(&reading);
    script_free(selection.script);
    buckets_free(&selection.buckets);
    points_output_close(&selection.output);
    return done;
}

bool data_get(struct request *request, struct problem *problem)
{
    const char *q = query_value(&request->query, "q");
    if (strcmp(q, "length") == 0)
        return answer_length(request, problem);
    if (strcmp(q, "time2index") == 0)
        return answer_time_to_index(request, problem);
    if (*q)
        return problem_set(problem, 400, "Unrecognized query command; known are length, time2index");
    return answer_range(request, problem);
}
