/* Mending a damaged catalog. Only indexes are rebuilt: they hold nothing that the tables do not; a table that
 * is damaged is a matter for a backup. The work is done in a copy; the steps that put it in place leave at
 * every moment either the old files or the finished new one, which then is recognized and the rest of the
 * steps repeated. */
#include "catalog.h"
#include "catalog_check.h"
#include "catalog_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct paths {
    const char *catalog;
    const char *keep;
    char *wal, *shm; /* of the catalog */
    char *keep_wal;
    char *work, *work_wal, *work_shm; /* the copy that is worked on */
    char *repaired;                   /* the finished one, synced */
};

static char *with_ending(const char *path, const char *ending)
{
    char *result;
    return asprintf(&result, "%s%s", path, ending) < 0 ? NULL : result;
}

static void paths_free(struct paths *paths)
{
    free(paths->wal);
    free(paths->shm);
    free(paths->keep_wal);
    free(paths->work);
    free(paths->work_wal);
    free(paths->work_shm);
    free(paths->repaired);
}

static int paths_make(const char *path, const char *keep_as, struct paths *ret_paths, struct error *ret_error)
{
    struct paths paths = {
        .catalog = path,
        .keep = keep_as,
        .wal = with_ending(path, "-wal"),
        .shm = with_ending(path, "-shm"),
        .keep_wal = with_ending(keep_as, "-wal"),
        .work = with_ending(path, ".repairing"),
        .work_wal = with_ending(path, ".repairing-wal"),
        .work_shm = with_ending(path, ".repairing-shm"),
        .repaired = with_ending(path, CATALOG_REPAIRED),
    };
    if (!paths.wal || !paths.shm || !paths.keep_wal || !paths.work || !paths.work_wal || !paths.work_shm ||
        !paths.repaired) {
        paths_free(&paths);
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    }
    *ret_paths = paths;
    return 0;
}

static void remove_work(const struct paths *paths)
{
    (void)unlink(paths->work_wal);
    (void)unlink(paths->work_shm);
    (void)unlink(paths->work);
}

static int copy_to_work(const struct paths *paths, struct error *ret_error)
{
    remove_work(paths); /* of a repair that was killed */
    int r = catalog_file_copy(paths->catalog, paths->work, ret_error);
    if (r == 0 && access(paths->wal, F_OK) == 0)
        r = catalog_file_copy(paths->wal, paths->work_wal, ret_error);
    return r;
}

static int cannot(struct error *ret_error, const char *why)
{
    return error_set(ret_error, EBADMSG,
        "the catalog cannot be repaired: %s; nothing was changed: restore it from a backup", why);
}

/* Damage that stops the rebuilding is an answer, too: -EBADMSG with what SQLite says. */
static int rebuild_indexes(struct connection *connection, struct error *ret_error)
{
    int result = sqlite3_exec(connection->db, "REINDEX", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        return 0;
    if (result == SQLITE_CONSTRAINT || (result & 0xff) == SQLITE_CONSTRAINT)
        return cannot(ret_error, "two rows have a name or key that only one may have");
    int r = sql_failure(connection->db, result, ret_error);
    return r == -EBADMSG ? cannot(ret_error, "its tables are damaged") : r;
}

static int mend(const struct paths *paths, void (*line)(void *context, const char *text), void *context,
    struct error *ret_error)
{
    struct connection *connection;
    int r = connection_open(paths->work, SQLITE_OPEN_READWRITE, &connection, ret_error);
    if (r < 0)
        return r == -EBADMSG ? cannot(ret_error, "it is no SQLite database any more") : r;
    r = check_version(connection, ret_error);
    if (r == 0)
        r = rebuild_indexes(connection, ret_error);
    if (r == 0) {
        struct error error = {0};
        int found = check_thoroughly(connection, line, context, &error);
        if (found > 0 || found == -EBADMSG)
            r = cannot(ret_error, "its tables are damaged");
        else if (found < 0)
            r = error_set(ret_error, -found, "%s", error.message);
    }
    if (r == 0)
        r = connection_execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)", ret_error);
    connection_close(connection);
    return r;
}

static int keep_file(const char *path, const char *keep, struct error *ret_error)
{
    if (link(path, keep) == 0)
        return 0;
    if (errno == EEXIST)
        return error_set(ret_error, EEXIST, "%s exists already", keep);
    int r = catalog_file_copy(path, keep, ret_error); /* a file system without links */
    return r == 0 ? catalog_file_sync(keep, ret_error) : r;
}

static int keep_files(const struct paths *paths, struct error *ret_error)
{
    int r = keep_file(paths->catalog, paths->keep, ret_error);
    if (r == 0 && access(paths->wal, F_OK) == 0)
        r = keep_file(paths->wal, paths->keep_wal, ret_error);
    return r == 0 ? catalog_file_sync_parent(paths->catalog, ret_error) : r;
}

static int move(const char *from, const char *to, struct error *ret_error)
{
    if (rename(from, to) < 0)
        return error_set(ret_error, errno, "%s: cannot be moved to %s: %s", from, to, strerror(errno));
    return catalog_file_sync_parent(to, ret_error);
}

/* The log goes before the new file comes: it would be applied to that, which has it already and is laid out
 * differently. In between the catalog is not to be opened: catalog_open sees the finished file and refuses.
 */
static int put_in_place(const struct paths *paths, struct error *ret_error)
{
    if ((unlink(paths->wal) < 0 && errno != ENOENT) || (unlink(paths->shm) < 0 && errno != ENOENT))
        return error_set(ret_error, errno, "%s: cannot be removed: %s; run `connectordb repair` again",
            paths->wal, strerror(errno));
    int r = catalog_file_sync_parent(paths->catalog, ret_error);
    return r == 0 ? move(paths->repaired, paths->catalog, ret_error) : r;
}

int catalog_repair(const char *path, const char *keep_as, void (*line)(void *context, const char *text),
    void *context, struct error *ret_error)
{
    struct paths paths;
    int r = paths_make(path, keep_as, &paths, ret_error);
    if (r < 0)
        return r;
    if (access(paths.repaired, F_OK) == 0) {
        line(context, "finishing a repair of the catalog that was interrupted");
        r = put_in_place(&paths, ret_error);
    } else {
        r = copy_to_work(&paths, ret_error);
        if (r == 0)
            r = mend(&paths, line, context, ret_error);
        if (r == 0)
            r = catalog_file_sync(paths.work, ret_error);
        if (r == 0)
            r = keep_files(&paths, ret_error);
        if (r == 0)
            r = move(paths.work, paths.repaired, ret_error);
        if (r == 0)
            r = put_in_place(&paths, ret_error);
        remove_work(&paths);
    }
    paths_free(&paths);
    return r;
}
