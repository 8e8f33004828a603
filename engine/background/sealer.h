/* The sealer's work: keeps a spare journal ready and turns closed journals into segments. background.c has
 * its thread. */
#ifndef CONNECTORDB_SEALER_H
#define CONNECTORDB_SEALER_H

#include "commit.h"
#include "files.h"

struct sealer { /* what it points to is borrowed */
    const struct store_options *options;
    struct io *io;
    struct files *files;
    struct commit *commit;
    uint64_t seal_bytes; /* how far the last attempt to seal got before the disk was full; 0 = it was not */
};

/* Prepares a journal for the commit if it wants one. One thread at a time. 1 = did, 0 = none is wanted, or
 * what failed. */
int sealer_prepare_spare(struct sealer *sealer, struct error *ret_error);
/* Allocates blocks of the active journal ahead of the inserts, as many as the commit wants. One thread at a
 * time. 1 = did, 0 = none are wanted, or what failed; when that was a sync, inserts fail from now on. */
int sealer_allocate_blocks(struct sealer *sealer, struct error *ret_error);
/* Seals the oldest journal if it is due. One thread at a time. 1 = did, with the size of the segment (0 =
 * nothing was left for one), 0 = nothing to do, or what failed. */
int sealer_seal_next(struct sealer *sealer, uint64_t *ret_bytes, struct error *ret_error);
/* Whether a closed journal waits to be sealed. Any thread. */
bool sealer_is_due(struct sealer *sealer);
/* Makes the active journal's published part durable. Any thread. 0 or what failed; then inserts fail from now
 * on. */
int sealer_sync_active(struct sealer *sealer, struct error *ret_error);

#endif
