/* Stands between the program and libc: each call that changes a file or directory is made, then recorded, or
 * fails by plan. The linker turns every reference to one of these functions into one to ours (--wrap).
 * SQLite, in a library of its own, is not concerned: crash_sqlite.c. */
#include "crash_log.h"
#include "store_helpers.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 4096 };

static struct {
    pthread_mutex_t lock; /* of the paths */
    struct crash_log *log;
    char *paths[DESCRIPTORS_MAX]; /* what each descriptor was opened as; NULL = not below the root */
} calls = {.lock = PTHREAD_MUTEX_INITIALIZER};

void crash_calls_record(struct crash_log *log)
{
    calls.log = log;
    for (size_t i = 0; i < DESCRIPTORS_MAX; i++) {
        free(calls.paths[i]);
        calls.paths[i] = NULL;
    }
}

/* ---- paths ---- */

/* Without "/.." and "/." at its end, which are all that the program appends. */
static void tidy(char *path)
{
    size_t size = strlen(path);
    if (size > 3 && strcmp(path + size - 3, "/..") == 0) {
        path[size - 3] = '\0';
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    }
}

static void remember(int file, const char *path)
{
    REQUIRE(file < DESCRIPTORS_MAX, "too many open files");
    REQUIRE(pthread_mutex_lock(&calls.lock) == 0, "lock");
    free(calls.paths[file]);
    calls.paths[file] = path ? strdup(path) : NULL;
    if (path)
        tidy(calls.paths[file]);
    REQUIRE(pthread_mutex_unlock(&calls.lock) == 0, "lock");
}

/* What the descriptor was opened as, malloc'ed; NULL = nothing that is recorded. */
static char *path_of(int file)
{
    char *path = NULL;
    if (!calls.log || file < 0 || file >= DESCRIPTORS_MAX)
        return NULL;
    REQUIRE(pthread_mutex_lock(&calls.lock) == 0, "lock");
    if (calls.paths[file])
        path = strdup(calls.paths[file]);
    REQUIRE(pthread_mutex_unlock(&calls.lock) == 0, "lock");
    return path;
}

static bool is_recorded(const char *path)
{
    return calls.log && crash_log_concerns(calls.log, path);
}

static bool refuses(enum crash_kind kind, const char *path)
{
    bool refused = crash_log_refuses(calls.log, kind, path);
    if (refused)
        errno = ENOSPC;
    return refused;
}

static void add(enum crash_kind kind, const char *path, const char *path2, uint64_t offset)
{
    crash_log_add(calls.log, kind, path, path2, NULL, 0, offset);
}

static uint64_t entries_now(void)
{
    return calls.log ? crash_log_count(calls.log) : 0;
}

/* ---- files ---- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (!is_recorded(path))
        return __real_open(path, flags, mode);
    bool creates = (flags & O_CREAT) && access(path, F_OK) < 0;
    if (creates && refuses(CRASH_OPEN, path))
        return -1;
    int file = __real_open(path, flags, mode);
    if (file < 0)
        return file;
    remember(file, path);
    if ((flags & O_ACCMODE) != O_RDONLY)
        add(CRASH_OPEN, path, NULL, (uint64_t)flags);
    return file;
}

int __real_close(int file);
int __wrap_close(int file);

int __wrap_close(int file)
{
    if (calls.log && file >= 0)
        remember(file, NULL);
    return __real_close(file);
}

static void note_write(const char *path, const void *data, ssize_t written, off_t offset)
{
    if (path && written > 0)
        crash_log_add(calls.log, CRASH_WRITE, path, NULL, data, (size_t)written, (uint64_t)offset);
}

ssize_t __real_pwrite(int file, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset);

ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset)
{
    char *path = path_of(file);
    ssize_t written = path && refuses(CRASH_WRITE, path) ? -1 : __real_pwrite(file, data, size, offset);
    note_write(path, data, written, offset);
    free(path);
    return written;
}

ssize_t __real_write(int file, const void *data, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t size);

ssize_t __wrap_write(int file, const void *data, size_t size)
{
    char *path = path_of(file);
    ssize_t written = path && refuses(CRASH_WRITE, path) ? -1 : __real_write(file, data, size);
    note_write(path, data, written, path ? lseek(file, 0, SEEK_CUR) - written : 0);
    free(path);
    return written;
}

int __real_ftruncate(int file, off_t size);
int __wrap_ftruncate(int file, off_t size);

int __wrap_ftruncate(int file, off_t size)
{
    char *path = path_of(file);
    int r = path && refuses(CRASH_TRUNCATE, path) ? -1 : __real_ftruncate(file, size);
    if (r == 0 && path)
        add(CRASH_TRUNCATE, path, NULL, (uint64_t)size);
    free(path);
    return r;
}

/* ---- syncs ---- */

static void note_sync(int file, const char *path, uint64_t covers)
{
    struct stat status;
    REQUIRE(fstat(file, &status) == 0, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode)) {
        add(CRASH_SYNC_DIRECTORY, path, NULL, covers);
        return;
    }
    int flags = fcntl(file, F_GETFL);
    REQUIRE(flags >= 0, "%s: %s", path, strerror(errno));
    if ((flags & O_ACCMODE) == O_RDONLY) /* its opening was not recorded */
        add(CRASH_OPEN, path, NULL, 0);
    add(CRASH_SYNC, path, NULL, covers);
}

static int sync_with(int file, int (*sync)(int file))
{
    char *path = path_of(file);
    uint64_t covers = entries_now();
    int r = sync(file);
    if (r == 0 && path)
        note_sync(file, path, covers);
    free(path);
    return r;
}

int __real_fsync(int file);
int __wrap_fsync(int file);
int __real_fdatasync(int file);
int __wrap_fdatasync(int file);
int __real_syncfs(int file);
int __wrap_syncfs(int file);

int __wrap_fsync(int file)
{
    return sync_with(file, __real_fsync);
}

int __wrap_fdatasync(int file)
{
    return sync_with(file, __real_fdatasync);
}

/* Of the whole file system; it is not really done: the recorded directory is in memory. */
int __wrap_syncfs(int file)
{
    char *path = path_of(file);
    if (!path)
        return __real_syncfs(file);
    add(CRASH_SYNC_ALL, path, NULL, entries_now());
    free(path);
    return 0;
}

/* ---- names ---- */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
    if (is_recorded(to) && refuses(CRASH_RENAME, to))
        return -1;
    int r = __real_rename(from, to);
    if (r == 0 && is_recorded(to))
        add(CRASH_RENAME, from, to, 0);
    return r;
}

int __real_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);
int __wrap_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);

int __wrap_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    if (!is_recorded(to))
        return __real_renameat2(from_directory, from, to_directory, to, flags);
    REQUIRE(from_directory == AT_FDCWD && to_directory == AT_FDCWD,
        "renameat2 of %s with directories is not recorded", from);
    if (refuses(CRASH_RENAME, to))
        return -1;
    int r = __real_renameat2(from_directory, from, to_directory, to, flags);
    if (r == 0)
        add(CRASH_RENAME, from, to, 0);
    return r;
}

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);

int __wrap_link(const char *from, const char *to)
{
    if (is_recorded(to) && refuses(CRASH_LINK, to))
        return -1;
    int r = __real_link(from, to);
    if (r == 0 && is_recorded(to))
        add(CRASH_LINK, from, to, 0);
    return r;
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (is_recorded(path) && refuses(CRASH_MAKE_DIRECTORY, path))
        return -1;
    int r = __real_mkdir(path, mode);
    if (r == 0 && is_recorded(path))
        add(CRASH_MAKE_DIRECTORY, path, NULL, 0);
    return r;
}

char *__real_mkdtemp(char *pattern);
char *__wrap_mkdtemp(char *pattern);

/* With a name that follows from the seed. */
char *__wrap_mkdtemp(char *pattern)
{
    enum { LETTERS = 6 };
    uint8_t bytes[LETTERS];
    if (!is_recorded(pattern))
        return __real_mkdtemp(pattern);
    REQUIRE(getrandom(bytes, LETTERS, 0) == LETTERS, "getrandom");
    for (size_t i = 0; i < LETTERS; i++)
        pattern[strlen(pattern) - LETTERS + i] = (char)('a' + bytes[i] % 26);
    return __wrap_mkdir(pattern, 0700) == 0 ? pattern : NULL;
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

int __wrap_unlink(const char *path)
{
    int r = __real_unlink(path);
    if (r == 0 && is_recorded(path))
        add(CRASH_UNLINK, path, NULL, 0);
    return r;
}

int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);

int __wrap_rmdir(const char *path)
{
    int r = __real_rmdir(path);
    if (r == 0 && is_recorded(path))
        add(CRASH_REMOVE_DIRECTORY, path, NULL, 0);
    return r;
}

int __real_remove(const char *path);
int __wrap_remove(const char *path);

int __wrap_remove(const char *path)
{
    struct stat status;
    if (!is_recorded(path) || lstat(path, &status) < 0)
        return __real_remove(path);
    return S_ISDIR(status.st_mode) ? __wrap_rmdir(path) : __wrap_unlink(path);
}

int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);

int __wrap_unlinkat(int directory, const char *name, int flags)
{
    char link[64], above[TEST_PATH_BYTES];
    if (!calls.log)
        return __real_unlinkat(directory, name, flags);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
    ssize_t size = readlink(link, above, sizeof(above) - 1);
    REQUIRE(size > 0, "%s: %s", link, strerror(errno));
    above[size] = '\0';
    char *path = test_path(above, "%s", name);
    int r = flags & AT_REMOVEDIR ? __wrap_rmdir(path) : __wrap_unlink(path);
    free(path);
    return r;
}
