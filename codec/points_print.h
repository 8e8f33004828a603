/* Printing the times and numbers of batches: shared by the formats of datapoints. The functions are inlined
 * into their loops. */
#ifndef CONNECTORDB_POINTS_PRINT_H
#define CONNECTORDB_POINTS_PRINT_H

#include "batch.h"
#include "bytes.h"
#include "number_internal.h"
#include "number_print.h"
#include "points_text.h"
#include "sink.h"

#include <math.h>
#include <string.h>

enum {
    /* ,{"t":NUMBER,"d":NUMBER} */
    POINT_TEXT_MAX = 6 + 5 + 1 + 2 * NUMBER_TEXT_MAX,
};

/* How the values of one run of numbers are printed. */
struct numbers_printer {
    struct numbers numbers;
    struct decimal_printer decimal;
};

static inline struct numbers_printer numbers_printer_make(const struct numbers *numbers)
{
    unsigned exponent = numbers->kind == NUMBERS_AS_DECIMALS ? numbers->exponent : 0;
    return (struct numbers_printer){.numbers = *numbers, .decimal = decimal_printer_make(exponent)};
}

/* Results of queries may hold what JSON has no word for: it becomes null. */
static inline char *print_any_double(char *out, double value)
{
    if (isfinite(value))
        return print_double(out, value);
    memcpy(out, "null", 4);
    return out + 4;
}

static inline char *print_time(struct numbers_printer *printer, char *out, uint32_t i)
{
    if (printer->numbers.kind == NUMBERS_AS_DECIMALS)
        return print_decimal(&printer->decimal, out, printer->numbers.integers[i]);
    return print_any_double(out, printer->numbers.doubles[i]);
}

static inline char *print_number(char *out, const struct number *number)
{
    if (number->kind == NUMBER_DOUBLE)
        return print_any_double(out, number->real);
    if (number->kind == NUMBER_UNSIGNED)
        return print_integer(out, number->unsigned_integer);
    return out + number_print_decimal(out, number->integer, number->exponent);
}

/* A value differs from a time in one thing: an integer beyond 2^53 has all its digits. */
static inline char *print_number_value(struct numbers_printer *printer, char *out, uint32_t i)
{
    if (printer->numbers.kind == NUMBERS_AS_DECIMALS)
        return print_decimal(&printer->decimal, out, printer->numbers.integers[i]);
    double value = printer->numbers.doubles[i];
    if (fabs(value) < 0x1p53)
        return print_double(out, value);
    struct number number;
    number_from_double(value, &number);
    return print_number(out, &number);
}

/* Copies `bytes` <= 8 constant bytes with one store. */
static inline char *print_constant(char *out, const char *text, unsigned bytes)
{
    uint64_t word = 0;
    memcpy(&word, text, bytes);
    store_u64(out, word);
    return out + bytes;
}

/* A number or boolean of CSV; NaN and infinities are an empty field. */
static inline char *print_simple_field(
    char *p, const struct batch *batch, uint32_t i, struct numbers_printer *numbers)
{
    if (batch->form == VALUES_NUMBERS) {
        bool finite = numbers->numbers.kind == NUMBERS_AS_DECIMALS || isfinite(numbers->numbers.doubles[i]);
        return finite ? print_number_value(numbers, p, i) : p;
    }
    p = print_constant(p, batch->booleans[i] ? "true" : "false", 5);
    return p - (batch->booleans[i] != 0);
}

/* The header of CSV, and its rows: whatever the fast loop of numbers and booleans cannot print. Each returns
 * 0 or -errno of the sink. */
int csv_print_header(struct sink *sink, const struct points_text *text);
int csv_print_rows(struct sink *sink, const struct points_text *text, const struct batch *batch);

#endif
