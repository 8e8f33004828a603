/* What this machine can do at most: writing, syncing, copying, looking at bytes, waking a thread. The figures
 * of the other benches mean something only beside these. bench_limits [POINTS]: 64 bytes of I/O a point. */
#include "bench_common.h"
#include "generate.h"

#include "json_points.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BYTES_PER_POINT = 64,
    CHUNK_BYTES = 1 << 20,
    APPEND_BYTES = 4096,
    APPENDS_MAX = 2000,
    PATH_BYTES = 4096,
    MEMORY_BYTES_MAX = 256 << 20,
    MESSAGE_BYTES = 150, /* about a request */
    ROUND_TRIPS_MAX = 10000,
};

struct limits {
    char path[PATH_BYTES];
    uint64_t bytes;
    uint8_t *chunk; /* CHUNK_BYTES, aligned for O_DIRECT */
    uint8_t *from, *to;
    size_t memory_bytes;
    uint64_t quotes;
    int flags;
};

static void *must_allocate(size_t size)
{
    void *memory = aligned_alloc(APPEND_BYTES, (size + APPEND_BYTES - 1) / APPEND_BYTES * APPEND_BYTES);
    if (!memory)
        bench_fail("no memory for %zu bytes", size);
    memset(memory, '7', size);
    return memory;
}

static int must_open(const struct limits *limits, int flags)
{
    int file = open(limits->path, O_WRONLY | O_CREAT | flags, 0666);
    if (file < 0)
        bench_fail("open %s: %s", limits->path, strerror(errno));
    return file;
}

static void must_write(int file, const void *data, size_t size, uint64_t offset)
{
    if (pwrite(file, data, size, (off_t)offset) != (ssize_t)size)
        bench_fail("write: %s", strerror(errno));
}

static void unlink_file(void *context)
{
    const struct limits *limits = context;
    if (unlink(limits->path) < 0 && errno != ENOENT)
        bench_fail("unlink %s: %s", limits->path, strerror(errno));
}

static void write_file(void *context)
{
    const struct limits *limits = context;
    int file = must_open(limits, limits->flags);
    for (uint64_t at = 0; at < limits->bytes; at += CHUNK_BYTES)
        must_write(file, limits->chunk, CHUNK_BYTES, at);
    if (fdatasync(file) < 0)
        bench_fail("fdatasync: %s", strerror(errno));
    close(file);
}

/* The commit path's floor: 4 KB into a file whose blocks exist and are written, then fdatasync. */
static void measure_sync(struct limits *limits, size_t appends)
{
    double *seconds = must_allocate(appends * sizeof(*seconds));
    int file = must_open(limits, 0);
    memset(limits->chunk, 0, CHUNK_BYTES);
    for (uint64_t at = 0; at < appends * APPEND_BYTES; at += CHUNK_BYTES)
        must_write(file, limits->chunk, CHUNK_BYTES, at);
    if (fsync(file) < 0)
        bench_fail("fsync: %s", strerror(errno));
    for (size_t i = 0; i < appends; i++) {
        double started = bench_now();
        must_write(file, limits->chunk, APPEND_BYTES, i * APPEND_BYTES);
        if (fdatasync(file) < 0)
            bench_fail("fdatasync: %s", strerror(errno));
        seconds[i] = bench_now() - started;
    }
    close(file);
    double p50 = bench_percentile(seconds, appends, 0.5), p99 = bench_percentile(seconds, appends, 0.99);
    bench_row_text(
        "machine: 4 KB append + fdatasync, prezeroed file", "p50 %.0f µs, p99 %.0f µs", p50 * 1e6, p99 * 1e6);
    free(seconds);
}

static void copy_memory(void *context)
{
    struct limits *limits = context;
    memcpy(limits->to, limits->from, limits->memory_bytes);
}

/* Not inlined and with its result kept, so that it is not optimized away. */
__attribute__((noinline)) static uint64_t count_quotes(const uint8_t *data, size_t size)
{
    uint64_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += data[i] == '"';
    return count;
}

static void scan_bytes(void *context)
{
    struct limits *limits = context;
    limits->quotes += count_quotes(limits->from, limits->memory_bytes);
}

/* ---- a round trip between two threads that sleep in between ---- */

static void set_undelayed(int file)
{
    int on = 1;
    if (setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        bench_fail("TCP_NODELAY: %s", strerror(errno));
}

static void *echo(void *context)
{
    int listening = *(const int *)context;
    char message[MESSAGE_BYTES];
    ssize_t count;
    int file = accept(listening, NULL, NULL);
    if (file < 0)
        bench_fail("accept: %s", strerror(errno));
    set_undelayed(file);
    while ((count = recv(file, message, sizeof(message), MSG_WAITALL)) > 0) {
        if (send(file, message, (size_t)count, MSG_NOSIGNAL) != count)
            bench_fail("send: %s", strerror(errno));
    }
    close(file);
    return NULL;
}

/* What a request over one connection costs at least where nobody waits awake. */
static void measure_round_trip(size_t count)
{
    char message[MESSAGE_BYTES] = {0};
    double *seconds = must_allocate(count * sizeof(*seconds));
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    pthread_t thread;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listening = socket(AF_INET, SOCK_STREAM, 0), file = socket(AF_INET, SOCK_STREAM, 0);
    if (listening < 0 || file < 0 || bind(listening, (struct sockaddr *)&address, size) < 0 ||
        listen(listening, 1) < 0 || getsockname(listening, (struct sockaddr *)&address, &size) < 0 ||
        pthread_create(&thread, NULL, echo, &listening) != 0 ||
        connect(file, (struct sockaddr *)&address, size) < 0)
        bench_fail("a loopback connection: %s", strerror(errno));
    set_undelayed(file);
    for (size_t i = 0; i < count; i++) {
        double started = bench_now();
        if (send(file, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message) ||
            recv(file, message, sizeof(message), MSG_WAITALL) != sizeof(message))
            bench_fail("the echo ended");
        seconds[i] = bench_now() - started;
    }
    close(file);
    pthread_join(thread, NULL);
    close(listening);
    double p50 = bench_percentile(seconds, count, 0.5), p99 = bench_percentile(seconds, count, 0.99);
    bench_row_text("machine: TCP round trip of 150 bytes, two threads, one connection",
        "p50 %.0f µs, p99 %.0f µs", p50 * 1e6, p99 * 1e6);
    free(seconds);
}

static void row_of_bytes(const char *work, uint64_t bytes, const struct bench_result *result)
{
    bench_row_text(work, "%.2f GB/s, CPU %.0f %%", (double)bytes / result->seconds / 1e9,
        100 * result->cpu_seconds / result->seconds);
}

/* Fills limits->from with the JSON text of the data set that import and export are measured with. */
static uint64_t fill_with_json(struct limits *limits)
{
    struct generator generator;
    struct batch batch;
    struct sink sink;
    bench_must(sink_memory_init(&sink, limits->memory_bytes), &(struct error){0});
    batch_init(&batch);
    generator_init(&generator, GENERATE_SENSOR, 0);
    bench_must(generator_fill(&generator, &batch, 4096), &(struct error){0});
    bench_must(json_points_print(&sink, &batch, true), &(struct error){0});
    uint64_t points = 0;
    size_t used = 0;
    for (; used + sink.used <= limits->memory_bytes; used += sink.used, points += batch.count)
        memcpy(limits->from + used, sink.buffer, sink.used);
    limits->memory_bytes = used;
    batch_free(&batch);
    sink_memory_free(&sink);
    return points;
}

int main(int argc, char **argv)
{
    uint64_t points = bench_points(argc, argv, 16000000);
    struct limits limits = {.chunk = must_allocate(CHUNK_BYTES)};
    snprintf(limits.path, sizeof(limits.path), "%s/file", bench_directory());
    limits.bytes = (points * BYTES_PER_POINT + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;

    struct bench_result result = bench_run(0, 5, unlink_file, write_file, &limits);
    row_of_bytes("machine: write a new file, buffered, fdatasync", limits.bytes, &result);
    limits.flags = O_DIRECT;
    unlink_file(&limits);
    int probe = open(limits.path, O_WRONLY | O_CREAT | O_DIRECT, 0666);
    if (probe >= 0) {
        close(probe);
        result = bench_run(0, 5, unlink_file, write_file, &limits);
        row_of_bytes("machine: write a new file, O_DIRECT, fdatasync", limits.bytes, &result);
    } else {
        bench_row_text("machine: write a new file, O_DIRECT, fdatasync", "not on this file system");
    }
    unlink_file(&limits);
    measure_sync(&limits, points < APPENDS_MAX ? (size_t)points : APPENDS_MAX);

    limits.memory_bytes = limits.bytes < MEMORY_BYTES_MAX ? limits.bytes : MEMORY_BYTES_MAX;
    limits.from = must_allocate(limits.memory_bytes);
    limits.to = must_allocate(limits.memory_bytes);
    result = bench_run(1, 5, NULL, copy_memory, &limits);
    row_of_bytes("machine: memcpy", limits.memory_bytes, &result);
    uint64_t text_points = fill_with_json(&limits);
    result = bench_run(1, 5, NULL, scan_bytes, &limits);
    if (limits.quotes != text_points * 4 * 6)
        bench_fail("the scan counted %llu quotes", (unsigned long long)limits.quotes);
    bench_row("machine: plain byte scan of the JSON of G", text_points, limits.memory_bytes, 0, &result);
    measure_round_trip(points < ROUND_TRIPS_MAX ? (size_t)points : ROUND_TRIPS_MAX);
    free(limits.chunk), free(limits.from), free(limits.to);
    return 0;
}
