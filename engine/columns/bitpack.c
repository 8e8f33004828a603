#include "bitpack.h"

#include "bytes.h"
#include "wide.h"

enum { WORD_LOAD_WIDTH_MAX = 57 }; /* a value of up to 57 bits lies within the 8 bytes from its first one */

/* Eight values of one width up to 8 known to the compiler: they fill `width` whole bytes of one word. */
static inline __attribute__((always_inline)) uint64_t pack_eight(const uint64_t *values, unsigned width)
{
    uint64_t mask = bits_mask(width), word = 0;
    for (unsigned j = 0; j < 8; j++)
        word |= (values[j] & mask) << (j * width);
    return word;
}

static inline __attribute__((always_inline)) void pack_groups(
    uint8_t *to, const uint64_t *values, uint32_t groups, unsigned width)
{
    for (uint32_t g = 0; g < groups;
         g++) /* each store's bytes past the group's are the next one's, or slack */
        store_u64(to + (size_t)g * width, pack_eight(values + (size_t)g * 8, width));
}

/* Packs the groups of eight of a small width; returns how many values that were. */
static uint32_t pack_groups_of_width(uint8_t *to, const uint64_t *values, uint32_t count, unsigned width)
{
    uint32_t groups = count / 8;
    /* clang-format off */
    switch (width) {
#define WIDTH(w) case w: pack_groups(to, values, groups, w); return groups * 8;
    WIDTH(1) WIDTH(2) WIDTH(3) WIDTH(4) WIDTH(5) WIDTH(6) WIDTH(7) WIDTH(8)
#undef WIDTH
    default: return 0;
    }
    /* clang-format on */
}

uint8_t *bits_pack(uint8_t *to, const uint64_t *values, uint32_t count, unsigned width)
{
    if (width == 0)
        return to;
    uint8_t *end = to + bits_bytes(count, width);
    uint64_t mask = bits_mask(width), gathered = 0;
    unsigned filled = 0; /* bits of gathered, 0..63 */
    uint32_t i = pack_groups_of_width(to, values, count, width);
    to += (size_t)i / 8 * width;
    for (; i < count; i++) {
        uint64_t value = values[i] & mask;
        gathered |= value << filled;
        filled += width;
        if (filled >= 64) {
            store_u64(to, gathered);
            to += 8;
            filled -= 64;
            gathered = filled == 0 ? 0 : value >> (width - filled);
        }
    }
    if (filled > 0)
        store_u64(to, gathered);
    return end;
}

/* Value i, byte by byte, for the last values before `end` and for widths over WORD_LOAD_WIDTH_MAX. */
static uint64_t unpack_one(const uint8_t *from, uint32_t i, unsigned width)
{
    size_t bit = (size_t)i * width;
    uint64_t value = 0;
    for (unsigned have = 0; have < width;) {
        unsigned shift = (unsigned)(bit & 7), take = 8 - shift;
        value |= (uint64_t)(from[bit >> 3] >> shift) << have;
        have += take;
        bit += take;
    }
    return value & bits_mask(width);
}

/* Eight values of one width known to the compiler: they take `width` whole bytes. */
static inline __attribute__((always_inline)) void unpack_eight(
    const uint8_t *from, uint64_t *values, unsigned width)
{
    uint64_t mask = bits_mask(width);
    for (unsigned j = 0; j < 8; j++)
        values[j] = (load_u64(from + (j * width) / 8) >> ((j * width) % 8)) & mask;
}

static inline __attribute__((always_inline)) void unpack_groups(
    const uint8_t *from, uint64_t *values, uint32_t groups, unsigned width)
{
    for (uint32_t g = 0; g < groups; g++)
        unpack_eight(from + (size_t)g * width, values + (size_t)g * 8, width);
}

/* The widths of nearly all data get loops of their own, where shifts and masks are constants. */
static void unpack_groups_of_width(const uint8_t *from, uint64_t *values, uint32_t groups, unsigned width)
{
    /* clang-format off */
    switch (width) {
#define WIDTH(w) case w: unpack_groups(from, values, groups, w); return;
    WIDTH(1) WIDTH(2) WIDTH(3) WIDTH(4) WIDTH(5) WIDTH(6) WIDTH(7) WIDTH(8)
    WIDTH(9) WIDTH(10) WIDTH(11) WIDTH(12) WIDTH(13) WIDTH(14) WIDTH(15) WIDTH(16)
#undef WIDTH
    default: unpack_groups(from, values, groups, width);
    }
    /* clang-format on */
}

void bits_unpack(const uint8_t *from, const uint8_t *end, uint64_t *values, uint32_t count, unsigned width)
{
    uint32_t done = 0;
    if (width == 0) {
        memset(values, 0, (size_t)count * sizeof(values[0]));
        return;
    }
    if (width <= WORD_LOAD_WIDTH_MAX) {
        /* A group's last load starts before its end, so it reads less than 8 bytes past its width bytes. */
        size_t readable = (size_t)(end - from), groups = count / 8;
        size_t safe = readable < 8 ? 0 : (readable - 8) / width;
        if (groups > safe)
            groups = safe;
        unpack_groups_of_width(from, values, (uint32_t)groups, width);
        done = (uint32_t)groups * 8;
    }
    for (; done < count; done++)
        values[done] = unpack_one(from, done, width);
}

/* The largest k with radix^k < 2^64, by radix. */
/* clang-format off */
static const uint8_t RADIX_DIGITS[RADIX_MAX + 1] = {
    0, 0, 0, 40, 31, 27, 24, 22, 21, 20, 19, 18, 17, 17, 16, 16,
    15, 15, 15, 15, 14, 14, 14, 14, 13, 13, 13, 13, 13, 13, 13, 12,
    12, 12, 12, 12, 12, 12, 12, 12, 12, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 10, 10, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
};
/* clang-format on */

unsigned radix_digits(unsigned radix)
{
    return RADIX_DIGITS[radix];
}

size_t radix_bytes(uint32_t count, unsigned radix)
{
    unsigned digits = radix_digits(radix);
    return ((size_t)count + digits - 1) / digits * 8;
}

/* The fraction number / scale, scaled by 2^64 and rounded up. number < scale, so it fits (scale < 2^64). */
static uint64_t fraction_round_up(uint64_t number, uint64_t scale)
{
    uint128 dividend = (uint128)number << 64;
    uint64_t quotient = (uint64_t)(dividend / scale);
    return quotient + (quotient * scale != 0); /* the rest is -(quotient * scale) modulo 2^64 */
}

/* The numbers of four words at a time: each multiplication waits for the one before it in the same word only.
 */
static void gather_four(
    const uint64_t *values, unsigned digits, unsigned shift, unsigned radix, uint64_t numbers[4])
{
    const uint64_t *of_b = values + digits, *of_c = of_b + digits, *of_d = of_c + digits;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (unsigned j = 0; j < digits; j++) {
        a = a * radix + (values[j] >> shift);
        b = b * radix + (of_b[j] >> shift);
        c = c * radix + (of_c[j] >> shift);
        d = d * radix + (of_d[j] >> shift);
    }
    numbers[0] = a;
    numbers[1] = b;
    numbers[2] = c;
    numbers[3] = d;
}

uint8_t *radix_pack(uint8_t *to, const uint64_t *values, uint32_t count, unsigned shift, unsigned radix)
{
    unsigned digits = radix_digits(radix);
    uint64_t scale = 1;
    uint32_t start = 0;
    for (unsigned j = 0; j < digits; j++)
        scale *= radix;
    for (; count - start >= 4 * digits; start += 4 * digits, to += 32) {
        uint64_t numbers[4];
        gather_four(values + start, digits, shift, radix, numbers);
        for (unsigned w = 0; w < 4; w++)
            store_u64(to + 8 * w, fraction_round_up(numbers[w], scale));
    }
    for (; start < count; start += digits, to += 8) {
        uint64_t number = 0;
        for (uint32_t j = start; j < start + digits; j++)
            number = number * radix + (j < count ? values[j] >> shift : 0);
        store_u64(to, fraction_round_up(number, scale));
    }
    return to;
}

/* Digits of four words at a time: each multiplication waits for the one before it in the same word only. */
static void radix_unpack_four(
    const uint8_t *from, uint64_t *values, unsigned digits, unsigned shift, unsigned radix)
{
    uint64_t a = load_u64(from), b = load_u64(from + 8), c = load_u64(from + 16), d = load_u64(from + 24);
    uint64_t *to_b = values + digits, *to_c = to_b + digits, *to_d = to_c + digits;
    for (unsigned j = 0; j < digits; j++) {
        uint128 wide = (uint128)a * radix;
        values[j] += (uint64_t)(wide >> 64) << shift;
        a = (uint64_t)wide;
        wide = (uint128)b * radix;
        to_b[j] += (uint64_t)(wide >> 64) << shift;
        b = (uint64_t)wide;
        wide = (uint128)c * radix;
        to_c[j] += (uint64_t)(wide >> 64) << shift;
        c = (uint64_t)wide;
        wide = (uint128)d * radix;
        to_d[j] += (uint64_t)(wide >> 64) << shift;
        d = (uint64_t)wide;
    }
}

void radix_unpack_add(const uint8_t *from, uint64_t *values, uint32_t count, unsigned shift, unsigned radix)
{
    unsigned digits = radix_digits(radix);
    uint32_t i = 0;
    for (; count - i >= 4 * digits; i += 4 * digits, from += 32)
        radix_unpack_four(from, values + i, digits, shift, radix);
    for (; i < count; from += 8) {
        uint64_t word = load_u64(from);
        for (unsigned j = 0; j < digits && i < count; j++, i++) {
            uint128 wide = (uint128)word * radix;
            values[i] += (uint64_t)(wide >> 64) << shift;
            word = (uint64_t)wide;
        }
    }
}
