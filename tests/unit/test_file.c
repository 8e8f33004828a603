/* Whole files, read and written. */
#include "test.h"

#include "file.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIMIT = 10000 };

static char *directory;

static int setup(void **state)
{
    (void)state;
    directory = test_directory_create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_directory_remove(directory);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void fill(char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
}

/* Sizes around the limit and around the steps in which memory grows. */
static void test_sizes(void **state)
{
    (void)state;
    static char bytes[LIMIT + 2];
    const size_t sizes[] = {0, 1, 255, 256, 4095, 4096, 4097, LIMIT - 1, LIMIT, LIMIT + 1};
    fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct error error = {0};
        struct buffer buffer = {0};
        assert_int_equal(buffer_append(&buffer, "before", 6), 0);
        assert_int_equal(file_write_new(path_of("sized"), 0600, bytes, sizes[i], true, &error), 0);
        int r = file_read(path_of("sized"), LIMIT, &buffer, &error);
        if (sizes[i] <= LIMIT) {
            assert_int_equal(r, 0);
            assert_int_equal(buffer.size, 6 + sizes[i]);
            assert_memory_equal(buffer.data + 6, bytes, sizes[i]);
        } else {
            assert_int_equal(r, -E2BIG);
            assert_non_null(strstr(error.message, "/sized: larger than 10000 bytes"));
            assert_int_equal(buffer.size, 6);
        }
        assert_memory_equal(buffer.data, "before", 6);
        buffer_free(&buffer);
        assert_int_equal(unlink(path_of("sized")), 0);
    }
}

/* What is no regular file, or not there: code and message of both functions. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int any, regular;
        const char *any_message, *regular_message;
    } CASES[] = {
        {"missing", -ENOENT, -ENOENT, "/missing: cannot open: No such file",
            "/missing: cannot open: No such file"},
        {"folder", -EISDIR, -EINVAL, "/folder: cannot read: Is a directory", "/folder: not a regular file"},
    };
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct error error = {0};
        struct buffer buffer = {0};
        assert_int_equal(file_read(path_of(CASES[i].name), LIMIT, &buffer, &error), CASES[i].any);
        assert_non_null(strstr(error.message, CASES[i].any_message));
        assert_int_equal(file_read_regular(path_of(CASES[i].name), LIMIT, &buffer, &error), CASES[i].regular);
        assert_non_null(strstr(error.message, CASES[i].regular_message));
        assert_int_equal(file_read(path_of(CASES[i].name), LIMIT, &buffer, NULL), CASES[i].any);
        buffer_free(&buffer);
    }
}

/* A pipe that nobody writes to would block an ordinary open for ever. */
static void test_pipe(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(file_read_regular(path_of("pipe"), LIMIT, &buffer, &error), -EINVAL);
    assert_non_null(strstr(error.message, "/pipe: not a regular file"));

    int ends[2];
    char path[64];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "piped", 5), 5);
    assert_int_equal(close(ends[1]), 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    assert_int_equal(file_read(path, LIMIT, &buffer, &error), 0);
    assert_int_equal(buffer.size, 5);
    assert_memory_equal(buffer.data, "piped", 5);
    assert_int_equal(close(ends[0]), 0);
    buffer_free(&buffer);
}

static void test_existing_is_left_alone(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer buffer = {0};
    struct stat status;
    assert_int_equal(file_write_new(path_of("there"), 0640, "first", 5, true, &error), 0);
    assert_int_equal(stat(path_of("there"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_int_equal(file_write_new(path_of("there"), 0600, "second", 6, false, &error), -EEXIST);
    assert_non_null(strstr(error.message, "/there: cannot create: File exists"));
    assert_int_equal(file_read(path_of("there"), LIMIT, &buffer, &error), 0);
    assert_int_equal(buffer.size, 5);
    assert_memory_equal(buffer.data, "first", 5);
    buffer_free(&buffer);
}

/* A write that fails half-way, as on a full disk, leaves no file. */
static void test_failed_write_leaves_nothing(void **state)
{
    (void)state;
    static char bytes[LIMIT];
    struct error error = {0};
    struct rlimit before, small;
    fill(bytes, sizeof(bytes));
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = LIMIT / 2;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = file_write_new(path_of("cut"), 0600, bytes, sizeof(bytes), true, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(r, -EFBIG);
    assert_non_null(strstr(error.message, "/cut: cannot write: File too large"));
    assert_int_equal(access(path_of("cut"), F_OK), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_existing_is_left_alone),
        cmocka_unit_test(test_failed_write_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
