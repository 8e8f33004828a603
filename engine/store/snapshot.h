/* A snapshot, and where a series is in it. A series is a row of parts, each of which continues the one
 * before: what segments hold of it, oldest first, then what journals hold of it. */
#ifndef CONNECTORDB_SNAPSHOT_H
#define CONNECTORDB_SNAPSHOT_H

#include "files.h"
#include "scratch.h"
#include "store.h"

struct store_snapshot {
    struct io *io;
    struct files *files;
    struct scratch_pool *scratch;
    struct files_moment *moment;
    _Atomic(struct read_scratch *) kept; /* of the last reader, with the blocks that it decoded; or NULL */
};

/* What store_snapshot_open promises (store.h). All are borrowed. */
int snapshot_open(struct io *io, struct files *files, struct scratch_pool *scratch,
    struct store_snapshot **ret_snapshot, struct error *ret_error);

/* Working memory for one reader of the snapshot, with blocks that an earlier one decoded if no other reader
 * has it now. To be given back before the snapshot is closed. Any thread. NULL = no memory. */
struct read_scratch *snapshot_scratch_take(struct store_snapshot *snapshot);
void snapshot_scratch_give(struct store_snapshot *snapshot, struct read_scratch *scratch); /* accepts NULL */

struct part {
    struct segment *segment; /* NULL: the part is in a journal */
    struct segment_series series;
    struct journal *journal;
    const struct head_series *head;
    uint32_t reference_count;
    uint64_t first_index;
    uint64_t end_index;
    double time_last;
    uint64_t logical_bytes;
};

struct parts {
    struct part *list;
    uint32_t count;
};

/* Where the series is, in order and without gaps; no parts for an unknown or deleted one. Free
 * ret_parts->list. 0, -EBADMSG, -ENOMEM. */
int parts_find(
    struct store_snapshot *snapshot, uint64_t series_id, struct parts *ret_parts, struct error *ret_error);
/* Frame `number` of a part in a journal, verified, as a view into the journal. 0 or -EBADMSG. */
int part_read_frame(
    const struct part *part, uint32_t number, struct batch *ret_view, struct error *ret_error);
/* The points read through views of the part's journal are those in the file: no page of it had to be replaced
 * meanwhile (it was cut, or cannot be read). To be asked after they were used. */
int part_check_journal(const struct part *part, struct error *ret_error);

#endif
