/* Columns from outside: decoding arbitrary bytes is refused or gives a batch that encodes and decodes to
 * itself; and numbers made from the input come back bit for bit. The first byte says which. */
#include "bytes.h"
#include "batch_equal.h"
#include "check.h"
#include "columns.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POINTS_MAX = 4096, KINDS = 3 };

static struct columns *columns;
static struct batch decoded, again;
static struct buffer encoded;

static void start(void)
{
    if (columns)
        return;
    CHECK(columns_open(&columns) == 0);
    batch_init(&decoded);
    batch_init(&again);
    CHECK(batch_reserve(&decoded, POINTS_MAX) == 0 && batch_reserve(&again, POINTS_MAX) == 0);
}

static void encode_values(const struct batch *batch)
{
    encoded.size = 0;
    CHECK(columns_encode_values(columns, batch, 0, batch->count, &encoded) == 0);
}

/* The encoded column in an allocation of its own size. */
static void decode_encoded(struct batch *batch, uint32_t count)
{
    uint8_t *exact = malloc(encoded.size);
    struct error error;
    CHECK(exact);
    memcpy(exact, encoded.data, encoded.size);
    CHECK(columns_decode_values(columns, exact, encoded.size, count, batch, &error) == 0);
    batch->count = count;
    free(exact);
}

static void give_times(struct batch *batch)
{
    batch->times = (struct numbers){.kind = NUMBERS_AS_DECIMALS, .integers = batch->times.integers};
    for (uint32_t i = 0; i < batch->count; i++)
        batch->times.integers[i] = i;
}

static void decode_arbitrary(const uint8_t *data, size_t size, uint32_t count)
{
    struct error error;
    batch_clear(&decoded);
    if (columns_decode_times(columns, data, size, count, &decoded, &error) < 0)
        CHECK(error.code == EBADMSG || error.code == ENOMEM);
    batch_clear(&decoded);
    if (columns_decode_senders(columns, data, size, count, &decoded, &error) < 0)
        CHECK(error.code == EBADMSG || error.code == ENOMEM);
    batch_clear(&decoded);
    if (columns_decode_values(columns, data, size, count, &decoded, &error) < 0)
        return;
    decoded.count = count;
    give_times(&decoded);
    encode_values(&decoded);
    batch_clear(&again);
    decode_encoded(&again, count);
    give_times(&again);
    CHECK(batch_equal(&decoded, &again));
}

/* Words as integers, shifted so that widths of all kinds occur, or as doubles. */
static void round_trip(const uint8_t *data, size_t size, unsigned shift, bool doubles)
{
    uint32_t count = size / 8 < POINTS_MAX ? (uint32_t)(size / 8) : POINTS_MAX;
    if (count == 0)
        return;
    batch_clear(&decoded);
    decoded.form = VALUES_NUMBERS;
    decoded.count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = load_u64(data + 8 * i);
        if (doubles && !isfinite(bits_double(word)))
            word &= ~(UINT64_C(1) << 62);
        decoded.numbers.u64s[i] = doubles ? word : (uint64_t)((int64_t)word >> shift);
    }
    decoded.numbers.kind = doubles ? NUMBERS_AS_DOUBLES : NUMBERS_AS_DECIMALS;
    give_times(&decoded);
    encode_values(&decoded);
    batch_clear(&again);
    decode_encoded(&again, count);
    give_times(&again);
    CHECK(batch_equal(&decoded, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    start();
    if (size < 3)
        return 0;
    uint32_t count = 1 + load_u16(data + 1) % POINTS_MAX;
    switch (data[0] % KINDS) {
    case 0:
        decode_arbitrary(data + 3, size - 3, count);
        break;
    case 1:
        round_trip(data + 3, size - 3, data[1] % 64, false);
        break;
    default:
        round_trip(data + 3, size - 3, 0, true);
        break;
    }
    return 0;
}
