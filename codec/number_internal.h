/* Shared by the files of the number codec and the JSON reader. */
#ifndef CONNECTORDB_NUMBER_INTERNAL_H
#define CONNECTORDB_NUMBER_INTERNAL_H

#include "number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The correctly rounded double of mantissa * 10^exponent; infinity when it is too large. */
double number_scale(uint64_t mantissa, int64_t exponent);

/* The same for a mantissa of any length. digits: its significant digits, one '.' allowed among them, from the
 * first that is not 0. exponent: the power of ten of the last of them. low <= value <= high are neighbouring
 * doubles, high may be infinity; returns the one that is nearer. */
double number_choose(const char *digits, const char *end, int64_t exponent, double low, double high);

/* The number that mantissa * 10^exponent is, negated if `negative`. false: too large for a double. */
bool number_make(uint64_t mantissa, int64_t exponent, bool negative, struct number *ret_number);

#endif
