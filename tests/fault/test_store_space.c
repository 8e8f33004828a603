/* A full disk and a process without descriptors: the background does not spend the machine on attempts that
 * fail, takes no space for what cannot be finished, leaves no partial file, and goes on when there is room.
 * What the file system says of its free space is the test's. */
#include "store_helpers.h"

#include "clock.h"
#include "io.h"
#include "io_fault.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/statvfs.h>

enum { JOURNAL_BYTES = 64 << 10, TEXT_BYTES = 20000 };

static atomic_ullong free_bytes = 1 << 30;

int statvfs(const char *path, struct statvfs *status)
{
    (void)path;
    *status = (struct statvfs){.f_blocks = 1 << 30, .f_bavail = atomic_load(&free_bytes), .f_frsize = 1};
    return 0;
}

struct fixture {
    char *directory;
    struct io *io;
    struct store_options options;
    struct store *store;
    double time;
};

static void set_up(struct fixture *fixture, bool no_threads)
{
    struct io *posix;
    atomic_store(&free_bytes, 1 << 30);
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    *fixture = (struct fixture){.directory = test_directory_create_fast()};
    assert_int_equal(io_open_fault(posix, &(struct io_fault_plan){0}, &fixture->io), 0);
    fixture->options = (struct store_options){.journal_bytes = JOURNAL_BYTES,
        .journals_max = no_threads ? 2 : 0,
        .no_threads = no_threads,
        .wait_ms_max = 5,
        .io = fixture->io};
    test_store_create(fixture->directory);
    fixture->store = test_store_open(fixture->directory, &fixture->options);
}

static void tear_down(struct fixture *fixture)
{
    test_store_close(fixture->store);
    test_store_check(fixture->directory);
    io_close(fixture->io);
    test_directory_remove(fixture->directory);
}

/* Calls of these kinds fail with this code from now on; code 0 = none does, they are counted. */
static void break_calls(struct fixture *fixture, unsigned calls, int code)
{
    io_fault_set(fixture->io, &(struct io_fault_plan){.fail_at = code != 0, .code = code, .calls = calls});
}

static int append_text(struct store *store, uint64_t series_id, double time, struct error *ret_error)
{
    uint8_t value[TEXT_BYTES + 3] = {0xda, TEXT_BYTES >> 8, TEXT_BYTES & 0xff};
    struct batch batch;
    memset(value + 3, 'x', TEXT_BYTES);
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, time, value, sizeof(value)), 0);
    int r = store_append(store, series_id, &batch, 0, NULL, ret_error);
    batch_free(&batch);
    return r;
}

static int fill(struct fixture *fixture, struct error *ret_error)
{
    int r;
    while ((r = append_text(fixture->store, 1, ++fixture->time, ret_error)) == 0)
        assert_true(fixture->time < 100);
    return r;
}

static unsigned count_files(struct fixture *fixture, const char *prefix)
{
    unsigned count = 0;
    DIR *directory = opendir(fixture->directory);
    const struct dirent *entry;
    assert_non_null(directory);
    while ((entry = readdir(directory)))
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    (void)closedir(directory);
    return count;
}

/* ---- the next journal ---- */

/* There is no space for a further journal of 4 MiB, but for more blocks of the active one. */
static void inserts_wait_for_blocks_though_no_journal_fits(void **state)
{
    (void)state;
    enum { FREE_BYTES = 1 << 20, INSERTS = 30 };
    struct fixture fixture;
    struct error error = {0};
    set_up(&fixture, true);
    test_store_close(fixture.store);
    fixture.options.journal_bytes = 64 << 20;
    fixture.store = test_store_open(fixture.directory, &fixture.options);
    atomic_store(&free_bytes, FREE_BYTES);
    assert_int_equal(store_work(fixture.store, &error), -ENOSPC);
    for (int i = 0; i < INSERTS; i++) {
        int r = append_text(fixture.store, 1, ++fixture.time, &error);
        if (r == -EAGAIN) {
            (void)store_work(fixture.store, NULL);
            r = append_text(fixture.store, 1, fixture.time, &error);
        }
        if (r != 0)
            fail_msg("insert %d: %s", i, error.message);
    }
    tear_down(&fixture);
}

static void no_journal_is_begun_that_does_not_fit(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error = {0};
    set_up(&fixture, true);
    assert_int_equal(fill(&fixture, &error), -EAGAIN);
    break_calls(&fixture, 1u << IO_CALL_OPEN, 0);
    atomic_store(&free_bytes, JOURNAL_BYTES - 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_work(fixture.store, &error), -ENOSPC);
    assert_non_null(
        strstr(error.message, "the next journal needs 65536 bytes of free space and 65535 are free"));
    assert_int_equal(io_fault_calls(fixture.io), 0);
    assert_int_equal(append_text(fixture.store, 1, fixture.time, &error), -ENOSPC);
    atomic_store(&free_bytes, JOURNAL_BYTES);
    assert_int_equal(store_work(fixture.store, &error), 1);
    assert_int_equal(append_text(fixture.store, 1, fixture.time, &error), 0);
    tear_down(&fixture);
}

/* ---- sealing ---- */

static void a_seal_that_did_not_fit_waits_for_space(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error = {0};
    set_up(&fixture, true);
    assert_int_equal(fill(&fixture, &error), -EAGAIN);
    assert_int_equal(
        store_work(fixture.store, &error), 1); /* the next journal, and the last one that may live */
    assert_int_equal(append_text(fixture.store, 1, fixture.time, &error), 0);
    io_fault_set(fixture.io, /* the first write is the manifest's, the others are the segment's */
        &(struct io_fault_plan){.fail_at = 2, .code = ENOSPC, .calls = 1u << IO_CALL_WRITE});
    assert_int_equal(store_work(fixture.store, &error), -ENOSPC);
    assert_int_equal(count_files(&fixture, "segment-"), 0);
    break_calls(&fixture, 1u << IO_CALL_OPEN | 1u << IO_CALL_WRITE, 0);
    atomic_store(&free_bytes, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_work(fixture.store, &error), -ENOSPC);
    assert_non_null(strstr(error.message, "sealing a journal needs"));
    assert_int_equal(io_fault_calls(fixture.io), 0);
    atomic_store(&free_bytes, 1 << 30);
    assert_int_equal(store_work(fixture.store, &error), 1);
    assert_int_equal(count_files(&fixture, "segment-"), 1);
    tear_down(&fixture);
}

/* ---- opening ---- */

static void an_open_says_what_it_needs_and_leaves_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error = {0};
    struct store *store;
    set_up(&fixture, true);
    assert_int_equal(append_text(fixture.store, 1, 1, &error), 0);
    test_store_close(fixture.store);
    atomic_store(&free_bytes, 4096);
    unsigned journals = count_files(&fixture, "journal-");
    break_calls(&fixture, 1u << IO_CALL_OPEN, 0);
    assert_int_equal(store_open(fixture.directory, &fixture.options, &store, &error), -ENOSPC);
    assert_non_null(strstr(error.message, "its journals need 65536 free bytes"));
    assert_non_null(strstr(error.message, "free 61440 bytes more on this disk"));
    assert_int_equal(io_fault_calls(fixture.io), 0);
    /* The file system says yes, but the disk is full for the n-th file: what was begun goes. */
    atomic_store(&free_bytes, 1 << 30);
    for (uint64_t n = 1; n <= 2; n++) {
        io_fault_set(
            fixture.io, &(struct io_fault_plan){.fail_at = n, .code = ENOSPC, .calls = 1u << IO_CALL_OPEN});
        assert_int_equal(store_open(fixture.directory, &fixture.options, &store, &error), -ENOSPC);
        assert_non_null(strstr(error.message, "its journals need 65536 free bytes"));
        assert_int_equal(count_files(&fixture, "journal-"), journals);
    }
    break_calls(&fixture, 0, 0);
    fixture.store = test_store_open(fixture.directory, &fixture.options);
    assert_int_equal(append_text(fixture.store, 1, 2, &error), 0);
    tear_down(&fixture);
}

/* ---- attempts ---- */

enum { APPENDERS = 4, REFUSALS = 20 };

struct appender {
    struct store *store;
    uint64_t series_id;
    pthread_t thread;
    int wrong; /* a result that is neither 0 nor -EAGAIN */
};

static void *append_until_refused(void *argument)
{
    struct appender *appender = argument;
    double time = 0;
    for (unsigned refused = 0; refused < REFUSALS && !appender->wrong;) {
        int r = append_text(appender->store, appender->series_id, ++time, NULL);
        refused += r == -EAGAIN;
        if (r < 0 && r != -EAGAIN)
            appender->wrong = r;
    }
    return NULL;
}

/* No file can be opened. Each kind of work is tried once in an interval, however many appenders wait for a
 * journal. */
static void attempts_do_not_follow_the_appenders(void **state)
{
    (void)state;
    struct fixture fixture;
    struct appender appenders[APPENDERS];
    set_up(&fixture, false);
    uint64_t begun = clock_monotonic_ns();
    break_calls(&fixture, 1u << IO_CALL_OPEN, EMFILE);
    for (unsigned i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){.store = fixture.store, .series_id = 10 + i};
        assert_int_equal(pthread_create(&appenders[i].thread, NULL, append_until_refused, &appenders[i]), 0);
    }
    for (unsigned i = 0; i < APPENDERS; i++) {
        assert_int_equal(pthread_join(appenders[i].thread, NULL), 0);
        assert_int_equal(appenders[i].wrong, 0);
    }
    uint64_t intervals = (clock_monotonic_ns() - begun) / 500000000 + 2;
    uint64_t attempts = io_fault_calls(fixture.io);
    assert_true(attempts > 0);
    if (attempts > 2 * intervals) /* to prepare and to seal */
        fail_msg(
            "%llu attempts in %llu intervals", (unsigned long long)attempts, (unsigned long long)intervals);
    break_calls(&fixture, 0, 0);
    struct error error = {0};
    assert_int_equal(store_seal(fixture.store, false, &error), 0); /* asks for an attempt now */
    int r;
    while ((r = append_text(fixture.store, 1, ++fixture.time, &error)) == -EAGAIN)
        ;
    assert_int_equal(r, 0);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserts_wait_for_blocks_though_no_journal_fits),
        cmocka_unit_test(no_journal_is_begun_that_does_not_fit),
        cmocka_unit_test(a_seal_that_did_not_fit_waits_for_space),
        cmocka_unit_test(an_open_says_what_it_needs_and_leaves_nothing),
        cmocka_unit_test(attempts_do_not_follow_the_appenders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
