/* The live bus: every durable point reaches every subscription once and in order, whatever the subscribers
 * do. */
#include "live.h"
#include "ring.h"
#include "store_helpers.h"

#include <pthread.h>
#include <semaphore.h>

enum { SERIES = 7, OTHER = 8, APPENDERS = 4, INSERTS = 300 };

struct fixture {
    char *directory;
    struct store *store;
    struct live *live;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error error = {0};
    fixture->directory = test_directory_create_fast();
    assert_int_equal(store_create(fixture->directory, NULL, &error), 0);
    assert_int_equal(store_open(fixture->directory, NULL, &fixture->store, &error), 0);
    assert_int_equal(live_start(fixture->store, &fixture->live, &error), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    live_stop(fixture->live);
    assert_int_equal(store_close(fixture->store, NULL), 0);
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static void append(struct store *store, uint64_t series_id, uint32_t count)
{
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        if (batch_push_integer(&batch, __builtin_nan(""), (int64_t)i) < 0)
            abort();
    int r;
    do
        r = store_append(store, series_id, &batch, 0, NULL, NULL);
    while (r == -EAGAIN);
    if (r < 0)
        abort();
    batch_free(&batch);
}

static void post(void *semaphore)
{
    (void)sem_post(semaphore);
}

struct listener {
    sem_t woken;
    struct live_subscription *subscription;
};

static void listen_to(struct fixture *fixture, struct listener *listener, uint64_t series_id, uint64_t from)
{
    struct error error = {0};
    assert_int_equal(sem_init(&listener->woken, 0, 0), 0);
    assert_int_equal(live_subscribe(fixture->live, series_id, from, post, &listener->woken,
                         &listener->subscription, &error),
        0);
}

static void close_listener(struct listener *listener)
{
    live_unsubscribe(listener->subscription);
    (void)sem_destroy(&listener->woken);
}

/* The next range; waits for it. */
static struct live_range take(struct listener *listener)
{
    struct live_range range;
    while (live_next(listener->subscription, &range) == 0)
        while (sem_wait(&listener->woken) < 0)
            continue;
    return range;
}

static void expect(struct listener *listener, uint64_t first, uint64_t end)
{
    struct live_range range = take(listener);
    assert_int_equal(range.first, first);
    assert_int_equal(range.end, end);
}

/* ---- one subscriber ---- */

static void test_one_range_for_each_insert(void **state)
{
    struct fixture *fixture = *state;
    struct listener listener;
    listen_to(fixture, &listener, SERIES, LIVE_FROM_NOW);
    struct live_range range;
    assert_int_equal(live_next(listener.subscription, &range), 0);
    append(fixture->store, SERIES, 3);
    append(fixture->store, OTHER, 5);
    append(fixture->store, SERIES, 1);
    expect(&listener, 0, 3);
    expect(&listener, 3, 4);
    assert_int_equal(live_next(listener.subscription, &range), 0);
    close_listener(&listener);
}

static void test_from_now_leaves_out_what_was_stored(void **state)
{
    struct fixture *fixture = *state;
    struct listener listener;
    append(fixture->store, SERIES, 10);
    listen_to(fixture, &listener, SERIES, LIVE_FROM_NOW);
    append(fixture->store, SERIES, 2);
    expect(&listener, 10, 12);
    close_listener(&listener);
}

static void test_resumes_from_an_index(void **state)
{
    struct fixture *fixture = *state;
    struct listener listener;
    append(fixture->store, SERIES, 10);
    listen_to(fixture, &listener, SERIES, 4);
    expect(&listener, 4, 10);
    append(fixture->store, SERIES, 1);
    expect(&listener, 10, 11);
    close_listener(&listener);
}

static void test_an_index_ahead_waits_for_that_point(void **state)
{
    struct fixture *fixture = *state;
    struct listener listener;
    listen_to(fixture, &listener, SERIES, 3);
    append(fixture->store, SERIES, 2);
    append(fixture->store, SERIES, 4);
    expect(&listener, 3, 6);
    close_listener(&listener);
}

static void test_a_slow_subscriber_gets_joined_ranges(void **state)
{
    struct fixture *fixture = *state;
    struct listener listener, other;
    enum { MANY = LIVE_PENDING_MAX + 20 };
    listen_to(fixture, &listener, SERIES, LIVE_FROM_NOW);
    listen_to(fixture, &other, OTHER, LIVE_FROM_NOW);
    for (unsigned i = 0; i < MANY; i++)
        append(fixture->store, SERIES, 1);
    append(fixture->store, OTHER, 1);
    expect(&other, 0, 1); /* so all events before it were dispatched */
    for (unsigned i = 0; i + 1 < LIVE_PENDING_MAX; i++)
        expect(&listener, i, i + 1);
    expect(&listener, LIVE_PENDING_MAX - 1, MANY);
    struct live_stats stats;
    live_get_stats(fixture->live, &stats);
    assert_int_equal(stats.merged_inserts, 20);
    assert_int_equal(stats.events, MANY + 1);
    assert_int_equal(stats.subscriptions, 2);
    close_listener(&listener);
    close_listener(&other);
}

static void test_an_ended_series(void **state)
{
    struct fixture *fixture = *state;
    struct listener listener;
    struct live_range range;
    uint64_t id = SERIES;
    listen_to(fixture, &listener, SERIES, LIVE_FROM_NOW);
    append(fixture->store, SERIES, 2);
    expect(&listener, 0, 2);
    assert_int_equal(live_next(listener.subscription, &range), 0);
    assert_int_equal(store_delete_series(fixture->store, &id, 1, NULL), 0);
    live_end_series(fixture->live, SERIES);
    assert_int_equal(sem_wait(&listener.woken), 0);
    int r;
    while ((r = live_next(listener.subscription, &range)) == 0)
        assert_int_equal(sem_wait(&listener.woken), 0);
    assert_int_equal(r, -ENOENT);
    close_listener(&listener);
}

/* ---- nobody waits for a subscriber ---- */

struct appender {
    struct fixture *fixture;
    pthread_t thread;
    uint64_t series_id;
};

static void *append_on(void *argument)
{
    struct appender *appender = argument;
    for (unsigned i = 0; i < INSERTS; i++)
        append(appender->fixture->store, appender->series_id, 1 + i % 3);
    return NULL;
}

static void start_appenders(struct fixture *fixture, struct appender *appenders)
{
    for (unsigned i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){.fixture = fixture, .series_id = SERIES + i % 2};
        assert_int_equal(pthread_create(&appenders[i].thread, NULL, append_on, &appenders[i]), 0);
    }
}

static void join_appenders(struct appender *appenders)
{
    for (unsigned i = 0; i < APPENDERS; i++)
        assert_int_equal(pthread_join(appenders[i].thread, NULL), 0);
}

struct gate {
    sem_t reached, opened;
};

/* A subscriber that breaks the contract: it holds the dispatcher. */
static void wait_at_gate(void *context)
{
    struct gate *gate = context;
    (void)sem_post(&gate->reached);
    while (sem_wait(&gate->opened) < 0)
        continue;
}

static void test_inserts_go_on_while_the_dispatcher_is_held(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate;
    struct live_subscription *subscription;
    struct appender appenders[APPENDERS];
    struct live_range range;
    (void)sem_init(&gate.reached, 0, 0);
    (void)sem_init(&gate.opened, 0, 0);
    assert_int_equal(
        live_subscribe(fixture->live, SERIES, LIVE_FROM_NOW, wait_at_gate, &gate, &subscription, NULL), 0);
    append(fixture->store, SERIES, 1);
    assert_int_equal(sem_wait(&gate.reached), 0);
    start_appenders(fixture, appenders);
    join_appenders(appenders); /* would hang if an insert waited for the subscriber */
    for (unsigned i = 0; i < 1000; i++)
        (void)sem_post(&gate.opened);
    uint64_t next = 0, total = 1 + 2 * (uint64_t)INSERTS * 2;
    while (next < total) {
        int r = live_next(subscription, &range);
        if (r == 0) {
            assert_int_equal(sem_wait(&gate.reached), 0);
            continue;
        }
        assert_int_equal(r, 1);
        assert_int_equal(range.first, next);
        next = range.end;
    }
    assert_int_equal(next, total);
    live_unsubscribe(subscription);
    (void)sem_destroy(&gate.reached);
    (void)sem_destroy(&gate.opened);
}

/* Subscribes again and again in the middle of inserts: what one subscription has taken, the next one goes on
 * from. */
static void test_subscribing_again_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct appender appenders[APPENDERS];
    uint64_t next = 0, total = 2 * (uint64_t)INSERTS * 2;
    start_appenders(fixture, appenders);
    for (unsigned turn = 0; next < total; turn++) {
        struct listener listener;
        listen_to(fixture, &listener, SERIES, next);
        for (unsigned i = 0; i <= turn % 5 && next < total; i++) {
            struct live_range range = take(&listener);
            assert_int_equal(range.first, next);
            assert_true(range.end > range.first);
            next = range.end;
        }
        close_listener(&listener);
    }
    join_appenders(appenders);
    assert_int_equal(next, total);
}

/* ---- the ring ---- */

static void test_a_full_ring_drops_and_says_so(void **state)
{
    struct ring ring;
    struct live_event event;
    (void)state;
    assert_int_equal(ring_init(&ring, 4), 0);
    for (uint64_t i = 0; i < 6; i++)
        ring_push(&ring, (struct live_event){.series_id = 1, .end = i + 1});
    assert_true(ring_wait(&ring));
    assert_true(ring_take_overflow(&ring));
    assert_false(ring_take_overflow(&ring));
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(ring_pop(&ring, &event));
        assert_int_equal(event.end, i + 1);
    }
    assert_false(ring_pop(&ring, &event));
    ring_stop(&ring);
    assert_false(ring_wait(&ring));
    ring_free(&ring);
}

/* More inserts than the ring holds while the dispatcher is held: it compares with the store and nothing is
 * missing. */
static void test_an_overflow_is_made_up_from_the_store(void **state)
{
    struct fixture *fixture = *state;
    struct gate gate;
    struct live_subscription *held;
    struct listener listener;
    (void)sem_init(&gate.reached, 0, 0);
    (void)sem_init(&gate.opened, 0, 0);
    struct store_options options = {.fsync = STORE_FSYNC_NEVER};
    live_stop(fixture->live);
    assert_int_equal(store_close(fixture->store, NULL), 0);
    assert_int_equal(store_open(fixture->directory, &options, &fixture->store, NULL), 0);
    assert_int_equal(live_start(fixture->store, &fixture->live, NULL), 0);
    assert_int_equal(
        live_subscribe(fixture->live, OTHER, LIVE_FROM_NOW, wait_at_gate, &gate, &held, NULL), 0);
    listen_to(fixture, &listener, SERIES, LIVE_FROM_NOW);
    append(fixture->store, OTHER, 1);
    assert_int_equal(sem_wait(&gate.reached), 0);
    uint64_t total = LIVE_RING_EVENTS + 100;
    for (uint64_t i = 0; i < total; i++)
        append(fixture->store, SERIES, 1);
    (void)sem_post(&gate.opened);
    uint64_t next = 0;
    while (next < total) {
        struct live_range range = take(&listener);
        assert_int_equal(range.first, next);
        next = range.end;
    }
    assert_int_equal(next, total);
    struct live_stats stats;
    live_get_stats(fixture->live, &stats);
    assert_true(stats.ring_overflows > 0);
    close_listener(&listener);
    live_unsubscribe(held);
    (void)sem_destroy(&gate.reached);
    (void)sem_destroy(&gate.opened);
}

#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_one_range_for_each_insert),
        LIVE_TEST(test_from_now_leaves_out_what_was_stored),
        LIVE_TEST(test_resumes_from_an_index),
        LIVE_TEST(test_an_index_ahead_waits_for_that_point),
        LIVE_TEST(test_a_slow_subscriber_gets_joined_ranges),
        LIVE_TEST(test_an_ended_series),
        LIVE_TEST(test_inserts_go_on_while_the_dispatcher_is_held),
        LIVE_TEST(test_subscribing_again_loses_nothing),
        cmocka_unit_test(test_a_full_ring_drops_and_says_so),
        LIVE_TEST(test_an_overflow_is_made_up_from_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
