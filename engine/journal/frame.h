/* A frame: one batch of one series, or a tombstone, in a journal. docs/FORMAT.md, section 3, has the bytes.
 * Packing and parsing do no I/O and may be called by any thread. */
#ifndef CONNECTORDB_FRAME_H
#define CONNECTORDB_FRAME_H

#include "batch.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_BYTES_MAX = 64 << 20,
    FRAME_ALIGNMENT = 8, /* of the offset and size of every frame, in bytes */
};

enum frame_kind {
    FRAME_POINTS = 1,    /* payload: a batch */
    FRAME_TOMBSTONE = 2, /* the series is deleted; no payload */
};

/* The header of a frame in memory. */
struct frame {
    enum frame_kind kind;
    bool continues; /* the next frame belongs to the same unit: both are valid, or neither */
    uint64_t series_id;
    uint64_t first_index;
    uint32_t count;
    uint32_t payload_bytes;
    uint64_t group;         /* number of the group commit that wrote it; ascends within a journal */
    uint64_t synced_to;     /* file offset: everything before it was durable when the group was written */
    uint64_t offset;        /* in the file; a multiple of FRAME_ALIGNMENT */
    uint64_t logical_bytes; /* of the series from index 0 up to and including this frame */
    double time_first;
    double time_last;
};

/* Returns the size in the file of a frame with this batch as payload (header, payload, padding), or of a
 * tombstone if batch is NULL. 0 if that exceeds FRAME_BYTES_MAX. */
size_t frame_bytes(const struct batch *batch);

/* Writes a complete frame of frame_bytes(batch) bytes to `to`, which is aligned to FRAME_ALIGNMENT.
 * nonce  of the journal; frame->offset and nonce seed the checksums
 * frame  kind, series_id, first_index, count, group, synced_to (<= offset), offset and logical_bytes are set
 *        by the caller; payload_bytes and the times of a batch are set here
 * batch  borrowed until return; NULL for a tombstone */
void frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);

/* frame_pack in two steps, so that the payload can be packed before the offset and group of the frame are
 * known. The payload takes most of the time and needs only kind and count. */
void frame_pack_payload(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch);
void frame_pack_header(uint8_t *to, uint64_t nonce, const struct frame *frame);

/* Returns the size in the file of a parsed frame. */
size_t frame_size(const struct frame *frame);

/* Parses and verifies the frame at `offset` of the journal image [image, image + size). Never reads outside
 * of it.
 * verify_payload  also verify the checksum of the payload
 * 1 = valid, *ret_frame is set. 0 = no valid frame here (zeros, stale bytes, torn or damaged). */
int frame_parse(const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, bool verify_payload,
    struct frame *ret_frame);

/* The same for the header alone: 1 also if the payload does not fit in the image. */
int frame_parse_header(
    const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, struct frame *ret_frame);

/* Writes to `text` what is wrong with the bytes at `offset`: what was expected and what was found. */
void frame_describe(
    const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, char *text, size_t text_size);

/* Sets *view to the points of a verified frame of kind FRAME_POINTS.
 * image      aligned to FRAME_ALIGNMENT, as a map is
 * untrusted  also check that numbers and times are finite, that times do not decrease and that msgpack is
 *            valid. Sizes and offsets within the frame are always checked.
 * view       borrows the memory of the image: do not change it or call batch_free
 * 0 or -EBADMSG. */
int frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error);

#endif
