/* One very long stream, imported from its data.json, read by range in its middle, exported; and a tenth of it
 * before that, to show what grows with it. bench_large [POINTS]; needs about 35 bytes of disk a point (300M:
 * 11 GB). */
#include "bench_common.h"
#include "generate.h"

#include "database.h"
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { RANGE_POINTS = 1000, READS = 200, PATH_BYTES = 4096 };
#define MEBIBYTE (1024.0 * 1024.0)

struct large {
    char source[PATH_BYTES], target[PATH_BYTES], database_path[PATH_BYTES];
    struct database *database;
    uint64_t points, text_bytes;
    uint64_t series_id;
};

static void open_database(void *context)
{
    struct large *large = context;
    struct error error = {0};
    bench_must(database_open(large->database_path, NULL, &large->database, &error), &error);
}

static void close_database(struct large *large)
{
    struct error error = {0};
    bench_must(database_close(large->database, &error), &error);
    large->database = NULL;
}

static void must_be_all(const struct large *large, const struct transfer_result *result)
{
    if (result->points != large->points)
        bench_fail("%llu points instead of %llu", (unsigned long long)result->points,
            (unsigned long long)large->points);
}

static void import_folder(void *context)
{
    struct large *large = context;
    struct transfer_result result;
    struct error error = {0};
    bench_must(
        import_database(large->database, large->source, &(struct transfer_options){0}, &result, &error),
        &error);
    must_be_all(large, &result);
}

static void export_folder(void *context)
{
    struct large *large = context;
    struct transfer_result result;
    struct error error = {0};
    bench_must(
        export_database(large->database, large->target, &(struct transfer_options){0}, &result, &error),
        &error);
    must_be_all(large, &result);
}

/* The points are there; that their text is as long as what was imported says more. */
static void check_text(const struct large *large)
{
    char path[PATH_BYTES + 64];
    struct stat status;
    snprintf(path, sizeof(path), "%s/bench/data/s0/data.json", large->target);
    if (stat(path, &status) < 0 || (uint64_t)status.st_size != large->text_bytes)
        bench_fail("%s is not as long as what was imported, %llu bytes", path,
            (unsigned long long)large->text_bytes);
}

static void find_series(struct large *large)
{
    struct stream stream;
    struct error error = {0};
    bench_must(
        catalog_stream_by_name(large->database->catalog, "bench", "data", "s0", &stream, &error), &error);
    large->series_id = stream.series_id;
    stream_free(&stream);
}

/* RANGE_POINTS from the first one after a time, as a request for ?t1= does it. */
static void read_from_time(const struct large *large, double time)
{
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    const struct batch *batch;
    struct error error = {0};
    uint64_t first, points = 0;
    struct store *store = large->database->store;
    bench_must(store_snapshot_open(store, &snapshot, &error), &error);
    bench_must(store_snapshot_index_of_time(snapshot, large->series_id, time, &first, &error), &error);
    bench_must(
        store_cursor_open(snapshot, large->series_id, first, first + RANGE_POINTS, false, &cursor, &error),
        &error);
    for (;;) {
        bench_must(store_cursor_next(cursor, &batch, &error), &error);
        if (!batch)
            break;
        if (points == 0 && batch_time(batch, 0) <= time)
            bench_fail("the range from %.3f begins with %.3f", time, batch_time(batch, 0));
        points += batch->count;
    }
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
    if (points != RANGE_POINTS)
        bench_fail("%llu points from %.3f on", (unsigned long long)points, time);
}

static void time_reads(const struct large *large)
{
    static double seconds[READS];
    const double span = (double)(large->points - 2 * RANGE_POINTS);
    char work[128];
    double start = bench_now();
    read_from_time(large, GENERATE_START + span / 2);
    double first = bench_now() - start;
    for (unsigned i = 0; i < READS; i++) {
        start = bench_now();
        read_from_time(large, GENERATE_START + span * (i * 7919 % READS) / READS);
        seconds[i] = bench_now() - start;
    }
    snprintf(work, sizeof(work), "range of %d points by time, %.1f M points", RANGE_POINTS,
        (double)large->points / 1e6);
    bench_row_text(work, "in the middle, first after opening %.2f ms; anywhere p50 %.3f ms, p99 %.3f ms",
        first * 1e3, bench_percentile(seconds, READS, 0.5) * 1e3,
        bench_percentile(seconds, READS, 0.99) * 1e3);
}

static void bench_size(struct large *large, uint64_t points)
{
    char work[128];
    struct store_stats stats;
    struct error error = {0};
    large->points = points;
    bench_must(
        generate_export(large->source, GENERATE_SENSOR, 1, points, &large->text_bytes, &error), &error);
    bench_must(database_create(large->database_path, NULL, &error), &error);
    open_database(large);
    struct bench_result result = bench_run(0, 1, NULL, import_folder, large);
    bench_remove(large->source);
    store_get_stats(large->database->store, &stats);
    snprintf(work, sizeof(work), "import one stream of %.1f M points, G", (double)points / 1e6);
    bench_row(work, points, large->text_bytes, stats.segment_bytes, &result);
    find_series(large);
    close_database(large);

    result = bench_run(0, 1, NULL, open_database, large);
    snprintf(work, sizeof(work), "open, one stream of %.1f M points", (double)points / 1e6);
    bench_row_text(work, "%.3f s, %.1f MiB", result.seconds, (double)result.private_bytes / MEBIBYTE);
    time_reads(large);
    result = bench_run(0, 1, NULL, export_folder, large);
    snprintf(work, sizeof(work), "export one stream of %.1f M points, G", (double)points / 1e6);
    bench_row(work, points, large->text_bytes, 0, &result);
    close_database(large);
    check_text(large);
    bench_remove(large->target);
    bench_remove(large->database_path);
}

int main(int argc, char **argv)
{
    static struct large large;
    uint64_t points = bench_points(argc, argv, 30000000);
    const char *directory = bench_directory();
    snprintf(large.source, sizeof(large.source), "%s/source", directory);
    snprintf(large.target, sizeof(large.target), "%s/target", directory);
    snprintf(large.database_path, sizeof(large.database_path), "%s/database", directory);
    if (points < 40 * RANGE_POINTS) /* a test: too few for reading ranges in a tenth */
        points = 4 * RANGE_POINTS;
    else
        bench_size(&large, points / 10);
    bench_size(&large, points);
    return 0;
}
