#include "live.h"

#include "ring.h"
#include "subscription.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_US = 10000 };

struct live {
    struct store *store;
    struct ring ring;
    struct subscriptions subscriptions;
    pthread_t dispatcher;
    _Atomic uint64_t events, overflows;
};

/* The store's listener: on the committing thread. */
static void on_append(void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    struct live *live = context;
    if (atomic_load(&live->subscriptions.count) > 0)
        ring_push(
            &live->ring, (struct live_event){.series_id = series_id, .end = first_index + batch->count});
}

/* ---- the dispatcher ---- */

static bool look_up_length(void *context, uint64_t series_id, uint64_t *ret_length)
{
    struct store_snapshot *snapshot = context;
    struct store_series series;
    if (store_snapshot_series(snapshot, series_id, &series, NULL) < 0)
        return false;
    *ret_length = series.length;
    return true;
}

/* Events were dropped: compares all subscriptions with the store. False: it has no memory for that now. */
static bool catch_up(struct live *live)
{
    struct store_snapshot *snapshot;
    if (store_snapshot_open(live->store, &snapshot, NULL) < 0)
        return false;
    atomic_fetch_add(&live->overflows, 1);
    subscriptions_compare(&live->subscriptions, look_up_length, snapshot);
    store_snapshot_close(snapshot);
    return true;
}

static void *dispatch(void *argument)
{
    struct live *live = argument;
    struct live_event event;
    while (ring_wait(&live->ring)) {
        while (ring_take_overflow(&live->ring)) {
            while (!catch_up(live)) {
                if (ring_stopped(&live->ring))
                    return NULL;
                (void)usleep(RETRY_US); /* nothing is lost meanwhile: the store has it all */
            }
        }
        while (ring_pop(&live->ring, &event)) {
            atomic_fetch_add_explicit(&live->events, 1, memory_order_relaxed);
            subscriptions_publish(&live->subscriptions, event.series_id, event.end);
        }
    }
    return NULL;
}

/* ---- life ---- */

int live_start(struct store *store, struct live **ret_live, struct error *ret_error)
{
    struct live *live = aligned_alloc(_Alignof(struct live), sizeof(*live));
    if (!live)
        return error_set(ret_error, ENOMEM, "out of memory for live data");
    memset(live, 0, sizeof(*live));
    live->store = store;
    if (ring_init(&live->ring, LIVE_RING_EVENTS) < 0) {
        free(live);
        return error_set(ret_error, ENOMEM, "out of memory for live data");
    }
    subscriptions_init(&live->subscriptions);
    int r = pthread_create(&live->dispatcher, NULL, dispatch, live);
    if (r != 0) {
        subscriptions_free(&live->subscriptions);
        ring_free(&live->ring);
        free(live);
        return error_set(ret_error, r, "cannot create the thread for live data: %s", strerror(r));
    }
    store_set_listener(store, on_append, live);
    *ret_live = live;
    return 0;
}

void live_stop(struct live *live)
{
    if (!live)
        return;
    store_set_listener(live->store, NULL, NULL);
    ring_stop(&live->ring);
    (void)pthread_join(live->dispatcher, NULL);
    subscriptions_free(&live->subscriptions);
    ring_free(&live->ring);
    free(live);
}

/* ---- subscribing ---- */

/* The subscription is added first and the length is read second: an insert is published in the store before
 * its event, so each one is in the length, in an event, or in both. */
int live_subscribe(struct live *live, uint64_t series_id, uint64_t from, live_wake wake, void *context,
    struct live_subscription **ret_subscription, struct error *ret_error)
{
    struct live_subscription *subscription;
    struct store_snapshot *snapshot = NULL;
    struct store_series series;
    int r = subscriptions_add(&live->subscriptions, series_id, wake, context, &subscription, ret_error);
    if (r < 0)
        return r;
    r = store_snapshot_open(live->store, &snapshot, ret_error);
    if (r == 0)
        r = store_snapshot_series(snapshot, series_id, &series, ret_error);
    store_snapshot_close(snapshot);
    if (r < 0) {
        live_unsubscribe(subscription);
        return r;
    }
    subscription_begin(subscription, from, series.length);
    *ret_subscription = subscription;
    return 0;
}

void live_end_series(struct live *live, uint64_t series_id)
{
    subscriptions_end(&live->subscriptions, series_id);
}

void live_get_stats(struct live *live, struct live_stats *ret_stats)
{
    *ret_stats = (struct live_stats){
        .subscriptions = atomic_load(&live->subscriptions.count),
        .events = atomic_load(&live->events),
        .ring_overflows = atomic_load(&live->overflows),
        .merged_inserts = atomic_load(&live->subscriptions.merged),
    };
}
