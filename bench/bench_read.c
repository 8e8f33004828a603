/* Reading from segments: whole series as JSON, what scripts make of them, single points, short ranges.
 * bench_read [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "points_output.h"
#include "series_print.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SINK_BYTES = 256 << 10,
    LOOKUPS_MAX = 10000,
    RANGE_POINTS = 1000,
    LOAD_POINTS = 4096,
    PATH_BYTES = 4096,
};

struct reading {
    struct store *store;
    uint64_t series_id;
    uint64_t points; /* of each series */
    const char *script;
    struct points_output output; /* how datapoints are printed */
    uint32_t lookup_points;
    uint64_t lookups;
    uint64_t random_state;
    uint64_t text_bytes; /* of the last run */
    double *seconds;     /* per lookup */
    uint8_t buffer[SINK_BYTES];
};

static int discard(struct sink *sink, struct error *ret_error)
{
    (void)sink, (void)ret_error;
    return 0;
}

static void read_range(struct reading *reading, uint64_t from, uint64_t to)
{
    struct sink sink = {.buffer = reading->buffer, .capacity = SINK_BYTES, .flush = discard};
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    const struct batch *batch;
    struct error error = {0};
    struct points_text *text = &reading->output.text;
    text->printed = 0;
    bench_must(store_snapshot_open(reading->store, &snapshot, &error), &error);
    bench_must(store_cursor_open(snapshot, reading->series_id, from, to, false, &cursor, &error), &error);
    for (;;) {
        bench_must(store_cursor_next(cursor, &batch, &error), &error);
        if (!batch)
            break;
        bench_must(points_text_print(&sink, text, batch), &sink.error);
    }
    bench_must(sink_flush(&sink), &sink.error);
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
    if (text->printed != to - from)
        bench_fail(
            "read %llu of %llu points", (unsigned long long)text->printed, (unsigned long long)(to - from));
    reading->text_bytes = sink.total;
}

static void read_series(void *context)
{
    struct reading *reading = context;
    read_range(reading, 0, reading->points);
}

static void bench_formats(struct reading *reading)
{
    static const struct {
        const char *name;
        enum points_format format;
        struct points_output_texts texts;
    } FORMATS[] = {{"NDJSON", POINTS_NDJSON, {0}}, {"CSV", POINTS_CSV, {0}},
        {"CSV with RFC 3339 times", POINTS_CSV, {.time = "rfc3339", .tz = "Europe/Berlin"}}};
    char work[128];
    struct error error = {0};
    reading->series_id = (uint64_t)GENERATE_SENSOR + 1;
    for (size_t i = 0; i < sizeof(FORMATS) / sizeof(FORMATS[0]); i++) {
        struct points_output *output = &reading->output;
        bench_must(points_output_open(FORMATS[i].format, false, &FORMATS[i].texts, output, &error), &error);
        struct bench_result result = bench_run(1, 5, NULL, read_series, reading);
        snprintf(
            work, sizeof(work), "read a series as %s, %s", FORMATS[i].name, generate_name(GENERATE_SENSOR));
        bench_row(work, reading->points, reading->text_bytes, 0, &result);
        points_output_close(output); /* JSON again */
    }
}

static void run_script(void *context)
{
    struct reading *reading = context;
    struct sink sink = {.buffer = reading->buffer, .capacity = SINK_BYTES, .flush = discard};
    struct series_range range = {.series_id = reading->series_id, .to = reading->points};
    struct script *script;
    struct error error = {0};
    bench_must(script_compile(reading->script, strlen(reading->script), NULL, &script, &error), &error);
    bench_must(store_snapshot_open(reading->store, &range.snapshot, &error), &error);
    bench_must(series_print(&sink, &range, script, 0, &(struct points_text){0}, &error), &error);
    bench_must(sink_flush(&sink), &sink.error);
    store_snapshot_close(range.snapshot);
    script_free(script);
    reading->text_bytes = sink.total;
}

static void bench_scripts(struct reading *reading, enum generate_kind kind)
{
    static const char *const SCRIPTS[] = {"d", "d*2+1", "if d>20", "mean", "d | count | if last",
        "count | if last", "d | max | if last", "max | if last", "d | sum | if last", "sum | if last"};
    char work[128];
    reading->series_id = (uint64_t)kind + 1;
    for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
        reading->script = SCRIPTS[i];
        struct bench_result result = bench_run(1, 5, NULL, run_script, reading);
        snprintf(work, sizeof(work), "`%s` over a series as JSON, %s", SCRIPTS[i], generate_name(kind));
        bench_row(work, reading->points, reading->text_bytes, 0, &result);
    }
}

static uint64_t random_below(struct reading *reading, uint64_t bound)
{
    uint64_t state = reading->random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    reading->random_state = state;
    return (state >> 33) % bound;
}

static void read_lookups(void *context)
{
    struct reading *reading = context;
    for (uint64_t i = 0; i < reading->lookups; i++) {
        double started = bench_now();
        uint64_t from = random_below(reading, reading->points - reading->lookup_points + 1);
        read_range(reading, from, from + reading->lookup_points);
        reading->seconds[i] = bench_now() - started;
    }
}

static void load_series(struct reading *reading, struct store_bulk_writer *writer, enum generate_kind kind)
{
    struct generator generator;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    generator_init(&generator, kind, 0);
    bench_must(store_bulk_series(writer, (uint64_t)kind + 1, 0, &error), &error);
    for (uint64_t done = 0; done < reading->points; done += batch.count) {
        uint64_t left = reading->points - done;
        batch_clear(&batch);
        uint32_t count = left < LOAD_POINTS ? (uint32_t)left : LOAD_POINTS;
        bench_must(generator_fill(&generator, &batch, count), &error);
        bench_must(store_bulk_append(writer, &batch, &error), &error);
    }
    batch_free(&batch);
}

/* One series of each kind, its id 1 + kind. */
static void load_store(struct reading *reading, const char *directory)
{
    struct store_bulk *bulk;
    struct store_bulk_writer *writer;
    struct error error = {0};
    if (mkdir(directory, 0700) < 0)
        bench_fail("mkdir %s", directory);
    bench_must(store_create(directory, NULL, &error), &error);
    bench_must(store_open(directory, NULL, &reading->store, &error), &error);
    bench_must(store_bulk_open(reading->store, "bench", false, &bulk, &error), &error);
    bench_must(store_bulk_writer_open(bulk, &writer, &error), &error);
    for (enum generate_kind kind = 0; kind < GENERATE_KINDS; kind++)
        load_series(reading, writer, kind);
    bench_must(store_bulk_writer_finish(writer, &error), &error);
    store_bulk_writer_close(writer);
    bench_must(store_bulk_publish(bulk, &error), &error);
    store_bulk_close(bulk, false);
}

static void bench_lookups(struct reading *reading, uint32_t points, const char *work)
{
    reading->lookup_points = points;
    struct bench_result result = bench_run(1, 5, NULL, read_lookups, reading);
    double p50 = bench_percentile(reading->seconds, reading->lookups, 0.5);
    double p99 = bench_percentile(reading->seconds, reading->lookups, 0.99);
    bench_row_text(work, "%.1f k/s, p50 %.1f µs, p99 %.1f µs",
        (double)reading->lookups / result.seconds / 1e3, p50 * 1e6, p99 * 1e6);
}

int main(int argc, char **argv)
{
    static struct reading reading;
    char path[PATH_BYTES], work[128];
    struct error error = {0};
    reading.points = bench_points(argc, argv, 2000000);
    reading.lookups = reading.points < LOOKUPS_MAX ? reading.points : LOOKUPS_MAX;
    reading.seconds = calloc(reading.lookups, sizeof(*reading.seconds));
    if (!reading.seconds || reading.points < RANGE_POINTS)
        bench_fail("at least %d points", RANGE_POINTS);
    snprintf(path, sizeof(path), "%s/store", bench_directory());
    load_store(&reading, path);
    for (enum generate_kind kind = 0; kind < GENERATE_KINDS; kind++) {
        reading.series_id = (uint64_t)kind + 1;
        struct bench_result result = bench_run(1, 5, NULL, read_series, &reading);
        snprintf(work, sizeof(work), "read a series as JSON, %s", generate_name(kind));
        bench_row(work, reading.points, reading.text_bytes, 0, &result);
    }
    bench_formats(&reading);
    bench_scripts(&reading, GENERATE_SENSOR);
    bench_scripts(&reading, GENERATE_COUNTER);
    reading.series_id = 1;
    bench_lookups(&reading, 1, "read one random point, G");
    bench_lookups(&reading, RANGE_POINTS, "read 1000 points at a random place, G");
    bench_must(store_close(reading.store, &error), &error);
    free(reading.seconds);
    return 0;
}
