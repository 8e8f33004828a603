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
/* One merge if one is due. Any thread; one merge at a time. 1 = did, 0 = nothing to do, or what failed;
 * *ret_result is filled in always. */
int merger_merge_next(struct merger *merger, struct merge_result *ret_result, struct error *ret_error);
/* Ends the merge under way, which then fails, and all later ones. */
void merger_stop(struct merger *merger);

/* Which neighbours shall be merged next, given the sizes of all segments by age. False: none. */
bool merger_choose(const uint64_t *sizes, uint32_t count, uint32_t *ret_from, uint32_t *ret_count);
unsigned merger_tier(uint64_t segment_bytes); /* by size, for `inspect`; 0 = the smallest segments */

#endif
