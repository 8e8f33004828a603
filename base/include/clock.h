/* Wall clock and monotonic clock. Any thread. */
#ifndef CONNECTORDB_CLOCK_H
#define CONNECTORDB_CLOCK_H

#include <stdint.h>

/* Wall clock in Unix seconds, with microsecond resolution. */
double clock_now_seconds(void);
/* Monotonic clock in nanoseconds. */
uint64_t clock_monotonic_ns(void);

#endif
