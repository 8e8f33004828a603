/* The REST API over real sockets, with a server in this process: inserts synced, by API key, keep-alive.
 * bench_http [POINTS] POINTS: inserted in batches, and length of the stream that is read; single inserts and
 * point reads are a share of it. What is measured plainly and over TLS takes turns, so that both see the same
 * machine; the client's part of TLS is on the same processors. */
#include "bench_common.h"
#include "generate.h"

#include "json_points.h"
#include "rest_server.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 32,
    RECEIVE_BYTES = 1 << 20,
    RANGE_POINTS = 1000,
    BATCH_POINTS = 1000,
};

static const double RANGE_MARGIN = 0.5; /* of a second: beyond the jitter of the times */

struct client {
    struct bench *all;
    pthread_t thread;
    int socket;
    SSL *tls;       /* NULL: plain */
    char *requests; /* concatenated */
    size_t *ends;   /* of request i */
    size_t request_count;
    double *seconds; /* per request */
    uint64_t received;
    double cpu_seconds; /* of its thread */
};

struct bench {
    struct rest_server server;
    unsigned connections;
    struct client clients[CONNECTIONS_MAX];
};

/* ---- a client ---- */

/* As recv. */
static ssize_t receive_some(struct client *client, void *to, size_t size)
{
    size_t count;
    if (!client->tls)
        return recv(client->socket, to, size, 0);
    return SSL_read_ex(client->tls, to, size, &count) == 1 ? (ssize_t)count : -1;
}

static ssize_t send_some(struct client *client, const void *data, size_t size)
{
    size_t count;
    if (!client->tls)
        return send(client->socket, data, size, MSG_NOSIGNAL);
    return SSL_write_ex(client->tls, data, size, &count) == 1 ? (ssize_t)count : -1;
}

static void send_all(struct client *client, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send_some(client, data, size);
        if (sent <= 0)
            bench_fail("the server closed the connection");
        data += sent;
        size -= (size_t)sent;
    }
}

/* Receives one answer. Returns its bytes; a status other than 200 ends the bench. */
static uint64_t receive(struct client *client, char *buffer)
{
    size_t used = 0;
    char *head_end = NULL;
    while (!head_end) {
        ssize_t count = receive_some(client, buffer + used, RECEIVE_BYTES - 1 - used);
        if (count <= 0)
            bench_fail("the server closed the connection");
        used += (size_t)count;
        buffer[used] = '\0';
        head_end = strstr(buffer, "\r\n\r\n");
    }
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0)
        bench_fail("answer: %.400s", buffer);
    *head_end = '\0';
    const char *length = strstr(buffer, "\r\nContent-Length: ");
    uint64_t total = used;
    if (length) {
        size_t wanted = (size_t)(head_end + 4 - buffer) + strtoull(length + 18, NULL, 10);
        for (; total < wanted;) {
            ssize_t count = receive_some(client, buffer, RECEIVE_BYTES);
            if (count <= 0)
                bench_fail("the server closed the connection");
            total += (size_t)count;
        }
        return total;
    }
    char tail[8] = {0}; /* the last bytes received: a chunked body ends with "0\r\n\r\n" behind "]\r\n" */
    memcpy(tail, buffer + used - 8, 8);
    while (memcmp(tail, "]\r\n0\r\n\r\n", 8) != 0) {
        ssize_t count = receive_some(client, buffer, RECEIVE_BYTES);
        if (count <= 0)
            bench_fail("the server closed the connection");
        total += (size_t)count;
        size_t part = count < 8 ? (size_t)count : 8;
        memmove(tail, tail + part, 8 - part);
        memcpy(tail + 8 - part, buffer + count - part, part);
    }
    return total;
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    char *buffer = malloc(RECEIVE_BYTES);
    if (!buffer)
        bench_fail("no memory");
    client->received = 0;
    for (size_t i = 0; i < client->request_count; i++) {
        size_t start = i > 0 ? client->ends[i - 1] : 0;
        double started = bench_now();
        send_all(client, client->requests + start, client->ends[i] - start);
        client->received += receive(client, buffer);
        client->seconds[i] = bench_now() - started;
    }
    free(buffer);
    struct timespec spent;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    client->cpu_seconds = (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
    return NULL;
}

/* An empty database with a server before every run. */
static void open_empty(void *context)
{
    struct bench *bench = context;
    bench->server.streams = bench->connections;
    rest_server_open(&bench->server);
}

static void run_clients(void *context)
{
    struct bench *bench = context;
    for (unsigned i = 0; i < bench->connections; i++) {
        bench->clients[i].socket = rest_server_dial(&bench->server);
        bench->clients[i].tls = rest_server_shake_hands(&bench->server, bench->clients[i].socket);
        if (pthread_create(&bench->clients[i].thread, NULL, run_client, &bench->clients[i]) != 0)
            bench_fail("no thread");
    }
    for (unsigned i = 0; i < bench->connections; i++) {
        pthread_join(bench->clients[i].thread, NULL);
        SSL_free(bench->clients[i].tls);
        close(bench->clients[i].socket);
    }
}

/* ---- requests ---- */

static void client_init(struct bench *bench, unsigned number, size_t request_count)
{
    bench->clients[number] = (struct client){
        .all = bench,
        .request_count = request_count,
        .ends = calloc(request_count, sizeof(size_t)),
        .seconds = calloc(request_count, sizeof(double)),
    };
    if (!bench->clients[number].ends || !bench->clients[number].seconds)
        bench_fail("no memory for %zu requests", request_count);
}

static void clients_free(struct bench *bench)
{
    for (unsigned i = 0; i < bench->connections; i++) {
        free(bench->clients[i].requests);
        free(bench->clients[i].ends);
        free(bench->clients[i].seconds);
    }
}

static void print_insert(struct sink *sink, unsigned stream, const struct batch *batch)
{
    struct sink body;
    char head[256];
    if (sink_memory_init(&body, 1 << 30) < 0)
        bench_fail("no memory");
    sink_write(&body, "[", 1);
    json_points_print(&body, batch, true);
    sink_write(&body, "]", 1);
    int length = snprintf(head, sizeof(head),
        "POST /api/v1/crud/bench/data/s%u/data HTTP/1.1\r\nHost: localhost\r\n" REST_SERVER_LOGIN
        "Content-Length: %zu\r\n\r\n",
        stream, body.used);
    sink_write(sink, head, (size_t)length);
    if (sink_write(sink, body.buffer, body.used) < 0)
        bench_fail("no memory for requests");
    sink_memory_free(&body);
}

static void make_inserts(struct bench *bench, unsigned number, size_t request_count, uint32_t batch_points)
{
    struct client *client = &bench->clients[number];
    struct generator generator;
    struct batch batch;
    struct sink sink;
    client_init(bench, number, request_count);
    generator_init(&generator, GENERATE_SENSOR, number);
    batch_init(&batch);
    if (sink_memory_init(&sink, SIZE_MAX / 4) < 0)
        bench_fail("no memory");
    for (size_t i = 0; i < request_count; i++) {
        batch_clear(&batch);
        bench_must(generator_fill(&generator, &batch, batch_points), &(struct error){0});
        print_insert(&sink, number, &batch);
        client->ends[i] = sink.used;
    }
    client->requests = (char *)sink.buffer; /* freed as a client's */
    batch_free(&batch);
}

static void make_reads(struct bench *bench, size_t request_count,
    void (*query)(char *to, size_t capacity, uint64_t i), uint64_t points)
{
    struct client *client = &bench->clients[0];
    struct sink sink;
    uint64_t random = 1;
    client_init(bench, 0, request_count);
    if (sink_memory_init(&sink, SIZE_MAX / 4) < 0)
        bench_fail("no memory");
    for (size_t i = 0; i < request_count; i++) {
        char parameters[128], head[320];
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t most = points > RANGE_POINTS ? points - RANGE_POINTS : 1;
        query(parameters, sizeof(parameters), (random >> 33) % most);
        int length = snprintf(head, sizeof(head),
            "GET /api/v1/crud/bench/data/s0/data?%s HTTP/1.1\r\nHost: localhost\r\n" REST_SERVER_LOGIN "\r\n",
            parameters);
        if (sink_write(&sink, head, (size_t)length) < 0)
            bench_fail("no memory for requests");
        client->ends[i] = sink.used;
    }
    client->requests = (char *)sink.buffer;
}

static void query_all(char *to, size_t capacity, uint64_t i)
{
    (void)i;
    snprintf(to, capacity, "i1=0");
}

static void query_last(char *to, size_t capacity, uint64_t i)
{
    (void)i;
    snprintf(to, capacity, "i1=-1");
}

static void query_range(char *to, size_t capacity, uint64_t i)
{
    double from = (double)(GENERATE_START + i) - RANGE_MARGIN;
    snprintf(to, capacity, "t1=%.1f&t2=%.1f", from, from + RANGE_POINTS);
}

/* ---- the benches ---- */

static void report_latency(const struct bench *bench, const char *work)
{
    size_t count = 0;
    for (unsigned i = 0; i < bench->connections; i++)
        count += bench->clients[i].request_count;
    double *seconds = calloc(count, sizeof(*seconds));
    if (!seconds)
        bench_fail("no memory for latencies");
    count = 0;
    for (unsigned i = 0; i < bench->connections; i++) {
        for (size_t j = 0; j < bench->clients[i].request_count; j++)
            seconds[count++] = bench->clients[i].seconds[j];
    }
    double p50 = bench_percentile(seconds, count, 0.5), p99 = bench_percentile(seconds, count, 0.99);
    bench_row_text(work, "p50 %.3f ms, p99 %.3f ms", p50 * 1e3, p99 * 1e3);
    free(seconds);
}

static void bench_insert(struct bench *bench, unsigned connections, uint64_t points, uint32_t batch_points)
{
    char work[128];
    uint64_t bytes = 0;
    size_t requests = (size_t)(points / connections / batch_points);
    if (requests == 0)
        requests = 1;
    bench->connections = connections;
    for (unsigned i = 0; i < connections; i++) {
        make_inserts(bench, i, requests, batch_points);
        bytes += bench->clients[i].ends[requests - 1];
    }
    struct bench_result result = bench_run(1, 5, open_empty, run_clients, bench);
    snprintf(work, sizeof(work), "REST insert, synced, %u point%s at once, %u connection%s", batch_points,
        batch_points == 1 ? "" : "s", connections, connections == 1 ? "" : "s");
    bench_row(work, (uint64_t)requests * batch_points * connections, bytes, 0, &result);
    report_latency(bench, "… its latency");
    clients_free(bench);
}

static void fill_stream(struct bench *bench, enum generate_kind kind, uint64_t points)
{
    struct stream_place place;
    struct generator generator;
    struct batch batch;
    struct error error = {0};
    bench->connections = 1;
    open_empty(bench);
    bench_must(
        catalog_stream_place(bench->server.database->catalog, "bench", "data", "s0", &place, &error), &error);
    generator_init(&generator, kind, 0);
    batch_init(&batch);
    for (uint64_t done = 0; done < points;) {
        uint32_t part = points - done < 10000 ? (uint32_t)(points - done) : 10000;
        batch_clear(&batch);
        bench_must(generator_fill(&generator, &batch, part), &error);
        bench_must(
            store_append(bench->server.database->store, place.series_id, &batch, 0, NULL, &error), &error);
        done += part;
    }
    batch_free(&batch);
    bench_must(store_seal(bench->server.database->store, true, &error), &error);
}

static void bench_read(struct bench *bench, const char *work, size_t requests, uint64_t points,
    uint64_t points_each, void (*query)(char *to, size_t capacity, uint64_t i))
{
    bench->connections = 1;
    make_reads(bench, requests, query, points);
    struct bench_result result = bench_run(1, 5, NULL, run_clients, bench);
    bench_row(work, requests * points_each, bench->clients[0].received, 0, &result);
    if (requests > 1)
        report_latency(bench, "… its latency");
    clients_free(bench);
}

/* ---- with TLS and without ---- */

static int compare_results(const void *a, const void *b)
{
    const struct bench_result *x = a, *y = b;
    return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* Of the process without the clients' threads. */
static double server_cpu_seconds(const struct bench *bench, const struct bench_result *result)
{
    double seconds = result->cpu_seconds;
    for (unsigned i = 0; i < bench->connections; i++)
        seconds -= bench->clients[i].cpu_seconds;
    return seconds;
}

/* Runs the clients' requests plainly and over TLS in turns. A row for the median of each, and what TLS takes.
 */
static void compare_tls(struct bench *bench, const char *work, uint64_t points, uint64_t bytes)
{
    enum { ROUNDS = 9 };
    struct bench_result results[2][ROUNDS];
    double ratios[ROUNDS], cpu_ratios[ROUNDS], server_ratios[ROUNDS], server_seconds[2];
    char name[160];
    for (int round = 0; round < ROUNDS; round++) {
        for (int on = 0; on < 2; on++) {
            rest_server_set_tls(&bench->server, on);
            results[on][round] = bench_run(0, 1, open_empty, run_clients, bench);
            server_seconds[on] = server_cpu_seconds(bench, &results[on][round]);
        }
        ratios[round] = results[1][round].seconds / results[0][round].seconds;
        cpu_ratios[round] = results[1][round].cpu_seconds / results[0][round].cpu_seconds;
        server_ratios[round] = server_seconds[1] / server_seconds[0];
    }
    rest_server_set_tls(&bench->server, false);
    for (int on = 0; on < 2; on++) {
        qsort(results[on], ROUNDS, sizeof(struct bench_result), compare_results);
        snprintf(name, sizeof(name), "%s, %s", work, on ? "over TLS" : "plain");
        bench_row(name, points, bytes, 0, &results[on][ROUNDS / 2]);
    }
    double median = bench_percentile(ratios, ROUNDS, 0.5);
    bench_row_text("… over TLS to plain",
        "time %.2f (%.2f to %.2f in %d pairs), processor %.2f, the server's alone %.2f", median, ratios[0],
        ratios[ROUNDS - 1], ROUNDS, bench_percentile(cpu_ratios, ROUNDS, 0.5),
        bench_percentile(server_ratios, ROUNDS, 0.5));
}

static void bench_tls_inserts(
    struct bench *bench, unsigned connections, uint64_t points, uint32_t batch_points)
{
    char work[128];
    uint64_t bytes = 0;
    size_t requests = (size_t)(points / connections / batch_points);
    if (requests == 0)
        requests = 1;
    bench->connections = connections;
    for (unsigned i = 0; i < connections; i++) {
        make_inserts(bench, i, requests, batch_points);
        bytes += bench->clients[i].ends[requests - 1];
    }
    snprintf(work, sizeof(work), "REST insert, %u point%s at once, %u connection%s", batch_points,
        batch_points == 1 ? "" : "s", connections, connections == 1 ? "" : "s");
    compare_tls(bench, work, (uint64_t)requests * batch_points * connections, bytes);
    clients_free(bench);
}

static void bench_tls(struct bench *bench, uint64_t points)
{
    bench_tls_inserts(bench, 1, points / 200, 1);
    bench_tls_inserts(bench, CONNECTIONS_MAX, points / 20, 1);
    bench_tls_inserts(bench, 1, points, BATCH_POINTS);
    bench_tls_inserts(bench, 4, points, BATCH_POINTS);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint64_t points = bench_points(argc, argv, 2000000);
    size_t reads = points / 100 > 0 ? (size_t)(points / 100) : 1;
    rest_server_init(&bench.server);
    bench_insert(&bench, 1, points / 200, 1);
    bench_insert(&bench, CONNECTIONS_MAX, points / 20, 1);
    bench_insert(&bench, 1, points, BATCH_POINTS);
    bench_insert(&bench, 4, points, BATCH_POINTS);
    fill_stream(&bench, GENERATE_DOUBLES, points);
    bench_read(&bench, "REST range read, N", 1, points, points, query_all);
    fill_stream(&bench, GENERATE_SENSOR, points);
    bench_read(&bench, "REST range read, G", 1, points, points, query_all);
    bench_read(&bench, "REST last point, 1 connection", reads, points, 1, query_last);
    bench_read(
        &bench, "REST random range of 1000 points, G", reads / 4 + 1, points, RANGE_POINTS, query_range);
    bench_tls(&bench, points / 2);
    rest_server_destroy(&bench.server);
    return 0;
}
