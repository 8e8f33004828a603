/* The queue of jobs over threads: all run once, failures end it, nothing leaks. */
#include "check.h"
#include "pool.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

enum { JOBS = 5000 };

struct job {
    unsigned number;
    void *memory; /* freed by run or drop: a leak is seen by ASan */
};

struct work {
    atomic_uint runs[JOBS];
    atomic_uint finished;
    unsigned fail_at; /* job number; JOBS = never */
    int fail_finish;  /* errno */
    unsigned threads;
};

static int run(void *context, unsigned worker, void *argument, struct error *ret_error)
{
    struct work *work = context;
    struct job *job = argument;
    CHECK(worker < work->threads); /* cmocka can only fail the thread that runs the test */
    atomic_fetch_add(&work->runs[job->number], 1);
    free(job->memory);
    if (job->number == work->fail_at)
        return error_set(ret_error, EBADMSG, "job %u", job->number);
    return 0;
}

static int finish(void *context, unsigned worker, struct error *ret_error)
{
    struct work *work = context;
    (void)worker;
    atomic_fetch_add(&work->finished, 1);
    return work->fail_finish ? error_set(ret_error, work->fail_finish, "finish") : 0;
}

static void drop(void *argument)
{
    struct job *job = argument;
    free(job->memory);
}

static struct pool *start(struct work *work, unsigned threads)
{
    const struct pool_work pool_work = {
        .job_bytes = sizeof(struct job), .run = run, .finish = finish, .drop = drop, .context = work};
    struct pool *pool;
    struct error error;
    work->threads = threads;
    assert_int_equal(pool_start(&pool_work, threads, &pool, &error), 0);
    return pool;
}

/* How many were taken. */
static unsigned submit_all(struct pool *pool)
{
    for (unsigned i = 0; i < JOBS; i++) {
        struct job job = {i, malloc(1)};
        if (pool_submit(pool, &job) < 0)
            return i;
    }
    return JOBS;
}

static void test_every_job_runs_once(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= POOL_THREADS_MAX; threads += 3) {
        struct work *work = calloc(1, sizeof(*work));
        struct error error;
        work->fail_at = JOBS;
        struct pool *pool = start(work, threads);
        assert_int_equal(submit_all(pool), JOBS);
        assert_int_equal(pool_finish(pool, false, &error), 0);
        for (unsigned i = 0; i < JOBS; i++)
            assert_int_equal(work->runs[i], 1);
        assert_int_equal(work->finished, threads);
        free(work);
    }
}

static void test_a_failure_ends_it(void **state)
{
    (void)state;
    struct work *work = calloc(1, sizeof(*work));
    struct error error;
    work->fail_at = 1000;
    struct pool *pool = start(work, 3);
    unsigned taken = submit_all(pool);
    assert_in_range(taken, 1000, 1000 + 3 + POOL_QUEUE_JOBS + 1);
    assert_int_equal(pool_finish(pool, false, &error), -EBADMSG);
    assert_string_equal(error.message, "job 1000");
    assert_int_equal(work->finished, 0); /* what failed is not finished */
    free(work);
}

static void test_dropping(void **state)
{
    (void)state;
    struct work *work = calloc(1, sizeof(*work));
    struct error error;
    work->fail_at = JOBS;
    struct pool *pool = start(work, 2);
    for (unsigned i = 0; i < POOL_QUEUE_JOBS; i++) {
        struct job job = {i, malloc(1)};
        assert_int_equal(pool_submit(pool, &job), 0);
    }
    assert_int_equal(pool_finish(pool, true, &error), -ECANCELED);
    assert_int_equal(work->finished, 0);
    free(work);
}

static void test_a_worker_that_cannot_finish(void **state)
{
    (void)state;
    struct work *work = calloc(1, sizeof(*work));
    struct error error;
    work->fail_at = JOBS;
    work->fail_finish = ENOSPC;
    struct pool *pool = start(work, 2);
    assert_int_equal(submit_all(pool), JOBS);
    assert_int_equal(pool_finish(pool, false, &error), -ENOSPC);
    free(work);
}

static void test_thread_counts(void **state)
{
    (void)state;
    assert_in_range(pool_thread_count(0), 1, POOL_THREADS_MAX);
    assert_int_equal(pool_thread_count(3), 3);
    assert_int_equal(pool_thread_count(1000), POOL_THREADS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_runs_once),
        cmocka_unit_test(test_a_failure_ends_it),
        cmocka_unit_test(test_dropping),
        cmocka_unit_test(test_a_worker_that_cannot_finish),
        cmocka_unit_test(test_thread_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
