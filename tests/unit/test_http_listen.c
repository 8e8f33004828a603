/* Listening on IPv4 and IPv6, and the names of those who connect. */
#include "test.h"

#include "http_listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(const char *address, uint16_t port)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
    if (!is_six)
        assert_int_equal(inet_pton(AF_INET, address, &four.sin_addr), 1);
    int file = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (file < 0)
        return -1;
    const struct sockaddr *to = is_six ? (const struct sockaddr *)&six : (const struct sockaddr *)&four;
    if (connect(file, to, is_six ? sizeof(six) : sizeof(four)) == 0)
        return file;
    (void)close(file);
    return -1;
}

static bool has_ipv6(void)
{
    struct http_listeners listeners = {0};
    uint16_t port;
    bool has = http_listen(&listeners, "::1", 0, &port, NULL) == 0;
    http_listeners_close(&listeners);
    return has;
}

static int accept_any(const struct http_listeners *listeners)
{
    struct pollfd polled[HTTP_LISTENERS_MAX];
    for (unsigned i = 0; i < listeners->count; i++)
        polled[i] = (struct pollfd){.fd = listeners->files[i], .events = POLLIN};
    assert_true(poll(polled, listeners->count, -1) > 0);
    for (unsigned i = 0; i < listeners->count; i++) {
        if (polled[i].revents & POLLIN)
            return accept4(listeners->files[i], NULL, NULL, SOCK_CLOEXEC);
    }
    return -1;
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address, *four,
            *six; /* as whom clients of 127.0.0.1 and ::1 are seen, NULL = not at all */
    } cases[] = {
        {"", "127.0.0.1", "::1"},
        {"localhost", "127.0.0.1", "::1"},
        {"::", "127.0.0.1", "::1"},
        {"::1", NULL, "::1"},
        {"127.0.0.1", "127.0.0.1", NULL},
        {"0.0.0.0", "127.0.0.1", NULL},
    };
    if (!has_ipv6())
        test_skip("this machine has no ::1");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_listeners listeners = {0};
        uint16_t port = 0;
        struct error error = {0};
        if (http_listen(&listeners, cases[i].address, 0, &port, &error) < 0)
            fail_msg("%s: %s", cases[i].address, error.message);
        const char *const to[] = {"127.0.0.1", "::1"}, *const seen[] = {cases[i].four, cases[i].six};
        for (size_t k = 0; k < 2; k++) {
            int file = connect_to(to[k], port);
            assert_int_equal(file >= 0, seen[k] != NULL);
            if (file < 0)
                continue;
            char name[HTTP_ADDRESS_BYTES];
            uint16_t peer_port;
            int accepted = accept_any(&listeners);
            assert_true(accepted >= 0);
            http_peer_name(accepted, name, &peer_port);
            assert_string_equal(name, seen[k]);
            assert_int_equal(peer_port, http_local_port(file));
            assert_int_equal(http_local_port(accepted), port);
            (void)close(accepted);
            (void)close(file);
        }
        http_listeners_close(&listeners);
    }
}

static void test_a_taken_port_leaves_nothing_open(void **state)
{
    (void)state;
    struct http_listeners first = {0}, second = {0};
    struct error error = {0};
    uint16_t port, same;
    assert_int_equal(http_listen(&first, "127.0.0.1", 0, &port, &error), 0);
    assert_int_equal(http_listen(&second, "", port, &same, &error), -EADDRINUSE);
    assert_non_null(strstr(error.message, "127.0.0.1 port"));
    assert_int_equal(second.count, 0);
    http_listeners_close(&first);
    assert_int_equal(http_listen(&second, "no address", 0, &port, &error), -EINVAL);
    assert_non_null(strstr(error.message, "no address"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_taken_port_leaves_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
