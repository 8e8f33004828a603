#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pool {
    struct pool_work work;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t not_empty, not_full;
    char *jobs; /* a ring of POOL_QUEUE_JOBS */
    size_t first, count;
    bool closed; /* no further job comes */
    int failed;  /* 0 or the first failure */
    struct error error;
    unsigned started; /* workers so far, to number them */
    unsigned thread_count;
    pthread_t threads[POOL_THREADS_MAX];
};

unsigned pool_thread_count(unsigned threads)
{
    if (threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        threads = processors < 1 ? 1 : (unsigned)processors;
    }
    return threads < POOL_THREADS_MAX ? threads : POOL_THREADS_MAX;
}

static char *job_at(struct pool *pool, size_t index)
{
    return pool->jobs + index % POOL_QUEUE_JOBS * pool->work.job_bytes;
}

/* Takes the next job; false when there will be none. */
static bool take(struct pool *pool, void *job)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->closed && !pool->failed)
        (void)pthread_cond_wait(&pool->not_empty, &pool->lock);
    bool taken = pool->count > 0 && !pool->failed;
    if (taken) {
        memcpy(job, job_at(pool, pool->first), pool->work.job_bytes);
        pool->first = (pool->first + 1) % POOL_QUEUE_JOBS;
        pool->count--;
        (void)pthread_cond_signal(&pool->not_full);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void fail(struct pool *pool, int r, const struct error *error)
{
    (void)pthread_mutex_lock(&pool->lock);
    if (!pool->failed) {
        pool->failed = r;
        pool->error = *error;
    }
    (void)pthread_cond_broadcast(&pool->not_empty);
    (void)pthread_cond_broadcast(&pool->not_full);
    (void)pthread_mutex_unlock(&pool->lock);
}

static bool has_failed(struct pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool failed = pool->failed != 0;
    (void)pthread_mutex_unlock(&pool->lock);
    return failed;
}

static void *work(void *argument)
{
    struct pool *pool = argument;
    (void)pthread_mutex_lock(&pool->lock);
    unsigned worker = pool->started++;
    (void)pthread_mutex_unlock(&pool->lock);

    struct error error = {0};
    int r = 0;
    void *job = malloc(pool->work.job_bytes);
    if (!job)
        r = error_set(&error, ENOMEM, "out of memory");
    while (r == 0 && take(pool, job))
        r = pool->work.run(pool->work.context, worker, job, &error);
    if (r == 0 && pool->work.finish && !has_failed(pool))
        r = pool->work.finish(pool->work.context, worker, &error);
    if (r < 0)
        fail(pool, r, &error);
    free(job);
    return NULL;
}

int pool_start(
    const struct pool_work *pool_work, unsigned threads, struct pool **ret_pool, struct error *ret_error)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return error_set(ret_error, ENOMEM, "out of memory");
    pool->work = *pool_work;
    pool->jobs = calloc(POOL_QUEUE_JOBS, pool_work->job_bytes);
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->not_empty, NULL);
    (void)pthread_cond_init(&pool->not_full, NULL);
    int code = pool->jobs ? 0 : ENOMEM;
    threads = pool_thread_count(threads);
    while (code == 0 && pool->thread_count < threads) {
        code = pthread_create(&pool->threads[pool->thread_count], NULL, work, pool);
        if (code == 0)
            pool->thread_count++;
    }
    if (code) {
        int r = error_set(ret_error, code, "cannot start a thread: %s", strerrordesc_np(code));
        (void)pool_finish(pool, true, NULL);
        return r;
    }
    *ret_pool = pool;
    return 0;
}

int pool_submit(struct pool *pool, void *job)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->count == POOL_QUEUE_JOBS && !pool->failed)
        (void)pthread_cond_wait(&pool->not_full, &pool->lock);
    char *slot = job_at(pool, pool->first + pool->count);
    bool failed = pool->failed != 0;
    if (!failed) {
        memcpy(slot, job, pool->work.job_bytes);
        pool->count++;
        (void)pthread_cond_signal(&pool->not_empty);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (failed && pool->work.drop)
        pool->work.drop(job);
    return failed ? -ECANCELED : 0;
}

int pool_finish(struct pool *pool, bool drop_waiting, struct error *ret_error)
{
    if (drop_waiting) {
        struct error cancelled = {.code = ECANCELED, .message = "cancelled"};
        fail(pool, -ECANCELED, &cancelled);
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    (void)pthread_cond_broadcast(&pool->not_empty);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);

    for (; pool->count > 0 && pool->work.drop; pool->count--) {
        pool->work.drop(job_at(pool, pool->first));
        pool->first = (pool->first + 1) % POOL_QUEUE_JOBS;
    }
    int r = pool->failed;
    if (r < 0)
        (void)error_set(ret_error, pool->error.code, "%s", pool->error.message);
    (void)pthread_cond_destroy(&pool->not_full);
    (void)pthread_cond_destroy(&pool->not_empty);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->jobs);
    free(pool);
    return r;
}
