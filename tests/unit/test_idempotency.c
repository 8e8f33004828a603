/* How long the key of an insert is known: ten minutes, also after a restart. The linker puts __wrap_time in
 * the place of time(), and __wrap_http_request_header in that of the request's head. */
#include "hidden_series.h"
#include "idempotency.h"
#include "store_fixture.h"
#include "test.h"

#include <time.h>

enum {
    MINUTES_10 = 600,
    SLOW_S = 120, /* the test itself may take some seconds */
    JOURNAL_BYTES = 1 << 20,
};

static int64_t ahead_s; /* of the real time */
static const char *sent_key;

time_t __real_time(time_t *ret_time);
time_t __wrap_time(time_t *ret_time);
time_t __wrap_time(time_t *ret_time)
{
    time_t now = __real_time(NULL) + ahead_s;
    if (ret_time)
        *ret_time = now;
    return now;
}

const char *__wrap_http_request_header(const struct http_exchange *exchange, const char *name);
const char *__wrap_http_request_header(const struct http_exchange *exchange, const char *name)
{
    (void)exchange;
    return strcmp(name, "Idempotency-Key") == 0 ? sent_key : NULL;
}

static int set_up(void **state)
{
    ahead_s = 0;
    return fixture_set_up(state, JOURNAL_BYTES);
}

/* What an insert of device 7 with this key does: true if it is stored, false if it was before. */
static bool insert(struct fixture *fixture, struct idempotency *idempotency, const char *key)
{
    static struct server server;
    static struct http_exchange exchange;
    struct request request = {.server = &server, .exchange = &exchange};
    struct idempotent_request keyed;
    struct problem problem = {0};
    bool answered = false;
    sent_key = key;
    exchange = (struct http_exchange){.method_name = "POST", .path = "/api/v1/crud/a/b/c/data", .query = ""};
    server.idempotency = idempotency;
    request.login.authenticated = true;
    request.login.identity.user_id = 3;
    request.login.identity.device_id = 7;
    assert_true(idempotency_begin(&request, &keyed, &problem));
    assert_true(idempotency_check(&keyed, &request, &answered, &problem));
    if (!answered) {
        struct store_part part;
        assert_int_equal(idempotency_part(&keyed, &part), 0);
        assert_int_equal(store_append_many(fixture->store, &part, 1, 0, NULL, NULL), 0);
    }
    idempotency_end(&keyed, !answered);
    return !answered;
}

static struct idempotency *open_keys(struct fixture *fixture)
{
    struct idempotency *idempotency = NULL;
    struct error error = {0};
    int r = idempotency_open(fixture->store, &idempotency, &error);
    if (r < 0)
        fail_msg("%s", error.message);
    return idempotency;
}

static void test_a_key_is_known_for_ten_minutes(void **state)
{
    struct fixture *fixture = *state;
    struct idempotency *idempotency = open_keys(fixture);
    assert_true(insert(fixture, idempotency, "first"));
    assert_false(insert(fixture, idempotency, "first"));
    assert_true(insert(fixture, idempotency, "second"));
    ahead_s = MINUTES_10 - SLOW_S;
    assert_false(insert(fixture, idempotency, "first"));
    ahead_s = MINUTES_10;
    assert_true(insert(fixture, idempotency, "first"));
    assert_false(insert(fixture, idempotency, "first"));
    assert_true(insert(fixture, idempotency, "second"));
    idempotency_close(idempotency);
}

static void test_a_restart_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct idempotency *idempotency = open_keys(fixture);
    assert_true(insert(fixture, idempotency, "key"));
    ahead_s = MINUTES_10 - SLOW_S;
    idempotency_close(idempotency);
    reopen(fixture);
    idempotency = open_keys(fixture);
    assert_false(insert(fixture, idempotency, "key"));
    idempotency_close(idempotency);
    ahead_s = MINUTES_10 + 1; /* the time of a record is a fraction of a second later */
    reopen(fixture);
    idempotency = open_keys(fixture);
    assert_true(insert(fixture, idempotency, "key"));
    idempotency_close(idempotency);
}

static void test_old_records_are_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct idempotency *idempotency = open_keys(fixture);
    uint64_t first = hidden_series_at(__wrap_time(NULL));
    assert_true(insert(fixture, idempotency, "key"));
    assert_int_equal(
        length_of(fixture, first) + length_of(fixture, first + 1), 1); /* a period may just end */
    for (int i = 1; i <= 4; i++) {
        ahead_s += MINUTES_10;
        assert_true(insert(fixture, idempotency, "key"));
    }
    assert_int_equal(length_of(fixture, first), 0);
    idempotency_close(idempotency);
}

int main(void)
{
#define KEY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        KEY_TEST(test_a_key_is_known_for_ten_minutes),
        KEY_TEST(test_a_restart_changes_nothing),
        KEY_TEST(test_old_records_are_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
