/* Column codecs: one column of a block <-> bytes. Pure functions on memory, no I/O. docs/FORMAT.md has the bytes.
 *
 * numbers   DECIMAL: integers / 10^e as constant, frame of reference, delta + frame of reference, or residual from
 *           a straight line + frame of reference, bit-packed, in one frame or in frames of 256; doubles that are no
 *           such decimal are patched in as exceptions (then the column decodes to a double lane).
 *           (ALP, Afroozeh et al., SIGMOD 2024, for the power-of-ten idea; PFOR, Zukowski et al., ICDE 2006.)
 *           PLANES: the 8 byte planes of the doubles, each raw, constant or zstd.
 * booleans  constant or bitmap
 * values    dictionary of distinct msgpack values + packed codes, or lengths + concatenated bytes, zstd if it pays
 * senders   dictionary + packed codes
 * Whatever is smallest in the block at hand is taken. */
#ifndef CONNECTORDB_COLUMNS_H
#define CONNECTORDB_COLUMNS_H

#include "batch.h"
#include "buffer.h"
#include "error.h"

/* Working memory of encoding and decoding, reused from block to block; one thread at a time. */
struct columns;

int columns_open(struct columns **ret_columns);
void columns_close(struct columns *columns); /* accepts NULL */

/* Each appends one encoded column of points [from, from + count) of the batch to out. 0, -ENOMEM. count >= 1. */
int columns_encode_times(struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count,
    struct buffer *out);
int columns_encode_values(struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count,
    struct buffer *out);
int columns_encode_senders(struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count,
    struct buffer *out);

/* Each decodes a column of `count` points into the batch (batch_clear'ed, capacity >= count ensured by the caller
 * through batch_reserve; batch->count is set by the caller afterwards). Bytes are untrusted: every length is
 * bounded, msgpack is validated. 0, -EBADMSG with what is wrong, -ENOMEM. */
int columns_decode_times(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);
int columns_decode_values(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);
int columns_decode_senders(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);

#endif
