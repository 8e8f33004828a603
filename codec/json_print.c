#include "json_points.h"

#include "json_internal.h"
#include "numbers_internal.h"
#include "msgpack_head.h"
#include "msgpack_value.h"
#include "points_print.h"
#include "utf8.h"

#include <math.h>
#include <string.h>

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
    return text->format == POINTS_CSV ? csv_print_header(sink, text) : sink->failed;
}

int points_text_end(struct sink *sink, const struct points_text *text)
{
    return text->format == POINTS_JSON ? sink_write(sink, "]", 1) : sink->failed;
}

/* Numbers and booleans: as print_run, in lines. */
static uint32_t print_lines(char **out, const char *limit, const struct batch *batch, uint32_t i,
    struct numbers_printer times, struct numbers_printer numbers)
{
    char *p = *out;
    for (; i < batch->count && p <= limit; i++) {
        p = print_constant(p, "{\"t\":", 5);
        p = print_time(&times, p, i);
        p = print_constant(p, ",\"d\":", 5);
        if (batch->form == VALUES_NUMBERS) {
            p = print_number_value(&numbers, p, i);
        } else {
            p = print_constant(p, batch->booleans[i] ? "true" : "false", 5);
            p -= batch->booleans[i] != 0;
        }
        p = print_constant(p, "}\n", 2);
    }
    *out = p;
    return i;
}

static int print_all_lines(struct sink *sink, const struct batch *batch)
{
    struct numbers_printer times = numbers_printer_make(&batch->times);
    struct numbers_printer numbers = numbers_printer_make(&batch->numbers);
    for (uint32_t i = 0; i < batch->count;) {
        char *out = (char *)sink_reserve(sink, SINK_RESERVE_MAX);
        if (!out)
            return sink->failed;
        char *end = out;
        i = print_lines(&end, out + SINK_RESERVE_MAX - POINT_TEXT_MAX, batch, i, times, numbers);
        sink_commit(sink, (size_t)(end - out));
    }
    return 0;
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
    bool first = text->printed == 0;
    text->printed += batch->count;
    switch (text->format) {
    case POINTS_CSV:
        return csv_print_rows(sink, text, batch);
    case POINTS_NDJSON:
        return batch->form == VALUES_MSGPACK || batch->has_senders ? print_objects(sink, batch)
                                                                   : print_all_lines(sink, batch);
    default:
        return json_points_print(sink, batch, first);
    }
}
