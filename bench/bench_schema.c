/* What a schema adds to an insert: from JSON text to a batch as the server does it, then the check. With and
 * without in turn, in the same process, so that both see the same machine. bench_schema [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "json_points.h"
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 15, BATCH_POINTS = 1000 };

struct work {
    struct sink text; /* JSON of one batch */
    size_t text_read;
    uint32_t batch_points;
    uint64_t batches;
    const struct schema *schema; /* NULL: none */
    struct batch batch;
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct work *work = context;
    (void)ret_error;
    size_t left = work->text.used - work->text_read;
    size_t taken = left < size ? left : size;
    memcpy(buffer, work->text.buffer + work->text_read, taken);
    work->text_read += taken;
    return (long)taken;
}

static void insert(struct work *work)
{
    static const struct json_points_options OPTIONS = {.refuse_null = true};
    struct json_points *reader;
    struct error error = {0};
    work->text_read = 0;
    batch_clear(&work->batch);
    bench_must(json_points_open(&OPTIONS, read_text, work, &reader), &error);
    bench_must(json_points_read(reader, &work->batch, BATCH_POINTS_MAX, &error), &error);
    json_points_close(reader);
    if (work->batch.count != work->batch_points)
        bench_fail("read %u of %u points", work->batch.count, work->batch_points);
    if (work->schema)
        bench_must(schema_check(work->schema, &work->batch, &error), &error);
}

static double measure(struct work *work, const struct schema *schema)
{
    work->schema = schema;
    double started = bench_cpu_seconds();
    for (uint64_t i = 0; i < work->batches; i++)
        insert(work);
    return (bench_cpu_seconds() - started) * 1e9 / (double)(work->batches * work->batch_points);
}

static void bench_case(enum generate_kind kind, const char *text, uint32_t batch_points, uint64_t points)
{
    struct work work = {.batch_points = batch_points, .batches = points / batch_points + 1};
    struct generator generator;
    struct schema *schema;
    struct error error = {0};
    double with[REPEATS], without[REPEATS], added[REPEATS];
    char title[160];
    bench_must(schema_compile(text, strlen(text), &schema, &error), &error);
    batch_init(&work.batch);
    generator_init(&generator, kind, 1); /* of events: the objects */
    bench_must(generator_fill(&generator, &work.batch, batch_points), &error);
    bench_must(sink_memory_init(&work.text, SIZE_MAX), &error);
    (void)sink_write(&work.text, "[", 1);
    bench_must(json_points_print(&work.text, &work.batch, true), &work.text.error);
    bench_must(sink_write(&work.text, "]", 1), &work.text.error);
    (void)measure(&work, schema);
    for (int i = 0; i < REPEATS; i++) {
        without[i] = measure(&work, NULL);
        with[i] = measure(&work, schema);
        added[i] = with[i] - without[i];
    }
    double base = bench_percentile(without, REPEATS, 0.5);
    snprintf(title, sizeof(title), "JSON to batch and check, %s, %u point%s at once, %.40s",
        generate_name(kind), batch_points, batch_points == 1 ? "" : "s", text);
    bench_row_text(title, "%.1f ns of CPU a point with, %.1f without: %+.1f (%+.1f %%)",
        bench_percentile(with, REPEATS, 0.5), base, bench_percentile(added, REPEATS, 0.5),
        bench_percentile(added, REPEATS, 0.5) * 100 / base);
    schema_free(schema);
    sink_memory_free(&work.text);
    batch_free(&work.batch);
}

int main(int argc, char **argv)
{
    static const char NUMBER[] = "{\"type\":\"number\"}",
                      RANGE[] = "{\"type\":\"number\",\"minimum\":-1e9,\"maximum\":1e9}";
    static const char OBJECT[] = "{\"type\":\"object\",\"required\":[\"url\",\"title\"],\"properties\":"
                                 "{\"url\":{\"type\":\"string\"},\"title\":{\"maxLength\":200}}}";
    uint64_t points = bench_points(argc, argv, 500000);
    bench_case(GENERATE_SENSOR, NUMBER, 1, points / 4);
    bench_case(GENERATE_SENSOR, NUMBER, BATCH_POINTS, points);
    bench_case(GENERATE_DOUBLES, NUMBER, BATCH_POINTS, points);
    bench_case(GENERATE_SENSOR, RANGE, BATCH_POINTS, points);
    bench_case(GENERATE_EVENTS, OBJECT, BATCH_POINTS, points / 4);
    return 0;
}
