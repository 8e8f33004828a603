#include "subscription.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

struct live_subscription {
    struct subscriptions *all;
    struct live_subscription *next, **link; /* list of its bucket; subscriptions.lock */
    uint64_t series_id;
    live_wake wake;
    void *context;

    pthread_mutex_t lock; /* all below */
    bool begun;           /* subscription_begin was called */
    bool armed;           /* call wake() when there is something to return */
    bool ended;
    uint64_t taken;                  /* points before this were returned, or are not wanted */
    uint64_t known;                  /* points before this are durable */
    uint64_t ends[LIVE_PENDING_MAX]; /* ring: where pending inserts end, ascending; all in (taken, known] */
    unsigned first, pending;
};

void subscriptions_init(struct subscriptions *subscriptions)
{
    *subscriptions = (struct subscriptions){0};
    (void)pthread_mutex_init(&subscriptions->lock, NULL);
}

void subscriptions_free(struct subscriptions *subscriptions)
{
    CHECK(atomic_load(&subscriptions->count) == 0);
    (void)pthread_mutex_destroy(&subscriptions->lock);
}

/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): series ids are consecutive numbers. */
static struct live_subscription **bucket_of(struct subscriptions *subscriptions, uint64_t series_id)
{
    return &subscriptions->buckets[(series_id * 0x9e3779b97f4a7c15u >> 32) % SUBSCRIPTION_BUCKETS];
}

int subscriptions_add(struct subscriptions *subscriptions, uint64_t series_id, live_wake wake, void *context,
    struct live_subscription **ret_subscription, struct error *ret_error)
{
    struct live_subscription *subscription = calloc(1, sizeof(*subscription));
    if (!subscription)
        return error_set(ret_error, ENOMEM, "out of memory for a subscription");
    *subscription = (struct live_subscription){
        .all = subscriptions, .series_id = series_id, .wake = wake, .context = context};
    (void)pthread_mutex_init(&subscription->lock, NULL);
    (void)pthread_mutex_lock(&subscriptions->lock);
    bool full = atomic_load(&subscriptions->count) >= LIVE_SUBSCRIPTIONS_MAX;
    if (!full) {
        struct live_subscription **bucket = bucket_of(subscriptions, series_id);
        subscription->next = *bucket;
        subscription->link = bucket;
        if (subscription->next)
            subscription->next->link = &subscription->next;
        *bucket = subscription;
        atomic_fetch_add(&subscriptions->count, 1);
    }
    (void)pthread_mutex_unlock(&subscriptions->lock);
    if (full) {
        (void)pthread_mutex_destroy(&subscription->lock);
        free(subscription);
        return error_set(
            ret_error, EBUSY, "there are %d subscriptions already; try again later", LIVE_SUBSCRIPTIONS_MAX);
    }
    *ret_subscription = subscription;
    return 0;
}

void live_unsubscribe(struct live_subscription *subscription)
{
    if (!subscription)
        return;
    struct subscriptions *all = subscription->all;
    (void)pthread_mutex_lock(&all->lock);
    *subscription->link = subscription->next;
    if (subscription->next)
        subscription->next->link = subscription->link;
    atomic_fetch_sub(&all->count, 1);
    (void)pthread_mutex_unlock(&all->lock);
    (void)pthread_mutex_destroy(&subscription->lock);
    free(subscription);
}

/* ---- one subscription ---- */

/* Notes that an insert ends at `end`. Returns how many inserts lost their boundary. The subscription's lock
 * is held. */
static unsigned add_end(struct live_subscription *subscription, uint64_t end)
{
    if (end <= subscription->known)
        return 0;
    subscription->known = end;
    if (end <= subscription->taken)
        return 0;
    if (subscription->pending < LIVE_PENDING_MAX) {
        subscription->ends[(subscription->first + subscription->pending++) % LIVE_PENDING_MAX] = end;
        return 0;
    }
    subscription->ends[(subscription->first + LIVE_PENDING_MAX - 1) % LIVE_PENDING_MAX] = end;
    return 1;
}

static bool has_something(const struct live_subscription *subscription)
{
    return subscription->begun && (subscription->pending > 0 || subscription->ended);
}

void subscription_begin(struct live_subscription *subscription, uint64_t from, uint64_t length)
{
    (void)pthread_mutex_lock(&subscription->lock);
    subscription->taken = from == LIVE_FROM_NOW ? length : from;
    /* Events may have come before the length was known: those that it includes are dropped, or merged into
     * one range. */
    while (subscription->pending > 0 && (subscription->ends[subscription->first] <= subscription->taken ||
                                            subscription->ends[subscription->first] <= length)) {
        subscription->first = (subscription->first + 1) % LIVE_PENDING_MAX;
        subscription->pending--;
    }
    if (length > subscription->taken) {
        if (subscription->pending < LIVE_PENDING_MAX) {
            subscription->first = (subscription->first + LIVE_PENDING_MAX - 1) % LIVE_PENDING_MAX;
            subscription->ends[subscription->first] = length;
            subscription->pending++;
        } /* else the first pending range, which starts at `taken`, includes it */
    }
    if (length > subscription->known)
        subscription->known = length;
    subscription->begun = true;
    subscription->armed = !has_something(subscription);
    (void)pthread_mutex_unlock(&subscription->lock);
}

int live_next(struct live_subscription *subscription, struct live_range *ret_range)
{
    int r = 0;
    (void)pthread_mutex_lock(&subscription->lock);
    if (subscription->pending > 0) {
        uint64_t end = subscription->ends[subscription->first];
        subscription->first = (subscription->first + 1) % LIVE_PENDING_MAX;
        subscription->pending--;
        *ret_range = (struct live_range){.first = subscription->taken, .end = end};
        subscription->taken = end;
        r = 1;
    } else if (subscription->ended) {
        r = -ENOENT;
    } else {
        subscription->armed = true;
    }
    (void)pthread_mutex_unlock(&subscription->lock);
    return r;
}

/* ---- from the dispatcher; subscriptions.lock is held ---- */

/* Updates the subscription and wakes its subscriber if he waits. */
static void tell(struct live_subscription *subscription, uint64_t end, bool ended)
{
    (void)pthread_mutex_lock(&subscription->lock);
    unsigned merged = add_end(subscription, end);
    subscription->ended |= ended;
    bool wake = subscription->armed && has_something(subscription);
    if (wake)
        subscription->armed = false;
    (void)pthread_mutex_unlock(&subscription->lock);
    if (merged > 0)
        atomic_fetch_add(&subscription->all->merged, merged);
    if (wake)
        subscription->wake(subscription->context);
}

static void tell_series(struct subscriptions *subscriptions, uint64_t series_id, uint64_t end, bool ended)
{
    (void)pthread_mutex_lock(&subscriptions->lock);
    for (struct live_subscription *at = *bucket_of(subscriptions, series_id); at; at = at->next)
        if (at->series_id == series_id)
            tell(at, end, ended);
    (void)pthread_mutex_unlock(&subscriptions->lock);
}

void subscriptions_publish(struct subscriptions *subscriptions, uint64_t series_id, uint64_t end)
{
    tell_series(subscriptions, series_id, end, false);
}

void subscriptions_end(struct subscriptions *subscriptions, uint64_t series_id)
{
    tell_series(subscriptions, series_id, 0, true);
}

void subscriptions_compare(struct subscriptions *subscriptions,
    bool (*look)(void *context, uint64_t series_id, uint64_t *ret_end), void *context)
{
    (void)pthread_mutex_lock(&subscriptions->lock);
    for (size_t i = 0; i < SUBSCRIPTION_BUCKETS; i++) {
        for (struct live_subscription *at = subscriptions->buckets[i]; at; at = at->next) {
            uint64_t end;
            if (look(context, at->series_id, &end))
                tell(at, end, false);
        }
    }
    (void)pthread_mutex_unlock(&subscriptions->lock);
}
