/* The HTTP layer over real sockets: framing of answers, bodies, keep-alive, cut-offs, and what is no request
 * at all. */
#include "test.h"

#include "http.h"
#include "http_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BODY_LIMIT = 1 << 20,
    READ_TIMEOUT_MS = 10000,    /* no test waits for it */
    STALL_READ_TIMEOUT_MS = 50, /* how often CivetWeb looks up from a stalled send */
    STALL_MS = 200,
    GRACE_MS = 50, /* for a body */
};

static struct {
    struct http *http;
    sem_t cut_off; /* posted when an answer ended without its end */
} served;

static void stream_bytes(struct http_exchange *exchange, uint64_t count, bool complete)
{
    struct sink *sink = http_answer_open(exchange, 200, HTTP_TEXT);
    int r = 0;
    for (uint64_t i = 0; i < count && r == 0; i++) {
        char byte = (char)('a' + i % 26);
        r = sink_write(sink, &byte, 1);
    }
    if (http_answer_close(exchange, complete && r == 0))
        http_answer(exchange, 500, HTTP_TEXT, "dropped", 7);
    else if (r < 0 && r != -ECANCELED)
        sem_post(&served.cut_off);
}

static void echo_size(struct http_exchange *exchange)
{
    static _Thread_local char buffer[4096];
    struct error error = {0};
    char text[64];
    uint64_t size = 0;
    long r = http_body_limit(exchange, BODY_LIMIT, &error);
    while (r >= 0 && (r = http_body_read(exchange, buffer, sizeof(buffer), &error)) > 0)
        size += (uint64_t)r;
    int length = r < 0 ? snprintf(text, sizeof(text), "error %ld", -r)
                       : snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
    http_answer(exchange, r == -EFBIG ? 413 : r < 0 ? 400 : 200, HTTP_TEXT, text, (size_t)length);
}

static void handle(void *context, struct http_exchange *exchange)
{
    (void)context;
    if (strcmp(exchange->path, "/small") == 0)
        http_answer(exchange, 200, HTTP_TEXT, "hello", 5);
    else if (strcmp(exchange->path, "/secure") == 0)
        http_answer(exchange, 200, HTTP_TEXT, http_exchange_secure(exchange) ? "tls" : "tcp", 3);
    else if (strcmp(exchange->path, "/long") == 0)
        stream_bytes(exchange, strtoull(exchange->query, NULL, 10), true);
    else if (strcmp(exchange->path, "/broken") == 0)
        stream_bytes(exchange, strtoull(exchange->query, NULL, 10), false);
    else if (strcmp(exchange->path, "/echo") == 0)
        echo_size(exchange);
    else
        http_answer(exchange, 404, HTTP_TEXT, exchange->method_name, strlen(exchange->method_name));
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    (void)context;
    http_answer(exchange, status, HTTP_TEXT, text, strlen(text));
}

/* More threads than connections that the tests ever hold, those that are still being closed included: an idle
 * connection yields to one that waits (test_http_clients), which would end a test's connection between two
 * requests. */
static const struct http_options OPTIONS = {
    .address = "",
    .connections_max = 64,
    .read_timeout_ms = READ_TIMEOUT_MS,
    .handle = handle,
    .refuse = refuse,
};

static int start(void **state)
{
    (void)state;
    sem_init(&served.cut_off, 0, 0);
    if (http_start(&OPTIONS, &served.http, NULL) < 0)
        return -1;
    http_serve(served.http);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(served.http);
    sem_destroy(&served.cut_off);
    return 0;
}

/* ---- a client ---- */

static int dial(void)
{
    return peer_dial(http_port(served.http), 0);
}

static char *ask(const char *request, size_t *ret_size)
{
    return peer_ask(http_port(served.http), request, ret_size);
}

/* Takes a chunked body apart: the size of its data, and whether it has its terminator. */
static uint64_t dechunk(const char *body, const char *end, bool *ret_terminated)
{
    uint64_t size = 0;
    *ret_terminated = false;
    while (body < end) {
        char *line_end;
        unsigned long long chunk = strtoull(body, &line_end, 16);
        if (line_end[0] != '\r' || line_end[1] != '\n')
            break;
        body = line_end + 2;
        if (chunk == 0) {
            *ret_terminated = memcmp(body, "\r\n", 2) == 0 && body + 2 == end;
            break;
        }
        if (chunk > (unsigned long long)(end - body))
            break;
        for (unsigned long long i = 0; i < chunk; i++)
            assert_int_equal(body[i], 'a' + (int)((size + i) % 26));
        size += chunk;
        body += chunk + 2;
    }
    return size;
}

/* ---- answers ---- */

static void test_small_answer_has_its_length_and_the_security_headers(void **state)
{
    (void)state;
    char *reply = ask("GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);
    peer_assert_status(reply, 200);
    assert_non_null(strstr(reply, "\r\nContent-Length: 5\r\n"));
    assert_non_null(strstr(reply, "\r\nX-Frame-Options: deny\r\n"));
    assert_non_null(strstr(reply, "\r\nX-XSS-Protection: 1; mode=block\r\n"));
    assert_non_null(strstr(reply, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(reply, "\r\nConnection: close\r\n"));
    assert_string_equal(peer_body(reply), "hello");
    free(reply);
}

static void test_a_plain_connection_is_not_secure(void **state)
{
    (void)state;
    char *reply =
        ask("GET /secure HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n", NULL);
    assert_string_equal(peer_body(reply), "tcp");
    free(reply);
}

static void test_answers_around_the_buffer_size(void **state)
{
    static const struct {
        uint64_t size;
        bool chunked;
    } CASES[] = {
        {0, false},
        {1, false},
        {HTTP_BUFFER_BYTES - 1, false},
        {HTTP_BUFFER_BYTES, false},
        {HTTP_BUFFER_BYTES + 1, true},
        {2 * HTTP_BUFFER_BYTES, true},
        {5 * HTTP_BUFFER_BYTES + 7, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char request[128];
        size_t size;
        bool terminated;
        (void)snprintf(request, sizeof(request), "GET /long?%llu HTTP/1.1\r\nConnection: close\r\n\r\n",
            (unsigned long long)CASES[i].size);
        char *reply = ask(request, &size);
        peer_assert_status(reply, 200);
        assert_int_equal(strstr(reply, "\r\nTransfer-Encoding: chunked\r\n") != NULL, CASES[i].chunked);
        if (CASES[i].chunked) {
            assert_int_equal(dechunk(peer_body(reply), reply + size, &terminated), CASES[i].size);
            assert_true(terminated);
        } else {
            assert_int_equal(strlen(peer_body(reply)), CASES[i].size);
        }
        free(reply);
    }
}

static void test_http_1_0_gets_no_chunks(void **state)
{
    size_t size;
    (void)state;
    char *reply = ask("GET /long?1000000 HTTP/1.0\r\n\r\n", &size);
    peer_assert_status(reply, 200);
    assert_null(strstr(reply, "chunked"));
    assert_int_equal(reply + size - peer_body(reply), 1000000);
    free(reply);
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    char *reply = ask("HEAD /small HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
    peer_assert_status(reply, 200);
    assert_non_null(strstr(reply, "\r\nContent-Length: 5\r\n"));
    assert_string_equal(peer_body(reply), "");
    free(reply);
    reply = ask("HEAD /long?9000000 HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
    peer_assert_status(reply, 200);
    assert_non_null(strstr(reply, "\r\nTransfer-Encoding: chunked\r\n"));
    assert_string_equal(peer_body(reply), "");
    free(reply);
}

static void test_failure_before_the_first_byte_becomes_an_error(void **state)
{
    (void)state;
    char *reply = ask("GET /broken?1000 HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
    peer_assert_status(reply, 500);
    assert_string_equal(peer_body(reply), "dropped");
    free(reply);
}

static void test_failure_after_the_first_byte_ends_without_terminator(void **state)
{
    size_t size;
    bool terminated;
    (void)state;
    char *reply =
        ask("GET /broken?1000000 HTTP/1.1\r\n\r\n", &size); /* no Connection: close: the server closes */
    peer_assert_status(reply, 200);
    assert_true(dechunk(peer_body(reply), reply + size, &terminated) < 1000000);
    assert_false(terminated);
    free(reply);
}

static void test_slow_reader_is_cut_off(void **state)
{
    static const char REQUEST[] = "GET /long?20000000 HTTP/1.1\r\n\r\n";
    struct http_options options = OPTIONS;
    struct http *http;
    size_t size;
    bool terminated;
    (void)state;
    options.read_timeout_ms = STALL_READ_TIMEOUT_MS;
    options.stall_ms_max = STALL_MS;
    assert_int_equal(http_start(&options, &http, NULL), 0);
    http_serve(http);
    int file = peer_dial(http_port(http), 4096);
    peer_say(file, REQUEST, sizeof(REQUEST) - 1);
    assert_int_equal(sem_wait(&served.cut_off), 0); /* while nothing is read here */
    char *reply = peer_hear_all(file, &size);
    (void)dechunk(peer_body(reply), reply + size, &terminated);
    assert_false(terminated);
    free(reply);
    http_stop(http);
}

/* ---- connections ---- */

static void test_pipelined_requests(void **state)
{
    (void)state;
    char *reply =
        ask("GET /small HTTP/1.1\r\n\r\n"
            "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
            "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
            "POST /small HTTP/1.1\r\nContent-Length: 4\r\n\r\nJUNK"
            "GET /last HTTP/1.1\r\nConnection: close\r\n\r\n",
            NULL);
    const char *at = reply;
    static const char *const BODIES[] = {"hello", "3", "5", "hello", "GET"};
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        peer_assert_status(at, i < 4 ? 200 : 404);
        at = peer_body(at);
        assert_memory_equal(at, BODIES[i], strlen(BODIES[i]));
        at += strlen(BODIES[i]);
    }
    assert_string_equal(at, "");
    free(reply);
}

static void *talk(void *argument)
{
    enum { REQUESTS = 200 };
    static const char REQUEST[] = "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    int file = dial();
    uint64_t *good = argument;
    for (int i = 0; i < REQUESTS; i++) {
        char reply[1024];
        size_t used = 0;
        peer_say(file, REQUEST, sizeof(REQUEST) - 1);
        const char *end = NULL;
        while (used < sizeof(reply) - 1 && !end) {
            ssize_t count = recv(file, reply + used, sizeof(reply) - 1 - used, 0);
            if (count <= 0)
                break;
            used += (size_t)count;
            reply[used] = '\0';
            end = strstr(reply, "\r\n\r\n3");
        }
        *good += end != NULL;
    }
    close(file);
    return NULL;
}

static void test_many_connections_at_once(void **state)
{
    enum { CONNECTIONS = 8 };
    pthread_t threads[CONNECTIONS];
    uint64_t good[CONNECTIONS] = {0};
    (void)state;
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk, &good[i]), 0);
    for (int i = 0; i < CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(good[i], 200);
}

/* ---- bodies ---- */

static char *send_body(const char *head, size_t size, bool chunked)
{
    int file = dial();
    char *body = malloc(size + 64);
    size_t used = 0;
    assert_non_null(body);
    if (chunked)
        used += (size_t)sprintf(body, "%zx\r\n", size);
    memset(body + used, 'x', size);
    used += size;
    if (chunked)
        used += (size_t)sprintf(body + used, "\r\n0\r\n\r\n");
    peer_say(file, head, strlen(head));
    peer_say(file, body, used);
    free(body);
    return peer_hear_all(file, NULL);
}

static void test_body_limit(void **state)
{
    static const struct {
        size_t size;
        int status;
    } CASES[] = {{BODY_LIMIT, 200}, {BODY_LIMIT + 1, 413}, {8 * BODY_LIMIT, 413}};
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char head[128];
        (void)snprintf(head, sizeof(head),
            "POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", CASES[i].size);
        char *reply = send_body(head, CASES[i].size, false);
        peer_assert_status(reply, CASES[i].status);
        free(reply);
        reply = send_body("POST /echo HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            CASES[i].size, true);
        peer_assert_status(reply, CASES[i].status);
        free(reply);
    }
}

static void test_announced_too_large_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    char *reply =
        ask("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", NULL);
    peer_assert_status(reply, 413);
    assert_non_null(strstr(reply, "\r\nConnection: close\r\n"));
    free(reply);
}

static void test_expect_continue(void **state)
{
    static const char HEAD[] = "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n"
                               "Content-Length: 4\r\n\r\n";
    static const char GO[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char go[sizeof(GO)];
    (void)state;
    int file = dial();
    peer_say(file, HEAD, sizeof(HEAD) - 1);
    assert_int_equal(recv(file, go, sizeof(GO) - 1, MSG_WAITALL), sizeof(GO) - 1);
    assert_memory_equal(go, GO, sizeof(GO) - 1);
    peer_say(file, "abcd", 4);
    char *reply = peer_hear_all(file, NULL);
    peer_assert_status(reply, 200);
    assert_string_equal(peer_body(reply), "4");
    free(reply);
}

static void test_broken_bodies(void **state)
{
    static const char *const REQUESTS[] = {
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nab",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nab",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(REQUESTS) / sizeof(REQUESTS[0]); i++) {
        int file = dial();
        peer_say(file, REQUESTS[i], strlen(REQUESTS[i]));
        assert_int_equal(shutdown(file, SHUT_WR), 0);
        char *reply = peer_hear_all(file, NULL);
        peer_assert_status(reply, 400);
        free(reply);
    }
}

static void test_body_that_ends_early(void **state)
{
    static const char REQUEST[] = "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc";
    (void)state;
    int file = dial();
    peer_say(file, REQUEST, sizeof(REQUEST) - 1);
    assert_int_equal(shutdown(file, SHUT_WR), 0);
    char *reply = peer_hear_all(file, NULL);
    peer_assert_status(reply, 400);
    free(reply);
}

/* ---- bodies that take too long ---- */

static struct http *start_impatient(uint32_t grace_ms, uint32_t bytes_per_second)
{
    struct http_options options = OPTIONS;
    struct http *http;
    options.body_grace_ms = grace_ms;
    options.body_bytes_per_second = bytes_per_second;
    assert_int_equal(http_start(&options, &http, NULL), 0);
    http_serve(http);
    return http;
}

/* Sends the piece again and again, with pauses far below the read timeout, until the server closes. What it
 * answered: free it. */
static char *drip(int file, const char *head, const char *piece)
{
    enum { PAUSE_MS = 1, REPLY_BYTES = 4096 };
    char *reply = calloc(1, REPLY_BYTES);
    size_t used = 0;
    ssize_t count = 1;
    assert_non_null(reply);
    peer_say(file, head, strlen(head));
    while (count > 0) {
        struct pollfd readable = {.fd = file, .events = POLLIN};
        peer_say(file, piece, strlen(piece));
        if (poll(&readable, 1, PAUSE_MS) > 0 &&
            (count = recv(file, reply + used, REPLY_BYTES - 1 - used, 0)) > 0)
            used += (size_t)count;
    }
    close(file);
    return reply;
}

/* It would go on for a minute and more. */
static void test_a_dripped_body_is_cut_off(void **state)
{
    static const struct {
        const char *head, *piece;
        int status;
    } CASES[] = {
        {"POST /echo HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", "x", 400},
        {"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "", 400},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 400},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "x", 400},
        {"POST /small HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", "x", 200}, /* answered without it */
        {"POST /small HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", "", 200},
    };
    char wanted[32];
    (void)state;
    (void)snprintf(wanted, sizeof(wanted), "error %d", ETIMEDOUT);
    struct http *http = start_impatient(GRACE_MS, UINT32_MAX); /* nothing more than the grace */
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char *reply = drip(peer_dial(http_port(http), 0), CASES[i].head, CASES[i].piece);
        peer_assert_status(reply, CASES[i].status);
        assert_string_equal(peer_body(reply), CASES[i].status == 200 ? "hello" : wanted);
        free(reply);
    }
    http_stop(http);
}

/* Bytes that come add to the credit: it has twice the grace after the first half, and a body without bytes,
 * sent after that, is cut off meanwhile. */
static void test_bytes_buy_time(void **state)
{
    enum { SIZE = 60000, RATE = 100, LONG_GRACE_MS = 1000 };
    static const char HEAD[] = "POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n";
    char *body = malloc(SIZE);
    (void)state;
    assert_non_null(body);
    memset(body, 'x', SIZE);
    struct http *http = start_impatient(LONG_GRACE_MS, RATE);
    int file = peer_dial(http_port(http), 0);
    peer_say(file, HEAD, sizeof(HEAD) - 1);
    peer_say(file, body, SIZE / 2);
    char *reply = drip(peer_dial(http_port(http), 0), "POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "");
    peer_assert_status(reply, 400);
    free(reply);
    peer_say(file, body, SIZE / 2);
    reply = peer_hear_all(file, NULL);
    peer_assert_status(reply, 200);
    assert_string_equal(peer_body(reply), "60000");
    free(reply);
    free(body);
    http_stop(http);
}

/* It was counted over the whole body: what was sent fast at first bought hours of dripping afterwards. */
static void test_a_fast_beginning_buys_no_dripping(void **state)
{
    enum { FAST = 900 << 10, RATE = 1000 };
    char *head = malloc(FAST + 128);
    (void)state;
    assert_non_null(head);
    size_t used = (size_t)sprintf(head, "POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n", BODY_LIMIT);
    memset(head + used, 'x', FAST);
    head[used + FAST] = '\0';
    struct http *http = start_impatient(GRACE_MS, RATE);
    char *reply = drip(peer_dial(http_port(http), 0), head, "x");
    peer_assert_status(reply, 400);
    free(reply);
    free(head);
    http_stop(http);
}

/* ---- what is no request ---- */

static void test_no_request(void **state)
{
    static const char *const REQUESTS[] = {
        "\x01\x02\x03\r\n\r\n",
        "GET\r\n\r\n",
        "GET /small\r\n\r\n",
        "GET /small FTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /small HTTP/9.9\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(REQUESTS) / sizeof(REQUESTS[0]); i++) {
        char *reply = ask(REQUESTS[i], NULL);
        assert_memory_equal(reply, "HTTP/1.1 ", 9);
        int status = atoi(reply + 9);
        if (status != 400 && status != 411 && status != 505)
            fail_msg("request %zu: %.80s", i, reply);
        assert_non_null(strstr(reply, "\r\nX-Content-Type-Options: nosniff\r\n"));
        free(reply);
    }
}

static void test_unknown_method(void **state)
{
    (void)state;
    char *reply = ask("FOO /small HTTP/1.1\r\nHost: x\r\n\r\n", NULL);
    peer_assert_status(reply, 405);
    free(reply);
}

/* CVE-2025-55763: a path that names a directory, without its slash and very long, overflowed the redirect of
 * CivetWeb's file server. No path may reach that code: each must get the handler's own answer. */
static void test_paths_never_reach_the_file_server(void **state)
{
    enum { LONG = 15000 };
    static const char *const PREFIXES[] = {"/", "/etc", "/tmp/", "/../../../../etc/", "/%2e%2e/%2e%2e/etc/",
        "/./", "//////", "/?", "http://localhost/", "/cgi-bin/x.cgi/", "/x.shtml", "/a.lua"};
    char *request = malloc(LONG + 256);
    assert_non_null(request);
    (void)state;
    for (size_t i = 0; i < sizeof(PREFIXES) / sizeof(PREFIXES[0]); i++) {
        for (size_t length = 0; length <= LONG; length += LONG / 3) {
            size_t used = (size_t)sprintf(request, "GET %s", PREFIXES[i]);
            for (size_t j = 0; j < length; j++)
                request[used++] = "./a%"[j % 3]; /* ./a./a./a... */
            (void)sprintf(request + used, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            char *reply = ask(request, NULL);
            peer_assert_status(reply, 404);
            assert_string_equal(peer_body(reply), "GET");
            free(reply);
        }
    }
    memset(request, 'a', LONG + 200);
    memcpy(request, "GET /", 5);
    memcpy(request + LONG, " HTTP/1.1\r\nConnection: close\r\n\r\n", 33);
    char *reply = ask(request, NULL);
    peer_assert_status(reply, 404);
    free(reply);
    free(request);
}

static void test_head_too_large(void **state)
{
    enum { SIZE = HTTP_REQUEST_BYTES_MAX + 1000 };
    char *request = malloc(SIZE + 1);
    assert_non_null(request);
    (void)state;
    memset(request, 'a', SIZE);
    memcpy(request, "GET /", 5);
    request[SIZE] = '\0';
    char *reply = ask(request, NULL);
    peer_assert_status(reply, 414);
    free(reply);
    memcpy(request, "GET / HTTP/1.1\r\nX: ", 19);
    reply = ask(request, NULL);
    peer_assert_status(reply, 431);
    free(reply);
    reply = ask("GET /small HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
    peer_assert_status(reply, 200);
    free(reply);
    free(request);
}

static void test_port_taken(void **state)
{
    struct http_options options = OPTIONS;
    struct http *second = NULL;
    struct error error = {0};
    (void)state;
    options.port = http_port(served.http);
    assert_int_equal(http_start(&options, &second, &error), -EADDRINUSE);
    assert_non_null(strstr(error.message, "127.0.0.1"));
    options.address = "no such host";
    assert_int_equal(http_start(&options, &second, &error), -EINVAL);
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_answer_has_its_length_and_the_security_headers),
        cmocka_unit_test(test_a_plain_connection_is_not_secure),
        cmocka_unit_test(test_answers_around_the_buffer_size),
        cmocka_unit_test(test_http_1_0_gets_no_chunks),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_failure_before_the_first_byte_becomes_an_error),
        cmocka_unit_test(test_failure_after_the_first_byte_ends_without_terminator),
        cmocka_unit_test(test_slow_reader_is_cut_off),
        cmocka_unit_test(test_pipelined_requests),
        cmocka_unit_test(test_many_connections_at_once),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_announced_too_large_is_refused_before_it_is_sent),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_broken_bodies),
        cmocka_unit_test(test_body_that_ends_early),
        cmocka_unit_test(test_a_dripped_body_is_cut_off),
        cmocka_unit_test(test_bytes_buy_time),
        cmocka_unit_test(test_a_fast_beginning_buys_no_dripping),
        cmocka_unit_test(test_no_request),
        cmocka_unit_test(test_unknown_method),
        cmocka_unit_test(test_paths_never_reach_the_file_server),
        cmocka_unit_test(test_head_too_large),
        cmocka_unit_test(test_port_taken),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
