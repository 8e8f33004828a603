/* file_writer: every size around the boundaries of buffers and alignment comes out exactly, over all
 * backends, with and without O_DIRECT; every failing call is reported and leaves no file. */
#include "test.h"

#include "file_writer.h"
#include "io_fault.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = FILE_WRITER_BUFFER_BYTES, ALL_CALLS = 0xff, THREADS = 3 };

static const size_t SIZES[] = {0, 1, 4095, 4096, 4097, MIB - 4096, MIB - 1, MIB, MIB + 1, MIB + 4096,
    2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 2 * MIB + 4095, 3 * MIB, 3 * MIB + 4096, 3 * MIB + 4097,
    5 * MIB + 12345};
enum { SIZES_COUNT = sizeof(SIZES) / sizeof(SIZES[0]) };

struct fixture {
    int (*open)(struct io **ret_io, struct error *ret_error);
    const char *parent; /* of the directory */
    char *directory;
    char *path;
    uint8_t *data;
};

static int setup(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->parent)
        setenv("TMPDIR", fixture->parent, 1);
    else
        unsetenv("TMPDIR");
    fixture->directory = test_directory_create();
    fixture->path = test_path(fixture->directory, "file");
    size_t size = SIZES[SIZES_COUNT - 1];
    fixture->data = malloc(size);
    struct test_random random = {.state = 7};
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word = test_random_next(&random);
        memcpy(fixture->data + i, &word, 8);
    }
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->data);
    free(fixture->path);
    test_directory_remove(fixture->directory);
    return 0;
}

static struct io *open_io(const struct fixture *fixture)
{
    struct io *io;
    struct error error = {0};
    if (fixture->open(&io, &error) < 0)
        test_skip("%s", error.message);
    return io;
}

static void assert_file(const char *path, const uint8_t *data, size_t size)
{
    size_t found;
    char *content = test_file_read(path, &found);
    assert_int_equal(found, size);
    assert_memory_equal(content, data, size);
    free(content);
}

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* Appends all of it in pieces of this size, finishes, closes. The first failure. */
static int write_file(
    struct io *io, const char *path, const uint8_t *data, size_t size, size_t piece, struct error *ret_error)
{
    struct file_writer *writer;
    int r = file_writer_open(io, path, 0640, &writer, ret_error);
    if (r < 0)
        return r;
    for (size_t done = 0; r == 0 && done < size; done += piece)
        r = file_writer_append(writer, data + done, size - done < piece ? size - done : piece, ret_error);
    if (r == 0) {
        assert_int_equal(file_writer_offset(writer), size);
        r = file_writer_finish(writer, ret_error);
    }
    file_writer_close(writer);
    return r;
}

static void all_sizes(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = open_io(fixture);
    static const size_t PIECES[] = {MIB, 100003, 3 * MIB};
    for (size_t i = 0; i < SIZES_COUNT; i++) {
        struct error error = {0};
        size_t piece = PIECES[i % 3];
        assert_int_equal(write_file(io, fixture->path, fixture->data, SIZES[i], piece, &error), 0);
        assert_file(fixture->path, fixture->data, SIZES[i]);
        struct stat status;
        assert_int_equal(stat(fixture->path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0640);
        assert_int_equal(unlink(fixture->path), 0);
    }
    io_close(io);
}

static void reserve_and_commit(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = open_io(fixture);
    struct file_writer *writer;
    size_t size = 3 * MIB + 77;
    struct test_random random = {.state = 1};
    assert_int_equal(file_writer_open(io, fixture->path, 0600, &writer, NULL), 0);
    while (file_writer_offset(writer) < size) {
        uint8_t *to;
        size_t room;
        uint64_t offset = file_writer_offset(writer);
        assert_int_equal(file_writer_reserve(writer, &to, &room, NULL), 0);
        assert_true(room >= 1 && room <= MIB);
        size_t part = test_random_below(&random, 200000);
        part = part > room ? room : part; /* may be 0 */
        part = part > size - offset ? size - offset : part;
        memcpy(to, fixture->data + offset, part);
        file_writer_commit(writer, part);
    }
    assert_int_equal(file_writer_finish(writer, NULL), 0);
    file_writer_close(writer);
    assert_file(fixture->path, fixture->data, size);
    io_close(io);
}

static void refuses_an_existing_file(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = open_io(fixture);
    struct file_writer *writer = NULL;
    struct error error = {0};
    test_file_write(fixture->path, "precious", 8);
    assert_int_equal(file_writer_open(io, fixture->path, 0600, &writer, &error), -EEXIST);
    assert_null(writer);
    assert_non_null(strstr(error.message, fixture->path));
    assert_file(fixture->path, (const uint8_t *)"precious", 8);
    io_close(io);
}

static void unfinished_file_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = open_io(fixture);
    struct file_writer *writer;
    assert_int_equal(file_writer_open(io, fixture->path, 0600, &writer, NULL), 0);
    assert_int_equal(file_writer_append(writer, fixture->data, 3 * MIB + 1, NULL), 0);
    assert_true(exists(fixture->path));
    file_writer_close(writer);
    assert_false(exists(fixture->path));
    file_writer_close(NULL);
    io_close(io);
}

/* ---- failing calls ---- */

/* For every k: the k-th call fails, or every write from the k-th on is short. */
static void every_failing_call(void **state)
{
    struct fixture *fixture = *state;
    static const int CODES[] = {EIO, ENOSPC, EINVAL, 0};
    size_t size = 3 * MIB + 1000;
    struct io *io;
    struct io_fault_plan plan = {.calls = ALL_CALLS & ~(1u << IO_CALL_UNLINK)};
    assert_int_equal(io_open_fault(open_io(fixture), &plan, &io), 0);
    for (size_t c = 0; c < sizeof(CODES) / sizeof(CODES[0]); c++) {
        uint64_t k = 0;
        do {
            struct error error = {0};
            plan.fail_at = ++k;
            plan.fail_count = CODES[c] ? 1 : 0;
            plan.code = CODES[c];
            io_fault_set(io, &plan);
            int r = write_file(io, fixture->path, fixture->data, size, MIB, &error);
            if (r == 0) {
                assert_file(fixture->path, fixture->data, size);
                assert_int_equal(unlink(fixture->path), 0);
            } else {
                assert_int_equal(r, -CODES[c]);
                assert_int_equal(error.code, CODES[c]);
                assert_non_null(strstr(error.message, fixture->path));
                assert_false(exists(fixture->path));
            }
        } while (k <= io_fault_calls(io));
        assert_true(k > 5);
    }
    io_close(io);
}

/* The first failure stays, and nothing is written after it. */
static void failure_stays(void **state)
{
    struct fixture *fixture = *state;
    struct io *io;
    struct file_writer *writer;
    struct error error = {0};
    struct io_fault_plan plan = {.fail_at = 2, .code = ENOSPC, .calls = 1u << IO_CALL_WRITE};
    assert_int_equal(io_open_fault(open_io(fixture), &plan, &io), 0);
    assert_int_equal(file_writer_open(io, fixture->path, 0600, &writer, NULL), 0);
    int r = 0;
    for (unsigned i = 0; i < 5 && r == 0; i++)
        r = file_writer_append(writer, fixture->data, MIB, NULL);
    assert_int_equal(r, -ENOSPC);
    io_fault_set(io, &(struct io_fault_plan){.calls = ALL_CALLS});
    assert_int_equal(file_writer_append(writer, fixture->data, 2 * MIB, NULL), -ENOSPC);
    assert_int_equal(file_writer_finish(writer, &error), -ENOSPC);
    assert_int_equal(error.code, ENOSPC);
    assert_int_equal(io_fault_calls(io), 0);
    file_writer_close(writer);
    assert_false(exists(fixture->path));
    io_close(io);
}

/* ---- how it writes ---- */

struct pattern {
    unsigned writes;
    size_t largest;
    bool direct;
    unsigned truncates;
    unsigned syncs;
};

static void observe(void *context, enum io_call call, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    (void)path, (void)path2, (void)offset;
    struct pattern *pattern = context;
    pattern->writes += call == IO_CALL_WRITE;
    pattern->truncates += call == IO_CALL_TRUNCATE;
    pattern->syncs += call == IO_CALL_SYNC;
    if (call == IO_CALL_WRITE && size > pattern->largest)
        pattern->largest = size;
    if (call == IO_CALL_WRITE && ((uintptr_t)data % 4096 || size % 4096))
        pattern->direct = false;
}

static void few_large_aligned_writes(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        size_t size;
        struct pattern pattern;
    } CASES[] = {
        {100, {.writes = 1, .largest = 100, .direct = false, .truncates = 0, .syncs = 1}},
        {MIB, {.writes = 1, .largest = MIB, .direct = true, .truncates = 0, .syncs = 1}},
        {2 * MIB + 1, {.writes = 3, .largest = MIB, .direct = true, .truncates = 1, .syncs = 1}},
        {3 * MIB + 4096, {.writes = 4, .largest = MIB, .direct = true, .truncates = 0, .syncs = 1}},
    };
    int probe = open(fixture->directory, O_TMPFILE | O_WRONLY | O_DIRECT, 0600);
    if (probe < 0)
        test_skip("%s has no O_DIRECT", fixture->directory);
    close(probe);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct pattern found = {.direct = true};
        struct io *io;
        struct io_fault_plan plan = {.calls = ALL_CALLS, .record = observe, .context = &found};
        assert_int_equal(io_open_fault(open_io(fixture), &plan, &io), 0);
        assert_int_equal(write_file(io, fixture->path, fixture->data, CASES[i].size, 50000, NULL), 0);
        assert_int_equal(found.writes, CASES[i].pattern.writes);
        assert_int_equal(found.largest, CASES[i].pattern.largest);
        assert_int_equal(found.direct, CASES[i].pattern.direct);
        assert_int_equal(found.truncates, CASES[i].pattern.truncates);
        assert_int_equal(found.syncs, CASES[i].pattern.syncs);
        assert_int_equal(unlink(fixture->path), 0);
        io_close(io);
    }
}

/* ---- several writers at once, on the process's own io ---- */

struct job {
    const struct fixture *fixture;
    char *path;
    size_t size;
};

static void *run_job(void *argument)
{
    struct job *job = argument;
    for (unsigned i = 0; i < 3; i++) {
        if (write_file(NULL, job->path, job->fixture->data, job->size, 300001, NULL) < 0)
            return job;
        if (i < 2 && unlink(job->path) < 0)
            return job;
    }
    return NULL;
}

static void several_writers(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    struct job jobs[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){fixture, test_path(fixture->directory, "file-%u", i), (i + 1) * MIB + i * 777};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        assert_file(jobs[i].path, fixture->data, jobs[i].size);
        free(jobs[i].path);
    }
}

int main(void)
{
    static struct fixture posix = {.open = io_open_posix}, uring = {.open = io_open_uring},
                          memory_posix = {.open = io_open_posix, .parent = "/dev/shm"},
                          memory_uring = {.open = io_open_uring, .parent = "/dev/shm"};
#define OVER(test, place)                                                                                    \
    {                                                                                                        \
#test " over " #place, test, setup, teardown, &place                                                 \
    }
#define OVER_ALL(test)                                                                                       \
    OVER(test, posix), OVER(test, uring), OVER(test, memory_posix), OVER(test, memory_uring)
    const struct CMUnitTest tests[] = {
        OVER_ALL(all_sizes),
        OVER_ALL(reserve_and_commit),
        OVER_ALL(refuses_an_existing_file),
        OVER_ALL(unfinished_file_is_gone),
        OVER_ALL(every_failing_call),
        OVER_ALL(failure_stays),
        OVER(few_large_aligned_writes, posix),
        OVER(few_large_aligned_writes, uring),
        OVER(several_writers, posix),
    };
    return cmocka_run_group_tests_name("file_writer", tests, NULL, NULL);
}
