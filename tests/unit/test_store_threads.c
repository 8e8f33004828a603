/* Every function of a store called by many threads at once; made to be run under ThreadSanitizer. */
#include "store_helpers.h"

#include <pthread.h>
#include <stdatomic.h>

enum { APPENDERS = 4, BATCHES = 200, SHARED_SERIES = 1, OWN_SERIES = 100, SHORT_LIVED = 1000 };

struct stage {
    struct store *store;
    atomic_uint working;
    atomic_ulong heard; /* points of the shared series */
    atomic_ulong short_lived;
};

struct worker {
    struct stage *stage;
    uint64_t number;
};

static void append(
    struct stage *stage, uint64_t series_id, uint64_t first, uint64_t count, bool missing_times)
{
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = first; i < first + count; i++)
        REQUIRE(batch_push_integer(&batch, missing_times ? __builtin_nan("") : (double)i, (int64_t)i) == 0,
            "no memory");
    struct error error = {0};
    int r;
    while ((r = store_append(stage->store, series_id, &batch, 0, NULL, &error)) == -EAGAIN) {
        /* the sealer lags: come again */
    }
    REQUIRE(r == 0, "%d: %s", r, error.message);
    batch_free(&batch);
}

static void *append_on(void *argument)
{
    struct worker *worker = argument;
    uint64_t length = 0;
    for (uint64_t i = 0; i < BATCHES; i++) {
        uint64_t count = 1 + (i * 7 + worker->number) % 90;
        append(worker->stage, OWN_SERIES + worker->number, length, count, false);
        append(worker->stage, SHARED_SERIES, 0, 3, true);
        length += count;
    }
    atomic_fetch_sub(&worker->stage->working, 1);
    return NULL;
}

/* Looks at whatever is there: lengths never shrink, points are those of their places. */
static void *read_on(void *argument)
{
    struct worker *worker = argument;
    uint64_t lengths[APPENDERS] = {0};
    while (atomic_load(&worker->stage->working) > 0) {
        struct store_snapshot *snapshot;
        struct error error = {0};
        REQUIRE(store_snapshot_open(worker->stage->store, &snapshot, &error) == 0, "%s", error.message);
        for (uint64_t i = 0; i < APPENDERS; i++) {
            struct store_series series;
            struct store_cursor *cursor;
            const struct batch *batch;
            uint64_t index, id = OWN_SERIES + i;
            REQUIRE(store_snapshot_series(snapshot, id, &series, &error) == 0, "%s", error.message);
            REQUIRE(series.length >= lengths[i], "series %llu became shorter", (unsigned long long)id);
            lengths[i] = series.length;
            REQUIRE(
                store_snapshot_index_of_time(snapshot, id, (double)(series.length / 2), &index, &error) == 0,
                "%s", error.message);
            REQUIRE(series.length == 0 || index == series.length / 2 + 1, "index of time is %llu",
                (unsigned long long)index);
            uint64_t at = series.length / 3;
            REQUIRE(store_cursor_open(snapshot, id, at, UINT64_MAX, i % 2, &cursor, &error) == 0, "%s",
                error.message);
            while (REQUIRE(store_cursor_next(cursor, &batch, &error) == 0, "%s", error.message), batch)
                for (uint32_t j = 0; j < batch->count; j++, at++)
                    REQUIRE(batch_time(batch, j) == (double)at, "a point is out of place");
            REQUIRE(at == series.length, "the cursor ended at %llu of %llu", (unsigned long long)at,
                (unsigned long long)series.length);
            store_cursor_close(cursor);
        }
        store_snapshot_close(snapshot);
    }
    return NULL;
}

static void *delete_on(void *argument)
{
    struct worker *worker = argument;
    while (atomic_load(&worker->stage->working) > 0) {
        uint64_t id = SHORT_LIVED + atomic_fetch_add(&worker->stage->short_lived, 1);
        append(worker->stage, id, 0, 10, false);
        struct error error = {0};
        int r = store_delete_series(worker->stage->store, &id, 1, &error);
        REQUIRE(r == 0 || r == -EAGAIN, "%d: %s", r, error.message);
    }
    return NULL;
}

static void *look_after(void *argument)
{
    struct worker *worker = argument;
    for (bool active = false; atomic_load(&worker->stage->working) > 0; active = !active) {
        struct store_stats stats;
        struct error error = {0};
        REQUIRE(store_seal(worker->stage->store, active, &error) == 0, "%s", error.message);
        REQUIRE(store_merge(worker->stage->store, &error) == 0, "%s", error.message);
        store_get_stats(worker->stage->store, &stats);
        REQUIRE(!stats.journal_dead, "the journal died");
    }
    return NULL;
}

static void *bulk_on(void *argument)
{
    struct worker *worker = argument;
    for (uint64_t n = 0; atomic_load(&worker->stage->working) > 0; n++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "load-%llu", (unsigned long long)n);
        struct error error = {0};
        struct store_bulk *bulk;
        struct store_bulk_writer *writer;
        REQUIRE(store_bulk_open(worker->stage->store, name, false, &bulk, &error) == 0, "%s", error.message);
        REQUIRE(store_bulk_writer_open(bulk, &writer, &error) == 0, "%s", error.message);
        struct batch batch;
        batch_init(&batch);
        for (int i = 0; i < 5000; i++)
            REQUIRE(batch_push_integer(&batch, i, i) == 0, "no memory");
        REQUIRE(store_bulk_series(writer, 100000 + n, n, &error) == 0, "%s", error.message);
        REQUIRE(store_bulk_append(writer, &batch, &error) == 0, "%s", error.message);
        REQUIRE(store_bulk_writer_finish(writer, &error) == 0, "%s", error.message);
        store_bulk_writer_close(writer);
        REQUIRE(store_bulk_publish(bulk, &error) == 0, "%s", error.message);
        store_bulk_close(bulk, false);
        batch_free(&batch);
    }
    return NULL;
}

static void hear(void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    struct stage *stage = context;
    if (series_id == SHARED_SERIES) /* in journal order: no gap */
        REQUIRE(first_index == atomic_fetch_add(&stage->heard, batch->count), "heard index %llu out of order",
            (unsigned long long)first_index);
}

static void test_everything_at_once(void **state)
{
    (void)state;
    static void *(*const others[])(void *) = {read_on, read_on, read_on, delete_on, look_after, bulk_on};
    enum { OTHERS = sizeof(others) / sizeof(others[0]) };
    char *directory = test_directory_create_fast();
    struct store_options options = {.journal_bytes = 64 << 10, .wait_ms_max = 60000};
    test_store_create(directory);
    struct stage stage = {.store = test_store_open(directory, &options)};
    store_set_listener(stage.store, hear, &stage);
    atomic_store(&stage.working, APPENDERS);
    pthread_t threads[APPENDERS + OTHERS];
    struct worker workers[APPENDERS + OTHERS];
    for (uint64_t i = 0; i < APPENDERS + OTHERS; i++) {
        workers[i] = (struct worker){&stage, i};
        void *(*work)(void *) = i < APPENDERS ? append_on : others[i - APPENDERS];
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < APPENDERS + OTHERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    store_set_listener(stage.store, NULL, NULL);
    assert_int_equal(atomic_load(&stage.heard), APPENDERS * BATCHES * 3);
    struct store_snapshot *snapshot;
    struct store_series series;
    assert_int_equal(store_snapshot_open(stage.store, &snapshot, NULL), 0);
    assert_int_equal(store_snapshot_series(snapshot, SHARED_SERIES, &series, NULL), 0);
    assert_int_equal(series.length, APPENDERS * BATCHES * 3);
    store_snapshot_close(snapshot);
    test_store_close(stage.store);
    test_store_check(directory);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
