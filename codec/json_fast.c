/* The hot loops of import and insert. They know one shape of datapoint, read eight bytes at a time past what
 * they have looked at (the window ends in zeros) and give up, without having changed anything, at whatever
 * they do not expect: the general parser then says what it is. */
#include "json_internal.h"

#include "digits.h"
#include "number_internal.h"
#include "powers.h"

#include <string.h>

enum { FAST_DIGITS_MAX = 19 };

/* A branch that is guessed lets the loop run ahead; a sum would have to wait for the byte. */
#define unlikely(condition) __builtin_expect((condition), 0)

/* The largest integer that times 10^index stays within DECIMAL_INTEGER_MAX. */
static const uint64_t SCALE_LIMITS[DECIMAL_EXPONENT_MAX + 1] = {
    DECIMAL_INTEGER_MAX,
    DECIMAL_INTEGER_MAX / 10,
    DECIMAL_INTEGER_MAX / 100,
    DECIMAL_INTEGER_MAX / 1000,
    DECIMAL_INTEGER_MAX / 10000,
    DECIMAL_INTEGER_MAX / 100000,
    DECIMAL_INTEGER_MAX / 1000000,
    DECIMAL_INTEGER_MAX / 10000000,
    DECIMAL_INTEGER_MAX / 100000000,
    DECIMAL_INTEGER_MAX / 1000000000,
    DECIMAL_INTEGER_MAX / 10000000000,
    DECIMAL_INTEGER_MAX / 100000000000,
    DECIMAL_INTEGER_MAX / 1000000000000,
    DECIMAL_INTEGER_MAX / 10000000000000,
    DECIMAL_INTEGER_MAX / 100000000000000,
    DECIMAL_INTEGER_MAX / 1000000000000000,
    0,
    0,
    0,
};

/* mantissa / 10^fraction, negated if `negative`. */
struct fast_number {
    uint64_t mantissa;
    unsigned fraction;
    bool negative;
};

/* Takes the bytes of `word`, `bytes` long; NULL when they are not at p. */
static inline const char *fast_match(const char *p, const char *text, unsigned bytes)
{
    uint64_t expected = 0;
    memcpy(&expected, text, bytes);
    return (load_u64(p) ^ expected) << (64 - 8 * bytes) == 0 ? p + bytes : NULL;
}

/* Digits after the first word of a fraction, which had `count` digits in all. */
static const char *fast_long_fraction(const char *p, unsigned count, struct fast_number *number)
{
    uint64_t others;
    do {
        uint64_t word = digits_load(p);
        others = digits_others(word);
        unsigned bits = others ? (unsigned)__builtin_ctzll(others) - 7 : 64;
        count += bits / 8;
        if (count > FAST_DIGITS_MAX)
            return NULL;
        number->mantissa = number->mantissa * INTEGER_POWERS_OF_TEN[bits / 8] + digits_value_of(word, bits);
        number->fraction += bits / 8;
        p += bits / 8;
    } while (others == 0);
    return number->fraction > 0 ? p : NULL;
}

/* A number without an exponent, of at most 15 integer digits. */
static inline const char *fast_number(const char *p, struct fast_number *number)
{
    number->negative = false;
    if (unlikely(*p == '-')) {
        number->negative = true;
        p++;
    }
    uint64_t word = digits_load(p);
    uint64_t others = digits_others(word);
    if ((word & 0xff) == 0 && (others & 0x8000) == 0)
        return NULL; /* a zero, then a digit */
    uint64_t head = 0;
    unsigned head_digits = 0;
    if (others == 0) {
        head = digits_value(word);
        head_digits = 8;
        p += 8;
        word = digits_load(p);
        others = digits_others(word);
        if (others == 0)
            return NULL;
    }
    unsigned whole_bits = (unsigned)__builtin_ctzll(others) - 7;
    if (whole_bits + head_digits == 0)
        return NULL;
    if ((word >> whole_bits & 0xff) != ('.' ^ '0')) {
        number->mantissa = head * INTEGER_POWERS_OF_TEN[whole_bits / 8] + digits_value_of(word, whole_bits);
        number->fraction = 0;
        return p + whole_bits / 8;
    }
    /* Close the gap that the point leaves. */
    uint64_t whole_mask = (UINT64_C(1) << whole_bits) - 1;
    uint64_t digits = (word & whole_mask) | (word >> 8 & ~whole_mask);
    others &= others - 1;
    if (others == 0) {
        number->mantissa = head * INTEGER_POWERS_OF_TEN[7] + digits_value_of(digits, 56);
        number->fraction = 7 - whole_bits / 8;
        return fast_long_fraction(p + 8, head_digits + 7, number);
    }
    unsigned end_bits = (unsigned)__builtin_ctzll(others) - 7;
    unsigned digit_bits = end_bits - 8;
    if (digit_bits == whole_bits)
        return NULL;
    number->mantissa =
        head * INTEGER_POWERS_OF_TEN[digit_bits / 8] + digits_value(digits << (64 - digit_bits));
    number->fraction = (digit_bits - whole_bits) / 8;
    return p + end_bits / 8;
}

/* Writes the number as value i; false when kind or exponent would have to change for it. */
static inline bool fast_store(const struct numbers *numbers, uint32_t i, struct fast_number number)
{
    if (numbers->kind == NUMBERS_AS_DECIMALS) {
        while (number.fraction > numbers->exponent) {
            if (number.mantissa % 10 != 0)
                return false;
            number.mantissa /= 10;
            number.fraction--;
        }
        unsigned scale = numbers->exponent - number.fraction;
        if (number.mantissa > SCALE_LIMITS[scale] || (number.mantissa == 0 && number.negative))
            return false;
        int64_t integer = (int64_t)(number.mantissa * INTEGER_POWERS_OF_TEN[scale]);
        numbers->integers[i] = number.negative ? -integer : integer;
        return true;
    }
    double value = number_scale(number.mantissa, -(int64_t)number.fraction);
    if (value >= 0x1p53)
        return false; /* perhaps an integer that is no double */
    numbers->doubles[i] = number.negative ? -value : value;
    return true;
}

/* What the points are written to; a copy, so that it stays in registers while they are. */
struct fast_columns {
    struct numbers times;
    struct numbers numbers;
    uint8_t *booleans; /* NULL: the values are numbers */
    bool zero_is_missing;
};

static inline const char *fast_value(const char *p, const struct fast_columns *columns, uint32_t i)
{
    if (columns->booleans) {
        bool yes = *p == 't';
        columns->booleans[i] = yes;
        return yes ? fast_match(p, "true", 4) : fast_match(p, "false", 5);
    }
    struct fast_number number;
    p = fast_number(p, &number);
    return p && fast_store(&columns->numbers, i, number) ? p : NULL;
}

/* {"t":TIME,"d": of point i. Returns the byte after it, where the value starts, or NULL. */
static inline const char *fast_time(const char *p, const struct fast_columns *columns, uint32_t i)
{
    p = fast_match(p, "{\"t\":", 5);
    if (!p)
        return NULL;
    if (unlikely(*p == ' '))
        p++;
    struct fast_number time;
    p = fast_number(p, &time);
    if (!p || (columns->zero_is_missing && time.mantissa == 0) || !fast_store(&columns->times, i, time))
        return NULL;
    const char *key = p;
    p = fast_match(key, ",\"d\":", 5);
    if (!p) {
        p = fast_match(key, ", \"d\":", 6);
        if (!p)
            return NULL;
    }
    if (unlikely(*p == ' '))
        p++;
    return p;
}

/* The start of the next point when one follows at once, else NULL. */
static inline const char *fast_next(const char *after)
{
    if (after[0] != ',')
        return NULL;
    if (after[1] == '{')
        return after + 1;
    return (after[1] == ' ' || after[1] == '\n') && after[2] == '{' ? after + 2 : NULL;
}

/* The loop over points of numbers or booleans: from point i to before `last`. Sets *point to the start of the
 * last one taken and *p to the next one or, with *after, to the byte after the last one. */
static uint32_t fast_points(const struct fast_columns columns, uint32_t i, uint32_t last, const char **p,
    const char **point, bool *after)
{
    const char *next = *p;
    const char *taken = *point;
    while (i < last) {
        const char *end = fast_time(next, &columns, i);
        if (end)
            end = fast_value(end, &columns, i);
        if (!end || *end != '}')
            break;
        taken = next;
        i++;
        next = fast_next(++end);
        if (!next) {
            next = end;
            *after = true;
            break;
        }
    }
    *p = next;
    *point = taken;
    return i;
}

/* The same for values of other kinds: only what is around them is fast. */
static uint32_t fast_values(struct json_parser *parser, struct batch *batch,
    const struct fast_columns columns, uint32_t last, bool *after)
{
    uint32_t i = batch->count;
    const char *next = parser->p;
    while (i < last) {
        const char *end = fast_time(next, &columns, i);
        struct point_value value;
        if (!end)
            break;
        parser->p = end;
        if (json_point_value(parser, &value) != 0 || *parser->p != '}' ||
            batch_put_value(batch, i, &value) < 0)
            break;
        parser->point = next;
        i++;
        end = parser->p + 1;
        next = fast_next(end);
        if (!next) {
            next = end;
            *after = true;
            break;
        }
    }
    parser->error = 0; /* the general parser meets the same failure */
    parser->p = next;
    return i;
}

uint32_t json_points_fast(struct json_parser *parser, struct batch *batch, uint32_t points_max,
    bool zero_is_missing, bool *ret_after)
{
    *ret_after = false;
    if (batch->count == 0)
        return 0;
    const struct fast_columns columns = {batch->times, batch->numbers,
        batch->form == VALUES_BOOLEANS ? batch->booleans : NULL, zero_is_missing};
    uint32_t first = batch->count;
    uint32_t room = batch->capacity - first;
    uint32_t last = first + (points_max < room ? points_max : room);
    if (batch->form == VALUES_MSGPACK)
        batch->count = fast_values(parser, batch, columns, last, ret_after);
    else
        batch->count = fast_points(columns, first, last, &parser->p, &parser->point, ret_after);
    if (batch->has_senders)
        memset(batch->senders + first, 0, (batch->count - first) * sizeof(*batch->senders));
    return batch->count - first;
}
