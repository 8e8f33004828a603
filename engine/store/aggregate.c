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

static void add_range(struct store_aggregate *to, uint64_t count, double min, double max, double sum)
{
    if (to->numbers == 0 || min < to->min)
        to->min = min;
    if (to->numbers == 0 || max > to->max)
        to->max = max;
    to->numbers += count;
    to->approximate_sum += sum;
}

static void add_decimals(struct store_aggregate *to, const struct numbers *numbers, uint32_t count)
{
    int64_t min = numbers->integers[0], max = min;
    int128 sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        min = numbers->integers[i] < min ? numbers->integers[i] : min;
        max = numbers->integers[i] > max ? numbers->integers[i] : max;
        sum += numbers->integers[i];
    }
    double power = POWERS_OF_TEN[numbers->exponent];
    add_range(to, count, (double)min / power, (double)max / power, (double)sum / power);
    if (to->exact)
        add_exact(to, sum, numbers->exponent);
}

static void add_doubles(struct store_aggregate *to, const double *doubles, uint32_t count)
{
    double min = doubles[0], max = min, sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        min = doubles[i] < min ? doubles[i] : min;
        max = doubles[i] > max ? doubles[i] : max;
        sum += doubles[i];
    }
    add_range(to, count, min, max, sum);
    to->exact = false;
}

static uint64_t big_endian(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

/* Adds the value if it is a number; it is canonical msgpack (batch.h). */
static void add_msgpack(struct store_aggregate *to, const uint8_t *value)
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
            add_doubles(to, &real, 1);
            return;
        }
        integer = (int64_t)found;
    } else if (type >= 0xd0 && type <= 0xd3) {
        unsigned bytes = 1u << (type - 0xd0), unused = 64 - 8 * bytes;
        integer = (int64_t)(big_endian(value + 1, bytes) << unused) >> unused;
    } else {
        if (type == 0xcb) {
            real = bits_double(big_endian(value + 1, 8));
            add_doubles(to, &real, 1);
        }
        return;
    }
    add_decimals(to, &(struct numbers){.kind = NUMBERS_AS_DECIMALS, .integers = &integer}, 1);
}

static void add_points(struct store_aggregate *to, const struct batch *batch)
{
    to->points += batch->count;
    if (batch->count == 0 || batch->form == VALUES_BOOLEANS)
        return;
    if (batch->form == VALUES_NUMBERS && batch->numbers.kind == NUMBERS_AS_DECIMALS) {
        add_decimals(to, &batch->numbers, batch->count);
    } else if (batch->form == VALUES_NUMBERS) {
        add_doubles(to, batch->numbers.doubles, batch->count);
    } else {
        for (uint32_t i = 0; i < batch->count; i++) {
            uint8_t scratch[9];
            size_t size;
            add_msgpack(to, batch_value(batch, i, scratch, &size));
        }
    }
}

static int add_by_cursor(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_aggregate *aggregate, struct error *ret_error)
{
    struct store_cursor *cursor;
    const struct batch *batch;
    int r = store_cursor_open(snapshot, series_id, from, to, false, &cursor, ret_error);
    if (r < 0)
        return r;
    do {
        r = store_cursor_next(cursor, &batch, ret_error);
        if (r == 0 && batch)
            add_points(aggregate, batch);
    } while (r == 0 && batch);
    store_cursor_close(cursor);
    return r;
}

/* The range [*position, to) within one part that is in a segment. */
static int add_segment_part(struct store_snapshot *snapshot, const struct part *part, uint64_t position,
    uint64_t to, struct store_aggregate *aggregate, struct error *ret_error)
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
            aggregate->points += known.count;
            add_range(aggregate, known.count, known.min, known.max,
                (double)known.sum / POWERS_OF_TEN[known.exponent]);
            if (aggregate->exact)
                add_exact(aggregate, known.sum, known.exponent);
        } else {
            r = add_by_cursor(snapshot, part->series.series_id, position, end, aggregate, ret_error);
        }
        position = end;
        number++;
    }
    return r;
}

int store_snapshot_aggregate(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_aggregate *ret_aggregate, struct error *ret_error)
{
    struct store_aggregate aggregate = {.exact = true};
    struct parts parts;
    int r = parts_find(snapshot, series_id, &parts, ret_error);
    for (uint32_t i = 0; r == 0 && i < parts.count; i++) {
        const struct part *part = &parts.list[i];
        uint64_t begin = from > part->first_index ? from : part->first_index;
        uint64_t end = to < part->end_index ? to : part->end_index;
        if (begin >= end)
            continue;
        if (part->segment)
            r = add_segment_part(snapshot, part, begin, end, &aggregate, ret_error);
        else
            r = add_by_cursor(snapshot, series_id, begin, end, &aggregate, ret_error);
    }
    free(parts.list);
    if (r == 0)
        *ret_aggregate = aggregate;
    return r;
}
