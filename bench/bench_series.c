/* Very many series with a few points each: inserting, sealing, merging, opening, reading one across the whole
 * history; and streams made through the catalog. bench_series [SERIES] */
#include "bench_common.h"
#include "generate.h"

#include "database.h"
#include "store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    THREADS = 16, /* each waits for its own flush: they share */
    ROUNDS = 3,   /* inserts into each series */
    BATCH_POINTS = 3,
    WATCHED_POINTS = 100, /* of a series that gets one after each hundredth of the inserts */
    READS = 200,
    STREAMS_SHARE = 10,       /* series for each stream that is made in the catalog */
    JOURNAL_BYTES = 16 << 20, /* smaller than usual: a run makes enough segments to merge */
    PATH_BYTES = 4096,
};
#define MEBIBYTE (1024.0 * 1024.0)

struct many {
    char directory[PATH_BYTES];
    uint64_t series; /* ids 1 to this; the one after them is watched */
    struct store *store;
    double read_seconds[READS];
};

struct worker {
    pthread_t thread;
    const struct many *many;
    uint64_t from, to; /* its series */
    unsigned round;
};

static void append(struct store *store, uint64_t series_id, const struct batch *points)
{
    struct error error = {0};
    struct batch view;
    int r;
    do {
        batch_slice(points, 0, points->count, &view);
        r = store_append(store, series_id, &view, 0, NULL, &error);
    } while (r == -EAGAIN); /* the sealer lags: what a client does after 503 */
    bench_must(r, &error);
}

static void *insert_some(void *argument)
{
    const struct worker *worker = argument;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint64_t id = worker->from; id < worker->to; id++) {
        batch_clear(&batch);
        for (unsigned i = 0; i < BATCH_POINTS; i++)
            bench_must(batch_push_double(&batch, GENERATE_START + worker->round * 3600 + i * 60,
                           20.0 + (double)(id % 100) / 100),
                &error);
        append(worker->many->store, id, &batch);
    }
    batch_free(&batch);
    return NULL;
}

static void insert_range(const struct many *many, unsigned round, uint64_t from, uint64_t to)
{
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.many = many,
            .round = round,
            .from = from + (to - from) * i / THREADS,
            .to = from + (to - from) * (i + 1) / THREADS};
        if (pthread_create(&workers[i].thread, NULL, insert_some, &workers[i]) != 0)
            bench_fail("no thread");
    }
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(workers[i].thread, NULL);
}

static void watch(const struct many *many, unsigned step)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    bench_must(batch_push_double(&batch, GENERATE_START + step * 60, step), &error);
    append(many->store, many->series + 1, &batch);
    batch_free(&batch);
}

static void insert_all(void *context)
{
    const struct many *many = context;
    for (unsigned step = 0; step < WATCHED_POINTS; step++) {
        uint64_t from = many->series * ROUNDS * step / WATCHED_POINTS;
        uint64_t to = many->series * ROUNDS * (step + 1) / WATCHED_POINTS;
        while (from < to) { /* to the end of a round at most */
            unsigned round = (unsigned)(from / many->series);
            uint64_t end = (uint64_t)(round + 1) * many->series;
            end = to < end ? to : end;
            insert_range(many, round, from % many->series + 1, (end - 1) % many->series + 2);
            from = end;
        }
        watch(many, step);
    }
}

static uint64_t read_series(const struct many *many, uint64_t series_id)
{
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    const struct batch *batch;
    struct error error = {0};
    uint64_t points = 0;
    bench_must(store_snapshot_open(many->store, &snapshot, &error), &error);
    bench_must(store_cursor_open(snapshot, series_id, 0, WATCHED_POINTS, false, &cursor, &error), &error);
    for (;;) {
        bench_must(store_cursor_next(cursor, &batch, &error), &error);
        if (!batch)
            break;
        points += batch->count;
    }
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
    return points;
}

static void time_reads(struct many *many, const char *when)
{
    char work[128];
    double first = 0;
    for (unsigned i = 0; i < READS; i++) {
        double start = bench_now();
        if (read_series(many, many->series + 1) != WATCHED_POINTS)
            bench_fail("the watched series has not %d points", WATCHED_POINTS);
        many->read_seconds[i] = bench_now() - start;
        first = i == 0 ? many->read_seconds[i] : first;
    }
    snprintf(work, sizeof(work), "read %d points of one series, all of history, %s", WATCHED_POINTS, when);
    bench_row_text(work, "first %.0f µs, then p50 %.0f µs, p99 %.0f µs", first * 1e6,
        bench_percentile(many->read_seconds, READS, 0.5) * 1e6,
        bench_percentile(many->read_seconds, READS, 0.99) * 1e6);
    for (unsigned i = 0; i < READS; i++) {
        double start = bench_now();
        if (read_series(many, 1 + i * (many->series - 1) / READS) != ROUNDS * BATCH_POINTS)
            bench_fail("a series has not %d points", ROUNDS * BATCH_POINTS);
        many->read_seconds[i] = bench_now() - start;
    }
    snprintf(work, sizeof(work), "read all points of a series not read before, %s", when);
    bench_row_text(work, "p50 %.0f µs, p99 %.0f µs", bench_percentile(many->read_seconds, READS, 0.5) * 1e6,
        bench_percentile(many->read_seconds, READS, 0.99) * 1e6);
}

static void seal(void *context)
{
    const struct many *many = context;
    struct error error = {0};
    bench_must(store_seal(many->store, true, &error), &error);
}

static void merge(void *context)
{
    const struct many *many = context;
    struct error error = {0};
    bench_must(store_merge(many->store, &error), &error);
}

static void open_store(void *context)
{
    struct many *many = context;
    const struct store_options options = {.journal_bytes = JOURNAL_BYTES};
    struct error error = {0};
    bench_must(store_open(many->directory, &options, &many->store, &error), &error);
}

static void close_store(struct many *many)
{
    struct error error = {0};
    bench_must(store_close(many->store, &error), &error);
    many->store = NULL;
}

static void print_segments(const struct many *many, const char *when)
{
    char work[128];
    struct store_stats stats;
    store_get_stats(many->store, &stats);
    snprintf(work, sizeof(work), "segments %s", when);
    bench_row_text(work, "%llu (%llu were merged), %.1f MB, %.1f bytes a series, %.2f a point",
        (unsigned long long)stats.segment_count, (unsigned long long)stats.merged_segments,
        (double)stats.segment_bytes / 1e6, (double)stats.segment_bytes / (double)many->series,
        (double)stats.segment_bytes / (double)stats.segment_points);
}

static void bench_store(struct many *many)
{
    char work[128];
    struct error error = {0};
    const double millions = (double)many->series / 1e6;
    if (mkdir(many->directory, 0700) < 0)
        bench_fail("mkdir %s", many->directory);
    bench_must(store_create(many->directory, NULL, &error), &error);
    open_store(many);

    struct bench_result result = bench_run(0, 1, NULL, insert_all, many);
    snprintf(work, sizeof(work), "%d inserts of %d points into each of %.3f M series, synced, %d threads",
        ROUNDS, BATCH_POINTS, millions, THREADS);
    bench_row_text(work, "%.1f s, %.0f k inserts/s, %.0f MiB", result.seconds,
        (double)many->series * ROUNDS / result.seconds / 1e3, (double)result.private_bytes / MEBIBYTE);
    result = bench_run(0, 1, NULL, seal, many);
    bench_row_text(
        "sealing the rest", "%.2f s, %.0f MiB", result.seconds, (double)result.private_bytes / MEBIBYTE);
    print_segments(many, "sealed");
    time_reads(many, "before merging");
    result = bench_run(0, 1, NULL, merge, many);
    bench_row_text("merging what is still due", "%.2f s, %.0f MiB", result.seconds,
        (double)result.private_bytes / MEBIBYTE);
    print_segments(many, "merged");
    close_store(many);
    result = bench_run(0, 1, NULL, open_store, many);
    snprintf(work, sizeof(work), "open, %.3f M series", millions);
    bench_row_text(work, "%.3f s, %.0f MiB", result.seconds, (double)result.private_bytes / MEBIBYTE);
    time_reads(many, "after opening");
    close_store(many);
    bench_remove(many->directory);
}

/* ---- the catalog ---- */

struct streams {
    char path[PATH_BYTES];
    uint64_t count;
    struct database *database;
};

static void make_streams(void *context)
{
    const struct streams *streams = context;
    struct catalog *catalog = streams->database->catalog;
    struct error error = {0};
    int64_t user_id, device_id, id;
    char name[NAME_BYTES_MAX + 1], empty[] = "", user_name[] = "bench", email[] = "bench@localhost",
                                   device_name[] = "data", schema[] = "{\"type\":\"number\"}";
    struct user user = {
        .name = user_name, .nickname = empty, .email = email, .description = empty, .icon = empty};
    struct device device = {.name = device_name,
        .nickname = empty,
        .description = empty,
        .icon = empty,
        .apikey = empty,
        .role = empty,
        .enabled = true};
    struct stream stream = {.name = name,
        .nickname = empty,
        .description = empty,
        .icon = empty,
        .schema = schema,
        .datatype = empty};
    bench_must(catalog_create_user(catalog, &user, "bench", &user_id, &error), &error);
    device.user_id = user_id;
    bench_must(catalog_create_device(catalog, &device, &device_id, &error), &error);
    stream.device_id = device_id;
    for (uint64_t i = 0; i < streams->count; i++) {
        snprintf(name, sizeof(name), "s%llu", (unsigned long long)i);
        bench_must(catalog_create_stream(catalog, &stream, &id, &error), &error);
    }
}

static void open_database(void *context)
{
    struct streams *streams = context;
    struct error error = {0};
    bench_must(database_open(streams->path, NULL, &streams->database, &error), &error);
}

static void close_database(struct streams *streams)
{
    struct error error = {0};
    bench_must(database_close(streams->database, &error), &error);
    streams->database = NULL;
}

static void bench_catalog(struct streams *streams)
{
    char work[128];
    struct error error = {0};
    bench_must(database_create(streams->path, NULL, &error), &error);
    open_database(streams);
    struct bench_result result = bench_run(0, 1, NULL, make_streams, streams);
    snprintf(work, sizeof(work), "make %.1f k streams in the catalog, each synced, one thread",
        (double)streams->count / 1e3);
    bench_row_text(work, "%.1f s, %.2f k/s, %.0f MiB", result.seconds,
        (double)streams->count / result.seconds / 1e3, (double)result.private_bytes / MEBIBYTE);
    close_database(streams);
    result = bench_run(0, 1, NULL, open_database, streams);
    snprintf(work, sizeof(work), "open a database of %.1f k streams", (double)streams->count / 1e3);
    bench_row_text(work, "%.3f s, %.0f MiB", result.seconds, (double)result.private_bytes / MEBIBYTE);
    close_database(streams);
    bench_remove(streams->path);
}

int main(int argc, char **argv)
{
    static struct many many;
    static struct streams streams;
    many.series = bench_points(argc, argv, 1000000);
    streams.count = (many.series + STREAMS_SHARE - 1) / STREAMS_SHARE;
    snprintf(many.directory, sizeof(many.directory), "%s/store", bench_directory());
    snprintf(streams.path, sizeof(streams.path), "%s/database", bench_directory());
    bench_store(&many);
    bench_catalog(&streams);
    return 0;
}
