/* The store: many append-only series of datapoints in one directory. The only door to the engine.
 *
 * One process owns a store (the caller holds the database's LOCK). Every function may be called by any thread
 * unless it says otherwise. Functions return 0 or a negative errno with *ret_error set (ret_error may be NULL).
 *
 * Durability: what store_append, store_delete_series and store_bulk_publish have returned 0 for survives kill -9
 * and power loss (appends: with fsync = always, the default; otherwise power loss may cost the last ones, never ones in
 * between). Points become visible to snapshots only when they are durable by the fsync setting. */
#ifndef CONNECTORDB_STORE_H
#define CONNECTORDB_STORE_H

#include "batch.h"
#include "error.h"
#include "wide.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct io;

enum store_fsync {
    STORE_FSYNC_ALWAYS = 0, /* acknowledged = fdatasync'ed */
    STORE_FSYNC_INTERVAL,   /* acknowledged = handed to the kernel; synced every fsync_interval_ms: power loss may cost that much */
    STORE_FSYNC_NEVER,      /* acknowledged = handed to the kernel; the kernel decides: power loss may cost ~30 s; kill -9 nothing */
};

struct store_options {
    enum store_fsync fsync;
    uint32_t fsync_interval_ms;    /* STORE_FSYNC_INTERVAL only; 0 = 1000 */
    uint64_t journal_bytes;        /* size that journal files grow to; 0 = 64 MiB; 64 KiB to 1 GiB, a multiple of 4096. An insert's
                                      frame must fit in one. */
    uint32_t journals_max;         /* live journals before inserts wait for the sealer; 0 = 4 */
    uint32_t wait_ms_max;          /* how long an insert waits for a place before -EAGAIN; 0 = 5000 */
    uint64_t flight_bytes_max;     /* bytes of inserts under way, all threads; 0 = 128 MiB */
    struct io *io;                 /* borrowed; NULL = the store opens the default one */
    /* Called from a background thread, which waits for it, when sealing, merging or preparing the next journal fails; once for
     * each reason in a row, not for each attempt. With no_threads from within store_work. May be NULL. */
    void (*report)(void *context, const struct error *error);
    void *report_context;
    bool read_only;                /* changes nothing on the disk: what a killed process left is recovered in memory alone, and
                                      functions that write fail with -EROFS. Nobody else may write meanwhile. */
    bool no_threads;               /* the caller does the background's work with store_work: runs are deterministic. Not
                                      with STORE_FSYNC_INTERVAL (-EINVAL). */
};

/* Makes an empty store in `directory` (created by the caller, empty). io may be NULL. -EEXIST: a store is there. */
int store_create(const char *directory, struct io *io, struct error *ret_error);
/* Opens and recovers. Blocks until everything that survived is durable and served. options: copied; NULL = defaults.
 * -EBADMSG: corruption (file, offset, expected, found; names `connectordb repair`). */
int store_open(const char *directory, const struct store_options *options, struct store **ret_store,
    struct error *ret_error);
/* Stops the background threads, makes the end of the journal known as clean and frees everything. No other call may
 * be running; snapshots must be closed. 0, or what failed (memory is freed all the same). Accepts NULL. */
int store_close(struct store *store, struct error *ret_error);

/* What recovery found, for the log; valid while the store is open. */
struct store_recovery {
    bool clean;             /* the last close was clean */
    uint64_t journal_count;
    uint64_t frames;
    uint64_t points;
    uint64_t torn_bytes;    /* cut off the tail (kept in trash) */
    uint64_t trashed_files; /* files that the manifest does not name, moved to trash */
    double seconds;
};
const struct store_recovery *store_recovery(const struct store *store);
const char *store_io_name(const struct store *store); /* "io_uring" or "posix" */

/* ---- appending ---- */
enum store_append_flags {
    STORE_APPEND_RESTAMP = 1, /* leading points older than the last one get its time (PUT, docs/API.md) */
};

/* Appends the batch to the series as one unit: after a crash all of it is there or none.
 * Missing times (NaN) become max(now, the point before); restamping moves times; both are written back into *batch, so
 * that it holds what was stored. An empty batch is 0 at once.
 * 0 = durable (by the fsync setting). -EINVAL times not ascending within the batch, non-finite or (first point) older than the
 * series' last (`Greater timestamp already exists`); -E2BIG larger than a frame or a journal; -EAGAIN the sealer
 * lags, too many bytes in flight, or the series is frozen (store_freeze_series): try again; -ENOSPC, -EDQUOT, -EFBIG (see error_is_no_space) no room for the next
 * journal: nothing was written; -EIO the journal is dead, the outcome of inserts under way is unknown, reopen; -ENOENT the series was deleted; -ENOMEM.
 * The last time of an empty series counts as 0 (so negative times are refused), except with STORE_APPEND_RESTAMP.
 * ret_first_index may be NULL. Blocks for one device flush, shared by concurrent callers. */
int store_append(struct store *store, uint64_t series_id, struct batch *batch, unsigned flags,
    uint64_t *ret_first_index, struct error *ret_error);

/* Deletes series for good: their points are gone from all later snapshots; ids are never used again. Durable when it
 * returns 0. Unknown ids are fine. */
int store_delete_series(struct store *store, const uint64_t *series_ids, size_t count, struct error *ret_error);

/* From now on the series takes no points: store_append fails with -EAGAIN until store_unfreeze_series, or -ENOENT once it is deleted. Inserts
 * that were under way are durable and in every snapshot that is taken after this has returned. It can be read, sealed, merged and
 * deleted as before. Kept in memory only: after the next open the series takes points again.
 * -EBUSY it is frozen already; -ENOENT it was deleted; -EIO the journal is dead (then it is not frozen). Blocks for a device flush. */
int store_freeze_series(struct store *store, uint64_t series_id, struct error *ret_error);
/* The series takes points again. One that was deleted, or is not frozen, is left as it is. */
void store_unfreeze_series(struct store *store, uint64_t series_id);

/* Deletes every series that is not in `known` (ascending): the reconciliation with the catalog at open.
 * *ret_deleted counts them. */
int store_retain_series(struct store *store, const uint64_t *known, size_t count, uint64_t *ret_deleted,
    struct error *ret_error);

/* ---- listening ---- */
/* Called for each appended batch after it is durable, in journal order, from the committing thread: be quick, never
 * call the store's appending functions. batch is borrowed for the call. */
typedef void (*store_listener)(void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch);
/* At most one listener; NULL removes it (no call runs any more when this returns). */
void store_set_listener(struct store *store, store_listener listener, void *context);

/* ---- reading ---- */
struct store_snapshot; /* one moment of the whole store; keeps the files it needs alive */
struct store_cursor;   /* used by one thread */

struct store_series {
    uint64_t length;        /* points */
    double time_first;      /* of the first and last point; 0 when length is 0 */
    double time_last;
    uint64_t logical_bytes; /* sum of the msgpack sizes of all values */
};

/* Short lock, no I/O. Close it soon, or finish with it: files cannot be freed before. */
int store_snapshot_open(struct store *store, struct store_snapshot **ret_snapshot, struct error *ret_error);
void store_snapshot_close(struct store_snapshot *snapshot); /* accepts NULL */
/* Writes the snapshot as a store of its own into `directory`, which exists and is empty: segments as hard links where possible, the
 * journals' published part copied, everything synced. The copy opens like any store. On failure what was written stays for the
 * caller to remove. Inserts go on. */
int store_snapshot_backup(struct store_snapshot *snapshot, const char *directory, struct error *ret_error);
/* An unknown series is one of length 0. */
int store_snapshot_series(struct store_snapshot *snapshot, uint64_t series_id, struct store_series *ret_series,
    struct error *ret_error);
/* The number of points with time <= `time`: the index of the first later one. */
int store_snapshot_index_of_time(struct store_snapshot *snapshot, uint64_t series_id, double time,
    uint64_t *ret_index, struct error *ret_error);
/* Over the numbers among points [from, to) (clipped to the length): whole blocks cost a look at their stored aggregate, only the
 * edges, journals and blocks of doubles are read. */
struct store_aggregate {
    uint64_t points;        /* all of them */
    uint64_t numbers;       /* how many are numbers; min and max are 0 when none is */
    double min, max;
    bool exact;             /* sum / 10^exponent is the exact sum: all numbers are decimals */
    uint8_t exponent;
    int128 sum;
    double approximate_sum; /* always; rounded at every step */
};
int store_snapshot_aggregate(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_aggregate *ret_aggregate, struct error *ret_error);
/* Points [from, to) of the series (clipped to its length). The snapshot must outlive the cursor. forget: tell the kernel
 * to drop what was read behind it (export and other scans of everything). */
int store_cursor_open(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to, bool forget,
    struct store_cursor **ret_cursor, struct error *ret_error);
/* The next points, at most a block's worth (4096), borrowed until the next call; NULL at the end. -EBADMSG: a
 * damaged block (file, offset, series); -EIO a file that cannot be read any more or was cut: then what the call before handed out may
 * be wrong, too, if it was still in a journal. Read to the end to be sure of all. */
int store_cursor_next(struct store_cursor *cursor, const struct batch **ret_batch, struct error *ret_error);
void store_cursor_close(struct store_cursor *cursor); /* accepts NULL */

/* ---- bulk load: straight into segments, no journal ---- */
struct store_bulk;        /* one load, e.g. of one user */
struct store_bulk_writer; /* one thread's part of it */

/* Starts a load staged in DATA/import-<name>/ (created, or with `resume` reopened: series that an earlier, killed load
 * finished there are kept, see store_bulk_has). name: [A-Za-z0-9_-]{1,64}. -EEXIST: a staging of that name is there. */
int store_bulk_open(struct store *store, const char *name, bool resume, struct store_bulk **ret_bulk,
    struct error *ret_error);
/* Looks in a resumed staging for a series that was loaded completely under this tag (what the loader gave to
 * store_bulk_series, e.g. a hash of the source's path, size and mtime). True: load it no more, use *ret_series_id. */
bool store_bulk_find(struct store_bulk *bulk, uint64_t tag, uint64_t *ret_series_id, uint64_t *ret_points);
/* The staging directory, for the loader's own temporary files; what is left there goes with it. Valid until close. */
const char *store_bulk_directory(const struct store_bulk *bulk);
int store_bulk_writer_open(struct store_bulk *bulk, struct store_bulk_writer **ret_writer, struct error *ret_error);
/* Starts the next series of this writer. Ids must ascend within a writer (else it starts a new segment); a series is loaded by
 * one writer, from index 0, and must be new to the store. */
int store_bulk_series(struct store_bulk_writer *writer, uint64_t series_id, uint64_t tag, struct error *ret_error);
/* Appends points: times complete and not before the last of the series (-EINVAL with both times). */
int store_bulk_append(struct store_bulk_writer *writer, const struct batch *batch, struct error *ret_error);
/* Ends the writer's last series and its segment (synced and noted in the staging). */
int store_bulk_writer_finish(struct store_bulk_writer *writer, struct error *ret_error);
void store_bulk_writer_close(struct store_bulk_writer *writer); /* accepts NULL; discards what is not finished */
/* Moves all finished segments into the store, durable, in one step; the series are readable from then on (who can name them is
 * the catalog's matter). */
int store_bulk_publish(struct store_bulk *bulk, struct error *ret_error);
/* Ends the load. Published: the staging directory is removed. Not published: kept if `keep` (for resume), else removed.
 * Accepts NULL. */
void store_bulk_close(struct store_bulk *bulk, bool keep);
/* Removes a staging of that name, if there is one, whatever is in it. No load of that name may be open. 0, -EINVAL, -ENOMEM. */
int store_bulk_discard(struct store *store, const char *name, struct error *ret_error);

/* ---- looking after it ---- */
struct store_stats {
    uint64_t journal_count, journal_bytes_used, segment_count, segment_bytes, segment_points;
    uint64_t appended_points, appended_batches, commits, sealed_journals, merged_segments, inserts_waited, deleted_series;
    uint64_t journal_bytes_written, sealed_bytes_written, merged_bytes_written; /* since the store was opened */
    bool journal_dead;
    struct error background_error; /* of the last attempt to seal, to prepare a journal or to merge, or damage that merging met; code 0 = none */
};
void store_get_stats(struct store *store, struct store_stats *ret_stats);
/* Seals all closed journals and, if `active`, the active one too; returns when done. For tests, benches and backups. */
int store_seal(struct store *store, bool active, struct error *ret_error);

/* Merges segments until no merge is due (the merger does so by itself, in the background). For tests and benches. */
int store_merge(struct store *store, struct error *ret_error);
/* With no_threads: does one piece of what the background threads would do: prepares the next journal, seals one, or merges. Without
 * a call now and then inserts run out of journals (-EAGAIN after wait_ms_max). 1 = did, 0 = nothing to do, or what failed. */
int store_work(struct store *store, struct error *ret_error);

/* Verifies every checksum and invariant of a store directory that nobody has open; never modifies a byte. Findings go to
 * `found`; returns their number or -errno. */
int store_check(const char *directory, void (*found)(void *context, const char *message), void *context,
    struct error *ret_error);
/* Rebuilds a store that nobody has open from every block and frame that is sound, as a new directory in its place; the old one is
 * kept whole under the name `keep_as` (a path in the same file system that must not exist). Where points are lost, later ones of
 * the series move down to close the gap. What is found, lost and left out is said through `line`. On failure the store is as it
 * was, unless the message says otherwise. The new directory is built beside, as `directory` with STORE_REPAIRING behind: when a crash
 * left that and no `directory`, the next repair finishes. */
#define STORE_REPAIRING ".repairing"
struct store_repair_result {
    uint64_t series, points, lost_points;
};
int store_repair(const char *directory, const char *keep_as, void (*line)(void *context, const char *text),
    void *context, struct store_repair_result *ret_result, struct error *ret_error);
/* Prints what is in the directory (file NULL) or in one of its journals, segments or the manifest, as text lines. */
int store_inspect(const char *directory, const char *file, void (*line)(void *context, const char *text),
    void *context, struct error *ret_error);

#endif
