/* Questions of scripts about a range that the index of the store answers: the first and the last point, how
 * many there are, their extremes, and the sum and mean of integers. */
#ifndef CONNECTORDB_SERIES_AGGREGATE_H
#define CONNECTORDB_SERIES_AGGREGATE_H

#include "series_print.h"

struct series_aggregate {
    bool found, integral;
    double value;
};

/* Narrows the range to the points of which the script gives the same, bit for bit, as of all; the range stays
 * as it is when that is not known from the index. With ret_known->found the result is that value at the time
 * of the one point in the range, and the script need not be run. 0 or -errno of the store. */
int series_aggregate(struct series_range *range, enum script_question question,
    struct series_aggregate *ret_known, struct error *ret_error);

#endif
