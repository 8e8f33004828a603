/* The inner loops of printing numbers, inlined into the printer of datapoints. Every function returns the end
 * of what it wrote and may scribble up to NUMBER_TEXT_MAX bytes from `out`. */
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

/* State for printing the decimals of one run one after the other. The last eight digits of a number are
 * printed anew, those before them, which neighbours like times share, are copied from the last number. */
struct decimal_printer {
    uint64_t plain_min; /* the smallest magnitude that is printed without an exponent */
    unsigned exponent;
    unsigned
        whole_bits; /* 8 for each of the last eight digits that is left of the point; 0: print_decimal_slow */
    unsigned high_size;
    uint64_t high;      /* the digits before the last eight, of the number printed last; 0 = none */
    uint64_t high_text; /* and their text, high_size bytes */
};

static inline struct decimal_printer decimal_printer_make(unsigned exponent)
{
    return (struct decimal_printer){
        .plain_min = exponent > 6 ? INTEGER_POWERS_OF_TEN[exponent - 6] : 0,
        .exponent = exponent,
        .whole_bits = exponent < DIGITS_AT_ONCE ? 8 * (DIGITS_AT_ONCE - exponent) : 0,
    };
}

/* The digits of a number before its last eight; high > 0. */
static inline char *print_high(struct decimal_printer *printer, char *out, uint64_t high)
{
    if (high >= DIGITS_LIMIT)
        return print_integer(out, high);
    if (high != printer->high) {
        char text[DIGITS_AT_ONCE];
        printer->high_size = (unsigned)(print_up_to_8_digits(text, (uint32_t)high) - text);
        printer->high_text = load_u64(text);
        printer->high = high;
    }
    store_u64(out, printer->high_text);
    return out + printer->high_size;
}

/* integer / 10^exponent without trailing zeros. */
static inline char *print_decimal(struct decimal_printer *printer, char *out, int64_t integer)
{
    uint64_t magnitude = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    if (printer->whole_bits == 0 || magnitude < printer->plain_min)
        return print_decimal_slow(out, integer, printer->exponent);
    *out = '-';
    out += integer < 0;
    unsigned whole_bits = printer->whole_bits;
    uint64_t high = magnitude / DIGITS_LIMIT;
    uint64_t digits = digits_spread((uint32_t)(magnitude - high * DIGITS_LIMIT));
    uint64_t text = digits | DIGITS_ZERO;
    unsigned leading = 0;
    if (high > 0)
        out = print_high(printer, out, high);
    else /* of the digits left of the point the last one stays even when it is 0 */
        leading = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << (whole_bits - 8)) & ~7u;
    store_u64(out, text >> leading);
    out += (whole_bits - leading) / 8;
    *out = '.';
    store_u64(out + 1, text >> (whole_bits - 8) >> 8);
    unsigned used_bits =
        64 - ((unsigned)__builtin_clzll(digits | 1) & ~7u); /* up to the last digit but zeros */
    return used_bits <= whole_bits ? out : out + 1 + (used_bits - whole_bits) / 8;
}

#endif
