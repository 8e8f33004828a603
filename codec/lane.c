#include "lane.h"

#include "bytes.h"
#include "lane_internal.h"
#include "number_internal.h"

#include <math.h>

static bool is_decimal(int64_t integer, uint8_t exponent, double value)
{
    return integer <= LANE_DECIMAL_MAX && integer >= -LANE_DECIMAL_MAX &&
        (double)integer / POWERS_OF_TEN[exponent] == value;
}

bool decimal_from_double(double value, uint8_t exponent, int64_t *ret_integer)
{
    double scaled = value * POWERS_OF_TEN[exponent];
    if (!(fabs(scaled) <= (double)LANE_DECIMAL_MAX + 1) || (value == 0 && signbit(value)))
        return false;
    int64_t integer = llrint(scaled);
    /* Two roundings, of the division that made value and of the multiplication here, can move a large product
     * by up to 3/4: then the integer is a neighbour. */
    if (!is_decimal(integer, exponent, value)) {
        if (fabs(scaled) < 0x1p50)
            return false;
        if (is_decimal(integer - 1, exponent, value))
            integer -= 1;
        else if (is_decimal(integer + 1, exponent, value))
            integer += 1;
        else
            return false;
    }
    *ret_integer = integer;
    return true;
}

int decimal_exponent(double value)
{
    for (uint8_t exponent = 0; exponent <= LANE_EXPONENT_MAX; exponent++) {
        int64_t integer;
        if (decimal_from_double(value, exponent, &integer))
            return exponent;
        if (!(fabs(value) * POWERS_OF_TEN[exponent] <= (double)LANE_DECIMAL_MAX))
            return -1;
    }
    return -1;
}

static bool is_exact_double(int64_t integer)
{
    double value = (double)integer;
    return value < 0x1p63 && (int64_t)value == integer;
}

static bool is_exact_unsigned(uint64_t integer)
{
    double value = (double)integer;
    return value < 0x1p64 && (uint64_t)value == integer;
}

/* integer * 10^power within the bounds of a decimal lane. */
static bool scale_integer(int64_t integer, unsigned power, int64_t *ret_scaled)
{
    int64_t scaled;
    if (__builtin_mul_overflow(integer, (int64_t)INTEGER_POWERS_OF_TEN[power], &scaled) ||
        scaled > LANE_DECIMAL_MAX || scaled < -LANE_DECIMAL_MAX)
        return false;
    *ret_scaled = scaled;
    return true;
}

static bool lane_rescale(struct lane *lane, uint32_t count, uint8_t exponent)
{
    unsigned power = (unsigned)(exponent - lane->exponent);
    int64_t largest = LANE_DECIMAL_MAX / (int64_t)INTEGER_POWERS_OF_TEN[power];
    for (uint32_t i = 0; i < count; i++) {
        if (lane->integers[i] > largest || lane->integers[i] < -largest)
            return false;
    }
    for (uint32_t i = 0; i < count; i++)
        lane->integers[i] *= (int64_t)INTEGER_POWERS_OF_TEN[power];
    lane->exponent = exponent;
    return true;
}

/* All integers of a lane are doubles but those beyond 2^53 in exponent 0. */
static bool lane_fits_doubles(const struct lane *lane, uint32_t count)
{
    if (lane->kind == LANE_DOUBLE || lane->exponent > 0)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_exact_double(lane->integers[i]))
            return false;
    }
    return true;
}

static void lane_make_doubles(struct lane *lane, uint32_t count)
{
    if (lane->kind == LANE_DOUBLE)
        return;
    double power = POWERS_OF_TEN[lane->exponent];
    for (uint32_t i = 0; i < count; i++)
        lane->doubles[i] = (double)lane->integers[i] / power;
    lane->kind = LANE_DOUBLE;
    lane->exponent = 0;
}

static bool push_decimal(struct lane *lane, uint32_t count, int64_t integer, uint8_t exponent)
{
    while (exponent > 0 && integer % 10 == 0) {
        integer /= 10;
        exponent--;
    }
    if (count == 0) {
        lane->kind = LANE_DECIMAL;
        lane->exponent = exponent;
    }
    if (lane->kind != LANE_DECIMAL)
        return false;
    if (exponent > lane->exponent && !lane_rescale(lane, count, exponent))
        return false;
    if (exponent < lane->exponent &&
        !scale_integer(integer, (unsigned)(lane->exponent - exponent), &integer))
        return false;
    lane->integers[count] = integer;
    return true;
}

void lane_push_rounded(struct lane *lane, uint32_t count, double value)
{
    lane_make_doubles(lane, count);
    lane->doubles[count] = value;
}

static bool push_double(struct lane *lane, uint32_t count, double value)
{
    int64_t integer;
    if (count > 0 && lane->kind == LANE_DECIMAL && decimal_from_double(value, lane->exponent, &integer)) {
        lane->integers[count] = integer;
        return true;
    }
    if (count == 0 || lane->kind == LANE_DECIMAL) {
        int exponent = decimal_exponent(value);
        if (exponent >= 0 && decimal_from_double(value, (uint8_t)exponent, &integer) &&
            push_decimal(lane, count, integer, (uint8_t)exponent))
            return true;
    }
    if (!lane_fits_doubles(lane, count))
        return false;
    lane_push_rounded(lane, count, value);
    return true;
}

bool lane_push(struct lane *lane, uint32_t count, const struct number *number)
{
    switch (number->kind) {
    case NUMBER_DECIMAL:
        if (push_decimal(lane, count, number->integer, number->exponent))
            return true;
        if ((number->exponent == 0 && !is_exact_double(number->integer)) || !lane_fits_doubles(lane, count))
            return false;
        lane_push_rounded(lane, count, number_double(number));
        return true;
    case NUMBER_UNSIGNED:
        if (!is_exact_unsigned(number->unsigned_integer) || !lane_fits_doubles(lane, count))
            return false;
        lane_push_rounded(lane, count, number_double(number));
        return true;
    case NUMBER_DOUBLE:
        break;
    }
    return push_double(lane, count, number->real);
}
