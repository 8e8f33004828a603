#include "columns_private.h"

#include "bitpack.h"

#include <errno.h>

struct words_header {
    uint8_t head;
    uint64_t base, factor; /* WORDS_FACTOR */
    uint64_t first;        /* TRANSFORM_DELTA */
    uint64_t slope;        /* TRANSFORM_LINEAR */
    uint32_t fraction;
};

static int read_signed(struct column_reader *reader, uint64_t *ret_value, struct error *ret_error)
{
    uint64_t zigzag;
    int result = column_read_varint(reader, UINT64_MAX, &zigzag, ret_error);
    if (result == 0)
        *ret_value = (uint64_t)zigzag_decode(zigzag);
    return result;
}

static int read_fraction(struct column_reader *reader, uint32_t *ret_fraction, struct error *ret_error)
{
    const uint8_t *data;
    int result = column_read_bytes(reader, 2, &data, ret_error);
    if (result == 0)
        *ret_fraction = load_u16(data);
    return result;
}

static int read_header(struct column_reader *reader, struct words_header *header, struct error *ret_error)
{
    *header = (struct words_header){.factor = 1};
    int result = column_read_byte(reader, &header->head, ret_error);
    unsigned head = header->head, transform = head & WORDS_TRANSFORM;
    if (result == 0 && ((head & 0x80) || transform >= TRANSFORM_COUNT ||
        ((head & WORDS_PLANES) && (head & WORDS_FRAMES)) ||
        ((head & WORDS_FRACTION) && transform != TRANSFORM_LINEAR)))
        return error_set(ret_error, EBADMSG, "unknown form 0x%02x of packed integers", head);
    if (result == 0 && (head & WORDS_FACTOR)) {
        result = read_signed(reader, &header->base, ret_error);
        if (result == 0)
            result = column_read_varint(reader, UINT64_MAX, &header->factor, ret_error);
    }
    if (result == 0 && transform == TRANSFORM_DELTA)
        result = read_signed(reader, &header->first, ret_error);
    if (result == 0 && transform == TRANSFORM_LINEAR)
        result = read_signed(reader, &header->slope, ret_error);
    if (result == 0 && (head & WORDS_FRACTION))
        result = read_fraction(reader, &header->fraction, ret_error);
    return result;
}

/* One frame's payload: the low bits, then what is above them. Adds `min`. */
static int read_frame_values(struct column_reader *reader, uint64_t *values, uint32_t count, unsigned width,
    unsigned radix, uint64_t min, struct error *ret_error)
{
    const uint8_t *low, *high;
    int result = column_read_bytes(reader, bits_bytes(count, width), &low, ret_error);
    if (result < 0)
        return result;
    bits_unpack(low, reader->end, values, count, width);
    if (radix != 0) {
        result = column_read_bytes(reader, radix_bytes(count, radix), &high, ret_error);
        if (result < 0)
            return result;
        radix_unpack_add(high, values, count, width, radix);
    }
    if (min != 0) {
        for (uint32_t i = 0; i < count; i++)
            values[i] += min;
    }
    return 0;
}

/* *min: the minimum of the frame before, from which this one's is counted. */
static int read_frame(struct column_reader *reader, uint64_t *values, uint32_t count, uint64_t *min,
    struct error *ret_error)
{
    uint64_t step = 0;
    uint8_t width, radix = 0;
    int result = read_signed(reader, &step, ret_error);
    if (result == 0)
        result = column_read_byte(reader, &width, ret_error);
    if (result < 0)
        return result;
    if (width & FRAME_RADIX) {
        result = column_read_byte(reader, &radix, ret_error);
        if (result < 0)
            return result;
        width &= (uint8_t)~FRAME_RADIX;
        if (radix < RADIX_MIN || width > 63)
            return error_set(ret_error, EBADMSG, "a frame of %u bits and radix %u", width, radix);
    }
    if (width > 64)
        return error_set(ret_error, EBADMSG, "a frame of %u bits", width);
    *min += step;
    return read_frame_values(reader, values, count, width, radix, *min, ret_error);
}

static int read_frames(struct column_reader *reader, uint64_t *values, uint32_t count, bool several,
    struct error *ret_error)
{
    uint64_t min = 0;
    uint32_t size = several ? FRAME_POINTS : count;
    for (uint32_t start = 0; start < count; start += size) {
        uint32_t here = count - start < size ? count - start : size;
        int result = read_frame(reader, values + start, here, &min, ret_error);
        if (result < 0)
            return result;
    }
    return 0;
}

static int read_zstd_plane(struct columns *columns, struct column_reader *reader, uint32_t count,
    struct error *ret_error)
{
    uint64_t size;
    const uint8_t *data;
    int result = column_read_varint(reader, SIZE_MAX, &size, ret_error);
    if (result == 0)
        result = column_read_bytes(reader, (size_t)size, &data, ret_error);
    if (result == 0)
        result = bytes_decompress(columns, columns->plane, count, data, (size_t)size, ret_error);
    return result;
}

static int read_plane(struct columns *columns, struct column_reader *reader, enum plane_kind kind, unsigned shift,
    uint64_t *values, uint32_t count, struct error *ret_error)
{
    const uint8_t *plane = columns->plane;
    int result = 0;
    if (kind == PLANE_ZERO)
        return 0;
    if (kind == PLANE_CONSTANT) {
        uint8_t constant;
        result = column_read_byte(reader, &constant, ret_error);
        for (uint32_t i = 0; result == 0 && i < count; i++)
            values[i] += (uint64_t)constant << shift;
        return result;
    }
    if (kind == PLANE_RAW)
        result = column_read_bytes(reader, count, &plane, ret_error);
    else
        result = read_zstd_plane(columns, reader, count, ret_error);
    for (uint32_t i = 0; result == 0 && i < count; i++)
        values[i] += (uint64_t)plane[i] << shift;
    return result;
}

static int read_planes(struct columns *columns, struct column_reader *reader, uint64_t *values, uint32_t count,
    struct error *ret_error)
{
    uint64_t min = 0;
    const uint8_t *kinds;
    int result = read_signed(reader, &min, ret_error);
    if (result == 0)
        result = column_read_bytes(reader, 2, &kinds, ret_error);
    if (result < 0)
        return result;
    unsigned all = load_u16(kinds);
    for (uint32_t i = 0; i < count; i++)
        values[i] = min;
    for (unsigned plane = 0; plane < WORD_PLANES && result == 0; plane++)
        result = read_plane(columns, reader, (enum plane_kind)((all >> (2 * plane)) & 3), 8 * plane, values, count,
            ret_error);
    return result;
}

/* The list of patches stands before the residuals that it replaces: walked twice, first to find its end. */
static int walk_patches(struct column_reader *reader, uint64_t *values, uint32_t count, struct error *ret_error)
{
    uint64_t patches, place = 0, step, residual;
    int result = column_read_varint(reader, count, &patches, ret_error);
    for (uint64_t i = 0; i < patches && result == 0; i++) {
        result = column_read_varint(reader, count, &step, ret_error);
        if (result < 0)
            return result;
        place += step;
        if (place >= count)
            return error_set(ret_error, EBADMSG, "a patch at place %llu of %u", (unsigned long long)place, count);
        result = read_signed(reader, &residual, ret_error);
        if (result == 0 && values != NULL)
            values[place] = residual;
    }
    return result;
}

static void undo_transform(const struct words_header *header, uint64_t *words, uint32_t count)
{
    unsigned transform = header->head & WORDS_TRANSFORM;
    if (transform == TRANSFORM_DELTA) {
        uint64_t last = header->first;
        words[0] = last;
        for (uint32_t i = 1; i < count; i++)
            words[i] = last += words[i];
    } else if (transform == TRANSFORM_LINEAR && header->fraction == 0) {
        for (uint64_t i = 0, line = 0; i < count; i++, line += header->slope)
            words[i] += line;
    } else if (transform == TRANSFORM_LINEAR) {
        for (uint32_t i = 0; i < count; i++)
            words[i] += line_at(header->slope, header->fraction, i);
    }
    if (header->head & WORDS_FACTOR) {
        for (uint32_t i = 0; i < count; i++)
            words[i] = header->base + header->factor * words[i];
    }
}

int words_decode(struct columns *columns, struct column_reader *reader, uint64_t *words, uint32_t count,
    struct error *ret_error)
{
    struct words_header header;
    int result = read_header(reader, &header, ret_error);
    if (result < 0)
        return result;
    bool delta = (header.head & WORDS_TRANSFORM) == TRANSFORM_DELTA;
    uint64_t *residuals = words + delta;
    uint32_t residual_count = count - delta;
    struct column_reader patches = *reader;
    if (header.head & WORDS_PATCHES)
        result = walk_patches(reader, NULL, residual_count, ret_error);
    if (result == 0 && (header.head & WORDS_PLANES))
        result = read_planes(columns, reader, residuals, residual_count, ret_error);
    else if (result == 0)
        result = read_frames(reader, residuals, residual_count, header.head & WORDS_FRAMES, ret_error);
    if (result == 0 && (header.head & WORDS_PATCHES))
        result = walk_patches(&patches, residuals, residual_count, ret_error);
    if (result == 0)
        undo_transform(&header, words, count);
    return result;
}
