/* The data of a comparison, the same for every peer (KIND: G, K, N or E of generate.h).
 *     compare_data KIND STREAM POINTS          prints one datapoint a line, {"t":1500000000.005,"d":19.95}
 *     compare_data KIND STREAMS POINTS DIR     makes an export folder with so many streams of so many points
 */
#include "bench_common.h"
#include "generate.h"

#include "json_points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 1 << 20, BATCH_POINTS = 4096 };

static int flush_to_output(struct sink *sink, struct error *ret_error)
{
    if (fwrite(sink->buffer, 1, sink->used, stdout) != sink->used)
        return error_set(ret_error, EIO, "writing points: %s", strerror(errno));
    return 0;
}

static enum generate_kind parse_kind(const char *name)
{
    for (enum generate_kind kind = 0; kind < GENERATE_KINDS; kind++) {
        if (strcmp(name, generate_name(kind)) == 0)
            return kind;
    }
    bench_fail("%s is none of G, K, N, E", name);
}

static void print_lines(struct sink *sink, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct batch point;
        batch_slice(batch, i, 1, &point);
        if (json_points_print(sink, &point, true) < 0 || sink_write(sink, "\n", 1) < 0)
            bench_fail("cannot print points");
    }
}

static void print_stream(enum generate_kind kind, uint64_t stream, uint64_t points)
{
    struct generator generator;
    generator_init(&generator, kind, stream);
    struct sink sink = {.capacity = BUFFER_BYTES, .flush = flush_to_output, .buffer = malloc(BUFFER_BYTES)};
    struct batch batch;
    if (!sink.buffer)
        bench_fail("no memory");
    batch_init(&batch);
    for (uint64_t done = 0; done < points; done += batch.count) {
        uint64_t left = points - done;
        batch_clear(&batch);
        if (generator_fill(&generator, &batch, left < BATCH_POINTS ? (uint32_t)left : BATCH_POINTS) < 0)
            bench_fail("cannot make points");
        print_lines(&sink, &batch);
    }
    if (sink_flush(&sink) < 0 || fflush(stdout) != 0)
        bench_fail("cannot print points");
    batch_free(&batch);
    free(sink.buffer);
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5)
        bench_fail("usage: compare_data G|K|N|E STREAM POINTS, or compare_data G|K|N|E STREAMS POINTS DIR");
    enum generate_kind kind = parse_kind(argv[1]);
    uint64_t stream = strtoull(argv[2], NULL, 10), points = bench_points(2, argv + 2, 0), bytes;
    struct error error = {0};
    if (argc == 4)
        print_stream(kind, stream, points);
    else
        bench_must(generate_export(argv[4], kind, (uint32_t)stream, points, &bytes, &error), &error);
    return 0;
}
