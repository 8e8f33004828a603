/* The store: many append-only series of datapoints in one directory. The public interface of the engine.
 *
 * One process owns a store; the caller holds the LOCK of the database. Any thread may call any function
 * unless its comment says otherwise. Functions return 0, or a negative errno with *ret_error set (ret_error
 * may be NULL).
 *
 * Durability: after store_append, store_delete_series or store_bulk_publish has returned 0, its effect
 * survives kill -9 and power loss. With an fsync setting other than `always`, power loss may lose the most
 * recent appends, but never one before a surviving one. Snapshots see points only after they are durable
 * according to the fsync setting. */
#ifndef CONNECTORDB_STORE_H
#define CONNECTORDB_STORE_H

#include "batch.h"
#include "error.h"
#include "latency.h"
#include "wide.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct io;

enum store_fsync {
    STORE_FSYNC_ALWAYS = 0, /* acknowledged = synced with fdatasync */
    STORE_FSYNC_INTERVAL,   /* acknowledged = written to the page cache; synced every fsync_interval_ms, the
                               time that power loss may cost */
    STORE_FSYNC_NEVER,      /* acknowledged = written to the page cache; the kernel writes it back: power loss
                               may cost about 30 s, kill -9 nothing */
};

struct store_options {
    enum store_fsync fsync;
    uint32_t fsync_interval_ms; /* STORE_FSYNC_INTERVAL only; 0 = 1000 */
    uint64_t journal_bytes;     /* maximum size of a journal file, and so of the frame of one insert;
                                   64 KiB to 1 GiB, a multiple of 4096; 0 = 64 MiB */
    uint32_t journals_max;      /* live journals at which inserts wait for the sealer; 0 = 4 */
    uint32_t wait_ms_max;       /* how long an insert waits for journal space before -EAGAIN; 0 = 5000 */
    uint64_t flight_bytes_max;  /* bytes of inserts in flight, over all threads; 0 = 128 MiB */
    struct io *io;              /* borrowed; NULL = the store opens the default one */
    /* Called when sealing, merging or preparing a journal fails: once per reason, not per attempt. Runs in a
     * background thread, which waits for it, or in store_work (no_threads). May be NULL. */
    void (*report)(void *context, const struct error *error);
    void *report_context;
    bool read_only;  /* nothing on disk is changed: recovery is done in memory, and functions
                        that write fail with -EROFS. No other process may write meanwhile. */
    bool no_threads; /* no background threads; the caller does their work with store_work, so
                        that runs are deterministic. -EINVAL with STORE_FSYNC_INTERVAL. */
};

/* Creates an empty store in an existing, empty directory. io: borrowed, may be NULL. -EEXIST: there is a
 * store already. */
int store_create(const char *directory, struct io *io, struct error *ret_error);
/* Opens and recovers a store. Blocks until all surviving data is durable and readable.
 * options  copied; NULL = defaults
 * -EBADMSG: corruption; the message names file, offset, what was expected and found, and `connectordb
 * repair`. */
int store_open(const char *directory, const struct store_options *options, struct store **ret_store,
    struct error *ret_error);
/* Stops the background threads, records a clean end of the journal and frees the store, also on failure. No
 * other call may be running, and all snapshots must be closed. Accepts NULL. Blocks. */
int store_close(struct store *store, struct error *ret_error);

/* What recovery found, for the log. */
struct store_recovery {
    bool clean; /* the last close was clean */
    uint64_t journal_count;
    uint64_t frames;
    uint64_t points;
    uint64_t torn_bytes;    /* cut off the tail of the journals (kept in trash/) */
    uint64_t trashed_files; /* files that the manifest does not name, moved to trash/ */
    double seconds;
};
/* Valid while the store is open. */
const struct store_recovery *store_recovery(const struct store *store);
const char *store_io_name(const struct store *store); /* "io_uring" or "posix" */

/* ---- appending ---- */
enum store_append_flags {
    STORE_APPEND_RESTAMP = 1, /* leading points older than the last of the series get its time (PUT,
                                 docs/API.md) */
};

/* Appends the batch to the series atomically: after a crash all of it is there or none.
 * batch            missing times (NaN) become max(now, time of the point before); restamping changes times.
 *                  Both are written to *batch, which then holds what was stored. An empty batch returns 0 at
 *                  once.
 * flags            enum store_append_flags
 * ret_first_index  may be NULL
 * 0 = durable according to the fsync setting. Otherwise nothing was appended, except possibly with -EIO:
 * -EINVAL   times decrease within the batch, are not finite, or the first is older than the last of the
 *           series (`Greater timestamp already exists`). Without STORE_APPEND_RESTAMP, an empty series has
 *           last time 0, so negative times are refused
 * -E2BIG    larger than a frame or a journal
 * -EAGAIN   the sealer lags, too many bytes are in flight, or the series is frozen (store_freeze_series); try
 *           again
 * -ENOSPC, -EDQUOT, -EFBIG   no space for the next journal (error_is_no_space)
 * -EIO      writing the journal failed, now or before: the outcome of inserts in flight is unknown until the
 *           store is opened again
 * -ENOENT   the series was deleted
 * -ENOMEM
 * Blocks for one device flush, shared by concurrent callers. */
int store_append(struct store *store, uint64_t series_id, struct batch *batch, unsigned flags,
    uint64_t *ret_first_index, struct error *ret_error);

enum { STORE_PARTS_MAX = 65536 };

/* One series' share of store_append_many. */
struct store_part {
    uint64_t series_id;
    struct batch *batch;  /* not empty; its times are settled as by store_append */
    uint64_t first_index; /* set on success */
};

/* Appends a batch to each of several series as one unit: after a crash, and in every snapshot, all of it is
 * there or none.
 * parts        in strictly ascending order of series_id; borrowed. On failure the times of their batches may
 *              have been settled
 * count        at most STORE_PARTS_MAX; the frames of all parts together must fit into one journal (-E2BIG)
 * ret_refused  may be NULL; on failure the number of the part that was refused or looked at last. It means
 *              something with -EINVAL, -ENOENT, and -EAGAIN of a frozen series
 * Results, durability and blocking as of store_append. A unit is not available again after `connectordb
 * repair` of a damaged journal: repair keeps each batch that is whole. */
int store_append_many(struct store *store, struct store_part *parts, uint32_t count, unsigned flags,
    uint32_t *ret_refused, struct error *ret_error);

/* Deletes series: later snapshots do not have their points. The ids must never be used again. Unknown ids are
 * ignored.
 * 0 = durable. Blocks. */
int store_delete_series(
    struct store *store, const uint64_t *series_ids, size_t count, struct error *ret_error);

/* Makes the series refuse points: store_append fails with -EAGAIN until store_unfreeze_series, or with
 * -ENOENT once it is deleted. Inserts in flight are durable, and in every snapshot taken after the return.
 * The series can be read, sealed, merged and deleted as before. Kept in memory only: the next open forgets
 * it. 0; -EBUSY it is frozen already; -ENOENT it was deleted; -EIO writing the journal failed, it is not
 * frozen. Blocks for a device flush. */
int store_freeze_series(struct store *store, uint64_t series_id, struct error *ret_error);
/* Lets the series take points again. Ignored if it is not frozen or was deleted. */
void store_unfreeze_series(struct store *store, uint64_t series_id);

/* Deletes every series that is not in `known` (ascending) and counts them in *ret_deleted. Reconciles the
 * store with the catalog at open. */
int store_retain_series(
    struct store *store, const uint64_t *known, size_t count, uint64_t *ret_deleted, struct error *ret_error);

/* ---- listening ---- */
/* Called for each appended batch after it became durable, in journal order, in the committing thread: all
 * inserts wait for it. It must not append to or delete from the store. batch: borrowed for the call. */
typedef void (*store_listener)(
    void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch);
/* Sets the only listener. NULL removes it; after the return no call is running. */
void store_set_listener(struct store *store, store_listener listener, void *context);

/* ---- reading ---- */
struct store_snapshot; /* one moment of the whole store; keeps the files it needs alive */
struct store_cursor;   /* used by one thread */

struct store_series {
    uint64_t length;   /* points */
    double time_first; /* of the first and last point; 0 when length is 0 */
    double time_last;
    uint64_t logical_bytes; /* sum of the msgpack sizes of all values */
};

/* Takes a snapshot: a short lock, no I/O. Files that it uses are not deleted until it is closed. */
int store_snapshot_open(struct store *store, struct store_snapshot **ret_snapshot, struct error *ret_error);
void store_snapshot_close(struct store_snapshot *snapshot); /* accepts NULL */
/* Writes the snapshot as a store of its own to an existing, empty directory and syncs it: segments as hard
 * links where possible, the published part of the journals as copies. On failure the caller removes what was
 * written. Inserts are not blocked. Blocks for the copying. */
int store_snapshot_backup(struct store_snapshot *snapshot, const char *directory, struct error *ret_error);
/* Describes a series; an unknown one has length 0. */
int store_snapshot_series(struct store_snapshot *snapshot, uint64_t series_id,
    struct store_series *ret_series, struct error *ret_error);
/* What the series takes on the disk: its blocks in segments and its frames in journals. 0, -EBADMSG, -EIO,
 * -ENOMEM. Reads the heads of its frames. */
int store_snapshot_series_bytes(
    struct store_snapshot *snapshot, uint64_t series_id, uint64_t *ret_bytes, struct error *ret_error);
/* Sets *ret_index to the number of points with time <= `time`, which is the index of the first later
 * point. */
int store_snapshot_index_of_time(struct store_snapshot *snapshot, uint64_t series_id, double time,
    uint64_t *ret_index, struct error *ret_error);
struct store_aggregate {
    uint64_t points;  /* in the range */
    uint64_t numbers; /* points whose value is a number; if there are none, min and max are 0 */
    double min, max;
    bool exact; /* all numbers are decimals, and sum / 10^exponent is their exact sum */
    uint8_t exponent;
    int128 sum;
    double approximate_sum; /* always set; rounded at every addition */
};
/* Aggregates the numbers among points [from, to), clipped to the length of the series. For whole blocks the
 * stored aggregate is used; only blocks at the edges, blocks with doubles, and journals are read. */
int store_snapshot_aggregate(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_aggregate *ret_aggregate, struct error *ret_error);
struct store_extremes {
    uint64_t numbers;              /* points whose value is a number; if there are none, the indices are 0 */
    uint64_t min_index, max_index; /* the first point with the smallest, with the largest number */
};
/* Finds the extremes of the numbers among points [from, to), clipped to the length of the series. Reads what
 * store_snapshot_aggregate reads, and the block of each extreme. 0, -ENOMEM, errors of store_cursor_next.
 * Blocks on the device. */
int store_snapshot_extremes(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_extremes *ret_extremes, struct error *ret_error);
/* Opens a cursor on points [from, to) of the series, clipped to its length. The snapshot must outlive the
 * cursor.
 * forget  let the kernel drop pages that were read; for export and other full scans */
int store_cursor_open(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    bool forget, struct store_cursor **ret_cursor, struct error *ret_error);
/* Reads the next points, at most 4096. *ret_batch is borrowed until the next call; NULL at the end.
 * -EBADMSG: a damaged block (file, offset, series). -EIO: a file cannot be read, or was truncated. In that
 * case the batch of the previous call may be wrong as well, if it came from a journal: only a cursor read to
 * its end without error has verified all points. Blocks on the device. */
int store_cursor_next(struct store_cursor *cursor, const struct batch **ret_batch, struct error *ret_error);
void store_cursor_close(struct store_cursor *cursor); /* accepts NULL */

/* ---- bulk load: writes segments without a journal ---- */
struct store_bulk;        /* one load, for example of one user */
struct store_bulk_writer; /* used by one thread; a load may have several */

/* Starts a load that is staged in import-<name>/ in the directory of the store.
 * name    [A-Za-z0-9_-]{1,64}
 * resume  continue a staging that an interrupted load left: series that are complete there are kept
 *         (store_bulk_find)
 * 0; -EEXIST: there is a staging of that name, and `resume` is false; -EINVAL; -errno. */
int store_bulk_open(struct store *store, const char *name, bool resume, struct store_bulk **ret_bulk,
    struct error *ret_error);
/* Returns whether a resumed staging has a complete series with this tag, the one given to store_bulk_series
 * (for example a hash of path, size and mtime of the source). If so, do not load it again; its id is
 * *ret_series_id. */
bool store_bulk_find(struct store_bulk *bulk, uint64_t tag, uint64_t *ret_series_id, uint64_t *ret_points);
/* Returns the staging directory. The caller may keep temporary files there; they are removed with it. Valid
 * until close. */
const char *store_bulk_directory(const struct store_bulk *bulk);
/* Opens a writer of the load, with a segment of its own. 0, -ENOMEM. Close it before the load. */
int store_bulk_writer_open(
    struct store_bulk *bulk, struct store_bulk_writer **ret_writer, struct error *ret_error);
/* Starts the next series of this writer. A series must be new to the store and is loaded from index 0 by one
 * writer. Ids should ascend; a lower one starts a new segment. */
int store_bulk_series(
    struct store_bulk_writer *writer, uint64_t series_id, uint64_t tag, struct error *ret_error);
/* Appends points to the current series. No time is missing. -EINVAL: a time is before the last; the message
 * has both. */
int store_bulk_append(struct store_bulk_writer *writer, const struct batch *batch, struct error *ret_error);
/* Ends the last series and the segment, syncs it and records it in the staging. */
int store_bulk_writer_finish(struct store_bulk_writer *writer, struct error *ret_error);
void store_bulk_writer_close(struct store_bulk_writer *writer); /* accepts NULL; discards unfinished data */
/* Adds all finished segments to the store, atomically and durably. From then on the series are readable by
 * id. */
int store_bulk_publish(struct store_bulk *bulk, struct error *ret_error);
/* Ends the load and removes the staging directory, unless the load was not published and `keep` is set (for
 * resume). Accepts NULL. */
void store_bulk_close(struct store_bulk *bulk, bool keep);
/* Removes the staging of that name with all its content, if there is one. No load of that name may be open.
 * 0, -EINVAL, -ENOMEM. */
int store_bulk_discard(struct store *store, const char *name, struct error *ret_error);

/* ---- maintenance ---- */
struct store_stats {
    uint64_t journal_count, journal_bytes_used, segment_count, segment_bytes, segment_points;
    uint64_t appended_points, appended_batches, commits, sealed_journals, merged_segments, inserts_waited,
        deleted_series;
    uint64_t journal_bytes_written, sealed_bytes_written, merged_bytes_written; /* since the store was
                                                                                   opened */
    bool journal_dead; /* writing the journal failed: inserts fail until the store is opened again */
    /* Of the last attempt to seal, merge or prepare a journal, or damage found by a merge; code 0 = none. */
    struct error background_error;
};
/* Counts since the store was opened, and its state now. Any thread; takes short locks, no I/O. */
void store_get_stats(struct store *store, struct store_stats *ret_stats);

enum store_task {
    STORE_TASK_ALLOCATE, /* blocks of the active journal ahead of the inserts */
    STORE_TASK_PREPARE,  /* the next journal */
    STORE_TASK_SEAL,     /* a journal becomes a segment */
    STORE_TASK_MERGE,    /* segments become one */
    STORE_TASKS
};
/* What an operator watches. Counts are since the store was opened. */
struct store_metrics {
    struct store_stats stats;
    struct latencies commit_sync; /* per commit: writing a group and syncing it, as the setting asks */
    uint64_t refused_busy;        /* appends refused with -EAGAIN, */
    uint64_t refused_no_space;    /* with -ENOSPC, -EDQUOT or -EFBIG, */
    uint64_t refused_dead;        /* with -EIO */
    uint64_t flight_bytes;        /* of inserts under way */
    uint64_t inserts_waiting;     /* for room in the journals, now */
    uint64_t journal_bytes;       /* sizes of the journal files */
    uint32_t journals_max;        /* inserts wait when there are so many */
    uint32_t journals_closed;     /* wait to be sealed, or are being sealed */
    struct {
        bool active;        /* it is being done now */
        struct error error; /* of the last attempt; code 0 = it went well */
    } tasks[STORE_TASKS];
    struct error damage; /* found by a merge; code 0 = none */
    /* Why an insert would be refused or would wait for an operator now; code 0 = inserts are taken. -EIO: the
     * journal is dead. -ENOSPC, -EDQUOT, -EFBIG: no room is left in the journal, and none can be had.
     * -EAGAIN: all journals are full and wait for the sealer. -EROFS: open for reading only. */
    struct error unready;
};
/* Any thread; takes short locks, no I/O. */
void store_get_metrics(struct store *store, struct store_metrics *ret_metrics);

/* Seals all closed journals and, if `active` is set, the active one as well. Blocks until it is done. */
int store_seal(struct store *store, bool active, struct error *ret_error);

/* Merges segments until no merge is due, as the merger does in the background. Blocks. For tests and
 * benches. */
int store_merge(struct store *store, struct error *ret_error);
/* With no_threads: does one step of the background work: prepares the next journal, seals one, or merges. If
 * it is never called, inserts run out of journals (-EAGAIN after wait_ms_max). 1 = one step done; 0 = nothing
 * to do; -errno. */
int store_work(struct store *store, struct error *ret_error);

/* Verifies every checksum and invariant of a store that no process has open. Changes nothing. Calls `found`
 * for each finding and returns their number, or -errno. */
int store_check(const char *directory, void (*found)(void *context, const char *message), void *context,
    struct error *ret_error);
/* Rebuilds a store that no process has open from all undamaged blocks and frames, and replaces it. Where
 * points are lost, the indexes of later points of the series decrease.
 * keep_as  path to which the old directory is renamed, complete; in the same file system, must not exist
 * line     receives the report: what was found, lost and left out
 * The new store is built in a directory named like `directory` with STORE_REPAIRING appended. After a crash
 * that left only this one, the next repair completes it. On failure the store is unchanged unless the message
 * says otherwise. */
#define STORE_REPAIRING ".repairing"
struct store_repair_result {
    uint64_t series, points, lost_points;
};
int store_repair(const char *directory, const char *keep_as, void (*line)(void *context, const char *text),
    void *context, struct store_repair_result *ret_result, struct error *ret_error);
/* Describes a store directory (file NULL), or its manifest, one journal or one segment, as lines of text. */
int store_inspect(const char *directory, const char *file, void (*line)(void *context, const char *text),
    void *context, struct error *ret_error);

#endif
