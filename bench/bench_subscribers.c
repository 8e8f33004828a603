/* WebSockets: how many inserts one takes; what live subscribers cost inserts that come at a steady rate,
 * whether each gets every datapoint once and in order, and what thousands of idle ones cost requests. Server
 * and clients are in this process. bench_subscribers [POINTS] POINTS: inserted at 10,000 a second; the
 * default is a minute of them.
 *
 * An insert's latency runs from the moment when it is due to its acknowledgement, which comes when it is on
 * disk: a client that is late cannot hide that the server is. */
#include "bench_common.h"
#include "rest_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RATE = 10000, /* inserts a second */
    SUBSCRIBERS = 200,
    IDLE = 2000,
    CONNECTIONS_MORE = 100, /* than twice the WebSockets: they may be half of all */
    BUFFER_BYTES = 64 << 10,
    TEXT_MAX = 256,
    EVENTS = 64,
    DELIVERY_SECONDS_MAX = 60,
    READS_BETWEEN_PINGS = 100, /* pings must be answered within seconds */
    WINDOW = 4096,             /* inserts on the way, when no rate limits them */
};

/* A WebSocket. */
struct client {
    int socket;
    uint64_t seen; /* acknowledgements, or datapoints of the stream it subscribed to */
    uint8_t *buffer;
    size_t used;
};

struct stage {
    struct rest_server server;
    struct client *clients; /* the first one inserts, the others subscribe to a stream each */
    unsigned count;
    unsigned streams;
    uint64_t inserts;
    double rate; /* inserts a second; 0 = as many as the server takes */
    double begun;
    double *seconds; /* of each insert */
    int epoll;
};

static double due_of(const struct stage *stage, uint64_t insert)
{
    return stage->begun + (stage->rate > 0 ? (double)insert / stage->rate : 0);
}

/* ---- frames: RFC 6455 ---- */

static void send_all(int socket, const void *data, size_t size)
{
    for (const char *from = data; size > 0;) {
        ssize_t sent = send(socket, from, size, MSG_NOSIGNAL);
        if (sent < 0)
            bench_fail("send: %s", strerror(errno));
        from += sent;
        size -= (size_t)sent;
    }
}

/* Appends a text frame with a mask of zeros. */
static size_t frame(uint8_t *to, const char *text, size_t size)
{
    size_t head = size < 126 ? 2 : 4;
    to[0] = 0x81;
    to[1] = (uint8_t)(0x80 | (size < 126 ? size : 126));
    if (head == 4) {
        to[2] = (uint8_t)(size >> 8);
        to[3] = (uint8_t)size;
    }
    memset(to + head, 0, 4);
    memcpy(to + head + 4, text, size);
    return head + 4 + size;
}

static void connect_client(struct stage *stage, struct client *client)
{
    static const char REQUEST[] =
        "GET /api/v1/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n" REST_SERVER_LOGIN
        "\r\n";
    char answer[1024];
    size_t used = 0;
    *client = (struct client){.socket = rest_server_dial(&stage->server), .buffer = malloc(BUFFER_BYTES)};
    if (!client->buffer)
        bench_fail("no memory for clients");
    send_all(client->socket, REQUEST, sizeof(REQUEST) - 1);
    do { /* byte by byte: what is behind the head is a frame */
        if (used == sizeof(answer) - 1 || recv(client->socket, answer + used, 1, 0) != 1)
            bench_fail("the server refused a WebSocket");
        answer[++used] = '\0';
    } while (!strstr(answer, "\r\n\r\n"));
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0)
        bench_fail("the server answered %s", answer);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(stage->epoll, EPOLL_CTL_ADD, client->socket, &event) < 0)
        bench_fail("epoll_ctl: %s", strerror(errno));
}

/* ---- messages ---- */

/* {"id":5,"ok":true}: in the order of the inserts. */
static void take_acknowledgement(struct stage *stage, struct client *client, const char *text)
{
    char wanted[TEXT_MAX];
    snprintf(wanted, sizeof(wanted), "{\"id\":%" PRIu64 ",\"ok\":true}", client->seen);
    if (strcmp(text, wanted) != 0)
        bench_fail("insert %" PRIu64 " was answered: %s", client->seen, text);
    stage->seconds[client->seen] = bench_now() - due_of(stage, client->seen);
    client->seen++;
}

/* {"stream":...,"data":[{"t":1,"d":0},...]}: the values of a stream count up from 0. */
static void take_datapoints(struct client *client, const char *text)
{
    static const char VALUE[] = ",\"d\":";
    if (strncmp(text, "{\"stream\":", 10) != 0)
        bench_fail("a subscriber was sent: %s", text);
    while ((text = strstr(text, VALUE))) {
        uint64_t value = strtoull(text + sizeof(VALUE) - 1, NULL, 10);
        if (value != client->seen)
            bench_fail("a subscriber got datapoint %" PRIu64 " instead of %" PRIu64, value, client->seen);
        client->seen++;
        text++;
    }
}

static void take_frame(struct stage *stage, struct client *client, uint8_t opcode, char *text, size_t size)
{
    if (opcode == 9) { /* ping */
        uint8_t pong[TEXT_MAX];
        size_t bytes = frame(pong, text, size);
        pong[0] = 0x8a;
        send_all(client->socket, pong, bytes);
    } else if (opcode != 1) {
        bench_fail("the server sent a frame of kind %u", opcode);
    } else {
        char after = text[size];
        text[size] = '\0';
        if (client == &stage->clients[0])
            take_acknowledgement(stage, client, text);
        else
            take_datapoints(client, text);
        text[size] = after;
    }
}

static void take_frames(struct stage *stage, struct client *client)
{
    ssize_t got =
        recv(client->socket, client->buffer + client->used, BUFFER_BYTES - 1 - client->used, MSG_DONTWAIT);
    if (got <= 0)
        bench_fail("the server closed a WebSocket");
    client->used += (size_t)got;
    uint8_t *at = client->buffer, *end = at + client->used;
    while (end - at >= 2) {
        size_t size = at[1] & 0x7f, head = size == 126 ? 4 : 2;
        if (size == 127)
            bench_fail("a message is too large for this bench");
        if ((size_t)(end - at) < head)
            break;
        if (head == 4)
            size = (size_t)at[2] << 8 | at[3];
        if ((size_t)(end - at) < head + size)
            break;
        take_frame(stage, client, at[0] & 0x0f, (char *)at + head, size);
        at += head + size;
    }
    client->used = (size_t)(end - at);
    memmove(client->buffer, at, client->used);
}

/* Waits for the first event, and takes all that there are. */
static void take_events(struct stage *stage, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(stage->epoll, events, EVENTS, timeout_ms);
    while (count > 0) {
        for (int i = 0; i < count; i++)
            take_frames(stage, events[i].data.ptr);
        count = count == EVENTS ? epoll_wait(stage->epoll, events, EVENTS, 0) : 0;
    }
}

/* ---- a stage ---- */

static void subscribe(struct client *client, unsigned stream)
{
    char text[TEXT_MAX];
    uint8_t bytes[2 * TEXT_MAX];
    int size =
        snprintf(text, sizeof(text), "{\"cmd\":\"subscribe\",\"arg\":\"bench/data/s%u\",\"id\":0}", stream);
    send_all(client->socket, bytes, frame(bytes, text, (size_t)size));
    char answer[32];
    if (recv(client->socket, answer, 20, MSG_WAITALL) != 20 ||
        memcmp(answer + 2, "{\"id\":0,\"ok\":true}", 18) != 0)
        bench_fail("a subscription was refused");
}

static void connect_all(struct stage *stage, unsigned subscribers)
{
    rest_server_open(&stage->server);
    stage->epoll = epoll_create1(EPOLL_CLOEXEC);
    stage->count = subscribers + 1;
    stage->clients = calloc(stage->count, sizeof(*stage->clients));
    if (stage->epoll < 0 || !stage->clients)
        bench_fail("no memory for clients");
    for (unsigned i = 0; i < stage->count; i++)
        connect_client(stage, &stage->clients[i]);
    for (unsigned i = 1; i < stage->count; i++)
        subscribe(&stage->clients[i], (i - 1) % stage->streams);
}

static void disconnect_all(struct stage *stage)
{
    for (unsigned i = 0; i < stage->count; i++) {
        (void)close(stage->clients[i].socket);
        free(stage->clients[i].buffer);
    }
    free(stage->clients);
    (void)close(stage->epoll);
    stage->clients = NULL;
    stage->count = 0;
}

/* Sends the inserts that are due by now, as many as fit the buffer. */
static uint64_t send_due(struct stage *stage, uint64_t next)
{
    static uint8_t bytes[BUFFER_BYTES];
    size_t used = 0;
    double now = bench_now();
    uint64_t most = stage->clients[0].seen + (stage->rate > 0 ? stage->inserts : WINDOW);
    most = most < stage->inserts ? most : stage->inserts;
    for (; next < most && due_of(stage, next) <= now && used + 2 * TEXT_MAX < sizeof(bytes); next++) {
        char text[TEXT_MAX];
        int size = snprintf(text, sizeof(text),
            "{\"cmd\":\"insert\",\"id\":%" PRIu64 ",\"arg\":\"bench/data/s%u\",\"d\":[{\"d\":%" PRIu64 "}]}",
            next, (unsigned)(next % stage->streams), next / stage->streams);
        used += frame(bytes + used, text, (size_t)size);
    }
    send_all(stage->clients[0].socket, bytes, used);
    return next;
}

/* The datapoints that have not come to their subscribers. */
static uint64_t missing(const struct stage *stage)
{
    uint64_t count = stage->inserts - stage->clients[0].seen;
    for (unsigned i = 1; i < stage->count; i++) {
        unsigned stream = (i - 1) % stage->streams;
        uint64_t wanted = stage->inserts / stage->streams + (stream < stage->inserts % stage->streams);
        count += wanted - stage->clients[i].seen;
    }
    return count;
}

static void bench_pipeline(struct stage *stage, unsigned streams)
{
    char work[128];
    uint64_t next = 0;
    stage->streams = streams;
    stage->rate = 0;
    connect_all(stage, 0);
    stage->begun = bench_now();
    double cpu = bench_cpu_seconds();
    while (stage->clients[0].seen < stage->inserts) {
        uint64_t before = next;
        next = send_due(stage, next);
        take_events(stage, next > before ? 0 : 1);
    }
    double spent = bench_now() - stage->begun;
    cpu = bench_cpu_seconds() - cpu;
    disconnect_all(stage);
    snprintf(work, sizeof(work), "single inserts over one WebSocket, pipelined, %u stream%s", streams,
        streams == 1 ? "" : "s");
    bench_row_text(work, "%.1f k/s, each acknowledged when synced, CPU %.0f %%",
        (double)stage->inserts / spent / 1e3, cpu / spent * 100);
}

static double bench_inserts(struct stage *stage, unsigned subscribers, double p50_alone)
{
    char work[128];
    uint64_t next = 0;
    connect_all(stage, subscribers);
    double cpu = bench_cpu_seconds();
    stage->begun = bench_now();
    while (next < stage->inserts || stage->clients[0].seen < next) {
        next = send_due(stage, next);
        take_events(stage, 1);
    }
    double spent = bench_now() - stage->begun;
    cpu = bench_cpu_seconds() - cpu;
    double deadline = bench_now() + DELIVERY_SECONDS_MAX;
    while (missing(stage) > 0 && bench_now() < deadline)
        take_events(stage, 1);
    if (missing(stage) > 0)
        bench_fail("%" PRIu64 " datapoints were not delivered", missing(stage));
    disconnect_all(stage);
    double p50 = bench_percentile(stage->seconds, stage->inserts, 0.5);
    double p99 = bench_percentile(stage->seconds, stage->inserts, 0.99);
    snprintf(work, sizeof(work), "%.0f inserts/s over a WebSocket, %u subscribers",
        (double)stage->inserts / spent, subscribers);
    bench_row_text(work,
        "p50 %.2f ms (%.2f times nobody's), p99 %.2f ms, CPU %.0f %%, all delivered in order", p50 * 1e3,
        p50_alone > 0 ? p50 / p50_alone : 1, p99 * 1e3, cpu / spent * 100);
    return p50;
}

/* ---- idle sockets ---- */

/* Reads the last datapoint of a stream again and again for so many seconds: requests a second. */
static double read_for(struct stage *stage, double seconds)
{
    static const char REQUEST[] =
        "GET /api/v1/crud/bench/data/s0/data?i1=-1 HTTP/1.1\r\nHost: localhost\r\n" REST_SERVER_LOGIN "\r\n";
    char answer[4096];
    uint64_t count = 0;
    int socket = rest_server_dial(&stage->server);
    double begun = bench_now(), now = begun;
    while (now < begun + seconds) {
        send_all(socket, REQUEST, sizeof(REQUEST) - 1);
        if (recv(socket, answer, sizeof(answer), 0) <= 0 || strncmp(answer, "HTTP/1.1 200", 12) != 0)
            bench_fail("a read failed");
        count++;
        now = bench_now();
        if (stage->count > 0 && count % READS_BETWEEN_PINGS == 0)
            take_events(stage, 0);
    }
    (void)close(socket);
    return (double)count / (now - begun);
}

static void bench_idle(struct stage *stage, unsigned sockets)
{
    char work[128];
    double seconds = (double)stage->inserts / RATE;
    rest_server_open(&stage->server);
    double alone = read_for(stage, seconds < 3 ? seconds : 3);
    uint64_t before = bench_private_bytes();
    connect_all(stage, sockets);
    uint64_t bytes = bench_private_bytes() - before;
    (void)read_for(stage, seconds < 1 ? seconds : 1);
    double with = read_for(stage, seconds);
    disconnect_all(stage);
    snprintf(work, sizeof(work), "reads of the last datapoint beside %u idle subscribers", sockets);
    bench_row_text(work, "%.1f k/s (%.2f times those without), for %.0f s, %.0f KiB of memory a subscriber",
        with / 1e3, with / alone, seconds, (double)bytes / 1024 / sockets);
}

int main(int argc, char **argv)
{
    static struct stage stage;
    stage.inserts = bench_points(argc, argv, UINT64_C(60) * RATE);
    unsigned subscribers =
        stage.inserts / 10 < SUBSCRIBERS ? (unsigned)(stage.inserts / 100) + 1 : SUBSCRIBERS;
    unsigned idle = stage.inserts / 10 < IDLE ? (unsigned)(stage.inserts / 100) + 1 : IDLE;
    stage.streams = subscribers;
    stage.seconds = calloc(stage.inserts, sizeof(*stage.seconds));
    if (!stage.seconds)
        bench_fail("no memory for latencies");
    rest_server_init(&stage.server);
    stage.server.streams = subscribers;
    stage.server.configuration.connections_max =
        2 * (idle > subscribers ? idle : subscribers) + CONNECTIONS_MORE;
    bench_pipeline(&stage, 1);
    bench_pipeline(&stage, subscribers);
    stage.rate = RATE;
    double alone = bench_inserts(&stage, 0, 0);
    (void)bench_inserts(&stage, subscribers, alone);
    bench_idle(&stage, idle);
    rest_server_destroy(&stage.server);
    free(stage.seconds);
    return 0;
}
