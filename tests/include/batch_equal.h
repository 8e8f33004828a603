/* Compares batches. For unit tests and fuzz targets. */
#ifndef CONNECTORDB_BATCH_EQUAL_H
#define CONNECTORDB_BATCH_EQUAL_H

#include "batch.h"
#include "bytes.h"

#include <string.h>

static inline bool point_equal(const struct batch *a, const struct batch *b, uint32_t i)
{
    uint8_t scratch_a[9];
    uint8_t scratch_b[9];
    size_t size_a;
    size_t size_b;
    const uint8_t *value_a = batch_value(a, i, scratch_a, &size_a);
    const uint8_t *value_b = batch_value(b, i, scratch_b, &size_b);
    if (size_a != size_b || memcmp(value_a, value_b, size_a) != 0)
        return false;
    if (double_bits(batch_time(a, i)) != double_bits(batch_time(b, i)))
        return false;
    const char *sender_a = batch_sender(a, i, &size_a);
    const char *sender_b = batch_sender(b, i, &size_b);
    return size_a == size_b && memcmp(sender_a, sender_b, size_a) == 0;
}

/* Both have the same points: equal bits of times, equal canonical values, equal senders. */
static inline bool batch_equal(const struct batch *a, const struct batch *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!point_equal(a, b, i))
            return false;
    }
    return true;
}

#endif
