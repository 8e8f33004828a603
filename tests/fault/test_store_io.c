/* A store on a device that fails: for every call k of a scripted life, the k-th call fails once or from then
 * on, with EIO or ENOSPC, or its write is cut short. What was acknowledged must be there when the store is
 * opened on a healthy device, everything else must be whole or absent, and the running store must say what it
 * cannot do.
 *
 * Each case takes about RUNS_OF_ONE_CASE calls: $CONNECTORDB_STRIDE=1 takes all of them, $CONNECTORDB_SEED
 * repeats a run. */
#include "store_script.h"

#include "clock.h"
#include "io_fault.h"
#include "manifest.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

enum { APPENDS = 60, RUNS_OF_ONE_CASE = 40 };

enum {
    CALLS_ALL = 1u << IO_CALL_OPEN | 1u << IO_CALL_WRITE | 1u << IO_CALL_SYNC | 1u << IO_CALL_SYNC_DIRECTORY |
                1u << IO_CALL_TRUNCATE | 1u << IO_CALL_RENAME | 1u << IO_CALL_UNLINK |
                1u << IO_CALL_MAKE_DIRECTORY,
    CALLS_SPACE = 1u << IO_CALL_OPEN | 1u << IO_CALL_WRITE | 1u << IO_CALL_TRUNCATE | 1u << IO_CALL_RENAME |
                  1u << IO_CALL_MAKE_DIRECTORY, /* those that a full device refuses */
};

struct fault_case {
    const char *name;
    int code;
    uint64_t fail_count; /* 0 = all later calls */
    unsigned calls;
};

static const struct fault_case fault_cases[] = {
    {"EIO once", EIO, 1, CALLS_ALL},
    {"EIO from then on", EIO, 0, CALLS_ALL},
    {"a failed sync", EIO, 1, 1u << IO_CALL_SYNC},
    {"a failed directory sync", EIO, 1, 1u << IO_CALL_SYNC_DIRECTORY},
    {"ENOSPC once", ENOSPC, 1, CALLS_SPACE},
    {"ENOSPC from then on", ENOSPC, 0, CALLS_SPACE},
    {"EDQUOT from then on", EDQUOT, 0, CALLS_SPACE},
    {"EFBIG from then on", EFBIG, 0, CALLS_SPACE},
    {"a short write", 0, 1, 1u << IO_CALL_WRITE},
    {"three short writes in a row", 0, 3, 1u << IO_CALL_WRITE},
};

static const struct io_fault_plan healthy;

static struct io *open_backend(bool posix)
{
    struct io *io = NULL;
    struct error error = {0};
    if (posix) {
        REQUIRE(io_open_posix(&io, &error) == 0, "%s", error.message);
    } else if (io_open_uring(&io, &error) != 0) {
        test_skip("io_uring is not allowed here: %s", error.message);
    }
    return io;
}

static void heal(void *context)
{
    io_fault_set(context, &healthy);
}

static struct store_script new_script(struct io *io, uint64_t seed)
{
    return (struct store_script){
        .io = io,
        .directory = test_directory_create_fast(),
        .options = {.journal_bytes = 64 << 10, .wait_ms_max = 10},
        .random = {seed},
        .append_count = APPENDS,
        .heal = heal,
        .context = io,
    };
}

/* One run of the script with this plan. Returns how many calls were counted. */
static uint64_t run_plan(bool posix, const struct io_fault_plan *plan, uint64_t seed, const char *what)
{
    struct io *io = NULL;
    REQUIRE(io_open_fault(open_backend(posix), plan, &io) == 0, "no memory");
    struct store_script script = new_script(io, seed);
    if (plan->fail_at == 0)
        script.heal = NULL; /* it would begin to count anew, when a busy machine makes an insert wait */
    store_script_run(&script);
    uint64_t calls = io_fault_calls(io);
    io_close(io);
    if (script.created) /* else its directory may hold anything: creating again needs an empty one */
        store_script_judge_directory(&script, script.directory, what);
    REQUIRE(plan->fail_at > 0 || (script.opened && !script.died), "%s: a healthy device failed", what);
    test_directory_remove(script.directory);
    store_script_free(&script);
    return calls;
}

static void run_case(bool posix, const struct fault_case *given)
{
    uint64_t seed = test_seed(1);
    struct io_fault_plan plan = {.calls = given->calls, .code = given->code};
    uint64_t calls = run_plan(posix, &plan, seed, "no fault");
    uint64_t stride = test_parameter("CONNECTORDB_STRIDE", (calls + RUNS_OF_ONE_CASE - 1) / RUNS_OF_ONE_CASE);
    struct test_random random = {seed ^ (uint64_t)(given - fault_cases)};
    plan.fail_count = given->fail_count;
    for (plan.fail_at = 1 + test_random_below(&random, stride); plan.fail_at <= calls;
         plan.fail_at += stride) {
        char what[96];
        (void)snprintf(what, sizeof(what), "%s, %s at call %llu", posix ? "posix" : "io_uring", given->name,
            (unsigned long long)plan.fail_at);
        run_plan(posix, &plan, seed, what);
    }
}

static void test_faults_posix(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fault_cases) / sizeof(fault_cases[0]); i++)
        run_case(true, &fault_cases[i]);
}

static void test_faults_uring(void **state)
{
    (void)state;
    io_close(open_backend(false));
    for (size_t i = 0; i < sizeof(fault_cases) / sizeof(fault_cases[0]); i++)
        run_case(false, &fault_cases[i]);
}

/* ---- one behaviour each ---- */

struct running {
    struct io *io;
    char *directory;
    struct store_options options;
    struct store *store;
    double time;
};

static struct running start(void)
{
    struct running running = {.directory = test_directory_create_fast()};
    assert_int_equal(io_open_fault(open_backend(true), &healthy, &running.io), 0);
    running.options = (struct store_options){.journal_bytes = 64 << 10, .wait_ms_max = 10, .io = running.io};
    assert_int_equal(store_create(running.directory, running.io, NULL), 0);
    running.store = test_store_open(running.directory, &running.options);
    return running;
}

static void stop(struct running *running)
{
    (void)store_close(running->store, NULL);
    io_close(running->io);
    test_directory_remove(running->directory);
}

static int append(struct running *running, size_t size, struct error *ret_error)
{
    uint8_t *value = calloc(1, size + 3);
    assert_non_null(value);
    value[0] = 0xda; /* str16 */
    value[1] = (uint8_t)(size >> 8), value[2] = (uint8_t)size;
    memset(value + 3, 'x', size);
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, ++running->time, value, size + 3), 0);
    int r = store_append(running->store, 1, &batch, 0, NULL, ret_error);
    batch_free(&batch);
    free(value);
    return r;
}

static uint64_t length_of(struct store *store)
{
    struct store_snapshot *snapshot;
    struct points points = {0};
    assert_int_equal(store_snapshot_open(store, &snapshot, NULL), 0);
    assert_int_equal(test_series_read(snapshot, 1, &points, NULL), 0);
    store_snapshot_close(snapshot);
    uint64_t count = points.count;
    points_free(&points);
    return count;
}

static bool is_dead(struct store *store)
{
    struct store_stats stats;
    store_get_stats(store, &stats);
    return stats.journal_dead;
}

static void failed_commit_kills(enum io_call call)
{
    struct running running = start();
    struct error error = {0};
    assert_int_equal(append(&running, 300, &error), 0);
    io_fault_set(running.io, &(struct io_fault_plan){.fail_at = 1, .code = EIO, .calls = 1u << call});
    assert_int_equal(append(&running, 300, &error), -EIO);
    if (!strstr(error.message, "unknown"))
        fail_msg("'%s' does not say that the outcome is unknown", error.message);
    assert_true(is_dead(running.store));
    io_fault_set(running.io, &healthy);
    for (int i = 0; i < 3; i++) { /* a failed sync is never retried */
        error = (struct error){0};
        assert_int_equal(append(&running, 300, &error), -EIO);
        assert_true(error.message[0] != 0);
    }
    assert_int_equal(store_delete_series(running.store, (uint64_t[]){1}, 1, NULL), -EIO);
    assert_int_equal(length_of(running.store), 1);
    (void)store_close(running.store, NULL);
    running.store = test_store_open(running.directory, &running.options);
    uint64_t length = length_of(running.store);
    assert_in_range(length, 1, 2); /* the one whose outcome was unknown */
    assert_int_equal(append(&running, 300, &error), 0);
    assert_int_equal(length_of(running.store), length + 1);
    stop(&running);
}

static void test_failed_sync_kills_the_journal(void **state)
{
    (void)state;
    failed_commit_kills(IO_CALL_SYNC);
}

static void test_failed_write_kills_the_journal(void **state)
{
    (void)state;
    failed_commit_kills(IO_CALL_WRITE);
}

/* Without a sync per insert it is sealing, or closing, that finds out. The next sync would succeed and prove
 * nothing. */
static void test_a_failed_sync_is_not_retried_by(bool sealing)
{
    struct running running = start();
    struct error error = {0};
    test_store_close(running.store);
    running.options.fsync = STORE_FSYNC_NEVER;
    running.options.no_threads = true;
    running.store = test_store_open(running.directory, &running.options);
    assert_int_equal(store_work(running.store, NULL), 1);
    assert_int_equal(append(&running, 300, &error), 0);
    io_fault_set(running.io,
        &(struct io_fault_plan){.fail_at = 1, .fail_count = 1, .code = EIO, .calls = 1u << IO_CALL_SYNC});
    if (sealing) {
        assert_int_equal(store_seal(running.store, true, &error), -EIO);
        assert_true(is_dead(running.store));
        assert_int_equal(store_work(running.store, &error), -EIO);
        assert_non_null(strstr(error.message, "sync failed"));
        assert_int_equal(append(&running, 300, &error), -EIO);
        assert_int_equal(length_of(running.store), 1);
    }
    assert_int_equal(store_close(running.store, &error), -EIO);
    assert_int_equal(io_fault_calls(running.io), 1);
    struct manifest manifest;
    assert_int_equal(manifest_read(running.directory, &manifest, &error), 0);
    assert_int_equal(manifest.journals[0].clean_end, 0);
    manifest_free(&manifest);
    running.store = test_store_open(
        running.directory, &running.options); /* the cache of this machine still has the point */
    assert_int_equal(length_of(running.store), 1);
    assert_int_equal(append(&running, 300, &error), 0);
    stop(&running);
}

static void test_a_failed_sync_of_sealing_kills_the_journal(void **state)
{
    (void)state;
    test_a_failed_sync_is_not_retried_by(true);
}

static void test_a_failed_sync_at_the_close_records_no_clean_end(void **state)
{
    (void)state;
    test_a_failed_sync_is_not_retried_by(false);
}

static void test_short_writes_are_continued(void **state)
{
    (void)state;
    struct running running = start();
    io_fault_set(running.io,
        &(struct io_fault_plan){.fail_at = 1, .code = 0, .calls = 1u << IO_CALL_WRITE}); /* all of them */
    struct error error = {0};
    for (uint64_t i = 0; i < 60; i++) {
        int r = append(&running, 5000, &error);
        if (r == -EAGAIN)
            i--; /* the sealer writes byte by byte, too */
        else if (r != 0)
            fail_msg("%s", error.message);
    }
    assert_int_equal(length_of(running.store), 60);
    (void)store_close(running.store, NULL);
    io_fault_set(running.io, &healthy);
    running.store = test_store_open(running.directory, &running.options);
    assert_int_equal(length_of(running.store), 60);
    stop(&running);
}

/* Appends until it is taken; nothing but "come again" may be said meanwhile. */
static void append_in_the_end(struct running *running)
{
    uint64_t deadline = clock_monotonic_ns() + UINT64_C(30000000000);
    struct error error = {0};
    int r;
    while ((r = append(running, 20000, &error)) != 0) {
        if ((r != -ENOSPC && r != -EAGAIN) || clock_monotonic_ns() > deadline)
            fail_msg("%d: %s", r, error.message);
        sched_yield();
    }
}

struct complaints {
    atomic_uint space, other;
};

static void complain(void *context, const struct error *error)
{
    struct complaints *complaints = context;
    (void)atomic_fetch_add(
        error->code == ENOSPC && error->message[0] ? &complaints->space : &complaints->other, 1);
}

/* No new file can be made: journals run out, inserts are told to come again, and go on when there is space.
 * The background says why. */
static void test_a_full_device_is_survived(void **state)
{
    (void)state;
    struct running running = start();
    struct error error = {0};
    struct complaints complaints = {0};
    test_store_close(running.store);
    running.options.report = complain;
    running.options.report_context = &complaints;
    running.store = test_store_open(running.directory, &running.options);
    io_fault_set(
        running.io, &(struct io_fault_plan){
                        .fail_at = 1, .code = ENOSPC, .calls = 1u << IO_CALL_OPEN | 1u << IO_CALL_RENAME});
    uint64_t count = 0;
    int r;
    while ((r = append(&running, 20000, &error)) == 0) {
        count++;
        assert_true(count < 1000); /* 64 KiB journals without a new file end before */
    }
    if (r != -ENOSPC && r != -EAGAIN)
        fail_msg("%d: %s", r, error.message);
    assert_true(count > 0);
    assert_false(is_dead(running.store));
    assert_int_equal(length_of(running.store), count);
    assert_true(append(&running, 20000, &error) < 0);
    while (atomic_load(&complaints.space) == 0)
        (void)sched_yield();
    assert_int_equal(atomic_load(&complaints.other), 0);
    io_fault_set(running.io, &healthy);
    for (int i = 0; i < 20; i++)
        append_in_the_end(&running);
    assert_int_equal(length_of(running.store), count + 20);
    (void)store_close(running.store, NULL);
    running.store = test_store_open(running.directory, &running.options);
    assert_int_equal(length_of(running.store), count + 20);
    stop(&running);
}

/* The device is full for everything that background work does, from its k-th call on, for every k: nothing of
 * that is lost, inserts go on as long as there are journals, and when there is space again the work is done,
 * without a restart. */
static void test_a_device_that_is_full_for_background_work(void **state)
{
    (void)state;
    enum { BATCHES = 8, CALLS_MIN = 8, CALLS_MAX = 100 };
    uint64_t failed = 1, k = 0;
    while (failed > 0) {
        struct running running = start();
        struct error error = {0};
        assert_true(++k < CALLS_MAX);
        test_store_close(running.store);
        running.options.no_threads = true;
        running.store = test_store_open(running.directory, &running.options);
        assert_int_equal(store_work(running.store, NULL), 1);
        for (int i = 0; i < BATCHES; i++)
            assert_int_equal(append(&running, 10000, &error), 0); /* into the second journal */
        io_fault_set(running.io, &(struct io_fault_plan){.fail_at = k, .code = ENOSPC, .calls = CALLS_SPACE});
        failed = 0;
        for (int r = 1; r == 1 && failed == 0;) {
            r = store_work(running.store, &error);
            failed += r < 0;
            if (r < 0)
                assert_int_equal(r, -ENOSPC);
        }
        io_fault_set(running.io, &healthy);
        assert_false(is_dead(running.store));
        assert_int_equal(length_of(running.store), BATCHES);
        assert_int_equal(append(&running, 300, &error), 0);
        for (int r = 1; r != 0;) {
            r = store_work(running.store, &error);
            if (r < 0)
                fail_msg("with space again: %s", error.message);
        }
        for (int i = 0; i < BATCHES; i++) {
            if (append(&running, 10000, &error) < 0)
                fail_msg("with space again: %s", error.message);
            while (store_work(running.store, NULL) == 1)
                continue;
        }
        assert_int_equal(length_of(running.store), 2 * BATCHES + 1);
        test_store_close(running.store);
        test_store_check(running.directory);
        running.store = test_store_open(running.directory, &running.options);
        assert_int_equal(length_of(running.store), 2 * BATCHES + 1);
        if (store_recovery(running.store)->trashed_files >
            0) /* each would have taken space that there was too little of */
            fail_msg("call %llu: what could not be named was left behind", (unsigned long long)k);
        stop(&running);
    }
    assert_true(k > CALLS_MIN); /* else nothing was sealed in between */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_sync_kills_the_journal),
        cmocka_unit_test(test_failed_write_kills_the_journal),
        cmocka_unit_test(test_a_failed_sync_of_sealing_kills_the_journal),
        cmocka_unit_test(test_a_failed_sync_at_the_close_records_no_clean_end),
        cmocka_unit_test(test_short_writes_are_continued),
        cmocka_unit_test(test_a_full_device_is_survived),
        cmocka_unit_test(test_a_device_that_is_full_for_background_work),
        cmocka_unit_test(test_faults_posix),
        cmocka_unit_test(test_faults_uring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
