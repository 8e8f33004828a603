/* The two clocks. */
#ifndef CONNECTORDB_CLOCK_H
#define CONNECTORDB_CLOCK_H

#include <stdint.h>

/* Wall clock in unix seconds, microsecond resolution. Any thread. */
double clock_now_seconds(void);
/* Monotonic clock in nanoseconds. Any thread. */
uint64_t clock_monotonic_ns(void);

#endif
