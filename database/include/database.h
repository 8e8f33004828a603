/* A database directory: configuration, catalog and store in step (docs/ARCHITECTURE.md).
 *
 *   connectordb.conf  catalog.sqlite  connectordb.pid  connectordb.sock  LOCK  data/ */
#ifndef CONNECTORDB_DATABASE_H
#define CONNECTORDB_DATABASE_H

#include "catalog.h"
#include "error.h"
#include "store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct database {
    char *path;
    struct catalog *catalog;
    struct store *store;
    int lock_file;              /* -1: none */
    bool lock_shared;           /* taken for reading */
    uint64_t tombstoned_series; /* at open: series that no row named */
    atomic_bool cutting;        /* a stream is being cut (export/include/cut.h) */
};

/* In the directory of a database: notes the last backup that its server made; changed with it. */
#define DATABASE_BACKUP_NOTE "last-backup"

/* The bulk load of a cut is staged under this name; what a killed one left is removed at the next open. */
extern const char DATABASE_CUT_STAGING[];

/* Makes the directory (it must not exist), an empty catalog and an empty store, synced; on failure nothing is
 * left behind. configuration: text of connectordb.conf to write, NULL = none. */
int database_create(const char *path, const char *configuration, struct error *ret_error);
/* The same with a first user, as catalog_create_user makes it: the directory is there with the user or not at
 * all. */
int database_create_with_user(const char *path, const char *configuration, const struct user *user,
    const char *password, struct error *ret_error);
/* Whether the calling process may write to the database: its effective user must be the owner of the
 * directory. 0; -EPERM with a message that names the owner and what to run instead. */
int database_check_owner(const char *path, struct error *ret_error);

/* Takes the LOCK (an OS lock), opens the catalog, then the store, then deletes the series without a row.
 * options as in store_open. -EBUSY at once: another process has the LOCK, named by the message if the LOCK
 * tells. For a holder that was killed or is ending but has not released it yet it waits, 5 s at most, then
 * -ETIMEDOUT. */
int database_open(const char *path, const struct store_options *options, struct database **ret_database,
    struct error *ret_error);
/* The same; role is recorded in the LOCK for database_find_holder: the name of the command, shorter than
 * DATABASE_ROLE_BYTES, NULL = none. */
int database_open_as(const char *path, const char *role, const struct store_options *options,
    struct database **ret_database, struct error *ret_error);
/* Opens it for reading only: for export and backup by anybody who may read it, also on a read-only file
 * system or of another user. Nothing is changed but the record in the LOCK, and that only by the owner.
 * Others can open it for reading at the same time, unless the owner has taken the LOCK. role and errors as
 * above; functions that write fail with -EROFS. */
int database_open_for_reading(const char *path, const char *role, const struct store_options *options,
    struct database **ret_database, struct error *ret_error);
int database_close(struct database *database, struct error *ret_error); /* accepts NULL */
/* 0: nobody holds the LOCK now, after the same wait; -EBUSY and -ETIMEDOUT as above. Changes nothing. */
int database_await(const char *path, struct error *ret_error);
/* Takes the LOCK alone, for work on the files of a database that no process may have open meanwhile. role,
 * -EBUSY and -ETIMEDOUT as above. */
int database_lock(const char *path, const char *role, int *ret_lock, struct error *ret_error);
/* Releases a lock that database_lock returned. */
void database_unlock(int lock);

enum { DATABASE_ROLE_BYTES = 16 };

enum database_holder_state {
    DATABASE_HOLDER_KNOWN, /* `pid` is the process that took the LOCK: its start time was compared with the
                              record */
    DATABASE_HOLDER_GONE,  /* that process has ended or was killed (its pid may be another process's now); the
                              LOCK is still held */
    DATABASE_HOLDER_ELSEWHERE, /* it is in another PID namespace or on another machine: `pid` means nothing
                                  here */
    DATABASE_HOLDER_UNKNOWN, /* no process is recorded, or it cannot be compared (no /proc): `pid` must not be
                                signalled */
};

struct database_holder {
    pid_t pid; /* as recorded; 0 = not recorded */
    enum database_holder_state state;
    char role[DATABASE_ROLE_BYTES]; /* the command that it runs; "" = not recorded */
};

/* The holder of the LOCK. To signal a process: open a pidfd of its pid, then ask again; if the answer is the
 * same pid and KNOWN, the pidfd is of that process. 1: *ret_holder is set; 0: nobody holds it; -errno. Does
 * not block and changes nothing. */
int database_find_holder(const char *path, struct database_holder *ret_holder, struct error *ret_error);

/* Writes one moment of the database as a database of its own into the new directory `path` (-EEXIST when it
 * exists): catalog, data and connectordb.conf; there as a whole or not at all. Segments are hard links where
 * the file system allows it. Any thread; inserts go on meanwhile. cancelled (may be NULL) is asked between
 * the steps; true ends with -ECANCELED. *ret_streams (may be NULL): how many streams
 * it has. */
int database_backup(struct database *database, const char *path, bool (*cancelled)(void *context),
    void *context, uint64_t *ret_streams, struct error *ret_error);

/* Rows first, then tombstones. When only the second step fails the object is gone all the same, the message
 * says so, and the next open deletes the data. */
int database_delete_user(struct database *database, int64_t user_id, struct error *ret_error);
int database_delete_device(struct database *database, int64_t device_id, struct error *ret_error);
int database_delete_stream(struct database *database, int64_t stream_id, struct error *ret_error);
/* catalog_change_stream; a downlink that is switched off loses its data. */
int database_change_stream(struct database *database, int64_t stream_id, const struct stream *changes,
    uint32_t fields, struct stream *ret_stream, struct error *ret_error);

/* One moment of catalog and store together. */
struct database_snapshot {
    struct catalog_snapshot *catalog;
    struct store_snapshot *store;
};
/* Takes it: no commit of the catalog and no deletion happens between the two. 0 or -errno; nothing is open
 * then. Waits for a commit of the catalog that is under way. Any thread. */
int database_snapshot_open(
    struct database *database, struct database_snapshot *ret_snapshot, struct error *ret_error);
/* Closes both; accepts a zeroed one. The database must still be open. */
void database_snapshot_close(struct database_snapshot *snapshot);

#endif
