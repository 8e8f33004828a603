#include "request_metrics.h"

#include "check.h"

const unsigned short REQUEST_STATUS[REQUEST_STATUSES] = {200, 401, 403, 404, 400, 503, 101, 204, 301, 302,
    304, 308, 405, 408, 409, 411, 413, 414, 415, 422, 429, 431, 500, 501, 505, 0};

static unsigned status_slot(int status)
{
    unsigned slot = 0;
    while (slot + 1 < REQUEST_STATUSES && REQUEST_STATUS[slot] != status)
        slot++;
    return slot;
}

static void add(_Atomic uint64_t *counter, uint64_t count)
{
    atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

void request_metrics_add(struct request_metrics *metrics, unsigned route, int status, uint64_t duration_ns,
    uint64_t body_bytes, uint64_t answer_bytes)
{
    CHECK(route < REQUEST_ROUTES_MAX);
    struct route_metrics *of_route = &metrics->routes[route];
    add(&of_route->statuses[status_slot(status)], 1);
    add(&metrics->body_bytes, body_bytes);
    add(&metrics->answer_bytes, answer_bytes);
    if (status == 101)
        return;
    add(&of_route->durations[latency_bucket(duration_ns)], 1);
    add(&of_route->duration_sum_ns, duration_ns);
}

uint64_t request_metrics_total(const struct request_metrics *metrics)
{
    uint64_t total = 0;
    for (unsigned route = 0; route < REQUEST_ROUTES_MAX; route++) {
        for (unsigned i = 0; i < REQUEST_STATUSES; i++)
            total += atomic_load_explicit(&metrics->routes[route].statuses[i], memory_order_relaxed);
    }
    return total;
}
