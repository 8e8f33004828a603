#include "value.h"

#include "bytes.h"
#include "check.h"
#include "numbers.h"
#include "wide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

struct value value_read(const uint8_t *p, const uint8_t *end)
{
    struct msgpack_head head;
    CHECK(msgpack_read_head(p, end, &head)); /* written by our own codec */
    struct value value = {.type = head.type, .body = p + head.size, .end = end};
    if (head.type == MSGPACK_NUMBER)
        value.number = head.number;
    else if (head.type >= MSGPACK_STRING)
        value.length = head.length;
    return value;
}

const uint8_t *value_skip(const struct value *value)
{
    struct value at = *value;
    for (uint64_t left = 1;;) {
        const uint8_t *next = at.body;
        if (at.type == MSGPACK_STRING)
            next += at.length;
        else if (at.type == MSGPACK_ARRAY)
            left += at.length;
        else if (at.type == MSGPACK_MAP)
            left += 2 * (uint64_t)at.length;
        if (--left == 0)
            return next;
        at = value_read(next, at.end);
    }
}

bool value_find(const struct value *object, const char *key, size_t size, struct value *ret_member)
{
    const uint8_t *p = object->body;
    for (uint32_t i = 0; i < object->length; i++) {
        struct value name = value_read(p, object->end);
        struct value member = value_read(name.body + name.length, object->end);
        if (name.length == size && memcmp(name.body, key, size) == 0) {
            *ret_member = member;
            return true;
        }
        p = value_skip(&member);
    }
    return false;
}

/* ---- comparing ---- */

static bool arrays_equal(const struct value *a, const struct value *b)
{
    const uint8_t *p = a->body, *q = b->body;
    for (uint32_t i = 0; i < a->length; i++) {
        struct value x = value_read(p, a->end), y = value_read(q, b->end);
        if (!value_equal(&x, &y))
            return false;
        p = value_skip(&x);
        q = value_skip(&y);
    }
    return true;
}

static bool objects_equal(const struct value *a, const struct value *b)
{
    const uint8_t *p = a->body;
    for (uint32_t i = 0; i < a->length; i++) {
        struct value name = value_read(p, a->end), member = value_read(name.body + name.length, a->end),
                     other;
        if (!value_find(b, (const char *)name.body, name.length, &other) || !value_equal(&member, &other))
            return false;
        p = value_skip(&member);
    }
    return true;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == MSGPACK_NUMBER)
        return number_compare(&a->number, &b->number) == 0;
    if (a->length != b->length)
        return false;
    switch (a->type) {
    case MSGPACK_STRING:
        return memcmp(a->body, b->body, a->length) == 0;
    case MSGPACK_ARRAY:
        return arrays_equal(a, b);
    case MSGPACK_MAP:
        return objects_equal(a, b);
    default:
        return true;
    }
}

/* The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t hash_bytes(const uint8_t *data, size_t size)
{
    uint64_t hash = size;
    for (; size >= 8; data += 8, size -= 8)
        hash = mix(hash ^ load_u64(data));
    for (; size > 0; data++, size--)
        hash = mix(hash ^ *data);
    return hash;
}

uint64_t value_hash(const struct value *value)
{
    uint64_t hash = mix((uint64_t)value->type + 1);
    const uint8_t *p = value->body;
    if (value->type == MSGPACK_NUMBER) {
        double number = number_double(&value->number) + 0.0; /* -0 equals 0 */
        uint64_t bits;
        memcpy(&bits, &number, sizeof(bits));
        return mix(hash ^ bits);
    }
    if (value->type == MSGPACK_STRING)
        return mix(hash ^ hash_bytes(value->body, value->length));
    for (uint32_t i = 0; value->type == MSGPACK_ARRAY && i < value->length; i++) {
        struct value element = value_read(p, value->end);
        hash = mix(hash ^ value_hash(&element));
        p = value_skip(&element);
    }
    for (uint32_t i = 0; value->type == MSGPACK_MAP && i < value->length; i++) {
        struct value name = value_read(p, value->end),
                     member = value_read(name.body + name.length, value->end);
        hash += mix(hash_bytes(name.body, name.length) +
                    31 * value_hash(&member)); /* a sum: the order does not count */
        p = value_skip(&member);
    }
    return hash;
}

/* ---- numbers ---- */

bool number_is_integral(const struct number *number)
{
    if (number->kind == NUMBER_DOUBLE)
        return floor(number->real) == number->real;
    return number->kind == NUMBER_UNSIGNED || number->exponent == 0 ||
           number->integer % (int64_t)INTEGER_POWERS_OF_TEN[number->exponent] == 0;
}

/* Fits 65 bits. False: it is no integer of that kind. */
static bool as_integer(const struct number *number, int128 *ret_integer)
{
    if (number->kind == NUMBER_UNSIGNED)
        *ret_integer = (int128)number->unsigned_integer;
    else if (number->kind == NUMBER_DECIMAL && number->exponent == 0)
        *ret_integer = number->integer;
    else
        return false;
    return true;
}

int number_compare(const struct number *a, const struct number *b)
{
    int128 i, j;
    if (as_integer(a, &i) && as_integer(b, &j))
        return (i > j) - (i < j);
    double x = number_double(a), y = number_double(b);
    return (x > y) - (x < y);
}

/* |value| = mantissa * 10^exponent, from the shortest text that reads back to it. */
struct decimal {
    uint64_t mantissa;
    int exponent;
};

static struct decimal decimal_from_text(const char *text, size_t size)
{
    struct decimal decimal = {0, 0};
    bool fraction = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == 'e') {
            decimal.exponent += atoi(text + i + 1);
            break;
        }
        if (text[i] == '.')
            fraction = true;
        if (text[i] < '0' || text[i] > '9')
            continue;
        if (decimal.mantissa > (UINT64_MAX - 9) / 10) { /* behind 17 digits there are only zeros */
            decimal.exponent += !fraction;
            continue;
        }
        decimal.mantissa = decimal.mantissa * 10 + (uint64_t)(text[i] - '0');
        decimal.exponent -= fraction;
    }
    return decimal;
}

static struct decimal decimal_of(const struct number *number)
{
    if (number->kind == NUMBER_UNSIGNED)
        return (struct decimal){number->unsigned_integer, 0};
    if (number->kind == NUMBER_DECIMAL) {
        uint64_t magnitude = (uint64_t)number->integer;
        return (struct decimal){number->integer < 0 ? -magnitude : magnitude, -number->exponent};
    }
    char text[NUMBER_TEXT_MAX + 1];
    size_t size = number_print_double(text, number->real);
    text[size] = '\0';
    return decimal_from_text(text, size);
}

static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t modulus)
{
    return (uint64_t)((uint128)a * b % modulus);
}

/* mantissa * 10^exponent mod modulus, exponent >= 0, by squaring. */
static uint64_t scaled_modulo(uint64_t mantissa, unsigned exponent, uint64_t modulus)
{
    uint64_t result = mantissa % modulus, power = 10 % modulus;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = multiply_modulo(result, power, modulus);
        power = multiply_modulo(power, power, modulus);
    }
    return result;
}

bool number_is_multiple(const struct number *number, const struct number *divisor)
{
    struct decimal value = decimal_of(number), unit = decimal_of(divisor);
    if (value.mantissa == 0)
        return true;
    int shift = value.exponent - unit.exponent;
    if (shift >= 0)
        return scaled_modulo(value.mantissa, (unsigned)shift, unit.mantissa) == 0;
    for (; shift < 0 && value.mantissa % 10 == 0; shift++)
        value.mantissa /= 10;
    return shift == 0 && value.mantissa % unit.mantissa == 0; /* shift < 0: a factor of 10 is missing */
}
