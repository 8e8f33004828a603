/* Waiting awake for a client's next request: when it is tried, what ends it, and how it gives up. */
#include "test.h"

#include "http_spin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
    int client, server;
    struct http_spinners spinners;
    atomic_uint active;
};

static struct pair connect_pair(void)
{
    struct pair pair = {.spinners = {.awake_max = 1}};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    pair.client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair.client, (struct sockaddr *)&address, sizeof(address)), 0);
    pair.server = accept(listening, NULL, NULL);
    assert_true(pair.server >= 0);
    close(listening);
    return pair;
}

static void disconnect_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
}

/* A request that came `gap` after the last answer, and its answer. */
static void take_turn(struct http_spin *spin, struct pair *pair, uint64_t gap)
{
    http_spin_begin(spin, spin->answered_ns + gap);
    http_spin_wait(spin, &pair->spinners, &pair->active, pair->server);
    assert_int_equal(atomic_load(&pair->spinners.awake), 0);
}

/* The connection's first request tells nothing about the next one: the second makes the client a lively one.
 */
static struct http_spin lively(struct pair *pair)
{
    struct http_spin spin = {0};
    take_turn(&spin, pair, 0);
    assert_false(spin.lively);
    return spin;
}

static void test_sees_the_next_request(void **state)
{
    (void)state;
    struct pair pair = connect_pair();
    struct http_spin spin = lively(&pair);
    assert_int_equal(send(pair.client, "G", 1, 0), 1);
    take_turn(&spin, &pair, 1000);
    assert_int_equal(spin.vain_count, 0);
    char byte;
    assert_int_equal(recv(pair.server, &byte, 1, MSG_DONTWAIT), 1); /* only looked at */
    disconnect_pair(&pair);
}

static void test_sees_the_end_of_the_connection(void **state)
{
    (void)state;
    struct pair pair = connect_pair();
    struct http_spin spin = lively(&pair);
    assert_int_equal(shutdown(pair.client, SHUT_WR), 0);
    take_turn(&spin, &pair, 1000);
    assert_int_equal(spin.vain_count, 0);
    disconnect_pair(&pair);
}

static void test_tries_ever_more_rarely(void **state)
{
    (void)state;
    struct pair pair = connect_pair();
    struct http_spin spin = lively(&pair);
    for (unsigned vain = 1; vain <= 4; vain++) {
        take_turn(&spin, &pair, 1000);
        assert_int_equal(spin.vain_count, vain);
        assert_int_equal(spin.skip, (1u << vain) - 1);
        while (spin.skip > 0) {
            take_turn(&spin, &pair, 1000);
            assert_int_equal(spin.vain_count, vain); /* not tried */
        }
    }
    assert_int_equal(send(pair.client, "G", 1, 0), 1);
    take_turn(&spin, &pair, 1000);
    assert_int_equal(spin.vain_count, 0);
    assert_int_equal(spin.skip, 0);
    disconnect_pair(&pair);
}

static void test_leaves_a_slow_client_alone(void **state)
{
    (void)state;
    struct pair pair = connect_pair();
    struct http_spin spin = lively(&pair);
    take_turn(&spin, &pair, HTTP_SPIN_GAP_NS);
    assert_int_equal(spin.vain_count, 0);
    disconnect_pair(&pair);
}

static void test_gives_way_to_other_work(void **state)
{
    (void)state;
    struct pair pair = connect_pair();
    struct http_spin spin = lively(&pair);
    atomic_store(&pair.active, 1);
    take_turn(&spin, &pair, 1000);
    assert_int_equal(spin.vain_count, 0);
    atomic_store(&pair.active, 0);
    pair.spinners.awake_max = 0; /* as on a machine with one core */
    take_turn(&spin, &pair, 1000);
    assert_int_equal(spin.vain_count, 0);
    disconnect_pair(&pair);
}

/* The request itself is under way, and so are the bytes that follow. */
static void test_waits_for_the_rest_of_a_body(void **state)
{
    (void)state;
    struct pair pair = connect_pair();
    struct http_spin spin = {0};
    atomic_store(&pair.active, 1);
    assert_int_equal(send(pair.client, "b", 1, 0), 1);
    http_spin_wait_body(&spin, &pair.spinners, &pair.active, pair.server);
    assert_int_equal(spin.vain_count, 0);
    char byte;
    assert_int_equal(recv(pair.server, &byte, 1, MSG_DONTWAIT), 1);
    http_spin_wait_body(&spin, &pair.spinners, &pair.active, pair.server);
    assert_int_equal(spin.vain_count, 1); /* nothing came: the next wait is not tried */
    assert_int_equal(spin.skip, 1);
    http_spin_wait_body(&spin, &pair.spinners, &pair.active, pair.server);
    assert_int_equal(spin.vain_count, 1);
    atomic_store(&pair.active, 2); /* others are served */
    http_spin_wait_body(&spin, &pair.spinners, &pair.active, pair.server);
    assert_int_equal(spin.vain_count, 1);
    assert_int_equal(atomic_load(&pair.spinners.awake), 0);
    disconnect_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sees_the_next_request),
        cmocka_unit_test(test_sees_the_end_of_the_connection),
        cmocka_unit_test(test_tries_ever_more_rarely),
        cmocka_unit_test(test_leaves_a_slow_client_alone),
        cmocka_unit_test(test_gives_way_to_other_work),
        cmocka_unit_test(test_waits_for_the_rest_of_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
