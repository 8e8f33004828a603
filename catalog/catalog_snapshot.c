#include "catalog_files.h"
#include "catalog_internal.h"
#include "objects.h"

#include <errno.h>
#include <stdlib.h>

struct catalog_snapshot {
    struct catalog *catalog;
    struct connection *reader; /* in a read transaction */
};

/* BEGIN alone waits for the first read; the read is what fixes the moment. */
static int begin_read(struct connection *reader, struct error *ret_error)
{
    int r = statement_run(reader, STATEMENT_BEGIN_READ, ret_error);
    if (r == 0)
        r = statement_run(reader, STATEMENT_LAST_SERIES, ret_error);
    return r;
}

int catalog_snapshot_open(
    struct catalog *catalog, struct catalog_snapshot **ret_snapshot, struct error *ret_error)
{
    struct catalog_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return error_set(ret_error, ENOMEM, "out of memory for a snapshot");
    snapshot->catalog = catalog;
    int r = reader_take(catalog, &snapshot->reader, ret_error);
    if (r == 0)
        r = begin_read(snapshot->reader, ret_error);
    if (r < 0) {
        catalog_snapshot_close(snapshot);
        return r;
    }
    *ret_snapshot = snapshot;
    return 0;
}

void catalog_snapshot_close(struct catalog_snapshot *snapshot)
{
    if (!snapshot)
        return;
    if (snapshot->reader && !sqlite3_get_autocommit(snapshot->reader->db) &&
        statement_run(snapshot->reader, STATEMENT_ROLLBACK, NULL) < 0) {
        connection_close(snapshot->reader); /* unfit for the next one */
        snapshot->reader = NULL;
    }
    reader_give(snapshot->catalog, snapshot->reader);
    free(snapshot);
}

/* All pages as the read transaction sees them: its connection is the source, so that no commit restarts the
 * copying. */
static int copy_pages(sqlite3 *source, sqlite3 *target, struct error *ret_error)
{
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
    if (!backup)
        return sql_failure(target, sqlite3_extended_errcode(target), ret_error);
    int result = sqlite3_backup_step(backup, -1);
    int finished = sqlite3_backup_finish(backup);
    if (result == SQLITE_DONE)
        result = finished;
    return result == SQLITE_OK ? 0 : sql_failure(target, result, ret_error);
}

int catalog_snapshot_backup(struct catalog_snapshot *snapshot, const char *path, struct error *ret_error)
{
    int r = catalog_file_create(path, ret_error);
    if (r < 0)
        return r; /* what is there stays */
    struct connection *target;
    r = connection_open(path, SQLITE_OPEN_READWRITE, &target, ret_error);
    if (r == 0) {
        r = copy_pages(snapshot->reader->db, target->db, ret_error);
        connection_close(target);
    }
    return catalog_file_finish(path, r, ret_error);
}

int catalog_each_user(struct catalog_snapshot *snapshot, int (*visit)(void *context, const struct user *user),
    void *context, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(snapshot->reader, STATEMENT_USERS, &statement, ret_error);
    if (r < 0)
        return r;
    while ((r = statement_step(statement, ret_error)) > 0) {
        struct user user;
        r = user_borrow(statement, &user, ret_error);
        if (r == 0)
            r = visit(context, &user);
        if (r != 0)
            break;
    }
    statement_release(snapshot->reader, STATEMENT_USERS, statement);
    return r;
}

int catalog_each_device(struct catalog_snapshot *snapshot, int64_t user_id,
    int (*visit)(void *context, const struct device *device), void *context, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(snapshot->reader, STATEMENT_DEVICES, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, user_id);
    while ((r = statement_step(statement, ret_error)) > 0) {
        struct device device;
        r = device_borrow(statement, &device, ret_error);
        if (r == 0)
            r = visit(context, &device);
        if (r != 0)
            break;
    }
    statement_release(snapshot->reader, STATEMENT_DEVICES, statement);
    return r;
}

int catalog_each_stream(struct catalog_snapshot *snapshot, int64_t device_id,
    int (*visit)(void *context, const struct stream *stream), void *context, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(snapshot->reader, STATEMENT_STREAMS, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, device_id);
    while ((r = statement_step(statement, ret_error)) > 0) {
        struct stream stream;
        r = stream_borrow(statement, &stream, ret_error);
        if (r == 0)
            r = visit(context, &stream);
        if (r != 0)
            break;
    }
    statement_release(snapshot->reader, STATEMENT_STREAMS, statement);
    return r;
}

static int list_series(struct connection *reader, struct series_list *list, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(reader, STATEMENT_SERIES, &statement, ret_error);
    if (r < 0)
        return r;
    while ((r = statement_step(statement, ret_error)) > 0) {
        r = series_list_add(list, (uint64_t)sqlite3_column_int64(statement, 0), ret_error);
        if (r < 0)
            break;
    }
    statement_release(reader, STATEMENT_SERIES, statement);
    return r;
}

int catalog_series(struct catalog *catalog, uint64_t **ret_series, size_t *ret_count, struct error *ret_error)
{
    struct connection *reader;
    int r = reader_take(catalog, &reader, ret_error);
    if (r < 0)
        return r;
    struct series_list list = {0};
    r = list_series(reader, &list, ret_error);
    reader_give(catalog, reader);
    if (r < 0) {
        free(list.ids);
        return r;
    }
    *ret_series = list.ids;
    *ret_count = list.count;
    return 0;
}

int catalog_counts(struct catalog *catalog, uint64_t *ret_users, uint64_t *ret_devices, uint64_t *ret_streams,
    struct error *ret_error)
{
    struct connection *reader;
    int r = reader_take(catalog, &reader, ret_error);
    if (r < 0)
        return r;
    sqlite3_stmt *statement;
    r = statement_get(reader, STATEMENT_COUNTS, &statement, ret_error);
    if (r == 0)
        r = statement_step(statement, ret_error);
    if (r > 0) {
        *ret_users = (uint64_t)sqlite3_column_int64(statement, 0);
        *ret_devices = (uint64_t)sqlite3_column_int64(statement, 1);
        *ret_streams = (uint64_t)sqlite3_column_int64(statement, 2);
    }
    statement_release(reader, STATEMENT_COUNTS, statement);
    reader_give(catalog, reader);
    return r < 0 ? r : 0;
}
