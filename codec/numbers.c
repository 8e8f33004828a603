#include "numbers.h"

#include "bytes.h"
#include "numbers_internal.h"
#include "number_internal.h"

#include <math.h>

static bool is_decimal(int64_t integer, uint8_t exponent, double value)
{
    return integer <= DECIMAL_INTEGER_MAX && integer >= -DECIMAL_INTEGER_MAX &&
           (double)integer / POWERS_OF_TEN[exponent] == value;
}

bool decimal_from_double(double value, uint8_t exponent, int64_t *ret_integer)
{
    double scaled = value * POWERS_OF_TEN[exponent];
    if (!(fabs(scaled) <= (double)DECIMAL_INTEGER_MAX + 1) || (value == 0 && signbit(value)))
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
    for (uint8_t exponent = 0; exponent <= DECIMAL_EXPONENT_MAX; exponent++) {
        int64_t integer;
        if (decimal_from_double(value, exponent, &integer))
            return exponent;
        if (!(fabs(value) * POWERS_OF_TEN[exponent] <= (double)DECIMAL_INTEGER_MAX))
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

/* integer * 10^power within the bounds of a decimal numbers. */
static bool scale_integer(int64_t integer, unsigned power, int64_t *ret_scaled)
{
    int64_t scaled;
    if (__builtin_mul_overflow(integer, (int64_t)INTEGER_POWERS_OF_TEN[power], &scaled) ||
        scaled > DECIMAL_INTEGER_MAX || scaled < -DECIMAL_INTEGER_MAX)
        return false;
    *ret_scaled = scaled;
    return true;
}

static bool numbers_rescale(struct numbers *numbers, uint32_t count, uint8_t exponent)
{
    unsigned power = (unsigned)(exponent - numbers->exponent);
    int64_t largest = DECIMAL_INTEGER_MAX / (int64_t)INTEGER_POWERS_OF_TEN[power];
    for (uint32_t i = 0; i < count; i++) {
        if (numbers->integers[i] > largest || numbers->integers[i] < -largest)
            return false;
    }
    for (uint32_t i = 0; i < count; i++)
        numbers->integers[i] *= (int64_t)INTEGER_POWERS_OF_TEN[power];
    numbers->exponent = exponent;
    return true;
}

/* Every value is a double, except for integers beyond 2^53 with exponent 0. */
static bool numbers_fit_doubles(const struct numbers *numbers, uint32_t count)
{
    if (numbers->kind == NUMBERS_AS_DOUBLES || numbers->exponent > 0)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_exact_double(numbers->integers[i]))
            return false;
    }
    return true;
}

static void numbers_make_doubles(struct numbers *numbers, uint32_t count)
{
    if (numbers->kind == NUMBERS_AS_DOUBLES)
        return;
    double power = POWERS_OF_TEN[numbers->exponent];
    for (uint32_t i = 0; i < count; i++)
        numbers->doubles[i] = (double)numbers->integers[i] / power;
    numbers->kind = NUMBERS_AS_DOUBLES;
    numbers->exponent = 0;
}

static bool push_decimal(struct numbers *numbers, uint32_t count, int64_t integer, uint8_t exponent)
{
    while (exponent > 0 && integer % 10 == 0) {
        integer /= 10;
        exponent--;
    }
    if (count == 0) {
        numbers->kind = NUMBERS_AS_DECIMALS;
        numbers->exponent = exponent;
    }
    if (numbers->kind != NUMBERS_AS_DECIMALS)
        return false;
    if (exponent > numbers->exponent && !numbers_rescale(numbers, count, exponent))
        return false;
    if (exponent < numbers->exponent &&
        !scale_integer(integer, (unsigned)(numbers->exponent - exponent), &integer))
        return false;
    numbers->integers[count] = integer;
    return true;
}

void numbers_push_rounded(struct numbers *numbers, uint32_t count, double value)
{
    numbers_make_doubles(numbers, count);
    numbers->doubles[count] = value;
}

static bool push_double(struct numbers *numbers, uint32_t count, double value)
{
    int64_t integer;
    if (count > 0 && numbers->kind == NUMBERS_AS_DECIMALS &&
        decimal_from_double(value, numbers->exponent, &integer)) {
        numbers->integers[count] = integer;
        return true;
    }
    if (count == 0 || numbers->kind == NUMBERS_AS_DECIMALS) {
        int exponent = decimal_exponent(value);
        if (exponent >= 0 && decimal_from_double(value, (uint8_t)exponent, &integer) &&
            push_decimal(numbers, count, integer, (uint8_t)exponent))
            return true;
    }
    if (!numbers_fit_doubles(numbers, count))
        return false;
    numbers_push_rounded(numbers, count, value);
    return true;
}

bool numbers_push(struct numbers *numbers, uint32_t count, const struct number *number)
{
    switch (number->kind) {
    case NUMBER_DECIMAL:
        if (push_decimal(numbers, count, number->integer, number->exponent))
            return true;
        if ((number->exponent == 0 && !is_exact_double(number->integer)) ||
            !numbers_fit_doubles(numbers, count))
            return false;
        numbers_push_rounded(numbers, count, number_double(number));
        return true;
    case NUMBER_UNSIGNED:
        if (!is_exact_unsigned(number->unsigned_integer) || !numbers_fit_doubles(numbers, count))
            return false;
        numbers_push_rounded(numbers, count, number_double(number));
        return true;
    case NUMBER_DOUBLE:
        break;
    }
    return push_double(numbers, count, number->real);
}
