/* Shared by columns*.c: the codec's working memory and its two building blocks, streams of u64s and runs of
 * bytes. docs/FORMAT.md, section 6, has the bytes. */
#ifndef CONNECTORDB_COLUMNS_PRIVATE_H
#define CONNECTORDB_COLUMNS_PRIVATE_H

#include "columns.h"

#include "buffer.h"
#include "bytes.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>
#include <zstd.h>

enum {
    COLUMN_POINTS_MAX = 4096,  /* points of one column */
    COLUMN_BYTES_MAX = 64 << 20, /* msgpack of one column */
    MINIBLOCK_POINTS = 256,        /* values of one miniblock, when a stream has several */
    MINIBLOCKS_MAX = COLUMN_POINTS_MAX / MINIBLOCK_POINTS,
    BYTE_PLANES = 8,
    ENTROPY_SAMPLE = 512,      /* bytes of a plane that its compressibility is judged by */
};

/* A column's first byte. */
enum column_tag {
    COLUMN_DECIMAL = 0x00,    /* + exponent 0..18 */
    COLUMN_PATCHED = 0x20,    /* + exponent: decimals with doubles among them */
    COLUMN_DOUBLES = 0x40,
    COLUMN_FALSE = 0x50,
    COLUMN_TRUE = 0x51,
    COLUMN_BITMAP = 0x52,
    COLUMN_DICTIONARY = 0x60,
    COLUMN_VALUES = 0x61,
    COLUMN_SENDERS = 0x70,
};

struct column_reader { /* [from, end) is what is left of the column */
    const uint8_t *from;
    const uint8_t *end;
};

struct dictionary_slot { /* open addressing; entry 0 = empty, else 1 + index */
    uint32_t entry;
    uint32_t hash;
};

enum { DICTIONARY_ENTRIES_MAX = COLUMN_POINTS_MAX / 2, DICTIONARY_SLOTS = 2 * COLUMN_POINTS_MAX };

struct columns {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    /* One column as integers, its candidates' residuals, and one plane of bytes. */
    uint64_t u64s[COLUMN_POINTS_MAX];
    uint64_t scaled[COLUMN_POINTS_MAX];
    uint64_t residuals[2][COLUMN_POINTS_MAX];
    uint64_t offsets[COLUMN_POINTS_MAX];
    uint8_t plane[COLUMN_POINTS_MAX];
    float entropy_terms[ENTROPY_SAMPLE + 1]; /* n * log2(n) */
    /* Doubles that are no decimals of the column's exponent. */
    uint16_t exception_positions[COLUMN_POINTS_MAX];
    uint64_t exception_bits[COLUMN_POINTS_MAX];
    uint32_t exception_count;
    /* The decimals that were encoded last, or NULL. */
    const uint64_t *encoded_u64s;
    uint8_t encoded_exponent;
    /* Values and senders: the dictionary under construction; where its entries end in `bytes`. */
    struct dictionary_slot slots[DICTIONARY_SLOTS];
    const uint8_t *entries[COLUMN_POINTS_MAX];
    uint32_t entry_sizes[DICTIONARY_ENTRIES_MAX];
    uint32_t entry_ends[COLUMN_POINTS_MAX];
    struct buffer bytes;  /* concatenated entries */
    struct batch retyped; /* msgpack values that are all numbers or all booleans */
    /* of uint16_t: index of a name in the batch -> 1 + index in the column, 0 = unused */
    struct buffer sender_codes;
};

/* ---- columns_u64s_encode.c (with columns_plan.h), columns_u64s_decode.c: any run of 64-bit integers ---- */

/* A stream's first byte. */
enum u64s_head {
    U64S_TRANSFORM = 0x03, /* mask: enum u64s_transform */
    U64S_MINIBLOCKS = 0x04, /* miniblocks of MINIBLOCK_POINTS residuals each, else one miniblock */
    U64S_PATCHES = 0x08,   /* some residuals are listed */
    U64S_PLANES = 0x10,    /* byte planes instead of miniblocks */
    U64S_FACTOR = 0x20,    /* the u64s are base + factor * what follows */
    U64S_FRACTION = 0x40,  /* the slope has a fraction */
};

enum u64s_transform {
    TRANSFORM_NONE = 0,
    TRANSFORM_DELTA = 1,  /* from the u64 before; one residual less than u64s */
    TRANSFORM_LINEAR = 2, /* from slope * i */
    TRANSFORM_COUNT = 3,
};

enum {
    MINIBLOCK_RADIX = 0x80,     /* flag in a miniblock's width byte: a radix byte follows */
    LINEAR_FRACTION_BITS = 16,
};

/* Kinds of a plane, two bits each. */
enum plane_kind { PLANE_ZERO = 0, PLANE_CONSTANT = 1, PLANE_RAW = 2, PLANE_ZSTD = 3 };

/* What TRANSFORM_LINEAR predicts for value i. */
static inline uint64_t linear_at(uint64_t slope, uint32_t fraction, uint32_t i)
{
    return slope * i + ((i * fraction) >> LINEAR_FRACTION_BITS);
}

/* Appends the u64s in whatever form is smallest. 1 <= count <= COLUMN_POINTS_MAX. u64s: of the scratch arrays
 * it may be columns->u64s only, which stays as it is. 0 or -ENOMEM. */
int u64s_encode(struct columns *columns, const uint64_t *u64s, uint32_t count, struct buffer *out);
/* Reads `count` u64s. 0 or -EBADMSG. */
int u64s_decode(struct columns *columns, struct column_reader *reader, uint64_t *u64s, uint32_t count,
    struct error *ret_error);

/* ---- columns_numbers.c ---- */
int numbers_encode(struct columns *columns, const struct numbers *numbers, uint32_t from, uint32_t count,
    struct buffer *out);
/* Sets kind, exponent and the first `count` u64s of the numbers. */
int numbers_decode(struct columns *columns, struct column_reader *reader, struct numbers *numbers,
    uint32_t count, struct error *ret_error);

/* ---- columns_bytes.c: runs of bytes whose size the reader knows: raw, or zstd when that pays ---- */
enum { BYTES_RAW = 0, BYTES_ZSTD = 1 };

/* Appends the bytes, compressed at this zstd level when it saves one byte in `worth` at least. 0 or -ENOMEM. */
int bytes_encode(struct columns *columns, const uint8_t *data, size_t size, int level, unsigned worth,
    struct buffer *out);
int bytes_decode(struct columns *columns, struct column_reader *reader, uint8_t *data, size_t size,
    struct error *ret_error);
/* zstd alone: the compressed size, or 0 when it does not fit `capacity` (then nothing is promised of `to`). */
size_t bytes_compress(struct columns *columns, uint8_t *to, size_t capacity, const uint8_t *data, size_t size,
    int level);
int bytes_decompress(struct columns *columns, uint8_t *to, size_t size, const uint8_t *data, size_t data_size,
    struct error *ret_error);

/* ---- columns_values.c, columns_senders.c ---- */
int values_encode(struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count,
    struct buffer *out);
int values_decode(struct columns *columns, struct column_reader *reader, struct batch *batch, uint32_t count,
    struct error *ret_error);
int booleans_encode(struct columns *columns, const uint8_t *booleans, uint32_t count, struct buffer *out);
int booleans_decode(struct columns *columns, struct column_reader *reader, uint8_t *booleans, uint32_t count,
    struct error *ret_error);
/* Appends nothing when the owner sent all of the points. */
int senders_encode(struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count,
    struct buffer *out);
int senders_decode(struct columns *columns, struct column_reader *reader, struct batch *batch, uint32_t count,
    struct error *ret_error);

/* ---- columns.c: reading ---- */
int column_read_byte(struct column_reader *reader, uint8_t *ret_byte, struct error *ret_error);
int column_read_varint(struct column_reader *reader, uint64_t max, uint64_t *ret_value, struct error *ret_error);
int column_read_bytes(struct column_reader *reader, size_t size, const uint8_t **ret_data, struct error *ret_error);

#endif
