#include "segment_format.h"

#include "bytes.h"

uint8_t *directory_entry_put(
    uint8_t *to, const struct segment_series *series, struct directory_cursor *cursor)
{
    uint64_t first_bits = double_bits(series->time_first), last_bits = double_bits(series->time_last);
    to = varint_put(to, series->series_id - cursor->series_id);
    to = varint_put(to, series->first_index);
    to = varint_put(to, series->count - 1);
    to = varint_put(to, series->logical_bytes);
    store_u64(to, first_bits);
    to = varint_put(to + 8, zigzag_encode((int64_t)(last_bits - first_bits)));
    to = varint_put(to, series->block_count - 1);
    to = varint_put(to, series->block_size);
    cursor->series_id = series->series_id;
    cursor->block_offset += series->block_size;
    cursor->index_start += series->block_count > 1 ? series->block_count : 0;
    return to;
}

static const uint8_t *get_times(const uint8_t *from, const uint8_t *end, struct segment_series *series)
{
    uint64_t step;
    if (end - from < 8)
        return NULL;
    uint64_t first_bits = load_u64(from);
    from = varint_get(from + 8, end, &step);
    if (!from)
        return NULL;
    series->time_first = bits_double(first_bits);
    series->time_last = bits_double(first_bits + (uint64_t)zigzag_decode(step));
    return from;
}

/* Checks that an entry is consistent with its segment. */
static bool entry_fits(const struct segment_series *series, const struct directory_cursor *cursor,
    uint64_t blocks_end, uint64_t index_count, uint64_t blocks)
{
    uint64_t room = cursor->block_offset <= blocks_end ? blocks_end - cursor->block_offset : 0;
    if (series->count > UINT64_MAX - series->first_index || blocks > series->count || blocks > UINT32_MAX)
        return false;
    if (series->block_size > room || series->block_size / BLOCK_HEADER_BYTES_MIN < blocks)
        return false;
    if (blocks == 1)
        return series->block_size <= BLOCK_BYTES_MAX && series->count <= BLOCK_POINTS_MAX;
    return cursor->index_start <= index_count && blocks <= index_count - cursor->index_start;
}

const uint8_t *directory_entry_get(const uint8_t *from, const uint8_t *end, struct directory_cursor *cursor,
    uint64_t blocks_end, uint64_t index_count, struct segment_series *ret_series)
{
    struct segment_series series = {0};
    uint64_t step = 0, more_points = 0, more_blocks = 0;
    if (!(from = varint_get(from, end, &step)) || !(from = varint_get(from, end, &series.first_index)) ||
        !(from = varint_get(from, end, &more_points)) ||
        !(from = varint_get(from, end, &series.logical_bytes)) || !(from = get_times(from, end, &series)) ||
        !(from = varint_get(from, end, &more_blocks)) || !(from = varint_get(from, end, &series.block_size)))
        return NULL;
    if (step > UINT64_MAX - cursor->series_id || more_points == UINT64_MAX || more_blocks >= UINT32_MAX)
        return NULL;
    series.series_id = cursor->series_id + step;
    series.count = more_points + 1;
    if (!entry_fits(&series, cursor, blocks_end, index_count, more_blocks + 1))
        return NULL;
    series.block_count = (uint32_t)more_blocks + 1;
    series.block_offset = cursor->block_offset;
    series.block_index_start = cursor->index_start;
    cursor->series_id = series.series_id;
    cursor->block_offset += series.block_size;
    cursor->index_start += series.block_count > 1 ? series.block_count : 0;
    *ret_series = series;
    return from;
}
