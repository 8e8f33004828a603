/* Keeps the file of one retired journal for the next journal to be prepared from: its blocks are allocated,
 * so that commits to it change no metadata. The file is DIRECTORY/recycled; nobody reads what it holds. */
#ifndef CONNECTORDB_RECYCLER_H
#define CONNECTORDB_RECYCLER_H

#include "io.h"

#include <pthread.h>
#include <stdbool.h>

struct recycler {
    pthread_mutex_t lock; /* innermost */
    struct io *io;
    char *path;
    enum { RECYCLER_EMPTY, RECYCLER_FULL, RECYCLER_TAKEN } state;
};

/* Finds the file that an earlier process left. 0 or -ENOMEM; recycler_free in either case. */
int recycler_init(struct recycler *recycler, struct io *io, const char *directory);
/* Frees its memory; the file stays. */
void recycler_free(struct recycler *recycler);
/* Renames the file to keep it, or unlinks it when there is one already or it is not whole (has holes). */
void recycler_put(struct recycler *recycler, const char *path, bool whole);
/* The size of the file kept; 0 = there is none. */
uint64_t recycler_size(struct recycler *recycler);
/* Unlinks the file kept, if there is one. */
void recycler_discard(struct recycler *recycler);
/* The path of the file kept, to prepare a journal from, or NULL. Call recycler_done afterwards, whatever
 * became of it. */
const char *recycler_take(struct recycler *recycler);
/* Ends recycler_take: another file may be kept from now on. */
void recycler_done(struct recycler *recycler);

#endif
