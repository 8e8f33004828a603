/* A series whose deletion is on its way to the disk takes no points, also when nothing of it was in memory
 * before. The sync of the deletion is held while an appender comes. */
#include "store_helpers.h"

#include "commit_private.h"
#include "store_private.h"
#include "io_posix.h"

#include <pthread.h>
#include <sched.h>

/* ---- holding the next sync ---- */

struct gate {
    struct io io;
    struct io_operations operations;
    atomic_bool armed, reached, open;
};

static int gated_sync(struct io *io, int file)
{
    struct gate *gate = (struct gate *)io;
    if (atomic_exchange(&gate->armed, false)) {
        atomic_store(&gate->reached, true);
        while (!atomic_load(&gate->open))
            (void)sched_yield();
    }
    return io_posix_sync_data(io, file);
}

/* ---- threads ---- */

struct worker {
    struct store *store;
    pthread_t thread;
    atomic_bool back;
    int result;
};

static int append_point(struct store *store, double time)
{
    struct batch batch;
    batch_init(&batch);
    REQUIRE(batch_push_integer(&batch, time, 1) == 0, "no memory");
    int r = store_append(store, 1, &batch, 0, NULL, NULL);
    batch_free(&batch);
    return r;
}

static void *append_late(void *argument)
{
    struct worker *worker = argument;
    worker->result = append_point(worker->store, 5);
    atomic_store(&worker->back, true);
    return NULL;
}

static void *delete_series(void *argument)
{
    struct worker *worker = argument;
    worker->result = store_delete_series(worker->store, (uint64_t[]){1}, 1, NULL);
    return NULL;
}

static bool has_frames_waiting(struct store *store)
{
    (void)pthread_mutex_lock(&store->commit->lock);
    bool waiting = store->commit->filling->frame_count > 0;
    (void)pthread_mutex_unlock(&store->commit->lock);
    return waiting;
}

/* ---- the test ---- */

static void a_series_that_is_being_deleted_takes_no_points(void **state)
{
    (void)state;
    struct io *posix;
    struct error error = {0};
    assert_int_equal(io_open_posix(&posix, &error), 0);
    struct gate gate = {.operations = *posix->operations};
    gate.operations.sync_data = gated_sync;
    gate.io.operations = &gate.operations;
    char *directory = test_directory_create_fast();
    test_store_create(directory);
    struct store_options options = {.journal_bytes = 64 << 10, .no_threads = true, .io = &gate.io};
    struct store *store = test_store_open(directory, &options);
    assert_int_equal(append_point(store, 1), 0);
    assert_int_equal(store_work(store, NULL), 1);
    assert_int_equal(
        store_seal(store, true, &error), 0); /* what was in memory of the series has gone with its journal */

    struct worker deleter = {.store = store}, appender = {.store = store};
    atomic_store(&gate.armed, true);
    assert_int_equal(pthread_create(&deleter.thread, NULL, delete_series, &deleter), 0);
    while (!atomic_load(&gate.reached))
        (void)sched_yield();
    assert_int_equal(pthread_create(&appender.thread, NULL, append_late, &appender), 0);
    while (!atomic_load(&appender.back) && !has_frames_waiting(store))
        (void)sched_yield();
    atomic_store(&gate.open, true);
    assert_int_equal(pthread_join(deleter.thread, NULL), 0);
    assert_int_equal(pthread_join(appender.thread, NULL), 0);
    assert_int_equal(deleter.result, 0);
    assert_int_equal(appender.result, -ENOENT);
    assert_int_equal(append_point(store, 6), -ENOENT);
    test_store_close(store);
    io_close(posix);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_series_that_is_being_deleted_takes_no_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
