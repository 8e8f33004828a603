/* Working memory of reads, kept from one to the next. */
#ifndef CONNECTORDB_SCRATCH_H
#define CONNECTORDB_SCRATCH_H

#include "batch.h"
#include "columns.h"

struct scratch_pool;

struct read_scratch {
    struct columns *columns;
    struct batch batch;
    struct read_scratch *next; /* in the pool */
};

struct scratch_pool *scratch_pool_new(void);       /* NULL = no memory */
void scratch_pool_free(struct scratch_pool *pool); /* accepts NULL; all scratch must have been given back */
/* Any thread. NULL = no memory. */
struct read_scratch *scratch_take(struct scratch_pool *pool);
void scratch_give(struct scratch_pool *pool, struct read_scratch *scratch); /* accepts NULL scratch */

#endif
