#include "interpolator.h"

#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { BEFORE, AFTER, CLOSEST, COUNT, SUM, MEAN, SCRIPT };

static const char *const NAMES[] = {"before", "after", "closest", "count", "sum", "mean"};
static const uint8_t NIL = 0xc0;

struct interpolator {
    enum kind kind;
    struct reader reader;
    struct buffer last; /* the value of the last point at or before the time; empty: none yet */
    double last_time;
    struct script *script;
    struct script_run *run;
    double until;      /* of the script's datapoints */
    struct batch view; /* of them */
};

/* ---- the datapoints of a script: those up to the time of the row ---- */

static int next_of_row(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct interpolator *interpolator = context;
    struct reader *reader = &interpolator->reader;
    double time;
    int r = reader_peek(reader, &time, ret_error);
    *ret_batch = NULL;
    if (r <= 0 || time > interpolator->until)
        return r < 0 ? r : 0;
    uint32_t count = 1;
    while (reader->at + count < reader->batch->count &&
           batch_time(reader->batch, reader->at + count) <= interpolator->until)
        count++;
    batch_slice(reader->batch, reader->at, count, &interpolator->view);
    reader->at += count;
    *ret_batch = &interpolator->view;
    return 0;
}

static int open_script(struct interpolator *interpolator, const char *text,
    const struct script_limits *limits, struct error *ret_error)
{
    if (!*text)
        return error_set(ret_error, EINVAL, "the interpolator is missing");
    int r = script_compile(text, strlen(text), limits, &interpolator->script, ret_error);
    if (r == 0 && script_run_open(interpolator->script, next_of_row, interpolator, &interpolator->run) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory for an interpolator");
    return r;
}

/* ---- life ---- */

int interpolator_open(const char *text, struct sequence points, const struct script_limits *limits,
    struct interpolator **ret_interpolator, struct error *ret_error)
{
    struct interpolator *interpolator = calloc(1, sizeof(*interpolator));
    if (!interpolator)
        return error_set(ret_error, ENOMEM, "out of memory for an interpolator");
    interpolator->reader.source = points;
    interpolator->kind = SCRIPT;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(text, NAMES[i]) == 0)
            interpolator->kind = (enum kind)i;
    }
    int r = interpolator->kind == SCRIPT ? open_script(interpolator, text, limits, ret_error) : 0;
    if (r < 0) {
        interpolator_close(interpolator);
        return r;
    }
    *ret_interpolator = interpolator;
    return 0;
}

void interpolator_close(struct interpolator *interpolator)
{
    if (!interpolator)
        return;
    script_run_close(interpolator->run);
    script_free(interpolator->script);
    buffer_free(&interpolator->last);
    free(interpolator);
}

/* ---- values ---- */

static int append(struct buffer *value, const void *bytes, size_t size, struct error *ret_error)
{
    if (buffer_append(value, bytes, size) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a dataset");
    return size != 1 || *(const uint8_t *)bytes != NIL;
}

static int append_point(struct buffer *value, const struct batch *batch, uint32_t i, struct error *ret_error)
{
    uint8_t scratch[9];
    size_t size;
    const uint8_t *bytes = batch_value(batch, i, scratch, &size);
    return append(value, bytes, size, ret_error);
}

static int append_number(struct buffer *value, const struct value *number, struct error *ret_error)
{
    size_t before = value->size;
    if (value_pack(number, value) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a dataset");
    return value->size - before != 1 || value->data[before] != NIL;
}

/* Goes over the points at or before the time and keeps the last one. 1: another one follows (at the reader);
 * 0: none; -errno. */
static int pass(struct interpolator *interpolator, double time, double *ret_next, struct error *ret_error)
{
    struct reader *reader = &interpolator->reader;
    for (;;) {
        int r = reader_peek(reader, ret_next, ret_error);
        if (r <= 0 || *ret_next > time)
            return r;
        uint32_t last = reader->at;
        while (last + 1 < reader->batch->count && batch_time(reader->batch, last + 1) <= time)
            last++;
        interpolator->last.size = 0;
        if (append_point(&interpolator->last, reader->batch, last, ret_error) < 0)
            return -ENOMEM;
        interpolator->last_time = batch_time(reader->batch, last);
        reader->at = last + 1;
    }
}

static int append_last(const struct interpolator *interpolator, struct buffer *value, struct error *ret_error)
{
    bool found = interpolator->last.size > 0;
    return append(
        value, found ? interpolator->last.data : &NIL, found ? interpolator->last.size : 1, ret_error);
}

static int value_of_neighbours(
    struct interpolator *interpolator, double time, struct buffer *value, struct error *ret_error)
{
    const struct reader *reader = &interpolator->reader;
    double next = 0;
    int follows = pass(interpolator, time, &next, ret_error);
    if (follows < 0)
        return follows;
    bool found = interpolator->last.size > 0;
    bool take_next =
        interpolator->kind == AFTER ||
        (interpolator->kind == CLOSEST && (!found || next - time < time - interpolator->last_time));
    if (interpolator->kind == BEFORE || !take_next || (!follows && interpolator->kind == CLOSEST))
        return append_last(interpolator, value, ret_error);
    return follows ? append_point(value, reader->batch, reader->at, ret_error)
                   : append(value, &NIL, 1, ret_error);
}

static int value_of_window(
    struct interpolator *interpolator, double time, struct buffer *value, struct error *ret_error)
{
    struct reader *reader = &interpolator->reader;
    int64_t count = 0;
    double sum = 0, number, at;
    int r;
    while ((r = reader_peek(reader, &at, ret_error)) == 1 && at <= time) {
        struct value point = value_of_batch(reader->batch, reader->at);
        if (interpolator->kind != COUNT) {
            r = value_to_double(&point, &number, ret_error);
            if (r < 0)
                break;
            sum += number;
        }
        count++;
        reader->at++;
    }
    if (r < 0)
        return r;
    struct value result = interpolator->kind == COUNT ? value_integer(count)
                          : interpolator->kind == SUM ? value_double(sum)
                                                      : value_double(count > 0 ? sum / (double)count : 0);
    return append_number(value, &result, ret_error);
}

static int value_of_script(
    struct interpolator *interpolator, double time, struct buffer *value, struct error *ret_error)
{
    const struct batch *batch;
    size_t before = value->size;
    interpolator->until = time;
    int r = script_run_reset(interpolator->run, ret_error);
    bool found = false;
    int there = 0;
    while (r == 0 && (r = script_run_next(interpolator->run, &batch, ret_error)) == 0 && batch) {
        value->size = before;
        there = append_point(value, batch, batch->count - 1, ret_error);
        r = there < 0 ? there : 0;
        found = true;
    }
    if (r < 0)
        return r;
    return found ? there : append(value, &NIL, 1, ret_error);
}

int interpolator_value(
    struct interpolator *interpolator, double time, struct buffer *value, struct error *ret_error)
{
    switch (interpolator->kind) {
    case BEFORE:
    case AFTER:
    case CLOSEST:
        return value_of_neighbours(interpolator, time, value, ret_error);
    case SCRIPT:
        return value_of_script(interpolator, time, value, ret_error);
    default:
        return value_of_window(interpolator, time, value, ret_error);
    }
}
