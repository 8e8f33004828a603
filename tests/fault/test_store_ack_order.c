/* No insert is acknowledged before an fdatasync that was issued after its bytes were written has completed:
 * four threads append, and at every return the recorded calls must already show that sync. */
#include "store_helpers.h"

#include "io_fault.h"

#include <pthread.h>

enum { THREADS = 4, APPENDS = 150, MARKER_BYTES = 24 };

/* A write with its bytes, or a sync. */
struct call {
    enum io_call call;
    char *path;
    uint8_t *data; /* of a write */
    size_t size;
    uint64_t covers; /* of a sync: how many calls had been recorded when it was issued */
};

struct calls {
    pthread_mutex_t lock; /* of the fields below */
    struct call *calls;
    uint64_t count, capacity;
};

static void record(void *context, enum io_call call, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    struct calls *log = context;
    (void)path2;
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 256;
        log->calls = realloc(log->calls, log->capacity * sizeof(*log->calls));
        REQUIRE(log->calls, "no memory");
    }
    struct call *made = &log->calls[log->count++];
    *made = (struct call){.call = call, .path = strdup(path), .size = size, .covers = offset};
    REQUIRE(made->path, "no memory");
    if (call == IO_CALL_WRITE) {
        made->data = malloc(size);
        REQUIRE(made->data, "no memory");
        memcpy(made->data, data, size);
    }
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
}

static void forget(struct calls *log)
{
    for (uint64_t i = 0; i < log->count; i++) {
        free(log->calls[i].path);
        free(log->calls[i].data);
    }
    free(log->calls);
}

struct appender {
    struct store *store;
    struct calls *log;
    uint64_t number;
    unsigned unproven; /* acknowledged without such a sync */
};

/* Some write holds the bytes, and a sync of that file was issued after it and is complete. */
static bool durable(struct calls *log, const void *bytes, size_t size)
{
    bool found = false;
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    for (uint64_t i = log->count; i-- > 0 && !found;) {
        const struct call *write = &log->calls[i];
        if (write->call != IO_CALL_WRITE || !memmem(write->data, write->size, bytes, size))
            continue;
        for (uint64_t j = i + 1; j < log->count && !found; j++) {
            const struct call *sync = &log->calls[j];
            found = sync->call == IO_CALL_SYNC && sync->covers > i && strcmp(sync->path, write->path) == 0;
        }
        break;
    }
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
    return found;
}

static void *append_and_look(void *argument)
{
    struct appender *appender = argument;
    struct test_random random = {appender->number};
    for (int i = 0; i < APPENDS; i++) {
        uint8_t value[1 + MARKER_BYTES] = {0xa0 | MARKER_BYTES};
        for (int j = 0; j < MARKER_BYTES; j++)
            value[1 + j] = (uint8_t)('a' + test_random_below(&random, 26));
        struct batch batch;
        batch_init(&batch);
        REQUIRE(batch_push_msgpack(&batch, i, value, sizeof(value)) == 0, "no memory");
        struct error error = {0};
        int r = store_append(appender->store, appender->number, &batch, 0, NULL, &error);
        REQUIRE(r == 0, "%d: %s", r, error.message);
        appender->unproven += !durable(appender->log, value + 1, MARKER_BYTES);
        batch_free(&batch);
    }
    return NULL;
}

/* Runs the appenders and returns how many acknowledgements came too early. */
static unsigned count_unproven(struct io *inner, enum store_fsync fsync)
{
    struct calls log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct io *io = NULL;
    assert_int_equal(
        io_open_fault(inner, &(struct io_fault_plan){.record = record, .context = &log}, &io), 0);
    char *directory = test_directory_create(); /* on a device where a sync takes its time */
    struct store_options options = {
        .journal_bytes = 64 << 10, .fsync = fsync, .io = io, .wait_ms_max = 60000};
    test_store_create(directory);
    struct store *store = test_store_open(directory, &options);
    struct appender appenders[THREADS];
    pthread_t threads[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        appenders[i] = (struct appender){.store = store, .log = &log, .number = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, append_and_look, &appenders[i]), 0);
    }
    unsigned unproven = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        unproven += appenders[i].unproven;
    }
    test_store_close(store);
    io_close(io);
    forget(&log);
    test_directory_remove(directory);
    return unproven;
}

static void test_acknowledged_after_its_sync_posix(void **state)
{
    (void)state;
    struct io *io;
    assert_int_equal(io_open_posix(&io, NULL), 0);
    assert_int_equal(count_unproven(io, STORE_FSYNC_ALWAYS), 0);
}

static void test_acknowledged_after_its_sync_uring(void **state)
{
    (void)state;
    struct io *io;
    struct error error = {0};
    if (io_open_uring(&io, &error) != 0)
        test_skip("io_uring is not allowed here: %s", error.message);
    assert_int_equal(count_unproven(io, STORE_FSYNC_ALWAYS), 0);
}

static void test_the_proof_can_fail(void **state)
{
    (void)state;
    struct io *io;
    assert_int_equal(io_open_posix(&io, NULL), 0);
    assert_true(count_unproven(io, STORE_FSYNC_NEVER) > THREADS * APPENDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_after_its_sync_posix),
        cmocka_unit_test(test_acknowledged_after_its_sync_uring),
        cmocka_unit_test(test_the_proof_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
