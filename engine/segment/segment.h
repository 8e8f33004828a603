/* A segment: an immutable, checksummed file of columnar blocks, sorted by series. docs/FORMAT.md has the bytes.
 *
 *   header | blocks ... | block index | block aggregates | series directory | footer
 *
 * A series with one small block costs its block (about 30 bytes and its data) and a directory entry of about 25. */
#ifndef CONNECTORDB_SEGMENT_H
#define CONNECTORDB_SEGMENT_H

#include "batch.h"
#include "columns.h"
#include "error.h"
#include "io.h"
#include "wide.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BLOCK_POINTS_MAX = 4096,
    BLOCK_PAYLOAD_BYTES = 64 << 10, /* a block of more than one point is given no more msgpack than this */
};

/* What a segment knows of one series. */
struct segment_series {
    uint64_t series_id;
    uint64_t first_index;
    uint64_t count;
    double time_first;
    double time_last;
    uint64_t logical_bytes; /* cumulative: of the series from index 0 to the last point here */
    uint32_t block_count;
    /* where its blocks are; for segment_block only */
    uint64_t block_index_start; /* entry in the block index; block_count > 1 */
    uint64_t block_offset;      /* block_count == 1 */
    uint64_t block_size;
};

/* One block of a series, from the index. */
struct segment_block {
    uint64_t first_index;
    uint32_t count;
    double time_first;
    double time_last;
    uint64_t offset;
    uint32_t size;
};

struct block_aggregate {
    bool valid; /* false: not a numeric block, or one with doubles (no exact sum) */
    uint32_t count;
    double min;
    double max;
    uint8_t exponent; /* sum is sum / 10^exponent, exact */
    int128 sum;
};

struct segment; /* immutable, any number of threads */

/* ---- writing ---- */
struct segment_writer; /* one thread */

/* Creates the file `path`. 0 or -errno. */
int segment_writer_open(struct io *io, const char *path, uint64_t segment_id, struct segment_writer **ret_writer,
    struct error *ret_error);
/* Starts the next series; ids ascend strictly within a segment. first_index: of the first point that will be
 * appended; logical_bytes: of all points before it. Ends the series before. A series without points leaves no trace. */
int segment_writer_series(struct segment_writer *writer, uint64_t series_id, uint64_t first_index,
    uint64_t logical_bytes, struct error *ret_error);
/* Appends points of the current series: they are gathered into blocks of BLOCK_POINTS_MAX points or
 * BLOCK_PAYLOAD_BYTES. Times are complete and do not decrease (CHECKed). The batch is borrowed for the call; whole
 * blocks are encoded from it without copying the points. */
int segment_writer_append(struct segment_writer *writer, const struct batch *batch, struct error *ret_error);
/* Appends block `number` of a series of several blocks of another segment as it is, verified and sealed anew; it must
 * continue the current series. Points gathered before become a block of their own, however small. 0; -EBADMSG the
 * block is damaged; -EFBIG; -errno. */
int segment_writer_copy_block(struct segment_writer *writer, const struct segment *from,
    const struct segment_series *series, uint32_t number, struct error *ret_error);
/* Corrects the current series' logical bytes up to here (copied blocks do not tell theirs). */
void segment_writer_set_logical_bytes(struct segment_writer *writer, uint64_t logical_bytes);
/* Bytes written or gathered so far, about the file's size if it ended now; points and series so far. */
uint64_t segment_writer_size(const struct segment_writer *writer);
uint64_t segment_writer_points(const struct segment_writer *writer);
/* Writes index, directory and footer and fsyncs the file (not the directory). 0 or -errno. */
int segment_writer_finish(struct segment_writer *writer, struct error *ret_error);
/* Frees it; an unfinished file is unlinked. Accepts NULL. */
void segment_writer_close(struct segment_writer *writer);

/* ---- reading ---- */

/* Maps the file and verifies header, footer, index and directory checksums and structure (blocks: at first read).
 * 0; -EBADMSG = damaged (file, offset, expected, found); -ENOTSUP = newer version or unknown flag; -errno. */
int segment_open(const char *path, uint64_t segment_id, struct segment **ret_segment, struct error *ret_error);
void segment_close(struct segment *segment); /* accepts NULL */
uint64_t segment_id(const struct segment *segment);
const char *segment_path(const struct segment *segment);
/* Whether a part of the file could not be read since it was opened. */
bool segment_is_faulted(const struct segment *segment);
uint64_t segment_file_size(const struct segment *segment);
uint64_t segment_footer_checksum(const struct segment *segment); /* what the manifest remembers of it */
uint64_t segment_series_count(const struct segment *segment);
uint64_t segment_point_count(const struct segment *segment);

/* Looks the series up. 1 = found, 0 = not in here, -EBADMSG/-EIO. */
int segment_find(const struct segment *segment, uint64_t series_id, struct segment_series *ret_series,
    struct error *ret_error);
/* Visits all series in ascending order of id; a visitor's non-zero return ends the walk and is returned. */
int segment_each_series(const struct segment *segment,
    int (*visit)(void *context, const struct segment_series *series), void *context, struct error *ret_error);

/* Block number `number` (0 .. block_count - 1) of the series. */
int segment_block(const struct segment *segment, const struct segment_series *series, uint32_t number,
    struct segment_block *ret_block, struct error *ret_error);
/* The number of the block that holds this index (which must be in the series' range). */
int segment_block_by_index(const struct segment *segment, const struct segment_series *series, uint64_t index,
    uint32_t *ret_number, struct error *ret_error);
/* The number of the first block whose time_last > time; block_count if none. */
int segment_block_after_time(const struct segment *segment, const struct segment_series *series, double time,
    uint32_t *ret_number, struct error *ret_error);
/* Reads and decodes a block into the batch (cleared first); its checksum is verified when it is read for the first
 * time in this process. times_only: leaves the values alone (form VALUES_NONE). 0; -EBADMSG damaged: file, offset,
 * series; -EIO the map faulted. */
int segment_read_block(const struct segment *segment, const struct segment_series *series,
    const struct segment_block *block, struct columns *columns, bool times_only, struct batch *batch,
    struct error *ret_error);
int segment_block_aggregate(const struct segment *segment, const struct segment_series *series, uint32_t number,
    struct block_aggregate *ret_aggregate, struct error *ret_error);
/* Tells the kernel that blocks up to this one are not needed in memory any more (long scans). */
/* Segments are mapped for scattered reads. Reading a block has it read as a whole, and a scan, seen by its crossing from one window of
 * megabytes into the next, has those read ahead; whoever knows that he will read on from `offset` can have that begun. */
void segment_prefetch(const struct segment *segment, uint64_t offset, uint64_t size);
void segment_forget(const struct segment *segment, const struct segment_block *block);

/* Reads everything and verifies every checksum and invariant: contiguous indexes, times in order and equal to index and
 * directory, aggregates recomputed and compared, logical bytes, no gaps or overlaps between blocks. Each finding is
 * reported through `found` (may be called often); returns the number of findings or -errno. */
int segment_check(const struct segment *segment, void (*found)(void *context, const char *message), void *context,
    struct error *ret_error);

#endif
