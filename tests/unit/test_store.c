/* The contract of store.h, function by function: creating, opening, appending, deleting, listening, looking
 * after it. Reading is in test_store_read.c, bulk loads in test_store_bulk.c, failing devices in fault/. */
#include "store_fixture.h"

#include "clock.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

static int set_up(void **state)
{
    return fixture_set_up(state, 64 << 10);
}

/* One integer a time: 0, 1, 2, ... */
static void batch_of_times(struct batch *batch, const double *times, size_t count)
{
    batch_init(batch);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(batch_push_integer(batch, isinf(times[i]) ? (double)NAN : times[i], (int64_t)i), 0);
        if (isinf(times[i])) { /* no push takes it; a caller that fills columns by hand could */
            assert_int_equal(batch->times.kind, NUMBERS_AS_DOUBLES);
            batch->times.doubles[i] = times[i];
            batch->missing_times = false;
        }
    }
}

static int append_times(struct fixture *fixture, uint64_t series_id, unsigned flags, const double *times,
    size_t count, struct batch *batch, struct error *ret_error)
{
    batch_of_times(batch, times, count);
    return store_append(fixture->store, series_id, batch, flags, NULL, ret_error);
}

/* ---- creating and opening ---- */

static void test_open_what_is_not_there(void **state)
{
    (void)state;
    char *directory = test_directory_create_fast();
    struct store *store = (struct store *)directory; /* must stay */
    struct error error = {0};
    int r = store_open("/nonexistent/store", NULL, &store, &error);
    assert_error(&error, r, ENOENT, "/nonexistent/store");
    error = (struct error){0};
    r = store_open(directory, NULL, &store, &error); /* empty */
    assert_error(&error, r, ENOENT, "MANIFEST");
    assert_ptr_equal(store, directory);
    assert_int_equal(store_open(directory, NULL, &store, NULL), -ENOENT);
    r = store_create("/nonexistent/store", NULL, &error);
    assert_error(&error, r, ENOENT, "/nonexistent/store");
    test_directory_remove(directory);
}

static void test_create_never_overwrites(void **state)
{
    struct fixture *fixture = *state;
    must_append(fixture, 1, 5);
    test_store_close(fixture->store);
    uint64_t before = test_directory_hash(fixture->directory);
    struct error error = {0};
    assert_int_equal(store_create(fixture->directory, NULL, &error), -EEXIST);
    assert_int_equal(test_directory_hash(fixture->directory), before);
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    assert_int_equal(length_of(fixture, 1), 1);
}

static void test_options_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    test_store_close(fixture->store);
    static const struct store_options refused[] = {
        {.journal_bytes = 60 << 10},
        {.journal_bytes = (64 << 10) + 1},
        {.journal_bytes = UINT64_C(2) << 30},
        {.journals_max = 1},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct store *store = NULL;
        struct error error = {0};
        int r = store_open(fixture->directory, &refused[i], &store, &error);
        assert_error(&error, r, EINVAL, "journal");
        assert_null(store);
    }
    fixture->store = test_store_open(fixture->directory, NULL); /* defaults */
    must_append(fixture, 1, 5);
}

static void test_journal_size_may_change(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t sizes[] = {64 << 10, 1 << 20, 128 << 10, 25 * 4096, 64 << 10};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        must_append(fixture, 1, (double)i);
        fixture->options.journal_bytes = sizes[i];
        reopen(fixture);
        must_append(fixture, 1, (double)i);
        assert_int_equal(length_of(fixture, 1), 2 * (i + 1));
    }
}

static void test_recovery_tells_how_it_was_closed(void **state)
{
    struct fixture *fixture = *state;
    assert_true(store_recovery(fixture->store)->clean);
    for (int i = 0; i < 10; i++)
        must_append(fixture, 1, i);
    char *copy = test_directory_create_fast();
    test_directory_copy(fixture->directory, copy); /* what kill -9 would leave */
    struct store *store = test_store_open(copy, &fixture->options);
    const struct store_recovery *recovery = store_recovery(store);
    assert_false(recovery->clean);
    assert_int_equal(recovery->frames, 10);
    assert_int_equal(recovery->points, 10);
    assert_int_equal(recovery->torn_bytes, 0);
    assert_true(recovery->seconds >= 0);
    test_store_close(store);
    store = test_store_open(copy, &fixture->options);
    assert_true(store_recovery(store)->clean);
    test_store_close(store);
    test_directory_remove(copy);
}

static void test_unknown_files_go_to_trash(void **state)
{
    struct fixture *fixture = *state;
    must_append(fixture, 1, 5);
    test_store_close(fixture->store);
    char *stray = test_path(fixture->directory, "segment-%d", 999999);
    test_file_write(stray, "stray", 5);
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    assert_int_equal(store_recovery(fixture->store)->trashed_files, 1);
    assert_int_equal(access(stray, F_OK), -1);
    char *trash = test_path(fixture->directory, "trash");
    assert_int_equal(access(trash, F_OK), 0);
    assert_int_equal(length_of(fixture, 1), 1);
    free(stray), free(trash);
}

static void test_io_backend_is_named(void **state)
{
    struct fixture *fixture = *state;
    const char *name = store_io_name(fixture->store);
    assert_true(strcmp(name, "io_uring") == 0 || strcmp(name, "posix") == 0);
}

/* ---- appending ---- */

static void test_append_tells_the_first_index(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 0; i < 5; i++) {
        struct batch batch;
        double times[] = {(double)i, (double)i, (double)i + 0.5};
        batch_of_times(&batch, times, 3);
        uint64_t first_index = UINT64_MAX;
        assert_int_equal(store_append(fixture->store, 7, &batch, 0, &first_index, NULL), 0);
        assert_int_equal(first_index, 3 * i);
        batch_free(&batch);
    }
}

static void test_empty_batches_are_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(store_append(fixture->store, 7, &batch, 0, NULL, NULL), 0);
    assert_int_equal(store_append(fixture->store, 7, &batch, STORE_APPEND_RESTAMP, NULL, NULL), 0);
    struct store_stats stats;
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.appended_batches, 0);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(length_of(fixture, 7), 0);
    batch_free(&batch);
}

/* A series that holds a point at each of `stored`, to which points at `times` are appended. */
static const struct order_case {
    const char *name;
    unsigned flags;
    size_t stored_count, count;
    double stored[2], times[4];
    int result;
    double kept[4]; /* the times in the end, when result is 0 */
} order_cases[] = {
    {"ascending", 0, 1, 2, {5}, {6, 7}, 0, {6, 7}},
    {"equal to the last", 0, 1, 2, {5}, {5, 5}, 0, {5, 5}},
    {"older than the last", 0, 1, 1, {5}, {4.999}, -EINVAL, {0}},
    {"first older, then later", 0, 1, 2, {5}, {4, 6}, -EINVAL, {0}},
    {"not ascending", 0, 0, 2, {0}, {2, 1}, -EINVAL, {0}},
    {"not ascending by one bit", 0, 0, 2, {0}, {2, 1.9999999999999998}, -EINVAL, {0}},
    {"not ascending at the end", 0, 1, 4, {1}, {2, 3, 4, 3}, -EINVAL, {0}},
    {"time 0 in an empty series", 0, 0, 1, {0}, {0}, 0, {0}},
    {"negative time in an empty series", 0, 0, 1, {0}, {-1}, -EINVAL, {0}},
    {"negative, then later", 0, 0, 2, {0}, {-5, 5}, -EINVAL, {0}},
    {"infinite", 0, 0, 1, {0}, {(double)INFINITY}, -EINVAL, {0}},
    {"infinite at the end", 0, 0, 2, {0}, {1, (double)INFINITY}, -EINVAL, {0}},
    {"minus infinity", 0, 0, 1, {0}, {-(double)INFINITY}, -EINVAL, {0}},
    {"restamp: infinite", STORE_APPEND_RESTAMP, 1, 2, {5}, {1, (double)INFINITY}, -EINVAL, {0}},
    {"restamp: minus infinity", STORE_APPEND_RESTAMP, 1, 1, {5}, {-(double)INFINITY}, -EINVAL, {0}},
    {"restamp: not ascending", STORE_APPEND_RESTAMP, 1, 2, {5}, {2, 1}, -EINVAL, {0}},
    {"restamp: whole last time", STORE_APPEND_RESTAMP, 1, 3, {5}, {3, 4, 6}, 0, {5.00001, 5.00001, 6}},
    {"restamp: fractional last time", STORE_APPEND_RESTAMP, 1, 3, {5.5}, {4, 5.5, 5.6}, 0, {5.5, 5.5, 5.6}},
    {"restamp: equal stays", STORE_APPEND_RESTAMP, 1, 1, {5}, {5}, 0, {5}},
    {"restamp: nothing older", STORE_APPEND_RESTAMP, 1, 2, {5}, {5.000001, 6}, 0, {5.000001, 6}},
    {"restamp: up to the moved time", STORE_APPEND_RESTAMP, 1, 4, {5}, {4.9, 5.000001, 5.00001, 5.00002}, 0,
        {5.00001, 5.00001, 5.00001, 5.00002}},
    {"restamp: negative in an empty series", STORE_APPEND_RESTAMP, 0, 2, {0}, {-5, -4}, 0,
        {0.00001, 0.00001}},
    {"restamp: large whole time", STORE_APPEND_RESTAMP, 1, 1, {1400000000}, {1399999999}, 0,
        {1400000000.00001}},
    {"restamp: twice", STORE_APPEND_RESTAMP, 2, 1, {1400000000, 1400000000.00001}, {1399999999}, 0,
        {1400000000.00001}},
};

static void run_order_case(struct fixture *fixture, uint64_t series_id, const struct order_case *given)
{
    for (size_t i = 0; i < given->stored_count; i++)
        must_append(fixture, series_id, given->stored[i]);
    struct batch batch;
    struct error error = {0};
    int r = append_times(fixture, series_id, given->flags, given->times, given->count, &batch, &error);
    if (r != given->result || error.code != -r)
        fail_msg("%s: %d, %s", given->name, r, error.message);
    uint64_t wanted = given->stored_count + (r == 0 ? given->count : 0);
    if (length_of(fixture, series_id) != wanted)
        fail_msg("%s: the series has not %llu points", given->name, (unsigned long long)wanted);
    for (size_t i = 0; r == 0 && i < given->count; i++)
        if (batch_time(&batch, (uint32_t)i) != given->kept[i])
            fail_msg("%s: time %zu is %.17g", given->name, i, batch_time(&batch, (uint32_t)i));
    struct points points = {0};
    struct store_snapshot *snapshot = open_snapshot(fixture);
    assert_int_equal(test_series_read(snapshot, series_id, &points, NULL), 0);
    for (size_t i = 0; r == 0 && i < given->count; i++)
        if (points.times[given->stored_count + i] != given->kept[i])
            fail_msg("%s: stored time %zu is %.17g", given->name, i, points.times[given->stored_count + i]);
    store_snapshot_close(snapshot);
    points_free(&points);
    batch_free(&batch);
}

static void test_order_of_times(void **state)
{
    for (size_t i = 0; i < sizeof(order_cases) / sizeof(order_cases[0]); i++)
        run_order_case(*state, i + 1, &order_cases[i]);
}

static void test_order_rules_survive_sealing_and_reopening(void **state)
{
    struct fixture *fixture = *state;
    struct batch batch;
    struct error error = {0};
    double older = 4, later = 5;
    must_append(fixture, 1, 5);
    for (int i = 0; i < 3; i++) {
        int r = append_times(fixture, 1, 0, &older, 1, &batch, &error);
        assert_error(&error, r, EINVAL, "Greater timestamp already exists");
        batch_free(&batch);
        assert_int_equal(append_times(fixture, 1, 0, &later, 1, &batch, &error), 0);
        batch_free(&batch);
        if (i == 0)
            assert_int_equal(store_seal(fixture->store, true, NULL), 0);
        else
            reopen(fixture);
    }
    assert_int_equal(length_of(fixture, 1), 4);
}

static void test_missing_times_are_now_or_the_last(void **state)
{
    struct fixture *fixture = *state;
    const double future = 99999999999;
    struct batch batch;
    double before = clock_now_seconds();
    assert_int_equal(append_times(fixture, 1, 0, (double[]){5, NAN, NAN}, 3, &batch, NULL), 0);
    double after = clock_now_seconds();
    assert_false(batch.missing_times);
    assert_true(batch_time(&batch, 0) == 5);
    assert_true(batch_time(&batch, 1) >= before && batch_time(&batch, 1) <= after);
    assert_true(batch_time(&batch, 2) >= batch_time(&batch, 1) && batch_time(&batch, 2) <= after);
    batch_free(&batch);
    for (unsigned flags = 0; flags <= STORE_APPEND_RESTAMP;
         flags++) { /* in the future the last time counts */
        must_append(fixture, 2 + flags, future);
        assert_int_equal(
            append_times(fixture, 2 + flags, flags, (double[]){NAN, future}, 2, &batch, NULL), 0);
        assert_true(batch_time(&batch, 0) == future && batch_time(&batch, 1) == future);
        batch_free(&batch);
        /* "now" is set before the order is checked */
        struct error error = {0};
        int r = append_times(fixture, 10, flags, (double[]){NAN, 5}, 2, &batch, &error);
        assert_error(&error, r, EINVAL, NULL);
        batch_free(&batch);
    }
    assert_int_equal(length_of(fixture, 10), 0);
}

static void batch_of_text(struct batch *batch, double time, size_t size)
{
    uint8_t *value = calloc(1, size + 5);
    assert_non_null(value);
    value[0] = 0xdb; /* str32 */
    for (int i = 0; i < 4; i++)
        value[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    memset(value + 5, 'x', size);
    batch_init(batch);
    assert_int_equal(batch_push_msgpack(batch, time, value, size + 5), 0);
    free(value);
}

static void test_a_frame_must_fit_its_journal(void **state)
{
    struct fixture *fixture = *state;
    enum { TOO_LARGE = 70000, LARGE = 60000 - 4096 }; /* the files have 65536 bytes, 4096 of them header */
    struct batch batch;
    struct error error = {0};
    must_append(fixture, 1, 1);
    batch_of_text(&batch, 2, TOO_LARGE);
    uint64_t first_index = 4711;
    int r = store_append(fixture->store, 1, &batch, 0, &first_index, &error);
    assert_error(&error, r, E2BIG, NULL);
    assert_int_equal(first_index, 4711);
    batch_free(&batch);
    for (int i = 0; i < 20; i++) { /* each fills a journal */
        batch_of_text(&batch, 2, LARGE);
        assert_int_equal(store_append(fixture->store, 1, &batch, 0, &first_index, &error), 0);
        assert_int_equal(first_index, i + 1);
        batch_free(&batch);
    }
    reopen(fixture);
    assert_int_equal(length_of(fixture, 1), 21);
}

static void test_a_batch_beyond_the_flight_limit_ends(void **state)
{
    struct fixture *fixture = *state;
    test_store_close(fixture->store);
    fixture->options.journal_bytes = 1 << 20;
    fixture->options.flight_bytes_max = 64 << 10;
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    struct batch batch;
    struct error error = {0};
    batch_of_text(&batch, 2, 200000);
    int r = store_append(fixture->store, 1, &batch, 0, NULL, &error);
    if (r != 0 && r != -E2BIG) /* "try again" would never help */
        fail_msg("%d: %s", r, error.message);
    batch_free(&batch);
    must_append(fixture, 1, 3);
}

/* ---- deleting ---- */

static void test_deleted_series_are_gone(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t id = 1; id <= 4; id++)
        must_append(fixture, id, 5);
    struct store_snapshot *before = open_snapshot(fixture);
    assert_int_equal(store_delete_series(fixture->store, (uint64_t[]){3, 1, 77, 3}, 4, NULL), 0);
    assert_int_equal(store_delete_series(fixture->store, NULL, 0, NULL), 0);
    for (int round = 0; round < 3; round++) {
        static const uint64_t lengths[] = {0, 1, 0, 1, 0};
        for (uint64_t id = 1; id <= 5; id++)
            assert_int_equal(length_of(fixture, id), lengths[id - 1]);
        if (round == 0) {
            struct batch batch;
            struct error error = {0};
            double time = 6;
            int r = append_times(fixture, 1, 0, &time, 1, &batch, &error);
            assert_error(&error, r, ENOENT, NULL);
            batch_free(&batch);
            struct points points = {0};
            assert_int_equal(test_series_read(before, 1, &points, NULL), 0); /* that moment still has it */
            assert_int_equal(points.count, 1);
            points_free(&points);
            store_snapshot_close(before);
        }
        if (round == 1)
            assert_int_equal(store_seal(fixture->store, true, NULL), 0);
        reopen(fixture);
    }
}

static void test_sealed_series_can_be_deleted(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t id = 1; id <= 3; id++)
        must_append(fixture, id, 5);
    assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    struct store_snapshot *before = open_snapshot(fixture);
    assert_int_equal(store_delete_series(fixture->store, (uint64_t[]){2}, 1, NULL), 0);
    assert_int_equal(length_of(fixture, 2), 0);
    struct store_series series;
    assert_int_equal(store_snapshot_series(before, 2, &series, NULL), 0);
    assert_int_equal(series.length, 1);
    store_snapshot_close(before);
    assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(length_of(fixture, 1), 1);
        assert_int_equal(length_of(fixture, 2), 0);
        assert_int_equal(length_of(fixture, 3), 1);
        reopen(fixture);
    }
}

static void test_retaining_deletes_the_unknown(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t id = 1; id <= 6; id++) {
        must_append(fixture, id, 5);
        if (id == 3)
            assert_int_equal(store_seal(fixture->store, true, NULL), 0); /* half of them sealed */
    }
    uint64_t deleted = UINT64_MAX;
    assert_int_equal(store_retain_series(fixture->store, (uint64_t[]){1, 3, 5, 9}, 4, &deleted, NULL), 0);
    assert_int_equal(deleted, 3);
    for (int round = 0; round < 2; round++) {
        for (uint64_t id = 1; id <= 6; id++)
            assert_int_equal(length_of(fixture, id), id % 2);
        reopen(fixture);
    }
    assert_int_equal(store_retain_series(fixture->store, (uint64_t[]){1, 3, 5, 9}, 4, &deleted, NULL), 0);
    assert_int_equal(deleted, 0);
    assert_int_equal(store_retain_series(fixture->store, NULL, 0, &deleted, NULL), 0);
    assert_int_equal(deleted, 3);
    assert_int_equal(length_of(fixture, 1), 0);
}

/* ---- listening ---- */

struct heard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct store *store;
    unsigned calls;
    uint64_t series_id[16], first_index[16];
    double time[16];
};

static void hear(void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    struct heard *heard = context;
    (void)pthread_mutex_lock(&heard->lock);
    if (heard->calls < 16) {
        heard->series_id[heard->calls] = series_id;
        heard->first_index[heard->calls] = first_index;
        heard->time[heard->calls] = batch_time(batch, batch->count - 1);
    }
    heard->calls++;
    (void)pthread_cond_signal(&heard->changed);
    (void)pthread_mutex_unlock(&heard->lock);
}

static void wait_for_calls(struct heard *heard, unsigned calls)
{
    (void)pthread_mutex_lock(&heard->lock);
    while (heard->calls < calls)
        (void)pthread_cond_wait(&heard->changed, &heard->lock);
    (void)pthread_mutex_unlock(&heard->lock);
}

static void test_listener_hears_what_was_stored(void **state)
{
    struct fixture *fixture = *state;
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct batch batch;
    must_append(fixture, 1, 1); /* nobody listens */
    store_set_listener(fixture->store, hear, &heard);
    must_append(fixture, 1, 5);
    assert_int_equal(append_times(fixture, 1, STORE_APPEND_RESTAMP, (double[]){2, 3}, 2, &batch, NULL), 0);
    batch_free(&batch);
    must_append(fixture, 2, 7);
    wait_for_calls(&heard, 3);
    assert_int_equal(heard.series_id[0], 1);
    assert_int_equal(heard.first_index[0], 1);
    assert_int_equal(heard.first_index[1], 2);
    assert_true(heard.time[1] == 5.00001); /* the time that was stored */
    assert_int_equal(heard.series_id[2], 2);
    assert_int_equal(heard.first_index[2], 0);
    store_set_listener(fixture->store, NULL, NULL);
    must_append(fixture, 1, 9);
    reopen(fixture); /* no late call either */
    assert_int_equal(heard.calls, 3);
}

/* ---- looking after it ---- */

static void test_stats_count(void **state)
{
    struct fixture *fixture = *state;
    struct store_stats stats;
    for (int i = 0; i < 10; i++)
        must_append(fixture, 1 + (uint64_t)i % 2, i);
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.appended_points, 10);
    assert_int_equal(stats.appended_batches, 10);
    assert_int_equal(stats.commits, 10);
    assert_false(stats.journal_dead);
    assert_true(stats.journal_count >= 1);
    assert_true(stats.journal_bytes_used > 10 * 16);
    assert_int_equal(stats.segment_count, 0);
    assert_int_equal(store_seal(fixture->store, false, NULL), 0); /* no journal is closed yet */
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.segment_count, 0);
    assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.segment_count, 1);
    assert_int_equal(stats.segment_points, 10);
    assert_true(stats.segment_bytes > 0);
    assert_true(stats.sealed_journals >= 1);
    assert_int_equal(store_delete_series(fixture->store, (uint64_t[]){1}, 1, NULL), 0);
    store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.deleted_series, 1);
}

static void test_every_fsync_setting_keeps_points(void **state)
{
    struct fixture *fixture = *state;
    double time = 0;
    for (int setting = STORE_FSYNC_ALWAYS; setting <= STORE_FSYNC_NEVER; setting++) {
        fixture->options.fsync = (enum store_fsync)setting;
        fixture->options.fsync_interval_ms = 1;
        reopen(fixture);
        for (int i = 0; i < 5; i++)
            must_append(fixture, 1, ++time);
    }
    reopen(fixture);
    assert_int_equal(length_of(fixture, 1), 15);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_what_is_not_there),
        STORE_TEST(test_create_never_overwrites),
        STORE_TEST(test_options_are_bounded),
        STORE_TEST(test_journal_size_may_change),
        STORE_TEST(test_recovery_tells_how_it_was_closed),
        STORE_TEST(test_unknown_files_go_to_trash),
        STORE_TEST(test_io_backend_is_named),
        STORE_TEST(test_append_tells_the_first_index),
        STORE_TEST(test_empty_batches_are_nothing),
        STORE_TEST(test_order_of_times),
        STORE_TEST(test_order_rules_survive_sealing_and_reopening),
        STORE_TEST(test_missing_times_are_now_or_the_last),
        STORE_TEST(test_a_frame_must_fit_its_journal),
        STORE_TEST(test_a_batch_beyond_the_flight_limit_ends),
        STORE_TEST(test_deleted_series_are_gone),
        STORE_TEST(test_sealed_series_can_be_deleted),
        STORE_TEST(test_retaining_deletes_the_unknown),
        STORE_TEST(test_listener_hears_what_was_stored),
        STORE_TEST(test_stats_count),
        STORE_TEST(test_every_fsync_setting_keeps_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
