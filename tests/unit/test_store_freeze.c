/* A frozen series takes no points, and what was acknowledged before is in the next snapshot. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SERIES = 7, OTHER = 8, APPENDERS = 4, ROUNDS = 20 };

static int set_up(void **state)
{
    return fixture_set_up(state, 64 << 10);
}

static int try_append(struct store *store, uint64_t series_id, struct error *ret_error)
{
    struct batch batch;
    batch_init(&batch);
    REQUIRE(batch_push_integer(&batch, __builtin_nan(""), 1) == 0, "no memory");
    int r = store_append(store, series_id, &batch, 0, NULL, ret_error);
    batch_free(&batch);
    return r;
}

static void must_freeze(struct store *store, uint64_t series_id)
{
    struct error error = {0};
    if (store_freeze_series(store, series_id, &error) != 0)
        fail_msg("%s", error.message);
}

static void test_takes_points_again(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    must_append(fixture, SERIES, 1);
    must_freeze(fixture->store, SERIES);
    assert_error(&error, try_append(fixture->store, SERIES, &error), EAGAIN, "7");
    assert_error(&error, store_freeze_series(fixture->store, SERIES, &error), EBUSY, "7");
    must_append(fixture, OTHER, 1);
    assert_int_equal(length_of(fixture, SERIES), 1);
    store_unfreeze_series(fixture->store, SERIES);
    store_unfreeze_series(fixture->store, SERIES);
    must_append(fixture, SERIES, 2);
    assert_int_equal(length_of(fixture, SERIES), 2);
}

static void test_deletion_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const uint64_t id = SERIES;
    must_append(fixture, SERIES, 1);
    must_freeze(fixture->store, SERIES);
    assert_int_equal(store_delete_series(fixture->store, &id, 1, NULL), 0);
    assert_error(&error, try_append(fixture->store, SERIES, &error), ENOENT, "7");
    store_unfreeze_series(fixture->store, SERIES);
    assert_error(&error, try_append(fixture->store, SERIES, &error), ENOENT, "7");
    assert_error(&error, store_freeze_series(fixture->store, SERIES, &error), ENOENT, "7");
}

/* The state of a series leaves memory when its journal becomes a segment, but not while it is frozen. */
static void test_outlives_sealing(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    must_append(fixture, SERIES, 5);
    must_freeze(fixture->store, SERIES);
    assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    assert_error(&error, try_append(fixture->store, SERIES, &error), EAGAIN, NULL);
    assert_error(&error, try_append(fixture->store, SERIES, &error), EAGAIN, NULL);
    store_unfreeze_series(fixture->store, SERIES);
    must_append(fixture, SERIES, 6);
    assert_int_equal(length_of(fixture, SERIES), 2);
    must_freeze(fixture->store, OTHER); /* one without points */
    assert_error(&error, try_append(fixture->store, OTHER, &error), EAGAIN, NULL);
    reopen(fixture);
    must_append(fixture, OTHER, 1);
}

static void test_reading_only(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture->options.read_only = true;
    reopen(fixture);
    assert_error(&error, store_freeze_series(fixture->store, SERIES, &error), EROFS, NULL);
    store_unfreeze_series(fixture->store, SERIES);
    fixture->options.read_only = false;
    reopen(fixture);
}

struct appender {
    struct store *store;
    uint64_t series_id;
    atomic_uint *acknowledged;
};

static void *append_until_frozen(void *argument)
{
    struct appender *appender = argument;
    struct error error = {0};
    int r;
    while ((r = try_append(appender->store, appender->series_id, &error)) == 0)
        atomic_fetch_add(appender->acknowledged, 1);
    REQUIRE(r == -EAGAIN, "%s", error.message);
    return NULL;
}

static void test_among_appenders(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        atomic_uint acknowledged = 0;
        struct appender appender = {fixture->store, 100 + round, &acknowledged};
        pthread_t threads[APPENDERS];
        for (unsigned i = 0; i < APPENDERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, append_until_frozen, &appender), 0);
        while (atomic_load(&acknowledged) < 20)
            sched_yield();
        must_freeze(fixture->store, appender.series_id);
        uint64_t length = length_of(fixture, appender.series_id);
        for (unsigned i = 0; i < APPENDERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(length, atomic_load(&acknowledged));
        assert_int_equal(length, length_of(fixture, appender.series_id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_takes_points_again, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_deletion_ends_it, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_outlives_sealing, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_reading_only, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_among_appenders, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
