/* Reads a run of u64s. */
#include "columns_u64s.h"

#include "bitpack.h"
#include "bytes.h"
#include "columns_bytes.h"

#include <errno.h>

struct u64s_header {
    uint8_t head;
    uint64_t base, factor; /* U64S_FACTOR */
    uint64_t first;        /* TRANSFORM_DELTA */
    uint64_t slope;        /* TRANSFORM_LINEAR */
    uint32_t fraction;
};

static int read_fraction(struct column_reader *reader, uint32_t *ret_fraction, struct error *ret_error)
{
    const uint8_t *data;
    int r = column_read_bytes(reader, 2, &data, ret_error);
    if (r == 0)
        *ret_fraction = load_u16(data);
    return r;
}

static int read_header(struct column_reader *reader, struct u64s_header *header, struct error *ret_error)
{
    *header = (struct u64s_header){.factor = 1};
    int r = column_read_byte(reader, &header->head, ret_error);
    unsigned head = header->head, transform = head & U64S_TRANSFORM;
    if (r == 0 && ((head & 0x80) || transform >= TRANSFORM_COUNT ||
                      ((head & U64S_PLANES) && (head & U64S_MINIBLOCKS)) ||
                      ((head & U64S_FRACTION) && transform != TRANSFORM_LINEAR)))
        return error_set(ret_error, EBADMSG, "unknown form 0x%02x of packed integers", head);
    if (r == 0 && (head & U64S_FACTOR)) {
        r = column_read_zigzag(reader, &header->base, ret_error);
        if (r == 0)
            r = column_read_varint(reader, UINT64_MAX, &header->factor, ret_error);
    }
    if (r == 0 && transform == TRANSFORM_DELTA)
        r = column_read_zigzag(reader, &header->first, ret_error);
    if (r == 0 && transform == TRANSFORM_LINEAR)
        r = column_read_zigzag(reader, &header->slope, ret_error);
    if (r == 0 && (head & U64S_FRACTION))
        r = read_fraction(reader, &header->fraction, ret_error);
    return r;
}

/* One miniblock's payload: the low bits, then what is above them. Adds `min`. */
static int read_miniblock_values(struct column_reader *reader, uint64_t *values, uint32_t count,
    unsigned width, unsigned radix, uint64_t min, struct error *ret_error)
{
    const uint8_t *low, *high;
    int r = column_read_bytes(reader, bits_bytes(count, width), &low, ret_error);
    if (r < 0)
        return r;
    bits_unpack(low, reader->end, values, count, width);
    if (radix != 0) {
        r = column_read_bytes(reader, radix_bytes(count, radix), &high, ret_error);
        if (r < 0)
            return r;
        radix_unpack_add(high, values, count, width, radix);
    }
    if (min != 0) {
        for (uint32_t i = 0; i < count; i++)
            values[i] += min;
    }
    return 0;
}

/* *min: the minimum of the miniblock before, from which this one's is counted. */
static int read_miniblock(
    struct column_reader *reader, uint64_t *values, uint32_t count, uint64_t *min, struct error *ret_error)
{
    uint64_t step = 0;
    uint8_t width, radix = 0;
    int r = column_read_zigzag(reader, &step, ret_error);
    if (r == 0)
        r = column_read_byte(reader, &width, ret_error);
    if (r < 0)
        return r;
    if (width & MINIBLOCK_RADIX) {
        r = column_read_byte(reader, &radix, ret_error);
        if (r < 0)
            return r;
        width &= (uint8_t)~MINIBLOCK_RADIX;
        if (radix < RADIX_MIN || width > 63)
            return error_set(ret_error, EBADMSG, "a miniblock of %u bits and radix %u", width, radix);
    }
    if (width > 64)
        return error_set(ret_error, EBADMSG, "a miniblock of %u bits", width);
    *min += step;
    return read_miniblock_values(reader, values, count, width, radix, *min, ret_error);
}

static int read_miniblocks(
    struct column_reader *reader, uint64_t *values, uint32_t count, bool several, struct error *ret_error)
{
    uint64_t min = 0;
    uint32_t size = several ? MINIBLOCK_POINTS : count;
    for (uint32_t start = 0; start < count; start += size) {
        uint32_t here = count - start < size ? count - start : size;
        int r = read_miniblock(reader, values + start, here, &min, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_zstd_plane(
    struct columns *columns, struct column_reader *reader, uint32_t count, struct error *ret_error)
{
    uint64_t size;
    const uint8_t *data;
    int r = column_read_varint(reader, SIZE_MAX, &size, ret_error);
    if (r == 0)
        r = column_read_bytes(reader, (size_t)size, &data, ret_error);
    if (r == 0)
        r = bytes_decompress(columns, columns->plane, count, data, (size_t)size, ret_error);
    return r;
}

static int read_plane(struct columns *columns, struct column_reader *reader, enum plane_kind kind,
    unsigned shift, uint64_t *values, uint32_t count, struct error *ret_error)
{
    const uint8_t *plane = columns->plane;
    int r = 0;
    if (kind == PLANE_ZERO)
        return 0;
    if (kind == PLANE_CONSTANT) {
        uint8_t constant;
        r = column_read_byte(reader, &constant, ret_error);
        for (uint32_t i = 0; r == 0 && i < count; i++)
            values[i] += (uint64_t)constant << shift;
        return r;
    }
    if (kind == PLANE_RAW)
        r = column_read_bytes(reader, count, &plane, ret_error);
    else
        r = read_zstd_plane(columns, reader, count, ret_error);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        values[i] += (uint64_t)plane[i] << shift;
    return r;
}

static int read_planes(struct columns *columns, struct column_reader *reader, uint64_t *values,
    uint32_t count, struct error *ret_error)
{
    uint64_t min = 0;
    const uint8_t *kinds;
    int r = column_read_zigzag(reader, &min, ret_error);
    if (r == 0)
        r = column_read_bytes(reader, 2, &kinds, ret_error);
    if (r < 0)
        return r;
    unsigned all = load_u16(kinds);
    for (uint32_t i = 0; i < count; i++)
        values[i] = min;
    for (unsigned plane = 0; plane < BYTE_PLANES && r == 0; plane++)
        r = read_plane(columns, reader, (enum plane_kind)((all >> (2 * plane)) & 3), 8 * plane, values, count,
            ret_error);
    return r;
}

/* The list of patches comes before the residuals that it replaces: walked twice, first to find its end. */
static int walk_patches(
    struct column_reader *reader, uint64_t *values, uint32_t count, struct error *ret_error)
{
    uint64_t patches, position = 0, step, residual;
    int r = column_read_varint(reader, count, &patches, ret_error);
    for (uint64_t i = 0; i < patches && r == 0; i++) {
        r = column_read_varint(reader, count, &step, ret_error);
        if (r < 0)
            return r;
        position += step;
        if (position >= count)
            return error_set(
                ret_error, EBADMSG, "a patch at position %llu of %u", (unsigned long long)position, count);
        r = column_read_zigzag(reader, &residual, ret_error);
        if (r == 0 && values != NULL)
            values[position] = residual;
    }
    return r;
}

static void undo_transform(const struct u64s_header *header, uint64_t *u64s, uint32_t count)
{
    unsigned transform = header->head & U64S_TRANSFORM;
    if (transform == TRANSFORM_DELTA) {
        uint64_t last = header->first;
        u64s[0] = last;
        for (uint32_t i = 1; i < count; i++)
            u64s[i] = last += u64s[i];
    } else if (transform == TRANSFORM_LINEAR && header->fraction == 0) {
        for (uint64_t i = 0, predicted = 0; i < count; i++, predicted += header->slope)
            u64s[i] += predicted;
    } else if (transform == TRANSFORM_LINEAR) {
        for (uint32_t i = 0; i < count; i++)
            u64s[i] += linear_at(header->slope, header->fraction, i);
    }
    if (header->head & U64S_FACTOR) {
        for (uint32_t i = 0; i < count; i++)
            u64s[i] = header->base + header->factor * u64s[i];
    }
}

int u64s_decode(struct columns *columns, struct column_reader *reader, uint64_t *u64s, uint32_t count,
    struct error *ret_error)
{
    struct u64s_header header;
    int r = read_header(reader, &header, ret_error);
    if (r < 0)
        return r;
    bool delta = (header.head & U64S_TRANSFORM) == TRANSFORM_DELTA;
    uint64_t *residuals = u64s + delta;
    uint32_t residual_count = count - delta;
    struct column_reader patches = *reader;
    if (header.head & U64S_PATCHES)
        r = walk_patches(reader, NULL, residual_count, ret_error);
    if (r == 0 && (header.head & U64S_PLANES))
        r = read_planes(columns, reader, residuals, residual_count, ret_error);
    else if (r == 0)
        r = read_miniblocks(reader, residuals, residual_count, header.head & U64S_MINIBLOCKS, ret_error);
    if (r == 0 && (header.head & U64S_PATCHES))
        r = walk_patches(&patches, residuals, residual_count, ret_error);
    if (r == 0)
        undo_transform(&header, u64s, count);
    return r;
}
