#include "columns.h"

#include "check.h"
#include "columns_booleans.h"
#include "columns_memory.h"
#include "columns_numbers.h"
#include "columns_senders.h"
#include "columns_values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int columns_open(struct columns **ret_columns)
{
    struct columns *columns = calloc(1, sizeof(*columns));
    if (!columns)
        return -ENOMEM;
    batch_init(&columns->retyped);
    columns->compressor = ZSTD_createCCtx();
    columns->decompressor = ZSTD_createDCtx();
    if (!columns->compressor || !columns->decompressor) {
        columns_close(columns);
        return -ENOMEM;
    }
    for (unsigned n = 1; n <= ENTROPY_SAMPLE; n++)
        columns->entropy_terms[n] = (float)(n * log2(n));
    *ret_columns = columns;
    return 0;
}

void columns_close(struct columns *columns)
{
    if (!columns)
        return;
    ZSTD_freeCCtx(columns->compressor);
    ZSTD_freeDCtx(columns->decompressor);
    buffer_free(&columns->bytes);
    buffer_free(&columns->sender_codes);
    batch_free(&columns->retyped);
    free(columns);
}

/* ---- one column each ---- */

static int check_column(const struct column_reader *reader, uint32_t count, struct error *ret_error)
{
    if (count < 1 || count > COLUMN_POINTS_MAX)
        return error_set(ret_error, EBADMSG, "a column of %u points (at most %d)", count, COLUMN_POINTS_MAX);
    if (reader->from == reader->end)
        return error_set(ret_error, EBADMSG, "an empty column");
    return 0;
}

static int check_end(const struct column_reader *reader, struct error *ret_error)
{
    if (reader->from != reader->end)
        return error_set(ret_error, EBADMSG, "%zu bytes too many at the end of a column",
            (size_t)(reader->end - reader->from));
    return 0;
}

int columns_encode_times(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out)
{
    CHECK(from <= batch->count && count <= batch->count - from);
    return numbers_encode(columns, &batch->times, from, count, out);
}

int columns_decode_times(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error)
{
    struct column_reader reader = {data, data + size};
    int r = check_column(&reader, count, ret_error);
    CHECK(count <= batch->capacity || r < 0);
    if (r == 0)
        r = numbers_decode(columns, &reader, &batch->times, count, ret_error);
    return r < 0 ? r : check_end(&reader, ret_error);
}

int columns_encode_values(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out)
{
    CHECK(count >= 1 && count <= COLUMN_POINTS_MAX && from <= batch->count && count <= batch->count - from);
    columns->encoded_u64s = NULL;
    switch (batch->form) {
    case VALUES_NUMBERS:
        return numbers_encode(columns, &batch->numbers, from, count, out);
    case VALUES_BOOLEANS:
        return booleans_encode(columns, batch->booleans + from, count, out);
    case VALUES_MSGPACK:
        return values_encode(columns, batch, from, count, out);
    case VALUES_NONE:
        break;
    }
    CHECK(false && "a batch with points has values");
    return -EINVAL;
}

bool columns_encoded_decimals(const struct columns *columns, struct numbers *ret_numbers)
{
    if (!columns->encoded_u64s)
        return false;
    *ret_numbers = (struct numbers){.kind = NUMBERS_AS_DECIMALS,
        .exponent = columns->encoded_exponent,
        .u64s = (uint64_t *)columns->encoded_u64s};
    return true;
}

int columns_decode_values(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error)
{
    struct column_reader reader = {data, data + size};
    int r = check_column(&reader, count, ret_error);
    if (r < 0)
        return r;
    CHECK(count <= batch->capacity);
    uint8_t tag = data[0];
    if (tag < COLUMN_FALSE) {
        r = numbers_decode(columns, &reader, &batch->numbers, count, ret_error);
        batch->form = VALUES_NUMBERS;
    } else if (tag < COLUMN_DICTIONARY) {
        r = booleans_decode(columns, &reader, batch->booleans, count, ret_error);
        batch->form = VALUES_BOOLEANS;
    } else {
        r = values_decode(columns, &reader, batch, count, ret_error);
        batch->form = VALUES_MSGPACK;
    }
    return r < 0 ? r : check_end(&reader, ret_error);
}

int columns_encode_senders(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out)
{
    CHECK(count >= 1 && count <= COLUMN_POINTS_MAX && from <= batch->count && count <= batch->count - from);
    return senders_encode(columns, batch, from, count, out);
}

int columns_decode_senders(struct columns *columns, const uint8_t *data, size_t size, uint32_t count,
    struct batch *batch, struct error *ret_error)
{
    struct column_reader reader = {data, data + size};
    int r = check_column(&reader, count, ret_error);
    if (r < 0)
        return r;
    CHECK(count <= batch->capacity);
    r = senders_decode(columns, &reader, batch, count, ret_error);
    return r < 0 ? r : check_end(&reader, ret_error);
}

static bool is_number_tag(uint8_t tag)
{
    return tag <= COLUMN_DECIMAL + DECIMAL_EXPONENT_MAX || tag == COLUMN_DOUBLES ||
           (tag >= COLUMN_PATCHED && tag <= COLUMN_PATCHED + DECIMAL_EXPONENT_MAX);
}

bool columns_plausible(const uint8_t *data, uint64_t times_size, uint64_t values_size, uint64_t senders_size)
{
    if (times_size == 0 || values_size == 0)
        return false;
    uint8_t values = data[times_size];
    return is_number_tag(data[0]) &&
           (is_number_tag(values) || (values >= COLUMN_FALSE && values <= COLUMN_BITMAP) ||
               values == COLUMN_DICTIONARY || values == COLUMN_VALUES) &&
           (senders_size == 0 || data[times_size + values_size] == COLUMN_SENDERS);
}
