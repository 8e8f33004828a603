/* Column codecs: one column of a block <-> bytes. Pure functions on memory, no I/O. docs/FORMAT.md, section
 * 6, has the bytes. The encoder takes the smallest form for the block at hand:
 *
 * times, numbers  integers over a power of ten (ALP, Afroozeh et al., SIGMOD 2024), with doubles that are no
 *                 such decimal patched in as exceptions; or the bit patterns of the doubles. The integers are
 *                 stored as they are, as deltas or as residuals of a linear prediction, divided by a common
 *                 factor; packed with a frame of reference for the whole column or for each 256 values,
 *                 outliers listed (PFOR, Zukowski et al., ICDE 2006), in bits and base-n digits; or in 8 byte
 *                 planes, each raw, constant or zstd.
 * booleans        constant or bitmap
 * other values    dictionary of distinct msgpack values and a code each, or concatenated; zstd where that
 *                 saves bytes
 * senders         dictionary of names and a code each */
#ifndef CONNECTORDB_COLUMNS_H
#define CONNECTORDB_COLUMNS_H

#include "batch.h"
#include "buffer.h"
#include "error.h"

#include <stdbool.h>

struct columns; /* working memory of encoding and decoding, about 330 KiB; used by one thread at a time */

/* 0 or -ENOMEM. */
int columns_open(struct columns **ret_columns);
void columns_close(struct columns *columns); /* accepts NULL */

/* Each appends one encoded column of points [from, from + count) of the batch to `out`. 1 <= count <= 4096.
 * Nothing is appended for senders if the owner sent all of the points. 0 or -ENOMEM (`out` may have grown
 * then). */
int columns_encode_times(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out);
int columns_encode_values(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out);
int columns_encode_senders(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out);

/* After columns_encode_values: true if all values were stored as decimals; sets *ret_numbers to them as
 * decoding will return them, borrowed until the next call with these columns. */
bool columns_encoded_decimals(const struct columns *columns, struct numbers *ret_numbers);

/* Each decodes a column of `count` points into an empty batch with room for them (batch_clear,
 * batch_reserve); the caller sets batch->count afterwards. The bytes are untrusted: every length is bounded,
 * msgpack is validated. 0; -EBADMSG with what is wrong; -ENOMEM. After a failure the batch's columns are
 * undefined, but may be cleared and used again. */
int columns_decode_times(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);
int columns_decode_values(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);
int columns_decode_senders(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error);

/* Whether these bytes may be the columns of a block, judged by their sizes and first bytes alone: true for
 * everything that was encoded, rarely for other bytes. A cheap filter for a search for blocks in damaged
 * files. */
bool columns_plausible(const uint8_t *data, uint64_t times_size, uint64_t values_size, uint64_t senders_size);

#endif
