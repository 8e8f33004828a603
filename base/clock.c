#include "clock.h"

#include <time.h>

double clock_now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u) / 1e6;
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
