/* Limits how many threads compute password hashes, and how many wait for that. A hash takes 50 ms to a second
 * of a processor: without a limit, logins would take the processors from everything else, and their waiting
 * threads all connections. Any thread. */
#ifndef CONNECTORDB_HASH_SLOTS_H
#define CONNECTORDB_HASH_SLOTS_H

#include "error.h"

#include <pthread.h>
#include <stdbool.h>

struct hash_slots {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    unsigned free, waiting, waiting_max;
    bool stopped;
};

/* count: hashes computed at a time; waiting_max: threads that may wait for one of them to end. */
void hash_slots_init(struct hash_slots *slots, unsigned count, unsigned waiting_max);
void hash_slots_destroy(struct hash_slots *slots);
/* Waits for a slot, without a limit of time but with at most waiting_max before it. 0: the caller has one and
 * gives it back. -EBUSY: too many wait, or the slots were stopped. */
int hash_slots_take(struct hash_slots *slots, struct error *ret_error);
void hash_slots_give(struct hash_slots *slots);
/* Every hash_slots_take, also one that waits now, returns -EBUSY from here on. */
void hash_slots_stop(struct hash_slots *slots);

#endif
