/* The manifest: which files are the database's data. Replaced atomically, checksummed. docs/FORMAT.md. */
#ifndef CONNECTORDB_MANIFEST_H
#define CONNECTORDB_MANIFEST_H

#include "error.h"
#include "io.h"
#include "manifest_format.h"

#include <stdbool.h>
#include <stdint.h>

struct manifest {
    uint64_t version; /* counts the replacements */
    uint64_t next_file_id;
    struct manifest_journal *journals; /* oldest first */
    uint32_t journal_count;
    struct manifest_segment *segments; /* oldest first: for one series, indexes ascend */
    uint32_t segment_count;
    uint64_t *deleted; /* series ids that some file may still hold, ascending */
    uint64_t deleted_count;
};

/* Reads DIRECTORY/MANIFEST. 0; -ENOENT; -EBADMSG damaged (file, offset, expected, found); -ENOTSUP newer
 * version. Counts are bounded by the file's size before anything is allocated. */
int manifest_read(const char *directory, struct manifest *ret_manifest, struct error *ret_error);
/* Replaces it: write new, fsync, rename, fsync directory. manifest->version is written as it is. 0 or -errno.
 */
int manifest_write(
    struct io *io, const char *directory, const struct manifest *manifest, struct error *ret_error);
/* The same; *ret_in_doubt: it failed, and nobody knows whether the new one or the one before is in force. */
int manifest_write_result(struct io *io, const char *directory, const struct manifest *manifest,
    bool *ret_in_doubt, struct error *ret_error);
/* 0 or -ENOMEM; manifest_free(ret_to) in either case. */
int manifest_copy(const struct manifest *from, struct manifest *ret_to);
void manifest_free(struct manifest *manifest); /* accepts a zeroed one */
/* Each adds an entry: journals and segments at the end, a deleted series in order of id (once). 0 or -ENOMEM
 * (unchanged). */
int manifest_add_journal(struct manifest *manifest, struct manifest_journal journal);
int manifest_add_segment(struct manifest *manifest, struct manifest_segment segment);
int manifest_add_deleted(struct manifest *manifest, uint64_t series_id);

#endif
