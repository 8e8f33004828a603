/* Shared by columns*.c: the codec's working memory and its two building blocks, streams of words and runs of bytes.
 * docs/FORMAT.md, section 6, has the bytes. */
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
    FRAME_POINTS = 256,        /* words of one frame, when a stream has several */
    FRAMES_MAX = COLUMN_POINTS_MAX / FRAME_POINTS,
    WORD_PLANES = 8,
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

struct dictionary_slot { /* open addressing; entry 0 = empty, else 1 + place */
    uint32_t entry;
    uint32_t hash;
};

enum { DICTIONARY_ENTRIES_MAX = COLUMN_POINTS_MAX / 2, DICTIONARY_SLOTS = 2 * COLUMN_POINTS_MAX };

struct columns {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    /* One column as integers, its candidates' residuals, and one plane of bytes. */
    uint64_t words[COLUMN_POINTS_MAX];
    uint64_t scaled[COLUMN_POINTS_MAX];
    uint64_t residuals[2][COLUMN_POINTS_MAX];
    uint64_t offsets[COLUMN_POINTS_MAX];
    uint8_t plane[COLUMN_POINTS_MAX];
    float entropy_terms[ENTROPY_SAMPLE + 1]; /* n * log2(n) */
    /* Doubles that are no decimals of the column's exponent. */
    uint16_t exception_places[COLUMN_POINTS_MAX];
    uint64_t exception_bits[COLUMN_POINTS_MAX];
    uint32_t exception_count;
    /* The decimals that were encoded last, or NULL. */
    const uint64_t *encoded_words;
    uint8_t encoded_exponent;
    /* Values and senders: the dictionary under construction; where its entries end in `bytes`. */
    struct dictionary_slot slots[DICTIONARY_SLOTS];
    const uint8_t *entries[COLUMN_POINTS_MAX];
    uint32_t entry_sizes[DICTIONARY_ENTRIES_MAX];
    uint32_t entry_ends[COLUMN_POINTS_MAX];
    struct buffer bytes;  /* concatenated entries */
    struct batch narrow;  /* msgpack values that are all numbers or all booleans */
    struct buffer places; /* senders: name of the batch -> name of the column */
};

/* ---- columns_words_encode.c (with columns_plan.h), columns_words_decode.c: any run of 64-bit integers ---- */

/* A stream's first byte. */
enum words_head {
    WORDS_TRANSFORM = 0x03, /* mask: enum words_transform */
    WORDS_FRAMES = 0x04,    /* frames of FRAME_POINTS residuals each, else one frame */
    WORDS_PATCHES = 0x08,   /* some residuals are listed */
    WORDS_PLANES = 0x10,    /* byte planes instead of frames */
    WORDS_FACTOR = 0x20,    /* the words are base + factor * what follows */
    WORDS_FRACTION = 0x40,  /* the line's slope has a fraction */
};

enum words_transform {
    TRANSFORM_NONE = 0,
    TRANSFORM_DELTA = 1,  /* from the word before; one residual less than words */
    TRANSFORM_LINEAR = 2, /* from a straight line */
    TRANSFORM_COUNT = 3,
};

enum {
    FRAME_RADIX = 0x80,     /* flag in a frame's width byte: a radix byte follows */
    LINE_FRACTION_BITS = 16,
};

/* Kinds of a plane, two bits each. */
enum plane_kind { PLANE_ZERO = 0, PLANE_CONSTANT = 1, PLANE_RAW = 2, PLANE_ZSTD = 3 };

/* The straight line's value at place i. */
static inline uint64_t line_at(uint64_t slope, uint32_t fraction, uint32_t i)
{
    return slope * i + ((i * fraction) >> LINE_FRACTION_BITS);
}

/* Appends the words in whatever form is smallest. 1 <= count <= COLUMN_POINTS_MAX. words: of the scratch arrays it may
 * be columns->words only, which stays as it is. 0 or -ENOMEM. */
int words_encode(struct columns *columns, const uint64_t *words, uint32_t count, struct buffer *out);
/* Reads `count` words. 0 or -EBADMSG. */
int words_decode(struct columns *columns, struct column_reader *reader, uint64_t *words, uint32_t count,
    struct error *ret_error);

/* ---- columns_numbers.c ---- */
int lane_encode(struct columns *columns, const struct lane *lane, uint32_t from, uint32_t count, struct buffer *out);
/* Sets kind, exponent and the first `count` words of the lane. */
int lane_decode(struct columns *columns, struct column_reader *reader, struct lane *lane, uint32_t count,
    struct error *ret_error);

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
