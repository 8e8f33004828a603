#include "catalog_internal.h"
#include "objects.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int take_series(struct catalog *catalog, uint64_t count, uint64_t *ret_first, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = select_by_id(catalog->writer, STATEMENT_TAKE_SERIES, (int64_t)count, &statement, ret_error);
    if (r == 0)
        *ret_first = (uint64_t)sqlite3_column_int64(statement, 0) - count + 1;
    statement_release(catalog->writer, STATEMENT_TAKE_SERIES, statement);
    return r == -ENOENT
               ? error_set(ret_error, EBADMSG, "the catalog is damaged: the series sequence is missing")
               : r;
}

int catalog_reserve_series(
    struct catalog *catalog, uint64_t count, uint64_t *ret_first, struct error *ret_error)
{
    if (count == 0 || count > SERIES_RESERVED_MAX)
        return error_set(
            ret_error, EINVAL, "%llu series cannot be reserved at once", (unsigned long long)count);
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    uint64_t first = 0;
    r = take_series(catalog, count, &first, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r == 0)
        *ret_first = first;
    return r;
}

int insert_stream(
    struct catalog *catalog, const struct stream *stream, int64_t *ret_id, struct error *ret_error)
{
    struct connection *writer = catalog->writer;
    int r = exists_by_id_and_text(
        writer, STATEMENT_STREAM_NAME_TAKEN, stream->device_id, stream->name, ret_error);
    if (r > 0)
        return error_set(ret_error, EEXIST, "stream '%s' already exists", stream->name);
    if (r == 0)
        r = insert_object(writer, STATEMENT_STREAM_INSERT, &STREAM_KIND, stream, ret_id, ret_error);
    return r;
}

int prepare_new_stream(const struct stream *stream, struct stream *ret_new, struct error *ret_error)
{
    char *schema;
    int r = fields_check(&STREAM_KIND, stream, true, ret_error);
    if (r == 0)
        r = schema_normalize(stream->schema, &schema, ret_error);
    if (r < 0)
        return r;
    *ret_new = *stream;
    ret_new->schema = schema;
    return 0;
}

/* Its series come out of the sequence together with the row. */
int create_stream(struct catalog *catalog, struct stream *stream, int64_t *ret_id, struct error *ret_error)
{
    uint64_t first;
    int r = take_series(catalog, stream->downlink ? 2 : 1, &first, ret_error);
    if (r < 0)
        return r;
    stream->series_id = first;
    stream->downlink_series_id = stream->downlink ? first + 1 : 0;
    return insert_stream(catalog, stream, ret_id, ret_error);
}

static int check_device(struct catalog *catalog, int64_t device_id, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = select_by_id(catalog->writer, STATEMENT_DEVICE_BY_ID, device_id, &statement, ret_error);
    statement_release(catalog->writer, STATEMENT_DEVICE_BY_ID, statement);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "device not found") : r;
}

int catalog_create_stream_within(struct catalog *catalog, const struct stream *stream,
    const struct catalog_limits *limits, int64_t *ret_id, struct error *ret_error)
{
    struct stream made;
    int64_t id = 0;
    int r = prepare_new_stream(stream, &made, ret_error);
    if (r < 0)
        return r;
    r = write_begin(catalog, ret_error);
    if (r == 0) {
        r = check_device(catalog, made.device_id, ret_error);
        if (r == 0)
            r = create_stream(catalog, &made, &id, ret_error);
        if (r == 0 && limits)
            r = check_limit(catalog, STATEMENT_COUNT_STREAMS, made.device_id, limits->streams,
                "streams of a device", ret_error);
        r = write_end(catalog, r, ret_error);
    }
    if (r == 0 && ret_id)
        *ret_id = id;
    free(made.schema);
    return r;
}

int catalog_create_stream(
    struct catalog *catalog, const struct stream *stream, int64_t *ret_id, struct error *ret_error)
{
    return catalog_create_stream_within(catalog, stream, NULL, ret_id, ret_error);
}

/* ---- many at once ---- */

void free_prepared_streams(struct stream *streams, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(streams[i].schema);
    free(streams);
}

int prepare_new_streams(
    const struct stream *streams, size_t count, struct stream **ret_new, struct error *ret_error)
{
    struct stream *prepared = calloc(count > 0 ? count : 1, sizeof(*prepared));
    if (!prepared)
        return error_set(ret_error, ENOMEM, "out of memory for the streams of a device");
    int r = 0;
    size_t done = 0;
    while (r == 0 && done < count) {
        r = prepare_new_stream(&streams[done], &prepared[done], ret_error);
        done += r == 0;
    }
    if (r < 0) {
        free_prepared_streams(prepared, done);
        return r;
    }
    *ret_new = prepared;
    return 0;
}

int create_streams(
    struct catalog *catalog, int64_t device_id, struct stream *streams, size_t count, struct error *ret_error)
{
    int64_t id;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        streams[i].device_id = device_id;
        r = create_stream(catalog, &streams[i], &id, ret_error);
    }
    return r;
}

int check_limit(struct catalog *catalog, enum statement count, int64_t id, uint64_t limit, const char *what,
    struct error *ret_error)
{
    if (limit == 0 || limit == UINT64_MAX)
        return 0;
    sqlite3_stmt *statement;
    uint64_t found = 0;
    int r = select_by_id(catalog->writer, count, id, &statement, ret_error);
    if (r == 0)
        found = (uint64_t)sqlite3_column_int64(statement, 0);
    statement_release(catalog->writer, count, statement);
    if (r == 0 && found > limit)
        return error_set(
            ret_error, EOVERFLOW, "the limit of %llu %s is reached", (unsigned long long)limit, what);
    return r;
}

/* ---- logs ---- */

int insert_log(struct catalog *catalog, int64_t device_id, struct error *ret_error)
{
    static char name[] = "log", icon[] = "material:assignment", empty[] = "";
    static char description[] = "A log of all create update and delete operations done on this user";
    static char schema[] = "{\"type\":\"object\",\"properties\":{\"cmd\":{\"type\":\"string\"},"
                           "\"arg\":{\"type\":\"string\"}},\"required\":[\"cmd\",\"arg\"]}";
    struct stream log = {.device_id = device_id,
        .name = name,
        .nickname = empty,
        .description = description,
        .icon = icon,
        .schema = schema,
        .datatype = empty};
    int64_t id;
    return create_stream(catalog, &log, &id, ret_error);
}

/* The next device `meta` behind `*device_id` that has no log: 1, 0 = there is none, or -errno. */
static int next_without_log(struct catalog *catalog, int64_t *device_id, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = select_by_id(catalog->writer, STATEMENT_META_WITHOUT_LOG, *device_id, &statement, ret_error);
    if (r == 0)
        *device_id = sqlite3_column_int64(statement, 0);
    statement_release(catalog->writer, STATEMENT_META_WITHOUT_LOG, statement);
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

int catalog_add_logs(struct catalog *catalog, uint64_t *ret_added, struct error *ret_error)
{
    int64_t device_id = 0;
    uint64_t added = 0;
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    while ((r = next_without_log(catalog, &device_id, ret_error)) > 0) {
        r = insert_log(catalog, device_id, ret_error);
        if (r < 0)
            break;
        added++;
    }
    r = write_end(catalog, r, ret_error);
    if (r == 0 && ret_added)
        *ret_added = added;
    return r;
}

/* ---- another series ---- */

static int replace_series(struct catalog *catalog, int64_t stream_id, bool downlink, uint64_t series_id,
    uint64_t new_series_id, struct error *ret_error)
{
    enum statement id = downlink ? STATEMENT_STREAM_REPLACE_DOWNLINK : STATEMENT_STREAM_REPLACE_SERIES;
    sqlite3_stmt *statement;
    int r = statement_get(catalog->writer, id, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, stream_id);
    statement_bind_integer(statement, 2, (int64_t)series_id);
    statement_bind_integer(statement, 3, (int64_t)new_series_id);
    r = statement_step(statement, ret_error);
    statement_release(catalog->writer, id, statement);
    if (r == 0)
        return error_set(ret_error, ENOENT, "the stream was deleted or changed meanwhile");
    return r < 0 ? r : 0;
}

/* A commit that failed may be whole in the log, though it was rolled back here: a crash now would find it.
 * The next commit writes over it, and settles that it has not happened. */
static int settle_failed_commit(struct catalog *catalog, int result, struct error *ret_error)
{
    uint64_t unused;
    if (catalog_reserve_series(catalog, 1, &unused, NULL) == 0)
        return result;
    char message[ERROR_MESSAGE_BYTES];
    memcpy(message, ret_error->message, sizeof(message));
    return error_set(ret_error, EINPROGRESS, "%s", message);
}

int catalog_replace_series(struct catalog *catalog, int64_t stream_id, bool downlink, uint64_t series_id,
    uint64_t new_series_id, struct error *ret_error)
{
    struct error error = {0};
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    int changed = replace_series(catalog, stream_id, downlink, series_id, new_series_id, &error);
    r = write_end(catalog, changed, &error);
    if (changed == 0 && r < 0)
        r = settle_failed_commit(catalog, r, &error);
    if (r == 0)
        cache_outdate(catalog->places);
    else if (ret_error)
        *ret_error = error;
    return r;
}

/* ---- reading ---- */

int catalog_stream_by_name(struct catalog *catalog, const char *user, const char *device, const char *stream,
    struct stream *ret_stream, struct error *ret_error)
{
    if (!name_valid(user) || !name_valid(device) || !name_valid(stream))
        return error_set(ret_error, ENOENT, "stream not found");
    struct row row;
    int r = row_by_texts(catalog, STATEMENT_STREAM_BY_NAME, user, device, stream, &row, ret_error);
    if (r == 0)
        r = stream_load(row.statement, ret_stream, ret_error);
    row_release(catalog, &row);
    return r == -ENOENT ? error_set(ret_error, ENOENT, "stream '%s/%s/%s' not found", user, device, stream)
                        : r;
}
