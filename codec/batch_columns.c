/* Batches as wholes: appending, slicing, measuring, comparing. */
#include "batch.h"

#include "batch_internal.h"
#include "bytes.h"
#include "check.h"
#include "numbers_internal.h"
#include "number_internal.h"
#include "powers.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Whether both runs have the same kind and exponent, so that their u64s can be copied. An empty run takes
 * them over. */
static bool numbers_take_kind(struct numbers *to, uint32_t to_count, const struct numbers *from)
{
    if (to_count == 0) {
        to->kind = from->kind;
        to->exponent = from->exponent;
    }
    return to->kind == from->kind && to->exponent == from->exponent;
}

static void append_times(struct batch *to, const struct batch *from, uint32_t first, uint32_t count)
{
    if (numbers_take_kind(&to->times, to->count, &from->times)) {
        memcpy(to->times.u64s + to->count, from->times.u64s + first, count * sizeof(*to->times.u64s));
        to->missing_times |= from->missing_times;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct number time;
        numbers_get(&from->times, first + i, &time);
        bool missing = time.kind == NUMBER_DOUBLE && isnan(time.real);
        batch_put_time(to, to->count + i, missing ? NULL : &time);
    }
}

static int append_values_bytes(struct batch *to, const struct batch *from, uint32_t first, uint32_t count)
{
    uint32_t start = batch_msgpack_offset(from, first);
    uint32_t size = from->msgpack_ends[first + count - 1] - start;
    if (size > BATCH_BYTES_MAX - to->msgpack.size)
        return -E2BIG;
    uint32_t shift = (uint32_t)to->msgpack.size - start; /* wraps around like the sum below */
    int r = buffer_append(&to->msgpack, from->msgpack.data + start, size);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < count; i++)
        to->msgpack_ends[to->count + i] = from->msgpack_ends[first + i] + shift;
    return 0;
}

static void load_value(const struct batch *batch, uint32_t i, struct point_value *ret_value)
{
    if (batch->form == VALUES_NUMBERS) {
        ret_value->kind = POINT_NUMBER;
        numbers_get_canonical(&batch->numbers, i, &ret_value->number);
    } else if (batch->form == VALUES_BOOLEANS) {
        ret_value->kind = POINT_BOOLEAN;
        ret_value->boolean = batch->booleans[i];
    } else {
        ret_value->kind = POINT_MSGPACK;
        ret_value->msgpack = batch_value(batch, i, NULL, &ret_value->size);
    }
}

static int append_values(struct batch *to, const struct batch *from, uint32_t first, uint32_t count)
{
    if (to->count == 0) {
        to->form = from->form;
        to->msgpack.size = 0;
        to->msgpack_start = 0;
    }
    if (to->form == from->form && to->form == VALUES_MSGPACK)
        return append_values_bytes(to, from, first, count);
    if (to->form == from->form && to->form == VALUES_BOOLEANS) {
        memcpy(to->booleans + to->count, from->booleans + first, count);
        return 0;
    }
    if (to->form == from->form && numbers_take_kind(&to->numbers, to->count, &from->numbers)) {
        memcpy(to->numbers.u64s + to->count, from->numbers.u64s + first, count * sizeof(*to->numbers.u64s));
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct point_value value = {0};
        load_value(from, first + i, &value);
        int r = batch_put_value(to, to->count + i, &value);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The points are counted already. */
static int append_senders(struct batch *to, const struct batch *from, uint32_t first, uint32_t count)
{
    uint32_t start = to->count - count;
    if (to->has_senders)
        memset(to->senders + start, 0, count * sizeof(*to->senders));
    if (!from->has_senders)
        return 0;
    uint16_t last_from = 0;
    uint16_t last_to = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t sender = from->senders[first + i];
        if (sender == 0)
            continue;
        if (sender != last_from) {
            size_t size;
            const char *name = batch_sender(from, first + i, &size);
            int r = batch_put_sender(to, start + i, name, size);
            if (r < 0)
                return r;
            last_from = sender;
            last_to = to->senders[start + i];
        }
        to->senders[start + i] = last_to;
    }
    return 0;
}

int batch_append(struct batch *to, const struct batch *from_batch, uint32_t from, uint32_t count)
{
    CHECK(from <= from_batch->count && count <= from_batch->count - from && to != from_batch);
    if (count == 0)
        return 0;
    int r = batch_reserve(to, count);
    if (r < 0)
        return r;
    uint32_t count_before = to->count;
    r = append_values(to, from_batch, from, count);
    if (r < 0)
        goto undo;
    append_times(to, from_batch, from, count);
    to->count += count;
    r = append_senders(to, from_batch, from, count);
    if (r < 0)
        goto undo;
    return 0;
undo:
    to->count = count_before;
    if (count_before == 0)
        to->form = VALUES_NONE;
    if (to->form == VALUES_MSGPACK)
        to->msgpack.size = to->msgpack_ends[count_before - 1];
    return r;
}

void batch_slice(const struct batch *batch, uint32_t from, uint32_t count, struct batch *view)
{
    CHECK(from <= batch->count && count <= batch->count - from);
    *view = *batch;
    view->count = count;
    view->capacity = 0;
    if (from == 0)
        return;
    view->times.u64s += from;
    view->numbers.u64s = batch->numbers.u64s ? batch->numbers.u64s + from : NULL;
    view->booleans = batch->booleans ? batch->booleans + from : NULL;
    view->senders = batch->senders ? batch->senders + from : NULL;
    if (batch->form == VALUES_MSGPACK) {
        view->msgpack_start = batch->msgpack_ends[from - 1];
        view->msgpack_ends = batch->msgpack_ends + from;
    }
}

/* The msgpack size of an integer: 1, 2, 3, 5 or 9 bytes. Without branches: neighbours differ in size. */
static inline unsigned integer_bytes(int64_t value)
{
    static const uint64_t LARGEST[2][4] = {
        {0x7f, UINT8_MAX, UINT16_MAX, UINT32_MAX},
        {0x1f, INT8_MAX, INT16_MAX, INT32_MAX}, /* of a negative one's complement: -1 is 0 */
    };
    uint64_t magnitude = (uint64_t)(value ^ (value >> 63));
    const uint64_t *largest = LARGEST[value < 0];
    return 1u + (magnitude > largest[0]) + (magnitude > largest[1]) + 2u * (magnitude > largest[2]) +
           4u * (magnitude > largest[3]);
}

/* Of integers / 10^exponent, exponent > 0: those that are whole are integers, all others take a float's 9
 * bytes. */
static uint64_t decimal_logical_bytes(const int64_t *integers, uint32_t count, unsigned exponent)
{
    uint64_t power = INTEGER_POWERS_OF_TEN[exponent];
    uint64_t five = power >> exponent;
    uint64_t inverse =
        five; /* of 5^exponent modulo 2^64; each step doubles the bits that are right, from 3 */
    for (int i = 0; i < 5; i++)
        inverse *= 2 - five * inverse;
    uint64_t quotient_max = UINT64_MAX / power;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t magnitude = (uint64_t)(integers[i] < 0 ? -integers[i] : integers[i]);
        /* Divided by 5^exponent exactly, if it can be, and the zeros of 2^exponent turned to the top: what
         * leaves no remainder is small then, all else is larger than any quotient. */
        uint64_t quotient = magnitude * inverse;
        quotient = quotient >> exponent | quotient << (64 - exponent);
        bool whole = quotient <= quotient_max;
        total += whole ? integer_bytes(integers[i] < 0 ? -(int64_t)quotient : (int64_t)quotient) : 9;
    }
    return total;
}

static uint64_t numbers_logical_bytes(const struct numbers *numbers, uint32_t from, uint32_t count)
{
    if (numbers->kind == NUMBERS_AS_DECIMALS && numbers->exponent > 0)
        return decimal_logical_bytes(numbers->integers + from, count, numbers->exponent);
    uint64_t total = 0;
    if (numbers->kind == NUMBERS_AS_DECIMALS) {
        for (uint32_t i = from; i < from + count; i++)
            total += integer_bytes(numbers->integers[i]);
        return total;
    }
    for (uint32_t i = from; i < from + count; i++) {
        struct number number;
        number_from_double(numbers->doubles[i], &number);
        total += number.kind == NUMBER_DECIMAL ? integer_bytes(number.integer) : 9;
    }
    return total;
}

uint64_t batch_logical_bytes(const struct batch *batch, uint32_t from, uint32_t count)
{
    CHECK(from <= batch->count && count <= batch->count - from);
    if (count == 0)
        return 0;
    if (batch->form == VALUES_BOOLEANS)
        return count;
    if (batch->form == VALUES_MSGPACK)
        return batch->msgpack_ends[from + count - 1] - batch_msgpack_offset(batch, from);
    return numbers_logical_bytes(&batch->numbers, from, count);
}
