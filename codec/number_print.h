/* The inner loops of printing numbers, inlined into the printer of datapoints. Every function returns the end of
 * what it wrote and may scribble up to NUMBER_TEXT_MAX bytes from `out`. */
#ifndef CONNECTORDB_NUMBER_PRINT_H
#define CONNECTORDB_NUMBER_PRINT_H

#include "digits.h"
#include "number.h"
#include "powers.h"

#include <stdbool.h>
#include <stdint.h>

enum { DIGITS_AT_ONCE = 8 };
#define DIGITS_LIMIT UINT64_C(100000000) /* 10^DIGITS_AT_ONCE */

/* Any finite double. */
char *print_double(char *out, double value);

/* Any integer / 10^exponent; what print_decimal cannot do fast. */
char *print_decimal_slow(char *out, int64_t integer, unsigned exponent);

/* value < 10^8 without leading zeros; writes 8 bytes. */
static inline char *print_up_to_8_digits(char *out, uint32_t value)
{
    uint64_t digits = digits_spread(value);
    /* the last digit is printed even when it is 0 */
    unsigned leading = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) & ~7u;
    store_u64(out, (digits | DIGITS_ZERO) >> leading);
    return out + 8 - leading / 8;
}

static inline char *print_8_digits(char *out, uint32_t value)
{
    store_u64(out, digits_spread(value) | DIGITS_ZERO);
    return out + 8;
}

static inline char *print_integer(char *out, uint64_t value)
{
    if (value < DIGITS_LIMIT)
        return print_up_to_8_digits(out, (uint32_t)value);
    uint64_t high = value / DIGITS_LIMIT;
    uint32_t low = (uint32_t)(value % DIGITS_LIMIT);
    if (high < DIGITS_LIMIT) {
        out = print_up_to_8_digits(out, (uint32_t)high);
    } else {
        out = print_up_to_8_digits(out, (uint32_t)(high / DIGITS_LIMIT));
        out = print_8_digits(out, (uint32_t)(high % DIGITS_LIMIT));
    }
    return print_8_digits(out, low);
}

/* What all numbers of one decimal lane have in common. */
struct decimal_printer {
    uint64_t power;      /* 10^exponent */
    uint64_t fill;       /* 10^(8 - exponent): moves the fraction to the front of 8 digits */
    uint64_t plain_min;  /* the smallest magnitude that is printed without an exponent */
    unsigned exponent;
    bool fast;           /* exponent 1..8 */
};

static inline struct decimal_printer decimal_printer_make(unsigned exponent)
{
    struct decimal_printer printer = {.power = INTEGER_POWERS_OF_TEN[exponent], .exponent = exponent};
    printer.fast = exponent > 0 && exponent <= DIGITS_AT_ONCE;
    printer.fill = printer.fast ? INTEGER_POWERS_OF_TEN[DIGITS_AT_ONCE - exponent] : 0;
    printer.plain_min = exponent > 6 ? INTEGER_POWERS_OF_TEN[exponent - 6] : 0;
    return printer;
}

/* integer / 10^exponent without trailing zeros. */
static inline char *print_decimal(const struct decimal_printer *printer, char *out, int64_t integer)
{
    uint64_t magnitude = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    if (printer->exponent == 0) {
        *out = '-';
        return print_integer(out + (integer < 0), magnitude);
    }
    if (!printer->fast || magnitude < printer->plain_min || magnitude > INT64_MAX)
        return print_decimal_slow(out, integer, printer->exponent);
    *out = '-';
    out += integer < 0;
    uint64_t whole = divide_by_power(magnitude, printer->exponent);
    uint64_t fraction = magnitude - whole * printer->power;
    out = print_integer(out, whole);
    uint64_t digits = digits_spread((uint32_t)(fraction * printer->fill));
    unsigned trailing = (unsigned)__builtin_clzll(digits | 1) / 8;
    *out = '.';
    store_u64(out + 1, digits | DIGITS_ZERO);
    return fraction == 0 ? out : out + 9 - trailing;
}

#endif
