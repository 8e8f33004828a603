/* What an operator and monitoring ask the server: /metrics, /health and /ready. docs/API.md describes them.
 */
#ifndef CONNECTORDB_METRICS_H
#define CONNECTORDB_METRICS_H

#include "request.h"

/* How many there are. */
struct catalog_sizes {
    bool known;
    uint64_t users, devices, streams;
};

/* Prints all metrics. Any thread; takes short locks, and reads /proc. */
void metrics_print(struct sink *sink, struct server *server, const struct store_metrics *store,
    const struct catalog_sizes *sizes);

/* Answers with all metrics; who asks was found to be allowed to. False: *problem is set. */
bool metrics_answer(struct request *request, struct problem *problem);

#endif
