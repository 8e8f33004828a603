/* Bulk loads: straight into segments, staged, published in one step. */
#include "store_fixture.h"

#include "io_fault.h"

#include <pthread.h>
#include <unistd.h>

static int set_up(void **state)
{
    return fixture_set_up(state, 1 << 20);
}

static struct store_bulk *must_open(struct fixture *fixture, const char *name, bool resume)
{
    struct store_bulk *bulk = NULL;
    struct error error = {0};
    if (store_bulk_open(fixture->store, name, resume, &bulk, &error) != 0)
        fail_msg("%s: %s", name, error.message);
    return bulk;
}

static struct store_bulk_writer *must_open_writer(struct store_bulk *bulk)
{
    struct store_bulk_writer *writer = NULL;
    struct error error = {0};
    if (store_bulk_writer_open(bulk, &writer, &error) != 0)
        fail_msg("%s", error.message);
    return writer;
}

/* What series `id` holds: different for each, long enough for several blocks where id is a multiple of 5. */
static void points_of(uint64_t id, struct points *points)
{
    struct test_random random = {id};
    double time = 0;
    uint64_t count = id % 5 == 0 ? 10000 : id % 7;
    for (uint64_t i = 0; i < count; i++) {
        time = random_time_after(time, &random);
        points_push_random(points, (enum value_profile)(id % PROFILE_COUNT), time, id % 2, &random);
    }
}

static void load(struct store_bulk_writer *writer, uint64_t id)
{
    struct error error = {0};
    struct points points = {0};
    points_of(id, &points);
    REQUIRE(store_bulk_series(writer, id, id + 100, &error) == 0, "%s", error.message);
    for (uint64_t from = 0; from < points.count; from += 1500) {
        uint64_t count = points.count - from < 1500 ? points.count - from : 1500;
        struct batch batch;
        batch_init(&batch);
        points_to_batch(&points, from, count, true, &batch);
        REQUIRE(store_bulk_append(writer, &batch, &error) == 0, "%s", error.message);
        batch_free(&batch);
    }
    points_free(&points);
}

static void finish(struct store_bulk_writer *writer)
{
    struct error error = {0};
    REQUIRE(store_bulk_writer_finish(writer, &error) == 0, "%s", error.message);
    store_bulk_writer_close(writer);
}

static void assert_loaded(struct fixture *fixture, uint64_t id, bool there)
{
    struct points points = {0};
    points_of(id, &points);
    struct store_snapshot *snapshot = open_snapshot(fixture);
    test_series_equal(snapshot, id, &points, there ? points.count : 0);
    store_snapshot_close(snapshot);
    points_free(&points);
}

static bool staging_exists(struct fixture *fixture, const char *name)
{
    char *path = test_path(fixture->directory, "import-%s", name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static void test_points_appear_when_published(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    for (uint64_t id = 1; id <= 12; id++)
        load(writer, id);
    struct store_snapshot *before = open_snapshot(fixture);
    finish(writer);
    assert_loaded(fixture, 5, false);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    for (int round = 0; round < 3; round++) {
        for (uint64_t id = 1; id <= 12; id++)
            assert_loaded(fixture, id, true);
        if (round == 0) {
            struct store_series series;
            assert_int_equal(store_snapshot_series(before, 5, &series, NULL), 0);
            assert_int_equal(series.length, 0); /* its moment was before */
            store_snapshot_close(before);
            store_bulk_close(bulk, false);
            assert_false(staging_exists(fixture, "one"));
        }
        reopen(fixture);
    }
}

static void test_loaded_series_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    load(writer, 5);
    finish(writer);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
    struct points points = {0};
    points_of(5, &points);
    for (int round = 0; round < 4; round++) {
        struct batch batch;
        batch_init(&batch);
        double last = points.times[points.count - 1];
        assert_int_equal(batch_push_integer(&batch, last - 1, round), 0);
        assert_int_equal(store_append(fixture->store, 5, &batch, 0, NULL, NULL), -EINVAL);
        batch_clear(&batch);
        assert_int_equal(batch_push_integer(&batch, last + 1, round), 0);
        uint64_t first_index;
        assert_int_equal(store_append(fixture->store, 5, &batch, 0, &first_index, NULL), 0);
        assert_int_equal(first_index, points.count);
        points_from_batch(&points, &batch);
        batch_free(&batch);
        struct store_snapshot *snapshot = open_snapshot(fixture);
        test_series_equal(snapshot, 5, &points, points.count);
        store_snapshot_close(snapshot);
        if (round == 1)
            assert_int_equal(store_seal(fixture->store, true, NULL), 0);
        if (round == 2)
            reopen(fixture);
    }
    points_free(&points);
}

static void test_names(void **state)
{
    struct fixture *fixture = *state;
    char longest[66];
    memset(longest, 'a', sizeof(longest));
    longest[65] = 0;
    const char *refused[] = {"", "a/b", "..", "a b", "é", "a.b", longest};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct store_bulk *bulk = NULL;
        struct error error = {0};
        if (store_bulk_open(fixture->store, refused[i], false, &bulk, &error) != -EINVAL || bulk)
            fail_msg("'%s' was not refused: %s", refused[i], error.message);
    }
    longest[64] = 0;
    store_bulk_close(must_open(fixture, longest, false), false);
    store_bulk_close(must_open(fixture, "Az09_-", false), false);
    store_bulk_close(NULL, false);
    store_bulk_writer_close(NULL);
}

static void test_a_staging_is_never_taken_twice(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *first = must_open(fixture, "one", false), *second = NULL;
    struct error error = {0};
    assert_int_equal(store_bulk_open(fixture->store, "one", false, &second, &error), -EEXIST);
    assert_non_null(strstr(error.message, "one"));
    store_bulk_close(first, true); /* kept */
    assert_true(staging_exists(fixture, "one"));
    assert_int_equal(store_bulk_open(fixture->store, "one", false, &second, &error), -EEXIST);
    reopen(fixture);
    assert_int_equal(store_bulk_open(fixture->store, "one", false, &second, &error), -EEXIST);
    store_bulk_close(must_open(fixture, "one", true), false);
    assert_false(staging_exists(fixture, "one"));
}

static void test_order_is_checked(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(store_bulk_series(writer, 1, 1, &error), 0);
    assert_int_equal(batch_push_integer(&batch, 1234.5, 1), 0);
    assert_int_equal(store_bulk_append(writer, &batch, &error), 0);
    assert_int_equal(store_bulk_append(writer, &batch, &error), 0); /* equal times are fine */
    batch_clear(&batch);
    assert_int_equal(batch_push_integer(&batch, 1233.25, 1), 0); /* before the last of the series */
    assert_int_equal(store_bulk_append(writer, &batch, &error), -EINVAL);
    if (!strstr(error.message, "1234.5") || !strstr(error.message, "1233.25"))
        fail_msg("'%s' does not name both times", error.message);
    batch_clear(&batch);
    assert_int_equal(batch_push_integer(&batch, 2222.5, 1), 0); /* not ascending within the batch */
    assert_int_equal(batch_push_integer(&batch, 2221.25, 1), 0);
    error = (struct error){0};
    assert_int_equal(store_bulk_append(writer, &batch, &error), -EINVAL);
    if (!strstr(error.message, "2222.5") || !strstr(error.message, "2221.25"))
        fail_msg("'%s' does not name both times", error.message);
    batch_free(&batch);
    store_bulk_writer_close(writer);
    store_bulk_close(bulk, false);
}

static void test_negative_times_load(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(store_bulk_series(writer, 1, 1, NULL), 0);
    assert_int_equal(
        batch_push_integer(&batch, -100.5, 1), 0); /* "not before the last of the series": there is none */
    assert_int_equal(batch_push_integer(&batch, -3, 2), 0);
    assert_int_equal(batch_push_integer(&batch, 3, 3), 0);
    assert_int_equal(store_bulk_append(writer, &batch, NULL), 0);
    struct points points = {0};
    points_from_batch(&points, &batch);
    batch_free(&batch);
    finish(writer);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
    struct store_snapshot *snapshot = open_snapshot(fixture);
    test_series_equal(snapshot, 1, &points, 3);
    uint64_t index;
    assert_int_equal(store_snapshot_index_of_time(snapshot, 1, -50, &index, NULL), 0);
    assert_int_equal(index, 1);
    store_snapshot_close(snapshot);
    points_free(&points);
}

static void test_a_killed_load_resumes(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    for (uint64_t id = 1; id <= 10; id++)
        load(writer, id);
    finish(writer);
    writer = must_open_writer(bulk);
    load(writer, 11); /* this writer does not come to its end */
    char *copy = test_directory_create_fast();
    test_directory_copy(fixture->directory, copy); /* what kill -9 would leave */
    store_bulk_writer_close(writer);
    store_bulk_close(bulk, false);
    struct fixture killed = {.directory = copy, .store = test_store_open(copy, &fixture->options)};
    assert_true(staging_exists(&killed, "one"));
    assert_loaded(&killed, 5, false);
    bulk = must_open(&killed, "one", true);
    uint64_t id = 4711, points = 4711;
    assert_false(store_bulk_find(bulk, 111, &id, &points));
    assert_int_equal(id, 4711);
    assert_true(store_bulk_find(bulk, 105, &id, &points));
    assert_int_equal(id, 5);
    assert_int_equal(points, 10000);
    writer = must_open_writer(bulk);
    load(writer, 12);
    finish(writer);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
    assert_false(staging_exists(&killed, "one"));
    for (id = 1; id <= 12; id++)
        assert_loaded(&killed, id, id != 11);
    test_store_close(killed.store);
    test_store_check(copy);
    test_directory_remove(copy);
}

static void test_a_load_that_is_dropped_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    load(writer, 5);
    finish(writer);
    store_bulk_close(bulk, false);
    assert_false(staging_exists(fixture, "one"));
    assert_loaded(fixture, 5, false);
    reopen(fixture);
    assert_loaded(fixture, 5, false);
    bulk = must_open(fixture, "one", false); /* nothing to load is fine */
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
}

/* A device that is full when a load is published: what was loaded waits in the staging, and publishing it is
 * all there is to do again. */
static void test_a_full_device_at_the_end_loses_no_load(void **state)
{
    struct fixture *fixture = *state;
    const struct io_fault_plan healthy = {0};
    struct io *posix = NULL, *io = NULL;
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    assert_int_equal(io_open_fault(posix, &healthy, &io), 0);
    test_store_close(fixture->store);
    fixture->options.io = io;
    fixture->options.no_threads = true;
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    int r = -ENOSPC;
    uint64_t k = 0;
    for (; r != 0; k++) {
        uint64_t id = 5 + 15 * k, series_id, points; /* multiples of 5 have points */
        struct store_bulk *bulk = must_open(fixture, "one", false);
        for (uint64_t i = 0; i < 15; i += 5) { /* a segment each */
            struct store_bulk_writer *writer = must_open_writer(bulk);
            load(writer, id + i);
            finish(writer);
        }
        io_fault_set(io, &(struct io_fault_plan){.fail_at = k + 1,
                             .fail_count = 1,
                             .code = ENOSPC,
                             .calls = 1u << IO_CALL_OPEN | 1u << IO_CALL_WRITE | 1u << IO_CALL_RENAME});
        r = store_bulk_publish(bulk, NULL);
        io_fault_set(io, &healthy);
        store_bulk_close(bulk, true);
        if (r < 0) {
            assert_int_equal(r, -ENOSPC);
            assert_loaded(fixture, id, false);
            bulk = must_open(fixture, "one", true);
            for (uint64_t i = 0; i < 15; i += 5)
                REQUIRE(store_bulk_find(bulk, id + i + 100, &series_id, &points) && series_id == id + i,
                    "after call %llu", (unsigned long long)k);
            assert_int_equal(store_bulk_publish(bulk, NULL), 0);
            store_bulk_close(bulk, true);
        }
        for (uint64_t i = 0; i < 15; i += 5)
            assert_loaded(fixture, id + i, true);
    }
    assert_true(k > 5); /* else the manifest was not among what failed */
    test_store_close(fixture->store);
    fixture->options.io = NULL;
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    assert_int_equal(store_recovery(fixture->store)->trashed_files, 0);
    io_close(io);
}

static void test_descending_ids(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    struct store_bulk_writer *writer = must_open_writer(bulk);
    for (uint64_t id = 10; id > 0; id -= 2)
        load(writer, id);
    load(writer, 3);
    finish(writer);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
    for (uint64_t id = 1; id <= 10; id++)
        assert_loaded(fixture, id, id % 2 == 0 || id == 3);
}

static void test_a_series_must_be_new(void **state)
{
    struct fixture *fixture = *state;
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, 5, 5), 0);
    assert_int_equal(store_append(fixture->store, 5, &batch, 0, NULL, NULL), 0);
    batch_free(&batch);
    for (int sealed = 0; sealed < 2; sealed++) {
        struct store_bulk *bulk = must_open(fixture, "one", false);
        struct store_bulk_writer *writer = must_open_writer(bulk);
        struct error error = {0};
        int r = store_bulk_series(writer, 5, 1, &error);
        if (r == 0 || r != -error.code)
            fail_msg("a series that holds a point was taken: %d", r);
        store_bulk_writer_close(writer);
        store_bulk_close(bulk, false);
        assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    }
}

/* ---- several writers, while others insert ---- */

enum { WRITERS = 4, SERIES_OF_WRITER = 40 };

struct part {
    struct store_bulk *bulk;
    uint64_t number;
};

static void *write_part(void *argument)
{
    struct part *part = argument;
    struct error error = {0};
    struct store_bulk_writer *writer;
    REQUIRE(store_bulk_writer_open(part->bulk, &writer, &error) == 0, "%s", error.message);
    for (uint64_t i = 0; i < SERIES_OF_WRITER; i++)
        load(writer, 1 + part->number + WRITERS * i);
    finish(writer);
    return NULL;
}

static void test_writers_run_side_by_side(void **state)
{
    struct fixture *fixture = *state;
    struct store_bulk *bulk = must_open(fixture, "one", false);
    pthread_t threads[WRITERS];
    struct part parts[WRITERS];
    for (uint64_t i = 0; i < WRITERS; i++) {
        parts[i] = (struct part){bulk, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_part, &parts[i]), 0);
    }
    struct points points = {0};
    for (int i = 0; i < 50; i++) { /* inserts go on */
        struct batch batch;
        batch_init(&batch);
        assert_int_equal(batch_push_integer(&batch, i, i), 0);
        assert_int_equal(store_append(fixture->store, 100000, &batch, 0, NULL, NULL), 0);
        points_from_batch(&points, &batch);
        batch_free(&batch);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
    for (int round = 0; round < 2; round++) {
        for (uint64_t id = 1; id <= WRITERS * SERIES_OF_WRITER; id++)
            assert_loaded(fixture, id, true);
        struct store_snapshot *snapshot = open_snapshot(fixture);
        test_series_equal(snapshot, 100000, &points, points.count);
        store_snapshot_close(snapshot);
        reopen(fixture);
    }
    points_free(&points);
}

int main(void)
{
#define BULK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        BULK_TEST(test_points_appear_when_published),
        BULK_TEST(test_loaded_series_go_on),
        BULK_TEST(test_names),
        BULK_TEST(test_a_staging_is_never_taken_twice),
        BULK_TEST(test_order_is_checked),
        BULK_TEST(test_negative_times_load),
        BULK_TEST(test_a_killed_load_resumes),
        BULK_TEST(test_a_load_that_is_dropped_leaves_nothing),
        BULK_TEST(test_a_full_device_at_the_end_loses_no_load),
        BULK_TEST(test_descending_ids),
        BULK_TEST(test_a_series_must_be_new),
        BULK_TEST(test_writers_run_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
