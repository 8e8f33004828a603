/* The last resort of number parsing: text against the midpoint of two doubles, in integers of any length.
 * Reached only by numbers of more than 19 digits that lie very near to such a midpoint. */
#include "number_internal.h"

#include "bytes.h"
#include "check.h"
#include "powers.h"

#include <math.h>

enum {
    /* The exact midpoint of two doubles has at most 767 digits; what comes after that many only matters as
     * "and something more". */
    EXACT_DIGITS_MAX = 770,
    /* The largest integer here: 770 digits (2558 bits) times 2^1076, or 54 bits times 10^(770 + 324) (3634
       bits) */
    LARGE_WORDS_MAX = 64,
};

struct large {
    uint64_t words[LARGE_WORDS_MAX]; /* lowest first */
    unsigned count;
};

static void large_multiply_add(struct large *large, uint64_t factor, uint64_t addend)
{
    uint128 carry = addend;
    for (unsigned i = 0; i < large->count; i++) {
        carry += (uint128)large->words[i] * factor;
        large->words[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry) {
        CHECK(large->count < LARGE_WORDS_MAX);
        large->words[large->count++] = (uint64_t)carry;
    }
}

static void large_shift_left(struct large *large, unsigned bits)
{
    for (; bits >= 32; bits -= 32)
        large_multiply_add(large, UINT64_C(1) << 32, 0);
    large_multiply_add(large, UINT64_C(1) << bits, 0);
}

static void large_scale_ten(struct large *large, int64_t exponent)
{
    for (; exponent >= 19; exponent -= 19)
        large_multiply_add(large, UINT64_C(10000000000000000000), 0);
    for (; exponent > 0; exponent--)
        large_multiply_add(large, 10, 0);
}

static int large_compare(const struct large *a, const struct large *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (unsigned i = a->count; i-- > 0;) {
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i] ? -1 : 1;
    }
    return 0;
}

/* Reads the digits, at most EXACT_DIGITS_MAX of them, and one more 1 for whatever follows; *exponent becomes
 * that of the last digit taken. */
static void large_read(struct large *large, const char *p, const char *end, int64_t *exponent)
{
    unsigned count = 0;
    for (; p < end && count < EXACT_DIGITS_MAX; p++) {
        if (*p == '.')
            continue;
        large_multiply_add(large, 10, (uint64_t)(*p - '0'));
        count++;
    }
    int64_t dropped = 0;
    for (; p < end; p++)
        dropped += *p != '.';
    *exponent += dropped;
    if (dropped > 0) { /* the last digit is not 0, so there is more */
        large_multiply_add(large, 10, 1);
        *exponent -= 1;
    }
}

double number_choose(const char *digits, const char *end, int64_t exponent, double low, double high)
{
    uint64_t bits = double_bits(low);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int binary = (int)(bits >> 52);
    if (binary == 0)
        binary = 1;
    else
        fraction |= UINT64_C(1) << 52;

    /* midpoint = (2 * fraction + 1) * 2^(binary - 1076); the digits stand for an integer * 10^exponent */
    struct large text = {.count = 0};
    struct large midpoint = {.words = {2 * fraction + 1}, .count = 1};
    large_read(&text, digits, end, &exponent);
    if (exponent >= 0)
        large_scale_ten(&text, exponent);
    else
        large_scale_ten(&midpoint, -exponent);
    if (binary >= 1076)
        large_shift_left(&midpoint, (unsigned)(binary - 1076));
    else
        large_shift_left(&text, (unsigned)(1076 - binary));
    int order = large_compare(&text, &midpoint);
    if (order == 0)
        return (bits & 1) ? high : low;
    return order < 0 ? low : high;
}
