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
    return r == -ENOENT ? error_set(ret_error, EBADMSG, "the catalog is damaged: the series sequence is missing") : r;
}

int catalog_reserve_series(struct catalog *catalog, uint64_t count, uint64_t *ret_first, struct error *ret_error)
{
    if (count == 0 || count > SERIES_RESERVED_MAX)
        return error_set(ret_error, EINVAL, "%llu series cannot be reserved at once", (unsigned long long)count);
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

int insert_stream(struct catalog *catalog, const struct stream *stream, int64_t *ret_id, struct error *ret_error)
{
    struct connection *writer = catalog->writer;
    int r = exists_by_id_and_text(writer, STATEMENT_STREAM_NAME_TAKEN, stream->device_id, stream->name, ret_error);
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

int catalog_create_stream(struct catalog *catalog, const struct stream *stream, int64_t *ret_id,
    struct error *ret_error)
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
        r = write_end(catalog, r, ret_error);
    }
    if (r == 0 && ret_id)
        *ret_id = id;
    free(made.schema);
    return r;
}

/* The transaction of catalog_update_stream. A downlink that comes back gets a new series: the old one's data is gone. */
static int update_stream(struct catalog *catalog, struct stream *stream, uint64_t *ret_dropped, struct error *ret_error)
{
    sqlite3_stmt *statement;
    uint64_t before = 0;
    int r = select_by_id(catalog->writer, STATEMENT_STREAM_BY_ID, stream->id, &statement, ret_error);
    struct stream stored;
    if (r == 0)
        r = stream_borrow(statement, &stored, ret_error);
    if (r == 0)
        before = stored.downlink_series_id;
    statement_release(catalog->writer, STATEMENT_STREAM_BY_ID, statement);
    if (r == -ENOENT)
        return error_set(ret_error, ENOENT, "stream not found");
    stream->downlink_series_id = stream->downlink ? before : 0;
    if (r == 0 && stream->downlink && before == 0)
        r = take_series(catalog, 1, &stream->downlink_series_id, ret_error);
    if (r == 0)
        r = update_object(catalog->writer, STATEMENT_STREAM_UPDATE, &STREAM_KIND, stream, ret_error);
    if (r == 0)
        *ret_dropped = stream->downlink ? 0 : before;
    return r;
}

int catalog_update_stream(struct catalog *catalog, const struct stream *stream, uint64_t *ret_dropped_series,
    struct error *ret_error)
{
    struct stream updated;
    int r = prepare_new_stream(stream, &updated, ret_error);
    if (r < 0)
        return r;
    r = write_begin(catalog, ret_error);
    if (r < 0)
        goto out;
    uint64_t dropped = 0;
    r = update_stream(catalog, &updated, &dropped, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r < 0)
        goto out;
    cache_outdate(catalog->places);
    *ret_dropped_series = dropped;
out:
    free(updated.schema);
    return r;
}

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
    return r == -ENOENT ? error_set(ret_error, ENOENT, "stream '%s/%s/%s' not found", user, device, stream) : r;
}
