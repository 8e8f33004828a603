/* Column codecs: points encoded and decoded per second and bytes per point, block by block, on one core. */
#include "batch.h"
#include "bench_common.h"
#include "buffer.h"
#include "columns.h"
#include "generate.h"
#include "segment.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct piece { /* one column of one block */
    size_t offset;
    size_t size;
};

struct work {
    struct columns *columns;
    struct batch batch;   /* all points */
    struct batch decoded; /* one block */
    struct buffer encoded;
    struct piece *times, *values;
    uint32_t blocks;
    uint32_t block_points;
    uint64_t times_bytes, values_bytes;
};

static uint32_t block_count(const struct work *work, uint32_t block)
{
    uint32_t left = work->batch.count - block * work->block_points;
    return left < work->block_points ? left : work->block_points;
}

static void encode(void *context, bool values)
{
    struct work *work = context;
    struct piece *pieces = values ? work->values : work->times;
    uint64_t start = work->encoded.size;
    for (uint32_t b = 0; b < work->blocks; b++) {
        pieces[b].offset = work->encoded.size;
        bench_must((values ? columns_encode_values : columns_encode_times)(work->columns, &work->batch,
                       b * work->block_points, block_count(work, b), &work->encoded),
            NULL);
        pieces[b].size = work->encoded.size - pieces[b].offset;
    }
    *(values ? &work->values_bytes : &work->times_bytes) = work->encoded.size - start;
}

static void encode_times(void *context)
{
    ((struct work *)context)->encoded.size = 0;
    encode(context, false);
}

static void encode_values(void *context)
{
    struct work *work = context;
    work->encoded.size = work->times_bytes; /* behind the times, which stay */
    encode(context, true);
}

static void decode_times(void *context)
{
    struct work *work = context;
    struct error error = {0};
    for (uint32_t b = 0; b < work->blocks; b++)
        bench_must(columns_decode_times(work->columns, work->encoded.data + work->times[b].offset,
                       work->times[b].size, block_count(work, b), &work->decoded, &error),
            &error);
}

static void decode_values(void *context)
{
    struct work *work = context;
    struct error error = {0};
    for (uint32_t b = 0; b < work->blocks; b++)
        bench_must(columns_decode_values(work->columns, work->encoded.data + work->values[b].offset,
                       work->values[b].size, block_count(work, b), &work->decoded, &error),
            &error);
}

static void measure(struct work *work, const char *name, const char *column, void (*encode_work)(void *),
    void (*decode_work)(void *), const uint64_t *bytes)
{
    char row[64];
    uint64_t points = work->batch.count;
    struct bench_result result = bench_run(1, 5, NULL, encode_work, work);
    snprintf(row, sizeof(row), "%s %s encode", name, column);
    bench_row(row, points, points * 8, *bytes, &result);
    result = bench_run(1, 5, NULL, decode_work, work);
    snprintf(row, sizeof(row), "%s %s decode", name, column);
    bench_row(row, points, points * 8, *bytes, &result);
}

static void bench_kind(enum generate_kind kind, uint32_t points)
{
    struct work work = {.block_points = kind == GENERATE_EVENTS ? 2048 : BLOCK_POINTS_MAX};
    struct generator generator;
    batch_init(&work.batch);
    batch_init(&work.decoded);
    generator_init(&generator, kind, 1);
    bench_must(generator_fill(&generator, &work.batch, points), NULL);
    bench_must(batch_reserve(&work.decoded, BLOCK_POINTS_MAX), NULL);
    bench_must(columns_open(&work.columns), NULL);
    work.blocks = (points + work.block_points - 1) / work.block_points;
    work.times = calloc(work.blocks, sizeof(*work.times));
    work.values = calloc(work.blocks, sizeof(*work.values));
    if (!work.times || !work.values)
        bench_fail("out of memory");
    measure(&work, generate_name(kind), "times", encode_times, decode_times, &work.times_bytes);
    measure(&work, generate_name(kind), "values", encode_values, decode_values, &work.values_bytes);
    columns_close(work.columns);
    batch_free(&work.batch);
    batch_free(&work.decoded);
    buffer_free(&work.encoded);
    free(work.times);
    free(work.values);
}

int main(int argc, char **argv)
{
    uint64_t points = bench_points(argc, argv, 400000);
    for (unsigned kind = 0; kind < GENERATE_KINDS; kind++) {
        uint64_t limit = kind == GENERATE_EVENTS ? 200000 : BATCH_POINTS_MAX;
        bench_kind((enum generate_kind)kind, (uint32_t)(points < limit ? points : limit));
    }
    return 0;
}
