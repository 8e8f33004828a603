/* The parts that make up a store: for store.c, which alone composes them, and tests. A part knows the parts
 * above it here at most.
 *
 * Locks, in the order of taking; each belongs to one file, which alone takes it:
 *
 *   store_bulk.lock        a load's staging (bulk.c)
 *   merger.lock            one merge at a time (merger.c)
 *   files.apply_lock       one change of the set of files at a time, on disk and in memory (files.c)
 *   commit.lock            the filling group, reservation in the active journal, rotation, the spare, states
 *                          (commit.c)
 *   commit.listener_lock   the listener, also while it is called (commit.c)
 *   background.lock        what the threads are to do, and with what result (background.c)
 *   files.lock             the current version, published ends of journals, deleted series (files.c)
 *   journal.sync_lock      one sync of a journal outside commits (version.c)
 *   head_index.lock, recycler.lock, scratch_pool.lock   innermost (head.c, recycler.c, scratch.c)
 *
 * The committing token (commit.committing, commit.c) is no lock: its one holder writes, syncs and publishes a
 * group without one. */
#ifndef CONNECTORDB_STORE_PRIVATE_H
#define CONNECTORDB_STORE_PRIVATE_H

#include "background.h"
#include "commit.h"
#include "files.h"
#include "scratch.h"
#include "store.h"

struct store {
    struct store_options options;
    struct store_recovery recovery;
    struct io *io;
    bool io_owned;
    struct scratch_pool *scratch;
    struct files *files;
    struct commit *commit;
    struct background *background;
};

#endif
