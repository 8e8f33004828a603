/* More clients than threads, idle clients, and what a connection costs. */
#include "test.h"

#include "http.h"
#include "http_peer.h"

#include <sched.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 4, READ_TIMEOUT_MS = 10000 };

static struct http *http;
static sem_t entered, released; /* of requests for /wait */
static atomic_uint reports;

static void handle(void *context, struct http_exchange *exchange)
{
    char body[64];
    struct error error = {0};
    long r = 0;
    (void)context;
    if (strcmp(exchange->path, "/wait") == 0) {
        sem_post(&entered);
        sem_wait(&released);
    }
    while ((r = http_body_read(exchange, body, sizeof(body), &error)) > 0)
        continue;
    http_answer(exchange, r < 0 ? 400 : 200, HTTP_TEXT, r < 0 ? "broken" : "hello", r < 0 ? 6 : 5);
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    (void)context;
    http_answer(exchange, status, HTTP_TEXT, text, strlen(text));
}

static void report(void *context, const char *text)
{
    (void)context;
    if (strstr(text, "connections_max"))
        atomic_fetch_add(&reports, 1);
}

static const struct http_options OPTIONS = {
    .address = "",
    .connections_max = THREADS,
    .read_timeout_ms = READ_TIMEOUT_MS,
    .rest_ms = 1, /* each connection that waits gives its memory back */
    .handle = handle,
    .refuse = refuse,
    .report = report,
};

static void start_with(const struct http_options *options)
{
    struct error error = {0};
    if (http_start(options, &http, &error) < 0)
        fail_msg("%s", error.message);
    http_serve(http);
}

static int start(void **state)
{
    (void)state;
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    atomic_store(&reports, 0);
    start_with(&OPTIONS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(http);
    sem_destroy(&entered);
    sem_destroy(&released);
    return 0;
}

/* Reads one answer whose body is "hello". False: the connection ended before it. */
static bool hear_hello(int file, char *reply, size_t capacity)
{
    size_t used = 0;
    reply[0] = '\0';
    while (!strstr(reply, "\r\n\r\nhello")) {
        ssize_t count = recv(file, reply + used, capacity - 1 - used, 0);
        if (count <= 0)
            return false;
        used += (size_t)count;
        reply[used] = '\0';
    }
    return true;
}

static void greet(int file, char *reply, size_t capacity)
{
    static const char REQUEST[] = "GET /small HTTP/1.1\r\nHost: x\r\n\r\n";
    peer_say(file, REQUEST, sizeof(REQUEST) - 1);
    assert_true(hear_hello(file, reply, capacity));
}

static void test_keep_alive_says_for_how_long(void **state)
{
    char reply[1024];
    (void)state;
    int file = peer_dial(http_port(http), 0);
    greet(file, reply, sizeof(reply));
    assert_non_null(strstr(reply, "\r\nKeep-Alive: timeout=120\r\n"));
    assert_null(strstr(reply, "\r\nConnection: close\r\n"));
    close(file);
}

/* They waited until the others had been silent for the whole keep-alive time, and nothing said why. */
static void test_idle_connections_yield_to_waiting_ones(void **state)
{
    enum { CLIENTS = 6 * THREADS };
    int files[CLIENTS];
    char reply[1024];
    struct http_counts counts;
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        files[i] = peer_dial(http_port(http), 0);
        greet(files[i], reply, sizeof(reply));
    }
    http_count(http, &counts);
    assert_int_equal(counts.connections_max, THREADS);
    assert_true(counts.yielded + THREADS >= CLIENTS - 1 && counts.yielded > 0);
    assert_int_equal(atomic_load(&reports), 1);
    assert_int_equal(
        recv(files[0], reply, 1, 0), 0); /* the one that was idle longest: closed, without an error */
    for (int i = 0; i < CLIENTS; i++)
        close(files[i]);
}

/* All threads are in requests, so nobody is idle: their answers end the connections for those that wait. */
static void test_busy_connections_end_after_their_answers(void **state)
{
    static const char REQUEST[] = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
    int files[THREADS], further;
    char reply[1024];
    struct http_counts counts;
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        files[i] = peer_dial(http_port(http), 0);
        peer_say(files[i], REQUEST, sizeof(REQUEST) - 1);
    }
    for (int i = 0; i < THREADS; i++)
        sem_wait(&entered);
    further = peer_dial(http_port(http), 0);
    do /* until it was accepted */
        http_count(http, &counts);
    while (counts.waiting == 0 && poll(NULL, 0, 1) == 0);
    sem_post(&released);
    greet(further, reply, sizeof(reply));
    for (int i = 1; i < THREADS; i++)
        sem_post(&released);
    int closed = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_true(hear_hello(files[i], reply, sizeof(reply)));
        closed += strstr(reply, "\r\nConnection: close\r\n") != NULL;
        close(files[i]);
    }
    assert_true(closed >= 1);
    close(further);
}

/* The longest idle one sends a request whose body follows later, while the others make it yield. */
static void *send_in_parts(void *argument)
{
    static const char HEAD[] = "POST /small HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
    unsigned *broken = argument;
    char reply[1024];
    for (int i = 0; i < 200; i++) {
        int file = peer_dial(http_port(http), 0);
        for (int request = 0; request < 3; request++) {
            peer_say(file, HEAD, sizeof(HEAD) - 1);
            (void)poll(NULL, 0, i % 2); /* any interleaving is fine */
            peer_say(file, "abcde", 5);
            if (!hear_hello(file, reply, sizeof(reply))) {
                *broken += strstr(reply, "broken") != NULL;
                break;
            }
            if (strstr(reply, "Connection: close"))
                break;
            if (request == 1)
                (void)poll(NULL, 0, HTTP_YIELD_IDLE_MS); /* idle: it may yield now */
        }
        close(file);
    }
    return NULL;
}

static void test_no_request_is_broken_by_yielding(void **state)
{
    enum { CLIENTS = 2 * THREADS };
    pthread_t threads[CLIENTS];
    unsigned broken[CLIENTS] = {0};
    (void)state;
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_in_parts, &broken[i]), 0);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(broken[i], 0);
    }
}

/* The head of a second request had the idle connection's time. */
static void test_a_dripped_head_is_cut_off_in_every_request(void **state)
{
    struct http_options options = OPTIONS;
    char reply[4096] = "";
    (void)state;
    http_stop(http);
    options.read_timeout_ms = 200;
    start_with(&options);
    int file = peer_dial(http_port(http), 0);
    greet(file, reply, sizeof(reply));
    peer_say(file, "GET /small HTTP/1.1\r\nX: ", 24);
    size_t used = 0;
    ssize_t count = 1;
    while (count > 0) { /* it goes on until the server ends it */
        struct pollfd readable = {.fd = file, .events = POLLIN};
        peer_say(file, "x", 1);
        if (poll(&readable, 1, 1) > 0 && (count = recv(file, reply + used, sizeof(reply) - 1 - used, 0)) > 0)
            used += (size_t)count;
    }
    reply[used] = '\0';
    peer_assert_status(reply, 408);
    close(file);
}

static void test_an_idle_connection_is_closed(void **state)
{
    struct http_options options = OPTIONS;
    char reply[1024];
    (void)state;
    http_stop(http);
    options.idle_ms_max = 50;
    start_with(&options);
    int file = peer_dial(http_port(http), 0);
    greet(file, reply, sizeof(reply));
    assert_null(strstr(reply, "Keep-Alive")); /* less than a second: nothing to promise */
    assert_int_equal(recv(file, reply, sizeof(reply), 0), 0);
    close(file);
}

static void test_an_idle_connection_holds_no_buffers(void **state)
{
    int files[THREADS];
    char reply[1024];
    struct http_counts counts;
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        files[i] = peer_dial(http_port(http), 0);
        greet(files[i], reply, sizeof(reply));
    }
    do { /* the last ones may not have been given back yet */
        (void)sched_yield();
        http_count(http, &counts);
    } while (counts.buffers_used > 0);
    assert_int_equal(counts.connections, THREADS);
    for (int i = 0; i < THREADS; i++)
        close(files[i]);
}

/* The thread that frees them sleeps while there are none: each time, the first request wakes it. */
static void test_unused_buffers_are_freed(void **state)
{
    enum { TIMES = 3 };
    struct http_options options = OPTIONS;
    char reply[1024];
    struct http_counts counts;
    (void)state;
    http_stop(http);
    options.trim_ms = 1;
    start_with(&options);
    int file = peer_dial(http_port(http), 0);
    for (int i = 0; i < TIMES; i++) {
        greet(file, reply, sizeof(reply));
        do {
            (void)sched_yield();
            http_count(http, &counts);
        } while (counts.buffers > 0);
    }
    assert_int_equal(counts.connections, 1);
    close(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_keep_alive_says_for_how_long),
        TEST(test_idle_connections_yield_to_waiting_ones),
        TEST(test_busy_connections_end_after_their_answers),
        TEST(test_no_request_is_broken_by_yielding),
        TEST(test_a_dripped_head_is_cut_off_in_every_request),
        TEST(test_an_idle_connection_is_closed),
        TEST(test_an_idle_connection_holds_no_buffers),
        TEST(test_unused_buffers_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
