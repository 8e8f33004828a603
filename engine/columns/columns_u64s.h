/* Runs of 64-bit integers, which every other column is built from (docs/FORMAT.md, sections 6.1 and 6.2). A
 * run is transformed (none, delta, linear prediction), and its residuals are packed in miniblocks with a
 * frame of reference each, outliers listed as patches, or split into byte planes. Arithmetic wraps at 64 bits
 * both ways, so that any run comes back bit for bit. */
#ifndef CONNECTORDB_COLUMNS_U64S_H
#define CONNECTORDB_COLUMNS_U64S_H

#include "column_reader.h"
#include "columns_memory.h"

enum {
    MINIBLOCK_POINTS = 256, /* residuals of one miniblock, if a run has several */
    MINIBLOCKS_MAX = COLUMN_POINTS_MAX / MINIBLOCK_POINTS,
    MINIBLOCK_RADIX = 0x80, /* flag in a miniblock's width byte: a radix byte follows */
    LINEAR_FRACTION_BITS = 16,
    BYTE_PLANES = 8,
};

/* A run's first byte. */
enum u64s_head {
    U64S_TRANSFORM = 0x03,  /* mask: enum u64s_transform */
    U64S_MINIBLOCKS = 0x04, /* miniblocks of MINIBLOCK_POINTS residuals each, else one miniblock */
    U64S_PATCHES = 0x08,    /* some residuals are listed */
    U64S_PLANES = 0x10,     /* byte planes instead of miniblocks */
    U64S_FACTOR = 0x20,     /* the u64s are base + factor * what follows */
    U64S_FRACTION = 0x40,   /* the slope has a fraction */
};

enum u64s_transform {
    TRANSFORM_NONE = 0,
    TRANSFORM_DELTA = 1,  /* residual: difference from the u64 before; one less than u64s */
    TRANSFORM_LINEAR = 2, /* residual: difference from linear_at */
    TRANSFORM_COUNT = 3,
};

/* Kinds of a byte plane, two bits each. */
enum plane_kind { PLANE_ZERO = 0, PLANE_CONSTANT = 1, PLANE_RAW = 2, PLANE_ZSTD = 3 };

/* The prediction of TRANSFORM_LINEAR for u64 i. fraction: in units of 2^-LINEAR_FRACTION_BITS. */
static inline uint64_t linear_at(uint64_t slope, uint32_t fraction, uint32_t i)
{
    return slope * i + ((i * fraction) >> LINEAR_FRACTION_BITS);
}

/* Appends the run in its smallest form. 1 <= count <= COLUMN_POINTS_MAX. u64s may be columns->u64s, which
 * stays unchanged, but no other array of columns. 0 or -ENOMEM. */
int u64s_encode(struct columns *columns, const uint64_t *u64s, uint32_t count, struct buffer *out);
/* Reads `count` u64s. 0 or -EBADMSG. */
int u64s_decode(struct columns *columns, struct column_reader *reader, uint64_t *u64s, uint32_t count,
    struct error *ret_error);

#endif
