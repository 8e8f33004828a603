/* What the store tells an operator: counts, refusals, and whether it takes inserts. Without threads, so that
 * each number is certain. */
#include "store_helpers.h"

#include "io.h"
#include "io_fault.h"
#include "latency.h"

enum { JOURNAL_BYTES = 64 << 10, TEXT_BYTES = 20000 };

struct fixture {
    char *directory;
    struct io *io;
    struct store *store;
    double time;
    struct store_metrics metrics;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct io *posix;
    assert_non_null(fixture);
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    assert_int_equal(io_open_fault(posix, &(struct io_fault_plan){0}, &fixture->io), 0);
    fixture->directory = test_directory_create_fast();
    const struct store_options options = {.journal_bytes = JOURNAL_BYTES,
        .journals_max = 2,
        .no_threads = true,
        .wait_ms_max = 1,
        .io = fixture->io};
    test_store_create(fixture->directory);
    fixture->store = test_store_open(fixture->directory, &options);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    (void)store_close(fixture->store, NULL);
    test_store_check(fixture->directory);
    io_close(fixture->io);
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static int append_text(struct fixture *fixture)
{
    uint8_t value[TEXT_BYTES + 3] = {0xda, TEXT_BYTES >> 8, TEXT_BYTES & 0xff};
    struct batch batch;
    memset(value + 3, 'x', TEXT_BYTES);
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, ++fixture->time, value, sizeof(value)), 0);
    int r = store_append(fixture->store, 1, &batch, 0, NULL, NULL);
    batch_free(&batch);
    return r;
}

static const struct store_metrics *look(struct fixture *fixture)
{
    store_get_metrics(fixture->store, &fixture->metrics);
    return &fixture->metrics;
}

static void fill(struct fixture *fixture)
{
    while (append_text(fixture) == 0)
        assert_true(fixture->time < 100);
}

static uint64_t count_of(const struct latencies *latencies)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= LATENCY_BOUNDS; i++)
        count += latencies->counts[i];
    return count;
}

static void test_each_commit_is_timed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(count_of(&look(fixture)->commit_sync), 0);
    assert_int_equal(fixture->metrics.unready.code, 0);
    assert_int_equal(fixture->metrics.journal_bytes, JOURNAL_BYTES);
    assert_int_equal(append_text(fixture), 0);
    assert_int_equal(append_text(fixture), 0);
    assert_int_equal(look(fixture)->stats.commits, 2);
    assert_int_equal(count_of(&fixture->metrics.commit_sync), 2);
    assert_true(fixture->metrics.commit_sync.sum_ns > 0);
    assert_int_equal(fixture->metrics.flight_bytes, 0);
    assert_int_equal(fixture->metrics.journals_max, 2);
}

static void test_full_journals_are_counted_until_they_are_sealed(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_int_equal(look(fixture)->refused_busy, 1);
    assert_int_equal(fixture->metrics.stats.inserts_waited, 1);
    assert_int_equal(fixture->metrics.inserts_waiting, 0);
    assert_int_equal(fixture->metrics.unready.code, 0); /* the background may be about to make room */
    assert_int_equal(store_work(fixture->store, NULL), 1);
    assert_int_equal(append_text(fixture), 0);
    assert_int_equal(look(fixture)->journals_closed, 1);
    assert_int_equal(fixture->metrics.journal_bytes, 2 * JOURNAL_BYTES);
    assert_int_equal(store_work(fixture->store, NULL), 1);
    assert_int_equal(look(fixture)->journals_closed, 0);
    assert_int_equal(fixture->metrics.stats.sealed_journals, 1);
}

static void test_without_space_it_is_not_ready(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    io_fault_set(
        fixture->io, &(struct io_fault_plan){.fail_at = 1, .code = ENOSPC, .calls = 1u << IO_CALL_OPEN});
    assert_int_equal(store_work(fixture->store, &error), -ENOSPC);
    assert_int_equal(look(fixture)->tasks[STORE_TASK_PREPARE].error.code, ENOSPC);
    assert_false(fixture->metrics.tasks[STORE_TASK_PREPARE].active);
    assert_int_equal(fixture->metrics.unready.code, 0); /* there is room left */
    fill(fixture);
    assert_int_equal(look(fixture)->refused_no_space, 1);
    assert_int_equal(fixture->metrics.unready.code, ENOSPC);
    assert_non_null(strstr(fixture->metrics.unready.message, "no space for the next journal"));
    io_fault_set(fixture->io, &(struct io_fault_plan){0});
    assert_int_equal(store_work(fixture->store, NULL), 1);
    assert_int_equal(look(fixture)->unready.code, 0);
    assert_int_equal(fixture->metrics.tasks[STORE_TASK_PREPARE].error.code, 0);
    assert_int_equal(append_text(fixture), 0);
}

static void test_a_dead_journal_is_not_ready(void **state)
{
    struct fixture *fixture = *state;
    io_fault_set(
        fixture->io, &(struct io_fault_plan){.fail_at = 1, .code = EIO, .calls = 1u << IO_CALL_WRITE});
    assert_int_equal(append_text(fixture), -EIO);
    io_fault_set(fixture->io, &(struct io_fault_plan){0});
    assert_int_equal(append_text(fixture), -EIO);
    assert_int_equal(look(fixture)->refused_dead, 2);
    assert_true(fixture->metrics.stats.journal_dead);
    assert_int_equal(fixture->metrics.unready.code, EIO);
}

static void test_a_store_for_reading_is_not_ready(void **state)
{
    struct fixture *fixture = *state;
    test_store_close(fixture->store);
    fixture->store = test_store_open(fixture->directory, &(struct store_options){.read_only = true});
    assert_int_equal(look(fixture)->unready.code, EROFS);
}

static void test_buckets(void **state)
{
    (void)state;
    struct latencies latencies = {0};
    assert_int_equal(latency_bucket(0), 0);
    for (unsigned i = 0; i < LATENCY_BOUNDS; i++) {
        assert_int_equal(latency_bucket(LATENCY_BOUNDS_NS[i]), i);
        assert_int_equal(latency_bucket(LATENCY_BOUNDS_NS[i] + 1), i + 1);
        assert_true(i == 0 || LATENCY_BOUNDS_NS[i] > LATENCY_BOUNDS_NS[i - 1]);
    }
    assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BOUNDS);
    latencies_add(&latencies, 7);
    latencies_add(&latencies, UINT64_C(20000000000));
    assert_int_equal(latencies.counts[0], 1);
    assert_int_equal(latencies.counts[LATENCY_BOUNDS], 1);
    assert_int_equal(latencies.sum_ns, UINT64_C(20000000007));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_commit_is_timed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_full_journals_are_counted_until_they_are_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_space_it_is_not_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_journal_is_not_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_store_for_reading_is_not_ready, set_up, tear_down),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
