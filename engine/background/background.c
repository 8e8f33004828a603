#include "background.h"

#include "backoff.h"
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
    RETRY_MS = 500, /* after a first failed attempt to seal or to prepare a journal; twice as long after each
                       further one */
    RETRY_MS_MOST = 10000,
    MERGE_RETRY_MS = 10000,
    MERGE_RETRY_MS_MOST = 300000,
    LOOK_AGAIN_MS = 500,
    MERGER_NICE = 10,
};

/* One kind of work: how the last attempt went and when the next one may be made; under background.c's lock.
 */
struct task {
    bool active;
    struct error error; /* code 0 = well */
    struct backoff backoff;
};

/* A thread, and whether it was told of work; under background.c's lock. */
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
    struct task allocate, prepare, seal, merge;
    struct error damage_error; /* code 0 = none: what was found in a segment that is not merged any more */
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
    background->allocate.backoff = background->prepare.backoff = background->seal.backoff =
        (struct backoff){.first_ms = RETRY_MS, .most_ms = RETRY_MS_MOST};
    background->merge.backoff = (struct backoff){.first_ms = MERGE_RETRY_MS, .most_ms = MERGE_RETRY_MS_MOST};
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

void background_wake_syncer(void *background)
{
    wake(background, &((struct background *)background)->syncing);
}

void background_wake_merger(void *background)
{
    wake(background, &((struct background *)background)->merging);
}

/* A point in time of the monotonic clock, for pthread_cond_timedwait. */
static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

static uint64_t in_ms(uint32_t ms)
{
    return clock_monotonic_ns() + (uint64_t)ms * 1000000u;
}

/* Waits until the worker is told of work or this time has come (0 = never). False = stop. */
static bool await_work(struct background *background, struct worker *worker, uint64_t until_ns)
{
    struct timespec until = timespec_of(until_ns);
    bool timed_out = false;
    (void)pthread_mutex_lock(&background->lock);
    while (!background->stop && !worker->wanted && !timed_out) {
        if (until_ns > 0)
            timed_out = pthread_cond_timedwait(&worker->wake, &background->lock, &until) == ETIMEDOUT;
        else
            (void)pthread_cond_wait(&worker->wake, &background->lock);
    }
    worker->wanted = false;
    bool go_on = !background->stop;
    (void)pthread_mutex_unlock(&background->lock);
    return go_on;
}

/* When the next attempt is to be made without being told to: 0 = never. */
static uint64_t next_attempt(struct background *background, const struct task *task)
{
    (void)pthread_mutex_lock(&background->lock);
    uint64_t due_ns = task->error.code ? task->backoff.due_ns : 0;
    (void)pthread_mutex_unlock(&background->lock);
    return due_ns;
}

static bool is_due(struct background *background, const struct task *task)
{
    (void)pthread_mutex_lock(&background->lock);
    bool due = backoff_is_due(&task->backoff, clock_monotonic_ns());
    (void)pthread_mutex_unlock(&background->lock);
    return due;
}

static void begin(struct background *background, struct task *task)
{
    (void)pthread_mutex_lock(&background->lock);
    task->active = true;
    (void)pthread_mutex_unlock(&background->lock);
}

/* Notes how an attempt went (r < 0: it failed with this error), and reports it when it failed otherwise than
 * the one before. */
static void note(struct background *background, struct task *task, int r, const struct error *error)
{
    (void)pthread_mutex_lock(&background->lock);
    bool news = r < 0 && error->code != task->error.code;
    task->active = false;
    task->error = r < 0 ? *error : (struct error){0};
    backoff_note(&task->backoff, r < 0, clock_monotonic_ns());
    (void)pthread_mutex_unlock(&background->lock);
    if (news && background->options->report)
        background->options->report(background->options->report_context, error);
}

/* ---- the kinds of work ---- */

/* As sealer_allocate_blocks. */
static int allocate_blocks(struct background *background, struct error *ret_error)
{
    struct error error = {0};
    begin(background, &background->allocate);
    int r = sealer_allocate_blocks(&background->sealer, &error);
    note(background, &background->allocate, r, &error);
    if (r < 0)
        *ret_error = error;
    return r;
}

/* As sealer_prepare_spare. */
static int prepare_spare(struct background *background, struct error *ret_error)
{
    struct error error = {0};
    begin(background, &background->prepare);
    int r = sealer_prepare_spare(&background->sealer, &error);
    note(background, &background->prepare, r, &error);
    if (r < 0)
        *ret_error = error;
    return r;
}

/* As sealer_seal_next. */
static int seal_next(struct background *background, struct error *ret_error)
{
    struct error error = {0};
    uint64_t bytes;
    begin(background, &background->seal);
    int r = sealer_seal_next(&background->sealer, &bytes, &error);
    note(background, &background->seal, r, &error);
    if (r == 0)
        return 0;
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
    begin(background, &background->merge);
    int r = merger_merge_next(background->merger, &result, ret_error);
    (void)pthread_mutex_lock(&background->lock);
    background->merge.active = false;
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

/* The earlier of two times, of which 0 is never. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A failed step is retried when its interval has passed and not earlier, however often waiting appenders wake
 * this thread. */
static void *run_sealer(void *argument)
{
    struct background *background = argument;
    uint64_t until_ns = 0;
    while (await_work(background, &background->sealing, until_ns)) {
        struct error error;
        int sealed;
        do {
            if (is_due(background, &background->allocate))
                (void)allocate_blocks(background, &error);
            if (is_due(background, &background->prepare))
                (void)prepare_spare(background, &error);
            sealed = is_due(background, &background->seal) ? seal_next(background, &error) : 0;
        } while (sealed == 1);
        until_ns = earlier(
            next_attempt(background, &background->prepare), next_attempt(background, &background->seal));
        until_ns = earlier(until_ns, next_attempt(background, &background->allocate));
    }
    return NULL;
}

static void *run_merger(void *argument)
{
    struct background *background = argument;
    (void)setpriority(
        PRIO_PROCESS, (id_t)gettid(), MERGER_NICE); /* refused at worst: then it is as nice as it can */
    while (await_work(background, &background->merging, next_attempt(background, &background->merge))) {
        struct error error = {0};
        if (!is_due(background, &background->merge))
            continue;
        int r = merge_all(background, &error);
        note(background, &background->merge, r, &error);
    }
    return NULL;
}

/* Waits until this time, or the end. False = stop. */
static bool await_time(struct background *background, uint64_t until_ns)
{
    struct timespec until = timespec_of(until_ns);
    int r = 0;
    (void)pthread_mutex_lock(&background->lock);
    while (!background->stop && r == 0)
        r = pthread_cond_timedwait(&background->syncing.wake, &background->lock, &until);
    bool go_on = !background->stop;
    (void)pthread_mutex_unlock(&background->lock);
    return go_on;
}

/* What is written wakes it; an interval later it syncs all that was written until then. What is written
 * meanwhile lets it go on, so that nothing waits for longer than an interval, and while nothing is written it
 * sleeps. */
static void *run_syncer(void *argument)
{
    struct background *background = argument;
    while (await_work(background, &background->syncing, 0) &&
           await_time(background, in_ms(background->options->fsync_interval_ms)))
        (void)sealer_sync_active(&background->sealer, NULL);
    return NULL;
}

static int start(
    struct background *background, struct worker *worker, void *(*run)(void *), struct error *ret_error)
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
    background->sealing.wanted = background->merging.wanted = background->syncing.wanted =
        true; /* before there is a thread that writes them under the lock */
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
    int blocks = allocate_blocks(background, &error);
    int r = blocks < 0 ? blocks : prepare_spare(background, &error);
    if (r == 0)
        r = blocks;
    if (r == 0)
        r = seal_next(background, &error);
    if (r == 0) {
        r = merge_next(background, &error);
        note(background, &background->merge, r, &error);
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
    struct timespec look_again = timespec_of(in_ms(LOOK_AGAIN_MS));
    (void)pthread_mutex_lock(&background->lock);
    if (background->sealed_journals == sealed && background->seal.error.code == 0)
        (void)pthread_cond_timedwait(&background->attempted, &background->lock, &look_again);
    struct error error = background->seal.error;
    (void)pthread_mutex_unlock(&background->lock);
    return error.code ? error_set(ret_error, error.code, "%s", error.message) : 0;
}

/* An explicit request gets one attempt at once. */
static void skip_backoff(struct background *background)
{
    (void)pthread_mutex_lock(&background->lock);
    background->seal.error = (struct error){0};
    backoff_skip(&background->seal.backoff);
    backoff_skip(&background->prepare.backoff);
    backoff_skip(&background->allocate.backoff);
    (void)pthread_mutex_unlock(&background->lock);
    background_wake_sealer(background);
}

int background_seal(struct background *background, bool active, struct error *ret_error)
{
    skip_backoff(background);
    int r = active ? commit_rotate(background->sealer.commit, ret_error) : 0;
    if (r == 0 && background->options->no_threads)
        return seal_all(background, ret_error);
    while (r == 0 && sealer_is_due(&background->sealer)) {
        (void)pthread_mutex_lock(&background->lock);
        uint64_t sealed = background->sealed_journals;
        (void)pthread_mutex_unlock(&background->lock);
        /* A journal that was closed when the journal died may hold frames that never became valid: it is not
         * sealed. */
        r = commit_check_alive(background->sealer.commit, ret_error);
        if (r == 0) {
            background_wake_sealer(background);
            r = await_attempt(background, sealed, ret_error);
        }
    }
    return r;
}

void background_get_stats(struct background *background, struct store_stats *stats)
{
    (void)pthread_mutex_lock(&background->lock);
    stats->sealed_journals = background->sealed_journals;
    stats->sealed_bytes_written = background->sealed_bytes;
    stats->merged_segments = background->merged_segments;
    stats->merged_bytes_written = background->merged_bytes;
    const struct error *errors[] = {&background->seal.error, &background->prepare.error,
        &background->allocate.error, &background->merge.error, &background->damage_error};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]) && stats->background_error.code == 0; i++)
        stats->background_error = *errors[i];
    (void)pthread_mutex_unlock(&background->lock);
}

void background_get_metrics(struct background *background, struct store_metrics *metrics)
{
    const struct task *tasks[STORE_TASKS] = {
        [STORE_TASK_ALLOCATE] = &background->allocate,
        [STORE_TASK_PREPARE] = &background->prepare,
        [STORE_TASK_SEAL] = &background->seal,
        [STORE_TASK_MERGE] = &background->merge,
    };
    (void)pthread_mutex_lock(&background->lock);
    for (size_t i = 0; i < STORE_TASKS; i++) {
        metrics->tasks[i].active = tasks[i]->active;
        metrics->tasks[i].error = tasks[i]->error;
    }
    metrics->damage = background->damage_error;
    (void)pthread_mutex_unlock(&background->lock);
}
