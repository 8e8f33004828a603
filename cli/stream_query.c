#include "stream_query.h"

#include "script.h"
#include "series_print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const char *text)
{
    return text ? text : "";
}

int stream_query_range(const struct stream_query *query, struct range *ret_range, struct error *ret_error)
{
    bool all = !query->i1 && !query->i2 && !query->t1 && !query->t2 && !query->limit;
    bool only_limit = query->limit && !query->i1 && !query->i2 && !query->t1 && !query->t2;
    const struct range_texts texts = {
        .i1 = all ? "0" : text_of(query->i1),
        .i2 = text_of(query->i2),
        .t1 = only_limit ? "-inf" : text_of(query->t1),
        .t2 = text_of(query->t2),
        .limit = text_of(query->limit),
    };
    return range_parse(&texts, ret_range, ret_error);
}

static int find_series(struct database *database, const struct stream_query *query, uint64_t *ret_series_id,
    struct error *ret_error)
{
    struct stream_place place;
    char path[PATH_BYTES_MAX + 1];
    char *at = path, *user, *device, *stream;
    if (strlen(query->path) > PATH_BYTES_MAX)
        return error_set(ret_error, EINVAL, "%.100s...: the path is too long", query->path);
    memcpy(path, query->path, strlen(query->path) + 1);
    user = strsep(&at, "/");
    device = strsep(&at, "/");
    stream = at;
    if (!stream || strchr(stream, '/'))
        return error_set(ret_error, EINVAL, "'%s' is not the path user/device/stream", query->path);
    int r = catalog_stream_place(database->catalog, user, device, stream, &place, ret_error);
    if (r == -ENOENT)
        return error_set(ret_error, ENOENT, "there is no stream %s", query->path);
    *ret_series_id = query->downlink ? place.downlink_series_id : place.series_id;
    return r;
}

/* The indices [from, to) of the range. A limit is one of results when there is a script. */
static int resolve(const struct range *range, bool script, uint64_t length, struct series_range *series,
    struct error *ret_error)
{
    series->from = 0;
    series->to = length;
    if (range->by_index)
        return range_resolve(range, length, &series->from, &series->to) < 0
                   ? error_set(ret_error, EINVAL,
                         "the stream has %llu datapoints: i1 and i2 are no range of it",
                         (unsigned long long)length)
                   : 0;
    if (length == 0)
        return 0;
    int r = store_snapshot_index_of_time(
        series->snapshot, series->series_id, range->t1, &series->from, ret_error);
    if (r == 0 && range->t2 > 0)
        r = store_snapshot_index_of_time(
            series->snapshot, series->series_id, range->t2, &series->to, ret_error);
    if (series->to < series->from)
        series->to = series->from;
    if (!script && range->limit > 0 && series->to - series->from > range->limit)
        series->to = series->from + range->limit;
    return r;
}

static int print_series(const struct series_range *series, const struct script *script, uint64_t limit,
    struct points_text *text, struct sink *sink, struct error *ret_error)
{
    (void)points_text_begin(sink, text);
    int r = series_print(sink, series, script, limit, text, ret_error);
    if (r == 0)
        (void)points_text_end(sink, text);
    if (r == 0 && text->format == POINTS_JSON)
        (void)sink_write(sink, "\n", 1);
    if (r == 0)
        r = sink_flush(sink);
    return r < 0 && sink->failed ? error_set(ret_error, sink->error.code, "%s", sink->error.message) : r;
}

int stream_query_print(
    struct database *database, const struct stream_query *query, struct sink *sink, struct error *ret_error)
{
    struct series_range series = {0};
    struct store_series state = {0};
    struct script *script = NULL;
    struct points_output output = {0};
    struct range range;
    int r = stream_query_range(query, &range, ret_error);
    if (r == 0)
        r = points_output_open(query->format, query->downlink, &query->output, &output, ret_error);
    if (r == 0 && query->transform)
        r = script_compile(query->transform, strlen(query->transform), NULL, &script, ret_error);
    if (r == 0)
        r = find_series(database, query, &series.series_id, ret_error);
    if (r == 0)
        r = store_snapshot_open(database->store, &series.snapshot, ret_error);
    if (r == 0 && series.series_id) /* a stream that never had a downlink has no series for it */
        r = store_snapshot_series(series.snapshot, series.series_id, &state, ret_error);
    if (r == 0)
        r = resolve(&range, script, state.length, &series, ret_error);
    if (r == 0)
        r = print_series(&series, script, range.by_index ? 0 : range.limit, &output.text, sink, ret_error);
    store_snapshot_close(series.snapshot);
    script_free(script);
    points_output_close(&output);
    return r;
}
