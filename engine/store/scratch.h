/* Working memory of reads, kept from one to the next. */
#ifndef CONNECTORDB_SCRATCH_H
#define CONNECTORDB_SCRATCH_H

#include "batch.h"
#include "columns.h"

struct scratch_pool;
struct segment;

/* Blocks that stay decoded while a snapshot is open: the two ends of a range, and the blocks of its extremes.
 */
enum { SCRATCH_SLOTS = 4 };

struct block_slot {
    const struct segment *segment; /* the block whose points `batch` has; NULL = other points, or none */
    uint64_t offset;
    uint64_t used; /* the larger, the later */
    struct batch batch;
};

struct read_scratch {
    struct columns *columns;
    struct block_slot slots[SCRATCH_SLOTS];
    uint64_t clock;            /* the largest `used` */
    struct read_scratch *next; /* in the pool */
};

struct scratch_pool *scratch_pool_new(void);       /* NULL = no memory */
void scratch_pool_free(struct scratch_pool *pool); /* accepts NULL; all scratch must have been given back */
/* Any thread. NULL = no memory. */
struct read_scratch *scratch_take(struct scratch_pool *pool);
void scratch_give(struct scratch_pool *pool, struct read_scratch *scratch); /* accepts NULL scratch */

/* The slot that has the block of the segment that begins at `offset`; NULL = none has. */
struct block_slot *scratch_find(struct read_scratch *scratch, const struct segment *segment, uint64_t offset);
/* The slot that was used least recently, for other points: it has no block any more. */
struct block_slot *scratch_oldest(struct read_scratch *scratch);
/* Frees the memory of large batches, so that one that is kept has at most a few MiB. */
void scratch_trim(struct read_scratch *scratch);

#endif
