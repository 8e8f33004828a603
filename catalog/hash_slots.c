#include "hash_slots.h"

#include <errno.h>

void hash_slots_init(struct hash_slots *slots, unsigned count, unsigned waiting_max)
{
    *slots = (struct hash_slots){.free = count, .waiting_max = waiting_max};
    (void)pthread_mutex_init(&slots->lock, NULL);
    (void)pthread_cond_init(&slots->freed, NULL);
}

void hash_slots_destroy(struct hash_slots *slots)
{
    (void)pthread_cond_destroy(&slots->freed);
    (void)pthread_mutex_destroy(&slots->lock);
}

/* Under the lock. False: too many wait. */
static bool wait_for_slot(struct hash_slots *slots)
{
    if (slots->free > 0 || slots->stopped)
        return true;
    if (slots->waiting >= slots->waiting_max)
        return false;
    slots->waiting++;
    while (slots->free == 0 && !slots->stopped)
        (void)pthread_cond_wait(&slots->freed, &slots->lock);
    slots->waiting--;
    return true;
}

int hash_slots_take(struct hash_slots *slots, struct error *ret_error)
{
    int r = 0;
    (void)pthread_mutex_lock(&slots->lock);
    if (!wait_for_slot(slots))
        r = error_set(ret_error, EBUSY, "too many logins wait for their password to be checked");
    else if (slots->stopped)
        r = error_set(ret_error, EBUSY, "the server is stopping");
    else
        slots->free--;
    (void)pthread_mutex_unlock(&slots->lock);
    return r;
}

void hash_slots_give(struct hash_slots *slots)
{
    (void)pthread_mutex_lock(&slots->lock);
    slots->free++;
    (void)pthread_cond_signal(&slots->freed);
    (void)pthread_mutex_unlock(&slots->lock);
}

void hash_slots_stop(struct hash_slots *slots)
{
    (void)pthread_mutex_lock(&slots->lock);
    slots->stopped = true;
    (void)pthread_cond_broadcast(&slots->freed);
    (void)pthread_mutex_unlock(&slots->lock);
}
