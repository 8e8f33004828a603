/* A bounded queue of jobs, worked off by a few threads. */
#ifndef CONNECTORDB_POOL_H
#define CONNECTORDB_POOL_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum { POOL_THREADS_MAX = 8, POOL_QUEUE_JOBS = 64 };

struct pool;

struct pool_work {
    size_t job_bytes; /* jobs are copied into the queue */
    /* Does one job, on one of the threads (worker: 0 .. threads - 1). The first failure ends the pool: jobs
     * that wait are given to `drop`. */
    int (*run)(void *context, unsigned worker, void *job, struct error *ret_error);
    /* Ends a worker after the last job, unless something failed; may be NULL. */
    int (*finish)(void *context, unsigned worker, struct error *ret_error);
    /* Frees a job that is not run; may be NULL. */
    void (*drop)(void *job);
    void *context;
};

/* threads as in transfer_options: 0 = the processors, at most POOL_THREADS_MAX. */
unsigned pool_thread_count(unsigned threads);
/* 0, -ENOMEM or what starting a thread returned. */
int pool_start(
    const struct pool_work *work, unsigned threads, struct pool **ret_pool, struct error *ret_error);
/* Hands over a job; blocks while the queue is full. 0, or -ECANCELED when a job failed (pool_finish tells
 * how; the job is dropped). */
int pool_submit(struct pool *pool, void *job);
/* Waits for all jobs and frees the pool. drop_waiting: drop what waits instead of running it (then
 * -ECANCELED, unless a job failed before). 0 or the first failure. */
int pool_finish(struct pool *pool, bool drop_waiting, struct error *ret_error);

#endif
