/* Sealing journals into segments: speed, bytes per point, and how long inserts take meanwhile and during a
 * bulk load. bench_seal [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    SERIES = 50,
    BATCH_POINTS = 1000,
    SMALL_BATCH_POINTS = 100,
    SMALL_JOURNAL_BYTES = 512 << 10,
    LOADED_BATCHES = 100,
    LOADED_BATCH_POINTS = 4096,
    PATH_BYTES = 4096
};

struct sealing {
    char directory[PATH_BYTES];
    struct store *store;
    enum generate_kind kind;
    uint64_t points;
    struct generator generators[SERIES];
    atomic_bool inserting;
    double *seconds; /* per insert */
    size_t insert_count;
};

static void open_store(struct sealing *sealing, uint64_t journal_bytes)
{
    struct error error = {0};
    struct store_options options = {.journal_bytes = journal_bytes, .wait_ms_max = 60000};
    if (mkdir(sealing->directory, 0700) < 0)
        bench_fail("mkdir %s", sealing->directory);
    bench_must(store_create(sealing->directory, NULL, &error), &error);
    bench_must(store_open(sealing->directory, &options, &sealing->store, &error), &error);
    for (uint64_t i = 0; i < SERIES; i++)
        generator_init(&sealing->generators[i], sealing->kind, i);
}

static void close_store(struct sealing *sealing)
{
    struct error error = {0};
    bench_must(store_close(sealing->store, &error), &error);
    sealing->store = NULL;
    bench_remove(sealing->directory);
}

static double append(struct sealing *sealing, uint64_t series, uint32_t points, struct batch *batch)
{
    struct error error = {0};
    batch_clear(batch);
    bench_must(generator_fill(&sealing->generators[series], batch, points), &error);
    double started = bench_now();
    bench_must(store_append(sealing->store, series + 1, batch, 0, NULL, &error), &error);
    return bench_now() - started;
}

/* A size of journal that holds all points, if that is possible. */
static uint64_t roomy_journal(const struct sealing *sealing)
{
    uint64_t point_bytes = sealing->kind == GENERATE_EVENTS ? 200 : 24;
    uint64_t bytes = (sealing->points * point_bytes / 4096 + 256) * 4096;
    return bytes < 1 << 30 ? bytes : 1 << 30;
}

/* An unsealed store of sealing->points points. */
static void fill_journals(void *context)
{
    struct sealing *sealing = context;
    if (sealing->store)
        close_store(sealing);
    open_store(sealing, roomy_journal(sealing));
    struct batch batch;
    batch_init(&batch);
    for (uint64_t done = 0; done < sealing->points; done += BATCH_POINTS)
        (void)append(sealing, done / BATCH_POINTS % SERIES, BATCH_POINTS, &batch);
    batch_free(&batch);
}

static void seal(void *context)
{
    struct sealing *sealing = context;
    struct error error = {0};
    bench_must(store_seal(sealing->store, true, &error), &error);
}

static void bench_kind(struct sealing *sealing, enum generate_kind kind)
{
    char work[128];
    struct store_stats stats;
    sealing->kind = kind;
    struct bench_result result = bench_run(0, 5, fill_journals, seal, sealing);
    store_get_stats(sealing->store, &stats);
    snprintf(work, sizeof(work), "seal a journal of %d series, %s", SERIES, generate_name(kind));
    bench_row(work, stats.segment_points, 0, stats.segment_bytes, &result);
    close_store(sealing);
}

/* ---- inserts while something else goes on ---- */

static void insert_all(struct sealing *sealing)
{
    struct batch batch;
    batch_init(&batch);
    sealing->insert_count = 0;
    for (uint64_t done = 0; done < sealing->points; done += SMALL_BATCH_POINTS)
        sealing->seconds[sealing->insert_count++] =
            append(sealing, done / SMALL_BATCH_POINTS % SERIES, SMALL_BATCH_POINTS, &batch);
    batch_free(&batch);
}

static void report_inserts(struct sealing *sealing, const char *work)
{
    struct store_stats stats;
    store_get_stats(sealing->store, &stats);
    double p50 = bench_percentile(sealing->seconds, sealing->insert_count, 0.5);
    double p99 = bench_percentile(sealing->seconds, sealing->insert_count, 0.99);
    double most = bench_percentile(sealing->seconds, sealing->insert_count, 1);
    bench_row_text(work,
        "p50 %.2f ms, p99 %.2f ms, most %.1f ms (%llu journals sealed, %llu segments merged, %llu inserts "
        "waited)",
        p50 * 1e3, p99 * 1e3, most * 1e3, (unsigned long long)stats.sealed_journals,
        (unsigned long long)stats.merged_segments, (unsigned long long)stats.inserts_waited);
}

/* One segment of one series. */
static void load_segment(struct sealing *sealing, uint64_t series)
{
    struct generator generator;
    struct store_bulk *bulk;
    struct store_bulk_writer *writer;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    generator_init(&generator, GENERATE_SENSOR, series);
    bench_must(store_bulk_open(sealing->store, "bench", false, &bulk, &error), &error);
    bench_must(store_bulk_writer_open(bulk, &writer, &error), &error);
    bench_must(store_bulk_series(writer, series, 0, &error), &error);
    for (int i = 0; i < LOADED_BATCHES && atomic_load(&sealing->inserting); i++) {
        batch_clear(&batch);
        bench_must(generator_fill(&generator, &batch, LOADED_BATCH_POINTS), &error);
        bench_must(store_bulk_append(writer, &batch, &error), &error);
    }
    bench_must(store_bulk_writer_finish(writer, &error), &error);
    store_bulk_writer_close(writer);
    bench_must(store_bulk_publish(bulk, &error), &error);
    store_bulk_close(bulk, false);
    batch_free(&batch);
}

/* Loads segment upon segment, which the merger merges meanwhile. */
static void *load_on(void *argument)
{
    struct sealing *sealing = argument;
    for (uint64_t series = 1000; atomic_load(&sealing->inserting); series++)
        load_segment(sealing, series);
    return NULL;
}

static void bench_inserts(struct sealing *sealing, uint64_t journal_bytes, const char *work)
{
    open_store(sealing, journal_bytes);
    insert_all(sealing);
    report_inserts(sealing, work);
    close_store(sealing);
}

static void bench_inserts_beside_load(struct sealing *sealing)
{
    pthread_t loader;
    open_store(sealing, SMALL_JOURNAL_BYTES);
    atomic_store(&sealing->inserting, true);
    if (pthread_create(&loader, NULL, load_on, sealing) != 0)
        bench_fail("no thread");
    insert_all(sealing);
    atomic_store(&sealing->inserting, false);
    pthread_join(loader, NULL);
    report_inserts(sealing, "… while sealing, merging and loading in bulk");
    close_store(sealing);
}

int main(int argc, char **argv)
{
    static struct sealing sealing;
    sealing.points = bench_points(argc, argv, 500000);
    sealing.seconds = calloc(sealing.points / SMALL_BATCH_POINTS + 1, sizeof(*sealing.seconds));
    if (!sealing.seconds)
        bench_fail("no memory for latencies");
    snprintf(sealing.directory, sizeof(sealing.directory), "%s/store", bench_directory());
    for (int kind = 0; kind < GENERATE_KINDS; kind++)
        bench_kind(&sealing, (enum generate_kind)kind);
    sealing.kind = GENERATE_SENSOR;
    bench_inserts(&sealing, roomy_journal(&sealing), "store append, 100 points at once, no sealing");
    bench_inserts(&sealing, SMALL_JOURNAL_BYTES, "… while sealing and merging");
    bench_inserts_beside_load(&sealing);
    free(sealing.seconds);
    return 0;
}
