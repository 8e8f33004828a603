/* A factor that all u64s of a run have in common, such as 300 in times at five-minute steps. */
#include "columns_plan.h"

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Division by one factor, exact, as a shift and a multiplication modulo 2^64. */
struct exact_division {
    unsigned shift;
    uint64_t inverse; /* of the odd part */
    uint64_t limit;   /* a product above this: there was a rest */
};

static struct exact_division exact_division(uint64_t factor)
{
    struct exact_division division = {.shift = (unsigned)__builtin_ctzll(factor)};
    uint64_t odd = factor >> division.shift, inverse = odd; /* right in 3 bits, doubled by each step */
    for (int step = 0; step < 5; step++)
        inverse *= 2 - odd * inverse;
    division.inverse = inverse;
    division.limit = UINT64_MAX / odd;
    return division;
}

bool factor_out(const uint64_t *u64s, uint32_t count, uint64_t base, uint64_t *scaled, uint64_t *ret_factor)
{
    uint64_t factor = 0;
    for (uint32_t i = 0; i < SAMPLE_POINTS && factor != 1; i++)
        factor = greatest_common_divisor(u64s[(uint64_t)i * count / SAMPLE_POINTS] - base, factor);
    for (uint32_t i = 0; i < count && factor == 0; i++)
        factor = u64s[i] - base;
    if (factor <= 1)
        return false;
    struct exact_division division = exact_division(factor);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t distance = u64s[i] - base;
        scaled[i] = (distance >> division.shift) * division.inverse;
        if (scaled[i] > division.limit || (distance & bits_mask(division.shift)) != 0) {
            factor = greatest_common_divisor(factor, distance);
            if (factor == 1)
                return false;
            division = exact_division(factor);
            i = UINT32_MAX; /* again from the start; happens at most log2(factor) times */
        }
    }
    *ret_factor = factor;
    return true;
}
