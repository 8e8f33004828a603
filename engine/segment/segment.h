/* A segment: an immutable, checksummed file of columnar blocks, sorted by series. docs/FORMAT.md, section 5,
 * has the bytes.
 *
 *   header | blocks ... | block index | block aggregates | series directory | footer
 *
 * A series with one small block costs its data, about 30 bytes of block header and a directory entry of about
 * 25. Errors name file, offset, and what was expected and found. */
#ifndef CONNECTORDB_SEGMENT_H
#define CONNECTORDB_SEGMENT_H

#include "batch.h"
#include "columns.h"
#include "error.h"
#include "io.h"
#include "segment_series.h"

#include <stdbool.h>
#include <stdint.h>

struct segment; /* an open segment; any number of threads may read it */

/* ---- writing ---- */

struct segment_writer; /* used by one thread at a time */

/* Creates the file. 0 or -errno. */
int segment_writer_open(struct io *io, const char *path, uint64_t segment_id,
    struct segment_writer **ret_writer, struct error *ret_error);

/* Ends the current series and starts the next. A series without points leaves no trace in the file.
 * series_id      greater than the one before
 * first_index    of the first point that will be appended
 * logical_bytes  of all points before first_index
 * 0 or -errno. */
int segment_writer_series(struct segment_writer *writer, uint64_t series_id, uint64_t first_index,
    uint64_t logical_bytes, struct error *ret_error);

/* Appends points to the current series. They are collected into blocks of BLOCK_POINTS_MAX points or
 * BLOCK_PAYLOAD_BYTES; whole blocks are encoded directly from the batch.
 * batch  borrowed until return; times are complete and do not decrease (CHECKed)
 * 0 or -errno. */
int segment_writer_append(struct segment_writer *writer, const struct batch *batch, struct error *ret_error);

/* Copies block `number` of another segment without decoding it: its checksum is verified, and a new one is
 * computed for the new offset. The series must have several blocks there, and the block must continue the
 * current series. Points that were collected before become a block of their own.
 * 0; -EBADMSG the block is damaged; -EFBIG; -errno. */
int segment_writer_copy_block(struct segment_writer *writer, const struct segment *from,
    const struct segment_series *series, uint32_t number, struct error *ret_error);

/* Sets the logical bytes of the current series so far. Needed after copied blocks, which do not record
 * theirs. */
void segment_writer_set_logical_bytes(struct segment_writer *writer, uint64_t logical_bytes);

/* Returns the bytes written or collected so far, about the size of the file if it ended now. */
uint64_t segment_writer_size(const struct segment_writer *writer);
/* Returns the points appended or copied so far. */
uint64_t segment_writer_points(const struct segment_writer *writer);

/* Writes block index, directory and footer, and syncs the file (not the directory). 0 or -errno. Blocks. */
int segment_writer_finish(struct segment_writer *writer, struct error *ret_error);

/* Frees the writer; unlinks an unfinished file. Accepts NULL. */
void segment_writer_close(struct segment_writer *writer);

/* ---- reading ---- */

/* Maps the file; verifies header, footer, block index, aggregates and directory. Blocks are verified when
 * read.
 * 0; -EBADMSG damaged; -ENOTSUP newer version or unknown flag; -errno. */
int segment_open(
    const char *path, uint64_t segment_id, struct segment **ret_segment, struct error *ret_error);
void segment_close(struct segment *segment); /* accepts NULL */
/* The id and the path that it was opened with. Any thread, as all that follow. */
uint64_t segment_id(const struct segment *segment);
const char *segment_path(const struct segment *segment);
/* Returns whether a read of the map failed since the segment was opened. */
bool segment_is_faulted(const struct segment *segment);
/* The size of the file in bytes. */
uint64_t segment_file_size(const struct segment *segment);
uint64_t segment_footer_checksum(const struct segment *segment); /* the manifest records it */
/* How many series and points it has. */
uint64_t segment_series_count(const struct segment *segment);
uint64_t segment_point_count(const struct segment *segment);

/* Finds a series. 1 = *ret_series is set; 0 = not in this segment; -EBADMSG; -EIO. */
int segment_find(const struct segment *segment, uint64_t series_id, struct segment_series *ret_series,
    struct error *ret_error);

/* Visits all series in ascending order of id. A non-zero result of `visit` ends the walk and is returned. */
int segment_each_series(const struct segment *segment,
    int (*visit)(void *context, const struct segment_series *series), void *context, struct error *ret_error);

/* Describes block `number`, from 0 to block_count - 1, of the series. 0, -EBADMSG, -EIO. */
int segment_block(const struct segment *segment, const struct segment_series *series, uint32_t number,
    struct segment_block *ret_block, struct error *ret_error);

/* Finds the block that holds the point with this index, which must be in the series' range. 0 or -EIO. */
int segment_block_by_index(const struct segment *segment, const struct segment_series *series, uint64_t index,
    uint32_t *ret_number, struct error *ret_error);

/* Finds the first block with time_last > time; *ret_number is block_count if there is none. 0 or -EIO. */
int segment_block_after_time(const struct segment *segment, const struct segment_series *series, double time,
    uint32_t *ret_number, struct error *ret_error);

/* Reads, verifies and decodes a block into the batch, which is cleared first and on failure.
 * times_only  does not decode the values: the form of the batch is VALUES_NONE
 * 0; -EBADMSG damaged; -EIO the map could not be read; -ENOMEM. Blocks on the device. */
int segment_read_block(const struct segment *segment, const struct segment_series *series,
    const struct segment_block *block, struct columns *columns, bool times_only, struct batch *batch,
    struct error *ret_error);

/* Reads the aggregate of a block without decoding it. It is not valid for blocks of doubles. 0, -EBADMSG,
 * -EIO. */
int segment_block_aggregate(const struct segment *segment, const struct segment_series *series,
    uint32_t number, struct block_aggregate *ret_aggregate, struct error *ret_error);

/* Starts to read [offset, offset + size) of the file into memory. A range that crosses a multiple of 2 MiB is
 * extended by two to four MiB, so that sequential scans are read ahead; the kernel's own read-ahead is off
 * for segments.
 * segment_read_block calls this for its block. Does not block. */
void segment_prefetch(const struct segment *segment, uint64_t offset, uint64_t size);

/* Tells the kernel that the blocks up to this one need not stay in memory; for long sequential scans. */
void segment_forget(const struct segment *segment, const struct segment_block *block);

/* Reads the whole segment and verifies every checksum and invariant: indexes are contiguous, times are in
 * order and equal to those in block index and directory, aggregates equal recomputed ones, logical bytes are
 * right, blocks leave no gaps and do not overlap.
 * found  called once per finding
 * Returns the number of findings, or -errno. */
int segment_check(const struct segment *segment, void (*found)(void *context, const char *message),
    void *context, struct error *ret_error);

#endif
