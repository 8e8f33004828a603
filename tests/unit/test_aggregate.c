#include "test.h"

#include "store.h"

enum { POINTS = 3 * 4096 + 777 };

static struct store *make_store(const char *directory)
{
    struct store *store;
    struct error error = {0};
    assert_int_equal(store_create(directory, NULL, &error), 0);
    assert_int_equal(
        store_open(directory, &(struct store_options){.journal_bytes = 1 << 20}, &store, &error), 0);
    return store;
}

static struct store_aggregate aggregate(struct store *store, uint64_t series, uint64_t from, uint64_t to)
{
    struct store_snapshot *snapshot;
    struct store_aggregate result;
    struct error error = {0};
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    if (store_snapshot_aggregate(snapshot, series, from, to, &result, &error) < 0)
        fail_msg("%s", error.message);
    store_snapshot_close(snapshot);
    return result;
}

static struct store_extremes extremes(struct store *store, uint64_t series, uint64_t from, uint64_t to)
{
    struct store_snapshot *snapshot;
    struct store_extremes result;
    struct error error = {0};
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    if (store_snapshot_extremes(snapshot, series, from, to, &result, &error) < 0)
        fail_msg("%s", error.message);
    store_snapshot_close(snapshot);
    return result;
}

static int64_t cents(uint64_t index)
{
    return (int64_t)(index * 7919 % 20011) - 10000;
}

static void check_range(struct store *store, uint64_t from, uint64_t to)
{
    struct store_aggregate got = aggregate(store, 1, from, to);
    struct store_extremes found_at = extremes(store, 1, from, to);
    int64_t sum = 0, min = INT64_MAX, max = INT64_MIN;
    uint64_t min_index = 0, max_index = 0;
    for (uint64_t i = from; i < to && i < POINTS; i++) {
        sum += cents(i);
        min_index = cents(i) < min ? i : min_index;
        max_index = cents(i) > max ? i : max_index;
        min = cents(i) < min ? cents(i) : min;
        max = cents(i) > max ? cents(i) : max;
    }
    assert_int_equal(got.points, (to < POINTS ? to : POINTS) - from);
    assert_int_equal(got.numbers, got.points);
    assert_true(got.exact);
    int128 expected = sum;
    for (uint8_t e = 2; e < got.exponent; e++)
        expected *= 10;
    int128 found = got.sum;
    for (uint8_t e = got.exponent; e < 2; e++)
        found *= 10;
    assert_true(found == expected);
    assert_true(got.min == (double)min / 100 && got.max == (double)max / 100);
    assert_int_equal(found_at.numbers, got.numbers);
    assert_int_equal(found_at.min_index, min_index);
    assert_int_equal(found_at.max_index, max_index);
}

/* Any range, whatever part of it lies in whole blocks, in parts of blocks and in the journal. */
static void decimals_sum_exactly(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    struct store *store = make_store(directory);
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = 0; i < POINTS; i++) {
        assert_int_equal(batch_push_double(&batch, (double)(i + 1), (double)cents(i) / 100), 0);
        if (i == POINTS - 300 || i == POINTS - 1) {
            assert_int_equal(store_append(store, 1, &batch, 0, NULL, &error), 0);
            batch_clear(&batch);
            if (i == POINTS - 300)
                assert_int_equal(store_seal(store, true, &error), 0);
        }
    }
    static const uint64_t EDGES[] = {
        0, 1, 4095, 4096, 4097, 8192, 9000, 12288, POINTS - 300, POINTS - 1, POINTS, POINTS + 5};
    for (size_t a = 0; a < sizeof(EDGES) / sizeof(EDGES[0]); a++) {
        for (size_t b = a + 1; b < sizeof(EDGES) / sizeof(EDGES[0]); b++) {
            if (EDGES[a] < POINTS)
                check_range(store, EDGES[a], EDGES[b]);
        }
    }
    batch_free(&batch);
    assert_int_equal(store_close(store, &error), 0);
    test_directory_remove(directory);
}

static void other_values_are_points_but_no_numbers(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    struct store *store = make_store(directory);
    struct error error = {0};
    struct batch batch;
    static const uint8_t NIL[] = {0xc0}, NEGATIVE[] = {0xd1, 0xfe, 0x0c},
                         HALF[] = {0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0};
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, 1, NIL, sizeof(NIL)), 0);
    assert_int_equal(batch_push_msgpack(&batch, 2, NEGATIVE, sizeof(NEGATIVE)), 0); /* -500 */
    assert_int_equal(batch_push_integer(&batch, 3, INT64_MAX), 0);
    assert_int_equal(batch_push_boolean(&batch, 4, true), 0);
    assert_int_equal(store_append(store, 1, &batch, 0, NULL, &error), 0);
    struct store_aggregate got = aggregate(store, 1, 0, 10);
    assert_int_equal(got.points, 4);
    assert_int_equal(got.numbers, 2);
    assert_true(got.exact && got.exponent == 0 && got.sum == (int128)INT64_MAX - 500);
    assert_true(got.min == -500);
    batch_clear(&batch);
    assert_int_equal(batch_push_msgpack(&batch, 5, NIL, sizeof(NIL)), 0);
    assert_int_equal(batch_push_msgpack(&batch, 6, HALF, sizeof(HALF)), 0);
    assert_int_equal(store_append(store, 1, &batch, 0, NULL, &error), 0);
    assert_int_equal(extremes(store, 1, 0, 10).min_index, 1);
    assert_int_equal(extremes(store, 1, 0, 10).max_index, 2);
    assert_int_equal(extremes(store, 1, 3, 5).numbers, 0);
    assert_int_equal(extremes(store, 1, 4, 6).max_index, 5);
    got = aggregate(store, 1, 4, 6);
    assert_int_equal(got.numbers, 1);
    assert_true(got.approximate_sum == 0.5);
    got = aggregate(store, 2, 0, 10);
    assert_int_equal(got.points, 0);
    batch_free(&batch);
    assert_int_equal(store_close(store, &error), 0);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_sum_exactly),
        cmocka_unit_test(other_values_are_points_but_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
