#include "database_lock.h"

#include "database.h"
#include "database_files.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void pause_default(void *context)
{
    (void)context;
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

const struct lock_patience lock_patience_default = {
    .pauses_max = LOCK_WAIT_MS_MAX / LOCK_PAUSE_MS, .pause = pause_default};

/* ---- who has it ---- */

void lock_record(pid_t pid, char to[LOCK_RECORD_BYTES + 1])
{
    (void)snprintf(to, LOCK_RECORD_BYTES + 1, "%*d\n", LOCK_RECORD_BYTES - 1, pid);
}

/* It is for those who find the lock held; a disk that does not take it is no reason to refuse the database. */
static void write_holder(int file, pid_t pid)
{
    char record[LOCK_RECORD_BYTES + 1];
    lock_record(pid, record);
    if (pwrite(file, record, LOCK_RECORD_BYTES, 0) != LOCK_RECORD_BYTES && ftruncate(file, 0) < 0)
        return; /* another pid stays there: of a process that ended, so that the others wait in vain before they are refused */
}

/* The pid that the file names, or 0. */
static pid_t read_holder(int file)
{
    char record[LOCK_RECORD_BYTES + 1];
    ssize_t size = pread(file, record, LOCK_RECORD_BYTES, 0);
    record[size > 0 ? size : 0] = '\0';
    long pid = strtol(record, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

/* ---- the lock ---- */

static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

/* Both: 0, -EBUSY, or another -errno. */
static int try_lock(int file)
{
    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(file, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

static int ask_lock(int file)
{
    struct flock lock = whole_file(F_RDLCK);
    if (fcntl(file, F_OFD_GETLK, &lock) < 0)
        return -errno;
    return lock.l_type == F_UNLCK ? 0 : -EBUSY;
}

/* Repeats `attempt` while the lock's holder is ending. */
static int attempt_patiently(int file, int (*attempt)(int file), const struct lock_patience *patience, pid_t *ret_holder)
{
    for (unsigned pauses = 0;; pauses++) {
        int r = attempt(file);
        if (r != -EBUSY)
            return r;
        *ret_holder = read_holder(file);
        if (*ret_holder == 0 || !process_is_ending(*ret_holder))
            return -EBUSY;
        if (pauses == patience->pauses_max)
            return -ETIMEDOUT;
        patience->pause(patience->context);
    }
}

static int report(int code, const char *path, pid_t holder, struct error *ret_error)
{
    if (code == -EBUSY && holder == 0)
        return error_set(ret_error, EBUSY, "%s is in use by another process", path);
    if (code == -EBUSY)
        return error_set(ret_error, EBUSY, "%s is in use by process %d", path, holder);
    if (code == -ETIMEDOUT)
        return error_set(ret_error, ETIMEDOUT,
            "%s is still locked, though process %d, which had it, has ended or is ending: what it started may use it", path, holder);
    return error_set(ret_error, -code, "%s/" DATABASE_LOCK ": cannot be locked: %s", path, strerror(-code));
}

/* *ret_file = -1: there is none, but the directory is there. */
static int open_lock(const char *path, int flags, int *ret_file, struct error *ret_error)
{
    char *file_path = database_file(path, DATABASE_LOCK);
    if (!file_path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int file = open(file_path, flags | O_CLOEXEC, 0600);
    int r = file < 0 ? -errno : 0;
    if (r == -ENOENT && !(flags & O_CREAT) && access(path, F_OK) == 0)
        r = 0;
    if (r < 0)
        (void)error_set(ret_error, -r, "%s: %s", file_path, strerror(-r));
    free(file_path);
    *ret_file = file;
    return r;
}

int lock_take(const char *path, const struct lock_patience *patience, int *ret_lock, struct error *ret_error)
{
    int file;
    pid_t holder = 0;
    int r = open_lock(path, O_RDWR | O_CREAT, &file, ret_error);
    if (r < 0)
        return r;
    r = attempt_patiently(file, try_lock, patience, &holder);
    if (r < 0) {
        (void)close(file);
        return report(r, path, holder, ret_error);
    }
    write_holder(file, getpid());
    *ret_lock = file;
    return 0;
}

int lock_await(const char *path, const struct lock_patience *patience, struct error *ret_error)
{
    int file;
    pid_t holder = 0;
    int r = open_lock(path, O_RDONLY, &file, ret_error);
    if (r < 0 || file < 0)
        return r;
    r = attempt_patiently(file, ask_lock, patience, &holder);
    (void)close(file);
    return r < 0 ? report(r, path, holder, ret_error) : 0;
}

/* ---- for others ---- */

int database_is_locked(const char *path)
{
    int file;
    int r = open_lock(path, O_RDONLY, &file, NULL);
    if (r < 0 || file < 0)
        return r;
    r = ask_lock(file);
    (void)close(file);
    return r == -EBUSY ? 1 : r;
}

int database_await(const char *path, struct error *ret_error)
{
    return lock_await(path, &lock_patience_default, ret_error);
}

int database_lock(const char *path, int *ret_lock, struct error *ret_error)
{
    return lock_take(path, &lock_patience_default, ret_lock, ret_error);
}

void database_unlock(int lock)
{
    write_holder(lock, 0);
    (void)close(lock);
}
