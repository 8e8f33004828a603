/* The transport under TLS: requests, limits, renewals, what is no TLS, and files that are no certificates. */
#include "test.h"

#include "http.h"
#include "http_peer.h"
#include "tls_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_TIMEOUT_MS = 30000, SHORT_MS = 200, THREADS = 4, REQUESTS = 50, LONG_BYTES = 3000000 };

static struct {
    char *directory, *certificate, *key;
    struct http *http;
} served;

static void stream_bytes(struct http_exchange *exchange)
{
    struct sink *sink = http_answer_open(exchange, 200, HTTP_TEXT);
    int r = 0;
    for (unsigned i = 0; i < LONG_BYTES && r == 0; i++) {
        char byte = (char)('a' + i % 26);
        r = sink_write(sink, &byte, 1);
    }
    (void)http_answer_close(exchange, r == 0);
}

/* Answers the sum of the body's bytes. */
static void add_up(struct http_exchange *exchange)
{
    unsigned char buffer[4096];
    struct error error = {0};
    char text[64];
    uint64_t sum = 0;
    long r;
    while ((r = http_body_read(exchange, buffer, sizeof(buffer), &error)) > 0) {
        for (long i = 0; i < r; i++)
            sum += buffer[i];
    }
    int length = r < 0 ? snprintf(text, sizeof(text), "error %ld", -r)
                       : snprintf(text, sizeof(text), "%llu", (unsigned long long)sum);
    http_answer(exchange, r < 0 ? 400 : 200, HTTP_TEXT, text, (size_t)length);
}

static void handle(void *context, struct http_exchange *exchange)
{
    (void)context;
    if (strcmp(exchange->path, "/long") == 0)
        stream_bytes(exchange);
    else if (strcmp(exchange->path, "/sum") == 0)
        add_up(exchange);
    else if (strcmp(exchange->path, "/address") == 0)
        http_answer(exchange, 200, HTTP_TEXT, exchange->remote_address, strlen(exchange->remote_address));
    else
        http_answer(exchange, 200, HTTP_TEXT, http_exchange_secure(exchange) ? "tls" : "tcp", 3);
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    (void)context;
    http_answer(exchange, status, HTTP_TEXT, text, strlen(text));
}

static const struct http_options OPTIONS = {
    .address = "",
    .connections_max = 32,
    .read_timeout_ms = READ_TIMEOUT_MS,
    .rest_ms = 1, /* each connection that waits gives its memory back */
    .handle = handle,
    .refuse = refuse,
};

static void start_with(struct http_options options)
{
    struct error error = {0};
    options.tls_certificate = served.certificate;
    options.tls_key = served.key;
    if (http_start(&options, &served.http, &error) < 0)
        fail_msg("%s", error.message);
    http_serve(served.http);
}

static int start(void **state)
{
    (void)state;
    served.directory = test_directory_create();
    served.certificate = test_path(served.directory, "cert.pem");
    served.key = test_path(served.directory, "key.pem");
    tls_make_certificate("first", served.certificate, served.key);
    start_with(OPTIONS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(served.http);
    free(served.certificate);
    free(served.key);
    test_directory_remove(served.directory);
    return 0;
}

static uint16_t port(void)
{
    return http_port(served.http);
}

static SSL *dial(void)
{
    SSL *connection = tls_dial(port(), 0);
    assert_non_null(connection);
    return connection;
}

static void expect(const char *reply, int status, const char *body)
{
    peer_assert_status(reply, status);
    assert_string_equal(peer_body(reply), body);
}

/* ---- requests ---- */

static void test_a_request_is_answered_and_secure(void **state)
{
    (void)state;
    SSL *connection = dial();
    static const char REQUEST[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    int clean;
    tls_say(connection, REQUEST, sizeof(REQUEST) - 1);
    char *reply = tls_hear_all(connection, NULL, &clean);
    expect(reply, 200, "tls");
    assert_true(clean);
    free(reply);
}

static void test_versions(void **state)
{
    (void)state;
    static const int REFUSED[] = {TLS1_VERSION, TLS1_1_VERSION}, TAKEN[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++)
        assert_null(tls_dial(port(), REFUSED[i]));
    for (size_t i = 0; i < 2; i++) {
        SSL *connection = tls_dial(port(), TAKEN[i]);
        assert_non_null(connection);
        assert_int_equal(SSL_version(connection), TAKEN[i]);
        tls_say(connection, "GET / HTTP/1.0\r\n\r\n", 18);
        char *reply = tls_hear_all(connection, NULL, NULL);
        expect(reply, 200, "tls");
        free(reply);
    }
}

static void test_a_long_answer(void **state)
{
    (void)state;
    char *reply = tls_ask(port(), "GET /long HTTP/1.0\r\n\r\n", NULL);
    peer_assert_status(reply, 200);
    const char *body = peer_body(reply);
    assert_int_equal(strlen(body), LONG_BYTES);
    for (unsigned i = 0; i < LONG_BYTES; i++)
        assert_int_equal(body[i], 'a' + (int)(i % 26));
    free(reply);
}

static void test_bodies_of_many_records(void **state)
{
    (void)state;
    enum { BODY_BYTES = 900000 };
    SSL *connection = dial();
    char *body = malloc(BODY_BYTES);
    char head[128], sum[32];
    assert_non_null(body);
    uint64_t expected = 0;
    for (unsigned i = 0; i < BODY_BYTES; i++) {
        body[i] = (char)(i % 127);
        expected += i % 127;
    }
    for (int last = 0; last < 2; last++) {
        int length = snprintf(head, sizeof(head), "POST /sum HTTP/1.1\r\nContent-Length: %d\r\n%s\r\n",
            BODY_BYTES, last ? "Connection: close\r\n" : "");
        tls_say(connection, head, (size_t)length);
        for (unsigned at = 0; at < BODY_BYTES; at += 90000) /* records end anywhere */
            tls_say(connection, body + at, 90000);
    }
    char *reply = tls_hear_all(connection, NULL, NULL);
    (void)snprintf(sum, sizeof(sum), "\r\n\r\n%llu", (unsigned long long)expected);
    char *first = strstr(reply, sum);
    assert_non_null(first);
    assert_non_null(strstr(first + 1, sum));
    free(reply);
    free(body);
}

/* What follows in the same record is in memory, and nothing on the socket tells of it. */
static void test_pipelined_requests_in_one_record(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    static const char ONE[] = "GET / HTTP/1.1\r\n\r\n", LAST[] = "GET / HTTP/1.0\r\n\r\n";
    SSL *connection = dial();
    char requests[COUNT * sizeof(ONE) + sizeof(LAST)] = "";
    for (int i = 0; i < COUNT; i++)
        strcat(requests, ONE);
    strcat(requests, LAST);
    tls_say(connection, requests, strlen(requests));
    char *reply = tls_hear_all(connection, NULL, NULL);
    int answers = 0;
    for (const char *at = reply; (at = strstr(at, "\r\n\r\ntls")) != NULL; at++)
        answers++;
    assert_int_equal(answers, COUNT + 1);
    free(reply);
}

/* ---- limits ---- */

static void test_plain_http_is_told(void **state)
{
    (void)state;
    char *reply = peer_ask(port(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n", NULL);
    expect(reply, 400, "This port speaks HTTPS: the address begins with https://");
    free(reply);
}

static void restart(void **state, struct http_options options)
{
    (void)state;
    http_stop(served.http);
    start_with(options);
}

/* The server ends what does not go on, while others are served. */
static void test_slow_clients_are_cut_off(void **state)
{
    static const char HELLO[] = "\x16\x03\x01\x02\x00\x01\x00";
    struct http_options options = OPTIONS;
    options.read_timeout_ms = SHORT_MS;
    options.body_grace_ms = SHORT_MS;
    restart(state, options);
    int silent = peer_dial(port(), 0), stalled = peer_dial(port(), 0);
    peer_say(stalled, HELLO, sizeof(HELLO) - 1);
    SSL *slow_head = dial(), *slow_body = dial(), *half_record = dial();
    tls_say(slow_head, "GET / HTTP/1.1\r\n", 16);
    tls_say(slow_body, "POST /sum HTTP/1.1\r\nContent-Length: 10\r\n\r\n1", 43);
    peer_say(SSL_get_fd(half_record), "\x17\x03\x03\x40\x00xxxxxxxx", 13);
    char *reply = tls_ask(port(), "GET / HTTP/1.0\r\n\r\n", NULL);
    expect(reply, 200, "tls");
    free(reply);
    size_t size;
    free(peer_hear_all(silent, &size));
    assert_int_equal(size, 0);
    free(peer_hear_all(stalled, &size));
    free(tls_hear_all(half_record, &size, NULL));
    assert_int_equal(size, 0);
    reply = tls_hear_all(slow_head, NULL, NULL);
    peer_assert_status(reply, 408);
    free(reply);
    reply = tls_hear_all(slow_body, NULL, NULL);
    expect(reply, 400, "error 110");
    free(reply);
    restart(state, OPTIONS);
}

static void test_idle_connections_yield(void **state)
{
    enum { FEW = 4 };
    struct http_options options = OPTIONS;
    SSL *idle[FEW];
    char answer[512];
    options.connections_max = FEW;
    restart(state, options);
    for (int i = 0; i < FEW; i++) {
        idle[i] = dial();
        tls_say(idle[i], "GET / HTTP/1.1\r\n\r\n", 18);
        tls_hear(idle[i], answer, 17);
        assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
    }
    char *reply = tls_ask(port(), "GET / HTTP/1.0\r\n\r\n", NULL); /* one of them makes room */
    expect(reply, 200, "tls");
    free(reply);
    for (int i = 0; i < FEW; i++)
        tls_hang_up(idle[i]);
    restart(state, OPTIONS);
}

static void test_stopping_takes_leave_of_idle_connections(void **state)
{
    SSL *connection = dial();
    char answer[17];
    int clean;
    tls_say(connection, "GET / HTTP/1.1\r\n\r\n", 18);
    tls_hear(connection, answer, sizeof(answer));
    restart(state, OPTIONS);
    free(tls_hear_all(connection, NULL, &clean));
    assert_true(clean);
}

/* ---- certificates ---- */

static void expect_name(SSL *connection, const char *expected)
{
    char name[64];
    tls_server_name(connection, name);
    assert_string_equal(name, expected);
}

static void test_a_renewal_drops_no_connection(void **state)
{
    (void)state;
    char *certificate = test_path(served.directory, "renewed.pem");
    char *key = test_path(served.directory, "renewed-key.pem");
    struct error error = {0};
    SSL *old = dial();
    expect_name(old, "first");
    tls_say(old, "GET / HTTP/1.1\r\n", 16);
    tls_make_certificate("second", certificate, key);
    assert_int_equal(http_load_certificate(served.http, certificate, key, &error), 0);
    SSL *new = dial();
    expect_name(new, "second");
    tls_hang_up(new);
    tls_say(old, "Connection: close\r\n\r\n", 21);
    char *reply = tls_hear_all(old, NULL, NULL);
    expect(reply, 200, "tls");
    free(reply);
    assert_int_equal(http_load_certificate(served.http, served.certificate, served.key, &error), 0);
    free(certificate);
    free(key);
}

static void test_bad_files_are_named_and_change_nothing(void **state)
{
    (void)state;
    char *other = test_path(served.directory, "other-key.pem");
    char *locked = test_path(served.directory, "locked-key.pem");
    char *text = test_path(served.directory, "text.pem"),
         *missing = test_path(served.directory, "missing.pem");
    tls_make_key(other, NULL);
    tls_make_key(locked, "secret");
    test_file_write(text, "hello\n", 6);
    const struct {
        const char *certificate, *key, *named, *said;
    } cases[] = {
        {missing, served.key, missing, "No such file"},
        {served.directory, served.key, served.directory, "no regular file"},
        {text, served.key, text, "no certificate in PEM"},
        {served.key, served.key, served.key, "no certificate in PEM"},
        {served.certificate, missing, missing, "No such file"},
        {served.certificate, text, text, "no private key in PEM"},
        {served.certificate, served.certificate, served.certificate, "no private key in PEM"},
        {served.certificate, other, other, "not the key of the certificate"},
        {served.certificate, locked, locked, "encrypted with a password"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        struct http_options options = OPTIONS;
        struct http *none = NULL;
        options.tls_certificate = cases[i].certificate;
        options.tls_key = cases[i].key;
        assert_true(http_start(&options, &none, &error) < 0);
        assert_null(none);
        if (!strstr(error.message, cases[i].named) || !strstr(error.message, cases[i].said))
            fail_msg("case %zu: %s", i, error.message);
        assert_true(http_load_certificate(served.http, cases[i].certificate, cases[i].key, &error) < 0);
        SSL *connection = dial();
        expect_name(connection, "first");
        tls_hang_up(connection);
    }
    free(other);
    free(locked);
    free(text);
    free(missing);
}

static atomic_bool renewing;

static void *renew(void *context)
{
    (void)context;
    while (atomic_load(&renewing)) {
        if (http_load_certificate(served.http, served.certificate, served.key, NULL) < 0)
            return context;
    }
    return NULL;
}

static void *ask_often(void *context)
{
    SSL *connection = dial();
    char answer[4096];
    for (int i = 0; i < REQUESTS; i++) {
        size_t count = 0, used = 0;
        tls_say(connection, "GET / HTTP/1.1\r\n\r\n", 18);
        while (used < 7 || memcmp(answer + used - 7, "\r\n\r\ntls", 7) != 0) {
            if (SSL_read_ex(connection, answer + used, sizeof(answer) - used, &count) != 1)
                return context;
            used += count;
        }
        if (i % 10 == 9) {
            tls_hang_up(connection);
            connection = dial();
        }
    }
    tls_hang_up(connection);
    return NULL;
}

static void test_renewals_among_requests(void **state)
{
    (void)state;
    pthread_t threads[THREADS], renewer;
    void *failed;
    atomic_store(&renewing, true);
    assert_int_equal(pthread_create(&renewer, NULL, renew, &served), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &served), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    atomic_store(&renewing, false);
    assert_int_equal(pthread_join(renewer, &failed), 0);
    assert_null(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_answered_and_secure),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_a_long_answer),
        cmocka_unit_test(test_bodies_of_many_records),
        cmocka_unit_test(test_pipelined_requests_in_one_record),
        cmocka_unit_test(test_plain_http_is_told),
        cmocka_unit_test(test_slow_clients_are_cut_off),
        cmocka_unit_test(test_idle_connections_yield),
        cmocka_unit_test(test_stopping_takes_leave_of_idle_connections),
        cmocka_unit_test(test_a_renewal_drops_no_connection),
        cmocka_unit_test(test_bad_files_are_named_and_change_nothing),
        cmocka_unit_test(test_renewals_among_requests),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
