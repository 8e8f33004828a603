/* Many clients that keep their connections and insert one point a second each, plainly and over TLS; server
 * and clients are in this process.
 * bench_clients [POINTS] POINTS: inserted in all; 10,000 are 1,000 clients for ten seconds.
 *
 * Each client has its own moment of the second. Its latency runs from the moment when the insert is due, not
 * from when it is sent: a client thread that is late cannot hide that the server is. The row of the disk is
 * what an insert cannot be faster than: appending 512 bytes and syncing them. */
#include "bench_common.h"
#include "rest_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 1000,
    SECONDS = 10,
    ROUNDS_MIN = 2, /* of fewer clients, as a test; the first is not measured */
    REQUEST_BYTES = 512,
    ANSWER_BYTES = 4096,
    DISK_APPENDS = 1000,
    EVENTS = 64,
    NS_PER_SECOND = 1000000000,
};

struct client {
    int socket;
    SSL *tls; /* NULL: plain */
    bool waits;
    double due; /* when the insert was, or is to be, sent */
    char answer[ANSWER_BYTES];
    size_t answer_bytes;
};

struct fleet {
    struct rest_server server;
    struct client *clients;
    unsigned count, rounds;
    double *seconds; /* of answered inserts */
    size_t answered, unmeasured;
    int epoll;
};

/* ---- one client ---- */

static void send_insert(struct client *client, unsigned number, unsigned round)
{
    char body[64], request[REQUEST_BYTES];
    int body_bytes = snprintf(body, sizeof(body), "[{\"d\":%u.%u}]", round, number);
    int bytes = snprintf(request, sizeof(request),
        "POST /api/v1/crud/bench/data/s%u/data HTTP/1.1\r\nHost: localhost\r\n" REST_SERVER_LOGIN
        "Content-Length: %d\r\n\r\n%s",
        number, body_bytes, body);
    size_t sent = 0;
    bool whole = client->tls ? SSL_write_ex(client->tls, request, (size_t)bytes, &sent) == 1
                             : send(client->socket, request, (size_t)bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
    if (!whole)
        bench_fail("the server closed the connection");
    client->waits = true;
    client->answer_bytes = 0;
}

/* What has come; 0: nothing yet. */
static size_t receive(struct client *client)
{
    char *to = client->answer + client->answer_bytes;
    size_t room = ANSWER_BYTES - 1 - client->answer_bytes, count = 0;
    if (client->tls) {
        int result = SSL_read_ex(client->tls, to, room, &count);
        if (result != 1 && SSL_get_error(client->tls, result) != SSL_ERROR_WANT_READ)
            bench_fail("the server closed the connection");
        return count;
    }
    ssize_t received = recv(client->socket, to, room, MSG_DONTWAIT);
    if (received == 0 || (received < 0 && errno != EAGAIN))
        bench_fail("the server closed the connection");
    return received > 0 ? (size_t)received : 0;
}

/* True: the answer is whole. It ends with the body "ok". */
static bool take_answer(struct client *client)
{
    size_t count;
    while ((count = receive(client)) > 0) {
        client->answer_bytes += count;
        client->answer[client->answer_bytes] = '\0';
        const char *body = strstr(client->answer, "\r\n\r\n");
        if (body && strncmp(client->answer, "HTTP/1.1 200", 12) != 0)
            bench_fail("answer: %s", client->answer);
        if (body && strcmp(body + 4, "ok") == 0)
            return true;
    }
    return false;
}

/* ---- all of them ---- */

static void connect_all(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        struct client *client = &fleet->clients[i];
        *client = (struct client){.socket = rest_server_dial(&fleet->server)};
        client->tls = rest_server_shake_hands(&fleet->server, client->socket);
        send_insert(client, i, 0); /* the server lets a new connection wait for its first request less long */
        if (fcntl(client->socket, F_SETFL, O_NONBLOCK) < 0)
            bench_fail("fcntl: %s", strerror(errno));
        struct pollfd polled = {.fd = client->socket, .events = POLLIN};
        while (!take_answer(client))
            (void)poll(&polled, 1, -1);
        client->waits = false;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(fleet->epoll, EPOLL_CTL_ADD, client->socket, &event) < 0)
            bench_fail("epoll_ctl: %s", strerror(errno));
    }
}

static void take_answers(struct fleet *fleet, double until)
{
    struct epoll_event events[EVENTS];
    double left = until - bench_now();
    uint64_t left_ns = left > 0 ? (uint64_t)(left * 1e9) : 0;
    struct timespec timeout = {
        .tv_sec = (time_t)(left_ns / NS_PER_SECOND), .tv_nsec = (long)(left_ns % NS_PER_SECOND)};
    int count = epoll_pwait2(fleet->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct client *client = &fleet->clients[events[i].data.u32];
        if (!client->waits || !take_answer(client))
            continue;
        client->waits = false;
        fleet->seconds[fleet->answered++] = bench_now() - client->due;
    }
}

/* Each client inserts `rounds` times. A client whose answer has not come when its next insert is due sends it
 * later, and is late from then on. */
static void run_all(struct fleet *fleet)
{
    double begun = bench_now();
    fleet->answered = 0;
    for (unsigned round = 0; round < fleet->rounds; round++) {
        if (round == 1)
            fleet->unmeasured = fleet->answered;
        for (unsigned i = 0; i < fleet->count; i++) {
            struct client *client = &fleet->clients[i];
            double due = begun + round + (double)i / fleet->count;
            while (bench_now() < due || client->waits)
                take_answers(fleet, client->waits ? due + 1 : due);
            client->due = due;
            send_insert(client, i, round + 1);
        }
    }
    while (fleet->answered < (size_t)fleet->count * fleet->rounds)
        take_answers(fleet, bench_now() + 1);
}

static void disconnect_all(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        SSL_free(fleet->clients[i].tls);
        (void)close(fleet->clients[i].socket);
    }
}

/* ---- rows ---- */

static void print_latency(const char *work, double *seconds, size_t count)
{
    double p50 = bench_percentile(seconds, count, 0.5), p99 = bench_percentile(seconds, count, 0.99);
    bench_row_text(work, "p50 %.2f ms, p99 %.2f ms, most %.2f ms", p50 * 1e3, p99 * 1e3,
        bench_percentile(seconds, count, 1) * 1e3);
}

static void bench_disk(void)
{
    char path[REST_SERVER_PATH_BYTES], block[512] = "";
    double *seconds = calloc(DISK_APPENDS, sizeof(*seconds));
    snprintf(path, sizeof(path), "%s/disk", bench_directory());
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (!seconds || file < 0)
        bench_fail("%s: %s", path, strerror(errno));
    for (int i = 0; i < DISK_APPENDS; i++) {
        double begun = bench_now();
        if (write(file, block, sizeof(block)) != (ssize_t)sizeof(block) || fdatasync(file) < 0)
            bench_fail("%s: %s", path, strerror(errno));
        seconds[i] = bench_now() - begun;
    }
    (void)close(file);
    print_latency("machine: 512 B append + fdatasync", seconds, DISK_APPENDS);
    free(seconds);
}

static void bench_fleet(struct fleet *fleet, bool tls)
{
    char work[128];
    rest_server_set_tls(&fleet->server, tls);
    rest_server_open(&fleet->server);
    uint64_t before = bench_private_bytes();
    connect_all(fleet);
    double cpu = bench_cpu_seconds(), begun = bench_now();
    run_all(fleet);
    double spent = bench_now() - begun;
    cpu = bench_cpu_seconds() - cpu;
    uint64_t bytes = bench_private_bytes() - before;
    disconnect_all(fleet);
    snprintf(
        work, sizeof(work), "%u clients, an insert a second each, %s", fleet->count, tls ? "TLS" : "plain");
    print_latency(work, fleet->seconds + fleet->unmeasured, fleet->answered - fleet->unmeasured);
    bench_row_text("… what it costs, clients included", "CPU %.0f %%, %.0f KiB of memory a client",
        cpu / spent * 100, (double)bytes / 1024 / fleet->count);
}

int main(int argc, char **argv)
{
    struct fleet fleet = {0};
    uint64_t points = bench_points(argc, argv, (uint64_t)CLIENTS_MAX * SECONDS);
    fleet.count = points / SECONDS < CLIENTS_MAX ? (unsigned)(points / SECONDS) + 1 : CLIENTS_MAX;
    fleet.rounds = fleet.count < CLIENTS_MAX ? ROUNDS_MIN : (unsigned)(points / fleet.count);
    rest_server_init(&fleet.server);
    fleet.server.streams = fleet.count;
    fleet.epoll = epoll_create1(EPOLL_CLOEXEC);
    fleet.clients = calloc(fleet.count, sizeof(*fleet.clients));
    fleet.seconds = calloc((size_t)fleet.count * fleet.rounds, sizeof(*fleet.seconds));
    if (fleet.epoll < 0 || !fleet.clients || !fleet.seconds)
        bench_fail("no memory for clients");
    bench_disk();
    bench_fleet(&fleet, false);
    bench_fleet(&fleet, true);
    rest_server_destroy(&fleet.server);
    free(fleet.clients);
    free(fleet.seconds);
    (void)close(fleet.epoll);
    return 0;
}
