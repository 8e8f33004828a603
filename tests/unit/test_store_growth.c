/* Journals grow with their use: a database that holds little takes little of the disk and writes little when
 * it opens; a busy one gets journals of full size whose files are recycled; and a commit never writes where
 * no blocks are allocated. */
#include "store_helpers.h"

#include "growth.h"
#include "io_fault.h"
#include "store_layout.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 256, MIB = 1 << 20 };

/* ---- what is written, as an io's recorder sees it ---- */

struct written {
    uint64_t bytes;
    struct {
        char path[TEST_PATH_BYTES];
        uint64_t filled_end; /* zeros were written and synced up to here */
        bool recycled;       /* all blocks are allocated, whatever was written */
    } journals[FILES_MAX];
    size_t journal_count;
    uint64_t beyond; /* writes of frames where no zeros were before */
};

static bool is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static size_t find_journal(struct written *written, const char *path)
{
    size_t i = 0;
    while (i < written->journal_count && strcmp(written->journals[i].path, path) != 0)
        i++;
    if (i == written->journal_count) {
        assert_true(i < FILES_MAX);
        written->journal_count++;
        written->journals[i].filled_end = 0;
        written->journals[i].recycled = false;
        (void)snprintf(written->journals[i].path, sizeof(written->journals[i].path), "%s", path);
    }
    return i;
}

static void record(void *context, enum io_call call, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    struct written *written = context;
    if (call == IO_CALL_RENAME && strstr(path2, "/journal-"))
        written->journals[find_journal(written, path2)].recycled = true;
    if (call != IO_CALL_WRITE)
        return;
    written->bytes += size;
    if (!strstr(path, "/journal-"))
        return;
    size_t i = find_journal(written, path);
    if (written->journals[i].recycled)
        return;
    if (is_zero(data, size) && offset == written->journals[i].filled_end)
        written->journals[i].filled_end += size;
    else if (offset + size > written->journals[i].filled_end)
        written->beyond++;
}

struct grown {
    char *directory;
    struct io *io;
    struct store_options options;
    struct written written;
    struct store *store;
    uint64_t count; /* points of series 1 */
};

static void open_grown(struct grown *grown)
{
    struct error error = {0};
    grown->written = (struct written){0};
    if (store_open(grown->directory, &grown->options, &grown->store, &error) < 0)
        fail_msg("%s", error.message);
}

static void set_up(struct grown *grown, uint64_t journal_bytes)
{
    struct io *posix;
    *grown = (struct grown){.directory = test_directory_create_fast()};
    test_store_create(grown->directory);
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    assert_int_equal(io_open_fault(posix,
                         &(struct io_fault_plan){.record = record, .context = &grown->written}, &grown->io),
        0);
    grown->options = (struct store_options){.journal_bytes = journal_bytes, .io = grown->io};
    open_grown(grown);
}

static void tear_down(struct grown *grown)
{
    test_store_close(grown->store);
    test_store_check(grown->directory);
    io_close(grown->io);
    test_directory_remove(grown->directory);
}

/* One point of so many bytes. */
static int append_bytes(struct grown *grown, uint32_t size, struct error *error)
{
    uint8_t *value = calloc(1, size + 5);
    struct batch batch;
    assert_non_null(value);
    value[0] = 0xdb; /* str32 */
    for (int i = 0; i < 4; i++)
        value[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    memset(value + 5, 'x', size);
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, (double)(grown->count + 1), value, size + 5), 0);
    int r = store_append(grown->store, 1, &batch, 0, NULL, error);
    batch_free(&batch);
    free(value);
    grown->count += r == 0;
    return r;
}

static void must_append(struct grown *grown, uint32_t size)
{
    struct error error = {0};
    if (append_bytes(grown, size, &error) < 0)
        fail_msg("%s", error.message);
}

static void assert_all_there(struct grown *grown)
{
    struct store_snapshot *snapshot;
    struct store_series series;
    assert_int_equal(store_snapshot_open(grown->store, &snapshot, NULL), 0);
    assert_int_equal(store_snapshot_series(snapshot, 1, &series, NULL), 0);
    store_snapshot_close(snapshot);
    assert_int_equal(series.length, grown->count);
}

struct usage {
    uint64_t bytes, allocated, largest_journal;
};

static struct usage usage_of(const char *directory)
{
    struct usage usage = {0};
    DIR *open = opendir(directory);
    assert_non_null(open);
    for (const struct dirent *entry; (entry = readdir(open));) {
        struct stat status;
        if (fstatat(dirfd(open), entry->d_name, &status, 0) < 0 || !S_ISREG(status.st_mode))
            continue; /* the sealer may have removed it */
        usage.bytes += (uint64_t)status.st_size;
        usage.allocated += (uint64_t)status.st_blocks * 512;
        if (strncmp(entry->d_name, "journal-", 8) == 0 && (uint64_t)status.st_size > usage.largest_journal)
            usage.largest_journal = (uint64_t)status.st_size;
    }
    (void)closedir(open);
    return usage;
}

/* ---- the tests ---- */

/* Before journals grew: 128 MiB on the disk, 128 MiB written by the first start, 64 MiB by each later one. */
static void test_an_empty_database_is_small(void **state)
{
    (void)state;
    struct grown grown;
    set_up(&grown, 0);
    for (int start = 0; start < 3; start++) {
        struct usage usage = usage_of(grown.directory);
        assert_in_range(usage.bytes, 1, 10 * MIB);
        assert_in_range(usage.allocated, 1, MIB);
        test_store_close(grown.store); /* the background has done by then what it was going to do */
        assert_in_range(grown.written.bytes, 1, MIB);
        assert_in_range(usage_of(grown.directory).bytes, 1, 64 << 10);
        open_grown(&grown);
    }
    tear_down(&grown);
}

/* A few points do not change that, nor does the log they leave. */
static void test_a_quiet_database_opens_with_few_writes(void **state)
{
    (void)state;
    struct grown grown;
    set_up(&grown, 0);
    for (int start = 0; start < 4; start++) {
        for (int i = 0; i < 20; i++)
            must_append(&grown, 1000);
        test_store_close(grown.store);
        assert_in_range(grown.written.bytes, 1, MIB);
        open_grown(&grown);
        assert_true(store_recovery(grown.store)->clean);
        assert_all_there(&grown);
    }
    assert_in_range(usage_of(grown.directory).bytes, 1, 10 * MIB);
    assert_int_equal(grown.written.beyond, 0);
    tear_down(&grown);
}

static void test_journals_grow_to_full_size(void **state)
{
    (void)state;
    enum { JOURNAL_BYTES = 16 * MIB, VALUE_BYTES = 100000 };
    struct grown grown;
    uint64_t largest = 0;
    set_up(&grown, JOURNAL_BYTES);
    for (uint64_t written = 0; written < 8u * JOURNAL_BYTES; written += VALUE_BYTES) {
        must_append(&grown, VALUE_BYTES);
        uint64_t now = usage_of(grown.directory).largest_journal;
        assert_in_range(now, JOURNAL_BYTES_FIRST, JOURNAL_BYTES);
        largest = now > largest ? now : largest;
    }
    assert_int_equal(largest, JOURNAL_BYTES);
    assert_all_there(&grown);
    assert_int_equal(grown.written.beyond, 0);
    bool recycled = false;
    for (size_t i = 0; i < grown.written.journal_count; i++)
        recycled = recycled || grown.written.journals[i].recycled;
    assert_true(recycled);
    test_store_close(grown.store);
    open_grown(&grown);
    assert_all_there(&grown);
    tear_down(&grown);
}

/* A batch that no journal of the present size holds gets one that does. */
static void test_a_large_batch_needs_no_full_journal_before(void **state)
{
    (void)state;
    struct grown grown;
    set_up(&grown, 0);
    must_append(&grown, 3 * MIB); /* more than is allocated of the first one */
    must_append(&grown, 20 * MIB);
    must_append(&grown, 60 * MIB);
    must_append(&grown, 10);
    assert_all_there(&grown);
    assert_int_equal(grown.written.beyond, 0);
    tear_down(&grown);
}

/* Where a larger journal has no space, smaller ones do as well. */
static void test_a_file_size_limit_keeps_journals_small(void **state)
{
    (void)state;
    enum { LIMIT = 6 * MIB, VALUE_BYTES = 100000 };
    struct grown grown;
    struct rlimit before;
    set_up(&grown, 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = LIMIT, .rlim_max = before.rlim_max}), 0);
    struct error error = {0};
    int r = 0;
    for (uint64_t written = 0; r == 0 && written < 6u * LIMIT; written += VALUE_BYTES)
        r = append_bytes(&grown, VALUE_BYTES, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    if (r < 0)
        fail_msg("%s", error.message);
    assert_int_equal(usage_of(grown.directory).largest_journal, JOURNAL_BYTES_FIRST);
    assert_all_there(&grown);
    tear_down(&grown);
}

/* The blocks that are missing of the active journal are refused: inserts are told so, nothing is harmed, and
 * they go on when there is space. */
static void test_no_space_for_the_active_journal(void **state)
{
    (void)state;
    struct grown grown;
    struct error error = {0};
    set_up(&grown, 0);
    must_append(&grown, 1000);
    io_fault_set(
        grown.io, &(struct io_fault_plan){.fail_at = 1, .code = ENOSPC, .calls = 1u << IO_CALL_WRITE});
    assert_int_equal(append_bytes(&grown, MIB, &error),
        -ENOSPC); /* its frame was never written: only blocks were wanted */
    io_fault_set(grown.io, &(struct io_fault_plan){.record = record, .context = &grown.written});
    must_append(&grown, 1000);
    int r;
    while ((r = append_bytes(&grown, MIB, &error)) == -ENOSPC)
        continue; /* until the background has looked again */
    assert_int_equal(r, 0);
    assert_all_there(&grown);
    tear_down(&grown);
}

/* A file named as the recycled one that is too small for a journal is nobody's journal, also when there is no
 * space for another. */
static void test_a_foreign_recycled_file_is_not_used(void **state)
{
    (void)state;
    static const char FOREIGN[JOURNAL_HEADER_BYTES];
    struct grown grown;
    struct error error = {0};
    struct rlimit before;
    set_up(&grown, 0);
    test_store_close(grown.store);
    char *path = test_path(grown.directory, RECYCLED_NAME);
    test_file_write(path, FOREIGN, sizeof(FOREIGN));
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = MIB, .rlim_max = before.rlim_max}), 0);
    int r = store_open(grown.directory, &grown.options, &grown.store, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    open_grown(&grown);
    free(path);
    tear_down(&grown);
}

/* The kernel reports a page that was lost once: to the sync of the blocks, not to the next commit. */
static void test_a_failed_sync_of_blocks_kills_the_journal(void **state)
{
    (void)state;
    struct grown grown;
    struct error error = {0};
    struct store_stats stats;
    set_up(&grown, 0);
    must_append(&grown, 1000);
    io_fault_set(grown.io, &(struct io_fault_plan){.fail_at = 1, .code = EIO, .calls = 1u << IO_CALL_SYNC});
    assert_int_equal(append_bytes(&grown, MIB, &error), -EIO);
    io_fault_set(grown.io, &(struct io_fault_plan){0});
    store_get_stats(grown.store, &stats);
    assert_true(stats.journal_dead);
    assert_int_equal(append_bytes(&grown, 10, &error), -EIO);
    assert_int_equal(store_close(grown.store, &error), -EIO);
    open_grown(&grown);
    assert_all_there(&grown);
    tear_down(&grown);
}

/* ---- a sync of blocks that fails while a commit syncs the same file ---- */

/* What the kernel does: the pages that both syncs cover are lost, and only the first to look is told. */
static struct {
    struct io_operations operations;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t worker;
    bool working; /* worker is set */
    bool blocks_sync, commit_synced, inserted;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void gate_set(bool *event)
{
    (void)pthread_mutex_lock(&gate.lock);
    *event = true;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

static void gate_await(const bool *event)
{
    (void)pthread_mutex_lock(&gate.lock);
    while (!*event)
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    (void)pthread_mutex_unlock(&gate.lock);
}

/* Gives an insert that does not wait for the blocks' sync the time to be acknowledged. */
static void gate_await_for_a_while(const bool *event)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&gate.lock);
    while (!*event && pthread_cond_timedwait(&gate.changed, &gate.lock, &until) == 0)
        continue;
    (void)pthread_mutex_unlock(&gate.lock);
}

static int gated_sync_data(struct io *io, int file)
{
    (void)io;
    (void)pthread_mutex_lock(&gate.lock); /* a worker that has just begun waits until it is known */
    bool working = gate.working, worker = working && pthread_equal(pthread_self(), gate.worker);
    (void)pthread_mutex_unlock(&gate.lock);
    if (!working)
        return fdatasync(file) < 0 ? -errno : 0;
    if (!worker) {
        gate_set(&gate.commit_synced);
        return 0;
    }
    gate_set(&gate.blocks_sync);
    gate_await(&gate.commit_synced);
    gate_await_for_a_while(&gate.inserted);
    return -EIO;
}

/* The background's step: it allocates the blocks that the active journal needs. */
static void *work(void *store)
{
    struct error error = {0};
    int r = store_work(store, &error);
    if (r != -EIO)
        print_error("store_work: %d %s\n", r, error.message);
    return r == -EIO ? store : NULL;
}

/* Before, the insert was acknowledged: its sync returned 0 after the other had taken the report of the lost
 * pages, and before the journal was dead. */
static void test_a_commit_beside_a_failed_sync_of_blocks_fails(void **state)
{
    (void)state;
    struct grown grown;
    struct error error = {0};
    void *failed;
    set_up(&grown, 0);
    test_store_close(grown.store);
    io_close(grown.io);
    assert_int_equal(io_open_posix(&grown.io, NULL), 0);
    gate.operations = *grown.io->operations;
    gate.operations.sync_data = gated_sync_data;
    grown.io->operations = &gate.operations;
    grown.options.io = grown.io;
    grown.options.no_threads = true; /* the blocks are allocated when the test says so */
    open_grown(&grown);
    must_append(&grown, 1000);
    must_append(&grown, 150000); /* near the end of what is allocated */
    (void)pthread_mutex_lock(&gate.lock);
    assert_int_equal(pthread_create(&gate.worker, NULL, work, grown.store), 0);
    gate.working = true;
    (void)pthread_mutex_unlock(&gate.lock);
    gate_await(&gate.blocks_sync);
    assert_int_equal(append_bytes(&grown, 10, &error), -EIO);
    gate_set(&gate.inserted);
    assert_int_equal(pthread_join(gate.worker, &failed), 0);
    assert_non_null(failed);
    assert_int_equal(store_close(grown.store, &error), -EIO);
    gate.working = false;
    open_grown(&grown);
    tear_down(&grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_database_is_small),
        cmocka_unit_test(test_a_quiet_database_opens_with_few_writes),
        cmocka_unit_test(test_journals_grow_to_full_size),
        cmocka_unit_test(test_a_large_batch_needs_no_full_journal_before),
        cmocka_unit_test(test_a_file_size_limit_keeps_journals_small),
        cmocka_unit_test(test_no_space_for_the_active_journal),
        cmocka_unit_test(test_a_foreign_recycled_file_is_not_used),
        cmocka_unit_test(test_a_failed_sync_of_blocks_kills_the_journal),
        cmocka_unit_test(test_a_commit_beside_a_failed_sync_of_blocks_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
