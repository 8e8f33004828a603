/* A journal dies while appenders are at every step of an insert: each of them comes back with the error, and
 * none before the group that holds its batch is out of the committing thread's hands. Packing and writing are
 * held where the test wants them. */
#include "store_helpers.h"

#include "journal_file.h"
#include "commit_private.h"
#include "store_private.h"
#include "futex.h"
#include "io.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

/* ---- holding threads ---- */

struct barrier {
    atomic_bool reached, open;
};

static void stop_at(struct barrier *barrier)
{
    atomic_store(&barrier->reached, true);
    while (!atomic_load(&barrier->open))
        (void)sched_yield();
}

static void wait_for(const atomic_bool *flag)
{
    while (!atomic_load(flag))
        (void)sched_yield();
}

static _Thread_local struct barrier *packing; /* the thread stops before it packs; NULL = it does not */
static struct barrier *writing;               /* the next commit stops here, then fails */

void __real_frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);
void __wrap_frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);

void __wrap_frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch)
{
    if (packing)
        stop_at(packing);
    __real_frame_pack(to, nonce, frame, batch);
}

int __real_io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size,
    uint64_t offset, bool sync, struct error *ret_error);
int __wrap_io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size,
    uint64_t offset, bool sync, struct error *ret_error);

int __wrap_io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size,
    uint64_t offset, bool sync, struct error *ret_error)
{
    if (!writing)
        return __real_io_write_sync(io, file, path, data, size, offset, sync, ret_error);
    stop_at(writing);
    return error_set(ret_error, EIO, "%s: the disk is gone", path);
}

/* ---- appenders ---- */

struct appender {
    struct store *store;
    uint64_t series_id;
    struct barrier *packing;
    pthread_t thread;
    atomic_int task;
    atomic_bool back;
    int result;
};

static void *append_one(void *argument)
{
    struct appender *appender = argument;
    struct batch batch;
    packing = appender->packing;
    atomic_store(&appender->task, (int)gettid());
    batch_init(&batch);
    REQUIRE(batch_push_msgpack(&batch, 1, (const uint8_t[]){1}, 1) == 0, "no memory");
    appender->result = store_append(appender->store, appender->series_id, &batch, 0, NULL, NULL);
    batch_free(&batch);
    atomic_store(&appender->back, true);
    return NULL;
}

static void start(struct appender *appender, struct store *store, uint64_t series_id, struct barrier *stop)
{
    *appender = (struct appender){.store = store, .series_id = series_id, .packing = stop};
    assert_int_equal(pthread_create(&appender->thread, NULL, append_one, appender), 0);
    if (stop)
        wait_for(&stop->reached);
}

static int result_of(struct appender *appender)
{
    assert_int_equal(pthread_join(appender->thread, NULL), 0);
    return appender->result;
}

static uint32_t packing_now(struct store *store)
{
    (void)pthread_mutex_lock(&store->commit->lock);
    uint32_t count = atomic_load(&store->commit->filling->packing);
    (void)pthread_mutex_unlock(&store->commit->lock);
    return count;
}

/* Lets it pack; then it is done with that, and not the last one of its group. */
static void let_pack(struct store *store, struct barrier *barrier, uint32_t left)
{
    atomic_store(&barrier->open, true);
    while (packing_now(store) != left)
        (void)sched_yield();
}

static struct store *open_store(char **ret_directory)
{
    struct store_options options = {.journal_bytes = 64 << 10};
    *ret_directory = test_directory_create_fast();
    test_store_create(*ret_directory);
    return test_store_open(*ret_directory, &options);
}

static void close_store(struct store *store, char *directory)
{
    writing = NULL;
    (void)store_close(store, NULL);
    test_directory_remove(directory);
}

/* ---- tests ---- */

/* Two appenders are packing when the journal dies. The last one finds that out for itself; the other one
 * waits already. */
static void everybody_who_was_packing_comes_back(void **state)
{
    (void)state;
    char *directory;
    struct store *store = open_store(&directory);
    struct barrier write = {0}, first = {0}, second = {0};
    struct appender leader, a, b;
    writing = &write;
    start(&leader, store, 1, NULL);
    wait_for(&write.reached);
    start(&a, store, 2, &first);
    start(&b, store, 3, &second);
    atomic_store(&write.open, true);
    assert_int_equal(result_of(&leader), -EIO);
    let_pack(store, &first, 1);
    atomic_store(&second.open, true);
    assert_int_equal(result_of(&b), -EIO);
    assert_int_equal(result_of(&a), -EIO);
    close_store(store, directory);
}

/* Whether the thread has come back, or sleeps. */
static bool is_settled(struct appender *appender)
{
    char path[64], line[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&appender->task));
    FILE *file = fopen(path, "re");
    if (file) {
        (void)!fgets(line, sizeof(line), file);
        (void)fclose(file);
    }
    const char *end = strrchr(line, ')');
    return atomic_load(&appender->back) || (end && end[1] == ' ' && end[2] == 'S');
}

/* The journal dies by another hand (a sync in between) while a group is written, and an appender of it wakes
 * for no reason: its batch is still the committing thread's. */
static void nobody_comes_back_while_the_batch_is_in_use(void **state)
{
    (void)state;
    char *directory;
    struct store *store = open_store(&directory);
    struct barrier write = {0}, first = {0}, second = {0};
    struct appender a, b;
    struct error error = {.code = EIO, .message = "sync failed"};
    writing = &write;
    start(&a, store, 1, &first);
    start(&b, store, 2, &second);
    struct group *group = store->commit->filling;
    let_pack(store, &first, 1);
    atomic_store(&second.open, true); /* the last one: leads */
    wait_for(&write.reached);
    while (!is_settled(&a))
        (void)sched_yield();
    commit_kill(store->commit, &error);
    futex_wake(&group->changes, INT_MAX);
    while (!is_settled(&a))
        (void)sched_yield();
    assert_false(atomic_load(&a.back));
    atomic_store(&write.open, true);
    assert_int_equal(result_of(&a), -EIO);
    assert_int_equal(result_of(&b), -EIO);
    close_store(store, directory);
}

int main(void)
{
    (void)alarm(60); /* somebody never comes back */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_comes_back_while_the_batch_is_in_use),
        cmocka_unit_test(everybody_who_was_packing_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
