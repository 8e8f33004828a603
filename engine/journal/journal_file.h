/* A journal file: created (zero-filled or recycled), appended to by the group commit (commit.c), read through
 * a memory map, and scanned by recovery. Frames are in frame.h; docs/FORMAT.md, section 3, has the bytes. */
#ifndef CONNECTORDB_JOURNAL_FILE_H
#define CONNECTORDB_JOURNAL_FILE_H

#include "batch.h"
#include "error.h"
#include "frame.h"
#include "io.h"
#include "map.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    JOURNAL_HEADER_BYTES = 4096, /* frames begin behind it */
    JOURNAL_BYTES_MIN = 64 << 10,
    JOURNAL_BYTES_FIRST = 4 << 20, /* size of the first journal; later ones grow with use (growth.h) */
    JOURNAL_BYTES_DEFAULT = 64 << 20,
    JOURNAL_BYTES_MAX = 1 << 30,
};

struct journal_file {
    uint64_t id;
    uint64_t nonce;
    uint64_t size;   /* of the file */
    uint64_t filled; /* when it was created or opened, blocks were allocated up to here; a hole follows */
    int file;        /* open for writing, or -1 */
    struct map *map;
    char *path;
};

/* Creates journal-<id> in the directory, ready to be appended to: zero-filled, with a header that has a new
 * random nonce; file and directory are synced. Its pages are in the page cache, so later reads need no
 * device.
 * size     a multiple of 4096 from JOURNAL_BYTES_MIN to JOURNAL_BYTES_MAX
 * recycle  path of a retired journal in the same directory, which nobody reads and no manifest names. It is
 *          renamed and reused if it has this size, and unlinked otherwise. NULL = none
 * 0 or -errno: -EEXIST; -ENOSPC, and nothing is left behind except possibly `recycle` itself. Blocks. */
int journal_file_prepare(struct io *io, const char *directory, uint64_t id, uint64_t size,
    const char *recycle, struct journal_file **ret_journal, struct error *ret_error);

/* The same, but only [0, fill) is zero-filled and the rest of the file is a hole, which reads as zeros. This
 * is quick and uses little disk space. A commit must not write to the hole before journal_file_fill has
 * allocated it.
 * fill  a multiple of 4096 that includes the header page */
int journal_file_prepare_partly(struct io *io, const char *directory, uint64_t id, uint64_t size,
    uint64_t fill, struct journal_file **ret_journal, struct error *ret_error);

/* Writes zeros to [from, to) and syncs them, which allocates the blocks. Nobody else may write there
 * meanwhile.
 * ret_synced  whether the sync was started. On failure: false = a write failed (no space), nothing else is
 *             affected; true = the sync failed, and other unsynced writes to the file may be lost
 * 0 or -errno. Blocks. */
int journal_file_fill(struct io *io, const struct journal_file *journal, uint64_t from, uint64_t to,
    bool *ret_synced, struct error *ret_error);

/* Opens an existing journal for reading. 0; -EBADMSG the header is damaged or belongs to another journal, or
 * the file has another size than it was created with; -ENOTSUP newer version or unknown flag; -errno. */
int journal_file_open(
    const char *directory, uint64_t id, struct journal_file **ret_journal, struct error *ret_error);
void journal_file_close(struct journal_file *journal); /* accepts NULL; does not unlink */

/* Sets *ret_view to the points of the frame of this series at `offset`, which the head index gave. Both
 * checksums of the frame are verified.
 * ret_view  borrows the journal's map until the journal is closed; do not free it. A caller that keeps what
 *           it read must check map_faulted(journal->map) afterwards
 * 0; -EBADMSG (with file, offset, series) the frame is damaged or no longer readable. Any thread. */
int journal_read_points(const struct journal_file *journal, uint64_t series_id, uint64_t offset,
    struct batch *ret_view, struct error *ret_error);

/* The size of the frame at `offset`, by its header alone. 0; -EBADMSG as above. Any thread. */
int journal_frame_bytes(
    const struct journal_file *journal, uint64_t offset, uint64_t *ret_bytes, struct error *ret_error);

struct journal_scan {
    uint64_t end; /* offset after the last valid frame */
    uint64_t frames;
    uint64_t points;
    uint64_t torn_bytes; /* bytes cut off as tail: from `end` to the last non-zero byte; in a recycled file,
                          which is full of stale bytes, to the end of the last frame of this journal */
};

/* Visits the valid frames in file order. Recovery, check and inspect read journals with it.
 * expected_end  the end that a clean close recorded: frames must fill the journal exactly up to it, and
 *               nothing behind it is read. 0 = unknown
 * visit         a negative result ends the scan and is returned
 * 0, *ret_scan is set. -EBADMSG = corruption: an invalid frame below expected_end, or below the synced_to of
 * a later frame with a valid header; the frames before it were visited. -EIO the file could not be read. */
int journal_file_scan(const struct journal_file *journal, uint64_t expected_end,
    int (*visit)(void *context, const struct frame *frame), void *context, struct journal_scan *ret_scan,
    struct error *ret_error);

#endif
