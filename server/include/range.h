/* Which points a range by index or by time means, as the REST API takes it. Pure. */
#ifndef CONNECTORDB_RANGE_H
#define CONNECTORDB_RANGE_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

struct range {
    bool by_index;
    int64_t i1, i2; /* by_index */
    double t1, t2;  /* otherwise: t1 < time <= t2; t2 <= 0 = no end */
    uint64_t limit; /* 0 = none */
};

/* The parameters of those names; "" = absent. */
struct range_texts {
    const char *i1, *i2, *t1, *t2, *limit;
};

/* 0, or -EINVAL with the text for the client. */
int range_parse(const struct range_texts *texts, struct range *ret_range, struct error *ret_error);

/* Resolves an index range over a sequence of `length` points. 0, or -EDOM: "Invalid index range." */
int range_resolve(const struct range *range, uint64_t length, uint64_t *ret_from, uint64_t *ret_to);

/* Numbers as the parameters take them, whole text: decimal 64-bit integers with an optional sign; decimal
 * times, also inf. */
bool parameter_integer(const char *text, int64_t *ret_value);
bool parameter_unsigned(const char *text, uint64_t *ret_value);
bool parameter_time(const char *text, double *ret_value);

#endif
