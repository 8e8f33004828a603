#include "segment.h"

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "file_writer.h"
#include "segment_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEGMENT_MODE = 0600,
    NUMBER_BYTES_MAX = 9, /* msgpack of one number */
    FORM_CHANGE_POINTS =
        1024, /* gathered points that make a block of their own when values change their form */
};

struct segment_writer {
    struct file_writer *file;
    struct columns *columns;
    char *path;
    uint64_t segment_id;
    int failed; /* the first failure stays */

    struct batch pending; /* points of the current series that are in no block yet */
    struct buffer block;  /* the block under construction */
    struct buffer index, aggregates, directory, page_table;

    bool series_open;
    struct segment_series series; /* the current one: what is in blocks so far */
    struct index_entry
        first_entry; /* its first block, which gets an index entry only if a second one comes */
    struct aggregate_entry first_aggregate;
    struct directory_cursor cursor;

    uint64_t series_count;
    uint64_t point_count;
};

static int fail(struct segment_writer *writer, int r)
{
    if (r < 0 && writer->failed == 0)
        writer->failed = r;
    return r;
}

static int fail_memory(struct segment_writer *writer, struct error *ret_error)
{
    return fail(writer, error_set(ret_error, ENOMEM, "%s: out of memory", writer->path));
}

int segment_writer_open(struct io *io, const char *path, uint64_t segment_id,
    struct segment_writer **ret_writer, struct error *ret_error)
{
    struct segment_header header;
    struct segment_writer *writer = calloc(1, sizeof(*writer));
    int r = -ENOMEM;
    if (writer) {
        batch_init(&writer->pending);
        writer->segment_id = segment_id;
        writer->path = strdup(path);
        r = columns_open(&writer->columns);
    }
    if (r < 0 || !writer->path) {
        segment_writer_close(writer);
        return error_set(ret_error, ENOMEM, "%s: out of memory", path);
    }
    segment_header_pack(&header, segment_id);
    r = file_writer_open(io, path, SEGMENT_MODE, &writer->file, ret_error);
    if (r == 0)
        r = file_writer_append(writer->file, &header, sizeof(header), ret_error);
    if (r < 0) {
        segment_writer_close(writer);
        return r;
    }
    *ret_writer = writer;
    return 0;
}

void segment_writer_close(struct segment_writer *writer)
{
    if (!writer)
        return;
    file_writer_close(writer->file);
    columns_close(writer->columns);
    batch_free(&writer->pending);
    buffer_free(&writer->block);
    buffer_free(&writer->index);
    buffer_free(&writer->aggregates);
    buffer_free(&writer->directory);
    buffer_free(&writer->page_table);
    free(writer->path);
    free(writer);
}

/* ---- one block ---- */

/* Encodes the points behind room for a header; fills in the sizes. */
static int encode_columns(struct segment_writer *writer, const struct batch *batch, uint32_t from,
    uint32_t count, struct block_header *header, struct block_aggregate *ret_aggregate)
{
    struct buffer *block = &writer->block;
    struct numbers numbers;
    if (buffer_reserve(block, BLOCK_HEADER_BYTES_MAX) < 0)
        return -ENOMEM;
    size_t start = block->size = BLOCK_HEADER_BYTES_MAX;
    int r = columns_encode_times(writer->columns, batch, from, count, block);
    header->times_size = block->size - start;
    start = block->size;
    if (r == 0)
        r = columns_encode_values(writer->columns, batch, from, count, block);
    header->values_size = block->size - start;
    start = block->size;
    *ret_aggregate = (struct block_aggregate){0};
    if (r == 0 && columns_encoded_decimals(writer->columns, &numbers))
        aggregate_compute(&numbers, 0, count, ret_aggregate);
    if (r == 0)
        r = columns_encode_senders(writer->columns, batch, from, count, block);
    header->senders_size = block->size - start;
    return r;
}

static int add_index_entry(
    struct segment_writer *writer, const struct index_entry *entry, const struct aggregate_entry *aggregate)
{
    int r = buffer_append(&writer->index, entry, sizeof(*entry));
    if (r == 0)
        r = buffer_append(&writer->aggregates, aggregate, sizeof(*aggregate));
    return r;
}

/* Counts a written block in for series and index. */
static int note_block(struct segment_writer *writer, const struct index_entry *entry, uint64_t size,
    uint32_t count, const struct block_aggregate *aggregate)
{
    struct segment_series *series = &writer->series;
    struct aggregate_entry aggregate_entry;
    int r = 0;
    aggregate_pack(aggregate, &aggregate_entry);
    if (series->block_count == 0) {
        writer->first_entry = *entry;
        writer->first_aggregate = aggregate_entry;
        series->time_first = entry->time_first;
    } else {
        if (series->block_count == 1)
            r = add_index_entry(writer, &writer->first_entry, &writer->first_aggregate);
        if (r == 0)
            r = add_index_entry(writer, entry, &aggregate_entry);
    }
    series->block_count++;
    series->block_size += size;
    series->count += count;
    series->time_last = entry->time_last;
    writer->point_count += count;
    return r;
}

static int write_block(struct segment_writer *writer, const struct batch *batch, uint32_t from,
    uint32_t count, struct error *ret_error)
{
    struct block_aggregate aggregate;
    struct block_header header = {.series_id = writer->series.series_id,
        .first_index = writer->series.first_index + writer->series.count,
        .count = count};
    if (encode_columns(writer, batch, from, count, &header, &aggregate) < 0)
        return fail_memory(writer, ret_error);
    uint8_t *block = block_header_pack(writer->block.data + BLOCK_HEADER_BYTES_MAX, &header);
    uint64_t offset = file_writer_offset(writer->file);
    if (header.size > BLOCK_BYTES_MAX || offset + header.size > SEGMENT_BYTES_MAX)
        return fail(
            writer, error_set(ret_error, EFBIG, "%s: a block of %llu bytes at offset %llu is too large",
                        writer->path, (unsigned long long)header.size, (unsigned long long)offset));
    block_seal(block, header.size, writer->segment_id, offset);
    int r = file_writer_append(writer->file, block, (size_t)header.size, ret_error);
    if (r < 0)
        return fail(writer, r);
    struct index_entry entry = {.first_index = header.first_index,
        .time_first = batch_time(batch, from),
        .time_last = batch_time(batch, from + count - 1),
        .extent = offset | header.size << BLOCK_OFFSET_BITS};
    if (note_block(writer, &entry, header.size, count, &aggregate) < 0)
        return fail_memory(writer, ret_error);
    return 0;
}

static int flush_pending(struct segment_writer *writer, struct error *ret_error)
{
    if (writer->pending.count == 0)
        return 0;
    int r = write_block(writer, &writer->pending, 0, writer->pending.count, ret_error);
    batch_clear(&writer->pending);
    return r;
}

/* ---- series ---- */

static int start_page(struct segment_writer *writer)
{
    struct page_entry page = {.first_series = writer->series.series_id,
        .blocks_offset = writer->cursor.block_offset,
        .index_start = writer->cursor.index_start,
        .page_offset = writer->directory.size};
    writer->cursor.series_id = writer->series.series_id;
    return buffer_append(&writer->page_table, &page, sizeof(page));
}

static int end_series(struct segment_writer *writer, struct error *ret_error)
{
    if (!writer->series_open)
        return 0;
    int r = flush_pending(writer, ret_error);
    writer->series_open = false;
    if (r < 0 || writer->series.count == 0)
        return r;
    if ((writer->series_count % DIRECTORY_PAGE_ENTRIES == 0 && start_page(writer) < 0) ||
        buffer_reserve(&writer->directory, DIRECTORY_ENTRY_BYTES_MAX) < 0)
        return fail_memory(writer, ret_error);
    uint8_t *to = writer->directory.data + writer->directory.size;
    writer->directory.size += (size_t)(directory_entry_put(to, &writer->series, &writer->cursor) - to);
    writer->series_count++;
    return 0;
}

int segment_writer_series(struct segment_writer *writer, uint64_t series_id, uint64_t first_index,
    uint64_t logical_bytes, struct error *ret_error)
{
    if (writer->failed < 0)
        return error_set(ret_error, -writer->failed, "%s: an earlier write failed", writer->path);
    CHECK(series_id > writer->series.series_id || (!writer->series_open && writer->series_count == 0));
    int r = end_series(writer, ret_error);
    if (r < 0)
        return r;
    if (writer->series_count == 0)
        writer->cursor.block_offset = sizeof(struct segment_header);
    writer->series = (struct segment_series){
        .series_id = series_id, .first_index = first_index, .logical_bytes = logical_bytes};
    writer->series_open = true;
    return 0;
}

/* ---- points ---- */

static void check_times(const struct segment_writer *writer, const struct batch *batch)
{
    const struct numbers *times = &batch->times;
    const struct batch *pending = &writer->pending;
    bool ordered = !batch->missing_times;
    if (batch->count > 0 && pending->count > 0)
        ordered &= batch_time(pending, pending->count - 1) <= batch_time(batch, 0);
    else if (batch->count > 0 && writer->series.count > 0)
        ordered &= writer->series.time_last <= batch_time(batch, 0);
    for (uint32_t i = 1; i < batch->count; i++)
        ordered &= times->kind == NUMBERS_AS_DECIMALS ? times->integers[i - 1] <= times->integers[i]
                                                      : times->doubles[i - 1] <= times->doubles[i];
    CHECK(ordered);
}

/* The msgpack that the gathered points take at most, if they had to become msgpack. */
static size_t pending_bytes(const struct batch *pending)
{
    return pending->form == VALUES_MSGPACK ? pending->msgpack.size
                                           : (size_t)pending->count * NUMBER_BYTES_MAX;
}

/* How many of points [from, ...) may join a block that holds `used` bytes already. */
static uint32_t points_that_fit(const struct batch *batch, uint32_t from, uint32_t room, size_t used)
{
    uint32_t left = batch->count - from;
    uint32_t low = 0, high = left < room ? left : room;
    if (batch->form != VALUES_MSGPACK) {
        uint32_t limit =
            used < BLOCK_PAYLOAD_BYTES ? (uint32_t)(BLOCK_PAYLOAD_BYTES - used) / NUMBER_BYTES_MAX : 0;
        return high < limit ? high : limit;
    }
    uint32_t start = batch_msgpack_offset(batch, from);
    while (low < high) { /* the largest `low` points whose bytes fit */
        uint32_t middle = low + (high - low + 1) / 2;
        if (used + batch->msgpack_ends[from + middle - 1] - start <= BLOCK_PAYLOAD_BYTES)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Handles some points from `from` on; *ret_count is how many (0: only the gathered ones were written). */
static int append_some(struct segment_writer *writer, const struct batch *batch, uint32_t from,
    uint32_t *ret_count, struct error *ret_error)
{
    struct batch *pending = &writer->pending;
    *ret_count = 0;
    if (pending->count == 0) {
        uint32_t count = points_that_fit(batch, from, BLOCK_POINTS_MAX, 0);
        if (count == 0)
            count = 1; /* a point of its own, however large */
        *ret_count = count;
        if (count == BLOCK_POINTS_MAX || count < batch->count - from)
            return write_block(writer, batch, from, count, ret_error);
    } else {
        *ret_count = points_that_fit(batch, from, BLOCK_POINTS_MAX - pending->count, pending_bytes(pending));
        if (*ret_count == 0 || (pending->form != batch->form && pending->count >= FORM_CHANGE_POINTS)) {
            *ret_count = 0;
            return flush_pending(writer, ret_error);
        }
    }
    if (batch_append(pending, batch, from, *ret_count) < 0)
        return fail_memory(writer, ret_error);
    return 0;
}

int segment_writer_append(struct segment_writer *writer, const struct batch *batch, struct error *ret_error)
{
    if (writer->failed < 0)
        return error_set(ret_error, -writer->failed, "%s: an earlier write failed", writer->path);
    CHECK(writer->series_open);
    check_times(writer, batch);
    for (uint32_t from = 0, count; from < batch->count; from += count) {
        int r = append_some(writer, batch, from, &count, ret_error);
        if (r < 0)
            return r;
    }
    writer->series.logical_bytes += batch_logical_bytes(batch, 0, batch->count);
    return 0;
}

/* Reads the block's bytes out of `from` after verifying them; *header is what they say. */
static int fetch_block(struct segment_writer *writer, const struct segment *from,
    const struct segment_series *series, const struct segment_block *block, struct block_header *header,
    struct error *ret_error)
{
    const uint8_t *data = map_data(from->map) + block->offset;
    segment_prefetch(from, block->offset, block->size);
    writer->block.size = 0;
    if (block->size < BLOCK_HEADER_BYTES_MIN || buffer_append(&writer->block, data, block->size) < 0)
        return error_set(ret_error, ENOMEM, "%s: out of memory", writer->path);
    int r = 0;
    if (!block_is_sealed(writer->block.data, block->size, from->id, block->offset) || map_faulted(from->map))
        r = error_set(ret_error, EBADMSG,
            "%s: block at offset %llu (series %llu): its checksum does not match", map_path(from->map),
            (unsigned long long)block->offset, (unsigned long long)series->series_id);
    if (r == 0)
        r = block_header_parse(writer->block.data, block->size, header, ret_error);
    if (r == 0 && (header->series_id != series->series_id || header->first_index != block->first_index ||
                      header->count != block->count || header->size != block->size))
        r = error_set(ret_error, EBADMSG, "%s: block at offset %llu: is not the block that the index names",
            map_path(from->map), (unsigned long long)block->offset);
    return r;
}

int segment_writer_copy_block(struct segment_writer *writer, const struct segment *from,
    const struct segment_series *series, uint32_t number, struct error *ret_error)
{
    struct segment_block block;
    struct block_aggregate aggregate;
    struct block_header header;
    if (writer->failed < 0)
        return error_set(ret_error, -writer->failed, "%s: an earlier write failed", writer->path);
    CHECK(writer->series_open && series->block_count > 1);
    int r = flush_pending(writer, ret_error);
    if (r == 0)
        r = segment_block(from, series, number, &block, ret_error);
    if (r == 0)
        r = segment_block_aggregate(from, series, number, &aggregate, ret_error);
    if (r == 0)
        r = fetch_block(writer, from, series, &block, &header, ret_error);
    if (r < 0)
        return fail(writer, r);
    CHECK(block.first_index == writer->series.first_index + writer->series.count);
    uint64_t offset = file_writer_offset(writer->file);
    if (offset + block.size > SEGMENT_BYTES_MAX)
        return fail(writer, error_set(ret_error, EFBIG, "%s: larger than %llu bytes", writer->path,
                                (unsigned long long)SEGMENT_BYTES_MAX));
    block_seal(writer->block.data, block.size, writer->segment_id, offset);
    r = file_writer_append(writer->file, writer->block.data, block.size, ret_error);
    if (r < 0)
        return fail(writer, r);
    struct index_entry entry = {.first_index = block.first_index,
        .time_first = block.time_first,
        .time_last = block.time_last,
        .extent = offset | (uint64_t)block.size << BLOCK_OFFSET_BITS};
    if (note_block(writer, &entry, block.size, block.count, &aggregate) < 0)
        return fail_memory(writer, ret_error);
    return 0;
}

void segment_writer_set_logical_bytes(struct segment_writer *writer, uint64_t logical_bytes)
{
    CHECK(writer->series_open);
    writer->series.logical_bytes = logical_bytes;
}

uint64_t segment_writer_size(const struct segment_writer *writer)
{
    return file_writer_offset(writer->file) + writer->index.size + writer->aggregates.size +
           writer->directory.size + writer->page_table.size + pending_bytes(&writer->pending) +
           sizeof(struct segment_footer);
}

uint64_t segment_writer_points(const struct segment_writer *writer)
{
    return writer->point_count + writer->pending.count;
}

/* ---- the end ---- */

static int write_parts(struct segment_writer *writer, struct error *ret_error)
{
    static const uint8_t zeros[SEGMENT_ALIGNMENT];
    uint64_t blocks_end = file_writer_offset(writer->file);
    size_t padding = (size_t)(align_up(blocks_end, SEGMENT_ALIGNMENT) - blocks_end);
    const struct buffer *parts[] = {&writer->index, &writer->aggregates, &writer->directory};
    int r = file_writer_append(writer->file, zeros, padding, ret_error);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && r == 0; i++)
        r = file_writer_append(writer->file, parts[i]->data, parts[i]->size, ret_error);
    return r;
}

static int write_footer(struct segment_writer *writer, uint64_t blocks_end, struct error *ret_error)
{
    uint64_t id = writer->segment_id;
    struct segment_footer footer = {.magic = SEGMENT_FOOTER_MAGIC,
        .version = SEGMENT_VERSION,
        .segment_id = id,
        .file_size = file_writer_offset(writer->file) + sizeof(footer),
        .blocks_end = blocks_end,
        .index_count = writer->index.size / sizeof(struct index_entry),
        .index_checksum = checksum(writer->index.data, writer->index.size, id),
        .aggregates_checksum = checksum(writer->aggregates.data, writer->aggregates.size, id),
        .directory_size = writer->directory.size,
        .directory_checksum = checksum(writer->directory.data, writer->directory.size, id),
        .series_count = writer->series_count,
        .point_count = writer->point_count};
    segment_footer_seal(&footer);
    return file_writer_append(writer->file, &footer, sizeof(footer), ret_error);
}

int segment_writer_finish(struct segment_writer *writer, struct error *ret_error)
{
    if (writer->failed < 0)
        return error_set(ret_error, -writer->failed, "%s: an earlier write failed", writer->path);
    int r = end_series(writer, ret_error);
    uint64_t blocks_end = file_writer_offset(writer->file);
    if (r == 0 && buffer_append(&writer->directory, writer->page_table.data, writer->page_table.size) < 0)
        return fail_memory(writer, ret_error);
    if (r == 0)
        r = write_parts(writer, ret_error);
    if (r == 0)
        r = write_footer(writer, blocks_end, ret_error);
    if (r == 0)
        r = file_writer_finish(writer->file, ret_error);
    return fail(writer, r);
}
