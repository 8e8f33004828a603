/* A lane: a run of numbers, 8 bytes each, in the form in which they travel from JSON text to disk and back
 * without an allocation or a float operation per point.
 *
 * LANE_DECIMAL  value i is integers[i] / 10^exponent, exactly the decimal that was written.
 *               exponent 0: any int64. exponent 1..LANE_EXPONENT_MAX: |integers[i]| <= LANE_DECIMAL_MAX, so that
 *               (double)integers[i] / 10^exponent is the correctly rounded double (both operands are exact) and
 *               the digits of the integer, trailing zeros cut, are the shortest text that reads back to it
 *               (two such decimals differ by more than one ulp).
 *               -0 has no place in it.
 * LANE_DOUBLE   value i is doubles[i], any finite double, bit for bit.
 *
 * One number, one meaning: 5 and 5.0 are the same value. An integer over 2^53 that no double holds keeps its
 * digits only in a decimal lane of exponent 0 or, beside other kinds, as a msgpack value. */
#ifndef CONNECTORDB_LANE_H
#define CONNECTORDB_LANE_H

#include <stdbool.h>
#include <stdint.h>

enum lane_kind {
    LANE_DECIMAL = 1,
    LANE_DOUBLE = 2,
};

enum { LANE_EXPONENT_MAX = 18 };
#define LANE_DECIMAL_MAX ((INT64_C(1) << 52) - 1)

struct lane {
    enum lane_kind kind;
    uint8_t exponent; /* LANE_DECIMAL only, else 0 */
    union {
        int64_t *integers;
        double *doubles;
        uint64_t *words; /* either of them, as stored */
    };
};

/* 10^exponent for 0..22, all exact. */
extern const double POWERS_OF_TEN[23];
/* 10^exponent for 0..19. */
extern const uint64_t INTEGER_POWERS_OF_TEN[20];

/* Value i as a double (correctly rounded; an integer beyond 2^53 rounds to nearest even). */
static inline double lane_double(const struct lane *lane, uint32_t i)
{
    if (lane->kind == LANE_DOUBLE)
        return lane->doubles[i];
    return (double)lane->integers[i] / POWERS_OF_TEN[lane->exponent];
}

/* The integer n with n / 10^exponent == value bit for bit and |n| <= LANE_DECIMAL_MAX; false when there is none
 * (also for -0, NaN and infinities). */
bool decimal_from_double(double value, uint8_t exponent, int64_t *ret_integer);

/* The smallest exponent for which decimal_from_double succeeds; -1 when none up to LANE_EXPONENT_MAX does. */
int decimal_exponent(double value);

#endif
