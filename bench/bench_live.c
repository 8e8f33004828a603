/* What live subscribers cost the inserts: four threads insert single points, synced, with nobody subscribed,
 * with subscribers that read everything, and with one that takes nothing for a long time. bench_live [POINTS]
 */
#include "bench_common.h"

#include "live.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { APPENDERS = 4, SUBSCRIBERS = 8, ROUNDS = 5 };

struct stage {
    struct store *store;
    struct live *live;
    uint64_t inserts; /* of each appender */
    double *seconds;  /* of all inserts of a round */
    _Atomic size_t seconds_count;
    atomic_bool stop;
    _Atomic uint64_t delivered;
};

struct thread {
    struct stage *stage;
    pthread_t id;
    uint64_t series_id;
    sem_t woken;
};

static void *append_on(void *argument)
{
    struct thread *thread = argument;
    struct stage *stage = thread->stage;
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = 0; i < stage->inserts; i++) {
        batch_clear(&batch);
        bench_must(batch_push_integer(&batch, __builtin_nan(""), (int64_t)i), &error);
        double started = bench_now();
        bench_must(store_append(stage->store, thread->series_id, &batch, 0, NULL, &error), &error);
        stage->seconds[atomic_fetch_add(&stage->seconds_count, 1)] = bench_now() - started;
    }
    batch_free(&batch);
    return NULL;
}

static void post(void *semaphore)
{
    (void)sem_post(semaphore);
}

static uint64_t read_range(struct store *store, uint64_t series_id, struct live_range range)
{
    struct error error = {0};
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    const struct batch *batch;
    uint64_t points = 0;
    bench_must(store_snapshot_open(store, &snapshot, &error), &error);
    bench_must(
        store_cursor_open(snapshot, series_id, range.first, range.end, false, &cursor, &error), &error);
    while (bench_must(store_cursor_next(cursor, &batch, &error), &error), batch)
        points += batch->count;
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
    return points;
}

static void *subscribe_on(void *argument)
{
    struct thread *thread = argument;
    struct stage *stage = thread->stage;
    struct live_subscription *subscription;
    struct live_range range;
    struct error error = {0};
    bench_must(live_subscribe(stage->live, thread->series_id, LIVE_FROM_NOW, post, &thread->woken,
                   &subscription, &error),
        &error);
    while (!atomic_load(&stage->stop)) {
        if (live_next(subscription, &range) == 1)
            atomic_fetch_add(&stage->delivered, read_range(stage->store, thread->series_id, range));
        else
            (void)sem_wait(&thread->woken);
    }
    live_unsubscribe(subscription);
    return NULL;
}

static void start(struct thread *threads, unsigned count, struct stage *stage, void *(*work)(void *))
{
    for (unsigned i = 0; i < count; i++) {
        threads[i].stage = stage;
        threads[i].series_id = 1 + i % APPENDERS;
        (void)sem_init(&threads[i].woken, 0, 0);
        if (pthread_create(&threads[i].id, NULL, work, &threads[i]) != 0)
            bench_fail("no thread");
    }
}

static void join(struct thread *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)sem_post(&threads[i].woken);
        (void)pthread_join(threads[i].id, NULL);
        (void)sem_destroy(&threads[i].woken);
    }
}

static void insert_all(struct stage *stage, double *ret_p50, double *ret_p99)
{
    struct thread appenders[APPENDERS];
    atomic_store(&stage->seconds_count, 0);
    start(appenders, APPENDERS, stage, append_on);
    join(appenders, APPENDERS);
    *ret_p50 = bench_percentile(stage->seconds, stage->seconds_count, 0.5);
    *ret_p99 = bench_percentile(stage->seconds, stage->seconds_count, 0.99);
}

enum audience { NOBODY, READERS, IDLER, AUDIENCES };

static void insert_before(struct stage *stage, enum audience audience, double *ret_p50, double *ret_p99)
{
    struct thread readers[SUBSCRIBERS];
    struct live_subscription *idler = NULL;
    struct error error = {0};
    sem_t woken;
    (void)sem_init(&woken, 0, 0);
    atomic_store(&stage->stop, false);
    if (audience == READERS)
        start(readers, SUBSCRIBERS, stage, subscribe_on);
    if (audience == IDLER)
        bench_must(live_subscribe(stage->live, 1, LIVE_FROM_NOW, post, &woken, &idler, &error), &error);
    insert_all(stage, ret_p50, ret_p99);
    atomic_store(&stage->stop, true);
    if (audience == READERS)
        join(readers, SUBSCRIBERS);
    live_unsubscribe(idler);
    (void)sem_destroy(&woken);
}

int main(int argc, char **argv)
{
    static const char *const NAMES[] = {
        "nobody subscribed", "8 subscribers that read all", "a subscriber that takes nothing"};
    static struct stage stage;
    struct error error = {0};
    double p50[AUDIENCES][ROUNDS], p99[AUDIENCES][ROUNDS], warm;
    stage.inserts = bench_points(argc, argv, 40000) / APPENDERS;
    stage.seconds = calloc(APPENDERS * stage.inserts, sizeof(*stage.seconds));
    if (!stage.seconds)
        bench_fail("no memory");
    bench_must(store_create(bench_directory(), NULL, &error), &error);
    bench_must(store_open(bench_directory(), NULL, &stage.store, &error), &error);
    bench_must(live_start(stage.store, &stage.live, &error), &error);
    insert_before(&stage, NOBODY, &warm, &warm);
    for (unsigned round = 0; round < ROUNDS;
         round++) /* in turn, so that the machine's moods meet all of them */
        for (unsigned audience = 0; audience < AUDIENCES; audience++)
            insert_before(&stage, audience, &p50[audience][round], &p99[audience][round]);
    for (unsigned audience = 0; audience < AUDIENCES; audience++) {
        char work[128];
        double ratios[ROUNDS];
        for (unsigned round = 0; round < ROUNDS; round++)
            ratios[round] = p99[audience][round] / p99[NOBODY][round];
        (void)snprintf(work, sizeof(work), "single inserts, 4 threads, %s", NAMES[audience]);
        bench_row_text(work, "p50 %.3f ms, p99 %.3f ms (%.2f times nobody's)",
            bench_percentile(p50[audience], ROUNDS, 0.5) * 1e3,
            bench_percentile(p99[audience], ROUNDS, 0.5) * 1e3, bench_percentile(ratios, ROUNDS, 0.5));
    }
    live_stop(stage.live);
    bench_must(store_close(stage.store, &error), &error);
    free(stage.seconds);
    return 0;
}
