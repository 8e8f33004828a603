/* Group commit: makes appended frames durable and then visible, many inserts with one device flush. commit.c
 * explains how. */
#ifndef CONNECTORDB_COMMIT_H
#define CONNECTORDB_COMMIT_H

#include "files.h"
#include "states.h"
#include "store.h"
#include "wake.h"

struct commit;

/* Appends to `active`, the newest journal. options, io and files are borrowed; `wake` tells the background of
 * a journal to seal or to prepare; `states` and a reference to `active` are taken over, also on failure. */
int commit_new(const struct store_options *options, struct io *io, struct files *files, struct wake wake,
    struct states *states, struct journal *active, struct commit **ret_commit, struct error *ret_error);
void commit_free(struct commit *commit); /* accepts NULL */

/* The contracts of these are those of store_append, store_append_many, store_delete_series,
 * store_freeze_series, store_unfreeze_series and store_set_listener in store.h. */
int commit_append(struct commit *commit, uint64_t series_id, struct batch *batch, unsigned flags,
    uint64_t *ret_first_index, struct error *ret_error);
int commit_append_many(struct commit *commit, struct store_part *parts, uint32_t count, unsigned flags,
    uint32_t *ret_refused, struct error *ret_error);
int commit_delete_series(
    struct commit *commit, const uint64_t *series_ids, size_t count, struct error *ret_error);
int commit_freeze_series(struct commit *commit, uint64_t series_id, struct error *ret_error);
void commit_unfreeze_series(struct commit *commit, uint64_t series_id);
void commit_set_listener(struct commit *commit, store_listener listener, void *context);
void commit_get_stats(struct commit *commit, struct store_stats *stats);       /* fills in its own fields */
void commit_get_metrics(struct commit *commit, struct store_metrics *metrics); /* the same */

/* ---- for the background ---- */

/* Closes the active journal so that it can be sealed, if it holds frames; waits for a spare. */
int commit_rotate(struct commit *commit, struct error *ret_error);
/* Requirements for the journal that will follow the active one. */
struct journal_wish {
    uint64_t size;   /* of the file */
    uint64_t needed; /* a frame that waits and must fit; 0 = none */
    bool soon;       /* the active journal is in use; else only if it costs next to nothing */
};
/* Returns whether the commit has no spare and wants one; sets *ret_wish then. */
bool commit_wants_spare(struct commit *commit, struct journal_wish *ret_wish);
/* Gives it a prepared journal (the reference is taken over), or says why there is none. */
void commit_offer_spare(struct commit *commit, struct journal *spare, const struct error *prepare_error);
/* The active journal, with a reference, if inserts come near the end of its allocated blocks, and the next
 * piece to allocate; or NULL. */
struct journal *commit_wants_blocks(struct commit *commit, uint64_t *ret_from, uint64_t *ret_to);
/* Reports that the blocks up to `to` are allocated, or (fill_error not NULL) why not. */
void commit_offer_blocks(
    struct commit *commit, struct journal *journal, uint64_t to, const struct error *fill_error);
/* Whether the journal takes no more frames; its end then. */
bool commit_is_closed(struct commit *commit, const struct journal *journal, uint64_t *ret_end);
struct journal *commit_active(struct commit *commit); /* a reference */
/* Reports that a journal was replaced by a segment: wakes waiting appenders, and drops states of series whose
 * end can now be read from segments. */
void commit_sealed(struct commit *commit, struct journal *journal);
/* A write or sync of a journal failed: no insert will be acknowledged any more. */
void commit_kill(struct commit *commit, const struct error *error);
/* 0, or -EIO and why it is dead. */
int commit_check_alive(struct commit *commit, struct error *ret_error);

#endif
