/* The plain backend: pwrite, fdatasync. */
#include "io_posix.h"

#include "directory_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int io_posix_open(struct io *io, const char *path, int flags, mode_t mode)
{
    (void)io;
    int file;
    do
        file = open(path, flags | O_CLOEXEC, mode);
    while (file < 0 && errno == EINTR);
    return file < 0 ? -errno : file;
}

long io_posix_write(struct io *io, int file, const void *data, size_t size, uint64_t offset)
{
    (void)io;
    ssize_t written;
    do
        written = pwrite(file, data, size, (off_t)offset);
    while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : (long)written;
}

/* A sync is never repeated, not even after EINTR: the kernel reports a lost page once and then forgets it. */
int io_posix_sync_data(struct io *io, int file)
{
    (void)io;
    return fdatasync(file) < 0 ? -errno : 0;
}

int io_posix_sync(struct io *io, int file)
{
    (void)io;
    return fsync(file) < 0 ? -errno : 0;
}

int io_posix_sync_directory(struct io *io, const char *path)
{
    (void)io;
    return directory_sync(path);
}

int io_posix_truncate(struct io *io, int file, uint64_t size)
{
    (void)io;
    int r;
    do
        r = ftruncate(file, (off_t)size);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int io_posix_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to) < 0 ? -errno : 0;
}

int io_posix_unlink(struct io *io, const char *path)
{
    (void)io;
    return unlink(path) < 0 ? -errno : 0;
}

int io_posix_make_directory(struct io *io, const char *path, mode_t mode)
{
    (void)io;
    return mkdir(path, mode) < 0 ? -errno : 0;
}

static void posix_submit(struct io *io, struct io_request *request)
{
    request->result = io_posix_write(io, request->file, request->data, request->size, request->offset);
    request->pending = false;
}

static void posix_wait(struct io *io, struct io_request *request)
{
    (void)io;
    (void)request; /* done by posix_submit */
}

static void posix_close(struct io *io)
{
    free(io);
}

static const struct io_operations POSIX_OPERATIONS = {
    .name = "posix",
    .open = io_posix_open,
    .write = io_posix_write,
    .sync_data = io_posix_sync_data,
    .sync = io_posix_sync,
    .sync_directory = io_posix_sync_directory,
    .truncate = io_posix_truncate,
    .rename = io_posix_rename,
    .unlink = io_posix_unlink,
    .make_directory = io_posix_make_directory,
    .submit = posix_submit,
    .wait = posix_wait,
    .close = posix_close,
};

int io_open_posix(struct io **ret_io, struct error *ret_error)
{
    struct io *io = malloc(sizeof(*io));
    if (!io)
        return error_set(ret_error, ENOMEM, "out of memory");
    *io = (struct io){.operations = &POSIX_OPERATIONS};
    *ret_io = io;
    return 0;
}
