/* The merger's work: rewrites neighbouring segments as one. background.c has its thread. */
#ifndef CONNECTORDB_MERGER_H
#define CONNECTORDB_MERGER_H

#include "files.h"
#include "scratch.h"

struct merger;

struct merge_result {
    uint32_t segments;   /* how many were merged */
    uint64_t bytes;      /* written */
    struct error damage; /* code 0 = none: what was found in a segment that is left alone from now on */
};

/* io, files and scratch are borrowed. NULL = no memory. */
struct merger *merger_new(struct io *io, struct files *files, struct scratch_pool *scratch);
void merger_free(struct merger *merger); /* accepts NULL */
/* Merges once if a merge is due. Any thread; one merge at a time, others wait. 1 = merged; 0 = nothing to do;
 * -errno = what failed. *ret_result is always set. Blocks on the disk. */
int merger_merge_next(struct merger *merger, struct merge_result *ret_result, struct error *ret_error);
/* Makes the merge that is running fail soon, and all later ones at once. Any thread; does not wait. */
void merger_stop(struct merger *merger);

/* Chooses which neighbours to merge next.
 * sizes  of all segments in bytes, oldest first
 * true = [*ret_from, *ret_from + *ret_count); false = none. Pure. */
bool merger_choose(const uint64_t *sizes, uint32_t count, uint32_t *ret_from, uint32_t *ret_count);
unsigned merger_tier(uint64_t segment_bytes); /* by size, for `inspect`; 0 = the smallest segments */

#endif
