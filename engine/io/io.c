#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One system call takes no more; keeps sizes within 32 bits. */
enum { IO_WRITE_BYTES_MAX = 1 << 30 };

static bool uring_forbidden(int code)
{
    return code == ENOSYS || code == EPERM || code == EACCES || code == ENOMEM;
}

int io_open_default(struct io **ret_io, struct error *ret_error)
{
    const char *wanted = getenv("CONNECTORDB_IO");
    if (!wanted || !*wanted) {
        int r = io_open_uring(ret_io, ret_error);
        return r < 0 && uring_forbidden(-r) ? io_open_posix(ret_io, ret_error) : r;
    }
    if (strcmp(wanted, "posix") == 0)
        return io_open_posix(ret_io, ret_error);
    if (strcmp(wanted, "io_uring") == 0)
        return io_open_uring(ret_io, ret_error);
    return error_set(
        ret_error, EINVAL, "CONNECTORDB_IO is \"%s\"; it may be \"posix\" or \"io_uring\"", wanted);
}

void io_close(struct io *io)
{
    if (io)
        io->operations->close(io);
}

const char *io_name(const struct io *io)
{
    return io->operations->name;
}

/* Completes a call that failed with `r`: `what` and the system's reason go into the message. */
static int call_result(int r, const char *path, const char *what, struct error *ret_error)
{
    return r >= 0 ? r : error_set(ret_error, -r, "%s: cannot %s: %s", path, what, strerrordesc_np(-r));
}

int io_open_file(struct io *io, const char *path, int flags, mode_t mode, struct error *ret_error)
{
    return call_result(
        io->operations->open(io, path, flags, mode), path, flags & O_CREAT ? "create" : "open", ret_error);
}

int io_sync(struct io *io, int file, const char *path, struct error *ret_error)
{
    return call_result(io->operations->sync(io, file), path, "sync", ret_error);
}

int io_sync_data(struct io *io, int file, const char *path, struct error *ret_error)
{
    return call_result(io->operations->sync_data(io, file), path, "sync", ret_error);
}

int io_sync_directory(struct io *io, const char *path, struct error *ret_error)
{
    return call_result(io->operations->sync_directory(io, path), path, "sync the directory", ret_error);
}

int io_truncate(struct io *io, int file, const char *path, uint64_t size, struct error *ret_error)
{
    return call_result(io->operations->truncate(io, file, size), path, "change the size", ret_error);
}

int io_rename(struct io *io, const char *from, const char *to, struct error *ret_error)
{
    int r = io->operations->rename(io, from, to);
    return r >= 0 ? r
                  : error_set(ret_error, -r, "%s: cannot rename to %s: %s", from, to, strerrordesc_np(-r));
}

int io_unlink(struct io *io, const char *path, struct error *ret_error)
{
    return call_result(io->operations->unlink(io, path), path, "remove", ret_error);
}

int io_make_directory(struct io *io, const char *path, mode_t mode, struct error *ret_error)
{
    return call_result(
        io->operations->make_directory(io, path, mode), path, "create the directory", ret_error);
}

int io_write_all(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    struct error *ret_error)
{
    const uint8_t *from = data;
    while (size > 0) {
        size_t part = size < IO_WRITE_BYTES_MAX ? size : IO_WRITE_BYTES_MAX;
        long written = io->operations->write(io, file, from, part, offset);
        if (written == 0)
            written = -EIO; /* a regular file takes at least a byte or says why not */
        if (written < 0)
            return error_set(ret_error, (int)-written, "%s: cannot write %zu bytes at offset %llu: %s", path,
                size, (unsigned long long)offset, strerrordesc_np((int)-written));
        from += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return 0;
}

int io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    bool sync, struct error *ret_error)
{
    /* All bytes are taken before the sync is issued: a sync that overtakes a part of the write proves
     * nothing. */
    int r = io_write_all(io, file, path, data, size, offset, ret_error);
    if (r < 0 || !sync)
        return r;
    return io_sync_data(io, file, path, ret_error);
}

static int write_new_file(
    struct io *io, const char *path, const void *data, size_t size, struct error *ret_error)
{
    int file = io_open_file(io, path, O_WRONLY | O_CREAT | O_TRUNC, 0600, ret_error);
    if (file < 0)
        return file;
    int r = io_write_all(io, file, path, data, size, 0, ret_error);
    if (r == 0)
        r = io_sync(io, file, path, ret_error);
    (void)close(file);
    return r;
}

int io_replace_file(struct io *io, const char *directory, const char *name, const void *data, size_t size,
    struct error *ret_error)
{
    bool renamed;
    return io_replace_file_result(io, directory, name, data, size, &renamed, ret_error);
}

int io_replace_file_result(struct io *io, const char *directory, const char *name, const void *data,
    size_t size, bool *ret_renamed, struct error *ret_error)
{
    *ret_renamed = false;
    char path[PATH_MAX];
    char path_new[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    int length_new = snprintf(path_new, sizeof(path_new), "%s/%s.new", directory, name);
    if (length < 0 || length_new < 0 || (size_t)length_new >= sizeof(path_new))
        return error_set(ret_error, ENAMETOOLONG, "%s/%s: path too long", directory, name);
    int r = write_new_file(io, path_new, data, size, ret_error);
    if (r == 0)
        r = io_rename(io, path_new, path, ret_error);
    if (r < 0) {
        (void)io_unlink(io, path_new, NULL);
        return r;
    }
    *ret_renamed = true;
    return io_sync_directory(io, directory, ret_error);
}
