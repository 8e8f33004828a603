/* The engine's door to the file system: everything that changes a file or directory passes through a struct
 * io, so that tests can record it and make any call fail. Reading is by mmap (map.h) and plain pread.
 *
 * Two backends: uring.c (the only file that knows liburing; submit and wait are asynchronous, the rest are
 * plain calls) and io_posix.c. io_open_default takes io_uring unless the system forbids it (ENOSYS, EPERM,
 * EACCES, ENOMEM on setup) or the environment variable CONNECTORDB_IO is "posix".
 *
 * An io may be used by several threads at once, except io_write_sync: one at a time (the group commit). */
#ifndef CONNECTORDB_IO_H
#define CONNECTORDB_IO_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io;

/* One asynchronous write under way (file_writer). Owned by the caller until io_wait returned for it. */
struct io_request {
    int file;
    const void *data;
    size_t size;
    uint64_t offset;
    long result; /* bytes written or -errno, after io_wait */
    bool pending;
    void *queue; /* backend's */
};

struct io_operations {
    const char *name; /* "io_uring", "posix", "fault(posix)" */
    /* open(2) with these flags; >= 0 file descriptor or -errno */
    int (*open)(struct io *io, const char *path, int flags, mode_t mode);
    /* One write, may be short; bytes or -errno. */
    long (*write)(struct io *io, int file, const void *data, size_t size, uint64_t offset);
    int (*sync_data)(struct io *io, int file);              /* fdatasync */
    int (*sync)(struct io *io, int file);                   /* fsync */
    int (*sync_directory)(struct io *io, const char *path); /* directory_sync */
    int (*truncate)(struct io *io, int file, uint64_t size);
    int (*rename)(struct io *io, const char *from, const char *to);
    int (*unlink)(struct io *io, const char *path);
    int (*make_directory)(struct io *io, const char *path, mode_t mode);
    /* Starts request->data/size/offset/file; a backend without asynchrony does it at once. */
    void (*submit)(struct io *io, struct io_request *request);
    /* Waits until request is no longer pending. */
    void (*wait)(struct io *io, struct io_request *request);
    void (*close)(struct io *io);
};

struct io {
    const struct io_operations *operations;
};

/* Each opens a backend: the best one that the system allows, io_uring, or plain system calls. 0 or -errno
 * with the reason. */
int io_open_default(struct io **ret_io, struct error *ret_error);
int io_open_uring(struct io **ret_io, struct error *ret_error);
int io_open_posix(struct io **ret_io, struct error *ret_error);
/* Accepts NULL. */
void io_close(struct io *io);
/* The name of the backend; static. */
const char *io_name(const struct io *io);

/* Writes all of it, continuing short writes, then fdatasyncs if `sync`: the commit. The sync is issued after
 * the last byte was taken. 0 or -errno; after a failure nothing is known about the range. path: for the
 * message. */
int io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    bool sync, struct error *ret_error);
/* The same without any sync; any thread. */
int io_write_all(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    struct error *ret_error);
/* The operations with an error message: path, call and the system's reason. 0 or -errno; ret_error may be
 * NULL where a failure is tolerated. Any thread. A new, renamed or removed name is durable only when
 * io_sync_directory returned 0 for its directory afterwards (for both directories, after a rename from one to
 * the other). */
int io_open_file(
    struct io *io, const char *path, int flags, mode_t mode, struct error *ret_error); /* or its fd */
/* fsync(2) and fdatasync(2) of a file, fsync(2) of a directory. Each blocks until the device has the data. */
int io_sync(struct io *io, int file, const char *path, struct error *ret_error);
int io_sync_data(struct io *io, int file, const char *path, struct error *ret_error);
int io_sync_directory(struct io *io, const char *path, struct error *ret_error);
/* ftruncate(2), rename(2), unlink(2) and mkdir(2). */
int io_truncate(struct io *io, int file, const char *path, uint64_t size, struct error *ret_error);
int io_rename(struct io *io, const char *from, const char *to, struct error *ret_error);
int io_unlink(struct io *io, const char *path, struct error *ret_error);
int io_make_directory(struct io *io, const char *path, mode_t mode, struct error *ret_error);

/* Replaces a small file: writes directory/name.new, fsyncs it, renames it to directory/name, and fsyncs the
 * directory. 0 or -errno. Blocks. */
int io_replace_file(struct io *io, const char *directory, const char *name, const void *data, size_t size,
    struct error *ret_error);
/* The same. After a failure, *ret_renamed false means that the old file is in its place for certain; true
 * means that after a power loss either may be found. */
int io_replace_file_result(struct io *io, const char *directory, const char *name, const void *data,
    size_t size, bool *ret_renamed, struct error *ret_error);

#endif
