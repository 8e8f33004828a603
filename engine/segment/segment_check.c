#include "segment.h"

#include "bytes.h"
#include "segment_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct check {
    const struct segment *segment;
    void (*found)(void *context, const char *message);
    void *context;
    struct columns *columns;
    struct batch batch;
    int findings;
    /* Where the walk is. */
    bool started;
    uint64_t series_id;   /* the last one */
    uint64_t offset;      /* where the next block must start */
    uint64_t index_start; /* the next index entry that no series has claimed */
    uint64_t series_count;
    uint64_t point_count;
};

/* Within one series. */
struct series_check {
    const struct segment_series *series;
    uint64_t next_index;
    double time_last;
    uint64_t logical_bytes;
    bool complete; /* all blocks could be read */
};

__attribute__((format(printf, 2, 3))) static void report(struct check *check, const char *format, ...)
{
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    check->findings++;
    check->found(check->context, message);
}

static void report_block(
    struct check *check, const struct series_check *at, const struct segment_block *block, const char *what)
{
    report(check, "%s: block at offset %llu (series %llu, index %llu): %s", segment_path(check->segment),
        (unsigned long long)block->offset, (unsigned long long)at->series->series_id,
        (unsigned long long)block->first_index, what);
}

static bool times_ordered(const struct batch *batch)
{
    for (uint32_t i = 1; i < batch->count; i++) {
        if (!(batch_time(batch, i - 1) <= batch_time(batch, i)))
            return false;
    }
    return true;
}

static void check_times(struct check *check, struct series_check *at, const struct segment_block *block)
{
    const struct batch *batch = &check->batch;
    double first = batch_time(batch, 0), last = batch_time(batch, batch->count - 1);
    if (!times_ordered(batch) || (at->next_index != at->series->first_index && !(at->time_last <= first)))
        report_block(check, at, block, "times decrease");
    if (double_bits(first) != double_bits(block->time_first) ||
        double_bits(last) != double_bits(block->time_last))
        report_block(check, at, block, "its times are not those of the index");
    at->time_last = last;
}

static void check_aggregate(
    struct check *check, const struct series_check *at, const struct segment_block *block, uint32_t number)
{
    struct block_aggregate stored = {0}, computed = {0};
    struct error error = {0};
    if (at->series->block_count == 1)
        return;
    if (check->batch.form == VALUES_NUMBERS)
        aggregate_compute(&check->batch.numbers, 0, check->batch.count, &computed);
    if (segment_block_aggregate(check->segment, at->series, number, &stored, &error) < 0) {
        report(check, "%s", error.message);
        return;
    }
    if (stored.valid != computed.valid || stored.count != computed.count || stored.sum != computed.sum ||
        stored.exponent != computed.exponent || double_bits(stored.min) != double_bits(computed.min) ||
        double_bits(stored.max) != double_bits(computed.max))
        report_block(check, at, block, "its aggregates are not those of its values");
}

static void check_block(struct check *check, struct series_check *at, uint32_t number)
{
    struct segment_block block;
    struct error error = {0};
    if (segment_block(check->segment, at->series, number, &block, &error) < 0) {
        report(check, "%s", error.message);
        at->complete = false;
        return;
    }
    if (block.offset != check->offset)
        report_block(check, at, &block, "a gap or overlap before it");
    if (block.first_index != at->next_index)
        report_block(check, at, &block, "points are missing before it");
    check->offset = block.offset + block.size;
    if (segment_read_block(check->segment, at->series, &block, check->columns, false, &check->batch, &error) <
        0) {
        report(check, "%s", error.message);
        at->complete = false;
    } else {
        check_times(check, at, &block);
        check_aggregate(check, at, &block, number);
        at->logical_bytes += batch_logical_bytes(&check->batch, 0, block.count);
    }
    at->next_index = block.first_index + block.count;
    segment_forget(check->segment, &block);
}

static void check_series_end(struct check *check, const struct series_check *at)
{
    const struct segment_series *series = at->series;
    const char *what = NULL;
    if (at->next_index != series->first_index + series->count)
        what = "its blocks do not hold the points that the directory counts";
    else if (double_bits(at->time_last) != double_bits(series->time_last))
        what = "its last time is not that of the directory";
    else if (at->logical_bytes > series->logical_bytes ||
             (series->first_index == 0 && at->logical_bytes != series->logical_bytes))
        what = "its logical bytes are not those of the directory";
    if (what && at->complete)
        report(check, "%s: series %llu: %s", segment_path(check->segment),
            (unsigned long long)series->series_id, what);
}

static int check_series(void *context, const struct segment_series *series)
{
    struct check *check = context;
    struct series_check at = {.series = series, .next_index = series->first_index, .complete = true};
    struct segment_block block;
    if (check->started && series->series_id <= check->series_id)
        report(check, "%s: series %llu does not ascend", segment_path(check->segment),
            (unsigned long long)series->series_id);
    if (series->block_offset != check->offset || series->block_index_start != check->index_start)
        report(check, "%s: series %llu: the directory leaves a gap before its blocks",
            segment_path(check->segment), (unsigned long long)series->series_id);
    check->offset = series->block_offset;
    for (uint32_t number = 0; number < series->block_count; number++)
        check_block(check, &at, number);
    if (segment_block(check->segment, series, 0, &block, NULL) == 0 &&
        double_bits(block.time_first) != double_bits(series->time_first))
        report(check, "%s: series %llu: its first time is not that of the directory",
            segment_path(check->segment), (unsigned long long)series->series_id);
    check_series_end(check, &at);
    check->started = true;
    check->series_id = series->series_id;
    check->offset = series->block_offset + series->block_size;
    check->index_start += series->block_count > 1 ? series->block_count : 0;
    check->series_count++;
    check->point_count += series->count;
    return 0;
}

static void check_totals(struct check *check)
{
    const struct segment_footer *footer = &check->segment->footer;
    if (check->offset != footer->blocks_end || check->index_start != footer->index_count ||
        check->series_count != footer->series_count || check->point_count != footer->point_count)
        report(check, "%s: the footer's counts are not those of the directory", segment_path(check->segment));
}

/* The zeros between the blocks and the index mean nothing, but nobody writes anything else there. */
static void check_padding(struct check *check)
{
    const struct segment *segment = check->segment;
    const uint8_t *data = map_data(segment->map);
    for (uint64_t i = segment->footer.blocks_end; i < segment->layout.index_offset; i++) {
        if (data[i] != 0)
            report(check, "%s: the byte at offset %llu, behind the blocks, is %u instead of 0",
                segment_path(segment), (unsigned long long)i, data[i]);
    }
}

int segment_check(const struct segment *segment, void (*found)(void *context, const char *message),
    void *context, struct error *ret_error)
{
    struct error error = {0};
    struct check check = {
        .segment = segment, .found = found, .context = context, .offset = sizeof(struct segment_header)};
    map_expect(segment->map, false); /* all of it will be read */
    if (columns_open(&check.columns) < 0)
        return error_set(ret_error, ENOMEM, "%s: out of memory", segment_path(segment));
    batch_init(&check.batch);
    if (segment_each_series(segment, check_series, &check, &error) < 0)
        report(&check, "%s", error.message);
    else
        check_totals(&check);
    check_padding(&check);
    batch_free(&check.batch);
    columns_close(check.columns);
    return check.findings;
}
