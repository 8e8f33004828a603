/* The io layer: the same tests over every backend that this system allows, with and without the fault
 * wrapper. */
#include "test.h"

#include "io_fault.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_CALLS = 0xff, RECORDS_MAX = 4096, THREADS = 4, REQUESTS = 64 };

/* ---- backends ---- */

static struct io *open_posix(void)
{
    struct io *io;
    assert_int_equal(io_open_posix(&io, NULL), 0);
    return io;
}

static struct io *open_uring(void)
{
    struct io *io;
    struct error error = {0};
    int r = io_open_uring(&io, &error);
    if (r < 0)
        test_skip("%s", error.message);
    return io;
}

static struct io *wrap(struct io *inner)
{
    struct io *io;
    struct io_fault_plan plan = {.calls = ALL_CALLS};
    assert_int_equal(io_open_fault(inner, &plan, &io), 0);
    return io;
}

static struct io *open_fault_posix(void)
{
    return wrap(open_posix());
}

static struct io *open_fault_uring(void)
{
    return wrap(open_uring());
}

struct fixture {
    struct io *(*open)(void);
    char *directory;
};

static int setup(void **state)
{
    struct fixture *fixture = *state;
    fixture->directory = test_directory_create();
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    test_directory_remove(fixture->directory);
    return 0;
}

static int create(struct io *io, const char *path)
{
    int file = io->operations->open(io, path, O_RDWR | O_CREAT | O_EXCL, 0644);
    assert_return_code(file, -file);
    return file;
}

static void assert_content(const char *path, const void *expected, size_t size)
{
    size_t found;
    char *content = test_file_read(path, &found);
    assert_int_equal(found, size);
    assert_memory_equal(content, expected, size);
    free(content);
}

/* ---- over all backends ---- */

static void writes_and_syncs(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    int file = create(io, path);
    assert_int_equal(io_write_sync(io, file, path, "world", 5, 5, true, NULL), 0);
    assert_int_equal(io_write_sync(io, file, path, "hello", 5, 0, false, NULL), 0);
    assert_content(path, "helloworld", 10);
    assert_int_equal(io_write_all(io, file, path, "", 0, 3, NULL), 0);
    assert_int_equal(io->operations->sync(io, file), 0);
    assert_int_equal(io->operations->truncate(io, file, 7), 0);
    assert_content(path, "hellowo", 7);
    close(file);
    free(path);
    io_close(io);
}

static void refuses_with_errno(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    const struct io_operations *operations = io->operations;
    char *path = test_path(fixture->directory, "file");
    char *missing = test_path(fixture->directory, "missing");
    struct error error = {0};
    int file = create(io, path);
    assert_int_equal(operations->open(io, path, O_WRONLY | O_CREAT | O_EXCL, 0644), -EEXIST);
    assert_int_equal(operations->open(io, missing, O_RDONLY, 0), -ENOENT);
    assert_int_equal(operations->rename(io, missing, path), -ENOENT);
    assert_int_equal(operations->unlink(io, missing), -ENOENT);
    assert_int_equal(operations->make_directory(io, path, 0755), -EEXIST);
    assert_int_equal(operations->sync_directory(io, missing), -ENOENT);
    close(file);
    int read_only = operations->open(io, path, O_RDONLY, 0);
    assert_true(read_only >= 0);
    assert_int_equal(operations->write(io, read_only, "x", 1, 0), -EBADF);
    assert_int_equal(io_write_sync(io, read_only, path, "x", 1, 77, true, &error), -EBADF);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, "77"));
    close(read_only);
    free(path);
    free(missing);
    io_close(io);
}

static void names_files(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *sub = test_path(fixture->directory, "sub");
    char *from = test_path(sub, "from");
    char *to = test_path(sub, "to");
    struct stat status;
    assert_int_equal(io->operations->make_directory(io, sub, 0700), 0);
    close(create(io, from));
    assert_int_equal(io->operations->rename(io, from, to), 0);
    assert_int_equal(io->operations->sync_directory(io, sub), 0);
    assert_int_equal(stat(from, &status), -1);
    assert_int_equal(stat(to, &status), 0);
    assert_int_equal(io->operations->unlink(io, to), 0);
    assert_int_equal(stat(to, &status), -1);
    free(sub);
    free(from);
    free(to);
    io_close(io);
}

static void replaces_file(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "NAME");
    char *path_new = test_path(fixture->directory, "NAME.new");
    struct stat status;
    test_file_write(path_new, "left by a crash, and longer", 27);
    assert_int_equal(io_replace_file(io, fixture->directory, "NAME", "one", 3, NULL), 0);
    assert_content(path, "one", 3);
    assert_int_equal(io_replace_file(io, fixture->directory, "NAME", "second", 6, NULL), 0);
    assert_content(path, "second", 6);
    assert_int_equal(stat(path_new, &status), -1);
    free(path);
    free(path_new);
    io_close(io);
}

static void many_requests_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    struct io_request requests[REQUESTS];
    uint8_t pages[REQUESTS][512];
    int file = create(io, path);
    for (unsigned i = 0; i < REQUESTS; i++) {
        memset(pages[i], (int)i + 1, sizeof(pages[i]));
        requests[i] = (struct io_request){
            .file = file, .data = pages[i], .size = sizeof(pages[i]), .offset = i * sizeof(pages[i])};
        io->operations->submit(io, &requests[i]);
    }
    for (unsigned i = REQUESTS; i-- > 0;) { /* not the order of submission */
        io->operations->wait(io, &requests[i]);
        assert_false(requests[i].pending);
        assert_int_equal(requests[i].result, sizeof(pages[i]));
    }
    assert_content(path, pages, sizeof(pages));
    close(file);
    free(path);
    io_close(io);
}

struct worker {
    struct io *io;
    int file;
    const char *path;
    unsigned number;
};

/* Every thread writes its own stripes; results are checked by the thread that started them. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    uint8_t stripe[64];
    memset(stripe, (int)worker->number + 1, sizeof(stripe));
    for (unsigned i = 0; i < REQUESTS; i++) {
        uint64_t offset = (i * THREADS + worker->number) * sizeof(stripe);
        struct io_request request = {
            .file = worker->file, .data = stripe, .size = sizeof(stripe), .offset = offset};
        if (i % 2) {
            worker->io->operations->submit(worker->io, &request);
            worker->io->operations->wait(worker->io, &request);
            if (request.result != (long)sizeof(stripe))
                return worker;
        } else if (io_write_all(
                       worker->io, worker->file, worker->path, stripe, sizeof(stripe), offset, NULL) < 0) {
            return worker;
        }
    }
    return NULL;
}

static void several_threads(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    int file = create(io, path);
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.io = io, .file = file, .path = path, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    size_t size;
    char *content = test_file_read(path, &size);
    assert_int_equal(size, REQUESTS * THREADS * 64);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(content[i], i / 64 % THREADS + 1);
    free(content);
    close(file);
    free(path);
    io_close(io);
}

/* ---- the fault wrapper ---- */

struct entry {
    enum io_call call;
    char path[TEST_PATH_BYTES];
    size_t size;
    uint64_t offset;
};

struct log {
    size_t count;
    struct entry entries[64];
};

static void remember(void *context, enum io_call call, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    (void)path2, (void)data;
    struct log *log = context;
    assert_true(log->count < 64);
    struct entry *entry = &log->entries[log->count++];
    *entry = (struct entry){.call = call, .size = size, .offset = offset};
    snprintf(entry->path, sizeof(entry->path), "%s", path);
}

static void short_writes_are_continued_before_the_sync(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    static struct log log;
    log.count = 0;
    struct io_fault_plan plan = {
        .fail_at = 1, .calls = 1u << IO_CALL_WRITE, .record = remember, .context = &log};
    int file = create(io, path);
    io_fault_set(io, &plan); /* every write is short: 1000 = 500 + 250 + ... */
    uint8_t data[1000];
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    assert_int_equal(io_write_sync(io, file, path, data, sizeof(data), 24, true, NULL), 0);
    assert_true(log.count > 5);
    uint64_t next = 24;
    for (size_t i = 0; i + 1 < log.count; i++) {
        assert_int_equal(log.entries[i].call, IO_CALL_WRITE);
        assert_string_equal(log.entries[i].path, path);
        assert_int_equal(log.entries[i].offset, next);
        next += log.entries[i].size;
    }
    assert_int_equal(next, 24 + sizeof(data));
    const struct entry *sync = &log.entries[log.count - 1];
    assert_int_equal(sync->call, IO_CALL_SYNC);
    /* Issued when the open and all writes had been recorded: nothing of the write was still missing. */
    assert_int_equal(sync->offset, 1 + log.count - 1);
    size_t size;
    char *content = test_file_read(path, &size);
    assert_int_equal(size, 24 + sizeof(data));
    assert_memory_equal(content + 24, data, sizeof(data));
    free(content);
    close(file);
    free(path);
    io_close(io);
}

static void failed_write_issues_no_sync(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    static struct log log;
    log.count = 0;
    struct error error = {0};
    int file = create(io, path);
    io_fault_set(io, &(struct io_fault_plan){.fail_at = 1,
                         .fail_count = 1,
                         .code = EIO,
                         .calls = 1u << IO_CALL_WRITE,
                         .record = remember,
                         .context = &log});
    assert_int_equal(io_write_sync(io, file, path, "x", 1, 0, true, &error), -EIO);
    assert_int_equal(error.code, EIO);
    assert_int_equal(log.count, 0);
    assert_int_equal(io_write_sync(io, file, path, "x", 1, 0, true, NULL), 0); /* fail_count is over */
    assert_int_equal(log.count, 2);
    close(file);
    free(path);
    io_close(io);
}

static void failed_sync_is_not_repeated(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    struct error error = {0};
    int file = create(io, path);
    io_fault_set(
        io, &(struct io_fault_plan){.fail_at = 1, .fail_count = 1, .code = EIO, .calls = 1u << IO_CALL_SYNC});
    assert_int_equal(io_write_sync(io, file, path, "x", 1, 0, true, &error), -EIO);
    assert_int_equal(io_fault_calls(io), 1);
    assert_non_null(strstr(error.message, "sync"));
    close(file);
    free(path);
    io_close(io);
}

/* Whatever call of it fails, the old content or the new one is there. */
static void replace_file_is_atomic(void **state)
{
    struct fixture *fixture = *state;
    static const int CODES[] = {EIO, ENOSPC, 0};
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "NAME");
    char *path_new = test_path(fixture->directory, "NAME.new");
    struct stat status;
    for (size_t code = 0; code < 3; code++) {
        int r = -1;
        for (uint64_t k = 1; r != 0; k++) {
            assert_true(k < 20);
            test_file_write(path, "old", 3);
            io_fault_set(io, &(struct io_fault_plan){
                                 .fail_at = k, .fail_count = 1, .code = CODES[code], .calls = ALL_CALLS});
            r = io_replace_file(io, fixture->directory, "NAME", "new", 3, NULL);
            size_t size;
            char *content = test_file_read(path, &size);
            assert_int_equal(size, 3);
            assert_true(memcmp(content, "new", 3) == 0 || (r < 0 && memcmp(content, "old", 3) == 0));
            free(content);
            assert_int_equal(stat(path_new, &status), -1);
            if (CODES[code])
                assert_true(r == 0 || r == -CODES[code]);
            else
                assert_int_equal(r, 0);
        }
    }
    free(path);
    free(path_new);
    io_close(io);
}

static void asynchronous_writes_fail_too(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    static struct log log;
    log.count = 0;
    int file = create(io, path);
    struct io_request request = {.file = file, .data = "abcdef", .size = 6};
    struct io_fault_plan plan = {.fail_at = 1,
        .fail_count = 1,
        .code = ENOSPC,
        .calls = ALL_CALLS,
        .record = remember,
        .context = &log};
    io_fault_set(io, &plan);
    io->operations->submit(io, &request);
    io->operations->wait(io, &request);
    assert_int_equal(request.result, -ENOSPC);
    assert_int_equal(log.count, 0);
    plan.code = 0;
    io_fault_set(io, &plan);
    io->operations->submit(io, &request);
    io->operations->wait(io, &request);
    assert_int_equal(request.result, 3);
    assert_content(path, "abc", 3);
    io->operations->submit(io, &request);
    io->operations->wait(io, &request);
    assert_int_equal(request.result, 6);
    assert_content(path, "abcdef", 6);
    assert_int_equal(log.count, 2);
    assert_int_equal(log.entries[0].size, 3);
    assert_int_equal(log.entries[1].size, 6);
    close(file);
    free(path);
    io_close(io);
}

static void only_masked_calls_count(void **state)
{
    struct fixture *fixture = *state;
    struct io *io = fixture->open();
    char *path = test_path(fixture->directory, "file");
    io_fault_set(io, &(struct io_fault_plan){
                         .fail_at = 2, .code = EIO, .calls = 1u << IO_CALL_RENAME | 1u << IO_CALL_UNLINK});
    close(create(io, path));
    assert_int_equal(io_fault_calls(io), 0);
    assert_int_equal(io->operations->rename(io, path, path), 0);
    for (unsigned i = 0; i < 3; i++) /* fail_count 0: all later ones */
        assert_int_equal(io->operations->unlink(io, path), -EIO);
    assert_int_equal(io_fault_calls(io), 4);
    free(path);
    io_close(io);
}

/* ---- a file system that takes nothing and does not say why ---- */

static long take_nothing(struct io *io, int file, const void *data, size_t size, uint64_t offset)
{
    (void)io, (void)file, (void)data, (void)size, (void)offset;
    return 0;
}

static void a_write_of_nothing_is_an_error(void **state)
{
    (void)state;
    static const struct io_operations OPERATIONS = {.name = "nothing", .write = take_nothing};
    struct io io = {.operations = &OPERATIONS};
    assert_int_equal(io_write_sync(&io, 0, "file", "x", 1, 0, true, NULL), -EIO);
}

/* ---- choosing ---- */

static void environment_chooses(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        int result;
        const char *name;
    } CASES[] = {{"posix", 0, "posix"}, {"io_urin", -EINVAL, NULL}};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct io *io = NULL;
        assert_int_equal(setenv("CONNECTORDB_IO", CASES[i].wanted, 1), 0);
        assert_int_equal(io_open_default(&io, NULL), CASES[i].result);
        if (CASES[i].result == 0)
            assert_string_equal(io_name(io), CASES[i].name);
        io_close(io);
    }
    assert_int_equal(unsetenv("CONNECTORDB_IO"), 0);
    struct io *io, *uring = NULL;
    assert_int_equal(io_open_default(&io, NULL), 0);
    int r = io_open_uring(&uring, NULL);
    assert_string_equal(io_name(io), r == 0 ? "io_uring" : "posix");
    io_close(uring);
    io_close(io);
    io_close(NULL);
}

/* From here on the process's io_uring_setup fails with this errno, as a container's filter makes it. */
static void forbid_uring(int code)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)code),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(2);
}

enum outcome { OUTCOME_POSIX = 10, OUTCOME_URING, OUTCOME_SAME_ERROR, OUTCOME_OTHER };

/* What io_open_default does where io_uring fails with this errno. In a child: a filter cannot be taken back.
 */
static int open_forbidden(int code, const char *wanted)
{
    fflush(NULL);
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        struct io *io = NULL;
        forbid_uring(code);
        if (wanted)
            setenv("CONNECTORDB_IO", wanted, 1);
        else
            unsetenv("CONNECTORDB_IO");
        int r = io_open_default(&io, NULL);
        if (r == 0)
            _exit(strcmp(io_name(io), "posix") == 0 ? OUTCOME_POSIX : OUTCOME_URING);
        _exit(r == -code ? OUTCOME_SAME_ERROR : OUTCOME_OTHER);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        test_skip("no seccomp here");
    return WEXITSTATUS(status);
}

static void forbidden_uring_falls_back(void **state)
{
    (void)state;
    static const int FORBIDDEN[] = {ENOSYS, EPERM, EACCES, ENOMEM};
    for (size_t i = 0; i < sizeof(FORBIDDEN) / sizeof(FORBIDDEN[0]); i++) {
        assert_int_equal(open_forbidden(FORBIDDEN[i], NULL), OUTCOME_POSIX);
        assert_int_equal(open_forbidden(FORBIDDEN[i], "posix"), OUTCOME_POSIX);
        assert_int_equal(open_forbidden(FORBIDDEN[i], "io_uring"), OUTCOME_SAME_ERROR);
    }
    assert_int_equal(open_forbidden(EMFILE, NULL), OUTCOME_SAME_ERROR);
}

int main(void)
{
    static struct fixture posix = {.open = open_posix}, uring = {.open = open_uring},
                          fault_posix = {.open = open_fault_posix}, fault_uring = {.open = open_fault_uring};
#define OVER(test, backend)                                                                                  \
    {                                                                                                        \
#test " over " #backend, test, setup, teardown, &backend                                             \
    }
#define OVER_ALL(test) OVER(test, posix), OVER(test, uring), OVER(test, fault_posix), OVER(test, fault_uring)
#define OVER_FAULTS(test) OVER(test, fault_posix), OVER(test, fault_uring)
    const struct CMUnitTest tests[] = {
        OVER_ALL(writes_and_syncs),
        OVER_ALL(refuses_with_errno),
        OVER_ALL(names_files),
        OVER_ALL(replaces_file),
        OVER_ALL(many_requests_under_way),
        OVER_ALL(several_threads),
        OVER_FAULTS(short_writes_are_continued_before_the_sync),
        OVER_FAULTS(failed_write_issues_no_sync),
        OVER_FAULTS(failed_sync_is_not_repeated),
        OVER_FAULTS(replace_file_is_atomic),
        OVER_FAULTS(asynchronous_writes_fail_too),
        OVER_FAULTS(only_masked_calls_count),
        cmocka_unit_test(a_write_of_nothing_is_an_error),
        cmocka_unit_test(environment_chooses),
        cmocka_unit_test(forbidden_uring_falls_back),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
