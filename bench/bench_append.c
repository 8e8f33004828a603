/* Synced inserts into the store, without HTTP and JSON. bench_append [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { THREADS_MAX = 32, PATH_BYTES = 4096 };

struct writer {
    struct appending *all;
    pthread_t thread;
    uint64_t series_id;
    struct batch *batches;
    size_t batch_count;
    double *seconds; /* per append */
};

struct appending {
    char directory[PATH_BYTES];
    struct store *store;
    struct writer writers[THREADS_MAX];
    unsigned threads;
};

static void close_store(struct appending *appending)
{
    struct error error = {0};
    bench_must(store_close(appending->store, &error), &error);
    appending->store = NULL;
    bench_remove(appending->directory);
}

/* An empty store before every run. */
static void open_store(void *context)
{
    struct appending *appending = context;
    struct error error = {0};
    if (appending->store)
        close_store(appending);
    if (mkdir(appending->directory, 0700) < 0)
        bench_fail("mkdir %s", appending->directory);
    bench_must(store_create(appending->directory, NULL, &error), &error);
    bench_must(store_open(appending->directory, NULL, &appending->store, &error), &error);
}

static void *write_batches(void *argument)
{
    struct writer *writer = argument;
    struct error error = {0};
    for (size_t i = 0; i < writer->batch_count; i++) {
        double started = bench_now();
        int r = store_append(writer->all->store, writer->series_id, &writer->batches[i], 0, NULL, &error);
        bench_must(r, &error);
        writer->seconds[i] = bench_now() - started;
    }
    return NULL;
}

static void append_all(void *context)
{
    struct appending *appending = context;
    for (unsigned i = 0; i < appending->threads; i++)
        if (pthread_create(&appending->writers[i].thread, NULL, write_batches, &appending->writers[i]) != 0)
            bench_fail("no thread");
    for (unsigned i = 0; i < appending->threads; i++)
        pthread_join(appending->writers[i].thread, NULL);
}

static void make_batches(struct writer *writer, size_t batch_count, uint32_t batch_points)
{
    struct generator generator;
    generator_init(&generator, GENERATE_SENSOR, writer->series_id);
    writer->batch_count = batch_count;
    writer->batches = calloc(batch_count, sizeof(*writer->batches));
    writer->seconds = calloc(batch_count, sizeof(*writer->seconds));
    if (!writer->batches || !writer->seconds)
        bench_fail("no memory for %zu batches", batch_count);
    for (size_t i = 0; i < batch_count; i++) {
        batch_init(&writer->batches[i]);
        bench_must(generator_fill(&generator, &writer->batches[i], batch_points), &(struct error){0});
    }
}

static void free_batches(struct writer *writer)
{
    for (size_t i = 0; i < writer->batch_count; i++)
        batch_free(&writer->batches[i]);
    free(writer->batches);
    free(writer->seconds);
}

/* The latencies of the last run, all threads together. */
static void report_latency(const struct appending *appending, const char *work)
{
    size_t count = 0, batch_count = appending->writers[0].batch_count;
    double *seconds = calloc(appending->threads * batch_count, sizeof(*seconds));
    if (!seconds)
        bench_fail("no memory for latencies");
    for (unsigned i = 0; i < appending->threads; i++)
        for (size_t j = 0; j < batch_count; j++)
            seconds[count++] = appending->writers[i].seconds[j];
    double p50 = bench_percentile(seconds, count, 0.5), p99 = bench_percentile(seconds, count, 0.99);
    bench_row_text(work, "p50 %.2f ms, p99 %.2f ms", p50 * 1e3, p99 * 1e3);
    free(seconds);
}

static void bench_threads(
    struct appending *appending, unsigned threads, uint64_t points, uint32_t batch_points)
{
    char work[128];
    size_t batch_count = (size_t)(points / threads / batch_points);
    if (batch_count == 0)
        batch_count = 1;
    appending->threads = threads;
    for (unsigned i = 0; i < threads; i++) {
        appending->writers[i].all = appending;
        appending->writers[i].series_id = i + 1;
        make_batches(&appending->writers[i], batch_count, batch_points);
    }
    struct bench_result result = bench_run(1, 5, open_store, append_all, appending);
    snprintf(work, sizeof(work), "store append, synced, %u point%s at once, %u thread%s", batch_points,
        batch_points == 1 ? "" : "s", threads, threads == 1 ? "" : "s");
    bench_row(work, (uint64_t)batch_count * batch_points * threads, 0, 0, &result);
    snprintf(work, sizeof(work), "… its latency");
    report_latency(appending, work);
    for (unsigned i = 0; i < threads; i++)
        free_batches(&appending->writers[i]);
    close_store(appending);
}

int main(int argc, char **argv)
{
    static struct appending appending;
    uint64_t points = bench_points(argc, argv, 4000000);
    snprintf(appending.directory, sizeof(appending.directory), "%s/store", bench_directory());
    bench_threads(&appending, 1, points, 1000);
    bench_threads(&appending, 4, points, 1000);
    bench_threads(&appending, 1, points / 400, 1);
    bench_threads(&appending, 32, points / 100, 1);
    return 0;
}
