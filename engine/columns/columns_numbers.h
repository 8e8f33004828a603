/* Times and numbers: integers over a power of ten where that is exact for nearly all of them, with the rest
 * patched in as exceptions; the doubles' bits otherwise (docs/FORMAT.md, section 6.3). The search for the
 * exponent follows ALP (Afroozeh, Kuffo, Boncz: "ALP: Adaptive Lossless floating-Point Compression", SIGMOD
 * 2024). */
#ifndef CONNECTORDB_COLUMNS_NUMBERS_H
#define CONNECTORDB_COLUMNS_NUMBERS_H

#include "column_reader.h"
#include "columns_memory.h"
#include "numbers.h"

/* Appends numbers [from, from + count) with their tag. 0 or -ENOMEM. Sets columns->encoded_u64s if all are
 * decimals. */
int numbers_encode(struct columns *columns, const struct numbers *numbers, uint32_t from, uint32_t count,
    struct buffer *out);
/* Sets kind, exponent and the first `count` values of the numbers, which have room for them. 0 or
 * -EBADMSG. */
int numbers_decode(struct columns *columns, struct column_reader *reader, struct numbers *numbers,
    uint32_t count, struct error *ret_error);

#endif
