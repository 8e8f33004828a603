/* The live bus: tells subscribers which points of a series have become durable.
 *
 * The store's commit path must never wait for a subscriber. Its listener therefore only writes {series, first
 * index, count} into a ring of fixed size; one dispatcher thread takes the events out and updates the
 * subscriptions of that series. The bus carries no points: a subscriber receives index ranges and reads the
 * points from the store with a cursor. So nothing can be lost. When the ring is full, or when a subscriber
 * does not keep up, the bus forgets only where one insert ended and the next one began: it merges their
 * ranges.
 *
 *     live_subscribe(live, series_id, LIVE_FROM_NOW, wake, context, &subscription, &error);
 *     while (live_next(subscription, &range) == 1)
 *         ... read points [range.first, range.end) with a snapshot and a cursor ...
 *     (0: wait until wake() is called, then call live_next again)
 *
 * Points of ephemeral streams are not stored and do not pass through the bus. Limits: LIVE_SUBSCRIPTIONS_MAX
 * subscriptions; each takes about LIVE_PENDING_MAX * 8 bytes. */
#ifndef CONNECTORDB_LIVE_H
#define CONNECTORDB_LIVE_H

#include "error.h"
#include "store.h"

#include <stdint.h>

enum {
    LIVE_SUBSCRIPTIONS_MAX = 65536,
    LIVE_PENDING_MAX =
        64, /* inserts that a subscription holds apart; further ones are merged into one range */
    LIVE_RING_EVENTS = 1 << 16, /* inserts between the commit path and the dispatcher */
};

#define LIVE_FROM_NOW UINT64_MAX

struct live;
struct live_subscription;

/* Points [first, end) of the series; at least one. */
struct live_range {
    uint64_t first, end;
};

/* Called by the dispatcher thread, or by live_end_series, when live_next has something to return again: once
 * after each time that live_next returned 0 (also once after live_subscribe when there was nothing to return
 * yet; call live_next first in any case). It may only signal another thread (post a semaphore, write an
 * eventfd): it must not block, because all subscribers wait for it, and must not call functions of live.h. */
typedef void (*live_wake)(void *context);

/* Starts the dispatcher and becomes the store's listener. The store must stay open until live_stop has
 * returned. 0, -ENOMEM, or -EAGAIN when no thread can be created. */
int live_start(struct store *store, struct live **ret_live, struct error *ret_error);

/* Stops listening and frees the bus. All subscriptions must be closed (CHECK). Blocks until a wake() under
 * way has returned. Accepts NULL. */
void live_stop(struct live *live);

/* Subscribes to the series from point `from` on; LIVE_FROM_NOW: from the first point that is inserted after
 * this call. Each point from there on is returned by live_next exactly once and in order, also when it was
 * stored before this call. Any thread. Takes a snapshot of the store; no I/O beyond that of looking up a
 * series. 0; -EBUSY: LIVE_SUBSCRIPTIONS_MAX reached; -ENOMEM; an error of the store. */
int live_subscribe(struct live *live, uint64_t series_id, uint64_t from, live_wake wake, void *context,
    struct live_subscription **ret_subscription, struct error *ret_error);

/* Takes the next range: the points of one insert, or of several when the subscriber did not keep up (or, at
 * the beginning, all that were stored before). 1 = *ret_range is set; 0 = nothing yet, wake() will be called;
 * -ENOENT = the series has ended (live_end_series) and all its ranges have been taken. Never blocks for I/O.
 * One thread at a time for each subscription. */
int live_next(struct live_subscription *subscription, struct live_range *ret_range);

/* Closes the subscription; wake() is not running and will not be called any more when this returns. Accepts
 * NULL. */
void live_unsubscribe(struct live_subscription *subscription);

/* Ends all subscriptions to a series that was deleted: live_next returns -ENOENT. Call it after
 * store_delete_series. Any thread. */
void live_end_series(struct live *live, uint64_t series_id);

struct live_stats {
    uint64_t subscriptions;  /* open now */
    uint64_t events;         /* inserts that the dispatcher has taken out of the ring */
    uint64_t ring_overflows; /* times the dispatcher had to compare all subscriptions with the store, because
                                the ring was full */
    uint64_t merged_inserts; /* inserts whose boundary a slow subscriber lost */
};
/* Counts since live_start. Any thread; takes a short lock. */
void live_get_stats(struct live *live, struct live_stats *ret_stats);

#endif
