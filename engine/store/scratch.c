#include "scratch.h"

#include "segment.h"

#include <pthread.h>
#include <stdlib.h>

enum { SCRATCH_POOL = 16, SCRATCH_BYTES_KEPT = 1 << 20 };

struct scratch_pool {
    pthread_mutex_t lock;
    struct read_scratch *first;
    unsigned count;
};

struct scratch_pool *scratch_pool_new(void)
{
    struct scratch_pool *pool = calloc(1, sizeof(*pool));
    if (pool)
        (void)pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

struct read_scratch *scratch_take(struct scratch_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    struct read_scratch *scratch = pool->first;
    if (scratch) {
        pool->first = scratch->next;
        pool->count--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (scratch)
        return scratch;
    scratch = calloc(1, sizeof(*scratch));
    if (!scratch)
        return NULL;
    if (columns_open(&scratch->columns) < 0) {
        free(scratch);
        return NULL;
    }
    for (unsigned i = 0; i < SCRATCH_SLOTS; i++)
        batch_init(&scratch->slots[i].batch);
    return scratch;
}

static void empty_slot(struct block_slot *slot)
{
    batch_free(&slot->batch);
    batch_init(&slot->batch);
    *slot = (struct block_slot){.batch = slot->batch};
}

static void scratch_free(struct read_scratch *scratch)
{
    columns_close(scratch->columns);
    for (unsigned i = 0; i < SCRATCH_SLOTS; i++)
        batch_free(&scratch->slots[i].batch);
    free(scratch);
}

void scratch_give(struct scratch_pool *pool, struct read_scratch *scratch)
{
    if (!scratch)
        return;
    scratch_trim(scratch);
    for (unsigned i = 1; i < SCRATCH_SLOTS; i++) /* most reads need one */
        empty_slot(&scratch->slots[i]);
    scratch->slots[0].segment = NULL;
    scratch->slots[0].used = 0;
    scratch->clock = 0;
    (void)pthread_mutex_lock(&pool->lock);
    bool keep = pool->count < SCRATCH_POOL;
    if (keep) {
        scratch->next = pool->first;
        pool->first = scratch;
        pool->count++;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!keep)
        scratch_free(scratch);
}

void scratch_pool_free(struct scratch_pool *pool)
{
    if (!pool)
        return;
    while (pool->first) {
        struct read_scratch *scratch = pool->first;
        pool->first = scratch->next;
        scratch_free(scratch);
    }
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

struct block_slot *scratch_find(struct read_scratch *scratch, const struct segment *segment, uint64_t offset)
{
    for (unsigned i = 0; i < SCRATCH_SLOTS; i++) {
        struct block_slot *slot = &scratch->slots[i];
        if (slot->segment == segment && slot->offset == offset) {
            slot->used = ++scratch->clock;
            return slot;
        }
    }
    return NULL;
}

struct block_slot *scratch_oldest(struct read_scratch *scratch)
{
    struct block_slot *oldest = &scratch->slots[0];
    for (unsigned i = 1; i < SCRATCH_SLOTS; i++) {
        if (scratch->slots[i].used < oldest->used)
            oldest = &scratch->slots[i];
    }
    oldest->segment = NULL;
    oldest->used = ++scratch->clock;
    return oldest;
}

void scratch_trim(struct read_scratch *scratch)
{
    for (unsigned i = 0; i < SCRATCH_SLOTS; i++) {
        const struct batch *batch = &scratch->slots[i].batch;
        if (batch->msgpack.capacity > SCRATCH_BYTES_KEPT || batch->capacity > 2 * BLOCK_POINTS_MAX)
            empty_slot(&scratch->slots[i]);
    }
}
