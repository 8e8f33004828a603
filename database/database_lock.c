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

/* ---- the record ---- */

struct holder {
    struct process_identity process;
    char role[DATABASE_ROLE_BYTES];
};

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

void lock_record(const struct process_identity *identity, const char *role, char to[LOCK_RECORD_BYTES + 1])
{
    char fields[LOCK_RECORD_BYTES];
    const struct process_identity nobody = {0};
    if (!identity)
        identity = &nobody;
    (void)snprintf(fields, sizeof(fields), "%10d %llu %llu %s %.*s", identity->pid,
        (unsigned long long)identity->start_ticks, (unsigned long long)identity->pid_namespace,
        or_dash(identity->boot_id), DATABASE_ROLE_BYTES - 1, or_dash(role));
    (void)snprintf(to, LOCK_RECORD_BYTES + 1, "%-*s\n", LOCK_RECORD_BYTES - 1, fields);
}

/* A disk that does not take the record is no reason to refuse the database. */
static void write_record(int file, const struct process_identity *identity, const char *role)
{
    char record[LOCK_RECORD_BYTES + 1];
    lock_record(identity, role, record);
    if (pwrite(file, record, LOCK_RECORD_BYTES, 0) != LOCK_RECORD_BYTES && ftruncate(file, 0) < 0)
        return; /* the record of a process that ended stays: the others pause in vain before they are refused
                 */
}

/* A record that makes no sense is of nobody (pid 0). */
static struct holder read_record(int file)
{
    char record[LOCK_RECORD_BYTES + 1], boot_id[BOOT_ID_BYTES + 1] = "", role[DATABASE_ROLE_BYTES] = "";
    unsigned long long start = 0, namespace = 0;
    struct holder holder = {0};
    _Static_assert(BOOT_ID_BYTES == 36 && DATABASE_ROLE_BYTES == 16, "widths in the format below");
    ssize_t size = pread(file, record, LOCK_RECORD_BYTES, 0);
    record[size > 0 ? size : 0] = '\0';
    record[strcspn(record, "\n")] = '\0';
    char *end;
    long pid = strtol(record, &end, 10);
    if (pid <= 0 || pid > INT_MAX)
        return holder;
    holder.process.pid = (pid_t)pid;
    if (sscanf(end, " %llu %llu %36s %15s", &start, &namespace, boot_id, role) != 4)
        return holder;
    holder.process.start_ticks = start;
    holder.process.pid_namespace = namespace;
    if (strlen(boot_id) == BOOT_ID_BYTES)
        memcpy(holder.process.boot_id, boot_id, sizeof(boot_id));
    if (strcmp(role, "-") != 0)
        memcpy(holder.role, role, sizeof(role));
    return holder;
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

static int try_shared_lock(int file)
{
    struct flock lock = whole_file(F_RDLCK);
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
static int attempt_patiently(
    int file, int (*attempt)(int file), const struct lock_patience *patience, struct holder *ret_holder)
{
    for (unsigned pauses = 0;; pauses++) {
        int r = attempt(file);
        if (r != -EBUSY)
            return r;
        *ret_holder = read_record(file);
        enum process_state state = process_state(&ret_holder->process);
        if (ret_holder->process.pid == 0 || (state != PROCESS_GONE && state != PROCESS_ENDING))
            return -EBUSY;
        if (pauses == patience->pauses_max)
            return -ETIMEDOUT;
        patience->pause(patience->context);
    }
}

static int report_busy(const char *path, const struct holder *holder, struct error *ret_error)
{
    pid_t pid = holder->process.pid;
    const char *command = holder->role[0] ? " connectordb " : "";
    if (pid == 0)
        return error_set(ret_error, EBUSY, "%s is in use by another process", path);
    if (process_state(&holder->process) == PROCESS_ELSEWHERE)
        return error_set(ret_error, EBUSY,
            "%s is in use by a process of another container or machine (process %d there%s%s)", path, pid,
            command, holder->role);
    return error_set(ret_error, EBUSY, "%s is in use by process %d%s%s", path, pid, command, holder->role);
}

static int report(int code, const char *path, const struct holder *holder, struct error *ret_error)
{
    if (code == -EBUSY)
        return report_busy(path, holder, ret_error);
    if (code == -ETIMEDOUT)
        return error_set(ret_error, ETIMEDOUT,
            "%s is still locked, though process %d, which locked it, has ended or is ending: a process that "
            "it started may use it",
            path, holder->process.pid);
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

int lock_take(const char *path, const char *role, const struct lock_patience *patience, int *ret_lock,
    struct error *ret_error)
{
    int file;
    struct holder holder = {0};
    int r = open_lock(path, O_RDWR | O_CREAT, &file, ret_error);
    if (r < 0)
        return r;
    r = attempt_patiently(file, try_lock, patience, &holder);
    if (r < 0) {
        (void)close(file);
        return report(r, path, &holder, ret_error);
    }
    const struct process_identity self = process_self();
    write_record(file, &self, role);
    *ret_lock = file;
    return 0;
}

int lock_share(const char *path, const struct lock_patience *patience, int *ret_lock, struct error *ret_error)
{
    int file;
    struct holder holder = {0};
    *ret_lock = -1;
    int r = open_lock(path, O_RDONLY, &file, ret_error);
    if (r < 0 || file < 0)
        return r;
    r = attempt_patiently(file, try_shared_lock, patience, &holder);
    if (r < 0) {
        (void)close(file);
        return report(r, path, &holder, ret_error);
    }
    *ret_lock = file;
    return 0;
}

bool database_lock_is_writable(const char *path)
{
    char *file_path = database_file(path, DATABASE_LOCK);
    bool writable =
        file_path && (access(file_path, W_OK) == 0 || (errno == ENOENT && access(path, W_OK) == 0));
    free(file_path);
    return writable;
}

int lock_await(const char *path, const struct lock_patience *patience, struct error *ret_error)
{
    int file;
    struct holder holder = {0};
    int r = open_lock(path, O_RDONLY, &file, ret_error);
    if (r < 0 || file < 0)
        return r;
    r = attempt_patiently(file, ask_lock, patience, &holder);
    (void)close(file);
    return r < 0 ? report(r, path, &holder, ret_error) : 0;
}

/* ---- for other layers ---- */

static enum database_holder_state holder_state(const struct process_identity *identity)
{
    switch (process_state(identity)) {
    case PROCESS_RUNNING:
        return DATABASE_HOLDER_KNOWN;
    case PROCESS_ENDING:
    case PROCESS_GONE:
        return identity->pid == 0 ? DATABASE_HOLDER_UNKNOWN : DATABASE_HOLDER_GONE;
    case PROCESS_ELSEWHERE:
        return DATABASE_HOLDER_ELSEWHERE;
    case PROCESS_UNCERTAIN:
        break;
    }
    return DATABASE_HOLDER_UNKNOWN;
}

int database_find_holder(const char *path, struct database_holder *ret_holder, struct error *ret_error)
{
    int file;
    int r = open_lock(path, O_RDONLY, &file, ret_error);
    if (r < 0 || file < 0)
        return r;
    r = ask_lock(file);
    if (r == -EBUSY) {
        struct holder holder = read_record(file);
        *ret_holder =
            (struct database_holder){.pid = holder.process.pid, .state = holder_state(&holder.process)};
        memcpy(ret_holder->role, holder.role, sizeof(holder.role));
        r = 1;
    } else if (r < 0) {
        (void)report(r, path, NULL, ret_error);
    }
    (void)close(file);
    return r;
}

int database_await(const char *path, struct error *ret_error)
{
    return lock_await(path, &lock_patience_default, ret_error);
}

int database_lock(const char *path, const char *role, int *ret_lock, struct error *ret_error)
{
    int r = database_check_owner(path, ret_error);
    return r < 0 ? r : lock_take(path, role, &lock_patience_default, ret_lock, ret_error);
}

void database_unlock(int lock)
{
    write_record(lock, NULL, NULL);
    (void)close(lock);
}
