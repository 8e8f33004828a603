/* Keeps the write-ahead log small. After a commit its pages are written back into the catalog ("checkpoint");
 * the log can begin anew when all of them are and no read transaction uses it. */
#include "catalog_internal.h"

#include <errno.h>

enum {
    CHECKPOINT_PAGES = 1000,  /* 4 MiB; SQLite's default */
    RESTART_PAGES = 4000,     /* from here on wait for readers, */
    RESTART_WAIT_MS = 100,    /* for so long, */
    RESTART_STEP_PAGES = 1000 /* and again when it has grown by so much */
};

/* SQLite calls it at the end of each commit. */
static int committed(void *context, sqlite3 *db, const char *name, int pages)
{
    struct catalog *catalog = context;
    (void)db;
    (void)name;
    catalog->wal.pages = pages;
    return SQLITE_OK;
}

void wal_watch(struct catalog *catalog)
{
    catalog->wal = (struct wal){.pages_max = WAL_PAGES_MAX};
    (void)sqlite3_wal_hook(
        catalog->writer->db, committed, catalog); /* in place of SQLite's own checkpoints */
}

/* True: the next commit begins the log anew. */
static bool restart(sqlite3 *db)
{
    (void)sqlite3_busy_timeout(db, RESTART_WAIT_MS);
    int result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    (void)sqlite3_busy_timeout(db, SQL_BUSY_TIMEOUT_MS);
    return result == SQLITE_OK;
}

void wal_after_commit(struct catalog *catalog)
{
    struct wal *wal = &catalog->wal;
    sqlite3 *db = catalog->writer->db;
    if (wal->pages < CHECKPOINT_PAGES) {
        wal->restart_at = RESTART_PAGES;
    } else if (wal->pages < wal->restart_at) {
        /* A failure loses nothing: the pages stay in the log, and the next commit tries again. */
        (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    } else if (restart(db)) {
        wal->pages = 0;
    } else {
        wal->restart_at = wal->pages + RESTART_STEP_PAGES;
    }
}

int wal_before_write(struct catalog *catalog, struct error *ret_error)
{
    struct wal *wal = &catalog->wal;
    if (wal->pages < wal->pages_max)
        return 0;
    if (!restart(catalog->writer->db))
        return error_set(ret_error, EBUSY,
            "the catalog cannot be changed now: its write-ahead log is full, and an export or a backup still "
            "reads from it");
    wal->pages = 0;
    return 0;
}
