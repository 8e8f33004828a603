/* A gzip body from outside, in pieces of any size: at most PLAIN_BYTES_MAX are decoded. The first byte
 * chooses the pieces; with its highest bit the rest is text that is encoded first, and must come back. */
#include "check.h"
#include "http_gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN_BYTES_MAX = 1 << 20, PIECE_OUT = 1000 };

struct pieces {
    const uint8_t *data;
    size_t size, at, step;
};

static long next_piece(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct pieces *pieces = context;
    size_t count = pieces->size - pieces->at;
    (void)ret_error;
    count = count < pieces->step ? count : pieces->step;
    count = count < size ? count : size;
    if (count > 0)
        memcpy(buffer, pieces->data + pieces->at, count);
    pieces->at += count;
    return (long)count;
}

/* What it decodes to is `plain`, unless that is NULL. */
static void decode(const uint8_t *data, size_t size, size_t step, const uint8_t *plain, size_t plain_size)
{
    struct http_gunzip *gunzip = http_gunzip_open();
    struct pieces pieces = {data, size, 0, step};
    struct error error = {0};
    uint8_t out[PIECE_OUT];
    size_t used = 0;
    long count;
    CHECK(gunzip);
    while ((count = http_gunzip_read(gunzip, out, sizeof(out), next_piece, &pieces, &error)) > 0) {
        CHECK((size_t)count <= sizeof(out));
        CHECK(
            !plain || (used + (size_t)count <= plain_size && memcmp(plain + used, out, (size_t)count) == 0));
        used += (size_t)count;
        if (used > PLAIN_BYTES_MAX)
            break;
    }
    CHECK(count >= 0 || count == -EBADMSG);
    CHECK(!plain || (count == 0 && used == plain_size));
    http_gunzip_close(gunzip);
}

static void encode_and_decode(const uint8_t *plain, size_t size, size_t step)
{
    size_t capacity = size + size / 8 + 64;
    uint8_t *coded = malloc(capacity);
    CHECK(coded);
    size_t coded_size = http_gzip_whole(plain, size, coded, capacity);
    CHECK(coded_size > 0);
    decode(coded, coded_size, step, plain, size);
    free(coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = (size_t)(data[0] & 0x7f) + 1;
    if (data[0] & 0x80)
        encode_and_decode(data + 1, size - 1, step);
    else
        decode(data + 1, size - 1, step, NULL, 0);
    return 0;
}
