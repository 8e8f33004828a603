#include "catalog_internal.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct catalog_import {
    struct catalog *catalog;
    char *name, *email; /* of the user */
    int64_t user_id, device_id;
    uint64_t last_series; /* the sequence's end */
    bool has_user_device, has_meta_device;
};

static void import_free(struct catalog_import *import)
{
    free(import->name);
    free(import->email);
    free(import);
}

static int last_series(struct catalog *catalog, uint64_t *ret_last, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(catalog->writer, STATEMENT_LAST_SERIES, &statement, ret_error);
    if (r < 0)
        return r;
    r = statement_step(statement, ret_error);
    if (r > 0)
        *ret_last = (uint64_t)sqlite3_column_int64(statement, 0);
    statement_release(catalog->writer, STATEMENT_LAST_SERIES, statement);
    return r < 0   ? r
           : r > 0 ? 0
                   : error_set(ret_error, EBADMSG, "the catalog is damaged: the series sequence is missing");
}

/* The values an imported user brings; what only new users must fulfil is not asked. */
static int check_user(const struct user *user, struct error *ret_error)
{
    int r = fields_check(&USER_KIND, user, false, ret_error);
    if (r < 0)
        return r;
    r = user_check_password_hash(user, ret_error);
    return r < 0 ? error_prefix(ret_error, "user '%s'", user->name) : 0;
}

/* Begins the transaction with the user's row. */
static int import_user(struct catalog_import *import, const struct user *user, struct error *ret_error)
{
    struct catalog *catalog = import->catalog;
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    r = last_series(catalog, &import->last_series, ret_error);
    if (r == 0)
        r = insert_user(catalog, user, &import->user_id, ret_error);
    return r < 0 ? write_end(catalog, r, ret_error) : 0;
}

int catalog_import_begin(struct catalog *catalog, const struct user *user, struct catalog_import **ret_import,
    struct error *ret_error)
{
    int r = check_user(user, ret_error);
    if (r < 0)
        return r;
    struct catalog_import *import = calloc(1, sizeof(*import));
    if (!import)
        return error_set(ret_error, ENOMEM, "out of memory for an import");
    import->catalog = catalog;
    import->name = strdup(user->name);
    import->email = strdup(user->email ? user->email : "");
    if (!import->name || !import->email)
        r = error_set(ret_error, ENOMEM, "out of memory for an import");
    if (r == 0)
        r = import_user(import, user, ret_error);
    if (r < 0) {
        import_free(import);
        return r;
    }
    *ret_import = import;
    return 0;
}

int catalog_import_device(struct catalog_import *import, const struct device *device, struct error *ret_error)
{
    int r = fields_check(&DEVICE_KIND, device, false, ret_error);
    if (r < 0)
        return r;
    bool is_meta = strcmp(device->name, "meta") == 0;
    struct device made = *device;
    made.user_id = import->user_id;
    if (is_meta)
        made.apikey = NULL; /* nobody acts as meta */
    r = insert_device(import->catalog, &made, &import->device_id, ret_error);
    if (r < 0)
        return r;
    import->has_meta_device |= is_meta;
    import->has_user_device |= strcmp(device->name, "user") == 0;
    return 0;
}

/* The sequence gave it out, and no stream has it. */
static int check_series(
    const struct catalog_import *import, uint64_t series_id, const char *stream, struct error *ret_error)
{
    if (series_id == 0 || series_id > import->last_series)
        return error_set(ret_error, EINVAL, "stream '%s': series %llu was not reserved", stream,
            (unsigned long long)series_id);
    sqlite3_stmt *statement;
    int r = select_by_id(
        import->catalog->writer, STATEMENT_SERIES_TAKEN, (int64_t)series_id, &statement, ret_error);
    statement_release(import->catalog->writer, STATEMENT_SERIES_TAKEN, statement);
    if (r == 0)
        return error_set(ret_error, EEXIST, "stream '%s': series %llu belongs to another stream", stream,
            (unsigned long long)series_id);
    return r == -ENOENT ? 0 : r;
}

int catalog_import_stream(struct catalog_import *import, const struct stream *stream, struct error *ret_error)
{
    if (import->device_id == 0)
        return error_set(ret_error, EINVAL, "a stream was given before its device");
    struct stream made = *stream;
    made.schema = NULL;
    made.device_id = import->device_id;
    int64_t id;
    int r = fields_check(&STREAM_KIND, stream, false, ret_error);
    if (r == 0 && stream->downlink != (stream->downlink_series_id != 0))
        r = error_set(ret_error, EINVAL,
            "stream '%s': a downlink has a second series, other streams have none", stream->name);
    if (r == 0 && stream->downlink && stream->downlink_series_id == stream->series_id)
        r = error_set(ret_error, EINVAL, "stream '%s': its two series are the same", stream->name);
    if (r == 0)
        r = check_series(import, stream->series_id, stream->name, ret_error);
    if (r == 0 && stream->downlink)
        r = check_series(import, stream->downlink_series_id, stream->name, ret_error);
    if (r == 0)
        r = schema_normalize(stream->schema, &made.schema, ret_error);
    if (r == 0)
        r = insert_stream(import->catalog, &made, &id, ret_error);
    free(made.schema);
    return r;
}

int catalog_import_commit(struct catalog_import *import, struct error *ret_error)
{
    struct catalog *catalog = import->catalog;
    char key[UUID_TEXT_BYTES];
    int64_t id;
    int r = uuid_generate(key, ret_error);
    if (r == 0 && !import->has_user_device)
        r = insert_user_device(catalog, import->user_id, key, &id, ret_error);
    if (r == 0 && !import->has_meta_device)
        r = insert_meta_device(catalog, import->user_id, &id, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r == 0)
        forget_logins(catalog, import->name, import->email);
    import_free(import);
    return r;
}

void catalog_import_rollback(struct catalog_import *import)
{
    if (!import)
        return;
    (void)write_end(import->catalog, -ECANCELED, NULL);
    import_free(import);
}
