/* A run of numbers, 8 bytes each: the representation that they keep from JSON text to disk and back, without
 * an allocation or a floating-point operation per number.
 *
 * NUMBERS_AS_DECIMALS  value i is integers[i] / 10^exponent, exactly the decimal that was written.
 *     exponent 0: any int64. exponent 1..DECIMAL_EXPONENT_MAX: |integers[i]| <= DECIMAL_INTEGER_MAX, so that
 *     (double)integers[i] / 10^exponent is the correctly rounded double (both operands are exact) and the
 *     digits of the integer without trailing zeros are the shortest text that reads back to it (two such
 *     decimals differ by more than one ulp). -0 is not a decimal.
 * NUMBERS_AS_DOUBLES   value i is doubles[i], any finite double, bit for bit.
 *
 * 5 and 5.0 are the same value. An integer beyond 2^53 that no double represents keeps its digits only as a
 * decimal of exponent 0 or, in a batch of mixed values, as a msgpack value. */
#ifndef CONNECTORDB_NUMBERS_H
#define CONNECTORDB_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

enum numbers_kind {
    NUMBERS_AS_DECIMALS = 1,
    NUMBERS_AS_DOUBLES = 2,
};

enum { DECIMAL_EXPONENT_MAX = 18 };
#define DECIMAL_INTEGER_MAX ((INT64_C(1) << 52) - 1)

struct numbers {
    enum numbers_kind kind;
    uint8_t exponent; /* NUMBERS_AS_DECIMALS only, else 0 */
    union {
        int64_t *integers;
        double *doubles;
        uint64_t *u64s; /* either of them, as stored */
    };
};

/* 10^exponent for 0..22, all exact. */
extern const double POWERS_OF_TEN[23];
/* 10^exponent for 0..19. */
extern const uint64_t INTEGER_POWERS_OF_TEN[20];

/* Value i as a double (correctly rounded; an integer beyond 2^53 rounds to nearest even). */
static inline double numbers_double(const struct numbers *numbers, uint32_t i)
{
    if (numbers->kind == NUMBERS_AS_DOUBLES)
        return numbers->doubles[i];
    return (double)numbers->integers[i] / POWERS_OF_TEN[numbers->exponent];
}

/* The integer n with n / 10^exponent == value bit for bit and |n| <= DECIMAL_INTEGER_MAX; false when there is
 * none (also for -0, NaN and infinities). */
bool decimal_from_double(double value, uint8_t exponent, int64_t *ret_integer);

/* The smallest exponent for which decimal_from_double succeeds; -1 when none up to DECIMAL_EXPONENT_MAX
 * does. */
int decimal_exponent(double value);

#endif
