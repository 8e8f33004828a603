/* Subscriptions by series: a hash table, and for each subscription the ranges that it has not taken yet. */
#ifndef CONNECTORDB_LIVE_SUBSCRIPTION_H
#define CONNECTORDB_LIVE_SUBSCRIPTION_H

#include "live.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SUBSCRIPTION_BUCKETS = 4096 };

struct subscriptions {
    pthread_mutex_t lock; /* the lists, and wake(): while it is held, no wake() is running.
                             Taken before the lock of a subscription */
    struct live_subscription *buckets[SUBSCRIPTION_BUCKETS];
    _Atomic uint64_t count;
    _Atomic uint64_t merged;
};

void subscriptions_init(struct subscriptions *subscriptions);
void subscriptions_free(struct subscriptions *subscriptions);
/* A subscription that gets events from now on but returns nothing before subscription_begin. 0, -EBUSY or
 * -ENOMEM. */
int subscriptions_add(struct subscriptions *subscriptions, uint64_t series_id, live_wake wake, void *context,
    struct live_subscription **ret_subscription, struct error *ret_error);
/* Sets where it begins (LIVE_FROM_NOW = `length`), given the series' length at some moment since it was
 * added. */
void subscription_begin(struct live_subscription *subscription, uint64_t from, uint64_t length);
/* The series has points up to `end`: tells its subscriptions. */
void subscriptions_publish(struct subscriptions *subscriptions, uint64_t series_id, uint64_t end);
void subscriptions_end(struct subscriptions *subscriptions, uint64_t series_id);
/* Calls look(context, series id, &end) for each subscription and publishes `end` to it when it returns true.
 */
void subscriptions_compare(struct subscriptions *subscriptions,
    bool (*look)(void *context, uint64_t series_id, uint64_t *ret_end), void *context);

#endif
