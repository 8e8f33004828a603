#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES_MIN = 4096 };

static int failed(int code, const char *path, const char *what, struct error *ret_error)
{
    return error_set(ret_error, code, "%s: cannot %s: %s", path, what, strerrordesc_np(code));
}

static int open_retrying(const char *path, int flags, mode_t mode)
{
    int file;
    do
        file = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    while (file < 0 && errno == EINTR);
    return file;
}

/* Room for all of the file and for the byte that shows its end or that it is too large. */
static int reserve(int file, size_t size_max, struct buffer *bytes)
{
    struct stat status;
    size_t size = READ_BYTES_MIN;
    if (fstat(file, &status) == 0 && status.st_size > 0)
        size = (uint64_t)status.st_size < size_max ? (size_t)status.st_size + 1 : size_max + 1;
    return buffer_reserve(bytes, size);
}

static int read_all(
    int file, const char *path, size_t size_max, struct buffer *bytes, struct error *ret_error)
{
    size_t start = bytes->size;
    int r = reserve(file, size_max, bytes);
    while (r == 0) {
        size_t size = bytes->size - start, room = bytes->capacity - bytes->size;
        if (size > size_max) {
            bytes->size = start;
            return error_set(ret_error, E2BIG, "%s: larger than %zu bytes", path, size_max);
        }
        if (room == 0) {
            r = buffer_reserve(bytes, READ_BYTES_MIN);
            continue;
        }
        size_t left = size_max - size + 1;
        ssize_t got = read(file, bytes->data + bytes->size, room < left ? room : left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed(errno, path, "read", ret_error);
        if (got == 0)
            return 0;
        bytes->size += (size_t)got;
    }
    return error_set(ret_error, ENOMEM, "%s: out of memory", path);
}

int file_read(const char *path, size_t size_max, struct buffer *bytes, struct error *ret_error)
{
    int file = open_retrying(path, O_RDONLY, 0);
    if (file < 0)
        return failed(errno, path, "open", ret_error);
    int r = read_all(file, path, size_max, bytes, ret_error);
    (void)close(file);
    return r;
}

int file_read_regular(const char *path, size_t size_max, struct buffer *bytes, struct error *ret_error)
{
    struct stat status;
    /* a pipe is opened at once, too, and then refused */
    int file = open_retrying(path, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0)
        return failed(errno, path, "open", ret_error);
    int r = 0;
    if (fstat(file, &status) < 0)
        r = failed(errno, path, "read its type", ret_error);
    else if (!S_ISREG(status.st_mode))
        r = error_set(ret_error, EINVAL, "%s: not a regular file", path);
    else
        r = read_all(file, path, size_max, bytes, ret_error);
    (void)close(file);
    return r;
}

static int write_all(int file, const char *path, const void *data, size_t size, struct error *ret_error)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = write(file, (const uint8_t *)data + done, size - done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            return failed(written == 0 ? EIO : errno, path, "write", ret_error);
    }
    return 0;
}

int file_write_new(
    const char *path, mode_t mode, const void *data, size_t size, bool sync, struct error *ret_error)
{
    int file = open_retrying(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (file < 0)
        return failed(errno, path, "create", ret_error);
    int r = write_all(file, path, data, size, ret_error);
    if (r == 0 && sync && fsync(file) < 0) /* never repeated: a failure is reported once */
        r = failed(errno, path, "sync", ret_error);
    if (close(file) < 0 && r == 0) /* some file systems report a failed write only here */
        r = failed(errno, path, "write", ret_error);
    if (r < 0)
        (void)unlink(path);
    return r;
}
