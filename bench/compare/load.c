/* Sends prepared requests to a server on 127.0.0.1 and measures the answers: so that no peer waits for its
 * client.
 *
 *     compare_load http|resp|postgres PORT [--setup N] [--acks] [--every MICROSECONDS] FILE...
 *
 * One connection (and thread) for each FILE of requests: records {u32 size; u32 answers; size bytes},
 * little-endian. A request is sent whole, then so many answers are read to their last byte; then comes the
 * next. The first N
 * (--setup) of each file are not measured: log-in, prepared statements. Whatever is answered but success ends
 * it. Prints one JSON object: seconds from the first to the last of the measured, bytes received, latencies.
 * --acks: prints "CONNECTION NUMBER" as soon as a request has been answered, nothing else, and a server that
 * goes away is a regular end: it was killed. --every: request i of a connection waits for its time, i times
 * that. */
#include "answers.h"
#include "bench_common.h"
#include "pace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, ACK_LINE_BYTES = 64 };

struct record {
    uint32_t size;
    uint32_t answers;
};

struct connection {
    pthread_t thread;
    unsigned number;
    struct load *load;
    const uint8_t *requests; /* the mapped file */
    size_t requests_bytes;
    struct answers answers;
    double *seconds; /* per measured request */
    size_t measured;
    double finished;
};

struct load {
    enum protocol protocol;
    uint16_t port;
    size_t setup;
    bool acks;
    double every; /* seconds */
    unsigned connection_count;
    struct connection *connections;
    pthread_barrier_t start;
};

static int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0 || connect(file, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        bench_fail("cannot connect to port %u: %s", port, strerror(errno));
    return file;
}

static bool send_all(int file, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(file, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Sends the request at *offset and moves on to the next. false: the server went away. */
static bool run_request(struct connection *connection, size_t *offset)
{
    struct record record;
    memcpy(&record, connection->requests + *offset, sizeof(record));
    *offset += sizeof(record);
    if (record.size > connection->requests_bytes - *offset)
        bench_fail("a file of requests is cut short");
    if (!send_all(connection->answers.file, connection->requests + *offset, record.size))
        return false;
    *offset += record.size;
    for (uint32_t i = 0; i < record.answers; i++) {
        if (!answers_skip(&connection->answers))
            return false;
    }
    return true;
}

static bool has_record(const struct connection *connection, size_t offset)
{
    return connection->requests_bytes - offset >= sizeof(struct record);
}

static void acknowledge(unsigned connection, size_t number)
{
    char line[ACK_LINE_BYTES];
    int size = snprintf(line, sizeof(line), "%u %zu\n", connection, number);
    if (write(STDOUT_FILENO, line, (size_t)size) != size) /* short lines go into a pipe whole */
        bench_fail("cannot write acknowledgements: %s", strerror(errno));
}

static void must_answer(const struct connection *connection, bool answered)
{
    if (!answered && !connection->load->acks)
        bench_fail("the server closed connection %u", connection->number);
}

static void *run_connection(void *argument)
{
    struct connection *connection = argument;
    struct load *load = connection->load;
    size_t offset = 0;
    bool alive = true;
    for (size_t i = 0; i < load->setup && has_record(connection, offset) && alive; i++)
        alive = run_request(connection, &offset);
    must_answer(connection, alive);
    connection->answers.received = 0;
    pthread_barrier_wait(&load->start);
    double all_started = bench_now();
    while (alive && has_record(connection, offset)) {
        pace_wait(all_started + load->every * (double)connection->measured);
        double started = bench_now();
        alive = run_request(connection, &offset);
        must_answer(connection, alive);
        if (!alive)
            break;
        connection->seconds[connection->measured++] = bench_now() - started;
        if (load->acks)
            acknowledge(connection->number, connection->measured - 1);
    }
    connection->finished = bench_now();
    return NULL;
}

static size_t count_records(const struct connection *connection)
{
    size_t count = 0;
    for (size_t offset = 0; has_record(connection, offset); count++) {
        struct record record;
        memcpy(&record, connection->requests + offset, sizeof(record));
        offset += sizeof(record) + record.size;
    }
    return count;
}

static void connection_open(
    struct connection *connection, struct load *load, unsigned number, const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) < 0)
        bench_fail("open %s: %s", path, strerror(errno));
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (map == MAP_FAILED)
        bench_fail("map %s: %s", path, strerror(errno));
    close(file);
    connection->number = number;
    connection->load = load;
    connection->requests = map;
    connection->requests_bytes = (size_t)status.st_size;
    connection->seconds = calloc(count_records(connection) + 1, sizeof(double));
    if (!connection->seconds)
        bench_fail("no memory for latencies");
    answers_init(&connection->answers, load->protocol, dial(load->port));
}

static void connection_close(struct connection *connection)
{
    close(connection->answers.file);
    answers_free(&connection->answers);
    munmap((void *)connection->requests, connection->requests_bytes);
    free(connection->seconds);
}

static void report(const struct load *load, double started)
{
    size_t count = 0;
    uint64_t received = 0;
    double finished = started;
    for (unsigned i = 0; i < load->connection_count; i++)
        count += load->connections[i].measured;
    double *seconds = calloc(count + 1, sizeof(double));
    if (!seconds)
        bench_fail("no memory for latencies");
    count = 0;
    for (unsigned i = 0; i < load->connection_count; i++) {
        const struct connection *connection = &load->connections[i];
        memcpy(seconds + count, connection->seconds, connection->measured * sizeof(double));
        count += connection->measured;
        received += connection->answers.received;
        if (connection->finished > finished)
            finished = connection->finished;
    }
    double p50 = bench_percentile(seconds, count, 0.5), p99 = bench_percentile(seconds, count, 0.99);
    printf("{\"seconds\": %.6f, \"requests\": %zu, \"received\": %llu, \"p50\": %.6f, \"p99\": %.6f}\n",
        finished - started, count, (unsigned long long)received, p50, p99);
    free(seconds);
}

static void run(struct load *load, char **paths)
{
    load->connections = calloc(load->connection_count, sizeof(*load->connections));
    if (!load->connections || pthread_barrier_init(&load->start, NULL, load->connection_count + 1) != 0)
        bench_fail("no memory");
    for (unsigned i = 0; i < load->connection_count; i++)
        connection_open(&load->connections[i], load, i, paths[i]);
    for (unsigned i = 0; i < load->connection_count; i++) {
        if (pthread_create(&load->connections[i].thread, NULL, run_connection, &load->connections[i]) != 0)
            bench_fail("no thread");
    }
    pthread_barrier_wait(&load->start);
    double started = bench_now();
    for (unsigned i = 0; i < load->connection_count; i++)
        pthread_join(load->connections[i].thread, NULL);
    if (!load->acks)
        report(load, started);
    for (unsigned i = 0; i < load->connection_count; i++)
        connection_close(&load->connections[i]);
    pthread_barrier_destroy(&load->start);
    free(load->connections);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: compare_load http|resp|postgres PORT [--setup N] [--acks] [--every MICROSECONDS] FILE...";
    struct load load = {0};
    int used = 3;
    if (argc < 4 || !protocol_parse(argv[1], &load.protocol))
        bench_fail("%s", usage);
    load.port = (uint16_t)strtoul(argv[2], NULL, 10);
    for (; used < argc && strncmp(argv[used], "--", 2) == 0; used++) {
        if (strcmp(argv[used], "--acks") == 0)
            load.acks = true;
        else if (strcmp(argv[used], "--setup") == 0 && used + 1 < argc)
            load.setup = strtoull(argv[++used], NULL, 10);
        else if (strcmp(argv[used], "--every") == 0 && used + 1 < argc)
            load.every = strtod(argv[++used], NULL) / 1e6;
        else
            bench_fail("%s", usage);
    }
    if (used >= argc || argc - used > CONNECTIONS_MAX)
        bench_fail("%s (1 to %d files)", usage, CONNECTIONS_MAX);
    load.connection_count = (unsigned)(argc - used);
    run(&load, argv + used);
    return 0;
}
