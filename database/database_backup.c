#include "database.h"
#include "configuration.h"
#include "database_files.h"
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct backup {
    struct database *database;
    struct database_snapshot snapshot;
    bool (*cancelled)(void *context);
    void *context;
};

static int check_cancelled(const struct backup *backup, struct error *ret_error)
{
    if (backup->cancelled && backup->cancelled(backup->context))
        return error_set(ret_error, ECANCELED, "the backup was cancelled");
    return 0;
}

static int backup_catalog(const struct backup *backup, const char *directory, struct error *ret_error)
{
    char *path = database_file(directory, DATABASE_CATALOG);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = catalog_snapshot_backup(backup->snapshot.catalog, path, ret_error);
    free(path);
    return r;
}

static int backup_data(const struct backup *backup, const char *directory, struct error *ret_error)
{
    char *path = database_file(directory, DATABASE_DATA);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for a path");
    int r = 0;
    if (mkdir(path, 0700) < 0)
        r = error_set(ret_error, errno, "%s: cannot be created: %s", path, strerror(errno));
    if (r == 0)
        r = store_snapshot_backup(backup->snapshot.store, path, ret_error);
    if (r == 0)
        r = database_sync_directory(path, ret_error);
    free(path);
    return r;
}

/* A database need not have one. */
static int backup_configuration(const struct backup *backup, const char *directory, struct error *ret_error)
{
    char *path = database_file(backup->database->path, DATABASE_CONFIGURATION);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for the configuration");
    struct buffer text = {0};
    int r = file_read(path, CONFIGURATION_BYTES_MAX, &text, ret_error);
    if (r == 0)
        r = database_write_file(directory, DATABASE_CONFIGURATION, text.data, text.size, ret_error);
    else if (r == -ENOENT)
        r = 0;
    buffer_free(&text);
    free(path);
    return r;
}

static int fill_backup(void *context, const char *directory, struct error *ret_error)
{
    const struct backup *backup = context;
    int r = backup_configuration(backup, directory, ret_error);
    if (r == 0)
        r = backup_catalog(backup, directory, ret_error);
    if (r == 0)
        r = check_cancelled(backup, ret_error);
    if (r == 0)
        r = backup_data(backup, directory, ret_error);
    if (r == 0)
        r = check_cancelled(backup, ret_error);
    return r;
}

/* ---- how many streams it has ---- */

struct count {
    struct catalog_snapshot *catalog;
    uint64_t streams;
    struct error *error;
};

static int count_stream(void *context, const struct stream *stream)
{
    struct count *count = context;
    (void)stream;
    count->streams++;
    return 0;
}

static int count_device(void *context, const struct device *device)
{
    struct count *count = context;
    return catalog_each_stream(count->catalog, device->id, count_stream, count, count->error);
}

static int count_user(void *context, const struct user *user)
{
    struct count *count = context;
    return catalog_each_device(count->catalog, user->id, count_device, count, count->error);
}

int database_backup(struct database *database, const char *path, bool (*cancelled)(void *context),
    void *context, uint64_t *ret_streams, struct error *ret_error)
{
    struct backup backup = {.database = database, .cancelled = cancelled, .context = context};
    int r = database_snapshot_open(database, &backup.snapshot, ret_error);
    if (r < 0)
        return r;
    struct count count = {.catalog = backup.snapshot.catalog, .error = ret_error};
    r = database_build(path, fill_backup, &backup, ret_error);
    if (r == 0 && ret_streams)
        r = catalog_each_user(backup.snapshot.catalog, count_user, &count, ret_error);
    if (r == 0 && ret_streams)
        *ret_streams = count.streams;
    database_snapshot_close(&backup.snapshot);
    return r;
}
