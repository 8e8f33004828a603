/* Column codecs: one column of a block <-> bytes. Pure functions on memory, no I/O. docs/FORMAT.md has the bytes.
 *
 * numbers   integers / 10^e; doubles that are no such decimal are patched in as exceptions (then the column decodes
 *           to doubles), or the doubles' bit patterns are taken as integers all through. The integers: as
 *           they are, deltas, or residuals from a linear prediction; a common factor taken out; frame of
 *           reference over the whole column or over miniblocks of 256, packed as bits and base-n digits,
 *           outliers listed; or the 8 byte planes, each raw, constant or zstd.
 *           (ALP, Afroozeh et al., SIGMOD 2024, for the power-of-ten idea; PFOR, Zukowski et al., ICDE 2006.)
 * booleans  constant or bitmap
 * values    dictionary of distinct msgpack values + packed codes, or lengths + concatenated bytes, zstd if it pays
 * senders   dictionary + packed codes
 * Whatever is smallest in the block at hand is taken. */
#ifndef CONNECTORDB_COLUMNS_H
#define CONNECTORDB_COLUMNS_H

#include "batch.h"
#include "buffer.h"
#include "error.h"

#include <stdbool.h>

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

/* After columns_encode_values: sets *ret_numbers to the column's values if they were stored as decimals all
 * through, as decoding will give them back. Borrowed until the next call with these columns. false: they were
 * something else. */
bool columns_encoded_decimals(const struct columns *columns, struct numbers *ret_numbers);

/* Each decodes a column of `count` points into the batch (batch_clear'ed, capacity >= count ensured by the caller
 * through batch_reserve; batch->count is set by the caller afterwards). Bytes are untrusted: every length is
 * bounded, msgpack is validated. 0, -EBADMSG with what is wrong, -ENOMEM. */
int columns_decode_times(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);
int columns_decode_values(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);
int columns_decode_senders(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);

/* Whether these bytes may be a block's columns, one behind the other, by their sizes and first bytes alone: always true of what
 * was encoded, seldom of anything else. For who looks for blocks and would read megabytes at each place to be sure. */
bool columns_plausible(const uint8_t *data, uint64_t times_size, uint64_t values_size, uint64_t senders_size);

#endif
