#include "number.h"

#include "bytes.h"
#include "check.h"
#include "digits.h"
#include "number_internal.h"
#include "number_print.h"
#include "powers.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    PLAIN_POINT_MIN = -5, /* 1e-6 is 0.1 * 10^-5: the smallest number printed without an exponent */
    PLAIN_POINT_MAX = 21, /* 1e21 and more are printed with one */
    FRACTION_BITS = 52,
    EXPONENT_OFFSET = 1075, /* of a double's bits when its fraction is taken as an integer */
};

size_t number_print_unsigned(char *out, uint64_t value)
{
    return (size_t)(print_integer(out, value) - out);
}

enum { DIGITS_MAX = 20 }; /* of 64 bits */

/* Prints digits * 10^exponent, digits > 0, as ECMAScript does. Copies have fixed sizes, which are moves and
 * no calls; what they write too much is overwritten or left behind the end. */
static char *print_scientific(char *out, uint64_t digits, int exponent)
{
    char buffer[8 + 2 * DIGITS_MAX + 8];
    char *text = buffer + 8;
    store_u64(buffer, 0); /* no zeros before the first digit */
    int count = (int)(print_integer(text, digits) - text);
    int zeros;
    do { /* cut trailing ones, up to eight at a time */
        uint64_t last = digits_load(text + count - 8);
        zeros = last ? __builtin_clzll(last) / 8 : 8;
        count -= zeros;
        exponent += zeros;
    } while (zeros == 8);
    int point = count + exponent; /* the value is 0.digits * 10^point */
    if (point > 0 && point < count) {
        memcpy(out, text, DIGITS_MAX);
        out[point] = '.';
        memcpy(out + point + 1, text + point, DIGITS_MAX);
        return out + count + 1;
    }
    if (point >= count && point <= PLAIN_POINT_MAX) {
        memset(out, '0', PLAIN_POINT_MAX);
        memcpy(out, text, (size_t)count);
        return out + point;
    }
    if (point <= 0 && point >= PLAIN_POINT_MIN) {
        memcpy(out, "0.00000", 8);
        memcpy(out + 2 - point, text, DIGITS_MAX);
        return out + 2 - point + count;
    }
    *out++ = text[0];
    *out = '.';
    memcpy(out + 1, text + 1, DIGITS_MAX);
    out += count > 1 ? count : 0;
    *out++ = 'e';
    *out++ = point > 0 ? '+' : '-';
    return print_integer(out, (uint64_t)(point > 0 ? point - 1 : 1 - point));
}

char *print_decimal_slow(char *out, int64_t integer, unsigned exponent)
{
    uint64_t magnitude = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    *out = '-';
    out += integer < 0;
    if (magnitude == 0) {
        *out = '0';
        return out + 1;
    }
    return print_scientific(out, magnitude, -(int)exponent);
}

size_t number_print_decimal(char *out, int64_t integer, uint8_t exponent)
{
    CHECK(exponent <= DECIMAL_EXPONENT_MAX);
    struct decimal_printer printer = decimal_printer_make(exponent);
    return (size_t)(print_decimal(&printer, out, integer) - out);
}

/* The upper 64 bits of power * factor / 2^64, the last bit set when anything was cut off ("round to odd"). */
static uint64_t multiply_to_odd(struct power_bits power, uint64_t factor)
{
    uint128 low = (uint128)power.low * factor;
    uint128 high = (uint128)power.high * factor + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The power as Schubfach wants it: rounded up where it is not exact. */
static struct power_bits power_rounded_up(int exponent)
{
    struct power_bits power = POWER_BITS[exponent - POWER_MIN];
    if (exponent < 0 || exponent > 55) {
        power.low++;
        power.high += power.low == 0;
    }
    return power;
}

struct shortest {
    uint64_t digits;
    int exponent;
};

/* Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2020): the shortest decimal in the
 * interval that rounds to fraction * 2^binary, and of those the nearest. */
static struct shortest shortest_decimal(uint64_t fraction, int binary, bool lower_is_closer)
{
    bool odd = fraction & 1; /* the ends of an odd number's interval round to its even neighbours */
    int exponent =
        (binary * 1262611 - (lower_is_closer ? 524031 : 0)) >> 22; /* floor(log10 of the interval) */
    int shift = binary + ((-exponent * 1741647) >> 19) + 1;
    struct power_bits power = power_rounded_up(-exponent);

    /* the number and both ends of its interval, in quarters of 10^exponent */
    uint64_t middle = multiply_to_odd(power, fraction << 2 << shift);
    uint64_t lower = multiply_to_odd(power, ((fraction << 2) - 2 + lower_is_closer) << shift) + odd;
    uint64_t upper = multiply_to_odd(power, ((fraction << 2) + 2) << shift) - odd;

    uint64_t units = middle >> 2;
    if (units >= 10) {
        uint64_t tens = units / 10;
        bool down_fits = lower <= 40 * tens;
        bool up_fits = 40 * tens + 40 <= upper;
        if (down_fits != up_fits)
            return (struct shortest){tens + up_fits, exponent + 1};
    }
    bool down_fits = lower <= 4 * units;
    bool up_fits = 4 * units + 4 <= upper;
    if (down_fits != up_fits)
        return (struct shortest){units + up_fits, exponent};
    uint64_t half = 4 * units + 2;
    bool up = middle > half || (middle == half && (units & 1));
    return (struct shortest){units + up, exponent};
}

char *print_double(char *out, double value)
{
    uint64_t bits = double_bits(value);
    uint64_t fraction = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
    int binary = (int)(bits >> FRACTION_BITS & 0x7ff);
    *out = '-';
    out += bits >> 63;
    if (binary == 0 && fraction == 0) {
        *out = '0';
        return out + 1;
    }
    if (binary == 0)
        binary = 1;
    else
        fraction |= UINT64_C(1) << FRACTION_BITS;
    int power = binary - EXPONENT_OFFSET;
    if (power <= 0 && power > -53 && (fraction & ((UINT64_C(1) << -power) - 1)) == 0)
        return print_integer(out, fraction >> -power);
    bool lower_is_closer = fraction == UINT64_C(1) << FRACTION_BITS && binary > 1;
    struct shortest shortest = shortest_decimal(fraction, power, lower_is_closer);
    return print_scientific(out, shortest.digits, shortest.exponent);
}

size_t number_print_double(char *out, double value)
{
    CHECK(isfinite(value));
    return (size_t)(print_double(out, value) - out);
}
