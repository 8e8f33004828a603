/* Datapoints of ephemeral streams on their way to subscribers: they are in no store, so each subscriber gets
 * a copy, in memory that is bounded. */
#ifndef CONNECTORDB_EPHEMERAL_H
#define CONNECTORDB_EPHEMERAL_H

#include "batch.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    EPHEMERAL_BATCHES_MAX = 1024, /* that wait for a subscriber */
    EPHEMERAL_BYTES_MAX = 8 << 20,
};

struct ephemeral; /* of a server; any thread */
struct ephemeral_subscription;

/* NULL: no memory. */
struct ephemeral *ephemeral_open(void);
void ephemeral_close(struct ephemeral *ephemeral); /* accepts NULL; all subscriptions must be closed */

/* Gives each subscriber of the series a copy; missing times become now. A subscriber for which there is no
 * memory, or for which more waits than the limits above, has lost datapoints (ephemeral_next tells it). */
void ephemeral_publish(struct ephemeral *ephemeral, uint64_t series_id, const struct batch *batch);

/* wake: called when there is something to take again; it may only signal another thread. NULL: no memory. */
struct ephemeral_subscription *ephemeral_subscribe(
    struct ephemeral *ephemeral, uint64_t series_id, void (*wake)(void *context), void *context);
void ephemeral_unsubscribe(struct ephemeral_subscription *subscription); /* accepts NULL */

/* The datapoints of the next insert. 1: *ret_batch is the caller's, to be freed with batch_free and free;
 * 0: nothing yet; -ENOBUFS: datapoints were lost. */
int ephemeral_next(struct ephemeral_subscription *subscription, struct batch **ret_batch);

#endif
