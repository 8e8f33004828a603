/* JSON text to points and back, in memory, one thread: the ceiling of import, export and HTTP.
 * bench_codec [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "json_points.h"

#include <stdio.h>
#include <string.h>

enum { READ_POINTS = 4096, SINK_BYTES = 256 << 10 };

struct codec {
    struct batch batch; /* all points */
    struct sink text;   /* their JSON */
    size_t text_read;
    uint64_t points_read;
    uint8_t buffer[SINK_BYTES];
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct codec *codec = context;
    (void)ret_error;
    size_t left = codec->text.used - codec->text_read;
    size_t taken = left < size ? left : size;
    memcpy(buffer, codec->text.buffer + codec->text_read, taken);
    codec->text_read += taken;
    return (long)taken;
}

static void parse(void *context)
{
    struct codec *codec = context;
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    const struct json_points_options options = {.import = true};
    int more;
    codec->text_read = codec->points_read = 0;
    batch_init(&batch);
    bench_must(json_points_open(&options, read_text, codec, &reader), &error);
    do {
        batch_clear(&batch);
        more = json_points_read(reader, &batch, READ_POINTS, &error);
        bench_must(more, &error);
        codec->points_read += batch.count;
    } while (more);
    json_points_close(reader);
    batch_free(&batch);
    if (codec->points_read != codec->batch.count)
        bench_fail("read %llu of %u points", (unsigned long long)codec->points_read, codec->batch.count);
}

static int discard(struct sink *sink, struct error *ret_error)
{
    (void)sink, (void)ret_error;
    return 0;
}

static void print(void *context)
{
    struct codec *codec = context;
    struct sink sink = {.buffer = codec->buffer, .capacity = SINK_BYTES, .flush = discard};
    struct batch view;
    uint32_t count = codec->batch.count;
    for (uint32_t from = 0; from < count; from += view.count) {
        batch_slice(&codec->batch, from, count - from < READ_POINTS ? count - from : READ_POINTS, &view);
        bench_must(json_points_print(&sink, &view, from == 0), &sink.error);
    }
    bench_must(sink_flush(&sink), &sink.error);
    if (sink.total + 2 != codec->text.used) /* the brackets */
        bench_fail("printed %llu bytes of %zu", (unsigned long long)sink.total, codec->text.used);
}

static void bench_kind(struct codec *codec, enum generate_kind kind, uint32_t points)
{
    struct generator generator;
    char work[64];
    batch_init(&codec->batch);
    generator_init(&generator, kind, 0);
    bench_must(generator_fill(&generator, &codec->batch, points), &(struct error){0});
    bench_must(sink_memory_init(&codec->text, SIZE_MAX), &(struct error){0});
    bench_must(sink_write(&codec->text, "[", 1), &codec->text.error);
    bench_must(json_points_print(&codec->text, &codec->batch, true), &codec->text.error);
    bench_must(sink_write(&codec->text, "]", 1), &codec->text.error);

    struct bench_result result = bench_run(1, 5, NULL, parse, codec);
    snprintf(work, sizeof(work), "parse JSON, %s", generate_name(kind));
    bench_row(work, points, codec->text.used, 0, &result);
    result = bench_run(1, 5, NULL, print, codec);
    snprintf(work, sizeof(work), "print JSON, %s", generate_name(kind));
    bench_row(work, points, codec->text.used, 0, &result);
    sink_memory_free(&codec->text);
    batch_free(&codec->batch);
}

int main(int argc, char **argv)
{
    static struct codec codec;
    enum { POINTS_MAX = 1000000 }; /* in memory at once */
    uint64_t points = bench_points(argc, argv, 500000);
    for (enum generate_kind kind = 0; kind < GENERATE_KINDS; kind++) {
        uint32_t count = points < POINTS_MAX ? (uint32_t)points : POINTS_MAX;
        bench_kind(&codec, kind, kind == GENERATE_EVENTS ? 1 + count / 4 : count); /* BATCH_BYTES_MAX */
    }
    return 0;
}
