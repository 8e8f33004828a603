/* A bounded queue of events from one thread at a time to one other thread, without locks.
 *
 * ring_push never waits: when the queue is full it drops the event and sets a mark, which ring_take_overflow
 * returns. The consumer sleeps in ring_wait. Single producer, single consumer (Lamport, "Proving the
 * correctness of multiprocess programs", 1977); producers must be serialized by the caller. */
#ifndef CONNECTORDB_LIVE_RING_H
#define CONNECTORDB_LIVE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct live_event {
    uint64_t series_id;
    uint64_t end; /* index behind the last point */
};

struct ring {
    struct live_event *events;
    uint64_t capacity;                 /* a power of two */
    alignas(64) _Atomic uint64_t head; /* events pushed; written by the producer */
    alignas(64) _Atomic uint64_t tail; /* events popped; written by the consumer */
    atomic_bool overflow;
    atomic_bool sleeping;    /* the consumer is about to wait for `signal` to change */
    _Atomic uint32_t signal; /* futex word */
    atomic_bool stopped;
};

/* capacity: a power of two. 0 or -ENOMEM. */
int ring_init(struct ring *ring, uint64_t capacity);
void ring_free(struct ring *ring);

/* Producer. Never blocks; a system call only when the consumer sleeps. */
void ring_push(struct ring *ring, struct live_event event);

/* Consumer. True: *ret_event is the oldest event. */
bool ring_pop(struct ring *ring, struct live_event *ret_event);
/* Consumer. True once after events were dropped. Call it before ring_pop, and read the state that the events
 * describe after it: that state then includes all that was dropped. */
bool ring_take_overflow(struct ring *ring);
/* Consumer. Sleeps until there is an event, an overflow or ring_stop. False: stopped. */
bool ring_wait(struct ring *ring);

/* Any thread: ring_wait returns false from now on. */
void ring_stop(struct ring *ring);
bool ring_stopped(struct ring *ring);

#endif
