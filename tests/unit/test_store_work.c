/* A store without threads: nothing happens but what its caller does. */
#include "store_model.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_is_done_by_the_caller),
        cmocka_unit_test(test_intervals_need_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
