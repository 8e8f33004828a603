#include "remote_checksum.h"

#include "check.h"
#include "msgpack_head.h"

#include <string.h>
#include <xxhash.h>

static uint64_t hash_number(uint64_t number, uint64_t seed)
{
    return XXH3_64bits_withSeed(&number, sizeof(number), seed);
}

/* The hash of the value at *p, which moves behind it. The hashes of an object's pairs are added up: the sum
 * does not depend on their order. The depth of a value in a batch is bounded (VALUE_DEPTH_MAX). */
static uint64_t hash_value(const uint8_t **p, const uint8_t *end, uint64_t seed)
{
    const uint8_t *start = *p;
    struct msgpack_head head;
    uint64_t sum = 0;
    CHECK(msgpack_read_head(start, end, &head)); /* it was validated */
    *p += head.size;
    switch (head.type) {
    case MSGPACK_ARRAY:
        sum = hash_number(head.length, seed + MSGPACK_ARRAY);
        for (uint32_t i = 0; i < head.length; i++)
            sum = hash_value(p, end, sum);
        return sum;
    case MSGPACK_MAP:
        for (uint32_t i = 0; i < head.length; i++) {
            uint64_t key = hash_value(p, end, 0);
            sum += hash_value(p, end, key);
        }
        return hash_number(sum, hash_number(head.length, seed + MSGPACK_MAP));
    case MSGPACK_STRING:
        *p += head.length;
        break;
    case MSGPACK_NULL:
    case MSGPACK_FALSE:
    case MSGPACK_TRUE:
    case MSGPACK_NUMBER:
        break;
    }
    return XXH3_64bits_withSeed(start, (size_t)(*p - start), seed);
}

uint64_t remote_checksum(uint64_t sum, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t scratch[9];
        uint64_t bits;
        size_t size;
        double time = batch_time(batch, i);
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        memcpy(&bits, &time, sizeof(bits));
        sum = batch->form == VALUES_MSGPACK ? hash_value(&value, value + size, sum + bits)
                                            : XXH3_64bits_withSeed(value, size, sum + bits); /* the same */
    }
    return sum;
}
