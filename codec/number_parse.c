#include "number.h"

#include "bytes.h"
#include "digits.h"
#include "number_internal.h"
#include "powers.h"

#include <math.h>

enum {
    MANTISSA_DIGITS = 19,     /* that many digits fit a uint64 whatever they are */
    EXPONENT_DIGITS_MAX = 15, /* of a written exponent; more of them decide nothing */
    DOUBLE_FRACTION_BITS = 52,
    DOUBLE_EXPONENT_BIAS = 1023,
    DOUBLE_EXPONENT_INFINITE = 0x7ff,
};

/* The number as it is written. */
struct scanned {
    const char *first; /* the first digit */
    const char *last;  /* after the last digit of the mantissa */
    const char *point; /* the '.', or NULL */
    uint64_t mantissa; /* all digits; meaningless when they are more than MANTISSA_DIGITS */
    int64_t exponent;  /* the written one */
    bool negative;
};

/* Reads digits, adding them to *mantissa; returns the byte after them. */
static const char *scan_digits(const char *p, const char *end, uint64_t *mantissa)
{
    uint64_t value = *mantissa;
    while (end - p >= 8) {
        uint64_t word = digits_load(p);
        if (digits_others(word) != 0)
            break;
        value = value * 100000000 + digits_value(word);
        p += 8;
    }
    while (p < end && is_digit(*p))
        value = value * 10 + (uint64_t)(*p++ - '0');
    *mantissa = value;
    return p;
}

static const char *scan_exponent(const char *p, const char *end, int64_t *ret_exponent)
{
    bool negative = false;
    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end || !is_digit(*p))
        return NULL;
    while (p < end && *p == '0')
        p++;
    const char *start = p;
    int64_t exponent = 0;
    for (; p < end && is_digit(*p); p++) {
        if (p - start < EXPONENT_DIGITS_MAX)
            exponent = exponent * 10 + (*p - '0');
    }
    *ret_exponent = negative ? -exponent : exponent;
    return p;
}

static const char *scan_number(const char *p, const char *end, struct scanned *ret)
{
    *ret = (struct scanned){.negative = p < end && *p == '-'};
    p += ret->negative;
    ret->first = p;
    if (p < end && *p == '0')
        p++; /* and no digit after it: the next character is not the number's */
    else
        p = scan_digits(p, end, &ret->mantissa);
    if (p == ret->first)
        return NULL;
    if (p < end && *p == '.') {
        ret->point = p++;
        p = scan_digits(p, end, &ret->mantissa);
        if (p == ret->point + 1)
            return NULL;
    }
    ret->last = p;
    if (p < end && (*p | 0x20) == 'e')
        return scan_exponent(p + 1, end, &ret->exponent);
    return p;
}

/* Eisel-Lemire ("Number parsing at a gigabyte per second", 2021): the first 64 bits of mantissa times the
 * first 128 bits of 10^exponent decide the rounding; that they always do is proven in Mushtak and Lemire,
 * "Fast number parsing without fallback", 2023. For -27 <= exponent < 0 the proof wants the power rounded up,
 * else cut off. */
static double scale_by_product(uint64_t mantissa, int exponent)
{
    const struct power_bits *power = &POWER_BITS[exponent - POWER_MIN];
    uint64_t power_low = power->low + (exponent >= -27 && exponent < 0);
    int zeros = __builtin_clzll(mantissa);
    mantissa <<= zeros;
    uint128 product = (uint128)mantissa * power->high;
    if (((uint64_t)(product >> 64) & 0x1ff) == 0x1ff)
        product += ((uint128)mantissa * power_low) >> 64;
    uint64_t high = (uint64_t)(product >> 64);
    uint64_t low = (uint64_t)product;

    int upper_bit = (int)(high >> 63);
    int shift = upper_bit + 64 - DOUBLE_FRACTION_BITS - 3;
    uint64_t fraction = high >> shift; /* 53 bits and one more to round by */
    /* (217706 * exponent) >> 16 is floor(log2(10^exponent)) */
    int binary = ((217706 * exponent) >> 16) + 63 + upper_bit - zeros + DOUBLE_EXPONENT_BIAS;
    if (binary <= 0) {
        if (binary <= -63)
            return 0;
        fraction >>= 1 - binary;
        fraction = (fraction + (fraction & 1)) >> 1;
        return bits_double(fraction); /* 2^52 is the smallest normal number: its bits just follow */
    }
    /* A tie that would round up to odd: possible only where the power is exact in 64 bits or divides so. */
    if (low <= 1 && exponent >= -4 && exponent <= 23 && (fraction & 3) == 1 && fraction << shift == high)
        fraction &= ~UINT64_C(1);
    fraction = (fraction + (fraction & 1)) >> 1;
    if (fraction >> (DOUBLE_FRACTION_BITS + 1)) {
        fraction >>= 1;
        binary++;
    }
    if (binary >= DOUBLE_EXPONENT_INFINITE)
        return HUGE_VAL;
    fraction &= (UINT64_C(1) << DOUBLE_FRACTION_BITS) - 1;
    return bits_double(fraction | (uint64_t)binary << DOUBLE_FRACTION_BITS);
}

double number_scale(uint64_t mantissa, int64_t exponent)
{
    /* Clinger: both operands are exact, so one operation rounds once. */
    if (mantissa <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
        if (exponent < 0)
            return (double)mantissa / POWERS_OF_TEN[-exponent];
        return (double)mantissa * POWERS_OF_TEN[exponent];
    }
    if (mantissa == 0 || exponent < POWER_MIN)
        return 0;
    if (exponent > 308)
        return HUGE_VAL;
    return scale_by_product(mantissa, (int)exponent);
}

void number_from_double(double value, struct number *ret_number)
{
    *ret_number = (struct number){.kind = NUMBER_DOUBLE, .real = value};
    if (value >= -0x1p63 && value < 0x1p63) {
        int64_t integer = (int64_t)value;
        if ((double)integer == value && !(integer == 0 && signbit(value)))
            *ret_number = (struct number){.kind = NUMBER_DECIMAL, .integer = integer};
    } else if (value >= 0x1p63 && value < 0x1p64) {
        *ret_number = (struct number){.kind = NUMBER_UNSIGNED, .unsigned_integer = (uint64_t)value};
    }
}

double number_double(const struct number *number)
{
    if (number->kind == NUMBER_DECIMAL)
        return (double)number->integer / POWERS_OF_TEN[number->exponent];
    if (number->kind == NUMBER_UNSIGNED)
        return (double)number->unsigned_integer;
    return number->real;
}

/* mantissa * 10^exponent when it is an integer of 64 bits. */
static bool make_integer(uint64_t mantissa, int64_t exponent, bool negative, struct number *ret_number)
{
    uint64_t value;
    if (exponent > MANTISSA_DIGITS ||
        __builtin_mul_overflow(mantissa, INTEGER_POWERS_OF_TEN[exponent], &value))
        return false;
    if (value <= (uint64_t)INT64_MAX + negative)
        *ret_number = (struct number){
            .kind = NUMBER_DECIMAL, .integer = negative ? (int64_t)(0 - value) : (int64_t)value};
    else if (!negative)
        *ret_number = (struct number){.kind = NUMBER_UNSIGNED, .unsigned_integer = value};
    else
        return false;
    return true;
}

static bool make_double(double value, bool negative, struct number *ret_number)
{
    if (isinf(value))
        return false;
    number_from_double(negative ? -value : value, ret_number);
    return true;
}

bool number_make(uint64_t mantissa, int64_t exponent, bool negative, struct number *ret_number)
{
    if (mantissa == 0)
        return make_double(0, negative, ret_number);
    while (exponent < 0 && mantissa % 10 == 0) {
        mantissa /= 10;
        exponent++;
    }
    if (exponent >= 0) {
        if (make_integer(mantissa, exponent, negative, ret_number))
            return true;
    } else if (exponent >= -DECIMAL_EXPONENT_MAX && mantissa <= DECIMAL_INTEGER_MAX) {
        *ret_number = (struct number){.kind = NUMBER_DECIMAL,
            .exponent = (uint8_t)-exponent,
            .integer = negative ? -(int64_t)mantissa : (int64_t)mantissa};
        return true;
    }
    return make_double(number_scale(mantissa, exponent), negative, ret_number);
}

/* More digits than a mantissa holds: drop zeros at both ends, keep the first 19, look at the rest only if the
 * rounding depends on it. */
static bool make_long(const struct scanned *scanned, struct number *ret_number)
{
    const char *first = scanned->first;
    const char *last = scanned->last;
    while (first < last && (*first == '0' || *first == '.'))
        first++;
    while (last > first && (last[-1] == '0' || last[-1] == '.'))
        last--;
    if (first == last)
        return make_double(0, scanned->negative, ret_number);

    /* of the last significant digit: integer digits cut off count up, fraction digits that stay count down */
    int64_t exponent = scanned->exponent;
    const char *point = scanned->point ? scanned->point : scanned->last;
    exponent += point >= last ? point - last : point + 1 - last;
    uint64_t mantissa = 0;
    int count = 0;
    const char *p = first;
    for (; p < last && count < MANTISSA_DIGITS; p++) {
        if (*p == '.')
            continue;
        mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        count++;
    }
    if (p == last)
        return number_make(mantissa, exponent, scanned->negative, ret_number);
    int64_t dropped = last - p - (point >= p && point < last);
    uint64_t whole;
    if (dropped == 1 && exponent >= 0 && !__builtin_mul_overflow(mantissa, UINT64_C(10), &whole) &&
        !__builtin_add_overflow(whole, (uint64_t)(last[-1] - '0'), &whole) &&
        make_integer(whole, exponent, scanned->negative, ret_number))
        return true;
    double low = number_scale(mantissa, exponent + dropped);
    double high = number_scale(mantissa + 1, exponent + dropped);
    if (low != high)
        low = number_choose(first, last, exponent, low, high);
    return make_double(low, scanned->negative, ret_number);
}

const char *number_parse(const char *text, const char *end, struct number *ret_number, bool *ret_overflow)
{
    struct scanned scanned;
    *ret_overflow = false;
    const char *p = scan_number(text, end, &scanned);
    if (!p)
        return NULL;
    bool made;
    if (scanned.last - scanned.first - (scanned.point != NULL) <= MANTISSA_DIGITS) {
        int64_t fraction = scanned.point ? scanned.last - scanned.point - 1 : 0;
        made = number_make(scanned.mantissa, scanned.exponent - fraction, scanned.negative, ret_number);
    } else {
        made = make_long(&scanned, ret_number);
    }
    *ret_overflow = !made;
    return made ? p : NULL;
}
