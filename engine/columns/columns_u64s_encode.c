/* Writes a run of u64s in the form that columns_plan.c chose. */
#include "columns_u64s.h"

#include "check.h"
#include "columns_bytes.h"
#include "columns_plan.h"

#include <errno.h>

enum {
    FACTOR_BYTES_MIN = 24, /* smaller streams are not searched for a common factor */
    PLANES_LEVEL = 1,      /* of zstd */
};

static void put_signed(struct buffer *out, uint64_t value)
{
    out->size = (size_t)(varint_put(out->data + out->size, zigzag_encode((int64_t)value)) - out->data);
}

static void put_varint(struct buffer *out, uint64_t value)
{
    out->size = (size_t)(varint_put(out->data + out->size, value) - out->data);
}

/* offsets: scratch for the residuals' distances from the miniblock's minimum. */
static void put_miniblock(struct buffer *out, const uint64_t *residuals, uint64_t *offsets, uint32_t count,
    struct range range, int64_t min_before)
{
    struct packing packing = packing_choose(range_size(range), count);
    uint64_t min = (uint64_t)range.min;
    put_signed(out, min - (uint64_t)min_before);
    out->data[out->size++] = (uint8_t)(packing.width | (packing.radix != 0 ? MINIBLOCK_RADIX : 0));
    if (packing.radix != 0)
        out->data[out->size++] = (uint8_t)packing.radix;
    if (packing.width == 0 && packing.radix == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        offsets[i] = residuals[i] - min;
    uint8_t *to = bits_pack(out->data + out->size, offsets, count, packing.width);
    if (packing.radix != 0)
        to = radix_pack(to, offsets, count, packing.width, packing.radix);
    out->size = (size_t)(to - out->data);
}

/* Lists the residuals outside `whole` and puts its minimum where they were, in a copy that the plan takes
 * over. */
static void put_patches(struct buffer *out, struct plan *plan, uint64_t *copy)
{
    uint32_t last = 0;
    put_varint(out, plan->patch_count);
    for (uint32_t i = 0; i < plan->count; i++) {
        int64_t residual = (int64_t)plan->residuals[i];
        copy[i] = plan->residuals[i];
        if (residual >= plan->whole.min && residual <= plan->whole.max)
            continue;
        put_varint(out, i - last);
        put_signed(out, plan->residuals[i]);
        copy[i] = (uint64_t)plan->whole.min;
        last = i;
    }
    plan->residuals = copy;
}

static void put_miniblocks(struct buffer *out, const struct plan *plan, uint64_t *offsets)
{
    if (!plan->split) {
        if (plan->count > 0)
            put_miniblock(out, plan->residuals, offsets, plan->count, plan->whole, 0);
        return;
    }
    int64_t min_before = 0;
    for (uint32_t start = 0, f = 0; start < plan->count; start += MINIBLOCK_POINTS, f++) {
        put_miniblock(out, plan->residuals + start, offsets, miniblock_points(plan->count, start),
            plan->miniblocks[f], min_before);
        min_before = plan->miniblocks[f].min;
    }
}

static enum plane_kind put_plane(
    struct columns *columns, struct buffer *out, const struct plan *plan, unsigned shift)
{
    uint32_t count = plan->count;
    uint8_t *plane = columns->plane, differs = 0;
    for (uint32_t i = 0; i < count; i++) {
        plane[i] = (uint8_t)(plan->residuals[i] >> shift);
        differs |= plane[i] ^ plane[0];
    }
    if (!differs) {
        if (plane[0] == 0)
            return PLANE_ZERO;
        out->data[out->size++] = plane[0];
        return PLANE_CONSTANT;
    }
    /* Compressed at most `limit` bytes are worth it, and their size takes 2 bytes at most. */
    size_t limit = count - count / PLANES_WORTH, size = 0;
    if (plane_entropy(columns, plan, 0, shift) < 8 - 8.0 / PLANES_WORTH)
        size = bytes_compress(columns, out->data + out->size + 2, limit, plane, count, PLANES_LEVEL);
    if (size == 0) {
        memcpy(out->data + out->size, plane, count);
        out->size += count;
        return PLANE_RAW;
    }
    size_t start = out->size + 2;
    put_varint(out, size);
    memmove(out->data + out->size, out->data + start, size);
    out->size += size;
    return PLANE_ZSTD;
}

static void put_planes(struct columns *columns, struct buffer *out, struct plan *plan)
{
    uint64_t min = (uint64_t)plan->whole.min, *offsets = columns->offsets;
    for (uint32_t i = 0; i < plan->count; i++)
        offsets[i] = plan->residuals[i] - min;
    plan->residuals = offsets;
    put_signed(out, min);
    size_t kinds_at = out->size;
    unsigned kinds = 0;
    out->size += 2;
    for (unsigned plane = 0; plane < BYTE_PLANES; plane++)
        kinds |= (unsigned)put_plane(columns, out, plan, 8 * plane) << (2 * plane);
    store_u16(out->data + kinds_at, (uint16_t)kinds);
}

static int put_choice(struct columns *columns, struct choice *choice, bool has_factor, uint64_t base,
    uint64_t factor, struct buffer *out)
{
    struct plan *plan = choice->best;
    unsigned head = plan->transform | (plan->patch_count != 0 ? U64S_PATCHES : 0u) |
                    (choice->planes   ? U64S_PLANES
                        : plan->split ? U64S_MINIBLOCKS
                                      : 0u) |
                    (has_factor ? U64S_FACTOR : 0u) | (plan->fraction != 0 ? U64S_FRACTION : 0u);
    /* Nothing is larger than eight raw planes or than miniblocks of 64 bits with 16 headers. */
    if (buffer_reserve(out, 512 + (size_t)plan->count * 10) < 0)
        return -ENOMEM;
    out->data[out->size++] = (uint8_t)head;
    if (has_factor) {
        put_signed(out, base);
        put_varint(out, factor);
    }
    if (plan->transform == TRANSFORM_DELTA)
        put_signed(out, plan->first);
    if (plan->transform == TRANSFORM_LINEAR)
        put_signed(out, plan->slope);
    if (plan->fraction != 0) {
        store_u16(out->data + out->size, (uint16_t)plan->fraction);
        out->size += 2;
    }
    if (plan->patch_count != 0)
        put_patches(out, plan, columns->scaled);
    if (choice->planes)
        put_planes(columns, out, plan);
    else
        put_miniblocks(out, plan, columns->offsets);
    return 0;
}

int u64s_encode(struct columns *columns, const uint64_t *u64s, uint32_t count, struct buffer *out)
{
    struct choice choice;
    uint64_t factor = 1;
    CHECK(count >= 1 && count <= COLUMN_POINTS_MAX);
    u64s_choose(columns, u64s, count, &choice);
    uint64_t base = choice.base;
    size_t size = choice.best->size;
    if (size < FACTOR_BYTES_MIN || !factor_out(u64s, count, base, columns->scaled, &factor))
        return put_choice(columns, &choice, false, 0, 1, out);
    u64s_choose(columns, columns->scaled, count, &choice);
    if (choice.best->size + signed_size(base) + varint_size(factor) < size)
        return put_choice(columns, &choice, true, base, factor, out);
    u64s_choose(columns, u64s, count, &choice);
    return put_choice(columns, &choice, false, 0, 1, out);
}
