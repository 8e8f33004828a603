/* Limits, tags and the working memory that the files of this folder share. docs/FORMAT.md, section 6, has the
 * bytes.
 *
 * Who includes whom, lowest first:
 *   column_reader, bitpack, columns_memory
 *   columns_bytes                                      compressed bytes
 *   columns_u64s (columns_plan, columns_factor)        runs of 64-bit integers
 *   columns_numbers, columns_booleans, columns_senders  one kind of column each
 *   columns_values                                     msgpack, or numbers or booleans where all values are
 *   columns                                            what the rest of the engine calls: dispatch by kind */
#ifndef CONNECTORDB_COLUMNS_MEMORY_H
#define CONNECTORDB_COLUMNS_MEMORY_H

#include "batch.h"
#include "buffer.h"

#include <stdint.h>
#include <zstd.h>

enum {
    COLUMN_POINTS_MAX = 4096,    /* points of one column */
    COLUMN_BYTES_MAX = 64 << 20, /* msgpack of one column */
    ENTROPY_SAMPLE = 512,        /* bytes of a byte plane that its compressibility is estimated from */
    DICTIONARY_ENTRIES_MAX = COLUMN_POINTS_MAX / 2,
    DICTIONARY_SLOTS = 2 * COLUMN_POINTS_MAX,
};

/* A column's first byte. */
enum column_tag {
    COLUMN_DECIMAL = 0x00, /* + exponent 0..18 */
    COLUMN_PATCHED = 0x20, /* + exponent: decimals with doubles among them */
    COLUMN_DOUBLES = 0x40,
    COLUMN_FALSE = 0x50,
    COLUMN_TRUE = 0x51,
    COLUMN_BITMAP = 0x52,
    COLUMN_DICTIONARY = 0x60,
    COLUMN_VALUES = 0x61,
    COLUMN_SENDERS = 0x70,
};

struct dictionary_slot { /* open addressing; entry 0 = empty, else 1 + index */
    uint32_t entry;
    uint32_t hash;
};

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
    struct buffer bytes;        /* concatenated entries */
    struct batch retyped;       /* msgpack values that are all numbers or all booleans */
    struct buffer sender_codes; /* uint16_t by sender of the batch: 1 + its index in the column, 0 = unused */
};

#endif
