/* Little-endian loads and stores at any alignment, and LEB128 varints. */
#ifndef CONNECTORDB_BYTES_H
#define CONNECTORDB_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "ConnectorDB's files are little-endian; this machine is not"
#endif

static inline uint16_t load_u16(const void *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint32_t load_u32(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint64_t load_u64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline double load_f64(const void *from)
{
    double value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static inline void store_u16(void *to, uint16_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_u32(void *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_u64(void *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void store_f64(void *to, double value)
{
    memcpy(to, &value, sizeof(value));
}

static inline uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline double bits_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

enum { VARINT_BYTES_MAX = 10 };

/* Writes a varint (LEB128, as in Protocol Buffers: 7 bits per byte, low bits first) of at most
 * VARINT_BYTES_MAX bytes.
 * Returns its end. */
static inline uint8_t *varint_put(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

/* Reads a varint from [from, end). Returns its end, or NULL if it is truncated, longer than VARINT_BYTES_MAX
 * or exceeds 64 bits. */
static inline const uint8_t *varint_get(const uint8_t *from, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && from < end; shift += 7) {
        uint8_t byte = *from++;
        if (shift == 63 && byte > 1)
            return NULL;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret_value = value;
            return from;
        }
    }
    return NULL;
}

static inline uint64_t zigzag_encode(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t zigzag_decode(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline size_t align_up(size_t size, size_t alignment)
{
    return (size + alignment - 1) / alignment * alignment;
}

#endif
