/* Reading a store: snapshots, cursors and searches by time, over every kind of file; and a closed one, by
 * check and inspect. */
#include "store_fixture.h"

#include "bytes.h"

#include <math.h>
#include <pthread.h> /* not called here: the store's own threads work beside the readers, so TSan looks on */

static int set_up(void **state)
{
    return fixture_set_up(state, 64 << 10);
}

static void test_snapshots_are_one_moment(void **state)
{
    struct fixture *fixture = *state;
    struct store_snapshot *snapshots[4];
    for (uint64_t i = 0; i < 4; i++) {
        snapshots[i] = open_snapshot(fixture);
        must_append(fixture, 1, (double)i);
        if (i == 1)
            assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    }
    for (uint64_t i = 0; i < 4; i++) {
        struct store_series series;
        assert_int_equal(store_snapshot_series(snapshots[i], 1, &series, NULL), 0);
        assert_int_equal(series.length, i);
        struct points points = {0};
        assert_int_equal(test_series_read(snapshots[i], 1, &points, NULL), 0);
        assert_int_equal(points.count, i);
        points_free(&points);
        store_snapshot_close(snapshots[i]);
    }
    store_snapshot_close(NULL);
}

static void test_unknown_series_are_empty(void **state)
{
    struct fixture *fixture = *state;
    struct store_snapshot *snapshot = open_snapshot(fixture);
    static const uint64_t ids[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct store_series series = {.length = 1};
        assert_int_equal(store_snapshot_series(snapshot, ids[i], &series, NULL), 0);
        assert_int_equal(series.length, 0);
        assert_true(series.time_first == 0 && series.time_last == 0);
        assert_int_equal(series.logical_bytes, 0);
        uint64_t index = 1;
        assert_int_equal(store_snapshot_index_of_time(snapshot, ids[i], 1e9, &index, NULL), 0);
        assert_int_equal(index, 0);
        struct store_cursor *cursor;
        const struct batch *batch = (const struct batch *)&index;
        assert_int_equal(store_cursor_open(snapshot, ids[i], 0, UINT64_MAX, false, &cursor, NULL), 0);
        assert_int_equal(store_cursor_next(cursor, &batch, NULL), 0);
        assert_null(batch);
        store_cursor_close(cursor);
    }
    store_cursor_close(NULL);
    store_snapshot_close(snapshot);
}

/* Points of one series in sealed segments, closed journals and the active one. */
static void fill_layers(struct fixture *fixture, uint64_t series_id, struct points *points, uint64_t count)
{
    struct test_random random = {test_seed(11)};
    double time = 0;
    while (points->count < count) {
        uint64_t first = points->count, batch_count = 1 + test_random_below(&random, 900);
        for (uint64_t i = 0; i < batch_count; i++) {
            if (test_random_below(&random, 3) > 0) /* runs of equal times, over blocks and frames */
                time = random_time_after(time, &random);
            points_push_random(points, PROFILE_DECIMALS, time, true, &random);
        }
        struct batch batch;
        batch_init(&batch);
        points_to_batch(points, first, batch_count, true, &batch);
        assert_int_equal(store_append(fixture->store, series_id, &batch, 0, NULL, NULL), 0);
        batch_free(&batch);
        if (test_random_below(&random, 10) == 0)
            assert_int_equal(store_seal(fixture->store, test_random_below(&random, 2), NULL), 0);
    }
}

static void test_ranges_over_all_layers(void **state)
{
    struct fixture *fixture = *state;
    struct points points = {0};
    fill_layers(fixture, 5, &points, 30000);
    struct store_snapshot *snapshot = open_snapshot(fixture);
    test_series_equal(snapshot, 5, &points, points.count);
    struct test_random random = {3};
    for (int i = 0; i < 300; i++) {
        uint64_t from = test_random_below(&random, points.count + 2);
        uint64_t to = from + test_random_below(&random, i % 10 ? 20 : 9000);
        test_range_equal(snapshot, 5, &points, points.count, from, to);
    }
    static const uint64_t edges[][2] = {{0, 0}, {0, 1}, {5, 5}, {7, 3}, {0, UINT64_MAX},
        {UINT64_MAX, UINT64_MAX}, {UINT64_MAX - 1, 2}, {4095, 4097}, {4096, 4097}};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        test_range_equal(snapshot, 5, &points, points.count, edges[i][0], edges[i][1]);
    test_range_equal(snapshot, 5, &points, points.count, points.count - 1, UINT64_MAX);
    test_range_equal(snapshot, 5, &points, points.count, points.count, UINT64_MAX);
    store_snapshot_close(snapshot);
    points_free(&points);
}

static void assert_index(struct store_snapshot *snapshot, const struct points *points, double time)
{
    uint64_t index = UINT64_MAX, wanted = points_index_of_time(points, points->count, time);
    assert_int_equal(store_snapshot_index_of_time(snapshot, 5, time, &index, NULL), 0);
    if (index != wanted)
        fail_msg(
            "index of %.17g is %llu, not %llu", time, (unsigned long long)index, (unsigned long long)wanted);
}

static void test_times_are_found_among_equal_ones(void **state)
{
    struct fixture *fixture = *state;
    struct points points = {0};
    fill_layers(fixture, 5, &points, 12000);
    struct store_snapshot *snapshot = open_snapshot(fixture);
    static const double far[] = {-1, 0, 1e300, -1e300, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
        assert_index(snapshot, &points, far[i]);
    for (uint64_t i = 0; i < points.count; i += 13) {
        assert_index(snapshot, &points, points.times[i]);
        assert_index(snapshot, &points, nextafter(points.times[i], -INFINITY));
        assert_index(snapshot, &points, nextafter(points.times[i], INFINITY));
    }
    store_snapshot_close(snapshot);
    points_free(&points);
}

static void test_cursors_do_not_disturb_each_other(void **state)
{
    struct fixture *fixture = *state;
    struct points points = {0};
    fill_layers(fixture, 5, &points, 20000);
    struct store_snapshot *snapshot = open_snapshot(fixture);
    struct store_cursor *cursors[2];
    uint64_t at[2] = {0, 10};
    for (int i = 0; i < 2; i++) /* one of them forgets what it read: that changes nothing */
        assert_int_equal(store_cursor_open(snapshot, 5, at[i], UINT64_MAX, i == 1, &cursors[i], NULL), 0);
    for (int done = 0; done < 2;) {
        const struct batch *batches[2];
        done = 0;
        for (int i = 0; i < 2; i++)
            assert_int_equal(store_cursor_next(cursors[i], &batches[i], NULL), 0);
        /* others read at the same time, and what they decoded stays with the snapshot */
        assert_index(snapshot, &points, points.times[at[1] % points.count]);
        test_range_equal(snapshot, 5, &points, points.count, at[0] / 2, at[0] / 2 + 20);
        for (int i = 0; i < 2; i++) {
            if (!batches[i]) {
                done++;
                continue;
            }
            points_check_batch(
                &points, at[i], batches[i], "cursor"); /* borrowed until that cursor's next call */
            at[i] += batches[i]->count;
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(at[i], points.count);
        store_cursor_close(cursors[i]);
    }
    store_snapshot_close(snapshot);
    points_free(&points);
}

static void count_line(void *context, const char *text)
{
    assert_true(text[0] != 0);
    ++*(unsigned *)context;
}

static void append_text(struct fixture *fixture, double time, uint32_t size)
{
    uint8_t *value = malloc(size + 5u);
    struct batch batch;
    struct error error = {0};
    assert_non_null(value);
    value[0] = 0xdb; /* str32 */
    store_u32(value + 1, __builtin_bswap32(size));
    memset(value + 5, 'x', size);
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, time, value, size + 5u), 0);
    if (store_append(fixture->store, 1, &batch, 0, NULL, &error) != 0)
        fail_msg("%u bytes: %s", size, error.message);
    batch_free(&batch);
    free(value);
}

/* What is handed out at once stays within what a batch can hold, also when the largest value follows others.
 */
static void test_the_largest_value_after_smaller_ones(void **state)
{
    static const uint32_t SIZES[] = {200000, 20000, 66950000, 200000};
    enum { COUNT = sizeof(SIZES) / sizeof(SIZES[0]) };
    struct fixture *fixture = *state;
    struct store_cursor *cursor;
    const struct batch *batch = NULL;
    struct error error = {0};
    uint32_t index = 0;
    test_store_close(fixture->store);
    fixture->options.journal_bytes = 128 << 20;
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    for (uint32_t i = 0; i < COUNT; i++)
        append_text(fixture, i, SIZES[i]);
    struct store_snapshot *snapshot = open_snapshot(fixture);
    assert_int_equal(store_cursor_open(snapshot, 1, 0, UINT64_MAX, false, &cursor, NULL), 0);
    while (store_cursor_next(cursor, &batch, &error) == 0 && batch) {
        for (uint32_t i = 0; i < batch->count; i++, index++)
            assert_int_equal(batch->msgpack_ends[i] - batch_msgpack_offset(batch, i), SIZES[index] + 5);
    }
    if (error.code != 0)
        fail_msg("after %u values: %s", index, error.message);
    assert_int_equal(index, COUNT);
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
}

static void test_check_and_inspect_read_a_closed_store(void **state)
{
    struct fixture *fixture = *state;
    struct points points = {0};
    fill_layers(fixture, 5, &points, 5000);
    points_free(&points);
    test_store_close(fixture->store);
    uint64_t before = test_directory_hash(fixture->directory);
    test_store_check(fixture->directory);
    unsigned lines = 0;
    struct error error = {0};
    assert_int_equal(store_inspect(fixture->directory, NULL, count_line, &lines, &error), 0);
    assert_true(lines > 2);
    lines = 0;
    assert_int_equal(store_inspect(fixture->directory, "MANIFEST", count_line, &lines, &error), 0);
    assert_true(lines > 0);
    int r = store_inspect(fixture->directory, "segment-424242", count_line, &lines, &error);
    assert_error(&error, r, ENOENT, "segment-424242");
    assert_int_equal(test_directory_hash(fixture->directory), before);
    fixture->store = test_store_open(fixture->directory, &fixture->options);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_snapshots_are_one_moment),
        STORE_TEST(test_unknown_series_are_empty),
        STORE_TEST(test_ranges_over_all_layers),
        STORE_TEST(test_times_are_found_among_equal_ones),
        STORE_TEST(test_cursors_do_not_disturb_each_other),
        STORE_TEST(test_the_largest_value_after_smaller_ones),
        STORE_TEST(test_check_and_inspect_read_a_closed_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
