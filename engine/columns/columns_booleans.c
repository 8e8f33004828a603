#include "columns_booleans.h"

#include "columns_bytes.h"

#include <errno.h>
#include <string.h>

enum { BITMAP_LEVEL = 1, BITMAP_WORTH = 16 };

int booleans_encode(struct columns *columns, const uint8_t *booleans, uint32_t count, struct buffer *out)
{
    uint32_t trues = 0, size = (count + 7) / 8;
    for (uint32_t i = 0; i < count; i++)
        trues += booleans[i] != 0;
    if (buffer_reserve(out, 1) < 0)
        return -ENOMEM;
    if (trues == 0 || trues == count) {
        out->data[out->size++] = trues == 0 ? COLUMN_FALSE : COLUMN_TRUE;
        return 0;
    }
    out->data[out->size++] = COLUMN_BITMAP;
    memset(columns->plane, 0, size);
    for (uint32_t i = 0; i < count; i++)
        columns->plane[i / 8] |= (uint8_t)((booleans[i] != 0) << (i % 8));
    return bytes_encode(columns, columns->plane, size, BITMAP_LEVEL, BITMAP_WORTH, out);
}

int booleans_decode(struct columns *columns, struct column_reader *reader, uint8_t *booleans, uint32_t count,
    struct error *ret_error)
{
    uint8_t tag;
    int r = column_read_byte(reader, &tag, ret_error);
    if (r < 0)
        return r;
    if (tag == COLUMN_FALSE || tag == COLUMN_TRUE) {
        memset(booleans, tag == COLUMN_TRUE, count);
        return 0;
    }
    if (tag != COLUMN_BITMAP)
        return error_set(ret_error, EBADMSG, "unknown form 0x%02x of booleans", tag);
    r = bytes_decode(columns, reader, columns->plane, (count + 7) / 8, ret_error);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        booleans[i] = (columns->plane[i / 8] >> (i % 8)) & 1;
    return r;
}
