/* Eight decimal digits at a time in one register ("SIMD within a register"): byte 0, the lowest, is the first
 * character. */
#ifndef CONNECTORDB_DIGITS_H
#define CONNECTORDB_DIGITS_H

#include "bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define DIGITS_ZERO UINT64_C(0x3030303030303030)
#define DIGITS_HIGH UINT64_C(0x8080808080808080)

/* Eight characters with '0' mapped to 0: a byte is a digit when it is 0..9. */
static inline uint64_t digits_load(const char *text)
{
    return load_u64(text) ^ DIGITS_ZERO;
}

/* The high bit of each byte that is no digit. A byte over 0x89 carries into the next one, so only the bits up
 * to and including the first character outside ASCII are sure; nobody looks further. */
static inline uint64_t digits_others(uint64_t word)
{
    return ((word + UINT64_C(0x7676767676767676)) | word) & DIGITS_HIGH;
}

/* The number that eight digits (as digits_load gives them) make. */
static inline uint64_t digits_value(uint64_t word)
{
    word = (word * 10 + (word >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word * 100 + (word >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (word * 10000 + (word >> 32)) & UINT64_C(0xffffffff);
}

/* The number that the first `bits / 8` characters make; bits is 0, 8, ... 64. */
static inline uint64_t digits_value_of(uint64_t word, unsigned bits)
{
    return bits == 0 ? 0 : digits_value(word << (64 - bits));
}

/* The eight digits of value < 10^8, leading zeros included, as bytes 0..9. */
static inline uint64_t digits_spread(uint32_t value)
{
    uint64_t halves = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = ((halves * 10486) >> 20) & UINT64_C(0x0000007f0000007f);
    uint64_t pairs = hundreds + ((halves - hundreds * 100) << 16);
    uint64_t tens = ((pairs * 103) >> 10) & UINT64_C(0x000f000f000f000f);
    return tens + ((pairs - tens * 10) << 8);
}

static inline bool is_digit(char character)
{
    return (unsigned char)(character - '0') < 10;
}

#endif
