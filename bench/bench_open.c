/* How long a store takes to open: after a kill, and with very many series. bench_open [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "store.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH_POINTS = 1000, SERIES_SHARE = 10, SERIES_OF_POINTS = 100, PATH_BYTES = 4096 };

struct opening {
    char directory[PATH_BYTES];
    uint64_t points;
    struct store *store;
};

static void make_store(const struct opening *opening, struct store **ret_store)
{
    struct error error = {0};
    if (mkdir(opening->directory, 0700) < 0)
        bench_fail("mkdir %s", opening->directory);
    bench_must(store_create(opening->directory, NULL, &error), &error);
    bench_must(store_open(opening->directory, NULL, ret_store, &error), &error);
}

static void append_points(struct store *store, uint64_t points)
{
    struct generator generators[SERIES_OF_POINTS];
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint64_t i = 0; i < SERIES_OF_POINTS; i++)
        generator_init(&generators[i], GENERATE_SENSOR, i);
    for (uint64_t done = 0; done < points; done += batch.count) {
        uint64_t series = done / BATCH_POINTS % SERIES_OF_POINTS;
        batch_clear(&batch);
        bench_must(generator_fill(&generators[series], &batch, BATCH_POINTS), &error);
        bench_must(store_append(store, series + 1, &batch, 0, NULL, &error), &error);
    }
    batch_free(&batch);
}

static void close_and_remove(struct opening *opening)
{
    struct error error = {0};
    bench_must(store_close(opening->store, &error), &error);
    opening->store = NULL;
    bench_remove(opening->directory);
}

/* A child writes and is gone without closing, as after kill -9. */
static void write_and_die(void *context)
{
    struct opening *opening = context;
    int status;
    if (opening->store)
        close_and_remove(opening);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct store *store;
        make_store(opening, &store);
        append_points(store, opening->points);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        bench_fail("the writing child failed");
}

static void open_store(void *context)
{
    struct opening *opening = context;
    struct error error = {0};
    bench_must(store_open(opening->directory, NULL, &opening->store, &error), &error);
}

static void close_store(void *context)
{
    struct opening *opening = context;
    struct error error = {0};
    bench_must(store_close(opening->store, &error), &error);
    opening->store = NULL;
}

static void load_series(struct store *store, uint64_t series_count)
{
    struct store_bulk *bulk;
    struct store_bulk_writer *writer;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    bench_must(batch_push_double(&batch, GENERATE_START, 20.5), &error);
    bench_must(store_bulk_open(store, "bench", false, &bulk, &error), &error);
    bench_must(store_bulk_writer_open(bulk, &writer, &error), &error);
    for (uint64_t i = 1; i <= series_count; i++) {
        bench_must(store_bulk_series(writer, i, 0, &error), &error);
        bench_must(store_bulk_append(writer, &batch, &error), &error);
    }
    bench_must(store_bulk_writer_finish(writer, &error), &error);
    store_bulk_writer_close(writer);
    bench_must(store_bulk_publish(bulk, &error), &error);
    store_bulk_close(bulk, false);
    batch_free(&batch);
}

static void check_series(const struct opening *opening, uint64_t series_id, uint64_t length)
{
    struct store_snapshot *snapshot;
    struct store_series series;
    struct error error = {0};
    bench_must(store_snapshot_open(opening->store, &snapshot, &error), &error);
    bench_must(store_snapshot_series(snapshot, series_id, &series, &error), &error);
    store_snapshot_close(snapshot);
    if (series.length != length)
        bench_fail(
            "series %llu has %llu points", (unsigned long long)series_id, (unsigned long long)series.length);
}

int main(int argc, char **argv)
{
    static struct opening opening;
    char work[128];
    opening.points = (bench_points(argc, argv, 10000000) + BATCH_POINTS - 1) / BATCH_POINTS * BATCH_POINTS;
    snprintf(opening.directory, sizeof(opening.directory), "%s/store", bench_directory());

    struct bench_result result = bench_run(0, 5, write_and_die, open_store, &opening);
    uint64_t batches = opening.points / BATCH_POINTS;
    check_series(&opening, 1, (batches + SERIES_OF_POINTS - 1) / SERIES_OF_POINTS * BATCH_POINTS);
    snprintf(work, sizeof(work), "open after a kill, %.1f M points", (double)opening.points / 1e6);
    bench_row_text(work, "%.3f s, %.1f MiB", result.seconds, (double)result.private_bytes / (1 << 20));
    close_and_remove(&opening);

    uint64_t series_count = opening.points / SERIES_SHARE;
    make_store(&opening, &opening.store);
    load_series(opening.store, series_count);
    struct store_stats stats;
    store_get_stats(opening.store, &stats);
    close_store(&opening);
    result = bench_run(0, 1, NULL, open_store, &opening);
    check_series(&opening, series_count, 1);
    snprintf(work, sizeof(work), "open, %.2f M series of one point", (double)series_count / 1e6);
    bench_row_text(work, "%.3f s, %.1f MiB, %.0f bytes a series", result.seconds,
        (double)result.private_bytes / (1 << 20), (double)stats.segment_bytes / (double)series_count);
    close_and_remove(&opening);
    return 0;
}
