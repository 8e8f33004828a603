#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* cmocka has the function, but no variable for it. */
__attribute__((constructor)) static void take_filter(void)
{
    const char *pattern = getenv("CMOCKA_TEST_FILTER");
    if (pattern)
        cmocka_set_test_filter(pattern);
}

char *test_directory_create(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = test_path(parent && *parent ? parent : "/tmp", "connectordb-test-XXXXXX");
    if (!mkdtemp(path))
        fail_msg("mkdtemp %s: %s", path, strerror(errno));
    return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

void test_directory_remove(char *path)
{
    enum { OPEN_DIRECTORIES = 16 };
    if (nftw(path, remove_entry, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS) != 0)
        fail_msg("removing %s: %s", path, strerror(errno));
    free(path);
}

char *test_path(const char *directory, const char *name_format, ...)
{
    char name[TEST_PATH_BYTES], *path;
    va_list arguments;
    va_start(arguments, name_format);
    int length = vsnprintf(name, sizeof(name), name_format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof(name) - 1);
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        fail_msg("no memory for a path");
    return path;
}

char *test_file_read(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("open %s: %s", path, strerror(errno));
    struct stat status;
    assert_int_equal(fstat(fileno(file), &status), 0);
    size_t size = (size_t)status.st_size;
    char *data = malloc(size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    data[size] = 0;
    if (ret_size)
        *ret_size = size;
    return data;
}

void test_file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        fail_msg("create %s: %s", path, strerror(errno));
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void test_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("skipped: ", stdout);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    skip();
    abort(); /* skip() jumps out of the test */
}

char *test_shared_path(const char *relative)
{
    const char *shared = getenv("CONNECTORDB_SHARED");
    if (!shared)
        shared = CONNECTORDB_SHARED;
    char *path = test_path(shared, "%s", relative);
    if (access(path, R_OK) != 0) {
        free(path); /* test_skip does not return */
        test_skip("%s/%s is not there", shared, relative);
    }
    return path;
}

char *test_shared_read(const char *relative, size_t *ret_size)
{
    char *path = test_shared_path(relative);
    char *data = test_file_read(path, ret_size);
    free(path);
    return data;
}

bool test_aborts(void (*function)(void *argument), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        function(argument);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

uint64_t test_random_next(struct test_random *random)
{
    uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

uint64_t test_random_below(struct test_random *random, uint64_t bound)
{
    return test_random_next(random) % bound; /* the bias is at most bound / 2^64 */
}

double test_random_unit(struct test_random *random)
{
    return (double)(test_random_next(random) >> 11) * 0x1p-53;
}
