/* Memory of a run: what lives for one step of the evaluation, and a count of all that the run holds. */
#ifndef CONNECTORDB_QUERY_ARENA_H
#define CONNECTORDB_QUERY_ARENA_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* the one that is being filled first */
    size_t used;                /* of it */
    uint64_t held, held_max;    /* bytes of blocks and of what is counted with arena_hold */
};

void arena_init(struct arena *arena, uint64_t held_max);
void arena_free(struct arena *arena);
/* Memory until arena_reset; NULL with the error set: -ENOMEM or over held_max (-E2BIG). */
void *arena_alloc(struct arena *arena, size_t size, struct error *ret_error);
/* Gives back what arena_alloc has handed out; keeps one block. */
void arena_reset(struct arena *arena);
/* A moment, and giving back all that was handed out since. */
struct arena_mark {
    struct arena_block *block;
    size_t used;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, struct arena_mark mark);
/* Counts memory that something else allocates. 0 or -E2BIG. */
int arena_hold(struct arena *arena, size_t size, struct error *ret_error);
void arena_drop(struct arena *arena, size_t size);

#endif
