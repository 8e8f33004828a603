/* Reads the bytes of one encoded column from front to back. The bytes are untrusted: no function reads at or
 * past `end`. Each returns 0, or -EBADMSG with *ret_error set and nothing consumed. */
#ifndef CONNECTORDB_COLUMN_READER_H
#define CONNECTORDB_COLUMN_READER_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

struct column_reader { /* [from, end) is the unread rest of the column */
    const uint8_t *from;
    const uint8_t *end;
};

/* Reads one byte. */
int column_read_byte(struct column_reader *reader, uint8_t *ret_byte, struct error *ret_error);
/* A base-128 varint of at most `max`. */
int column_read_varint(
    struct column_reader *reader, uint64_t max, uint64_t *ret_value, struct error *ret_error);
/* A zigzag varint: the two's complement bits of a signed integer. */
int column_read_zigzag(struct column_reader *reader, uint64_t *ret_value, struct error *ret_error);
/* Sets *ret_data to the next `size` bytes, borrowed from the column. */
int column_read_bytes(
    struct column_reader *reader, size_t size, const uint8_t **ret_data, struct error *ret_error);

#endif
