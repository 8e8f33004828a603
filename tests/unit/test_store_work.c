/* A store without threads: nothing happens but what its caller does. */
#include "store_helpers.h"

#include "io_posix.h"

#include <dirent.h>

static const struct store_options by_hand = {.journal_bytes = 64 << 10, .no_threads = true, .wait_ms_max = 1};

static int append_text(struct store *store, double time)
{
    enum { TEXT_BYTES = 20000 };
    uint8_t *value = calloc(1, TEXT_BYTES + 3);
    struct batch batch;
    assert_non_null(value);
    value[0] = 0xda; /* str16 */
    value[1] = TEXT_BYTES >> 8, value[2] = TEXT_BYTES & 0xff;
    memset(value + 3, 'x', TEXT_BYTES);
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, time, value, TEXT_BYTES + 3), 0);
    int r = store_append(store, 1, &batch, 0, NULL, NULL);
    batch_free(&batch);
    free(value);
    return r;
}

static struct store_stats stats_of(struct store *store)
{
    struct store_stats stats;
    store_get_stats(store, &stats);
    return stats;
}

static unsigned threads_now(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/task");
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count;
}

static void test_work_is_done_by_the_caller(void **state)
{
    (void)state;
    char *directory = test_directory_create_fast();
    test_store_create(directory);
    unsigned threads = threads_now();
    struct store *store = test_store_open(directory, &by_hand);
    assert_int_equal(threads_now(), threads);
    double time = 0;
    while (append_text(store, ++time) == 0)
        assert_true(time < 10);
    assert_int_equal(append_text(store, time), -EAGAIN); /* there is no second journal */
    assert_int_equal(stats_of(store).journal_count, 1);
    assert_int_equal(store_work(store, NULL), 1); /* now there is */
    assert_int_equal(stats_of(store).journal_count, 2);
    assert_int_equal(append_text(store, time), 0);
    assert_int_equal(stats_of(store).segment_count, 0);
    for (int work; (work = store_work(store, NULL)) != 0;)
        assert_int_equal(work, 1);
    assert_int_equal(stats_of(store).sealed_journals, 1);
    assert_int_equal(stats_of(store).segment_count, 1);
    assert_int_equal(store_seal(store, true, NULL), 0);
    assert_int_equal(stats_of(store).segment_count, 2);
    test_store_close(store);
    test_store_check(directory);
    test_directory_remove(directory);
}

static void test_intervals_need_a_thread(void **state)
{
    (void)state;
    char *directory = test_directory_create_fast();
    test_store_create(directory);
    struct store_options options = by_hand;
    options.fsync = STORE_FSYNC_INTERVAL;
    struct store *store;
    assert_int_equal(store_open(directory, &options, &store, NULL), -EINVAL);
    test_directory_remove(directory);
}

/* ---- a reader lets go of its journal while another one is being taken for reuse ---- */

/* An io that closes a snapshot right before the recycled journal gets its new name. */
struct reader_io {
    struct io io;
    struct io_operations operations;
    struct store_snapshot *snapshot;
};

static int rename_after_the_reader(struct io *io, const char *from, const char *to)
{
    struct reader_io *reader = (struct reader_io *)io;
    struct store_snapshot *snapshot = reader->snapshot;
    if (strstr(from, "/recycled")) {
        reader->snapshot = NULL;
        store_snapshot_close(snapshot);
    }
    return io_posix_rename(io, from, to);
}

/* Prepares the next journal, then seals the one that is written to. */
static void turn_over(struct store *store, double time)
{
    struct error error = {0};
    REQUIRE(store_work(store, &error) == 1, "%s", error.message);
    assert_int_equal(append_text(store, time), 0);
    REQUIRE(store_seal(store, true, &error) == 0, "%s", error.message);
}

static void test_a_reader_gives_a_journal_back_while_one_is_recycled(void **state)
{
    (void)state;
    struct io *posix;
    char *directory = test_directory_create_fast();
    test_store_create(directory);
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    struct reader_io reader = {.operations = *posix->operations};
    reader.operations.rename = rename_after_the_reader;
    reader.io.operations = &reader.operations;
    struct store_options options = by_hand;
    options.io = &reader.io;
    struct store *store = test_store_open(directory, &options);
    assert_int_equal(store_snapshot_open(store, &reader.snapshot, NULL), 0);
    turn_over(store, 1); /* the first journal has a reader still */
    turn_over(store, 2); /* the second one can be used again */
    for (double time = 3; time < 8; time++)
        turn_over(store, time);
    assert_null(reader.snapshot);
    test_store_close(store);
    test_store_check(directory);
    io_close(posix);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_is_done_by_the_caller),
        cmocka_unit_test(test_intervals_need_a_thread),
        cmocka_unit_test(test_a_reader_gives_a_journal_back_while_one_is_recycled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
