#include "series_downsample.h"

#include "range.h"

#include <errno.h>
#include <math.h>

enum { KEPT = 4 }; /* of a bucket */

bool downsample_parse(const struct query *query, uint64_t *ret_points, struct problem *problem)
{
    const char *text = query_value(query, "points");
    *ret_points = 0;
    return !*text ||
           (parameter_unsigned(text, ret_points) && *ret_points >= DOWNSAMPLE_POINTS_MIN &&
               *ret_points <= DOWNSAMPLE_POINTS_MAX) ||
           problem_set(problem, 400, "points must be a whole number from %d to %d", DOWNSAMPLE_POINTS_MIN,
               DOWNSAMPLE_POINTS_MAX);
}

static int time_of(
    const struct series_range *range, uint64_t index, double *ret_time, struct error *ret_error)
{
    struct store_cursor *cursor;
    const struct batch *batch;
    int r = store_cursor_open(range->snapshot, range->series_id, index, index + 1, false, &cursor, ret_error);
    if (r < 0)
        return r;
    r = store_cursor_next(cursor, &batch, ret_error);
    if (r == 0 && (!batch || batch->count == 0))
        r = error_set(ret_error, EBADMSG, "datapoint %llu is missing", (unsigned long long)index);
    if (r == 0)
        *ret_time = batch_time(batch, 0);
    store_cursor_close(cursor);
    return r;
}

/* Inserts an index into the sorted ones, unless it is there. */
static void keep(uint64_t kept[KEPT], unsigned *count, uint64_t index)
{
    unsigned at = *count;
    for (unsigned i = 0; i < *count; i++) {
        if (kept[i] == index)
            return;
    }
    for (; at > 0 && kept[at - 1] > index; at--)
        kept[at] = kept[at - 1];
    kept[at] = index;
    ++*count;
}

/* Points to be printed: neighbours are collected, so that one cursor reads the last point of a bucket and the
 * first of the next. */
struct output {
    struct sink *sink;
    struct points_text *text;
    struct series_range waiting;
};

static int flush(struct output *output, struct error *ret_error)
{
    if (output->waiting.from == output->waiting.to)
        return 0;
    int r = series_print(output->sink, &output->waiting, NULL, 0, output->text, ret_error);
    output->waiting.from = output->waiting.to;
    return r;
}

/* Prints points [from, to), which are behind all that was printed. */
static int print(struct output *output, uint64_t from, uint64_t to, struct error *ret_error)
{
    int r = 0;
    if (from != output->waiting.to) {
        r = flush(output, ret_error);
        output->waiting.from = from;
    }
    output->waiting.to = to;
    return r;
}

static int print_bucket(struct output *output, uint64_t from, uint64_t to, struct error *ret_error)
{
    const struct series_range *range = &output->waiting;
    struct store_extremes extremes = {0};
    uint64_t kept[KEPT];
    unsigned count = 0;
    if (to - from <= KEPT)
        return print(output, from, to, ret_error);
    int r = store_snapshot_extremes(range->snapshot, range->series_id, from, to, &extremes, ret_error);
    keep(kept, &count, from);
    keep(kept, &count, to - 1);
    if (r == 0 && extremes.numbers > 0) {
        keep(kept, &count, extremes.min_index);
        keep(kept, &count, extremes.max_index);
    }
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = print(output, kept[i], kept[i] + 1, ret_error);
    return r;
}

int series_downsample_print(struct sink *sink, const struct series_range *range, uint64_t points,
    struct points_text *text, struct error *ret_error)
{
    struct output output = {sink, text, {range->snapshot, range->series_id, range->from, range->from}};
    uint64_t buckets = points / KEPT, from = range->from, to;
    double first, last;
    if (range->to - range->from <= points)
        return series_print(sink, range, NULL, 0, text, ret_error);
    int r = time_of(range, range->from, &first, ret_error);
    if (r == 0)
        r = time_of(range, range->to - 1, &last, ret_error);
    for (uint64_t i = 1; r == 0 && i <= buckets; i++) {
        /* the points before the end of bucket i; halves keep the difference of any two times finite */
        double end = first + (last / 2 - first / 2) * ((double)i / (double)buckets) * 2;
        to = range->to;
        if (i < buckets)
            r = store_snapshot_index_of_time(
                range->snapshot, range->series_id, nextafter(end, -INFINITY), &to, ret_error);
        to = to < range->to ? to : range->to;
        if (r == 0 && to > from) {
            r = print_bucket(&output, from, to, ret_error);
            from = to;
        }
    }
    return r == 0 ? flush(&output, ret_error) : r;
}
