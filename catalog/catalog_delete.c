#include "catalog_internal.h"
#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int series_list_add(struct series_list *list, uint64_t series_id, struct error *ret_error)
{
    if (series_id == 0)
        return 0;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        uint64_t *ids = reallocarray(list->ids, capacity, sizeof(*ids));
        if (!ids)
            return error_set(ret_error, ENOMEM, "out of memory for %zu series", capacity);
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->count++] = series_id;
    return 0;
}

int series_of(struct catalog *catalog, enum statement id, int64_t value, struct series_list *list,
    struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(catalog->writer, id, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, value);
    while ((r = statement_step(statement, ret_error)) > 0) {
        r = series_list_add(list, (uint64_t)sqlite3_column_int64(statement, 0), ret_error);
        if (r == 0)
            r = series_list_add(list, (uint64_t)sqlite3_column_int64(statement, 1), ret_error);
        if (r < 0)
            break;
    }
    statement_release(catalog->writer, id, statement);
    return r;
}

/* Everything below it is deleted with it: ON DELETE CASCADE. */
static int delete_row(struct catalog *catalog, enum statement id, int64_t row, struct error *ret_error)
{
    return write_by_id(catalog->writer, id, row, ret_error);
}

/* Each of these runs in the transaction: checks that the object is there and may go, and lists its series. */
static int prepare_user(
    struct catalog *catalog, int64_t id, struct series_list *list, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = select_by_id(catalog->writer, STATEMENT_USER_BY_ID, id, &statement, ret_error);
    statement_release(catalog->writer, STATEMENT_USER_BY_ID, statement);
    if (r == -ENOENT)
        return error_set(ret_error, ENOENT, "user not found");
    return r < 0 ? r : series_of(catalog, STATEMENT_USER_SERIES, id, list, ret_error);
}

static int prepare_device(
    struct catalog *catalog, int64_t id, struct series_list *list, struct error *ret_error)
{
    sqlite3_stmt *statement;
    struct device device;
    int r = select_by_id(catalog->writer, STATEMENT_DEVICE_BY_ID, id, &statement, ret_error);
    if (r == -ENOENT)
        r = error_set(ret_error, ENOENT, "device not found");
    if (r == 0)
        r = device_borrow(statement, &device, ret_error);
    if (r == 0 && (strcmp(device.name, "user") == 0 || strcmp(device.name, "meta") == 0))
        r = error_set(
            ret_error, EPERM, "the device '%s' belongs to its user and cannot be deleted", device.name);
    statement_release(catalog->writer, STATEMENT_DEVICE_BY_ID, statement);
    return r < 0 ? r : series_of(catalog, STATEMENT_DEVICE_SERIES, id, list, ret_error);
}

static int prepare_stream(
    struct catalog *catalog, int64_t id, struct series_list *list, struct error *ret_error)
{
    sqlite3_stmt *statement;
    struct stream stream;
    int r = select_by_id(catalog->writer, STATEMENT_STREAM_BY_ID, id, &statement, ret_error);
    if (r == -ENOENT)
        r = error_set(ret_error, ENOENT, "stream not found");
    if (r == 0)
        r = stream_borrow(statement, &stream, ret_error);
    if (r == 0)
        r = series_list_add(list, stream.series_id, ret_error);
    if (r == 0)
        r = series_list_add(list, stream.downlink_series_id, ret_error);
    statement_release(catalog->writer, STATEMENT_STREAM_BY_ID, statement);
    return r;
}

/* A log that is deleted comes back empty: whose device it is does not change by deleting a stream. */
static int is_log(struct catalog *catalog, int64_t stream_id, int64_t *ret_device_id, struct error *ret_error)
{
    sqlite3_stmt *stream_row, *device_row = NULL;
    struct stream stream;
    struct device device;
    bool found = false;
    int r = select_by_id(catalog->writer, STATEMENT_STREAM_BY_ID, stream_id, &stream_row, ret_error);
    if (r == 0)
        r = stream_borrow(stream_row, &stream, ret_error);
    if (r == 0 && strcmp(stream.name, "log") == 0) {
        r = select_by_id(catalog->writer, STATEMENT_DEVICE_BY_ID, stream.device_id, &device_row, ret_error);
        if (r == 0)
            r = device_borrow(device_row, &device, ret_error);
        found = r == 0 && strcmp(device.name, "meta") == 0;
        if (found)
            *ret_device_id = device.id;
    }
    statement_release(catalog->writer, STATEMENT_DEVICE_BY_ID, device_row);
    statement_release(catalog->writer, STATEMENT_STREAM_BY_ID, stream_row);
    return r < 0 ? r : found;
}

static int delete_stream_row(struct catalog *catalog, enum statement id, int64_t row, struct error *ret_error)
{
    int64_t device_id = 0;
    int log = is_log(catalog, row, &device_id, ret_error);
    int r = log < 0 ? log : delete_row(catalog, id, row, ret_error);
    return r == 0 && log ? insert_log(catalog, device_id, ret_error) : r;
}

typedef int (*prepare_function)(
    struct catalog *catalog, int64_t id, struct series_list *list, struct error *ret_error);

static int delete_object(struct catalog *catalog, prepare_function prepare, enum statement delete, int64_t id,
    uint64_t **ret_series, size_t *ret_count, struct error *ret_error)
{
    int r = write_begin(catalog, ret_error);
    if (r < 0)
        return r;
    struct series_list list = {0};
    r = prepare(catalog, id, &list, ret_error);
    if (r == 0)
        r = delete == STATEMENT_STREAM_DELETE ? delete_stream_row(catalog, delete, id, ret_error)
                                              : delete_row(catalog, delete, id, ret_error);
    r = write_end(catalog, r, ret_error);
    if (r < 0) {
        free(list.ids);
        return r;
    }
    cache_outdate(catalog->places);
    *ret_series = list.ids;
    *ret_count = list.count;
    return 0;
}

int catalog_delete_user(struct catalog *catalog, int64_t user_id, uint64_t **ret_series, size_t *ret_count,
    struct error *ret_error)
{
    int r = delete_object(
        catalog, prepare_user, STATEMENT_USER_DELETE, user_id, ret_series, ret_count, ret_error);
    if (r == 0) {
        cache_outdate(catalog->identities);
        password_memory_forget(catalog->passwords, user_id);
    }
    return r;
}

int catalog_delete_device(struct catalog *catalog, int64_t device_id, uint64_t **ret_series,
    size_t *ret_count, struct error *ret_error)
{
    int r = delete_object(
        catalog, prepare_device, STATEMENT_DEVICE_DELETE, device_id, ret_series, ret_count, ret_error);
    if (r == 0)
        cache_outdate(catalog->identities);
    return r;
}

int catalog_delete_stream(struct catalog *catalog, int64_t stream_id, uint64_t **ret_series,
    size_t *ret_count, struct error *ret_error)
{
    return delete_object(
        catalog, prepare_stream, STATEMENT_STREAM_DELETE, stream_id, ret_series, ret_count, ret_error);
}
