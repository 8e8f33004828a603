/* Requests that two parsers could read in two ways: over sockets, with a second request behind or inside
 * them. */
#include "test.h"

#include "http.h"
#include "http_peer.h"

#include <stdatomic.h>

static struct http *http;
static atomic_uint handled;

static void handle(void *context, struct http_exchange *exchange)
{
    char body[256];
    struct error error = {0};
    long count, r = 0;
    (void)context;
    atomic_fetch_add(&handled, 1);
    for (count = 0;
         (r = http_body_read(exchange, body + count, sizeof(body) - 1 - (size_t)count, &error)) > 0;)
        count += r;
    if (r < 0)
        http_answer(exchange, 400, HTTP_TEXT, error.message, strlen(error.message));
    else
        http_answer(exchange, 200, HTTP_TEXT, body, (size_t)count);
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    (void)context;
    http_answer(exchange, status, HTTP_TEXT, text, strlen(text));
}

static const struct http_options OPTIONS = {
    .address = "",
    .connections_max = 4,
    .read_timeout_ms = 10000,
    .handle = handle,
    .refuse = refuse,
};

static int start(void **state)
{
    (void)state;
    if (http_start(&OPTIONS, &http, NULL) < 0)
        return -1;
    http_serve(http);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(http);
    return 0;
}

static unsigned count_answers(const char *reply)
{
    unsigned count = 0;
    for (; (reply = strstr(reply, "HTTP/1.1 ")); reply++)
        count++;
    return count;
}

#define SECOND "GET /second HTTP/1.1\r\nHost: x\r\n\r\n"

/* Each reached the handler, and most made it answer the second request, which was the first one's body. */
static void test_one_answer_then_the_end(void **state)
{
    static const char *const FIELDS[] = {
        "Content-Length : 35\r\n",
        "Content-Length\t: 35\r\n",
        "Transfer-Encoding : chunked\r\n",
        " X: y\r\nContent-Length: 35\r\n",
        "X: y\r\n z\r\nContent-Length: 35\r\n",
        "X: y\r\n\tz\r\nContent-Length: 35\r\n",
        ": y\r\nContent-Length: 35\r\n",
        "\xc3\xa9: y\r\nContent-Length: 35\r\n",
        "X\xa0: y\r\nContent-Length: 35\r\n",
        "X: y\nContent-Length: 35\r\n",
        "X: y\rContent-Length: 35\r\n",
        "\r\r\nContent-Length: 35\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 35\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 35\r\n",
        "Content-Length: 35\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 35\r\nContent-Length: 0\r\n",
        "Content-Length: 35, 35\r\n",
        "Content-Length: 0x23\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding:\vchunked\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++) {
        char request[512];
        (void)snprintf(
            request, sizeof(request), "POST /first HTTP/1.1\r\nHost: x\r\n%s\r\n" SECOND SECOND, FIELDS[i]);
        unsigned before = atomic_load(&handled);
        char *reply = peer_ask(http_port(http), request, NULL); /* returns: the server has closed */
        peer_assert_status(reply, 400);
        if (count_answers(reply) != 1)
            fail_msg("%s: %s", FIELDS[i], reply);
        assert_non_null(strstr(reply, "\r\nConnection: close\r\n"));
        assert_int_equal(atomic_load(&handled), before);
        free(reply);
    }
}

/* CivetWeb parsed what an earlier request had left in its buffer when a client sent nothing but empty lines.
 */
static void test_empty_lines_show_nothing_of_others(void **state)
{
    (void)state;
    char *reply =
        peer_ask(http_port(http), SECOND SECOND "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
    assert_int_equal(count_answers(reply), 3);
    free(reply);
    for (int lines = 2; lines < 40; lines++) {
        char request[128] = "";
        for (int i = 0; i < lines; i++)
            strcat(request, "\r\n");
        unsigned before = atomic_load(&handled);
        reply = peer_ask(http_port(http), request, NULL);
        peer_assert_status(reply, 400);
        assert_int_equal(count_answers(reply), 1);
        assert_int_equal(atomic_load(&handled), before);
        free(reply);
    }
}

static void test_every_target_is_answered(void **state)
{
    static const struct {
        const char *line;
        int status;
    } CASES[] = {
        {"GET http://vip/a HTTP/1.1", 200},
        {"GET http://vip:1/a HTTP/1.1", 200},
        {"GET https://vip HTTP/1.1", 200},
        {"OPTIONS * HTTP/1.1", 200},
        {"GET * HTTP/1.1", 400},
        {"CONNECT vip:80 HTTP/1.1", 405},
        {"GET vip:80 HTTP/1.1", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char request[128];
        (void)snprintf(request, sizeof(request), "%s\r\nHost: x\r\nConnection: close\r\n\r\n", CASES[i].line);
        char *reply = peer_ask(http_port(http), request, NULL);
        peer_assert_status(reply, CASES[i].status);
        free(reply);
    }
}

#define CHUNKED "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
#define LAST "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"

static void test_chunks(void **state)
{
    static const char *const CHUNKS[] = {
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "5 \r\nhello\r\n0\t\r\n\r\n",
        "5 ;a=\"x y\"\r\nhello\r\n0\r\n\r\n",
        "00000005\r\nhello\r\n000\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: y\r\nContent-Length: 5\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CHUNKS) / sizeof(CHUNKS[0]); i++) {
        char request[512];
        (void)snprintf(request, sizeof(request), CHUNKED "%s" LAST, CHUNKS[i]);
        char *reply = peer_ask(http_port(http), request, NULL);
        peer_assert_status(reply, 200);
        assert_memory_equal(peer_body(reply), "hello", 5);
        peer_assert_status(peer_body(reply) + 5, 200); /* the connection goes on behind the body */
        free(reply);
    }
}

static void test_broken_chunks(void **state)
{
    static const char *const CHUNKS[] = {
        "5\nhello\r\n0\r\n\r\n",
        "5;a=b\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5 x\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        ";\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX\n\r\n",
        "8000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CHUNKS) / sizeof(CHUNKS[0]); i++) {
        char request[512];
        (void)snprintf(request, sizeof(request), CHUNKED "%s" LAST, CHUNKS[i]);
        char *reply = peer_ask(http_port(http), request, NULL);
        peer_assert_status(reply, 400);
        if (count_answers(reply) != 1)
            fail_msg("%s: %s", CHUNKS[i], reply);
        free(reply);
    }
}

static void test_endless_extensions(void **state)
{
    enum { SIZE = 64 << 10 };
    char *request = malloc(SIZE);
    assert_non_null(request);
    (void)state;
    size_t used = (size_t)sprintf(request, CHUNKED);
    while (used < SIZE - 600)
        used += (size_t)sprintf(request + used, "1;%0*d\r\nx\r\n", 500, 0);
    char *reply = peer_ask(http_port(http), request, NULL);
    peer_assert_status(reply, 400);
    assert_int_equal(count_answers(reply), 1);
    free(reply);
    free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_answer_then_the_end),
        cmocka_unit_test(test_empty_lines_show_nothing_of_others),
        cmocka_unit_test(test_every_target_is_answered),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_broken_chunks),
        cmocka_unit_test(test_endless_extensions),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
