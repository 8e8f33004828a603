#include "series_buckets.h"

#include "range.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { DAY_S = 86400, WEEK_DAYS = 7 };

static const double SECONDS_MIN = 0.001, SECONDS_MAX = 1e10;
/* A calendar has days up to here, about a million years either way: beyond it a time is a mistake. */
static const double CALENDAR_MAX = 3e13;

/* ---- what is asked for ---- */

static bool parse_every(const char *text, struct buckets *buckets)
{
    static const struct {
        const char *name;
        enum bucket_unit unit;
        double seconds;
    } NAMES[] = {{"minute", BUCKET_SECONDS, 60}, {"hour", BUCKET_SECONDS, 3600}, {"day", BUCKET_DAYS, 0},
        {"week", BUCKET_WEEKS, 0}, {"month", BUCKET_MONTHS, 0}};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(text, NAMES[i].name) == 0) {
            buckets->unit = NAMES[i].unit;
            buckets->seconds = NAMES[i].seconds;
            return true;
        }
    }
    buckets->unit = BUCKET_SECONDS;
    return parameter_time(text, &buckets->seconds) && buckets->seconds >= SECONDS_MIN &&
           buckets->seconds <= SECONDS_MAX;
}

static bool parse_function(const char *text, enum bucket_function *ret_function)
{
    static const char *const NAMES[] = {[BUCKET_MEAN] = "mean",
        [BUCKET_MIN] = "min",
        [BUCKET_MAX] = "max",
        [BUCKET_SUM] = "sum",
        [BUCKET_COUNT] = "count",
        [BUCKET_FIRST] = "first",
        [BUCKET_LAST] = "last"};
    for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(text, NAMES[i]) == 0) {
            *ret_function = i;
            return true;
        }
    }
    return !*text; /* mean */
}

bool buckets_parse(const struct query *query, struct buckets *ret_buckets, struct problem *problem)
{
    struct error error = {0};
    const char *every = query_value(query, "every"), *zone = query_value(query, "tz");
    *ret_buckets = (struct buckets){0};
    if (!*every)
        return true;
    if (!parse_every(every, ret_buckets))
        return problem_set(problem, 400,
            "every must be a number of seconds from 0.001 on, or minute, hour, day, week, month");
    if (!parse_function(query_value(query, "fn"), &ret_buckets->function))
        return problem_set(problem, 400, "fn must be mean, min, max, sum, count, first or last");
    int r = zone_load(zone, &ret_buckets->zone, &error);
    return r == 0 || problem_set(problem, r == -EINVAL ? 400 : 503, "%s", error.message);
}

void buckets_free(struct buckets *buckets)
{
    zone_free(buckets->zone);
    *buckets = (struct buckets){0};
}

/* ---- where buckets begin and end ---- */

struct bucket {
    double start, end; /* [start, end) */
};

static int64_t midnight_of(const struct buckets *buckets, struct civil day, int days_later)
{
    return zone_midnight(buckets->zone, day.year, day.month, day.day + days_later);
}

/* Seconds that divide a day: buckets begin at each local midnight anew, whatever the clocks do that day. */
static struct bucket bucket_of_day(const struct buckets *buckets, double time, struct civil day)
{
    double midnight = (double)midnight_of(buckets, day, 0), next = (double)midnight_of(buckets, day, 1);
    double start = midnight + floor((time - midnight) / buckets->seconds) * buckets->seconds;
    double end = start + buckets->seconds;
    return (struct bucket){start, end < next ? end : next};
}

static struct bucket bucket_at(const struct buckets *buckets, double time)
{
    struct civil day = zone_civil(buckets->zone, (int64_t)floor(time));
    int since_monday = (day.day_of_week + WEEK_DAYS - 1) % WEEK_DAYS;
    switch (buckets->unit) {
    case BUCKET_DAYS:
        return (struct bucket){(double)midnight_of(buckets, day, 0), (double)midnight_of(buckets, day, 1)};
    case BUCKET_WEEKS:
        return (struct bucket){(double)midnight_of(buckets, day, -since_monday),
            (double)midnight_of(buckets, day, WEEK_DAYS - since_monday)};
    case BUCKET_MONTHS:
        return (struct bucket){(double)zone_midnight(buckets->zone, day.year, day.month, 1),
            (double)zone_midnight(buckets->zone, day.month == 12 ? day.year + 1 : day.year,
                day.month == 12 ? 1 : day.month + 1, 1)};
    default:
        break;
    }
    if (fmod(DAY_S, buckets->seconds) == 0)
        return bucket_of_day(buckets, time, day);
    double start = floor(time / buckets->seconds) * buckets->seconds;
    return (struct bucket){start, start + buckets->seconds};
}

/* ---- results ---- */

/* The point of that index: its time, and a copy of it if `copy` is set. */
static int read_point(const struct series_range *range, uint64_t index, double *ret_time, double bucket_time,
    struct batch *copy, struct error *ret_error)
{
    struct store_cursor *cursor;
    const struct batch *batch;
    int r = store_cursor_open(range->snapshot, range->series_id, index, index + 1, false, &cursor, ret_error);
    if (r < 0)
        return r;
    r = store_cursor_next(cursor, &batch, ret_error);
    if (r == 0 && (!batch || batch->count == 0))
        r = error_set(ret_error, EBADMSG, "datapoint %llu is missing", (unsigned long long)index);
    if (r == 0 && ret_time)
        *ret_time = batch_time(batch, 0);
    if (r == 0 && copy) {
        uint8_t scratch[9];
        size_t size;
        const uint8_t *value = batch_value(batch, 0, scratch, &size);
        r = batch_push_msgpack(copy, bucket_time, value, size);
        if (r < 0)
            (void)error_set(ret_error, -r, "out of memory for a result");
    }
    store_cursor_close(cursor);
    return r;
}

static double sum_of(const struct store_aggregate *aggregate)
{
    return aggregate->exact
               ? (double)((long double)aggregate->sum / (long double)POWERS_OF_TEN[aggregate->exponent])
               : aggregate->approximate_sum;
}

/* Adds the result of the points [from, to) to the batch, if they have one. */
static int add_result(const struct series_range *range, const struct buckets *buckets, double start,
    uint64_t from, uint64_t to, struct batch *results, struct error *ret_error)
{
    struct store_aggregate aggregate = {0};
    int r = 0;
    switch (buckets->function) {
    case BUCKET_COUNT:
        r = batch_push_integer(results, start, (int64_t)(to - from));
        return r < 0 ? error_set(ret_error, -r, "out of memory for a result") : 0;
    case BUCKET_FIRST:
        return read_point(range, from, NULL, start, results, ret_error);
    case BUCKET_LAST:
        return read_point(range, to - 1, NULL, start, results, ret_error);
    default:
        break;
    }
    r = store_snapshot_aggregate(range->snapshot, range->series_id, from, to, &aggregate, ret_error);
    if (r < 0 || aggregate.numbers == 0)
        return r;
    double value = buckets->function == BUCKET_MIN   ? aggregate.min
                   : buckets->function == BUCKET_MAX ? aggregate.max
                                                     : sum_of(&aggregate);
    if (buckets->function == BUCKET_MEAN)
        value /= (double)aggregate.numbers;
    r = batch_push_double(results, start, value);
    return r < 0 ? error_set(ret_error, -r, "out of memory for a result") : 0;
}

/* Whether all times are in the calendar, and there cannot be too many buckets: by the points, and by the time
 * from the first to the last. */
static int check_range(
    const struct series_range *range, const struct buckets *buckets, double first, struct error *ret_error)
{
    double last;
    uint64_t points = range->to - range->from;
    int r = read_point(range, range->to - 1, &last, 0, NULL, ret_error);
    double seconds = buckets->unit == BUCKET_SECONDS ? buckets->seconds : DAY_S;
    if (r == 0 && !(first >= -CALENDAR_MAX && last <= CALENDAR_MAX))
        return error_set(ret_error, ERANGE,
            "every= cannot place a datapoint at t = %g in a calendar: ask for times from %g to %g",
            first < -CALENDAR_MAX ? first : last, -CALENDAR_MAX, CALENDAR_MAX);
    if (r < 0 || points <= BUCKETS_MAX || (last - first) / seconds <= BUCKETS_MAX)
        return r;
    return error_set(ret_error, E2BIG,
        "The range may have more than %d buckets of %g seconds: ask for larger ones, or for a shorter range",
        BUCKETS_MAX, seconds);
}

int series_buckets_print(struct sink *sink, const struct series_range *range, const struct buckets *buckets,
    uint64_t limit, struct points_text *text, struct error *ret_error)
{
    enum { RESULTS_AT_ONCE = 1024 };
    struct batch results;
    uint64_t from = range->from;
    double time;
    int r = 0;
    batch_init(&results);
    if (from < range->to)
        r = read_point(range, from, &time, 0, NULL, ret_error);
    if (r == 0 && from < range->to)
        r = check_range(range, buckets, time, ret_error);
    while (r == 0 && from < range->to && (limit == 0 || text->printed + results.count < limit)) {
        struct bucket bucket = bucket_at(buckets, time);
        uint64_t to = 0;
        /* the points before the end: those up to the largest time below it */
        r = store_snapshot_index_of_time(
            range->snapshot, range->series_id, nextafter(bucket.end, -INFINITY), &to, ret_error);
        to = to < range->to ? to : range->to;
        to = to > from ? to : from + 1;
        if (r == 0)
            r = add_result(range, buckets, bucket.start, from, to, &results, ret_error);
        from = to;
        if (r == 0 && from < range->to)
            r = read_point(range, from, &time, 0, NULL, ret_error);
        if (r == 0 && results.count >= RESULTS_AT_ONCE) {
            r = points_text_print(sink, text, &results);
            batch_clear(&results);
        }
    }
    if (r == 0 && results.count > 0)
        r = points_text_print(sink, text, &results);
    batch_free(&results);
    return r;
}
