/* Count, extremes and sum of the numbers in a range: from the blocks' stored aggregates where whole blocks
 * are asked for, from decoded points elsewhere. */
#include "bytes.h"
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* Adds n / 10^exponent exactly, as long as a 128-bit sum at the larger exponent can hold it. */
static void add_exact(struct store_aggregate *to, int128 sum, uint8_t exponent)
{
    int128 a = to->sum, b = sum;
    uint8_t target = to->exponent > exponent ? to->exponent : exponent;
    bool overflow = false;
    for (uint8_t e = to->exponent; e < target; e++)
        overflow |= __builtin_mul_overflow(a, (int128)10, &a);
    for (uint8_t e = exponent; e < target; e++)
        overflow |= __builtin_mul_overflow(b, (int128)10, &b);
    overflow |= __builtin_add_overflow(a, b, &a);
    if (overflow) {
        to->exact = false;
        return;
    }
    to->sum = a;
    to->exponent = target;
}

/* Indices [from, to) in which something lies. */
struct span {
    uint64_t from, to;
};

/* An aggregate, and where its extremes are: the first point that has each lies in the span. */
struct located {
    struct store_aggregate *values;
    struct span min, max;
};

/* Adds `count` numbers that lie at the indices of the span. */
static void add_range(
    struct located *to, struct span span, uint64_t count, double min, double max, double sum)
{
    struct store_aggregate *values = to->values;
    if (values->numbers == 0 || min < values->min) {
        values->min = min;
        to->min = span;
    }
    if (values->numbers == 0 || max > values->max) {
        values->max = max;
        to->max = span;
    }
    values->numbers += count;
    values->approximate_sum += sum;
}

static void add_decimals(struct located *to, struct span span, const struct numbers *numbers, uint32_t count)
{
    int64_t min = numbers->integers[0], max = min;
    int128 sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        min = numbers->integers[i] < min ? numbers->integers[i] : min;
        max = numbers->integers[i] > max ? numbers->integers[i] : max;
        sum += numbers->integers[i];
    }
    double power = POWERS_OF_TEN[numbers->exponent];
    add_range(to, span, count, (double)min / power, (double)max / power, (double)sum / power);
    if (to->values->exact)
        add_exact(to->values, sum, numbers->exponent);
}

static void add_doubles(struct located *to, struct span span, const double *doubles, uint32_t count)
{
    double min = doubles[0], max = min, sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        min = doubles[i] < min ? doubles[i] : min;
        max = doubles[i] > max ? doubles[i] : max;
        sum += doubles[i];
    }
    add_range(to, span, count, min, max, sum);
    to->values->exact = false;
}

static uint64_t big_endian(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

/* Adds the value if it is a number; it is canonical msgpack (batch.h). */
static void add_msgpack(struct located *to, struct span span, const uint8_t *value)
{
    int64_t integer;
    double real;
    uint8_t type = value[0];
    if (type <= 0x7f || type >= 0xe0) {
        integer = (int8_t)type;
    } else if (type >= 0xcc && type <= 0xcf) {
        uint64_t found = big_endian(value + 1, 1u << (type - 0xcc));
        if (found > INT64_MAX) {
            real = (double)found;
            add_doubles(to, span, &real, 1);
            return;
        }
        integer = (int64_t)found;
    } else if (type >= 0xd0 && type <= 0xd3) {
        unsigned bytes = 1u << (type - 0xd0), unused = 64 - 8 * bytes;
        integer = (int64_t)(big_endian(value + 1, bytes) << unused) >> unused;
    } else {
        if (type == 0xcb) {
            real = bits_double(big_endian(value + 1, 8));
            add_doubles(to, span, &real, 1);
        }
        return;
    }
    add_decimals(to, span, &(struct numbers){.kind = NUMBERS_AS_DECIMALS, .integers = &integer}, 1);
}

/* first  the index of the batch's first point */
static void add_points(struct located *to, uint64_t first, const struct batch *batch)
{
    const struct span span = {first, first + batch->count};
    to->values->points += batch->count;
    if (batch->count == 0 || batch->form == VALUES_BOOLEANS)
        return;
    if (batch->form == VALUES_NUMBERS && batch->numbers.kind == NUMBERS_AS_DECIMALS) {
        add_decimals(to, span, &batch->numbers, batch->count);
    } else if (batch->form == VALUES_NUMBERS) {
        add_doubles(to, span, batch->numbers.doubles, batch->count);
    } else {
        for (uint32_t i = 0; i < batch->count; i++) {
            uint8_t scratch[9];
            size_t size;
            add_msgpack(to, (struct span){first + i, first + i + 1}, batch_value(batch, i, scratch, &size));
        }
    }
}

static int add_by_cursor(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct located *aggregate, struct error *ret_error)
{
    struct store_cursor *cursor;
    const struct batch *batch;
    int r = store_cursor_open(snapshot, series_id, from, to, false, &cursor, ret_error);
    if (r < 0)
        return r;
    do {
        r = store_cursor_next(cursor, &batch, ret_error);
        if (r == 0 && batch) {
            add_points(aggregate, from, batch);
            from += batch->count;
        }
    } while (r == 0 && batch);
    store_cursor_close(cursor);
    return r;
}

/* The range [*position, to) within one part that is in a segment. */
static int add_segment_part(struct store_snapshot *snapshot, const struct part *part, uint64_t position,
    uint64_t to, struct located *aggregate, struct error *ret_error)
{
    uint32_t number;
    int r = segment_block_by_index(part->segment, &part->series, position, &number, ret_error);
    while (r == 0 && position < to) {
        struct segment_block block;
        struct block_aggregate known;
        r = segment_block(part->segment, &part->series, number, &block, ret_error);
        if (r == 0)
            r = segment_block_aggregate(part->segment, &part->series, number, &known, ret_error);
        if (r < 0)
            return r;
        uint64_t end = block.first_index + block.count < to ? block.first_index + block.count : to;
        if (known.valid && position == block.first_index && end == block.first_index + block.count) {
            aggregate->values->points += known.count;
            add_range(aggregate, (struct span){position, end}, known.count, known.min, known.max,
                (double)known.sum / POWERS_OF_TEN[known.exponent]);
            if (aggregate->values->exact)
                add_exact(aggregate->values, known.sum, known.exponent);
        } else {
            r = add_by_cursor(snapshot, part->series.series_id, position, end, aggregate, ret_error);
        }
        position = end;
        number++;
    }
    return r;
}

static int aggregate_range(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct located *aggregate, struct error *ret_error)
{
    struct parts parts;
    int r = parts_find(snapshot, series_id, &parts, ret_error);
    for (uint32_t i = 0; r == 0 && i < parts.count; i++) {
        const struct part *part = &parts.list[i];
        uint64_t begin = from > part->first_index ? from : part->first_index;
        uint64_t end = to < part->end_index ? to : part->end_index;
        if (begin >= end)
            continue;
        if (part->segment)
            r = add_segment_part(snapshot, part, begin, end, aggregate, ret_error);
        else
            r = add_by_cursor(snapshot, series_id, begin, end, aggregate, ret_error);
    }
    free(parts.list);
    return r;
}

int store_snapshot_aggregate(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_aggregate *ret_aggregate, struct error *ret_error)
{
    struct store_aggregate values = {.exact = true};
    int r = aggregate_range(snapshot, series_id, from, to, &(struct located){.values = &values}, ret_error);
    if (r == 0)
        *ret_aggregate = values;
    return r;
}

/* Whether point i is that number. */
static bool is_number(const struct batch *batch, uint32_t i, double value)
{
    if (batch->form == VALUES_BOOLEANS)
        return false;
    if (batch->form == VALUES_NUMBERS)
        return numbers_double(&batch->numbers, i) == value;
    struct store_aggregate one = {.exact = false};
    uint8_t scratch[9];
    size_t size;
    add_msgpack(&(struct located){.values = &one}, (struct span){0}, batch_value(batch, i, scratch, &size));
    return one.numbers == 1 && one.min == value;
}

/* The index of the first number in the span that is equal to `value`, the smallest or largest of them. */
static int find_number(struct store_snapshot *snapshot, uint64_t series_id, struct span span, double value,
    uint64_t *ret_index, struct error *ret_error)
{
    struct store_cursor *cursor;
    const struct batch *batch = NULL;
    bool found = span.to - span.from == 1;
    uint64_t index = span.from;
    int r = found ? 0 : store_cursor_open(snapshot, series_id, span.from, span.to, false, &cursor, ret_error);
    if (found || r < 0) {
        *ret_index = index;
        return r;
    }
    while (r == 0 && !found && (r = store_cursor_next(cursor, &batch, ret_error)) == 0 && batch) {
        for (uint32_t i = 0; i < batch->count && !found; i++) {
            found = is_number(batch, i, value);
            index += !found;
        }
    }
    store_cursor_close(cursor);
    if (r == 0 && !found)
        return error_set(ret_error, EBADMSG,
            "no datapoint from %llu to %llu has the value %.17g of their block",
            (unsigned long long)span.from, (unsigned long long)span.to, value);
    *ret_index = index;
    return r;
}

int store_snapshot_extremes(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_extremes *ret_extremes, struct error *ret_error)
{
    struct store_aggregate values = {.exact = false};
    struct located located = {.values = &values};
    struct store_extremes extremes = {0};
    int r = aggregate_range(snapshot, series_id, from, to, &located, ret_error);
    extremes.numbers = values.numbers;
    if (r == 0 && values.numbers > 0)
        r = find_number(snapshot, series_id, located.min, values.min, &extremes.min_index, ret_error);
    if (r == 0 && values.numbers > 0)
        r = find_number(snapshot, series_id, located.max, values.max, &extremes.max_index, ret_error);
    if (r == 0)
        *ret_extremes = extremes;
    return r;
}
