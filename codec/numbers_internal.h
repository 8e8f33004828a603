/* Appending numbers of any kind to a run of numbers. The caller owns the memory: u64s has room for one
 * more. */
#ifndef CONNECTORDB_NUMBERS_INTERNAL_H
#define CONNECTORDB_NUMBERS_INTERNAL_H

#include "numbers.h"
#include "number.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the number after the first `count` values, changing kind and exponent as needed. false, with the
 * run unchanged: some value, this one or one that is there, would lose digits (an integer beyond 2^53 beside
 * a number that is none). */
bool numbers_push(struct numbers *numbers, uint32_t count, const struct number *number);

/* Appends a double as a double; for times, where an integer beyond 2^53 is rounded. */
void numbers_push_rounded(struct numbers *numbers, uint32_t count, double value);

/* Value i as a number. */
static inline void numbers_get(const struct numbers *numbers, uint32_t i, struct number *ret_number)
{
    if (numbers->kind == NUMBERS_AS_DECIMALS)
        *ret_number = (struct number){
            .kind = NUMBER_DECIMAL, .exponent = numbers->exponent, .integer = numbers->integers[i]};
    else
        *ret_number = (struct number){.kind = NUMBER_DOUBLE, .real = numbers->doubles[i]};
}

#endif
