/* Counts of requests: how many of each route and status, how long they took, how many bytes. */
#ifndef CONNECTORDB_REQUEST_METRICS_H
#define CONNECTORDB_REQUEST_METRICS_H

#include "latency.h"

#include <stdatomic.h>
#include <stdint.h>

enum { REQUEST_STATUSES = 26, REQUEST_ROUTES_MAX = 64 };

/* The statuses that are counted apart; the last one is 0: any other. */
extern const unsigned short REQUEST_STATUS[REQUEST_STATUSES];

/* Of one route. */
struct route_metrics {
    _Atomic uint64_t statuses[REQUEST_STATUSES];
    _Atomic uint64_t durations[LATENCY_BOUNDS + 1]; /* buckets of latency.h */
    _Atomic uint64_t duration_sum_ns;
};

struct request_metrics {
    _Atomic uint64_t body_bytes, answer_bytes;
    struct route_metrics routes[REQUEST_ROUTES_MAX];
};

/* Counts a request that was answered. A WebSocket (101) has no duration: it lasts as long as its client
 * wants. A few relaxed additions; any thread. */
void request_metrics_add(struct request_metrics *metrics, unsigned route, int status, uint64_t duration_ns,
    uint64_t body_bytes, uint64_t answer_bytes);
/* How many were counted. Any thread. */
uint64_t request_metrics_total(const struct request_metrics *metrics);

#endif
