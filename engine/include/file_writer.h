/* Writes one new file from front to back with few, large, aligned writes: O_DIRECT with two buffers in flight
 * on io_uring where the system allows it, plain writes otherwise. For segments and for the data files of
 * exports. Used by one thread. */
#ifndef CONNECTORDB_FILE_WRITER_H
#define CONNECTORDB_FILE_WRITER_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io;
struct file_writer;

enum { FILE_WRITER_BUFFER_BYTES = 1 << 20 };

/* Creates `path` (it must not exist: -EEXIST) with this mode. io: borrowed; NULL = the process's default.
 * Small files (that fit one buffer) are written with one plain write, without O_DIRECT. Memory: 2 buffers,
 * reused from a small process-wide pool. 0 or -errno. */
int file_writer_open(
    struct io *io, const char *path, mode_t mode, struct file_writer **ret_writer, struct error *ret_error);
/* Appends the bytes. Blocks while both buffers are under way. 0 or -errno (the first failure stays). */
int file_writer_append(struct file_writer *writer, const void *data, size_t size, struct error *ret_error);
/* Room of at least *ret_size >= 1 bytes in the current buffer to fill directly; take it with
 * file_writer_commit. */
int file_writer_reserve(
    struct file_writer *writer, uint8_t **ret_data, size_t *ret_size, struct error *ret_error);
/* Takes the first `size` bytes of the room that file_writer_reserve gave. */
void file_writer_commit(struct file_writer *writer, size_t size);
/* Bytes appended so far: the offset of the next one. */
uint64_t file_writer_offset(const struct file_writer *writer);
/* Writes what is left, cuts the file to its exact length and fsyncs it. The directory is not synced. The
 * writer stays open for file_writer_close. 0 or -errno. */
int file_writer_finish(struct file_writer *writer, struct error *ret_error);
/* Frees the writer; a file that was not finished is unlinked. Accepts NULL. */
void file_writer_close(struct file_writer *writer);

#endif
