/* The head index: where in a journal the frames of each series are. One index per journal; the committing
 * thread adds to it, readers walk it.
 *
 * A series' references stand in chunks of 1, 4, 16, ... that never move, so that a reader which took a count
 * under the lock reads everything below it without a lock. */
#ifndef CONNECTORDB_HEAD_H
#define CONNECTORDB_HEAD_H

#include "id_map.h"
#include "journal_file.h"

#include <pthread.h>
#include <stdint.h>

enum { HEAD_CHUNKS = 13 }; /* 1 + 4 + ... + 4^12: more frames than fit into JOURNAL_BYTES_MAX */

struct frame_reference {
    uint64_t first_index;
    double time_last;
    uint64_t logical_bytes; /* of the series up to and including the frame */
    uint32_t offset_units;  /* file offset / FRAME_ALIGNMENT: 32 bits suffice; see frame_reference_offset */
    uint32_t count;
};

/* The frame's offset in the journal file. */
static inline uint64_t frame_reference_offset(const struct frame_reference *reference)
{
    return (uint64_t)reference->offset_units * FRAME_ALIGNMENT;
}

struct head_series {
    uint64_t series_id;
    uint32_t count;    /* references; under the index's lock */
    uint32_t reserved; /* references that there is memory for */
    struct frame_reference first;
    struct frame_reference *chunks[HEAD_CHUNKS - 1];
};

struct head_index {
    pthread_mutex_t lock;
    struct id_map series;
    uint64_t points;
    uint64_t *tombstones; /* series ids deleted by frames of this journal */
    size_t tombstone_count, tombstone_capacity;
    size_t tombstones_reserved; /* count, and those that there shall be memory for */
};

/* Makes an empty index. 0 or -errno. */
int head_index_init(struct head_index *index);
/* Frees its memory. Nobody may be reading. */
void head_index_free(struct head_index *index);
/* Gets the memory for one more frame of this kind and series, so that adding it cannot fail: an insert is
 * refused before it is written, not after. Any thread. 0 or -ENOMEM (unchanged). */
int head_index_reserve(struct head_index *index, enum frame_kind kind, uint64_t series_id);
/* Adds a durable frame. One thread at a time. 0 or, without a reservation, -ENOMEM (unchanged). */
int head_index_add(struct head_index *index, const struct frame *frame);
/* The series' references in frames that lie below file offset `end`: their count, and *ret_series to read
 * them with head_reference. 0 = none. */
uint32_t head_index_find(
    struct head_index *index, uint64_t series_id, uint64_t end, const struct head_series **ret_series);
/* Reference number `number`, which must be below a count that head_index_find returned. */
const struct frame_reference *head_reference(const struct head_series *series, uint32_t number);
/* All series ids of points in the index, ascending, malloc'ed; for a closed journal. 0 or -ENOMEM. */
int head_index_series(struct head_index *index, uint64_t **ret_ids, size_t *ret_count);

#endif
