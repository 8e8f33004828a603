#include "json_points.h"
#include "points_text.h"

#include "json_internal.h"
#include "numbers_internal.h"
#include "msgpack_head.h"
#include "msgpack_value.h"
#include "number_internal.h"
#include "number_print.h"
#include "utf8.h"

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

static struct numbers_printer numbers_printer_make(const struct numbers *numbers)
{
    unsigned exponent = numbers->kind == NUMBERS_AS_DECIMALS ? numbers->exponent : 0;
    return (struct numbers_printer){.numbers = *numbers, .decimal = decimal_printer_make(exponent)};
}

/* Results of queries may hold what JSON has no word for: it becomes null. */
static char *print_any_double(char *out, double value)
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

static char *print_number(char *out, const struct number *number)
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

/* Numbers and booleans without senders: as many points as fit one reservation. Returns the next point. The
 * printers are copies: what is local and not written to memory need not be read again after each byte of
 * text. */
static uint32_t print_run(char **out, const char *limit, const struct batch *batch, uint32_t i,
    struct numbers_printer times, struct numbers_printer numbers)
{
    char *p = *out;
    uint32_t count = batch->count;
    bool is_numbers = batch->form == VALUES_NUMBERS;
    const uint8_t *booleans = batch->booleans;
    for (; i < count && p <= limit; i++) {
        p = print_constant(p, ",{\"t\":", 6);
        p = print_time(&times, p, i);
        p = print_constant(p, ",\"d\":", 5);
        if (is_numbers) {
            p = print_number_value(&numbers, p, i);
        } else {
            p = print_constant(p, booleans[i] ? "true" : "false", 5);
            p -= booleans[i] != 0;
        }
        *p++ = '}';
    }
    *out = p;
    return i;
}

static int print_runs(struct sink *sink, const struct batch *batch, bool first)
{
    struct numbers_printer times = numbers_printer_make(&batch->times);
    struct numbers_printer numbers = numbers_printer_make(&batch->numbers);
    for (uint32_t i = 0; i < batch->count;) {
        char *out = (char *)sink_reserve(sink, SINK_RESERVE_MAX);
        if (!out)
            return sink->failed;
        char *end = out;
        i = print_run(&end, out + SINK_RESERVE_MAX - POINT_TEXT_MAX, batch, i, times, numbers);
        size_t size = (size_t)(end - out);
        if (first) /* no ',' before the first point */
            memmove(out, out + 1, --size);
        first = false;
        sink_commit(sink, size);
    }
    return 0;
}

static int print_sender(struct sink *sink, const struct batch *batch, uint32_t i)
{
    size_t size;
    const char *sender = batch_sender(batch, i, &size);
    if (size == 0)
        return 0;
    int r = sink_write(sink, ",\"o\":", 5);
    return r < 0 ? r : json_print_string(sink, sender, size);
}

static int print_value(
    struct sink *sink, const struct batch *batch, uint32_t i, struct numbers_printer *numbers)
{
    if (batch->form == VALUES_NUMBERS) {
        char *out = (char *)sink_reserve(sink, NUMBER_TEXT_MAX);
        if (!out)
            return sink->failed;
        sink_commit(sink, (size_t)(print_number_value(numbers, out, i) - out));
        return 0;
    }
    uint8_t scratch[9];
    size_t size;
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    return msgpack_print_json(sink, value, size);
}

/* One point with anything in it. */
static int print_point(struct sink *sink, const struct batch *batch, uint32_t i,
    struct numbers_printer *times, struct numbers_printer *numbers, bool comma)
{
    char *out = (char *)sink_reserve(sink, POINT_TEXT_MAX);
    if (!out)
        return sink->failed;
    char *p = out;
    *p = ',';
    p = print_constant(p + comma, "{\"t\":", 5);
    p = print_time(times, p, i);
    p = print_constant(p, ",\"d\":", 5);
    sink_commit(sink, (size_t)(p - out));
    int r = print_value(sink, batch, i, numbers);
    if (r >= 0)
        r = print_sender(sink, batch, i);
    return r < 0 ? r : sink_write(sink, "}", 1);
}

int json_points_print(struct sink *sink, const struct batch *batch, bool first)
{
    if (batch->count == 0)
        return sink->failed;
    if (batch->form != VALUES_MSGPACK && !batch->has_senders)
        return print_runs(sink, batch, first);
    struct numbers_printer times = numbers_printer_make(&batch->times);
    struct numbers_printer numbers = numbers_printer_make(&batch->numbers);
    for (uint32_t i = 0; i < batch->count; i++) {
        int r = print_point(sink, batch, i, &times, &numbers, i > 0 || !first);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- other formats ---- */

int points_text_begin(struct sink *sink, const struct points_text *text)
{
    if (text->format == POINTS_JSON)
        return sink_write(sink, "[", 1);
    if (text->format == POINTS_NDJSON)
        return sink->failed;
    return text->senders ? sink_write(sink, "t,d,o\r\n", 7) : sink_write(sink, "t,d\r\n", 5);
}

int points_text_end(struct sink *sink, const struct points_text *text)
{
    return text->format == POINTS_JSON ? sink_write(sink, "]", 1) : sink->failed;
}

/* Numbers and booleans: as print_run, in lines. */
static uint32_t print_lines(char **out, const char *limit, const struct batch *batch, uint32_t i, bool csv,
    struct numbers_printer times, struct numbers_printer numbers)
{
    char *p = *out;
    for (; i < batch->count && p <= limit; i++) {
        if (!csv)
            p = print_constant(p, "{\"t\":", 5);
        p = print_time(&times, p, i);
        p = csv ? print_constant(p, ",", 1) : print_constant(p, ",\"d\":", 5);
        if (batch->form == VALUES_NUMBERS) {
            double value = numbers.numbers.kind == NUMBERS_AS_DOUBLES ? numbers.numbers.doubles[i] : 0;
            if (!csv || isfinite(value))
                p = print_number_value(&numbers, p, i);
        } else {
            p = print_constant(p, batch->booleans[i] ? "true" : "false", 5);
            p -= batch->booleans[i] != 0;
        }
        p = csv ? print_constant(p, "\r\n", 2) : print_constant(p, "}\n", 2);
    }
    *out = p;
    return i;
}

static int print_all_lines(struct sink *sink, const struct batch *batch, bool csv)
{
    struct numbers_printer times = numbers_printer_make(&batch->times);
    struct numbers_printer numbers = numbers_printer_make(&batch->numbers);
    for (uint32_t i = 0; i < batch->count;) {
        char *out = (char *)sink_reserve(sink, SINK_RESERVE_MAX);
        if (!out)
            return sink->failed;
        char *end = out;
        i = print_lines(&end, out + SINK_RESERVE_MAX - POINT_TEXT_MAX, batch, i, csv, times, numbers);
        sink_commit(sink, (size_t)(end - out));
    }
    return 0;
}

/* A field in quotes. */
static int print_quoted(struct sink *sink, const char *text, size_t size)
{
    int r = sink_write(sink, "\"", 1);
    while (r == 0 && size > 0) {
        const char *quote = memchr(text, '"', size);
        size_t part = quote ? (size_t)(quote - text) + 1 : size;
        r = sink_write(sink, text, part);
        if (r == 0 && quote)
            r = sink_write(sink, "\"", 1); /* two stand for one */
        text += part;
        size -= part;
    }
    return r < 0 ? r : sink_write(sink, "\"", 1);
}

static int print_container_field(struct sink *sink, const uint8_t *value, size_t size)
{
    struct sink text;
    int r = sink_memory_init(&text, SIZE_MAX / 2);
    if (r < 0)
        return r;
    r = msgpack_print_json(&text, value, size);
    if (r == 0)
        r = print_quoted(sink, (const char *)text.buffer, text.used);
    sink_memory_free(&text);
    return r;
}

static int print_field(struct sink *sink, const struct batch *batch, uint32_t i)
{
    uint8_t scratch[9];
    size_t size;
    struct msgpack_head head;
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    if (!msgpack_read_head(value, value + size, &head) || head.type == MSGPACK_NULL)
        return sink->failed; /* what is no value of JSON cannot be in a batch; NaN is written as null */
    if (head.type == MSGPACK_STRING)
        return print_quoted(sink, (const char *)value + head.size, head.length);
    if (head.type == MSGPACK_ARRAY || head.type == MSGPACK_MAP)
        return print_container_field(sink, value, size);
    return msgpack_print_json(sink, value, size);
}

static int print_row(
    struct sink *sink, const struct batch *batch, uint32_t i, struct numbers_printer *times, bool senders)
{
    size_t size;
    char *out = (char *)sink_reserve(sink, POINT_TEXT_MAX);
    if (!out)
        return sink->failed;
    char *end = print_time(times, out, i);
    *end++ = ',';
    sink_commit(sink, (size_t)(end - out));
    int r = print_field(sink, batch, i);
    if (r == 0 && senders) {
        const char *sender = batch_sender(batch, i, &size);
        r = sink_write(sink, ",", 1);
        if (r == 0 && size > 0)
            r = print_quoted(sink, sender, size);
    }
    return r < 0 ? r : sink_write(sink, "\r\n", 2);
}

static int print_rows(struct sink *sink, const struct batch *batch, bool senders)
{
    struct numbers_printer times = numbers_printer_make(&batch->times);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < batch->count; i++)
        r = print_row(sink, batch, i, &times, senders);
    return r;
}

static int print_objects(struct sink *sink, const struct batch *batch)
{
    struct numbers_printer times = numbers_printer_make(&batch->times);
    struct numbers_printer numbers = numbers_printer_make(&batch->numbers);
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < batch->count; i++) {
        r = print_point(sink, batch, i, &times, &numbers, false);
        if (r >= 0)
            r = sink_write(sink, "\n", 1);
    }
    return r;
}

int points_text_print(struct sink *sink, struct points_text *text, const struct batch *batch)
{
    bool first = text->printed == 0, csv = text->format == POINTS_CSV;
    text->printed += batch->count;
    if (text->format == POINTS_JSON)
        return json_points_print(sink, batch, first);
    bool simple = batch->form != VALUES_MSGPACK && batch->count > 0;
    if (simple && (csv ? !text->senders : !batch->has_senders))
        return print_all_lines(sink, batch, csv);
    return csv ? print_rows(sink, batch, text->senders) : print_objects(sink, batch);
}
