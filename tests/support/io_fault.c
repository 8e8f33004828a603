#include "io_fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fault_io {
    struct io io;
    struct io_operations operations; /* the wrapper's own table: its name tells the inner one */
    char name[48];
    struct io *inner;
    pthread_mutex_t lock; /* of everything below */
    struct io_fault_plan plan;
    uint64_t calls;    /* counted */
    uint64_t recorded; /* successful calls so far, whether there is a recorder or not */
    char **paths;      /* by file descriptor */
    size_t path_count;
};

static struct fault_io *fault_of(struct io *io)
{
    return (struct fault_io *)io;
}

/* What the plan says about the next call: 0 = go on, -errno = fail, 1 = be short. */
static int verdict(struct fault_io *fault, enum io_call call)
{
    (void)pthread_mutex_lock(&fault->lock);
    int r = 0;
    const struct io_fault_plan *plan = &fault->plan;
    if (plan->calls & (1u << call)) {
        uint64_t number = ++fault->calls;
        bool hit = plan->fail_at > 0 && number >= plan->fail_at &&
                   (plan->fail_count == 0 || number - plan->fail_at < plan->fail_count);
        if (hit)
            r = plan->code ? -plan->code : call == IO_CALL_WRITE;
    }
    (void)pthread_mutex_unlock(&fault->lock);
    return r;
}

static void record_locked(struct fault_io *fault, enum io_call call, const char *path, const char *path2,
    const void *data, size_t size, uint64_t offset)
{
    fault->recorded++;
    if (fault->plan.record)
        fault->plan.record(fault->plan.context, call, path, path2, data, size, offset);
}

static void record(struct fault_io *fault, enum io_call call, const char *path, const char *path2)
{
    (void)pthread_mutex_lock(&fault->lock);
    record_locked(fault, call, path, path2, NULL, 0, 0);
    (void)pthread_mutex_unlock(&fault->lock);
}

static void record_file(
    struct fault_io *fault, enum io_call call, int file, const void *data, size_t size, uint64_t offset)
{
    (void)pthread_mutex_lock(&fault->lock);
    const char *path = (size_t)file < fault->path_count && fault->paths[file] ? fault->paths[file] : "";
    record_locked(fault, call, path, NULL, data, size, offset);
    (void)pthread_mutex_unlock(&fault->lock);
}

static uint64_t recorded_so_far(struct fault_io *fault)
{
    (void)pthread_mutex_lock(&fault->lock);
    uint64_t recorded = fault->recorded;
    (void)pthread_mutex_unlock(&fault->lock);
    return recorded;
}

static int remember_path(struct fault_io *fault, int file, const char *path)
{
    size_t index = (size_t)file;
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    if (index >= fault->path_count) {
        size_t count = index + 64;
        char **paths = realloc(fault->paths, count * sizeof(*paths));
        if (!paths) {
            free(copy);
            return -ENOMEM;
        }
        memset(paths + fault->path_count, 0, (count - fault->path_count) * sizeof(*paths));
        fault->paths = paths;
        fault->path_count = count;
    }
    free(fault->paths[index]);
    fault->paths[index] = copy;
    return 0;
}

static int fault_open(struct io *io, const char *path, int flags, mode_t mode)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_OPEN);
    if (r < 0)
        return r;
    int file = fault->inner->operations->open(fault->inner, path, flags, mode);
    if (file < 0)
        return file;
    (void)pthread_mutex_lock(&fault->lock);
    r = remember_path(fault, file, path);
    if (r == 0)
        record_locked(fault, IO_CALL_OPEN, path, NULL, NULL, 0, (uint64_t)flags);
    (void)pthread_mutex_unlock(&fault->lock);
    if (r < 0) {
        (void)close(file);
        return r;
    }
    return file;
}

static long fault_write(struct io *io, int file, const void *data, size_t size, uint64_t offset)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_WRITE);
    if (r < 0)
        return r;
    if (r == 1 && size > 1)
        size /= 2;
    long written = fault->inner->operations->write(fault->inner, file, data, size, offset);
    if (written > 0)
        record_file(fault, IO_CALL_WRITE, file, data, (size_t)written, offset);
    return written;
}

static int fault_sync_with(struct fault_io *fault, int file, int (*sync)(struct io *io, int file))
{
    int r = verdict(fault, IO_CALL_SYNC);
    if (r < 0)
        return r;
    uint64_t issued_after = recorded_so_far(fault);
    r = sync(fault->inner, file);
    if (r == 0)
        record_file(fault, IO_CALL_SYNC, file, NULL, 0, issued_after);
    return r;
}

static int fault_sync_data(struct io *io, int file)
{
    return fault_sync_with(fault_of(io), file, fault_of(io)->inner->operations->sync_data);
}

static int fault_sync(struct io *io, int file)
{
    return fault_sync_with(fault_of(io), file, fault_of(io)->inner->operations->sync);
}

static int fault_sync_directory(struct io *io, const char *path)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_SYNC_DIRECTORY);
    if (r < 0)
        return r;
    uint64_t issued_after = recorded_so_far(fault);
    r = fault->inner->operations->sync_directory(fault->inner, path);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&fault->lock);
    record_locked(fault, IO_CALL_SYNC_DIRECTORY, path, NULL, NULL, 0, issued_after);
    (void)pthread_mutex_unlock(&fault->lock);
    return 0;
}

static int fault_truncate(struct io *io, int file, uint64_t size)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_TRUNCATE);
    if (r == 0)
        r = fault->inner->operations->truncate(fault->inner, file, size);
    if (r == 0)
        record_file(fault, IO_CALL_TRUNCATE, file, NULL, 0, size);
    return r;
}

static int fault_rename(struct io *io, const char *from, const char *to)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_RENAME);
    if (r == 0)
        r = fault->inner->operations->rename(fault->inner, from, to);
    if (r == 0)
        record(fault, IO_CALL_RENAME, from, to);
    return r;
}

static int fault_unlink(struct io *io, const char *path)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_UNLINK);
    if (r == 0)
        r = fault->inner->operations->unlink(fault->inner, path);
    if (r == 0)
        record(fault, IO_CALL_UNLINK, path, NULL);
    return r;
}

static int fault_make_directory(struct io *io, const char *path, mode_t mode)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_MAKE_DIRECTORY);
    if (r == 0)
        r = fault->inner->operations->make_directory(fault->inner, path, mode);
    if (r == 0)
        record(fault, IO_CALL_MAKE_DIRECTORY, path, NULL);
    return r;
}

static void fault_submit(struct io *io, struct io_request *request)
{
    struct fault_io *fault = fault_of(io);
    int r = verdict(fault, IO_CALL_WRITE);
    if (r == 0) {
        fault->inner->operations->submit(fault->inner, request);
        if (request->pending || request->result < 0)
            return;
    } else {
        request->pending = false;
        request->result = r;
        if (r < 0)
            return;
        size_t size = request->size > 1 ? request->size / 2 : request->size;
        request->result = fault->inner->operations->write(
            fault->inner, request->file, request->data, size, request->offset);
    }
    if (request->result > 0)
        record_file(
            fault, IO_CALL_WRITE, request->file, request->data, (size_t)request->result, request->offset);
}

static void fault_wait(struct io *io, struct io_request *request)
{
    struct fault_io *fault = fault_of(io);
    if (!request->pending)
        return;
    fault->inner->operations->wait(fault->inner, request);
    if (request->result > 0)
        record_file(
            fault, IO_CALL_WRITE, request->file, request->data, (size_t)request->result, request->offset);
}

static void fault_close(struct io *io)
{
    struct fault_io *fault = fault_of(io);
    io_close(fault->inner);
    for (size_t i = 0; i < fault->path_count; i++)
        free(fault->paths[i]);
    free(fault->paths);
    (void)pthread_mutex_destroy(&fault->lock);
    free(fault);
}

int io_open_fault(struct io *inner, const struct io_fault_plan *plan, struct io **ret_io)
{
    struct fault_io *fault = calloc(1, sizeof(*fault));
    if (!fault)
        return -ENOMEM;
    (void)snprintf(fault->name, sizeof(fault->name), "fault(%s)", io_name(inner));
    fault->operations = (struct io_operations){
        .name = fault->name,
        .open = fault_open,
        .write = fault_write,
        .sync_data = fault_sync_data,
        .sync = fault_sync,
        .sync_directory = fault_sync_directory,
        .truncate = fault_truncate,
        .rename = fault_rename,
        .unlink = fault_unlink,
        .make_directory = fault_make_directory,
        .submit = fault_submit,
        .wait = fault_wait,
        .close = fault_close,
    };
    fault->io.operations = &fault->operations;
    fault->inner = inner;
    (void)pthread_mutex_init(&fault->lock, NULL);
    fault->plan = *plan;
    *ret_io = &fault->io;
    return 0;
}

void io_fault_set(struct io *io, const struct io_fault_plan *plan)
{
    struct fault_io *fault = fault_of(io);
    (void)pthread_mutex_lock(&fault->lock);
    fault->plan = *plan;
    fault->calls = 0;
    (void)pthread_mutex_unlock(&fault->lock);
}

uint64_t io_fault_calls(struct io *io)
{
    struct fault_io *fault = fault_of(io);
    (void)pthread_mutex_lock(&fault->lock);
    uint64_t calls = fault->calls;
    (void)pthread_mutex_unlock(&fault->lock);
    return calls;
}
