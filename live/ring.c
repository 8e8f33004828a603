#include "ring.h"

#include "check.h"
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

int ring_init(struct ring *ring, uint64_t capacity)
{
    CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
    *ring = (struct ring){.capacity = capacity};
    ring->events = calloc(capacity, sizeof(*ring->events));
    return ring->events ? 0 : -ENOMEM;
}

void ring_free(struct ring *ring)
{
    free(ring->events);
    ring->events = NULL;
}

static void wake_consumer(struct ring *ring)
{
    atomic_fetch_add(&ring->signal, 1);
    futex_wake(&ring->signal, INT_MAX);
}

/* No wake-up is lost: the consumer sets `sleeping` before it looks at `head`, the producer stores `head`
 * before it looks at `sleeping`, both sequentially consistent. So either the consumer sees the event or the
 * producer sees the sleeper. */
void ring_push(struct ring *ring, struct live_event event)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) == ring->capacity) {
        atomic_store(&ring->overflow, true);
    } else {
        ring->events[head & (ring->capacity - 1)] = event;
        atomic_store(&ring->head, head + 1);
    }
    if (atomic_load(&ring->sleeping) && atomic_exchange(&ring->sleeping, false))
        wake_consumer(ring);
}

bool ring_pop(struct ring *ring, struct live_event *ret_event)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&ring->head, memory_order_acquire))
        return false;
    *ret_event = ring->events[tail & (ring->capacity - 1)];
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

bool ring_take_overflow(struct ring *ring)
{
    return atomic_load(&ring->overflow) && atomic_exchange(&ring->overflow, false);
}

static bool has_work(struct ring *ring)
{
    return atomic_load(&ring->head) != atomic_load(&ring->tail) || atomic_load(&ring->overflow);
}

bool ring_wait(struct ring *ring)
{
    for (;;) {
        uint32_t seen = atomic_load(&ring->signal);
        atomic_store(&ring->sleeping, true);
        if (ring_stopped(ring) || has_work(ring))
            break;
        futex_wait(&ring->signal, seen);
    }
    atomic_store(&ring->sleeping, false);
    return !ring_stopped(ring);
}

void ring_stop(struct ring *ring)
{
    atomic_store(&ring->stopped, true);
    wake_consumer(ring);
}

bool ring_stopped(struct ring *ring)
{
    return atomic_load(&ring->stopped);
}
