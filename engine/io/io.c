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
    return error_set(ret_error, EINVAL, "CONNECTORDB_IO is \"%s\"; it may be \"posix\" or \"io_uring\"", wanted);
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
            return error_set(ret_error, (int)-written, "%s: cannot write %zu bytes at offset %llu: %s", path, size,
                (unsigned long long)offset, strerrordesc_np((int)-written));
        from += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return 0;
}

int io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    bool sync, struct error *ret_error)
{
    /* All bytes are taken before the sync is issued: a sync that overtakes a part of the write proves nothing. */
    int r = io_write_all(io, file, path, data, size, offset, ret_error);
    if (r < 0 || !sync)
        return r;
    r = io->operations->sync_data(io, file);
    if (r < 0)
        return error_set(ret_error, -r, "%s: cannot sync: %s", path, strerrordesc_np(-r));
    return 0;
}

static int write_new_file(struct io *io, const char *path, const void *data, size_t size, struct error *ret_error)
{
    int file = io->operations->open(io, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0)
        return error_set(ret_error, -file, "%s: cannot create: %s", path, strerrordesc_np(-file));
    int r = io_write_all(io, file, path, data, size, 0, ret_error);
    if (r == 0) {
        r = io->operations->sync(io, file);
        if (r < 0)
            (void)error_set(ret_error, -r, "%s: cannot sync: %s", path, strerrordesc_np(-r));
    }
    (void)close(file);
    return r;
}

int io_replace_file(struct io *io, const char *directory, const char *name, const void *data, size_t size,
    struct error *ret_error)
{
    bool renamed;
    return io_replace_file_told(io, directory, name, data, size, &renamed, ret_error);
}

int io_replace_file_told(struct io *io, const char *directory, const char *name, const void *data, size_t size, bool *ret_renamed,
    struct error *ret_error)
{
    *ret_renamed = false;
    char path[PATH_MAX];
    char path_new[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    int length_new = snprintf(path_new, sizeof(path_new), "%s/%s.new", directory, name);
    if (length < 0 || length_new < 0 || (size_t)length_new >= sizeof(path_new))
        return error_set(ret_error, ENAMETOOLONG, "%s/%s: path too long", directory, name);
    int r = write_new_file(io, path_new, data, size, ret_error);
    if (r == 0) {
        r = io->operations->rename(io, path_new, path);
        if (r < 0)
            (void)error_set(ret_error, -r, "%s: cannot rename to %s: %s", path_new, path, strerrordesc_np(-r));
    }
    if (r < 0) {
        (void)io->operations->unlink(io, path_new);
        return r;
    }
    *ret_renamed = true;
    r = io->operations->sync_directory(io, directory);
    if (r < 0)
        return error_set(ret_error, -r, "%s: cannot sync the directory: %s", directory, strerrordesc_np(-r));
    return 0;
}
