#include "background.h"

#include "check.h"
#include "clock.h"
#include "merger.h"
#include "sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    RETRY_MS = 500,         /* after a failed attempt to seal or to prepare a journal */
    MERGE_RETRY_MS = 10000, /* after a failed merge, unless something new comes */
    MERGER_NICE = 10,
};

/* A thread's work, and when to do it; under background.c's lock. */
struct worker {
    pthread_t thread;
    bool started, wanted;
    pthread_cond_t wake;
};

struct background {
    const struct store_options *options;
    struct sealer sealer;
    struct merger *merger;

    pthread_mutex_t lock; /* the fields below */
    bool stop;
    struct worker sealing, merging, syncing;
    pthread_cond_t attempted; /* a journal was sealed, or could not be */
    /* Code 0 = none: why the last attempt of each kind failed, and what was found in a segment that is not merged any more. */
    struct error prepare_error, seal_error, merge_error, damage_error;
    uint64_t sealed_journals, sealed_bytes, merged_segments, merged_bytes;
};

/* ---- life ---- */

static void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct background *background_new(const struct store_options *options)
{
    struct background *background = calloc(1, sizeof(*background));
    if (!background)
        return NULL;
    background->options = options;
    (void)pthread_mutex_init(&background->lock, NULL);
    condition_init(&background->attempted);
    condition_init(&background->sealing.wake);
    condition_init(&background->merging.wake);
    condition_init(&background->syncing.wake);
    return background;
}

void background_free(struct background *background)
{
    if (!background)
        return;
    merger_free(background->merger);
    (void)pthread_cond_destroy(&background->attempted);
    (void)pthread_cond_destroy(&background->sealing.wake);
    (void)pthread_cond_destroy(&background->merging.wake);
    (void)pthread_cond_destroy(&background->syncing.wake);
    (void)pthread_mutex_destroy(&background->lock);
    free(background);
}

/* ---- waiting and waking ---- */

static void wake(struct background *background, struct worker *worker)
{
    (void)pthread_mutex_lock(&background->lock);
    if (!worker->wanted)
        (void)pthread_cond_signal(&worker->wake);
    worker->wanted = true;
    (void)pthread_mutex_unlock(&background->lock);
}

void background_wake_sealer(void *background)
{
    wake(background, &((struct background *)background)->sealing);
}

void background_wake_merger(void *background)
{
    wake(background, &((struct background *)background)->merging);
}

/* A point in time on the monotonic clock, for pthread_cond_timedwait. */
static struct timespec in_ms(uint32_t ms)
{
    uint64_t at = clock_monotonic_ns() + (uint64_t)ms * 1000000u;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
}

/* Waits until there is work, or for timeout_ms (0 = for ever). False = stop. */
static bool await_work(struct background *background, struct worker *worker, uint32_t timeout_ms)
{
    struct timespec deadline = in_ms(timeout_ms);
    bool timed_out = false;
    (void)pthread_mutex_lock(&background->lock);
    while (!background->stop && !worker->wanted && !timed_out) {
        if (timeout_ms > 0)
            timed_out = pthread_cond_timedwait(&worker->wake, &background->lock, &deadline) == ETIMEDOUT;
        else
            (void)pthread_cond_wait(&worker->wake, &background->lock);
    }
    worker->wanted = false;
    bool go_on = !background->stop;
    (void)pthread_mutex_unlock(&background->lock);
    return go_on;
}

/* Notes how an attempt at one kind of work went (code 0 = well), and reports it when it failed otherwise than the one before. */
static void note(struct background *background, struct error *noted, const struct error *error)
{
    (void)pthread_mutex_lock(&background->lock);
    bool news = error->code != 0 && error->code != noted->code;
    *noted = *error;
    (void)pthread_mutex_unlock(&background->lock);
    if (news && background->options->report)
        background->options->report(background->options->report_context, error);
}

/* ---- the three kinds of work ---- */

/* What inserts wait for: blocks of the active journal, and the next journal. 1 = did something, 0 = nothing is wanted, or what failed. */
static int prepare(struct background *background, struct error *ret_error)
{
    struct error error = {0};
    int blocks = sealer_allocate_blocks(&background->sealer, &error);
    int r = blocks < 0 ? blocks : sealer_prepare_spare(&background->sealer, &error);
    if (r == 0)
        r = blocks;
    if (r != 0)
        note(background, &background->prepare_error, &error);
    if (r < 0)
        *ret_error = error;
    return r;
}

/* As sealer_seal_next. */
static int seal_next(struct background *background, struct error *ret_error)
{
    struct error error = {0};
    uint64_t bytes;
    int r = sealer_seal_next(&background->sealer, &bytes, &error);
    if (r == 0)
        return 0;
    note(background, &background->seal_error, &error);
    (void)pthread_mutex_lock(&background->lock);
    if (r > 0) {
        background->sealed_journals++;
        background->sealed_bytes += bytes;
    }
    (void)pthread_cond_broadcast(&background->attempted);
    (void)pthread_mutex_unlock(&background->lock);
    if (r > 0)
        background_wake_merger(background);
    else
        *ret_error = error;
    return r;
}

/* As merger_merge_next. */
static int merge_next(struct background *background, struct error *ret_error)
{
    struct merge_result result;
    int r = merger_merge_next(background->merger, &result, ret_error);
    (void)pthread_mutex_lock(&background->lock);
    background->merged_segments += result.segments;
    background->merged_bytes += result.bytes;
    if (result.damage.code)
        background->damage_error = result.damage;
    (void)pthread_mutex_unlock(&background->lock);
    return r;
}

/* Until none is due: 0, or what failed. */
static int merge_all(struct background *background, struct error *ret_error)
{
    int r;
    do
        r = merge_next(background, ret_error);
    while (r == 1);
    return r;
}

/* ---- threads ---- */

static void *run_sealer(void *argument)
{
    struct background *background = argument;
    bool failed = false;
    while (await_work(background, &background->sealing, failed ? RETRY_MS : 0)) {
        struct error error;
        failed = prepare(background, &error) < 0;
        int r;
        while ((r = seal_next(background, &error)) == 1)
            failed = prepare(background, &error) < 0;
        failed = failed || r < 0;
    }
    return NULL;
}

static void *run_merger(void *argument)
{
    struct background *background = argument;
    bool failed = false;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), MERGER_NICE); /* refused at worst: then it is as nice as it can */
    while (await_work(background, &background->merging, failed ? MERGE_RETRY_MS : 0)) {
        struct error error = {0};
        failed = merge_all(background, &error) < 0;
        note(background, &background->merge_error, &error);
    }
    return NULL;
}

static void *run_syncer(void *argument)
{
    struct background *background = argument;
    while (await_work(background, &background->syncing, background->options->fsync_interval_ms))
        (void)sealer_sync_active(&background->sealer, NULL);
    return NULL;
}

static int start(struct background *background, struct worker *worker, void *(*run)(void *), struct error *ret_error)
{
    int code = pthread_create(&worker->thread, NULL, run, background);
    worker->started = code == 0;
    return code == 0 ? 0 : error_set(ret_error, code, "cannot start a thread for the store");
}

int background_start(struct background *background, struct io *io, struct files *files, struct commit *commit,
    struct scratch_pool *scratch, struct error *ret_error)
{
    background->sealer =
        (struct sealer){.options = background->options, .io = io, .files = files, .commit = commit};
    background->merger = merger_new(io, files, scratch);
    if (!background->merger)
        return error_set(ret_error, ENOMEM, "out of memory for the background");
    if (background->options->no_threads)
        return 0;
    background->sealing.wanted = background->merging.wanted = true; /* before there is a thread that writes them under the lock */
    int r = start(background, &background->sealing, run_sealer, ret_error);
    if (r == 0)
        r = start(background, &background->merging, run_merger, ret_error);
    if (r == 0 && background->options->fsync == STORE_FSYNC_INTERVAL)
        r = start(background, &background->syncing, run_syncer, ret_error);
    return r;
}

void background_stop(struct background *background)
{
    struct worker *workers[] = {&background->merging, &background->sealing, &background->syncing};
    if (background->merger)
        merger_stop(background->merger);
    (void)pthread_mutex_lock(&background->lock);
    background->stop = true;
    for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++)
        (void)pthread_cond_broadcast(&workers[i]->wake);
    (void)pthread_mutex_unlock(&background->lock);
    for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++) {
        if (workers[i]->started)
            (void)pthread_join(workers[i]->thread, NULL);
        workers[i]->started = false;
    }
}

/* ---- on a caller's demand ---- */

int background_work(struct background *background, struct error *ret_error)
{
    CHECK(background->options->no_threads);
    struct error error = {0};
    int r = prepare(background, &error);
    if (r == 0)
        r = seal_next(background, &error);
    if (r == 0) {
        r = merge_next(background, &error);
        note(background, &background->merge_error, r < 0 ? &error : &(struct error){0});
    }
    if (r < 0 && ret_error)
        *ret_error = error;
    return r;
}

int background_merge(struct background *background, struct error *ret_error)
{
    struct error error = {0};
    int r = merge_all(background, &error);
    if (r < 0 && ret_error)
        *ret_error = error;
    return r;
}

/* Seals what is closed on the caller's thread. */
static int seal_all(struct background *background, struct error *ret_error)
{
    struct error error;
    int r;
    do
        r = seal_next(background, &error);
    while (r == 1);
    if (r < 0 && ret_error)
        *ret_error = error;
    return r;
}

/* Waits until an attempt to seal was made, or for a while. */
static int await_attempt(struct background *background, uint64_t sealed, struct error *ret_error)
{
    struct timespec look_again = in_ms(RETRY_MS);
    (void)pthread_mutex_lock(&background->lock);
    if (background->sealed_journals == sealed && background->seal_error.code == 0)
        (void)pthread_cond_timedwait(&background->attempted, &background->lock, &look_again);
    struct error error = background->seal_error;
    (void)pthread_mutex_unlock(&background->lock);
    return error.code ? error_set(ret_error, error.code, "%s", error.message) : 0;
}

int background_seal(struct background *background, bool active, struct error *ret_error)
{
    if (active) {
        int r = commit_rotate(background->sealer.commit, ret_error);
        if (r < 0)
            return r;
    }
    if (background->options->no_threads)
        return seal_all(background, ret_error);
    note(background, &background->seal_error, &(struct error){0});
    int r = 0;
    for (;;) {
        (void)pthread_mutex_lock(&background->lock);
        uint64_t sealed = background->sealed_journals;
        (void)pthread_mutex_unlock(&background->lock);
        if (r < 0 || !sealer_is_due(&background->sealer))
            return r;
        /* What was closed when the journal died may hold frames that never became valid: nobody seals it. */
        r = commit_check_alive(background->sealer.commit, ret_error);
        if (r == 0) {
            background_wake_sealer(background);
            r = await_attempt(background, sealed, ret_error);
        }
    }
}

void background_get_stats(struct background *background, struct store_stats *stats)
{
    (void)pthread_mutex_lock(&background->lock);
    stats->sealed_journals = background->sealed_journals;
    stats->sealed_bytes_written = background->sealed_bytes;
    stats->merged_segments = background->merged_segments;
    stats->merged_bytes_written = background->merged_bytes;
    const struct error *errors[] = {&background->seal_error, &background->prepare_error, &background->merge_error,
        &background->damage_error};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]) && stats->background_error.code == 0; i++)
        stats->background_error = *errors[i];
    (void)pthread_mutex_unlock(&background->lock);
}
