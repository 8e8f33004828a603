/* Tables of powers of ten, made by tools/generate-powers. */
#ifndef CONNECTORDB_POWERS_H
#define CONNECTORDB_POWERS_H

#include "numbers.h"

#include <stdint.h>

enum { POWER_MIN = -342, POWER_MAX = 324 };

/* The first 128 bits of 10^e, cut off (not rounded): 10^e = (high.low + less than 1 in the last place) * 2^x.
 * Exact for 0 <= e <= 55. */
struct power_bits {
    uint64_t high; /* its top bit is set */
    uint64_t low;
};
extern const struct power_bits POWER_BITS[POWER_MAX - POWER_MIN + 1];

/* n / 10^e == (n * magic) >> (64 + shift) for 1 <= e and n < 2^63. */
struct power_divisor {
    uint64_t magic;
    unsigned shift;
};
extern const struct power_divisor POWER_DIVISORS[DECIMAL_EXPONENT_MAX + 1];

__extension__ typedef unsigned __int128 uint128;

static inline uint64_t multiply_high(uint64_t a, uint64_t b)
{
    return (uint64_t)(((uint128)a * b) >> 64);
}

/* n / 10^exponent, exponent 0..DECIMAL_EXPONENT_MAX, n < 2^63. */
static inline uint64_t divide_by_power(uint64_t n, unsigned exponent)
{
    if (exponent == 0)
        return n;
    return multiply_high(n, POWER_DIVISORS[exponent].magic) >> POWER_DIVISORS[exponent].shift;
}

#endif
