/* Working memory of reads, kept from one to the next. */
#include "store_internal.h"

#include <stdlib.h>

struct read_scratch *scratch_take(struct store *store)
{
    struct scratch_pool *pool = &store->scratch;
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
    batch_init(&scratch->batch);
    return scratch;
}

static void scratch_free(struct read_scratch *scratch)
{
    columns_close(scratch->columns);
    batch_free(&scratch->batch);
    free(scratch);
}

void scratch_give(struct store *store, struct read_scratch *scratch)
{
    if (!scratch)
        return;
    struct scratch_pool *pool = &store->scratch;
    bool keep = scratch->batch.msgpack.capacity <= SCRATCH_BYTES_KEPT && scratch->batch.capacity <= 2 * BLOCK_POINTS_MAX;
    (void)pthread_mutex_lock(&pool->lock);
    keep = keep && pool->count < SCRATCH_POOL;
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
    while (pool->first) {
        struct read_scratch *scratch = pool->first;
        pool->first = scratch->next;
        scratch_free(scratch);
    }
    (void)pthread_mutex_destroy(&pool->lock);
}
