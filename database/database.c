#include "database.h"

#include "database_files.h"
#include "database_lock.h"

#include "hidden_series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char DATABASE_CUT_STAGING[] = "cut";

/* ---- opening ---- */

static int check_part(const char *path, const char *name, mode_t type, struct error *ret_error)
{
    struct stat status;
    char *part = database_file(path, name);
    if (!part)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = stat(part, &status) < 0 ? -errno : 0;
    free(part);
    if (r == -ENOENT || (r == 0 && (status.st_mode & S_IFMT) != type))
        return error_set(ret_error, EINVAL, "%s is no ConnectorDB database: it has no %s", path, name);
    return r < 0 ? error_set(ret_error, -r, "%s/%s: %s", path, name, strerror(-r)) : 0;
}

/* It moves the old data away before the new comes: in between there is none. */
static int refuse_unfinished_repair(const char *path, struct error *ret_error)
{
    struct error ignored;
    struct stat status;
    char *repaired = database_file(path, DATABASE_DATA STORE_REPAIRING);
    if (!repaired)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    bool unfinished =
        stat(repaired, &status) == 0 && check_part(path, DATABASE_DATA, S_IFDIR, &ignored) == -EINVAL;
    free(repaired);
    return unfinished ? error_set(ret_error, EBADMSG,
                            "%s: a repair of the data was interrupted: run `connectordb repair` again", path)
                      : 0;
}

static int check_directory(const char *path, struct error *ret_error)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return error_set(ret_error, ENOTDIR, "%s is no ConnectorDB database: it is no directory", path);
    int r = check_part(path, DATABASE_CATALOG, S_IFREG, ret_error);
    if (r == 0)
        r = refuse_unfinished_repair(path, ret_error);
    if (r == 0)
        r = check_part(path, DATABASE_DATA, S_IFDIR, ret_error);
    return r;
}

/* A row is deleted before its data, and data is loaded before its row: whatever was killed in between left
 * series that no row names. Only reached with a catalog that passed its check. */
/* Appends the hidden series that are needed still; all of them are above those of the catalog. */
static int add_hidden_series(uint64_t **series, size_t *count, struct error *ret_error)
{
    uint64_t *longer = realloc(*series, (*count + HIDDEN_SERIES_KEPT) * sizeof(*longer));
    if (!longer)
        return error_set(ret_error, ENOMEM, "out of memory for the series of the database");
    uint64_t first = hidden_series_at(time(NULL)) - 1;
    for (uint64_t i = 0; i < HIDDEN_SERIES_KEPT; i++)
        longer[(*count)++] = first + i;
    *series = longer;
    return 0;
}

static int reconcile(struct database *database, struct error *ret_error)
{
    uint64_t *series = NULL;
    size_t count;
    int r = catalog_series(database->catalog, &series, &count, ret_error);
    if (r == 0)
        r = add_hidden_series(&series, &count, ret_error);
    if (r == 0)
        r = store_retain_series(database->store, series, count, &database->tombstoned_series, ret_error);
    free(series);
    return r < 0 ? r : store_bulk_discard(database->store, DATABASE_CUT_STAGING, ret_error);
}

static int open_parts(struct database *database, const struct store_options *options, struct error *ret_error)
{
    char *catalog = database_file(database->path, DATABASE_CATALOG);
    char *data = database_file(database->path, DATABASE_DATA);
    bool read_only = options && options->read_only;
    int r = 0;
    if (!catalog || !data)
        r = error_set(ret_error, ENOMEM, "out of memory for a path");
    if (r == 0) {
        r = read_only ? catalog_open_for_reading(catalog, &database->catalog, ret_error)
                      : catalog_open(catalog, &database->catalog, ret_error);
        if (r < 0) /* its messages name no paths */
            (void)error_prefix(ret_error, "%s", catalog);
    }
    if (r == 0)
        r = store_open(data, options, &database->store, ret_error);
    if (r == 0 && !read_only)
        r = reconcile(database, ret_error);
    free(catalog);
    free(data);
    return r;
}

static struct database *allocate(const char *path)
{
    struct database *database = calloc(1, sizeof(*database));
    if (!database)
        return NULL;
    database->lock_file = -1;
    database->path = strdup(path);
    if (!database->path) {
        free(database);
        return NULL;
    }
    return database;
}

int database_open(const char *path, const struct store_options *options, struct database **ret_database,
    struct error *ret_error)
{
    return database_open_as(path, NULL, options, ret_database, ret_error);
}

int database_open_as(const char *path, const char *role, const struct store_options *options,
    struct database **ret_database, struct error *ret_error)
{
    int r = check_directory(path, ret_error);
    if (r == 0)
        r = database_check_owner(path, ret_error);
    if (r < 0)
        return r;
    struct database *database = allocate(path);
    if (!database)
        return error_set(ret_error, ENOMEM, "out of memory for a database");
    r = database_lock(path, role, &database->lock_file, ret_error);
    if (r == 0)
        r = open_parts(database, options, ret_error);
    if (r < 0) {
        (void)database_close(database, NULL);
        return r;
    }
    *ret_database = database;
    return 0;
}

/* The owner opens LOCK for writing to record who reads; other users do not change it. */
static int lock_for_reading(struct database *database, const char *role, struct error *ret_error)
{
    if (database_check_owner(database->path, NULL) == 0 && database_lock_is_writable(database->path))
        return database_lock(database->path, role, &database->lock_file, ret_error);
    database->lock_shared = true;
    return lock_share(database->path, &lock_patience_default, &database->lock_file, ret_error);
}

int database_open_for_reading(const char *path, const char *role, const struct store_options *options,
    struct database **ret_database, struct error *ret_error)
{
    struct store_options reading = options ? *options : (struct store_options){0};
    reading.read_only = true;
    int r = check_directory(path, ret_error);
    if (r < 0)
        return r;
    struct database *database = allocate(path);
    if (!database)
        return error_set(ret_error, ENOMEM, "out of memory for a database");
    r = lock_for_reading(database, role, ret_error);
    if (r == 0)
        r = open_parts(database, &reading, ret_error);
    if (r < 0) {
        (void)database_close(database, NULL);
        return r;
    }
    *ret_database = database;
    return 0;
}

int database_close(struct database *database, struct error *ret_error)
{
    if (!database)
        return 0;
    int r = store_close(database->store, ret_error);
    catalog_close(database->catalog);
    if (database->lock_file >= 0 && database->lock_shared)
        (void)close(database->lock_file);
    else if (database->lock_file >= 0)
        database_unlock(database->lock_file); /* last: until here nobody else may open it */
    free(database->path);
    free(database);
    return r;
}

/* ---- changes that concern catalog and store: rows first, then tombstones ---- */

/* A failure here does not bring the rows back; the next open deletes what is left. */
static int tombstone(struct database *database, uint64_t *series, size_t count, struct error *ret_error)
{
    int r = count > 0 ? store_delete_series(database->store, series, count, ret_error) : 0;
    free(series);
    if (r < 0)
        (void)error_prefix(ret_error, "deleted, but its data stays on the disk until the next start");
    return r;
}

int database_delete_user(struct database *database, int64_t user_id, struct error *ret_error)
{
    uint64_t *series;
    size_t count;
    int r = catalog_delete_user(database->catalog, user_id, &series, &count, ret_error);
    return r < 0 ? r : tombstone(database, series, count, ret_error);
}

int database_delete_device(struct database *database, int64_t device_id, struct error *ret_error)
{
    uint64_t *series;
    size_t count;
    int r = catalog_delete_device(database->catalog, device_id, &series, &count, ret_error);
    return r < 0 ? r : tombstone(database, series, count, ret_error);
}

int database_delete_stream(struct database *database, int64_t stream_id, struct error *ret_error)
{
    uint64_t *series;
    size_t count;
    int r = catalog_delete_stream(database->catalog, stream_id, &series, &count, ret_error);
    return r < 0 ? r : tombstone(database, series, count, ret_error);
}

int database_change_stream(struct database *database, int64_t stream_id, const struct stream *changes,
    uint32_t fields, struct stream *ret_stream, struct error *ret_error)
{
    uint64_t dropped;
    int r =
        catalog_change_stream(database->catalog, stream_id, changes, fields, ret_stream, &dropped, ret_error);
    if (r < 0 || dropped == 0)
        return r;
    r = store_delete_series(database->store, &dropped, 1, ret_error);
    if (r == 0)
        return 0;
    if (ret_stream)
        stream_free(ret_stream);
    (void)error_prefix(
        ret_error, "updated, but the data of its downlink stays on the disk until the next start");
    return r;
}

/* ---- one moment ---- */

int database_snapshot_open(
    struct database *database, struct database_snapshot *ret_snapshot, struct error *ret_error)
{
    struct database_snapshot snapshot = {0};
    /* Without a commit in between: a series that the catalog's moment names is not tombstoned in the store's.
     */
    catalog_pause_writes(database->catalog);
    int r = catalog_snapshot_open(database->catalog, &snapshot.catalog, ret_error);
    if (r == 0)
        r = store_snapshot_open(database->store, &snapshot.store, ret_error);
    catalog_resume_writes(database->catalog);
    if (r < 0) {
        database_snapshot_close(&snapshot);
        return r;
    }
    *ret_snapshot = snapshot;
    return 0;
}

void database_snapshot_close(struct database_snapshot *snapshot)
{
    store_snapshot_close(snapshot->store);
    catalog_snapshot_close(snapshot->catalog);
    *snapshot = (struct database_snapshot){0};
}
