#include "batch.h"

#include "batch_internal.h"
#include "bytes.h"
#include "check.h"
#include "numbers_internal.h"
#include "msgpack_head.h"
#include "number_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_CAPACITY_MIN = 64,
    NUMBER_BYTES_MAX = 9, /* of a number in msgpack */
};

void batch_init(struct batch *batch)
{
    *batch = (struct batch){.times.kind = NUMBERS_AS_DECIMALS, .numbers.kind = NUMBERS_AS_DECIMALS};
}

void batch_free(struct batch *batch)
{
    CHECK(batch->capacity > 0 || batch->count == 0); /* a borrowed view owns nothing to free */
    if (batch->capacity > 0) {
        free(batch->times.u64s);
        free(batch->numbers.u64s);
        free(batch->booleans);
        free(batch->msgpack_ends);
        free(batch->senders);
        buffer_free(&batch->msgpack);
        buffer_free(&batch->sender_names);
        free(batch->sender_offsets);
        free(batch->sender_slots);
    }
    batch_init(batch);
}

void batch_clear(struct batch *batch)
{
    batch->count = 0;
    batch->missing_times = false;
    batch->form = VALUES_NONE;
    batch->times.kind = batch->numbers.kind = NUMBERS_AS_DECIMALS;
    batch->times.exponent = batch->numbers.exponent = 0;
    batch->msgpack.size = 0;
    batch->msgpack_start = 0;
    batch->has_senders = false;
    batch->sender_count = 0;
    batch->sender_indexed = 0;
    batch->sender_names.size = 0;
}

static void free_columns(struct batch *batch)
{
    free(batch->times.u64s);
    free(batch->numbers.u64s);
    free(batch->booleans);
    free(batch->msgpack_ends);
    free(batch->senders);
    batch->times.u64s = batch->numbers.u64s = NULL;
    batch->booleans = NULL;
    batch->msgpack_ends = NULL;
    batch->senders = NULL;
}

static bool grow(void **column, uint32_t capacity, size_t size)
{
    void *grown = realloc(*column, capacity * size);
    if (!grown)
        return false;
    *column = grown;
    return true;
}

static int batch_grow(struct batch *batch, uint32_t needed)
{
    if (needed > BATCH_POINTS_MAX)
        return -E2BIG;
    uint32_t capacity = batch->capacity ? batch->capacity : BATCH_CAPACITY_MIN;
    while (capacity < needed)
        capacity *= 2;
    /* When a later column fails, the earlier ones are larger than capacity says: harmless, but for a batch
     * that owned nothing before and would be taken for a borrowed view. */
    if (!grow((void **)&batch->times.u64s, capacity, sizeof(*batch->times.u64s)) ||
        !grow((void **)&batch->numbers.u64s, capacity, sizeof(*batch->numbers.u64s)) ||
        !grow((void **)&batch->booleans, capacity, sizeof(*batch->booleans)) ||
        !grow((void **)&batch->msgpack_ends, capacity, sizeof(*batch->msgpack_ends)) ||
        !grow((void **)&batch->senders, capacity, sizeof(*batch->senders))) {
        if (batch->capacity == 0)
            free_columns(batch);
        return -ENOMEM;
    }
    batch->capacity = capacity;
    return 0;
}

int batch_reserve(struct batch *batch, uint32_t extra)
{
    CHECK(batch->capacity > 0 || batch->count == 0);
    if (extra <= batch->capacity - batch->count)
        return 0;
    if (extra > BATCH_POINTS_MAX)
        return -E2BIG;
    return batch_grow(batch, batch->count + extra);
}

static int append_msgpack(struct batch *batch, uint32_t i, const uint8_t *value, size_t size)
{
    if (size > BATCH_BYTES_MAX - batch->msgpack.size)
        return -E2BIG;
    int r = buffer_append(&batch->msgpack, value, size);
    if (r < 0)
        return r;
    batch->msgpack_ends[i] = (uint32_t)batch->msgpack.size;
    return 0;
}

/* Turns the first `count` numbers or booleans into msgpack values. */
static int widen_to_msgpack(struct batch *batch, uint32_t count)
{
    batch->msgpack.size = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t scratch[NUMBER_BYTES_MAX];
        size_t size;
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        int r = append_msgpack(batch, i, value, size);
        if (r < 0)
            return r;
    }
    batch->msgpack_start = 0;
    batch->form = VALUES_MSGPACK;
    return 0;
}

static int put_as_msgpack(struct batch *batch, uint32_t i, const struct point_value *value)
{
    if (batch->form != VALUES_MSGPACK) {
        int r = widen_to_msgpack(batch, i);
        if (r < 0)
            return r;
    }
    uint8_t scratch[NUMBER_BYTES_MAX];
    switch (value->kind) {
    case POINT_NUMBER:
        return append_msgpack(batch, i, scratch, number_pack(&value->number, scratch));
    case POINT_BOOLEAN:
        scratch[0] = value->boolean ? 0xc3 : 0xc2;
        return append_msgpack(batch, i, scratch, 1);
    case POINT_MSGPACK:
        break;
    }
    return append_msgpack(batch, i, value->msgpack, value->size);
}

int batch_put_value(struct batch *batch, uint32_t i, const struct point_value *value)
{
    enum value_form form = i == 0 ? VALUES_NONE : batch->form;
    if (i == 0)
        batch->form = VALUES_NONE;
    if (value->kind == POINT_NUMBER && (form == VALUES_NUMBERS || form == VALUES_NONE) &&
        numbers_push(&batch->numbers, i, &value->number)) {
        batch->form = VALUES_NUMBERS;
        return 0;
    }
    if (value->kind == POINT_BOOLEAN && (form == VALUES_BOOLEANS || form == VALUES_NONE)) {
        batch->booleans[i] = value->boolean;
        batch->form = VALUES_BOOLEANS;
        return 0;
    }
    return put_as_msgpack(batch, i, value);
}

void batch_put_time(struct batch *batch, uint32_t i, const struct number *time)
{
    if (!time) {
        batch->missing_times = true;
        numbers_push_rounded(&batch->times, i, NAN);
    } else if (time->kind == NUMBER_UNSIGNED || !numbers_push(&batch->times, i, time)) {
        numbers_push_rounded(&batch->times, i, number_double(time));
    } else if (time->kind == NUMBER_DECIMAL && time->exponent == 0 &&
               batch->times.kind == NUMBERS_AS_DECIMALS && batch->times.exponent == 0 &&
               (time->integer > (INT64_C(1) << 53) || time->integer < -(INT64_C(1) << 53))) {
        /* A time is a double by definition: beyond 2^53 its digits are the double's. */
        numbers_push_rounded(&batch->times, i, number_double(time));
    }
}

int batch_push_point(struct batch *batch, const struct number *time, const struct point_value *value)
{
    int r = batch_reserve(batch, 1);
    if (r < 0)
        return r;
    r = batch_put_value(batch, batch->count, value);
    if (r < 0)
        return r;
    batch_put_time(batch, batch->count, time);
    if (batch->has_senders)
        batch->senders[batch->count] = 0;
    batch->count++;
    return 0;
}

void batch_pop(struct batch *batch)
{
    CHECK(batch->count > 0);
    batch->count--;
    if (batch->form == VALUES_MSGPACK)
        batch->msgpack.size = batch->count > 0 ? batch->msgpack_ends[batch->count - 1] : 0;
}

static int push_at(struct batch *batch, double time, const struct point_value *value)
{
    if (isnan(time))
        return batch_push_point(batch, NULL, value);
    struct number number;
    number_from_double(time, &number);
    return batch_push_point(batch, &number, value);
}

int batch_push_double(struct batch *batch, double time, double value)
{
    CHECK(isfinite(value));
    struct point_value point = {.kind = POINT_NUMBER};
    number_from_double(value, &point.number);
    return push_at(batch, time, &point);
}

int batch_push_integer(struct batch *batch, double time, int64_t value)
{
    return push_at(batch, time,
        &(struct point_value){.kind = POINT_NUMBER, .number = {.kind = NUMBER_DECIMAL, .integer = value}});
}

int batch_push_boolean(struct batch *batch, double time, bool value)
{
    return push_at(batch, time, &(struct point_value){.kind = POINT_BOOLEAN, .boolean = value});
}

const uint8_t *batch_value(const struct batch *batch, uint32_t i, uint8_t scratch[9], size_t *ret_size)
{
    if (batch->form == VALUES_MSGPACK) {
        uint32_t start = batch_msgpack_offset(batch, i);
        *ret_size = batch->msgpack_ends[i] - start;
        return batch->msgpack.data + start;
    }
    if (batch->form == VALUES_BOOLEANS) {
        scratch[0] = batch->booleans[i] ? 0xc3 : 0xc2;
        *ret_size = 1;
        return scratch;
    }
    struct number number;
    numbers_get_canonical(&batch->numbers, i, &number);
    *ret_size = number_pack(&number, scratch);
    return scratch;
}

int batch_push_msgpack(struct batch *batch, double time, const uint8_t *value, size_t size)
{
    struct msgpack_head head;
    CHECK(msgpack_read_head(value, value + size, &head));
    struct point_value point = {.kind = POINT_MSGPACK, .msgpack = value, .size = size};
    if (head.type == MSGPACK_NUMBER) {
        point.kind = POINT_NUMBER;
        point.number = head.number;
    } else if (head.type == MSGPACK_TRUE || head.type == MSGPACK_FALSE) {
        point.kind = POINT_BOOLEAN;
        point.boolean = head.type == MSGPACK_TRUE;
    }
    return push_at(batch, time, &point);
}
