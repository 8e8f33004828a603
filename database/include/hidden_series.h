/* Series that belong to no stream: keys of inserts (Idempotency-Key). Each takes the keys of
 * IDEMPOTENCY_SECONDS and is deleted later. Their ids are above all that the catalog gives out. */
#ifndef CONNECTORDB_HIDDEN_SERIES_H
#define CONNECTORDB_HIDDEN_SERIES_H

#include <stdint.h>

enum {
    IDEMPOTENCY_SECONDS = 600, /* how long a key is remembered at least */
    HIDDEN_SERIES_KEPT = 3,    /* of the present time, of the one before, and the next: clocks are adjusted */
};

#define HIDDEN_SERIES_FIRST (UINT64_C(1) << 62)

/* The series of keys that are stored at a unix time. */
static inline uint64_t hidden_series_at(int64_t unix_s)
{
    return HIDDEN_SERIES_FIRST + (uint64_t)(unix_s > 0 ? unix_s : 0) / IDEMPOTENCY_SECONDS;
}

#endif
