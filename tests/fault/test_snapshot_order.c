/* A snapshot is one moment of the whole store: writers append n to series A and, once that is acknowledged, n
 * to series B; whoever looks at any time finds no B without its A, also while journals are sealed, series
 * loaded and after reopening. */
#include "store_helpers.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WRITERS = 3, READERS = 3, BATCHES = 400, FIRST_A = 1, FIRST_B = 101, POINTS = 7 };

struct shared {
    struct store *store;
    atomic_uint writing;
    atomic_bool sealing;
    atomic_ulong with_difference; /* looks that found a writer between A and B */
    uint64_t first_index;         /* of this run's first point */
};

struct writer {
    struct shared *shared;
    uint64_t number;
};

static void append(struct store *store, uint64_t series_id, uint64_t from)
{
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = from; i < from + POINTS; i++)
        REQUIRE(batch_push_integer(&batch, (double)i, (int64_t)i) == 0, "no memory");
    struct error error = {0};
    int r = store_append(store, series_id, &batch, 0, NULL, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    batch_free(&batch);
}

static void *write_pairs(void *argument)
{
    struct writer *writer = argument;
    struct shared *shared = writer->shared;
    for (uint64_t i = 0; i < BATCHES; i++) {
        uint64_t from = shared->first_index + i * POINTS;
        append(shared->store, FIRST_A + writer->number, from);
        append(shared->store, FIRST_B + writer->number, from);
    }
    atomic_fetch_sub(&shared->writing, 1);
    return NULL;
}

/* The last point of a series of this length must be the number of its place. */
static void check_last(struct store_snapshot *snapshot, uint64_t series_id, uint64_t length)
{
    if (length == 0)
        return;
    struct store_cursor *cursor;
    const struct batch *batch;
    struct error error = {0};
    REQUIRE(store_cursor_open(snapshot, series_id, length - 1, length, false, &cursor, &error) == 0 &&
                store_cursor_next(cursor, &batch, &error) == 0,
        "%s", error.message);
    REQUIRE(batch && batch->count == 1 && batch_time(batch, 0) == (double)(length - 1),
        "series %llu: wrong last point", (unsigned long long)series_id);
    store_cursor_close(cursor);
}

static uint64_t length_of(struct store_snapshot *snapshot, uint64_t series_id)
{
    struct store_series series;
    struct error error = {0};
    REQUIRE(store_snapshot_series(snapshot, series_id, &series, &error) == 0, "%s", error.message);
    REQUIRE(series.length % POINTS == 0, "series %llu has %llu points: not whole batches",
        (unsigned long long)series_id, (unsigned long long)series.length);
    return series.length;
}

static void look(struct shared *shared)
{
    struct store_snapshot *snapshot;
    REQUIRE(store_snapshot_open(shared->store, &snapshot, NULL) == 0, "no snapshot");
    for (uint64_t i = 0; i < WRITERS; i++) {
        uint64_t b = length_of(snapshot, FIRST_B + i),
                 a = length_of(snapshot, FIRST_A + i); /* B first: later is no help */
        REQUIRE(a >= b && a - b <= POINTS, "writer %llu: A has %llu, B %llu", (unsigned long long)i,
            (unsigned long long)a, (unsigned long long)b);
        check_last(snapshot, FIRST_A + i, a);
        check_last(snapshot, FIRST_B + i, b);
        atomic_fetch_add(&shared->with_difference, a > b);
    }
    store_snapshot_close(snapshot);
}

static void *look_on(void *argument)
{
    struct shared *shared = argument;
    while (atomic_load(&shared->writing) > 0)
        look(shared);
    return NULL;
}

static void *seal_on(void *argument)
{
    struct shared *shared = argument;
    for (bool active = true; atomic_load(&shared->writing) > 0; active = !active)
        REQUIRE(store_seal(shared->store, active, NULL) == 0, "cannot seal");
    return NULL;
}

static void run(struct shared *shared)
{
    pthread_t writers[WRITERS], readers[READERS], sealer;
    struct writer arguments[WRITERS];
    atomic_store(&shared->writing, WRITERS);
    for (uint64_t i = 0; i < WRITERS; i++) {
        arguments[i] = (struct writer){shared, i};
        assert_int_equal(pthread_create(&writers[i], NULL, write_pairs, &arguments[i]), 0);
    }
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, look_on, shared), 0);
    assert_int_equal(pthread_create(&sealer, NULL, seal_on, shared), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(pthread_join(sealer, NULL), 0);
    shared->first_index += BATCHES * POINTS;
}

/* Looks between A and B once for sure. */
static void look_between(struct shared *shared)
{
    for (uint64_t i = 0; i < WRITERS; i++)
        append(shared->store, FIRST_A + i, shared->first_index);
    look(shared);
    assert_true(atomic_load(&shared->with_difference) >= WRITERS);
    for (uint64_t i = 0; i < WRITERS; i++)
        append(shared->store, FIRST_B + i, shared->first_index);
    shared->first_index += POINTS;
}

static void test_no_b_without_its_a(void **state)
{
    (void)state;
    char *directory = test_directory_create_fast();
    struct store_options options = {.journal_bytes = 64 << 10, .wait_ms_max = 60000};
    struct shared shared = {0};
    test_store_create(directory);
    for (int round = 0; round < 2; round++) {
        shared.store = test_store_open(directory, &options);
        look(&shared);
        look_between(&shared);
        run(&shared);
        struct store_snapshot *snapshot;
        assert_int_equal(store_snapshot_open(shared.store, &snapshot, NULL), 0);
        for (uint64_t i = 0; i < WRITERS; i++)
            assert_int_equal(length_of(snapshot, FIRST_B + i), shared.first_index);
        store_snapshot_close(snapshot);
        test_store_close(shared.store);
    }
    test_store_check(directory);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_b_without_its_a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
