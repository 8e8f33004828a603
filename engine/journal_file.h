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
    JOURNAL_BYTES_DEFAULT = 64 << 20,
    JOURNAL_BYTES_MAX = 1 << 30,
    FRAME_BYTES_MAX = 64 << 20,
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

/* The size in the file of a frame with this batch as payload (header, payload, padding to 8). Fails with -E2BIG
 * over FRAME_BYTES_MAX (then 0). Times must be complete. */
size_t frame_bytes(const struct batch *batch);
/* Writes the frame (frame_bytes long; batch NULL for a tombstone) to `to`, checksummed for this nonce and
 * frame->offset. payload_bytes is filled in. Pure; any thread. */
void frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);
/* Size in the file of a parsed frame. */
size_t frame_size(const struct frame *frame);
/* Parses and verifies the frame at `offset` of a journal image of `size` bytes. 1 = a valid frame, with *ret_frame
 * filled; 0 = no valid frame here (all zero, stale, torn, damaged). Never reads outside. verify_payload: also the
 * payload's checksum. */
int frame_parse(const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, bool verify_payload,
    struct frame *ret_frame);
/* Sets *view to the points of a verified frame, borrowing the image's memory where the form allows it. Structure is
 * checked again (bounded lengths, msgpack validated when `untrusted`). 0 or -EBADMSG. */
int frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error);

struct journal_file {
    uint64_t id;
    uint64_t nonce;
    uint64_t size; /* of the file */
    int file;      /* open for writing, or -1 */
    struct map *map;
    char *path;
};

/* Makes journal-<id> in the directory ready to append to: `size` bytes, zero-filled (or renamed from `recycle`, a
 * journal that nobody reads any more), header with a new random nonce, synced, directory synced. 0 or -errno
 * (-ENOSPC: nothing is left behind but perhaps `recycle` itself). */
int journal_file_prepare(struct io *io, const char *directory, uint64_t id, uint64_t size, const char *recycle,
    struct journal_file **ret_journal, struct error *ret_error);
/* Opens an existing journal for reading. 0; -EBADMSG header damaged; -ENOTSUP newer version; -errno. */
int journal_file_open(const char *directory, uint64_t id, struct journal_file **ret_journal,
    struct error *ret_error);
void journal_file_close(struct journal_file *journal); /* accepts NULL; does not unlink */

struct journal_scan {
    uint64_t end;          /* offset after the last valid frame */
    uint64_t frames;
    uint64_t points;
    uint64_t torn_bytes;   /* from end to the last non-zero byte or later valid frame's... what is cut off as tail */
};

/* Recovery's reader, also used by check and inspect: visits every valid frame in order. expected_end: the end that a
 * clean close recorded, 0 = unknown. 0 with *ret_scan; -EBADMSG = corruption as engine.md defines it: a bad frame
 * below expected_end or below the largest synced_to of any later valid frame (message: file, offset, expected,
 * found, `connectordb repair`). A visitor's negative return ends the scan and is returned. */
int journal_file_scan(const struct journal_file *journal, uint64_t expected_end,
    int (*visit)(void *context, const struct frame *frame), void *context, struct journal_scan *ret_scan,
    struct error *ret_error);

#endif
