/* Reads that are ended: only those whose time is up, and of no other client. */
#include "test.h"

#include "http_sockets.h"
#include "http_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static int listening;
static uint16_t local_port;

/* A connection from that address of this machine. */
struct pair {
    int client, server;
    const char *address;
    uint16_t remote_port;
};

static struct sockaddr_in address_of(const char *numbers, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, numbers, &address.sin_addr), 1);
    return address;
}

static uint16_t port_of(int file)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(file, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* port: of the client; 0 = any. */
static struct pair connect_pair(const char *from, uint16_t port)
{
    struct pair pair = {.address = from};
    struct sockaddr_in here = address_of(from, port), there = address_of("127.0.0.1", local_port);
    int on = 1;
    pair.client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(pair.client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(pair.client, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(connect(pair.client, (struct sockaddr *)&there, sizeof(there)), 0);
    pair.server = accept(listening, NULL, NULL);
    assert_true(pair.server >= 0);
    pair.remote_port = port_of(pair.client);
    return pair;
}

static void disconnect(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
}

/* Still sends in both directions. */
static void assert_alive(const struct pair *pair)
{
    char byte = 'x';
    assert_int_equal(send(pair->client, &byte, 1, 0), 1);
    assert_int_equal(recv(pair->server, &byte, 1, 0), 1);
    assert_int_equal(send(pair->server, &byte, 1, 0), 1);
    assert_int_equal(recv(pair->client, &byte, 1, 0), 1);
}

static int start(void **state)
{
    (void)state;
    struct sockaddr_in address = address_of("127.0.0.1", 0);
    listening = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listening, 4) < 0)
        return -1;
    local_port = port_of(listening);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return close(listening);
}

static void test_only_that_client_is_ended(void **state)
{
    (void)state;
    char byte = 'x';
    struct pair one = connect_pair("127.0.0.1", 0);
    struct pair same_port = connect_pair("127.0.0.2", one.remote_port), same_address = connect_pair("127.0.0.1", 0);
    http_sockets_end_reading(local_port, "127.0.0.3", one.remote_port);
    http_sockets_end_reading((uint16_t)(local_port + 1), "127.0.0.1", one.remote_port);
    assert_alive(&one);
    http_sockets_end_reading(local_port, "127.0.0.1", one.remote_port);
    assert_int_equal(recv(one.server, &byte, 1, 0), 0);
    assert_int_equal(send(one.server, &byte, 1, 0), 1); /* it can be told why */
    assert_int_equal(recv(one.client, &byte, 1, 0), 1);
    assert_alive(&same_port);
    assert_alive(&same_address);
    disconnect(&one);
    disconnect(&same_port);
    disconnect(&same_address);
}

static void test_only_what_is_late_is_ended(void **state)
{
    (void)state;
    char byte;
    struct pair late = connect_pair("127.0.0.1", 0), patient = connect_pair("127.0.0.1", 0), idle = connect_pair("127.0.0.1", 0);
    struct http_watch watch;
    struct http_watched watched[3];
    http_watch_init(&watch);
    for (int i = 0; i < 3; i++)
        http_watch_add(&watch, &watched[i]);
    assert_int_equal(http_watch_start(&watch, local_port, 1, NULL), 0);
    http_watched_begin(&watched[2], idle.address, idle.remote_port, 1);
    bool idle_ended = http_watched_end(&watched[2]);
    http_watched_begin(&watched[1], patient.address, patient.remote_port, UINT64_MAX);
    http_watched_begin(&watched[0], late.address, late.remote_port, 1);
    assert_int_equal(recv(late.server, &byte, 1, 0), 0); /* until the watch ends it */
    assert_true(http_watched_end(&watched[0]));
    http_watched_begin(&watched[0], patient.address, patient.remote_port, UINT64_MAX);
    assert_false(http_watched_end(&watched[0])); /* it is a new read */
    assert_false(http_watched_end(&watched[1]));
    assert_alive(&patient);
    if (!idle_ended) /* else the watch came in between */
        assert_alive(&idle);
    http_watch_remove(&watch, &watched[1]);
    http_watch_remove(&watch, &watched[0]);
    http_watch_remove(&watch, &watched[2]);
    http_watch_stop(&watch);
    disconnect(&late);
    disconnect(&patient);
    disconnect(&idle);
}

static void test_a_watch_that_never_started(void **state)
{
    (void)state;
    struct http_watch watch;
    http_watch_init(&watch);
    http_watch_stop(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_that_client_is_ended),
        cmocka_unit_test(test_only_what_is_late_is_ended),
        cmocka_unit_test(test_a_watch_that_never_started),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
