/* The journal's file: header and frames <-> bytes, and the file's life: prepared (zero-filled or recycled),
 * appended to by the group commit, read through a map, scanned at recovery. docs/FORMAT.md has the bytes.
 * The group commit itself is in commit.c. */
#ifndef CONNECTORDB_JOURNAL_FILE_H
#define CONNECTORDB_JOURNAL_FILE_H

#include "batch.h"
#include "error.h"
#include "io.h"
#include "map.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    JOURNAL_HEADER_BYTES = 4096,
    JOURNAL_BYTES_MIN = 64 << 10,
    JOURNAL_BYTES_FIRST = 4 << 20, /* journals grow from here with their use */
    JOURNAL_BYTES_DEFAULT = 64 << 20,
    JOURNAL_BYTES_MAX = 1 << 30,
    FRAME_BYTES_MAX = 64 << 20,
    FRAME_ALIGNMENT = 8, /* of every frame, in bytes */
};

enum frame_kind {
    FRAME_POINTS = 1,    /* payload: a batch */
    FRAME_TOMBSTONE = 2, /* the series is deleted; no payload */
};

/* A frame's header in memory. */
struct frame {
    enum frame_kind kind;
    uint64_t series_id;
    uint64_t first_index;
    uint32_t count;
    uint32_t payload_bytes;
    uint64_t group;     /* number of the group commit that wrote it, ascending within a journal */
    uint64_t synced_to; /* file offset known durable when the group was written */
    uint64_t offset;    /* in the file, 8-byte aligned */
    uint64_t logical_bytes; /* of the series up to and including this frame */
    double time_first;
    double time_last;
};

/* The size in the file of a frame with this batch as payload (header, payload, padding to 8), of a tombstone for
 * NULL; 0 when it is over FRAME_BYTES_MAX. */
size_t frame_bytes(const struct batch *batch);
/* Writes the frame (frame_bytes long; batch NULL for a tombstone) to `to` (8-byte aligned), checksummed for this
 * nonce and frame->offset. payload_bytes and, from the batch, the times are filled in. synced_to <= offset.
 * Pure; any thread. */
void frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);
/* The same in two steps: the payload, which is most of the work, before the frame's place and group are known
 * (only kind and count must be set), then the header. */
void frame_pack_payload(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);
void frame_pack_header(uint8_t *to, uint64_t nonce, const struct frame *frame);
/* Size in the file of a parsed frame. */
size_t frame_size(const struct frame *frame);
/* Parses and verifies the frame at `offset` of a journal image of `size` bytes. 1 = a valid frame, with *ret_frame
 * filled; 0 = no valid frame here (all zero, stale, torn, damaged). Never reads outside. verify_payload: also the
 * payload's checksum. */
int frame_parse(const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, bool verify_payload,
    struct frame *ret_frame);
/* Sets *view to the points of a verified frame of kind FRAME_POINTS, borrowing the image's memory (8-byte aligned,
 * as a map is; only read it): no batch_free. What keeps a reader within the frame is checked always; `untrusted`
 * checks the rest too: numbers and times finite and in order, msgpack valid. 0 or -EBADMSG. */
int frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error);

struct journal_file {
    uint64_t id;
    uint64_t nonce;
    uint64_t size;   /* of the file */
    uint64_t filled; /* as it was prepared or opened: its blocks are allocated up to here; what follows is a hole */
    int file;        /* open for writing, or -1 */
    struct map *map;
    char *path;
};

/* Makes journal-<id> in the directory ready to append to: `size` bytes (a multiple of 4096, within the limits),
 * zero-filled (or renamed from `recycle`, a path in the same directory of a journal that nobody reads any more and no
 * manifest names; of another size it is unlinked instead; NULL = none), header with a new random nonce, synced,
 * directory synced. Reads nothing from the device later: its pages are in the cache. 0 or -errno (-EEXIST; -ENOSPC:
 * nothing is left behind but perhaps `recycle` itself). */
int journal_file_prepare(struct io *io, const char *directory, uint64_t id, uint64_t size, const char *recycle,
    struct journal_file **ret_journal, struct error *ret_error);
/* The same for a file that is filled only up to `fill` (a multiple of 4096, at least the header) and has a hole behind it, which reads as
 * zeros: quick to make, and small on the disk. A commit must not write there before journal_file_fill. */
int journal_file_prepare_partly(struct io *io, const char *directory, uint64_t id, uint64_t size, uint64_t fill,
    struct journal_file **ret_journal, struct error *ret_error);
/* Writes zeros to [from, to) and syncs them: blocks are allocated then. Nobody else may write there meanwhile. *ret_synced: false = a
 * write failed and nothing else happened (no space); true with a failure: the sync failed, and with it perhaps other writes to the file.
 * 0 or -errno. */
int journal_file_fill(struct io *io, const struct journal_file *journal, uint64_t from, uint64_t to, bool *ret_synced,
    struct error *ret_error);
/* Opens an existing journal for reading. 0; -EBADMSG header damaged or not this journal's, or the file has another
 * size than it was made with; -ENOTSUP newer version or unknown flag; -errno. */
int journal_file_open(const char *directory, uint64_t id, struct journal_file **ret_journal,
    struct error *ret_error);
void journal_file_close(struct journal_file *journal); /* accepts NULL; does not unlink */

/* Sets *ret_view to the points of the series' frame at `offset`, a place that the head index gave, after both
 * of the frame's checksums are verified. The view borrows the journal's map (do not free it) and is valid
 * while the journal is open; who keeps what was read looks at map_faulted(journal->map) afterwards. Any
 * thread. 0; -EBADMSG naming file, offset and series: the frame is damaged or cannot be read any more. */
int journal_read_points(const struct journal_file *journal, uint64_t series_id, uint64_t offset,
    struct batch *ret_view, struct error *ret_error);

struct journal_scan {
    uint64_t end;          /* offset after the last valid frame */
    uint64_t frames;
    uint64_t points;
    uint64_t torn_bytes;   /* cut off as tail: from end to the last byte of this journal that was found after it (a
                            * recycled file is full of stale bytes: there only frames of this journal count) */
};

/* Recovery's reader, also used by check and inspect: visits the valid frames from the first one up to the end, in
 * order. expected_end: the end that a clean close recorded: frames fill the journal exactly up to it and what lies
 * behind is not looked at; 0 = unknown. 0 with *ret_scan; -EBADMSG = corruption: a bad frame below expected_end or
 * below the synced_to of any later frame with a valid header (message: file, offset, expected, found, `connectordb
 * repair`; frames before it were visited); -EIO the file could not be read. A visitor's negative return ends the scan
 * and is returned. */
int journal_file_scan(const struct journal_file *journal, uint64_t expected_end,
    int (*visit)(void *context, const struct frame *frame), void *context, struct journal_scan *ret_scan,
    struct error *ret_error);

#endif
