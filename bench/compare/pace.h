/* Waiting for a moment. */
#ifndef CONNECTORDB_COMPARE_PACE_H
#define CONNECTORDB_COMPARE_PACE_H

#include <time.h>

/* Returns when bench_now() would say `moment`, at once when that has passed. */
static inline void pace_wait(double moment)
{
    struct timespec until = {.tv_sec = (time_t)moment};
    until.tv_nsec = (long)((moment - (double)until.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

#endif
