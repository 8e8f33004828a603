#include "segment.h"

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "segment_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static int check_part(const struct segment *segment, const char *name, uint64_t offset, uint64_t size,
    uint64_t expected, struct error *ret_error)
{
    uint64_t found = checksum(map_data(segment->map) + offset, (size_t)size, segment->id);
    if (found == expected)
        return 0;
    return error_set(ret_error, EBADMSG,
        "%s: the %s at offset %llu is damaged: expected checksum %016llx, found %016llx",
        map_path(segment->map), name, (unsigned long long)offset, (unsigned long long)expected,
        (unsigned long long)found);
}

static int check_faulted(const struct segment *segment, struct error *ret_error)
{
    if (!map_faulted(segment->map))
        return 0;
    return error_set(ret_error, EIO,
        "%s: the file cannot be read (I/O error, or it was cut off while in use)", map_path(segment->map));
}

static int check_parts(struct segment *segment, struct error *ret_error)
{
    const char *path = map_path(segment->map);
    const uint8_t *data = map_data(segment->map);
    uint64_t size = map_size(segment->map);
    struct segment_header header;
    if (size < sizeof(header) + sizeof(segment->footer))
        return error_set(
            ret_error, EBADMSG, "%s: no segment: only %llu bytes", path, (unsigned long long)size);
    memcpy(&header, data, sizeof(header));
    memcpy(&segment->footer, data + size - sizeof(segment->footer), sizeof(segment->footer));
    const struct segment_footer *footer = &segment->footer;
    struct segment_layout *layout = &segment->layout;
    int r = segment_header_check(&header, segment->id, path, ret_error);
    if (r == 0)
        r = segment_footer_check(footer, segment->id, size, path, layout, ret_error);
    if (r == 0)
        r = check_part(segment, "block index", layout->index_offset,
            footer->index_count * sizeof(struct index_entry), footer->index_checksum, ret_error);
    if (r == 0)
        r = check_part(segment, "table of aggregates", layout->aggregates_offset,
            footer->index_count * sizeof(struct aggregate_entry), footer->aggregates_checksum, ret_error);
    if (r == 0)
        r = check_part(segment, "series directory", layout->directory_offset, footer->directory_size,
            footer->directory_checksum, ret_error);
    return check_faulted(segment, ret_error) < 0 ? -EIO : r;
}

void segment_prefetch(const struct segment *segment, uint64_t offset, uint64_t size)
{
    enum { WINDOW_BYTES = 2 << 20 };
    uint64_t end = offset + size;
    if (end / WINDOW_BYTES != offset / WINDOW_BYTES)
        end = (end / WINDOW_BYTES + 2) * WINDOW_BYTES;
    if (end > map_size(segment->map))
        end = map_size(segment->map);
    if (offset < end)
        map_prefetch(segment->map, offset, end - offset);
}

int segment_open(const char *path, uint64_t segment_id, struct segment **ret_segment, struct error *ret_error)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    if (!segment)
        return error_set(ret_error, ENOMEM, "%s: out of memory", path);
    segment->id = segment_id;
    int r = map_open(path, 0, &segment->map, ret_error);
    if (r == 0)
        r = check_parts(segment, ret_error);
    if (r == 0)
        map_expect(segment->map, true);
    if (r < 0)
        segment_close(segment);
    else
        *ret_segment = segment;
    return r;
}

void segment_close(struct segment *segment)
{
    if (!segment)
        return;
    map_close(segment->map);
    free(segment);
}

uint64_t segment_id(const struct segment *segment)
{
    return segment->id;
}

const char *segment_path(const struct segment *segment)
{
    return map_path(segment->map);
}

bool segment_is_faulted(const struct segment *segment)
{
    return map_faulted(segment->map);
}

uint64_t segment_file_size(const struct segment *segment)
{
    return segment->footer.file_size;
}

uint64_t segment_footer_checksum(const struct segment *segment)
{
    return segment->footer.checksum;
}

uint64_t segment_series_count(const struct segment *segment)
{
    return segment->footer.series_count;
}

uint64_t segment_point_count(const struct segment *segment)
{
    return segment->footer.point_count;
}

/* ---- tables ---- */

void segment_page_entry(const struct segment *segment, uint64_t page, struct page_entry *ret_entry)
{
    CHECK(page < segment->layout.page_count);
    memcpy(ret_entry, map_data(segment->map) + segment->layout.page_table_offset + page * sizeof(*ret_entry),
        sizeof(*ret_entry));
}

void segment_index_entry(const struct segment *segment, uint64_t number, struct index_entry *ret_entry)
{
    CHECK(number < segment->footer.index_count);
    memcpy(ret_entry, map_data(segment->map) + segment->layout.index_offset + number * sizeof(*ret_entry),
        sizeof(*ret_entry));
}

void segment_aggregate_entry(
    const struct segment *segment, uint64_t number, struct aggregate_entry *ret_entry)
{
    CHECK(number < segment->footer.index_count);
    memcpy(ret_entry,
        map_data(segment->map) + segment->layout.aggregates_offset + number * sizeof(*ret_entry),
        sizeof(*ret_entry));
}

/* ---- directory ---- */

static int directory_damaged(const struct segment *segment, uint64_t page, struct error *ret_error)
{
    int r = check_faulted(segment, ret_error);
    if (r < 0)
        return r;
    return error_set(ret_error, EBADMSG, "%s: page %llu of the series directory at offset %llu is damaged",
        map_path(segment->map), (unsigned long long)page,
        (unsigned long long)segment->layout.directory_offset);
}

int segment_page(const struct segment *segment, uint64_t page, struct directory_cursor *ret_cursor,
    const uint8_t **ret_from, const uint8_t **ret_end, uint32_t *ret_count, struct error *ret_error)
{
    const struct segment_layout *layout = &segment->layout;
    uint64_t pages_size = layout->page_table_offset - layout->directory_offset, end = pages_size;
    uint64_t left = segment->footer.series_count - page * DIRECTORY_PAGE_ENTRIES;
    struct page_entry entry, next;
    segment_page_entry(segment, page, &entry);
    if (page + 1 < layout->page_count) {
        segment_page_entry(segment, page + 1, &next);
        end = next.page_offset;
    }
    if (end > pages_size || entry.page_offset > end)
        return directory_damaged(segment, page, ret_error);
    segment_prefetch(segment, layout->directory_offset + entry.page_offset, end - entry.page_offset);
    const uint8_t *directory = map_data(segment->map) + layout->directory_offset;
    *ret_cursor = (struct directory_cursor){entry.first_series, entry.blocks_offset, entry.index_start};
    *ret_from = directory + entry.page_offset;
    *ret_end = directory + end;
    *ret_count = left < DIRECTORY_PAGE_ENTRIES ? (uint32_t)left : DIRECTORY_PAGE_ENTRIES;
    return 0;
}

/* The last page whose first series is not above the one looked for; page_count when there is none. */
static uint64_t find_page(const struct segment *segment, uint64_t series_id)
{
    uint64_t low = 0, high = segment->layout.page_count; /* the first page above it is in [low, high] */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct page_entry entry;
        segment_page_entry(segment, middle, &entry);
        if (entry.first_series <= series_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? segment->layout.page_count : low - 1;
}

/* Visits the entries of a page until the visitor returns non-zero. */
static int each_of_page(const struct segment *segment, uint64_t page,
    int (*visit)(void *context, const struct segment_series *series), void *context, struct error *ret_error)
{
    struct directory_cursor cursor;
    const uint8_t *from, *end;
    uint32_t count;
    int r = segment_page(segment, page, &cursor, &from, &end, &count, ret_error);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        struct segment_series series;
        from = directory_entry_get(
            from, end, &cursor, segment->footer.blocks_end, segment->footer.index_count, &series);
        if (!from)
            return directory_damaged(segment, page, ret_error);
        r = visit(context, &series);
    }
    return r;
}

struct search {
    uint64_t series_id;
    struct segment_series *ret_series;
};

enum { SEARCH_FOUND = 1, SEARCH_PASSED = 2 };

static int compare_series(void *context, const struct segment_series *series)
{
    struct search *search = context;
    if (series->series_id < search->series_id)
        return 0;
    if (series->series_id > search->series_id)
        return SEARCH_PASSED;
    *search->ret_series = *series;
    return SEARCH_FOUND;
}

int segment_find(const struct segment *segment, uint64_t series_id, struct segment_series *ret_series,
    struct error *ret_error)
{
    struct segment_series series;
    struct search search = {series_id, &series};
    uint64_t page = find_page(segment, series_id);
    int r = 0;
    if (page < segment->layout.page_count)
        r = each_of_page(segment, page, compare_series, &search, ret_error);
    if (r >= 0 && check_faulted(segment, ret_error) < 0)
        r = -EIO;
    if (r == SEARCH_FOUND)
        *ret_series = series;
    return r == SEARCH_PASSED ? 0 : r;
}

int segment_each_series(const struct segment *segment,
    int (*visit)(void *context, const struct segment_series *series), void *context, struct error *ret_error)
{
    int r = 0;
    for (uint64_t page = 0; page < segment->layout.page_count && r == 0; page++)
        r = each_of_page(segment, page, visit, context, ret_error);
    if (r == 0)
        r = check_faulted(segment, ret_error);
    return r;
}

/* ---- blocks ---- */

static int index_damaged(const struct segment *segment, const struct segment_series *series, uint64_t number,
    struct error *ret_error)
{
    int r = check_faulted(segment, ret_error);
    if (r < 0)
        return r;
    return error_set(ret_error, EBADMSG,
        "%s: entry %llu of the block index at offset %llu (series %llu) is damaged", map_path(segment->map),
        (unsigned long long)number,
        (unsigned long long)(segment->layout.index_offset + number * sizeof(struct index_entry)),
        (unsigned long long)series->series_id);
}

/* The only block of its series: all that there is to know is in the directory. */
static void only_block(const struct segment_series *series, struct segment_block *ret_block)
{
    *ret_block = (struct segment_block){.first_index = series->first_index,
        .count = (uint32_t)series->count,
        .time_first = series->time_first,
        .time_last = series->time_last,
        .offset = series->block_offset,
        .size = (uint32_t)series->block_size};
}

int segment_block(const struct segment *segment, const struct segment_series *series, uint32_t number,
    struct segment_block *ret_block, struct error *ret_error)
{
    CHECK(number < series->block_count);
    if (series->block_count == 1) {
        only_block(series, ret_block);
        return 0;
    }
    struct index_entry entry, next;
    uint64_t at = series->block_index_start + number, end = series->first_index + series->count;
    segment_index_entry(segment, at, &entry);
    if (number + 1 < series->block_count) {
        segment_index_entry(segment, at + 1, &next);
        end = next.first_index;
    }
    uint64_t offset = entry.extent & (SEGMENT_BYTES_MAX - 1), size = entry.extent >> BLOCK_OFFSET_BITS;
    uint64_t series_end =
        series->block_offset + series->block_size; /* within the blocks: the directory was checked */
    if (entry.first_index < series->first_index || end <= entry.first_index ||
        end - entry.first_index > BLOCK_POINTS_MAX || end > series->first_index + series->count ||
        offset < series->block_offset || offset > series_end || size > series_end - offset)
        return index_damaged(segment, series, at, ret_error);
    *ret_block = (struct segment_block){.first_index = entry.first_index,
        .count = (uint32_t)(end - entry.first_index),
        .time_first = entry.time_first,
        .time_last = entry.time_last,
        .offset = offset,
        .size = (uint32_t)size};
    return check_faulted(segment, ret_error);
}

int segment_block_by_index(const struct segment *segment, const struct segment_series *series, uint64_t index,
    uint32_t *ret_number, struct error *ret_error)
{
    CHECK(index >= series->first_index && index - series->first_index < series->count);
    uint32_t low = 0, high = series->block_count - 1; /* the block is in [low, high] */
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        struct index_entry entry;
        segment_index_entry(segment, series->block_index_start + middle, &entry);
        if (entry.first_index <= index)
            low = middle;
        else
            high = middle - 1;
    }
    int r = check_faulted(segment, ret_error);
    if (r == 0)
        *ret_number = low;
    return r;
}

int segment_block_after_time(const struct segment *segment, const struct segment_series *series, double time,
    uint32_t *ret_number, struct error *ret_error)
{
    uint32_t low = 0, high = series->block_count; /* the first block after it is in [low, high] */
    if (!(series->time_last > time))
        low = high;
    else if (series->block_count == 1)
        high = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct index_entry entry;
        segment_index_entry(segment, series->block_index_start + middle, &entry);
        if (entry.time_last > time)
            high = middle;
        else
            low = middle + 1;
    }
    int r = check_faulted(segment, ret_error);
    if (r == 0)
        *ret_number = low;
    return r;
}

int segment_decode_block(const uint8_t *data, const struct block_header *header, struct columns *columns,
    bool times_only, struct batch *batch, struct error *ret_error)
{
    const uint8_t *column = data + header->header_size;
    int r = batch_reserve(batch, header->count);
    if (r < 0)
        return error_set(ret_error, -r, "no memory for %u points", header->count);
    r = columns_decode_times(columns, column, (size_t)header->times_size, header->count, batch, ret_error);
    column += header->times_size;
    if (r == 0 && !times_only)
        r = columns_decode_values(
            columns, column, (size_t)header->values_size, header->count, batch, ret_error);
    column += header->values_size;
    if (r == 0 && !times_only && header->senders_size > 0)
        r = columns_decode_senders(
            columns, column, (size_t)header->senders_size, header->count, batch, ret_error);
    if (r == 0)
        batch->count = header->count;
    else if (r == -ENOMEM)
        error_set(ret_error, ENOMEM, "no memory for a block of %llu bytes", (unsigned long long)header->size);
    return r;
}

static int check_block_header(const struct block_header *header, const struct segment_series *series,
    const struct segment_block *block, struct error *ret_error)
{
    if (header->size != block->size || header->series_id != series->series_id ||
        header->first_index != block->first_index || header->count != block->count)
        return error_set(ret_error, EBADMSG,
            "expected series %llu, index %llu, %u points, %u bytes; found series %llu, index %llu, %u "
            "points, %llu bytes",
            (unsigned long long)series->series_id, (unsigned long long)block->first_index, block->count,
            block->size, (unsigned long long)header->series_id, (unsigned long long)header->first_index,
            header->count, (unsigned long long)header->size);
    return 0;
}

static int read_block(const struct segment *segment, const struct segment_series *series,
    const struct segment_block *block, struct columns *columns, bool times_only, struct batch *batch,
    struct error *ret_error)
{
    const uint8_t *data = map_data(segment->map) + block->offset;
    struct block_header header;
    if (block->size < BLOCK_HEADER_BYTES_MIN)
        return error_set(ret_error, EBADMSG, "a block of %u bytes", block->size);
    if (!block_is_sealed(data, block->size, segment->id, block->offset))
        return error_set(ret_error, EBADMSG, "its checksum does not match");
    int r = block_header_parse(data, block->size, &header, ret_error);
    if (r == 0)
        r = check_block_header(&header, series, block, ret_error);
    if (r == 0)
        r = segment_decode_block(data, &header, columns, times_only, batch, ret_error);
    return r;
}

int segment_read_block(const struct segment *segment, const struct segment_series *series,
    const struct segment_block *block, struct columns *columns, bool times_only, struct batch *batch,
    struct error *ret_error)
{
    CHECK(block->offset <= segment->footer.blocks_end &&
          block->size <= segment->footer.blocks_end - block->offset);
    batch_clear(batch);
    segment_prefetch(segment, block->offset, block->size);
    int r = read_block(segment, series, block, columns, times_only, batch, ret_error);
    if (r < 0)
        error_prefix(ret_error, "%s: block at offset %llu (series %llu, index %llu)", map_path(segment->map),
            (unsigned long long)block->offset, (unsigned long long)series->series_id,
            (unsigned long long)block->first_index);
    if (check_faulted(segment, ret_error) < 0)
        r = -EIO;
    if (r < 0)
        batch_clear(batch);
    return r;
}

int segment_block_aggregate(const struct segment *segment, const struct segment_series *series,
    uint32_t number, struct block_aggregate *ret_aggregate, struct error *ret_error)
{
    CHECK(number < series->block_count);
    struct aggregate_entry entry = {0};
    if (series->block_count > 1)
        segment_aggregate_entry(segment, series->block_index_start + number, &entry);
    int r = check_faulted(segment, ret_error);
    if (r == 0 && entry.exponent > DECIMAL_EXPONENT_MAX)
        r = index_damaged(segment, series, series->block_index_start + number, ret_error);
    if (r == 0)
        aggregate_unpack(&entry, ret_aggregate);
    return r;
}

void segment_forget(const struct segment *segment, const struct segment_block *block)
{
    enum { FORGET_BYTES = 4 << 20 };
    uint64_t end = block->offset + block->size;
    /* A call per so many bytes: once the scan has crossed a multiple of them. */
    if (end / FORGET_BYTES != block->offset / FORGET_BYTES) {
        uint64_t stop = end / FORGET_BYTES * FORGET_BYTES;
        uint64_t start = block->offset / FORGET_BYTES * FORGET_BYTES;
        map_forget(segment->map, start, stop - start);
    }
}
