/* Versions: the list of files that make up the data at one moment. A version never changes and is counted:
 * readers hold one, and a file that no version names any more is unlinked (a journal: recycled) when its last
 * holder lets go. files.c makes them. */
#ifndef CONNECTORDB_VERSION_H
#define CONNECTORDB_VERSION_H

#include "head.h"
#include "journal_file.h"
#include "recycler.h"
#include "segment.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct journal {
    atomic_uint references;
    struct journal_file *file;
    struct head_index index;
    uint64_t reserved_end;  /* commit.c's lock */
    uint64_t filled_end;    /* commit.c's lock: blocks are allocated up to here, and no frame goes further */
    bool closed;            /* commit.c's lock: takes no more frames */
    uint64_t published_end; /* files.c's lock */
    uint64_t clean_end; /* files.c's apply_lock, and read by its sealer, whose edits alone change it: what the
                           manifest says; 0 = nothing */
    _Atomic uint64_t synced_end; /* everything below is known to be on disk */
    pthread_mutex_t sync_lock;   /* version.c: one sync at a time outside commits; sync_failed. Innermost */
    bool sync_failed;            /* what it holds is not known to be on disk, whatever a later sync says */
    struct recycler *recycler;   /* takes the file of an obsolete journal; NULL: the file stays */
    atomic_bool obsolete;        /* no manifest names it */
};

struct segment_file {
    atomic_uint references;
    struct segment *segment;
    struct io *io;
    atomic_bool obsolete; /* no manifest names it: unlinked when freed */
    bool damaged;         /* merger.c's lock: a merge could not read it and leaves it alone from then on */
};

struct version {
    atomic_uint references;
    struct segment_file **segments; /* oldest first */
    uint32_t segment_count;
    struct journal **journals; /* oldest first */
    uint32_t journal_count;
    struct version *next; /* files.c: in its list of versions in doubt */
};

/* One reference. Takes the file over, unless memory is short: then NULL. */
struct journal *journal_new(struct journal_file *file, struct recycler *recycler);
/* Takes one more reference; returns the journal. Any thread. */
struct journal *journal_hold(struct journal *journal);
void journal_release(struct journal *journal); /* accepts NULL */
/* Makes everything below `end` durable if it is not yet. A sync that failed is not tried again: the next one
 * would succeed without having written what was lost. Any thread. */
int journal_sync(struct journal *journal, struct io *io, uint64_t end, struct error *ret_error);
/* Allocates the blocks of [from, to): journal_file_fill. *ret_sync_failed: it was the sync that failed, and
 * the journal is of no more use. */
int journal_fill(struct journal *journal, struct io *io, uint64_t from, uint64_t to, bool *ret_sync_failed,
    struct error *ret_error);
/* For a commit whose own sync of the file has succeeded: waits for one of the two above that is under way. 0,
 * or the error when one has failed. The kernel tells of a lost page once for each open file, so that the
 * other sync may have taken the report of the commit's pages. */
int journal_check_syncs(struct journal *journal, struct error *ret_error);

/* One reference. Takes the segment over, unless memory is short: then NULL. */
struct segment_file *segment_file_new(struct io *io, struct segment *segment);
/* Finishes the writer's file `path`, makes its name in `directory` durable and opens it. On failure the file
 * is unlinked. */
int segment_file_finish(struct io *io, const char *directory, struct segment_writer *writer, const char *path,
    uint64_t id, struct segment_file **ret_file, struct error *ret_error);
void segment_file_release(struct segment_file *file); /* accepts NULL */

/* An empty version with one reference and memory for so many files. NULL = no memory. */
struct version *version_new(uint32_t segments_max, uint32_t journals_max);
void version_release(struct version *version); /* accepts NULL */
/* Append a file, with a reference of the version's own. */
void version_add_segment(struct version *version, struct segment_file *file);
void version_add_journal(struct version *version, struct journal *journal);
/* Looks the series up in the segments, newest first. 1, 0 or negative. */
int version_find_segment(const struct version *version, uint64_t series_id, struct segment_series *ret_series,
    struct error *ret_error);
/* Whether a file of the version may hold points of the series. */
bool version_holds(const struct version *version, uint64_t series_id);

#endif
