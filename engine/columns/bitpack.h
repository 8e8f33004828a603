/* Packing of small unsigned integers. Pure functions; docs/FORMAT.md, section 6.2, has the bytes.
 *
 * bits    value i takes bits [i * width, (i + 1) * width) of the output, least significant bit first.
 * digits  values below `radix`, radix_digits(radix) of them in one 64-bit word, so that one of 10 values
 *         costs 3.37 bits instead of 4. The word is the fraction 0.d0 d1 d2 ... in base radix, scaled by 2^64
 *         and rounded up: each multiplication by the radix moves the next digit into the high half of the
 * product, without a division. Both combine: the low bits of a value as bits, what is above them as a
 * digit. */
#ifndef CONNECTORDB_BITPACK_H
#define CONNECTORDB_BITPACK_H

#include <stddef.h>
#include <stdint.h>

enum {
    BITPACK_SLACK_BYTES = 8, /* bits_pack may write (and overwrite later) this much past its result */
    RADIX_MIN = 3,
    RADIX_MAX = 255,
};

/* The number of bits that `value` needs; 0 for 0. */
static inline unsigned bits_width(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* A u64 whose low `width` (0..64) bits are set. */
static inline uint64_t bits_mask(unsigned width)
{
    return width >= 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

/* Bytes of `count` values of `width` (0..64) bits. */
static inline size_t bits_bytes(uint32_t count, unsigned width)
{
    return ((size_t)count * width + 7) / 8;
}

/* Packs the low `width` bits of each value; returns the end. There must be room for bits_bytes +
 * BITPACK_SLACK_BYTES. */
uint8_t *bits_pack(uint8_t *to, const uint64_t *values, uint32_t count, unsigned width);
/* Unpacks bits_bytes(count, width) bytes at `from`. Reads nothing at or past `end`, which must not lie before
 * from + bits_bytes(count, width); it runs faster the further away it is. */
void bits_unpack(const uint8_t *from, const uint8_t *end, uint64_t *values, uint32_t count, unsigned width);

/* How many digits of this radix (RADIX_MIN..RADIX_MAX) a word takes: the largest k with radix^k < 2^64. */
unsigned radix_digits(unsigned radix);
/* Bytes of `count` digits. */
size_t radix_bytes(uint32_t count, unsigned radix);
/* Packs values[i] >> shift, all below radix; returns the end, exactly radix_bytes further. */
uint8_t *radix_pack(uint8_t *to, const uint64_t *values, uint32_t count, unsigned shift, unsigned radix);
/* Adds digit i << shift (shift < 64) to values[i]. Reads radix_bytes(count, radix) bytes. Damaged words give
 * digits below radix all the same. */
void radix_unpack_add(const uint8_t *from, uint64_t *values, uint32_t count, unsigned shift, unsigned radix);

#endif
