/* The store's threads: the sealer's, the merger's and, with STORE_FSYNC_INTERVAL, the syncer's; or none of
 * them, when the caller does their work. */
#ifndef CONNECTORDB_BACKGROUND_H
#define CONNECTORDB_BACKGROUND_H

#include "commit.h"
#include "files.h"
#include "scratch.h"

struct background;

/* In this order: new, start (once the commit is there), stop, free. All that is passed is borrowed. */
struct background *background_new(const struct store_options *options); /* NULL = no memory */
/* 0 or -errno; stop and free it then, too. */
int background_start(struct background *background, struct io *io, struct files *files, struct commit *commit,
    struct scratch_pool *scratch, struct error *ret_error);
/* Ends the threads and waits for them; a merge under way is given up. May be called more than once. */
void background_stop(struct background *background);
void background_free(struct background *background); /* accepts NULL */

/* Wake the sealer because a journal is to be sealed or prepared, and the merger because there are new
 * segments. Functions for a struct wake. Any thread; short locks only. */
void background_wake_sealer(void *background);
void background_wake_merger(void *background);
void background_wake_syncer(void *background); /* something was written that is to be synced */

/* The contracts of store_seal, store_merge and store_work are in store.h. Each blocks until its work is
 * done. */
int background_seal(struct background *background, bool active, struct error *ret_error);
int background_merge(struct background *background, struct error *ret_error);
int background_work(struct background *background, struct error *ret_error);
void background_get_stats(
    struct background *background, struct store_stats *stats); /* fills in its own fields */
void background_get_metrics(struct background *background, struct store_metrics *metrics); /* the same */

#endif
