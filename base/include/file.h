/* Whole files: reading one, writing a new one. For files that are small or bounded; what is appended to or
 * streamed has code of its own. Every function blocks for the device, may be called by any thread, and
 * returns 0 or -errno with the path and the system's reason in *ret_error (which may be NULL). */
#ifndef CONNECTORDB_FILE_H
#define CONNECTORDB_FILE_H

#include "buffer.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Appends the content of the file to *bytes, which the caller frees (buffer_free) in every case. -E2BIG if it
 * is larger than size_max; at most one byte more is read then, whatever the file's size. Pipes and devices
 * are read up to their end, too. -ENOENT, -EACCES, ...: as open(2) and read(2). */
int file_read(const char *path, size_t size_max, struct buffer *bytes, struct error *ret_error);
/* The same of a regular file only: others are refused with -EINVAL and never waited for. For names in a
 * directory that somebody else has filled. */
int file_read_regular(const char *path, size_t size_max, struct buffer *bytes, struct error *ret_error);

/* Creates `path` with this mode (less the umask) and content; -EEXIST if it is there, which is left alone.
 * sync: the content is durable when it returns 0; the name is once directory_sync of its directory has
 * returned 0. When a write fails, the file is removed. */
int file_write_new(
    const char *path, mode_t mode, const void *data, size_t size, bool sync, struct error *ret_error);

#endif
