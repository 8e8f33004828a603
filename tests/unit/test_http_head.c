/* Heads of requests: what is taken apart how, and what is refused. */
#include "test.h"

#include "http_head.h"

/* Looks for the end bytewise, as a client could send it, then at once. */
static struct http_head parse(const char *text, char *copy)
{
    struct http_head head;
    size_t size = strlen(text), scanned = 0, at_once = 0;
    long found = 0;
    memcpy(copy, text, size + 1);
    for (size_t i = 1; i <= size && found == 0; i++)
        found = http_head_find_end(copy, i, &scanned);
    assert_int_equal(http_head_find_end(copy, size, &at_once), found);
    memset(&head, 0, sizeof(head));
    if (found < 0)
        http_head_refuse(&head, 400, "end");
    else if (found == 0)
        fail_msg("no end: %s", text);
    else
        http_head_parse(&head, copy, (size_t)found);
    return head;
}

static void test_a_request(void **state)
{
    char copy[512];
    (void)state;
    struct http_head head = parse("POST /a/%20b?q=1&r HTTP/1.1\r\nHost: x:1\r\ncontent-LENGTH:\t 12 \r\n"
                                  "X-Empty:\r\nX-Text: a\xe9 b\tc\r\nExpect: 100-Continue\r\n\r\nbody",
        copy);
    assert_int_equal(head.status, 0);
    assert_int_equal(head.method, HTTP_POST);
    assert_string_equal(head.method_name, "POST");
    assert_string_equal(head.path, "/a/%20b");
    assert_string_equal(head.query, "q=1&r");
    assert_true(head.http_1_1 && head.keep_alive && head.expects_continue);
    assert_int_equal(head.body_length, 12);
    assert_int_equal(head.field_count, 5);
    assert_string_equal(http_head_field(&head, "host"), "x:1");
    assert_string_equal(http_head_field(&head, "x-empty"), "");
    assert_string_equal(http_head_field(&head, "X-Text"), "a\xe9 b\tc");
    assert_null(http_head_field(&head, "X"));
}

static void test_targets(void **state)
{
    static const struct {
        const char *line, *path, *query;
        bool asterisk;
    } CASES[] = {
        {"GET / HTTP/1.1", "/", "", false},
        {"\r\nGET /a HTTP/1.1", "/a", "", false}, /* an empty line before it */
        {"GET http://vip/a?b HTTP/1.1", "/a", "b", false},
        {"GET http://vip:81/a HTTP/1.1", "/a", "", false},
        {"GET HTTPS://vip HTTP/1.1", "/", "", false},
        {"GET http://vip?b HTTP/1.1", "/", "b", false},
        {"GET //a/./b HTTP/1.1", "//a/./b", "", false},
        {"OPTIONS * HTTP/1.1", "/", "", true},
    };
    char text[256], copy[512];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        (void)snprintf(text, sizeof(text), "%s\r\n\r\n", CASES[i].line);
        struct http_head head = parse(text, copy);
        assert_int_equal(head.status, 0);
        assert_string_equal(head.path, CASES[i].path);
        assert_string_equal(head.query, CASES[i].query);
        assert_int_equal(head.asterisk, CASES[i].asterisk);
    }
}

static void test_connections(void **state)
{
    static const struct {
        const char *head;
        bool keep_alive;
    } CASES[] = {
        {"GET / HTTP/1.1\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: TE , Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: upgrade, closed\r\n\r\n", true},
    };
    char copy[512];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        assert_int_equal(parse(CASES[i].head, copy).keep_alive, CASES[i].keep_alive);
}

#define HEAD "POST / HTTP/1.1\r\n"

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *head;
        int status;
    } CASES[] = {
        /* request lines */
        {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400},
        {"\nGET / HTTP/1.1\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\n\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET /  HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET\t/ HTTP/1.1\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /a\x01 HTTP/1.1\r\n\r\n", 400},
        {"GET /\xe9 HTTP/1.1\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\n\r\n", 400},
        {"GET ftp://x/ HTTP/1.1\r\n\r\n", 400},
        {"GET http:///a HTTP/1.1\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\n\r\n", 400},
        {"GET / http/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.11\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"FOO / HTTP/1.1\r\n\r\n", 405},
        /* fields */
        {HEAD "Content-Length : 5\r\n\r\n", 400},
        {HEAD "Transfer-Encoding\t: chunked\r\n\r\n", 400},
        {HEAD "A: b\r\n c\r\n\r\n", 400},
        {HEAD " A: b\r\n\r\n", 400},
        {HEAD ": b\r\n\r\n", 400},
        {HEAD "A\r\n\r\n", 400},
        {HEAD "\xe9: b\r\n\r\n", 400},
        {HEAD "A\xe9: b\r\n\r\n", 400},
        {HEAD "A: b\nC: d\r\n\r\n", 400},
        {HEAD "A: b\rC: d\r\n\r\n", 400},
        {HEAD "A: b\r\r\n\r\n", 400},
        {HEAD "A: \x01\r\n\r\n", 400},
        {HEAD "A: \x7f\r\n\r\n", 400},
        {HEAD "Host: a\r\nHost: a\r\n\r\n", 400},
        /* lengths */
        {HEAD "Content-Length:\r\n\r\n", 400},
        {HEAD "Content-Length: -1\r\n\r\n", 400},
        {HEAD "Content-Length: +1\r\n\r\n", 400},
        {HEAD "Content-Length: 0x1\r\n\r\n", 400},
        {HEAD "Content-Length: 1 1\r\n\r\n", 400},
        {HEAD "Content-Length: 1,1\r\n\r\n", 400},
        {HEAD "Content-Length: 9999999999999999999\r\n\r\n", 400},
        {HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: identity\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: xchunked\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n",
            400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    };
    char copy[512];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct http_head head = parse(CASES[i].head, copy);
        if (head.status != CASES[i].status)
            fail_msg("%d: %s", head.status, CASES[i].head);
        assert_non_null(head.text);
    }
}

static void test_number_of_fields(void **state)
{
    char text[4096], copy[4096];
    (void)state;
    for (int count = HTTP_FIELDS_MAX; count <= HTTP_FIELDS_MAX + 1; count++) {
        size_t used = (size_t)sprintf(text, "GET / HTTP/1.1\r\n");
        for (int i = 0; i < count; i++)
            used += (size_t)sprintf(text + used, "X-%d: y\r\n", i);
        (void)strcpy(text + used, "\r\n");
        assert_int_equal(parse(text, copy).status, count > HTTP_FIELDS_MAX ? 431 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_number_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
