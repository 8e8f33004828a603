/* Numbers in canonical msgpack: the smallest encoding of an integer, else float64. */
#include "batch_internal.h"

#include "bytes.h"
#include "numbers_internal.h"
#include "number_internal.h"
#include "powers.h"

static size_t pack_word(uint8_t *out, uint8_t type, uint64_t value, unsigned bytes)
{
    out[0] = type;
    uint64_t big_endian = __builtin_bswap64(value << (64 - 8 * bytes));
    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(big_endian >> (8 * i));
    return 1 + bytes;
}

static size_t pack_unsigned(uint8_t *out, uint64_t value)
{
    if (value < 0x80) {
        out[0] = (uint8_t)value;
        return 1;
    }
    if (value <= UINT8_MAX)
        return pack_word(out, 0xcc, value, 1);
    if (value <= UINT16_MAX)
        return pack_word(out, 0xcd, value, 2);
    if (value <= UINT32_MAX)
        return pack_word(out, 0xce, value, 4);
    return pack_word(out, 0xcf, value, 8);
}

static size_t pack_negative(uint8_t *out, int64_t value)
{
    if (value >= -32) {
        out[0] = (uint8_t)value;
        return 1;
    }
    if (value >= INT8_MIN)
        return pack_word(out, 0xd0, (uint64_t)value, 1);
    if (value >= INT16_MIN)
        return pack_word(out, 0xd1, (uint64_t)value, 2);
    if (value >= INT32_MIN)
        return pack_word(out, 0xd2, (uint64_t)value, 4);
    return pack_word(out, 0xd3, (uint64_t)value, 8);
}

size_t number_pack(const struct number *number, uint8_t out[9])
{
    if (number->kind == NUMBER_UNSIGNED)
        return pack_unsigned(out, number->unsigned_integer);
    if (number->kind == NUMBER_DOUBLE || number->exponent > 0)
        return pack_word(out, 0xcb, double_bits(number_double(number)), 8);
    if (number->integer < 0)
        return pack_negative(out, number->integer);
    return pack_unsigned(out, (uint64_t)number->integer);
}

void numbers_get_canonical(const struct numbers *numbers, uint32_t i, struct number *ret_number)
{
    if (numbers->kind == NUMBERS_AS_DOUBLES) {
        number_from_double(numbers->doubles[i], ret_number);
        return;
    }
    numbers_get(numbers, i, ret_number);
    if (numbers->exponent == 0)
        return;
    uint64_t magnitude = (uint64_t)(ret_number->integer < 0 ? -ret_number->integer : ret_number->integer);
    uint64_t whole = divide_by_power(magnitude, numbers->exponent);
    if (whole * INTEGER_POWERS_OF_TEN[numbers->exponent] == magnitude) {
        ret_number->exponent = 0;
        ret_number->integer = ret_number->integer < 0 ? -(int64_t)whole : (int64_t)whole;
    }
}
