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

/* Prepares a journal for the commit if it wants one. One thread at a time. 1 = prepared; 0 = none is wanted;
 * -errno = what failed. Blocks on the disk. */
int sealer_prepare_spare(struct sealer *sealer, struct error *ret_error);
/* Allocates blocks of the active journal ahead of the inserts, as many as the commit wants. One thread at a
 * time. 1 = allocated; 0 = none are wanted; -errno = what failed. After a failed sync inserts fail from now
 * on. Blocks on the disk. */
int sealer_allocate_blocks(struct sealer *sealer, struct error *ret_error);
/* Seals the oldest journal if it is closed. One thread at a time. 1 = sealed, *ret_bytes is the size of the
 * segment (0 = no points were left for one); 0 = nothing to do; -errno = what failed. Blocks on the disk. */
int sealer_seal_next(struct sealer *sealer, uint64_t *ret_bytes, struct error *ret_error);
/* Whether a closed journal waits to be sealed. Any thread. */
bool sealer_is_due(struct sealer *sealer);
/* Makes the published part of the active journal durable. Any thread. 0, or -errno and inserts fail from now
 * on. Blocks for a device flush. */
int sealer_sync_active(struct sealer *sealer, struct error *ret_error);

#endif
