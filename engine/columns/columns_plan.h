/* How a run of u64s will be written: candidates, their sizes, and the choice. columns_plan.c measures and
 * chooses, columns_factor.c finds common factors, columns_u64s_encode.c writes. */
#ifndef CONNECTORDB_COLUMNS_PLAN_H
#define CONNECTORDB_COLUMNS_PLAN_H

#include "bitpack.h"
#include "bytes.h"
#include "columns_u64s.h"

enum {
    SAMPLE_POINTS = 64,
    PLANES_WORTH = 32, /* a plane is compressed when that saves one byte in so many */
};

struct packing {
    unsigned width; /* low bits */
    unsigned radix; /* 0: nothing above them */
    size_t size;    /* of the payload */
};

struct range { /* of signed residuals */
    int64_t min;
    int64_t max;
};

struct plan {
    enum u64s_transform transform;
    const uint64_t *residuals; /* the u64s themselves, or scratch */
    uint32_t count;            /* of residuals */
    uint64_t first, slope;
    uint32_t fraction;
    bool split;
    struct range whole;
    struct range miniblocks[MINIBLOCKS_MAX];
    size_t size; /* of the stream, but for its head byte and factor */
    /* Patches: residuals outside `whole`, of which there are this many. 0 = none. */
    uint32_t patch_count;
};

struct choice {
    struct plan plans[TRANSFORM_COUNT];
    struct plan *best;
    uint64_t base; /* the smallest u64 */
    bool planes;
};

/* Bytes of the value as a varint, and as a zigzag varint. */
static inline size_t varint_size(uint64_t value)
{
    return (bits_width(value | 1) + 6) / 7;
}

static inline size_t signed_size(uint64_t value)
{
    return varint_size(zigzag_encode((int64_t)value));
}

/* The distance from the smallest to the largest residual. */
static inline uint64_t range_size(struct range range)
{
    return (uint64_t)range.max - (uint64_t)range.min;
}

/* Points of the miniblock that starts at `start`, when there are several. */
static inline uint32_t miniblock_points(uint32_t count, uint32_t start)
{
    return count - start < MINIBLOCK_POINTS ? count - start : MINIBLOCK_POINTS;
}

/* The smallest way to pack `count` values 0..range. */
struct packing packing_choose(uint64_t range, uint32_t count);

/* Bits that an ideal code needs for one byte of the plane of (residuals - min) >> shift, judged by a sample.
 */
double plane_entropy(const struct columns *columns, const struct plan *plan, uint64_t min, unsigned shift);

/* Plans all ways to write the u64s and chooses the smallest. The plans borrow the u64s and
 * columns->residuals. */
void u64s_choose(struct columns *columns, const uint64_t *u64s, uint32_t count, struct choice *choice);

/* Sets scaled[i] = (u64s[i] - base) / factor for the largest factor that divides all without a rest; base:
 * the smallest u64. false when that is 1. */
bool factor_out(const uint64_t *u64s, uint32_t count, uint64_t base, uint64_t *scaled, uint64_t *ret_factor);

#endif
