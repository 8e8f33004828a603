/* Loads and reads a database that lives in this process, and measures it; what it is, embedded_NAME.c knows.
 *
 *     compare_NAME DIR KIND load POINTS BATCH THREADS [EVERY]    stream i gets its POINTS/THREADS from thread
 * i compare_NAME DIR KIND all REPEATS                         reads stream 0 as JSON text, which is counted
 *     compare_NAME DIR KIND last COUNT
 *     compare_NAME DIR KIND ranges COUNT POINTS                 of 1000 points, from a stream of POINTS
 *     compare_NAME DIR KIND dump STREAM                         prints it, a datapoint a line
 *     compare_NAME DIR KIND settle
 *
 * Prints one JSON object like compare_load's. With EVERY it instead prints "THREAD NUMBER" for each batch as
 * soon as it is on disk, and batch i of a thread waits for its time, i times so many microseconds. */
#include "embedded.h"

#include "bench_common.h"
#include "pace.h"

#include "json_points.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 64, REPEATS_MAX = 15, RANGE_POINTS = 1000, BUFFER_BYTES = 1 << 20, ACK_LINE_BYTES = 64 };

int64_t embedded_time_us(const struct batch *batch, uint32_t i)
{
    return llround(batch_time(batch, i) * 1e6);
}

double embedded_time(int64_t time_us)
{
    return (double)time_us / 1e6;
}

struct loader {
    pthread_t thread;
    unsigned number;
    struct embedded *embedded;
    struct batch *batches;
    size_t batch_count;
    double *seconds;
    bool acks;
    double every; /* seconds */
};

static uint64_t parse_number(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (end == text || *end)
        bench_fail("%s is no number", text);
    return number;
}

static void report(double seconds, double *latencies, size_t count, uint64_t points, uint64_t received)
{
    double p50 = bench_percentile(latencies, count, 0.5), p99 = bench_percentile(latencies, count, 0.99);
    printf("{\"seconds\": %.6f, \"requests\": %zu, \"points\": %llu, \"received\": %llu, \"p50\": %.6f, "
           "\"p99\": %.6f}\n",
        seconds, count, (unsigned long long)points, (unsigned long long)received, p50, p99);
}

static double *make_latencies(size_t count)
{
    double *latencies = calloc(count + 1, sizeof(*latencies));
    if (!latencies)
        bench_fail("no memory for latencies");
    return latencies;
}

/* ---- loading ---- */

static void loader_init(
    struct loader *loader, enum generate_kind kind, uint64_t points, uint32_t batch_points)
{
    struct generator generator;
    generator_init(&generator, kind, loader->number);
    loader->batch_count = (size_t)((points + batch_points - 1) / batch_points);
    loader->batches = calloc(loader->batch_count + 1, sizeof(*loader->batches));
    loader->seconds = make_latencies(loader->batch_count);
    if (!loader->batches)
        bench_fail("no memory for %zu batches", loader->batch_count);
    for (size_t i = 0; i < loader->batch_count; i++) {
        uint64_t left = points - i * batch_points;
        batch_init(&loader->batches[i]);
        if (generator_fill(
                &generator, &loader->batches[i], left < batch_points ? (uint32_t)left : batch_points) < 0)
            bench_fail("cannot make points");
    }
}

static void loader_free(struct loader *loader)
{
    for (size_t i = 0; i < loader->batch_count; i++)
        batch_free(&loader->batches[i]);
    free(loader->batches);
    free(loader->seconds);
}

static void acknowledge(unsigned thread, size_t number)
{
    char line[ACK_LINE_BYTES];
    int size = snprintf(line, sizeof(line), "%u %zu\n", thread, number);
    if (write(STDOUT_FILENO, line, (size_t)size) != size) /* short lines go into a pipe whole */
        bench_fail("cannot write acknowledgements: %s", strerror(errno));
}

static void *run_loader(void *argument)
{
    struct loader *loader = argument;
    double all_started = bench_now();
    for (size_t i = 0; i < loader->batch_count; i++) {
        pace_wait(all_started + loader->every * (double)i);
        double started = bench_now();
        embedded_append(loader->embedded, loader->number, &loader->batches[i]);
        loader->seconds[i] = bench_now() - started;
        if (loader->acks)
            acknowledge(loader->number, i);
    }
    return NULL;
}

static void report_loaders(const struct loader *loaders, unsigned threads, uint64_t points, double seconds)
{
    size_t count = 0;
    for (unsigned i = 0; i < threads; i++)
        count += loaders[i].batch_count;
    double *latencies = make_latencies(count);
    count = 0;
    for (unsigned i = 0; i < threads; i++) {
        memcpy(latencies + count, loaders[i].seconds, loaders[i].batch_count * sizeof(double));
        count += loaders[i].batch_count;
    }
    report(seconds, latencies, count, points, 0);
    free(latencies);
}

static void load(struct embedded *embedded, enum generate_kind kind, int argc, char **argv)
{
    static struct loader loaders[THREADS_MAX];
    if (argc < 3)
        bench_fail("load takes POINTS BATCH THREADS");
    uint64_t points = parse_number(argv[0]), threads = parse_number(argv[2]);
    uint32_t batch_points = (uint32_t)parse_number(argv[1]);
    if (threads == 0 || threads > embedded_writers() || threads > THREADS_MAX || batch_points == 0)
        bench_fail("load: at most %u threads, batches of 1 and more", embedded_writers());
    for (unsigned i = 0; i < threads; i++) {
        loaders[i].number = i;
        loaders[i].embedded = embedded;
        loaders[i].acks = argc > 3;
        loaders[i].every = argc > 3 ? (double)parse_number(argv[3]) / 1e6 : 0;
        loader_init(&loaders[i], kind, points / threads, batch_points);
    }
    double started = bench_now();
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&loaders[i].thread, NULL, run_loader, &loaders[i]) != 0)
            bench_fail("no thread");
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(loaders[i].thread, NULL);
    if (!loaders[0].acks)
        report_loaders(loaders, (unsigned)threads, points, bench_now() - started);
    for (unsigned i = 0; i < threads; i++)
        loader_free(&loaders[i]);
}

/* ---- reading ---- */

struct reader {
    struct sink sink; /* the text goes nowhere, or to standard output as lines */
    uint64_t points;
    bool lines;
};

static int drop_text(struct sink *sink, struct error *ret_error)
{
    (void)sink, (void)ret_error; /* sink_flush counts */
    return 0;
}

static int write_text(struct sink *sink, struct error *ret_error)
{
    if (fwrite(sink->buffer, 1, sink->used, stdout) != sink->used)
        return error_set(ret_error, EIO, "writing points: %s", strerror(errno));
    return 0;
}

static void reader_init(struct reader *reader, bool lines)
{
    *reader = (struct reader){.lines = lines,
        .sink = {.capacity = BUFFER_BYTES,
            .flush = lines ? write_text : drop_text,
            .buffer = malloc(BUFFER_BYTES)}};
    if (!reader->sink.buffer)
        bench_fail("no memory");
}

static void take_points(void *context, const struct batch *batch)
{
    struct reader *reader = context;
    if (!reader->lines) {
        json_points_print(&reader->sink, batch, reader->points == 0);
    } else {
        for (uint32_t i = 0; i < batch->count; i++) {
            struct batch point;
            batch_slice(batch, i, 1, &point);
            json_points_print(&reader->sink, &point, true);
            sink_write(&reader->sink, "\n", 1);
        }
    }
    reader->points += batch->count;
}

static void reader_finish(struct reader *reader)
{
    if (sink_flush(&reader->sink) < 0 || fflush(stdout) != 0)
        bench_fail("cannot print points");
    free(reader->sink.buffer);
}

static void read_all(struct embedded *embedded, uint64_t repeats)
{
    double seconds[REPEATS_MAX];
    struct reader reader;
    uint64_t points = 0, bytes = 0;
    if (repeats == 0 || repeats > REPEATS_MAX)
        bench_fail("1 to %d repeats", REPEATS_MAX);
    for (uint64_t i = 0; i < repeats; i++) {
        reader_init(&reader, false);
        double started = bench_now();
        embedded_read(embedded, 0, INT64_MIN, INT64_MAX, take_points, &reader);
        seconds[i] = bench_now() - started;
        points = reader.points;
        reader_finish(&reader);
        bytes = reader.sink.total;
    }
    report(bench_percentile(seconds, repeats, 0.5), seconds, repeats, points, bytes);
}

static void read_last(struct embedded *embedded, uint64_t count)
{
    double *latencies = make_latencies(count);
    struct batch batch;
    struct reader reader;
    batch_init(&batch);
    reader_init(&reader, false);
    double all_started = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        double started = bench_now();
        embedded_last(embedded, 0, &batch);
        take_points(&reader, &batch);
        latencies[i] = bench_now() - started;
    }
    double seconds = bench_now() - all_started;
    reader_finish(&reader);
    report(seconds, latencies, count, count, reader.sink.total);
    batch_free(&batch);
    free(latencies);
}

static void read_ranges(struct embedded *embedded, uint64_t count, uint64_t points)
{
    double *latencies = make_latencies(count);
    struct reader reader;
    uint64_t random = 1, most = points > RANGE_POINTS ? points - RANGE_POINTS : 1;
    reader_init(&reader, false);
    double all_started = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t from =
            ((int64_t)(GENERATE_START + (random >> 33) % most) * 2 - 1) * 500000; /* half a second before */
        double started = bench_now();
        embedded_read(embedded, 0, from, from + RANGE_POINTS * INT64_C(1000000), take_points, &reader);
        latencies[i] = bench_now() - started;
    }
    double seconds = bench_now() - all_started;
    reader_finish(&reader);
    report(seconds, latencies, count, reader.points, reader.sink.total);
    free(latencies);
}

static void dump(struct embedded *embedded, uint64_t stream)
{
    struct reader reader;
    reader_init(&reader, true);
    embedded_read(embedded, (uint32_t)stream, INT64_MIN, INT64_MAX, take_points, &reader);
    reader_finish(&reader);
}

static enum generate_kind parse_kind(const char *name)
{
    for (enum generate_kind kind = 0; kind < GENERATE_KINDS; kind++) {
        if (strcmp(name, generate_name(kind)) == 0)
            return kind;
    }
    bench_fail("%s is none of G, K, N, E", name);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_fail("usage: %s DIR G|K|N|E load|all|last|ranges|dump|settle ...", argv[0]);
    enum generate_kind kind = parse_kind(argv[2]);
    struct embedded *embedded = embedded_open(argv[1], kind);
    if (strcmp(argv[3], "load") == 0)
        load(embedded, kind, argc - 4, argv + 4);
    else if (strcmp(argv[3], "all") == 0 && argc > 4)
        read_all(embedded, parse_number(argv[4]));
    else if (strcmp(argv[3], "last") == 0 && argc > 4)
        read_last(embedded, parse_number(argv[4]));
    else if (strcmp(argv[3], "ranges") == 0 && argc > 5)
        read_ranges(embedded, parse_number(argv[4]), parse_number(argv[5]));
    else if (strcmp(argv[3], "dump") == 0 && argc > 4)
        dump(embedded, parse_number(argv[4]));
    else if (strcmp(argv[3], "settle") == 0)
        embedded_settle(embedded);
    else
        bench_fail("%s: not with these arguments", argv[3]);
    embedded_close(embedded);
    return 0;
}
