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
    batch_init(&scratch->batch);
    return scratch;
}

static void scratch_free(struct read_scratch *scratch)
{
    columns_close(scratch->columns);
    batch_free(&scratch->batch);
    free(scratch);
}

void scratch_give(struct scratch_pool *pool, struct read_scratch *scratch)
{
    if (!scratch)
        return;
    bool keep = scratch->batch.msgpack.capacity <= SCRATCH_BYTES_KEPT &&
                scratch->batch.capacity <= 2 * BLOCK_POINTS_MAX;
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
