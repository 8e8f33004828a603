/* The plain system calls of io_posix.c, which the io_uring backend uses too. Each has the contract of the
 * member of struct io_operations (io.h) with its name. */
#ifndef CONNECTORDB_IO_POSIX_H
#define CONNECTORDB_IO_POSIX_H

#include "io.h"

int io_posix_open(struct io *io, const char *path, int flags, mode_t mode);
long io_posix_write(struct io *io, int file, const void *data, size_t size, uint64_t offset);
int io_posix_sync_data(struct io *io, int file);
int io_posix_sync(struct io *io, int file);
int io_posix_sync_directory(struct io *io, const char *path);
int io_posix_truncate(struct io *io, int file, uint64_t size);
int io_posix_rename(struct io *io, const char *from, const char *to);
int io_posix_unlink(struct io *io, const char *path);
int io_posix_make_directory(struct io *io, const char *path, mode_t mode);

#endif
