#include "ephemeral.h"

#include "check.h"
#include "clock.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

struct waiting {
    struct waiting *next;
    struct batch *batch;
    size_t bytes;
};

struct ephemeral_subscription {
    struct ephemeral *ephemeral;
    struct ephemeral_subscription *next;
    uint64_t series_id;
    void (*wake)(void *context);
    void *context;
    struct waiting *first, **last;
    size_t count, bytes;
    bool lost;
};

struct ephemeral {
    pthread_mutex_t lock; /* of the list and all in it */
    struct ephemeral_subscription *list;
};

struct ephemeral *ephemeral_open(void)
{
    struct ephemeral *ephemeral = calloc(1, sizeof(*ephemeral));
    if (ephemeral)
        (void)pthread_mutex_init(&ephemeral->lock, NULL);
    return ephemeral;
}

void ephemeral_close(struct ephemeral *ephemeral)
{
    if (!ephemeral)
        return;
    CHECK(!ephemeral->list);
    (void)pthread_mutex_destroy(&ephemeral->lock);
    free(ephemeral);
}

/* ---- copies ---- */

static int push(struct batch *copy, const struct batch *batch, uint32_t i, double time)
{
    uint8_t scratch[9];
    size_t size;
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    int r = batch_push_msgpack(copy, time, value, size);
    const char *sender = batch_sender(batch, i, &size);
    return r == 0 && size > 0 ? batch_set_last_sender(copy, sender, size) : r;
}

/* NULL: no memory. */
static struct batch *copy_batch(const struct batch *batch, double now)
{
    struct batch *copy = malloc(sizeof(*copy));
    double last = -INFINITY;
    int r = 0;
    if (!copy)
        return NULL;
    batch_init(copy);
    if (!batch->missing_times)
        r = batch_append(copy, batch, 0, batch->count);
    for (uint32_t i = 0; r == 0 && batch->missing_times && i < batch->count; i++) {
        double time = batch_time(batch, i);
        if (isnan(time))
            time = now > last ? now : last;
        last = time;
        r = push(copy, batch, i, time);
    }
    if (r == 0)
        return copy;
    batch_free(copy);
    free(copy);
    return NULL;
}

static void add(struct ephemeral_subscription *subscription, const struct batch *batch, double now)
{
    size_t bytes = batch->msgpack.size + (size_t)batch->count * 32;
    if (subscription->lost)
        return;
    bool fits =
        subscription->count < EPHEMERAL_BATCHES_MAX && subscription->bytes + bytes <= EPHEMERAL_BYTES_MAX;
    struct waiting *waiting = fits ? malloc(sizeof(*waiting)) : NULL;
    struct batch *copy = waiting ? copy_batch(batch, now) : NULL;
    if (copy) {
        *waiting = (struct waiting){.batch = copy, .bytes = bytes};
        *subscription->last = waiting;
        subscription->last = &waiting->next;
        subscription->count++;
        subscription->bytes += bytes;
    } else {
        free(waiting);
        subscription->lost = true;
    }
    subscription->wake(subscription->context);
}

void ephemeral_publish(struct ephemeral *ephemeral, uint64_t series_id, const struct batch *batch)
{
    double now = clock_now_seconds();
    if (batch->count == 0)
        return;
    (void)pthread_mutex_lock(&ephemeral->lock);
    for (struct ephemeral_subscription *one = ephemeral->list; one; one = one->next) {
        if (one->series_id == series_id)
            add(one, batch, now);
    }
    (void)pthread_mutex_unlock(&ephemeral->lock);
}

/* ---- subscribers ---- */

struct ephemeral_subscription *ephemeral_subscribe(
    struct ephemeral *ephemeral, uint64_t series_id, void (*wake)(void *context), void *context)
{
    struct ephemeral_subscription *subscription = calloc(1, sizeof(*subscription));
    if (!subscription)
        return NULL;
    subscription->ephemeral = ephemeral;
    subscription->series_id = series_id;
    subscription->wake = wake;
    subscription->context = context;
    subscription->last = &subscription->first;
    (void)pthread_mutex_lock(&ephemeral->lock);
    subscription->next = ephemeral->list;
    ephemeral->list = subscription;
    (void)pthread_mutex_unlock(&ephemeral->lock);
    return subscription;
}

void ephemeral_unsubscribe(struct ephemeral_subscription *subscription)
{
    struct batch *batch;
    if (!subscription)
        return;
    (void)pthread_mutex_lock(&subscription->ephemeral->lock);
    struct ephemeral_subscription **at = &subscription->ephemeral->list;
    while (*at != subscription)
        at = &(*at)->next;
    *at = subscription->next;
    (void)pthread_mutex_unlock(&subscription->ephemeral->lock);
    while (ephemeral_next(subscription, &batch) == 1) {
        batch_free(batch);
        free(batch);
    }
    free(subscription);
}

int ephemeral_next(struct ephemeral_subscription *subscription, struct batch **ret_batch)
{
    (void)pthread_mutex_lock(&subscription->ephemeral->lock);
    struct waiting *waiting = subscription->first;
    int r = waiting ? 1 : subscription->lost ? -ENOBUFS : 0;
    if (waiting) {
        subscription->first = waiting->next;
        if (!waiting->next)
            subscription->last = &subscription->first;
        subscription->count--;
        subscription->bytes -= waiting->bytes;
    }
    (void)pthread_mutex_unlock(&subscription->ephemeral->lock);
    if (waiting)
        *ret_batch = waiting->batch;
    free(waiting);
    return r;
}
