#include "query_parts.h"

#include "data.h"
#include "data_transform.h"
#include "json_points.h"
#include "log.h"
#include "points_format.h"
#include "range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_BEFORE_START = 10 };

struct query_part {
    struct query_part *next;
    struct store_cursor *cursor; /* NULL: no points */
    struct script *script;
    struct script_run *run;
    uint64_t first_index;
    uint64_t limit, count; /* of results; limit 0 = none */
    struct batch view;
    struct merge *merge; /* else all of the above */
};

/* ---- JSON ---- */

bool stream_query_read(const json_t *object, struct stream_query *ret_query, struct problem *problem)
{
    *ret_query = (struct stream_query){.stream = "", .transform = ""};
    const struct member members[] = {
        {"stream", MEMBER_TEXT, &ret_query->stream},
        {"transform", MEMBER_TEXT, &ret_query->transform},
        {"i1", MEMBER_INTEGER, &ret_query->i1},
        {"i2", MEMBER_INTEGER, &ret_query->i2},
        {"limit", MEMBER_INTEGER, &ret_query->limit},
        {"t1", MEMBER_NUMBER, &ret_query->t1},
        {"t2", MEMBER_NUMBER, &ret_query->t2},
    };
    if (!json_is_object(object))
        return problem_set(problem, 400, "A query of a stream must be an object");
    return body_members(object, members, sizeof(members) / sizeof(members[0]), problem);
}

/* ---- one stream ---- */

static int next_stored(void *cursor, const struct batch **ret_batch, struct error *ret_error)
{
    *ret_batch = NULL;
    return cursor ? store_cursor_next(cursor, ret_batch, ret_error) : 0;
}

static int next_of_part(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct query_part *part = context;
    const struct batch *batch;
    *ret_batch = NULL;
    if (part->limit > 0 && part->count >= part->limit)
        return 0;
    int r = part->run ? script_run_next(part->run, &batch, ret_error)
                      : next_stored(part->cursor, &batch, ret_error);
    if (r < 0 || !batch)
        return r;
    uint64_t left = part->limit > 0 ? part->limit - part->count : batch->count;
    batch_slice(batch, 0, left < batch->count ? (uint32_t)left : batch->count, &part->view);
    part->count += part->view.count;
    *ret_batch = &part->view;
    return 0;
}

/* Splits "user/device/stream" or "user/device/stream/downlink" in place. */
static bool split_path(char *path, struct request *part, bool *ret_downlink, struct problem *problem)
{
    char *names[4] = {NULL};
    size_t count = 0;
    size_t length = strlen(path);
    if (length > 0 && path[length - 1] == '/') /* as in the path of a request */
        path[length - 1] = '\0';
    while (path && count < 4)
        names[count++] = strsep(&path, "/");
    *ret_downlink = count == 4;
    if (count == 4 && (path || strcmp(names[3], "downlink") != 0))
        return problem_set(problem, 403, "A stream has no part '%.40s', only downlink", names[3]);
    if (count < 3 || !name_valid(names[0]) || !name_valid(names[1]) || !name_valid(names[2]))
        return problem_set(problem, 403, "A path of a stream is needed: user/device/stream");
    part->user = names[0];
    part->device = names[1];
    part->stream = names[2];
    return true;
}

static bool find_series(
    const struct query_parts *parts, const char *path, uint64_t *ret_series_id, struct problem *problem)
{
    char copy[PATH_BYTES_MAX + sizeof("/downlink")];
    struct request part = *parts->request;
    struct stream_place place;
    bool downlink = false;
    if (strlen(path) >= sizeof(copy))
        return problem_set(problem, 403, "A path of a stream is needed: user/device/stream");
    strcpy(copy, path);
    if (!split_path(copy, &part, &downlink, problem) || !data_place(&part, 403, &place, problem))
        return false;
    if (!(access_to_place(&part, &place)->read.objects & (downlink ? ACCESS_DOWNLINK : ACCESS_DATA)))
        return request_missing(&part, 403, problem);
    *ret_series_id = downlink ? place.downlink_series_id : place.series_id;
    return true;
}

static int index_of_time(const struct query_parts *parts, uint64_t series_id, double time,
    uint64_t *ret_index, struct error *ret_error)
{
    return store_snapshot_index_of_time(parts->snapshot, series_id, time, ret_index, ret_error);
}

/* The indices of the range. */
static bool find_range(const struct query_parts *parts, uint64_t series_id, const struct stream_query *query,
    const struct query_start *start, uint64_t *ret_from, uint64_t *ret_to, struct problem *problem)
{
    struct store_series series = {0};
    struct error error = {0};
    bool by_time = query->t1 != 0 || query->t2 != 0 || query->limit != 0;
    bool by_index = query->i1 != 0 || query->i2 != 0;
    if (by_time && by_index)
        return problem_set(problem, 403, "Only one query method (index or time) can be used at a time");
    int r = store_snapshot_series(parts->snapshot, series_id, &series, &error);
    *ret_from = 0;
    *ret_to = series.length;
    if (r == 0 && query->last > 0)
        *ret_from = series.length > query->last ? series.length - query->last : 0;
    else if (r == 0 && by_index) {
        const struct range range = {.by_index = true, .i1 = query->i1, .i2 = query->i2};
        if (range_resolve(&range, series.length, ret_from, ret_to) < 0)
            return problem_set(problem, 403, "Invalid index range.");
    } else if (r == 0 && !by_time && start && start->t1 != 0) {
        r = index_of_time(parts, series_id, start->t1, ret_from, &error);
        *ret_from -= *ret_from < POINTS_BEFORE_START ? *ret_from : POINTS_BEFORE_START;
    } else if (r == 0 && by_time) {
        r = index_of_time(parts, series_id, query->t1, ret_from, &error);
        if (r == 0 && query->t2 > 0)
            r = index_of_time(parts, series_id, query->t2, ret_to, &error);
    }
    return r == 0 || request_failed(parts->request, r, &error, problem);
}

static struct query_part *add_part(struct query_parts *parts, struct problem *problem)
{
    struct query_part *part = calloc(1, sizeof(*part));
    if (!part) {
        (void)problem_later(problem, 503, "The server has no memory left for the query, try again");
        return NULL;
    }
    part->next = parts->parts;
    parts->parts = part;
    return part;
}

static bool open_part(struct query_parts *parts, struct query_part *part, uint64_t series_id,
    const struct stream_query *query, const struct query_start *start, struct problem *problem)
{
    struct error error = {0};
    uint64_t from = 0, to = 0;
    part->limit = query->limit > 0 ? (uint64_t)query->limit : 0;
    if (*query->transform && !data_transform_compile(parts->request, query->transform,
                                 strlen(query->transform), &part->script, problem))
        return false;
    if (series_id != 0 && !find_range(parts, series_id, query, start, &from, &to, problem))
        return false;
    int r = 0;
    part->first_index = from;
    if (from < to)
        r = store_cursor_open(parts->snapshot, series_id, from, to, false, &part->cursor, &error);
    if (r == 0 && part->script && script_run_open(part->script, next_stored, part->cursor, &part->run) < 0)
        r = error_set(&error, ENOMEM, "out of memory for a script");
    return r == 0 || request_failed(parts->request, r, &error, problem);
}

bool query_parts_stream(struct query_parts *parts, const struct stream_query *query,
    const struct query_start *start, struct sequence *ret_sequence, struct problem *problem)
{
    struct error error = {0};
    uint64_t series_id = 0;
    if (++parts->stream_count > QUERY_STREAMS_MAX)
        return problem_set(problem, 413, "A query can read at most %d streams", QUERY_STREAMS_MAX);
    if (!find_series(parts, query->stream, &series_id, problem))
        return false;
    if (!parts->snapshot) {
        int r = store_snapshot_open(parts->request->server->database->store, &parts->snapshot, &error);
        if (r < 0)
            return request_failed(parts->request, r, &error, problem);
    }
    struct query_part *part = add_part(parts, problem);
    if (!part || !open_part(parts, part, series_id, query, start, problem))
        return false;
    *ret_sequence = (struct sequence){next_of_part, part};
    return true;
}

bool query_parts_merge(struct query_parts *parts, const json_t *array, const struct query_start *start,
    struct sequence *ret_sequence, struct problem *problem)
{
    struct sequence sequences[MERGE_PARTS_MAX];
    size_t count = json_array_size(array);
    if (count > MERGE_PARTS_MAX)
        return problem_set(problem, 403, "Merging more than %d streams is disabled.", MERGE_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct stream_query query;
        if (!stream_query_read(json_array_get(array, i), &query, problem) ||
            !query_parts_stream(parts, &query, start, &sequences[i], problem))
            return false;
    }
    struct query_part *part = add_part(parts, problem);
    if (!part)
        return false;
    if (merge_open(sequences, count, &part->merge) < 0)
        return problem_later(problem, 503, "The server has no memory left for the query, try again");
    *ret_sequence = (struct sequence){merge_next, part->merge};
    return true;
}

uint64_t query_parts_first_index(const struct query_parts *parts)
{
    return parts->parts ? parts->parts->first_index : 0;
}

void query_parts_close(struct query_parts *parts)
{
    while (parts->parts) {
        struct query_part *part = parts->parts;
        parts->parts = part->next;
        merge_close(part->merge);
        script_run_close(part->run);
        script_free(part->script);
        store_cursor_close(part->cursor);
        free(part);
    }
    store_snapshot_close(parts->snapshot);
    parts->snapshot = NULL;
}

/* ---- the answer ---- */

/* One datapoint at time 0 without its time. */
static int print_without_time(struct sink *sink, const struct batch *batch, uint32_t i, bool first)
{
    static const char WITH[] = "{\"t\":0,";
    struct batch point;
    struct sink text;
    int r = sink_memory_init(&text, SIZE_MAX / 2);
    if (r < 0)
        return r;
    batch_slice(batch, i, 1, &point);
    r = json_points_print(&text, &point, true);
    size_t skipped = sizeof(WITH) - 1;
    if (r == 0 && (text.used < skipped || memcmp(text.buffer, WITH, skipped) != 0))
        skipped = 1;
    if (r == 0)
        r = sink_write(sink, first ? "{" : ",{", first ? 1 : 2);
    if (r == 0)
        r = sink_write(sink, text.buffer + skipped, text.used - skipped);
    sink_memory_free(&text);
    return r;
}

static int print_batch(struct sink *sink, const struct batch *batch, bool first, bool without_zero_times)
{
    uint32_t from = 0;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < batch->count; i++) {
        struct batch part;
        bool last = i + 1 == batch->count, zero = without_zero_times && batch_time(batch, i) == 0;
        if (zero && i > from) {
            batch_slice(batch, from, i - from, &part);
            r = json_points_print(sink, &part, first && from == 0);
            from = i;
        }
        if (r == 0 && zero) {
            r = print_without_time(sink, batch, i, first && i == 0);
            from = i + 1;
        } else if (r == 0 && last) {
            batch_slice(batch, from, batch->count - from, &part);
            r = json_points_print(sink, &part, first && from == 0);
        }
    }
    return r;
}

static int print_all(struct sink *sink, struct sequence sequence, struct points_text *text,
    bool without_zero_times, struct error *ret_error)
{
    const struct batch *batch;
    bool first = true;
    int r = points_text_begin(sink, text);
    while (r == 0 && (r = sequence.next(sequence.context, &batch, ret_error)) == 0 && batch &&
           batch->count > 0) {
        r = text->format == POINTS_JSON ? print_batch(sink, batch, first, without_zero_times)
                                        : points_text_print(sink, text, batch);
        first = false;
    }
    return r == 0 ? points_text_end(sink, text) : r;
}

bool query_answered(struct request *request, int r, const struct error *error, struct problem *problem)
{
    bool client_left = request->exchange->sink.failed;
    if (!http_answer_close(request->exchange, r == 0)) {
        if (r < 0 && !client_left)
            log_error("the answer to %s was cut off: %s", request->exchange->path, error->message);
        return true;
    }
    if (r == 0)
        return true;
    if (r == -EINVAL || r == -E2BIG)
        return problem_set(problem, r == -EINVAL ? 400 : 413, "%s", error->message);
    return request_failed(request, r, error, problem);
}

bool query_answer(struct request *request, struct sequence sequence, const struct query_columns *columns,
    bool without_zero_times, struct problem *problem)
{
    struct error error = {0};
    struct points_output output = {0};
    bool done = points_format_find(request, false, &output, problem);
    if (done) {
        struct points_text *text = &output.text;
        if (text->format == POINTS_CSV && text->column_count == 0 && columns) {
            text->columns = columns->names;
            text->column_count = columns->count;
        }
        request->exchange->no_store = true;
        struct sink *sink = http_answer_open(request->exchange, 200, points_format_content(text->format));
        int r = print_all(sink, sequence, text, without_zero_times, &error);
        done = query_answered(request, r, &error, problem);
    }
    points_output_close(&output);
    return done;
}
