/* The engine's door to the file system: everything that changes a file or directory passes through a struct io,
 * so that tests can record it and make any call fail. Reading is by mmap (map.h) and plain pread.
 *
 * Two backends: uring.c (the only file that knows liburing; submit and wait are asynchronous, the rest are plain
 * calls) and io_posix.c. io_open_default takes io_uring unless the system forbids it (ENOSYS, EPERM, EACCES, ENOMEM
 * on setup) or the environment variable CONNECTORDB_IO is "posix". io_fault.c wraps another io for tests.
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
    int (*sync_data)(struct io *io, int file); /* fdatasync */
    int (*sync)(struct io *io, int file);      /* fsync */
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

int io_open_default(struct io **ret_io, struct error *ret_error);
int io_open_uring(struct io **ret_io, struct error *ret_error);
int io_open_posix(struct io **ret_io, struct error *ret_error);
/* Accepts NULL. */
void io_close(struct io *io);
const char *io_name(const struct io *io);

/* Writes all of it, continuing short writes, then fdatasyncs if `sync`: the commit. The sync is issued after the
 * last byte was taken. 0 or -errno; after a failure nothing is known about the range. path: for the message. */
int io_write_sync(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    bool sync, struct error *ret_error);
/* The same without any sync; any thread. */
int io_write_all(struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
    struct error *ret_error);
/* Publishes a small file: writes `path`.new, fsyncs it, renames it over path, fsyncs the directory. */
int io_replace_file(struct io *io, const char *directory, const char *name, const void *data, size_t size,
    struct error *ret_error);
/* The same; *ret_renamed: false = the old file is in its place for certain, true = after a failure, power loss may bring back either. */
int io_replace_file_told(struct io *io, const char *directory, const char *name, const void *data, size_t size, bool *ret_renamed,
    struct error *ret_error);

/* ---- io_fault.c: for tests; part of the engine library so that every test can use it ---- */
enum io_call { IO_CALL_OPEN, IO_CALL_WRITE, IO_CALL_SYNC, IO_CALL_SYNC_DIRECTORY, IO_CALL_TRUNCATE, IO_CALL_RENAME,
    IO_CALL_UNLINK, IO_CALL_MAKE_DIRECTORY };

struct io_fault_plan {
    uint64_t fail_at;   /* 1 = the first counted call fails; 0 = never */
    uint64_t fail_count;/* how many calls in a row fail from there on; 0 = all later ones */
    int code;           /* errno to fail with; 0 = make writes short (half, at least 1 byte) instead of failing */
    unsigned calls;     /* bit mask of 1u << enum io_call that are counted and may fail */
    /* Called after each successful call, in order, under the fault io's lock (may be NULL): the recorder.
     * path: what the file was opened as. data, size: of a write, what was taken of it. offset: of a write; of a
     * truncate the new size; of an open its flags; of a sync how many calls had been recorded when it was issued,
     * so that a test sees which writes were complete by then. */
    void (*record)(void *context, enum io_call call, const char *path, const char *path2, const void *data,
        size_t size, uint64_t offset);
    void *context;
};

/* Wraps `inner` (owned from now on). The plan may be changed with io_fault_set at any time; counting starts anew. */
int io_open_fault(struct io *inner, const struct io_fault_plan *plan, struct io **ret_io);
void io_fault_set(struct io *io, const struct io_fault_plan *plan);
/* Calls counted since the plan was set. */
uint64_t io_fault_calls(struct io *io);

#endif
