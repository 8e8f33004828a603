/* The inside of the group commit: for commit.c, commit_group.c, commit_journals.c and tests. */
#ifndef CONNECTORDB_COMMIT_PRIVATE_H
#define CONNECTORDB_COMMIT_PRIVATE_H

#include "commit.h"

enum { GROUP_POOL = 3 };

/* Frames that are written and synced together. */
struct group {
    uint64_t number;
    struct journal *journal; /* NULL until the first frame; holds a reference */
    uint64_t offset;         /* in the file */
    uint8_t *data;           /* `capacity` bytes of reserved address space */
    size_t size, capacity;
    struct frame *frames;
    const struct batch **batches; /* for the listener; borrowed from the waiting appenders */
    uint32_t frame_count, frame_capacity;
    _Atomic uint32_t packing; /* frames reserved but not yet packed; rises under commit.c's lock only */
    _Atomic uint32_t
        references; /* appenders that still look at it, and the commit while it is the filling group */
    int result;     /* to be read once it is done */
    atomic_bool done;
    _Atomic uint32_t changes; /* futex word: incremented to wake appenders */
};

struct commit {
    const struct store_options *options;
    struct io *io;
    struct files *files;
    struct wake wake;

    pthread_mutex_t lock; /* the fields below; reservation in the active journal and its closing */
    pthread_cond_t room;  /* a group was taken or written, a spare came, a journal was sealed */
    struct states *states;
    struct journal *active, *spare;
    struct group *filling;
    struct group *pool[GROUP_POOL];
    bool committing; /* a thread has the token: it alone writes, syncs and publishes a group */
    bool dead;
    struct error dead_error;
    uint64_t group_number;     /* of the filling group */
    uint64_t written_number;   /* of the last group that was written and published */
    uint32_t freezing;         /* threads that wait for a group to be written */
    struct error spare_error;  /* code 0 = none: why there is no spare, */
    struct error blocks_error; /* and no more of the active journal */
    uint64_t frame_needed;  /* the size of the largest frame that waits for a journal it fits in; 0 = none */
    uint64_t blocks_needed; /* where the farthest frame ends that waits for blocks of the active journal; 0 =
                               none */
    bool spare_needed;      /* the active journal is full, or is to be sealed */
    bool work_asked_for;    /* journals_need_work said so */
    uint64_t appended_points, appended_batches, commits, written_bytes, waited;
    struct latencies sync; /* of commits */
    uint32_t waiting;      /* appends that wait for room */

    _Atomic uint64_t flight_bytes;
    _Atomic uint64_t refused_busy, refused_no_space, refused_dead;

    pthread_mutex_t listener_lock; /* the fields below */
    store_listener listener;
    void *listener_context;
};

/* One frame of an append. */
struct piece {
    uint64_t series_id;
    struct batch *batch; /* NULL = a tombstone */
    size_t size;         /* of the frame */
    uint64_t logical_bytes;
    struct series_state *state; /* of a batch's series, as long as the lock is held */
    struct frame frame;         /* set when it is reserved */
};

/* The unit that is reserved at once: pieces of one kind, each of another series. */
struct append {
    struct piece *pieces;
    uint32_t count;
    size_t size; /* of all frames */
    unsigned flags;
    uint32_t refused;     /* the piece that an error is about */
    uint64_t deadline_ns; /* 0 = has not waited yet */
};

/* ---- commit_reserve.c; the lock is held ---- */

/* Reserves room for the append in the filling group, which holds a reference for the caller then and counts
 * the append as packing. The lock is let go of while there is no room, or a state is read. 0 or -errno as of
 * store_append. */
int commit_reserve(
    struct commit *commit, struct append *append, struct group **ret_group, struct error *ret_error);
/* The state of a series; read from the segments when it has none in memory. The lock is let go of for that:
 * look at everything else again. *ret_state is valid until the lock is let go of. 0 or -errno. */
int commit_get_state(
    struct commit *commit, uint64_t series_id, struct series_state **ret_state, struct error *ret_error);
/* Sets -EIO: why the journal died, and what that means for inserts. */
int commit_dead_error(const struct commit *commit, struct error *ret_error);
/* Waits for room to change. 0 = look again; -EAGAIN = waited long enough. */
int commit_wait_for_room(struct commit *commit, struct append *append, struct error *ret_error);
/* Closes the active journal and goes on with the spare. 0 = rotated; 1 = there is no spare yet; -errno. */
int commit_use_spare(struct commit *commit, struct error *ret_error);

/* ---- commit_journals.c; the lock is held ---- */

/* True once when inserts come near the end of what is prepared for them: the background is to be woken. */
bool journals_need_work(struct commit *commit);
/* Preparing failed with `error` (code 0: it did not) for want of space, and inserts need not wait for it in
 * vain: the error; else 0. */
int journals_check_space(const struct error *error, struct error *ret_error);

/* ---- commit_group.c; the lock of commit.c is held where it says so ---- */

/* A group for frames of `capacity` bytes, with one reference; NULL = no memory. */
struct group *group_new(size_t capacity);
void group_free(struct group *group); /* accepts NULL */
/* Empties a group that nobody looks at any more. */
void group_clear(struct group *group);
/* The pool of empty groups: take gives it one reference, NULL = the pool is empty; put: false = it is full.
 * Locked. */
struct group *group_pool_take(struct group **pool);
bool group_pool_put(struct group **pool, struct group *group);
/* Gets the memory for so many more frames. Locked. 0 or -ENOMEM. */
int group_reserve_frames(struct group *group, uint32_t extra);
/* Reserves `size` bytes of the journal and of the group, which has memory for the frame. Locked. */
struct frame *group_add_frame(struct group *group, struct journal *journal, uint64_t size);
/* Wakes appenders of the group: one that shall lead it, or all (INT_MAX). */
void group_wake(struct group *group, int count);

#endif
