/* Durations counted by size, as a Prometheus histogram wants them. */
#ifndef CONNECTORDB_LATENCY_H
#define CONNECTORDB_LATENCY_H

#include <stdint.h>

enum { LATENCY_BOUNDS = 17 };

/* Upper bounds of the buckets in nanoseconds, ascending: 50 us to 10 s. Bucket i counts durations of at most
 * LATENCY_BOUNDS_NS[i] that are in no bucket before it; the last one, LATENCY_BOUNDS, counts longer ones. */
extern const uint64_t LATENCY_BOUNDS_NS[LATENCY_BOUNDS];

/* A histogram without synchronisation of its own. */
struct latencies {
    uint64_t counts[LATENCY_BOUNDS + 1];
    uint64_t sum_ns;
};

/* The bucket that counts a duration. Any thread. */
unsigned latency_bucket(uint64_t duration_ns);
/* Counts a duration. */
void latencies_add(struct latencies *latencies, uint64_t duration_ns);

#endif
