/* What the files of the store share. Who may touch what:
 *
 *   commit.lock      states, the filling group, the pool, reservation in the active journal, the spare, rotation
 *                    (commit.c, commit_group.c, commit_states.c)
 *   committing token one thread at a time writes, syncs and publishes a group (commit.c)
 *   merge_lock       one merge at a time (merger.c)
 *   files' apply_lock  the manifest in memory and on disk; one change of the set of files at a time (files.c)
 *   files' lock      the current version, published ends, the sequence of deletions (files.c)
 *   background.lock  what the sealer thread shall do (sealer.c)
 * Order of taking: merge_lock, apply_lock, commit.lock, files' lock, background.lock; head_index.lock is innermost. */
#ifndef CONNECTORDB_STORE_INTERNAL_H
#define CONNECTORDB_STORE_INTERNAL_H

#include "files.h"
#include "id_map.h"
#include "io.h"
#include "store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
    GROUP_BYTES_SOFT = 16 << 20, /* a group that holds this much takes no further frame */
    GROUP_BYTES_HOT = 2 << 20,   /* memory a pooled group keeps */
    GROUP_POOL = 3,
    JOURNALS_MAX_DEFAULT = 4,
    WAIT_MS_DEFAULT = 5000,
    FLIGHT_BYTES_DEFAULT = 128 << 20,
    EVICT_AT_ONCE = 1024,        /* states dropped in one critical section */
    RETRY_MS = 500,              /* between attempts of background work that failed */
    FILE_IDS_PER_BULK = 1 << 16, /* file ids that a bulk load takes in advance */
};

/* ---- appending ---- */
struct series_state { /* commit.lock */
    uint64_t length;  /* reserved, perhaps not durable yet */
    double time_last;
    uint64_t logical_bytes;
    uint64_t journal_id; /* of the last reservation */
    bool deleted;
};

struct group {
    uint64_t number;
    struct journal *journal; /* NULL until the first frame; holds a reference */
    uint64_t offset;         /* in the file */
    uint8_t *data;           /* `capacity` bytes of reserved address space */
    size_t size, capacity;
    struct frame *frames;
    const struct batch **batches; /* for the listener; borrowed from the waiting appenders */
    uint32_t frame_count, frame_capacity;
    _Atomic uint32_t packing;    /* frames reserved but not yet packed; rises under commit.lock only */
    _Atomic uint32_t references; /* appenders that still look at it, and the store */
    int result;                  /* to be read once it is done */
    atomic_bool done;
    _Atomic uint32_t changes;    /* futex: counts the calls that its appenders shall hear */
};

struct commit {
    pthread_mutex_t lock;
    pthread_cond_t room; /* a group was taken, a spare came, a journal was sealed, flight bytes were freed */
    struct id_map states; /* series id -> struct series_state */
    uint64_t state_generation; /* counts evictions */
    struct journal *active, *spare;
    struct group *filling;
    struct group *pool[GROUP_POOL];
    bool committing;
    bool dead;
    struct error dead_error;
    uint64_t group_number;
    _Atomic uint64_t flight_bytes;
    struct error prepare_error; /* code 0 = none: why there is no spare */
    uint64_t appended_points, appended_batches, commits, written_bytes, waited;
};

struct background {
    pthread_mutex_t lock;
    pthread_cond_t wake;  /* for the sealer */
    pthread_cond_t done;  /* for store_seal */
    pthread_t thread;
    bool started, stop, work;
    uint64_t sealed_journals, sealed_bytes;
    struct error prepare_error; /* code 0 = none: the last attempt's failure; of the next journal, */
    struct error seal_error;    /* of sealing */
    pthread_t merge_thread;
    pthread_cond_t merge_wake;
    bool merge_started, merge;
    struct error merge_error;  /* code 0 = none: the last attempt's failure */
    struct error damage_error; /* code 0 = none: what was found in a segment that is not merged any more */
    uint64_t merged_segments, merged_bytes;
    pthread_t sync_thread;   /* STORE_FSYNC_INTERVAL */
    bool sync_started;
};

/* ---- reading: working memory, reused ---- */
enum { SCRATCH_POOL = 16, SCRATCH_BYTES_KEPT = 1 << 20 };

struct read_scratch {
    struct columns *columns;
    struct batch batch;
    struct read_scratch *next;
};

struct scratch_pool {
    pthread_mutex_t lock;
    struct read_scratch *first;
    unsigned count;
};

struct store {
    char *directory;
    struct store_options options;
    struct io *io;
    bool io_owned;
    struct store_recovery recovery;

    struct files *files;

    struct commit commit;
    struct background background;

    pthread_mutex_t merge_lock; /* one merge at a time; the fields below */
    uint64_t deleted_looked;  /* delete_sequence and segment count when nothing was left to reclaim */
    uint32_t segments_looked;

    pthread_mutex_t listener_lock;
    store_listener listener;
    void *listener_context;

    struct scratch_pool scratch;
};

/* ---- append_times.c ---- */
/* Missing times (if the batch has any) aside: all finite and in order, the first one not before `previous`. */
int batch_check_times(const struct batch *batch, double previous, struct error *ret_error);
/* Gives missing times max(now, the point before), with STORE_APPEND_RESTAMP moves leading times that are not later than `last`, and
 * checks that the batch may follow a point at `last`. Times are written back. 0 or -EINVAL. */
int batch_settle_times(struct batch *batch, double last, unsigned flags, struct error *ret_error);

/* ---- commit.c ---- */
int commit_init(struct store *store, struct error *ret_error);
void commit_free(struct store *store);
/* Closes the active journal so that it can be sealed, if it holds frames; waits for a spare. */
int commit_rotate(struct store *store, struct error *ret_error);
/* Gives the commit a prepared journal, or says why there is none. */
void commit_offer_spare(struct store *store, struct journal *spare, const struct error *prepare_error);
bool commit_wants_spare(struct store *store);
/* The journal took no write or sync: no insert will be acknowledged any more. commit.lock is held. */
void commit_die(struct store *store, const struct error *error);

/* ---- commit_group.c: no commit.lock where none is named ---- */
/* A group for frames of `capacity` bytes, with one reference; NULL = no memory. */
struct group *group_new(size_t capacity);
void group_free(struct group *group); /* accepts NULL */
/* The same from the pool; NULL = it is empty. commit.lock is held. */
struct group *group_from_pool(struct commit *commit);
/* Lets go of a reference; the last one empties the group and puts it back into the pool, taking commit.lock. */
void group_release(struct store *store, struct group *group);
/* Gets the memory for so many more frames. commit.lock is held. 0 or -ENOMEM. */
int group_reserve_frames(struct group *group, uint32_t extra);
/* Reserves `size` bytes of the journal and of the group, which has memory for the frame. commit.lock is held. */
struct frame *group_add_frame(struct group *group, struct journal *journal, uint64_t size);
/* Wakes appenders of the group: one that shall lead it, or all (INT_MAX). */
void group_wake(struct group *group, int count);

/* ---- commit_states.c ---- */
/* Puts a series' state: commit.lock is held, but at recovery. 0 or -ENOMEM. */
int commit_put_state(struct store *store, uint64_t series_id, const struct series_state *state);
/* The state of a series; loaded from the segments when it has none in memory. commit.lock is held, but let go of for the
 * loading: look at everything else again. *ret_state is valid until the lock is let go of. */
int commit_get_state(struct store *store, uint64_t series_id, struct series_state **ret_state, struct error *ret_error);
/* A state that was only looked at and holds no reservation need not stay. commit.lock is held. */
void commit_drop_unused_state(struct commit *commit, uint64_t series_id);
/* Drops the states of series whose last reservation is in this (sealed) journal. Takes commit.lock. */
void commit_evict(struct store *store, struct journal *journal);

/* ---- sealer.c ---- */
int background_start(struct store *store, struct error *ret_error);
void background_stop(struct store *store);
void background_wake(struct store *store);
/* Notes how an attempt at one kind of work went (code 0 = well) in `noted`, a field of store->background, and complains when it fails
 * otherwise than the one before. */
void background_note(struct store *store, struct error *noted, const struct error *error);

/* Waits until *wanted is true, and takes it back; after a failure only until it is time to try again. False = stop. */
bool background_wait(struct background *background, bool *wanted, pthread_cond_t *wake, bool failed, uint32_t retry_ms);

/* ---- merger.c ---- */
void *merger_work(void *store); /* the thread's function */
int merge_next(struct store *store, struct error *ret_error); /* one merge if one is due: 1 = did, 0 = nothing to do; ret_error is not NULL */
void merger_wake(struct store *store);
/* Which neighbours shall be merged next, given the sizes of all segments by age. False: none. */
bool merger_choose(const uint64_t *sizes, uint32_t count, uint32_t *ret_from, uint32_t *ret_count);
unsigned merger_tier(uint64_t segment_bytes); /* by size, for `inspect`; 0 = the smallest segments */

/* ---- recover.c ---- */
int recover(struct store *store, struct error *ret_error);

/* ---- scratch.c ---- */
struct read_scratch *scratch_take(struct store *store); /* NULL = no memory */
void scratch_give(struct store *store, struct read_scratch *scratch); /* accepts NULL */
void scratch_pool_free(struct scratch_pool *pool);

/* ---- backup.c ---- */
int store_write_backup(struct store *store, const struct files_moment *moment, const char *directory, struct error *ret_error);

/* ---- store.c ---- */
/* The id in the name of a journal or segment, behind the prefix; false = the name is another. */
bool store_file_id(const char *name, const char *prefix, uint64_t *ret_id);

#endif
