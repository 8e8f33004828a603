/* Downsampling for plots: at most N datapoints of a range that draw the same line. Per bucket of time the
 * first, the smallest, the largest and the last datapoint are kept: M4 (Jugel, Jerzak, Hackenbroich, Markl:
 * "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014). */
#ifndef CONNECTORDB_SERIES_DOWNSAMPLE_H
#define CONNECTORDB_SERIES_DOWNSAMPLE_H

#include "problem.h"
#include "series_print.h"
#include "url.h"

#include <stdbool.h>
#include <stdint.h>

enum { DOWNSAMPLE_POINTS_MIN = 4, DOWNSAMPLE_POINTS_MAX = 100000 };

/* Reads `points` of a query; *ret_points is 0 if it is missing. False: *problem is set. */
bool downsample_parse(const struct query *query, uint64_t *ret_points, struct problem *problem);

/* Prints at most `points` datapoints of the range, unchanged and in their order; all of them if they are no
 * more. Of a bucket without numbers only the first and the last are printed. Reads the aggregates of whole
 * blocks, and decodes the blocks that hold what is printed. 0; -ENOMEM; -errno of the store and the sink.
 * Blocks as both do. */
int series_downsample_print(struct sink *sink, const struct series_range *range, uint64_t points,
    struct points_text *text, struct error *ret_error);

#endif
