#include "columns_numbers.h"

#include "bytes.h"
#include "check.h"
#include "columns_u64s.h"

#include <errno.h>

enum {
    PROBED_VALUES = 32,
    EXCEPTION_BYTES = 10,   /* what an exception takes, about */
    EXCEPTIONS_DIVISOR = 8, /* at most one value in so many is an exception */
};

static int put_tag(struct buffer *out, unsigned tag)
{
    if (buffer_reserve(out, 1) < 0)
        return -ENOMEM;
    out->data[out->size++] = (uint8_t)tag;
    return 0;
}

/* ---- decimals ---- */

static bool all_divisible_by_ten(const uint64_t *u64s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((int64_t)u64s[i] % 10 != 0)
            return false;
    }
    return true;
}

/* Brings the u64s to the smallest exponent that holds them. Nearly always the first value says no. */
static uint8_t reduce_exponent(uint64_t *u64s, uint32_t count, uint8_t exponent)
{
    for (; exponent > 0 && all_divisible_by_ten(u64s, count); exponent--) {
        for (uint32_t i = 0; i < count; i++)
            u64s[i] = (uint64_t)((int64_t)u64s[i] / 10);
    }
    return exponent;
}

static int decimals_encode(
    struct columns *columns, const uint64_t *u64s, uint32_t count, uint8_t exponent, struct buffer *out)
{
    /* A copy is made only when there is something to reduce. */
    if (exponent > 0 && (int64_t)u64s[0] % 10 == 0 && (int64_t)u64s[count - 1] % 10 == 0) {
        if (u64s != columns->u64s)
            memcpy(columns->u64s, u64s, count * sizeof(u64s[0]));
        u64s = columns->u64s;
        exponent = reduce_exponent(columns->u64s, count, exponent);
    }
    columns->encoded_u64s = u64s;
    columns->encoded_exponent = exponent;
    if (put_tag(out, (unsigned)COLUMN_DECIMAL + exponent) < 0)
        return -ENOMEM;
    return u64s_encode(columns, u64s, count, out);
}

/* ---- doubles ---- */

/* value * 10^exponent as an integer, if that is exact both ways (then it is what decimal_from_double finds).
 */
static inline bool decimal_of(double value, double power, int64_t *ret_integer)
{
    const double limit = (double)DECIMAL_INTEGER_MAX;
    double scaled = value * power;
    if (!(scaled <= limit && scaled >= -limit))
        return false;
    int64_t integer = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    *ret_integer = integer;
    return integer <= DECIMAL_INTEGER_MAX && integer >= -DECIMAL_INTEGER_MAX &&
           double_bits((double)integer / power) == double_bits(value);
}

/* The exponent that most sampled values can do with; -1 when too many are no decimals. */
static int probe_exponent(const double *values, uint32_t count)
{
    uint32_t sampled = count < PROBED_VALUES ? count : PROBED_VALUES, misses = 0;
    int exponent = 0;
    for (uint32_t i = 0; i < sampled; i++) {
        double value = values[(uint64_t)i * count / sampled];
        int64_t ignored;
        if (decimal_of(value, POWERS_OF_TEN[exponent], &ignored))
            continue;
        int needed = decimal_exponent(value);
        if (needed < 0 && ++misses > sampled / EXCEPTIONS_DIVISOR)
            return -1;
        exponent = needed > exponent ? needed : exponent;
    }
    return exponent;
}

/* Fills columns->u64s and the exceptions; an exception's integer repeats the one before it. false when there
 * are too many. */
static bool convert_doubles(struct columns *columns, const double *values, uint32_t count, int exponent)
{
    double power = POWERS_OF_TEN[exponent];
    uint32_t limit = count / EXCEPTIONS_DIVISOR, exceptions = 0;
    int64_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t integer;
        if (!decimal_of(values[i], power, &integer)) {
            if (exceptions >= limit)
                return false;
            columns->exception_positions[exceptions] = (uint16_t)i;
            columns->exception_bits[exceptions++] = double_bits(values[i]);
            integer = last;
        }
        columns->u64s[i] = (uint64_t)integer;
        last = integer;
    }
    columns->exception_count = exceptions;
    /* Leading exceptions repeat the first decimal; there is one, since exceptions are few. */
    uint32_t leading = 0;
    while (leading < exceptions && columns->exception_positions[leading] == leading)
        leading++;
    for (uint32_t i = 0; i < leading; i++)
        columns->u64s[i] = columns->u64s[leading];
    return true;
}

static int patched_encode(struct columns *columns, uint32_t count, uint8_t exponent, struct buffer *out)
{
    uint32_t exceptions = columns->exception_count, last = 0;
    if (buffer_reserve(out, 1 + VARINT_BYTES_MAX + (size_t)exceptions * (3 + sizeof(double))) < 0)
        return -ENOMEM;
    uint8_t *to = out->data + out->size;
    *to++ = (uint8_t)(COLUMN_PATCHED + exponent);
    to = varint_put(to, exceptions);
    for (uint32_t i = 0; i < exceptions; i++) {
        to = varint_put(to, columns->exception_positions[i] - last);
        store_u64(to, columns->exception_bits[i]);
        to += sizeof(uint64_t);
        last = columns->exception_positions[i];
    }
    out->size = (size_t)(to - out->data);
    return u64s_encode(columns, columns->u64s, count, out);
}

static int bits_encode(struct columns *columns, const uint64_t *bits, uint32_t count, struct buffer *out)
{
    if (put_tag(out, COLUMN_DOUBLES) < 0)
        return -ENOMEM;
    return u64s_encode(columns, bits, count, out);
}

static int doubles_encode(
    struct columns *columns, const double *values, const uint64_t *bits, uint32_t count, struct buffer *out)
{
    int exponent = probe_exponent(values, count);
    if (exponent < 0 || !convert_doubles(columns, values, count, exponent))
        return bits_encode(columns, bits, count, out);
    if (columns->exception_count == 0)
        return decimals_encode(columns, columns->u64s, count, (uint8_t)exponent, out);
    size_t start = out->size;
    int r = patched_encode(columns, count, (uint8_t)exponent, out);
    if (r < 0 || out->size - start < (size_t)count * 6)
        return r;
    /* No clear gain: see what the bits themselves give. */
    size_t patched_size = out->size - start;
    out->size = start;
    r = bits_encode(columns, bits, count, out);
    if (r < 0 || out->size - start <= patched_size)
        return r;
    out->size = start;
    return patched_encode(columns, count, (uint8_t)exponent, out);
}

int numbers_encode(
    struct columns *columns, const struct numbers *numbers, uint32_t from, uint32_t count, struct buffer *out)
{
    CHECK(count >= 1 && count <= COLUMN_POINTS_MAX);
    if (numbers->kind == NUMBERS_AS_DECIMALS)
        return decimals_encode(columns, numbers->u64s + from, count, numbers->exponent, out);
    return doubles_encode(columns, numbers->doubles + from, numbers->u64s + from, count, out);
}

/* ---- decoding ---- */

/* Decimals with an exponent over 0 keep within +-DECIMAL_INTEGER_MAX. */
static bool within_decimal(const uint64_t *u64s, uint32_t count)
{
    const uint64_t limit = (uint64_t)DECIMAL_INTEGER_MAX;
    uint64_t outside = 0;
    for (uint32_t i = 0; i < count; i++)
        outside |= (u64s[i] + limit) | (limit - u64s[i]);
    return (outside >> 63) == 0;
}

static bool all_finite(const uint64_t *bits, uint32_t count)
{
    const uint64_t exponent_mask = UINT64_C(0x7ff) << 52, one = UINT64_C(1) << 52;
    uint64_t carry = 0;
    for (uint32_t i = 0; i < count; i++) /* an exponent of all ones carries into the sign bit */
        carry |= (bits[i] & exponent_mask) + one;
    return (carry >> 63) == 0;
}

static int read_exception(struct column_reader *reader, uint32_t count, uint64_t *position, double *ret_value,
    struct error *ret_error)
{
    uint64_t step;
    const uint8_t *data;
    int r = column_read_varint(reader, count, &step, ret_error);
    if (r == 0)
        r = column_read_bytes(reader, sizeof(double), &data, ret_error);
    if (r < 0)
        return r;
    *position += step;
    if (*position >= count)
        return error_set(
            ret_error, EBADMSG, "an exception at position %llu of %u", (unsigned long long)*position, count);
    *ret_value = load_f64(data);
    return 0;
}

/* Walks the list of exceptions; numbers NULL only to find its end. */
static int walk_exceptions(
    struct column_reader *reader, struct numbers *numbers, uint32_t count, struct error *ret_error)
{
    uint64_t exceptions, position = 0;
    double value = 0;
    int r = column_read_varint(reader, count, &exceptions, ret_error);
    for (uint64_t i = 0; i < exceptions && r == 0; i++) {
        r = read_exception(reader, count, &position, &value, ret_error);
        if (r == 0 && numbers != NULL)
            numbers->doubles[position] = value;
    }
    return r;
}

static int decimals_decode(struct columns *columns, struct column_reader *reader, struct numbers *numbers,
    uint32_t count, uint8_t exponent, struct error *ret_error)
{
    int r = u64s_decode(columns, reader, numbers->u64s, count, ret_error);
    if (r < 0)
        return r;
    if (exponent > 0 && !within_decimal(numbers->u64s, count))
        return error_set(ret_error, EBADMSG, "a decimal of exponent %u out of range", exponent);
    numbers->kind = NUMBERS_AS_DECIMALS;
    numbers->exponent = exponent;
    return 0;
}

static int patched_decode(struct columns *columns, struct column_reader *reader, struct numbers *numbers,
    uint32_t count, uint8_t exponent, struct error *ret_error)
{
    struct column_reader exceptions = *reader;
    int r = walk_exceptions(reader, NULL, count, ret_error);
    if (r == 0)
        r = decimals_decode(columns, reader, numbers, count, exponent, ret_error);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < count; i++)
        numbers->doubles[i] = (double)numbers->integers[i] / POWERS_OF_TEN[exponent];
    numbers->kind = NUMBERS_AS_DOUBLES;
    numbers->exponent = 0;
    r = walk_exceptions(&exceptions, numbers, count, ret_error);
    if (r == 0 && !all_finite(numbers->u64s, count))
        return error_set(ret_error, EBADMSG, "a number that is not finite");
    return r;
}

static int doubles_decode(struct columns *columns, struct column_reader *reader, struct numbers *numbers,
    uint32_t count, struct error *ret_error)
{
    int r = u64s_decode(columns, reader, numbers->u64s, count, ret_error);
    if (r < 0)
        return r;
    if (!all_finite(numbers->u64s, count))
        return error_set(ret_error, EBADMSG, "a number that is not finite");
    numbers->kind = NUMBERS_AS_DOUBLES;
    numbers->exponent = 0;
    return 0;
}

int numbers_decode(struct columns *columns, struct column_reader *reader, struct numbers *numbers,
    uint32_t count, struct error *ret_error)
{
    uint8_t tag;
    int r = column_read_byte(reader, &tag, ret_error);
    if (r < 0)
        return r;
    if (tag <= COLUMN_DECIMAL + DECIMAL_EXPONENT_MAX)
        return decimals_decode(columns, reader, numbers, count, tag, ret_error);
    if (tag >= COLUMN_PATCHED && tag <= COLUMN_PATCHED + DECIMAL_EXPONENT_MAX)
        return patched_decode(columns, reader, numbers, count, (uint8_t)(tag - COLUMN_PATCHED), ret_error);
    if (tag == COLUMN_DOUBLES)
        return doubles_decode(columns, reader, numbers, count, ret_error);
    return error_set(ret_error, EBADMSG, "unknown form 0x%02x of numbers", tag);
}
