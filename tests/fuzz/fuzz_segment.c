/* Segments from outside. The input is put into a file; all its checksums are set right where they can be
 * found, so that what lies behind them is reached: opening, searching and reading must stay within the file
 * whatever it claims. */
#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "segment.h"
#include "segment_format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A page of the directory is searched from its start: looking up all of a thousand series would take a run's
 * time. */
enum { ID = 3, SERIES_READ_MAX = 48, BLOCKS_READ_MAX = 64, SIZE_MAX_FUZZED = 1 << 20 };

static int file = -1; /* in memory, used by all runs */
static char path[64];
static uint8_t content[SIZE_MAX_FUZZED];
static struct columns *columns;
static struct batch batch;

static void start(void)
{
    if (file >= 0)
        return;
    file = memfd_create("segment", MFD_CLOEXEC);
    CHECK(file >= 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    CHECK(columns_open(&columns) == 0);
    batch_init(&batch);
}

static void seal_range(uint64_t *field, uint64_t offset, uint64_t bytes, uint64_t size)
{
    if (offset <= size && bytes <= size - offset)
        *field = checksum(content + offset, (size_t)bytes, ID);
}

/* Walks the blocks by their own sizes, as they stand. */
static void seal_blocks(uint64_t size)
{
    uint64_t offset = sizeof(struct segment_header);
    struct block_header header;
    while (offset < size && block_header_parse(content + offset, size - offset, &header, NULL) == 0) {
        block_seal(content + offset, header.size, ID, offset);
        offset += header.size;
    }
}

static void seal(size_t size)
{
    struct segment_header header;
    struct segment_footer footer;
    if (size < sizeof(header) + sizeof(footer))
        return;
    segment_header_pack(&header, ID);
    memcpy(content, &header, sizeof(header));
    memcpy(&footer, content + size - sizeof(footer), sizeof(footer));
    seal_blocks(size - sizeof(footer));
    footer.magic = SEGMENT_FOOTER_MAGIC;
    footer.version = SEGMENT_VERSION;
    footer.flags = 0;
    footer.segment_id = ID;
    footer.file_size = size;
    uint64_t index = align_up(footer.blocks_end, SEGMENT_ALIGNMENT);
    uint64_t aggregates = index + footer.index_count * sizeof(struct index_entry);
    uint64_t directory = aggregates + footer.index_count * sizeof(struct aggregate_entry);
    seal_range(&footer.index_checksum, index, aggregates - index, size);
    seal_range(&footer.aggregates_checksum, aggregates, directory - aggregates, size);
    seal_range(&footer.directory_checksum, directory, footer.directory_size, size);
    segment_footer_seal(&footer);
    memcpy(content + size - sizeof(footer), &footer, sizeof(footer));
}

struct reading {
    const struct segment *segment;
    unsigned series_count;
};

static int read_series(void *context, const struct segment_series *series)
{
    struct reading *reading = context;
    const struct segment *segment = reading->segment;
    struct segment_series found;
    struct segment_block block;
    uint32_t number;
    CHECK(segment_find(segment, series->series_id, &found, NULL) <= 1);
    if (segment_block_by_index(segment, series, series->first_index + series->count / 2, &number, NULL) == 0)
        CHECK(number < series->block_count);
    if (segment_block_after_time(segment, series, series->time_first, &number, NULL) == 0)
        CHECK(number <= series->block_count);
    for (uint32_t b = 0; b < series->block_count && b < BLOCKS_READ_MAX; b++) {
        struct block_aggregate aggregate;
        struct error error = {0};
        (void)segment_block_aggregate(segment, series, b, &aggregate, NULL);
        if (segment_block(segment, series, b, &block, &error) < 0)
            continue;
        if (segment_read_block(segment, series, &block, columns, b % 2, &batch, &error) == 0)
            CHECK(batch.count == block.count);
        else
            CHECK(error.code != 0 && batch.count == 0);
    }
    return ++reading->series_count == SERIES_READ_MAX;
}

static void ignore(void *context, const char *message)
{
    (void)context, (void)message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment *segment;
    struct error error = {0};
    start();
    if (size > SIZE_MAX_FUZZED)
        return 0;
    memcpy(content, data, size);
    seal(size);
    CHECK(ftruncate(file, (off_t)size) == 0 && pwrite(file, content, size, 0) == (ssize_t)size);
    if (segment_open(path, ID, &segment, &error) < 0) {
        CHECK(error.code == EBADMSG || error.code == ENOTSUP);
        return 0;
    }
    struct reading reading = {.segment = segment};
    (void)segment_each_series(segment, read_series, &reading, &error);
    CHECK(segment_check(segment, ignore, NULL, &error) >= 0);
    segment_close(segment);
    return 0;
}
