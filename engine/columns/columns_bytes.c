#include "columns_bytes.h"

#include "bytes.h"

#include <errno.h>
#include <string.h>

/* The first byte: how the rest is stored. */
enum { BYTES_RAW = 0, BYTES_ZSTD = 1 };

size_t bytes_compress(
    struct columns *columns, uint8_t *to, size_t capacity, const uint8_t *data, size_t size, int level)
{
    size_t r = ZSTD_compressCCtx(columns->compressor, to, capacity, data, size, level);
    return ZSTD_isError(r) ? 0 : r;
}

int bytes_decompress(struct columns *columns, uint8_t *to, size_t size, const uint8_t *data, size_t data_size,
    struct error *ret_error)
{
    size_t r = ZSTD_decompressDCtx(columns->decompressor, to, size, data, data_size);
    if (ZSTD_isError(r))
        return error_set(ret_error, EBADMSG, "compressed bytes are damaged (%s)", ZSTD_getErrorName(r));
    if (r != size)
        return error_set(ret_error, EBADMSG, "compressed bytes: expected %zu, found %zu", size, r);
    return 0;
}

int bytes_encode(
    struct columns *columns, const uint8_t *data, size_t size, int level, unsigned worth, struct buffer *out)
{
    if (buffer_reserve(out, size + 1 + VARINT_BYTES_MAX) < 0)
        return -ENOMEM;
    uint8_t *start = out->data + out->size, *body = start + 1 + VARINT_BYTES_MAX;
    size_t limit = size - size / worth, compressed = 0;
    if (size >= 32)
        compressed = bytes_compress(columns, body, limit, data, size, level);
    if (compressed == 0) {
        start[0] = BYTES_RAW;
        memcpy(start + 1, data, size);
        out->size += 1 + size;
        return 0;
    }
    start[0] = BYTES_ZSTD;
    uint8_t *after_size = varint_put(start + 1, compressed);
    memmove(after_size, body, compressed);
    out->size += (size_t)(after_size - start) + compressed;
    return 0;
}

int bytes_decode(struct columns *columns, struct column_reader *reader, uint8_t *data, size_t size,
    struct error *ret_error)
{
    uint8_t kind;
    uint64_t stored = size;
    const uint8_t *bytes;
    int r = column_read_byte(reader, &kind, ret_error);
    if (r == 0 && kind > BYTES_ZSTD)
        return error_set(ret_error, EBADMSG, "unknown form %u of a run of bytes", kind);
    if (r == 0 && kind == BYTES_ZSTD)
        r = column_read_varint(reader, SIZE_MAX, &stored, ret_error);
    if (r == 0)
        r = column_read_bytes(reader, (size_t)stored, &bytes, ret_error);
    if (r < 0)
        return r;
    if (kind == BYTES_ZSTD)
        return bytes_decompress(columns, data, size, bytes, (size_t)stored, ret_error);
    if (size > 0)
        memcpy(data, bytes, size);
    return 0;
}
