/* Bytes whose number the reader knows: stored as they are, or as one zstd frame where that saves enough
 * (docs/FORMAT.md, section 6.5). */
#ifndef CONNECTORDB_COLUMNS_BYTES_H
#define CONNECTORDB_COLUMNS_BYTES_H

#include "column_reader.h"
#include "columns_memory.h"

/* Appends the bytes, compressed at this zstd level if that saves at least one byte in `worth`. 0 or
 * -ENOMEM. */
int bytes_encode(
    struct columns *columns, const uint8_t *data, size_t size, int level, unsigned worth, struct buffer *out);
/* Reads `size` bytes into data. 0 or -EBADMSG. */
int bytes_decode(struct columns *columns, struct column_reader *reader, uint8_t *data, size_t size,
    struct error *ret_error);

/* zstd alone. Returns the compressed size, or 0 when it does not fit `capacity` (`to` is undefined then). */
size_t bytes_compress(
    struct columns *columns, uint8_t *to, size_t capacity, const uint8_t *data, size_t size, int level);
/* Decompresses data to exactly `size` bytes. 0 or -EBADMSG. */
int bytes_decompress(struct columns *columns, uint8_t *to, size_t size, const uint8_t *data, size_t data_size,
    struct error *ret_error);

#endif
