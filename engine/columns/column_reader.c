#include "column_reader.h"

#include "bytes.h"

#include <errno.h>

int column_read_byte(struct column_reader *reader, uint8_t *ret_byte, struct error *ret_error)
{
    if (reader->from == reader->end)
        return error_set(ret_error, EBADMSG, "the column is cut off");
    *ret_byte = *reader->from++;
    return 0;
}

int column_read_varint(
    struct column_reader *reader, uint64_t max, uint64_t *ret_value, struct error *ret_error)
{
    uint64_t value;
    const uint8_t *after = varint_get(reader->from, reader->end, &value);
    if (!after)
        return error_set(ret_error, EBADMSG, "the column is cut off within a number");
    if (value > max)
        return error_set(ret_error, EBADMSG, "a number in the column: expected at most %llu, found %llu",
            (unsigned long long)max, (unsigned long long)value);
    reader->from = after;
    *ret_value = value;
    return 0;
}

int column_read_bytes(
    struct column_reader *reader, size_t size, const uint8_t **ret_data, struct error *ret_error)
{
    size_t left = (size_t)(reader->end - reader->from);
    if (size > left)
        return error_set(
            ret_error, EBADMSG, "the column is cut off: expected %zu bytes, found %zu", size, left);
    *ret_data = reader->from;
    reader->from += size;
    return 0;
}

int column_read_zigzag(struct column_reader *reader, uint64_t *ret_value, struct error *ret_error)
{
    uint64_t zigzag;
    int r = column_read_varint(reader, UINT64_MAX, &zigzag, ret_error);
    if (r == 0)
        *ret_value = (uint64_t)zigzag_decode(zigzag);
    return r;
}
