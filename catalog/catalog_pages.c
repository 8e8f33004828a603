/* Lists in pages: each is a query of its own, which ends before the page is handed out. */
#include "catalog_internal.h"
#include "objects.h"

/* A list of objects of one kind. */
struct paged {
    enum statement statement; /* ?1 = the name before, ?2 = the owner's id */
    const struct object_kind *kind;
};

static const struct paged USERS = {STATEMENT_USERS_AFTER, &USER_KIND};
static const struct paged DEVICES = {STATEMENT_DEVICES_AFTER, &DEVICE_KIND};
static const struct paged STREAMS = {STATEMENT_STREAMS_AFTER, &STREAM_KIND};

static size_t text_bytes(sqlite3_stmt *statement)
{
    size_t bytes = 0;
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
        if (sqlite3_column_type(statement, i) == SQLITE_TEXT)
            bytes += (size_t)sqlite3_column_bytes(statement, i);
    }
    return bytes;
}

/* Returns the number of rows, which are there also when it fails later: *ret_count. */
static int read_rows(const struct object_kind *kind, sqlite3_stmt *statement, char *rows, int *ret_count,
    struct error *ret_error)
{
    size_t bytes = 0;
    int r = 0;
    while (*ret_count < CATALOG_PAGE_ROWS && bytes < CATALOG_PAGE_BYTES &&
           (r = statement_step(statement, ret_error)) > 0) {
        r = object_load(statement, kind, rows + (size_t)*ret_count * kind->object_bytes, ret_error);
        if (r < 0)
            break;
        bytes += text_bytes(statement);
        (*ret_count)++;
    }
    return r < 0 ? r : 0;
}

static int page(struct catalog *catalog, const struct paged *list, const char *after, int64_t owner_id,
    void *rows, struct error *ret_error)
{
    struct connection *reader;
    sqlite3_stmt *statement = NULL;
    int count = 0;
    int r = reader_take(catalog, &reader, ret_error);
    if (r < 0)
        return r;
    r = statement_get(reader, list->statement, &statement, ret_error);
    if (r == 0) {
        statement_bind_text(statement, 1, after);
        if (list->statement != STATEMENT_USERS_AFTER)
            statement_bind_integer(statement, 2, owner_id);
        r = read_rows(list->kind, statement, rows, &count, ret_error);
    }
    statement_release(reader, list->statement, statement);
    reader_give(catalog, reader);
    if (r == 0)
        return count;
    for (int i = 0; i < count; i++)
        fields_free(list->kind, (char *)rows + (size_t)i * list->kind->object_bytes);
    return r;
}

int catalog_users_page(
    struct catalog *catalog, const char *after, struct user rows[CATALOG_PAGE_ROWS], struct error *ret_error)
{
    return page(catalog, &USERS, after, 0, rows, ret_error);
}

int catalog_devices_page(struct catalog *catalog, int64_t user_id, const char *after,
    struct device rows[CATALOG_PAGE_ROWS], struct error *ret_error)
{
    return page(catalog, &DEVICES, after, user_id, rows, ret_error);
}

int catalog_streams_page(struct catalog *catalog, int64_t device_id, const char *after,
    struct stream rows[CATALOG_PAGE_ROWS], struct error *ret_error)
{
    return page(catalog, &STREAMS, after, device_id, rows, ret_error);
}
