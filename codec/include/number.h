/* Numbers as text: correctly rounded in, shortest round-trip out. No locale, no allocation, any thread. */
#ifndef CONNECTORDB_NUMBER_H
#define CONNECTORDB_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 48 }; /* bytes that any of the print functions may write (the text is shorter) */

enum number_kind {
    NUMBER_DECIMAL,  /* integer / 10^exponent, within the bounds of numbers.h, not -0 */
    NUMBER_UNSIGNED, /* an integer in (INT64_MAX, UINT64_MAX] */
    NUMBER_DOUBLE,   /* any other finite double */
};

struct number {
    enum number_kind kind;
    uint8_t exponent;
    union {
        int64_t integer;
        uint64_t unsigned_integer;
        double real;
    };
};

/* Parses the JSON number (RFC 8259 grammar) that starts at text; at most end - text bytes are read. Returns
 * the byte after it, or NULL: not a number, or too large for a double (*ret_overflow then true). A number
 * that reaches `end` is taken as complete; a streaming caller must know that the text goes on or ends there.
 * Integers that fit int64/uint64 keep all digits; 5.0 and 5e0 are 5; a number below the smallest double is 0.
 */
const char *number_parse(const char *text, const char *end, struct number *ret_number, bool *ret_overflow);

/* The number as a double, correctly rounded. */
double number_double(const struct number *number);
/* A finite double as a number: an integer when it is one that fits (and not -0), else the double itself. */
void number_from_double(double value, struct number *ret_number);
/* The canonical msgpack of a number (batch.h); writes at most 9 bytes, returns how many. */
size_t number_pack(const struct number *number, uint8_t out[9]);

/* Prints as ConnectorDB does (the rule of ECMAScript, with -0 kept): shortest digits that read back to the
 * same double; plain for 1e-6 <= |x| < 1e21, else like 1e-7, 1e+21, 1.5e+300. Returns the length. value is
 * finite. */
size_t number_print_double(char *out, double value);
/* Prints integer / 10^exponent without trailing zeros; equal to number_print_double of that value when
 * |integer| <= DECIMAL_INTEGER_MAX, and all digits when exponent is 0. Returns the length. */
size_t number_print_decimal(char *out, int64_t integer, uint8_t exponent);
/* Prints the digits of an integer. Returns the length. */
size_t number_print_unsigned(char *out, uint64_t value);

#endif
