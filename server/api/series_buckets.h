/* A series by buckets of time: one datapoint for each bucket that has any, from the aggregates of blocks
 * where whole blocks lie in a bucket. */
#ifndef CONNECTORDB_SERIES_BUCKETS_H
#define CONNECTORDB_SERIES_BUCKETS_H

#include "problem.h"
#include "series_print.h"
#include "url.h"
#include "zone.h"

#include <stdbool.h>

enum bucket_unit {
    BUCKET_NONE,    /* no buckets are asked for */
    BUCKET_SECONDS, /* from local midnight on if they divide a day, else from 1970 on */
    BUCKET_DAYS,
    BUCKET_WEEKS, /* from Monday on */
    BUCKET_MONTHS,
};

/* Of the numbers in a bucket; count, first and last of all datapoints. */
enum bucket_function {
    BUCKET_MEAN,
    BUCKET_MIN,
    BUCKET_MAX,
    BUCKET_SUM,
    BUCKET_COUNT,
    BUCKET_FIRST,
    BUCKET_LAST,
};

enum { BUCKETS_MAX = 100000 };

struct buckets {
    enum bucket_unit unit;
    double seconds; /* BUCKET_SECONDS */
    enum bucket_function function;
    struct zone *zone; /* freed by buckets_free */
};

/* Reads every, fn and tz of a query. False: *problem is set. Free with buckets_free, also then. */
bool buckets_parse(const struct query *query, struct buckets *ret_buckets, struct problem *problem);
void buckets_free(struct buckets *buckets); /* accepts a zeroed one */

/* Prints {t: start of the bucket, d: result} for each bucket of the range, at most `limit` (0 = all). A
 * bucket without a number has no result, unless the function takes any datapoint. 0; -E2BIG: more than
 * BUCKETS_MAX are possible; -ENOMEM; -errno of the store and the sink. Blocks as both do. */
int series_buckets_print(struct sink *sink, const struct series_range *range, const struct buckets *buckets,
    uint64_t limit, struct points_text *text, struct error *ret_error);

#endif
