/* Growing a lane by numbers of any kind. The caller owns the memory: words has room for one more. */
#ifndef CONNECTORDB_LANE_INTERNAL_H
#define CONNECTORDB_LANE_INTERNAL_H

#include "lane.h"
#include "number.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the number after the first `count` values, changing kind and exponent as needed. false, with the lane
 * unchanged: some value, this one or one that is there, would lose digits (an integer beyond 2^53 beside a number
 * that is none). */
bool lane_push(struct lane *lane, uint32_t count, const struct number *number);

/* Appends a double as a double; for times, where an integer beyond 2^53 is rounded. */
void lane_push_rounded(struct lane *lane, uint32_t count, double value);

/* Value i as a number. */
static inline void lane_number(const struct lane *lane, uint32_t i, struct number *ret_number)
{
    if (lane->kind == LANE_DECIMAL)
        *ret_number = (struct number){.kind = NUMBER_DECIMAL, .exponent = lane->exponent,
            .integer = lane->integers[i]};
    else
        *ret_number = (struct number){.kind = NUMBER_DOUBLE, .real = lane->doubles[i]};
}

#endif
