#include "catalog_check.h"
#include "catalog_files.h"
#include "catalog_internal.h"
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the gate ---- */

static void gate_init(struct gate *gate)
{
    (void)pthread_mutex_init(&gate->lock, NULL);
    (void)pthread_cond_init(&gate->opened, NULL);
    gate->taken = false;
}

static void gate_destroy(struct gate *gate)
{
    CHECK(!gate->taken);
    (void)pthread_cond_destroy(&gate->opened);
    (void)pthread_mutex_destroy(&gate->lock);
}

void gate_take(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    while (gate->taken)
        (void)pthread_cond_wait(&gate->opened, &gate->lock);
    gate->taken = true;
    (void)pthread_mutex_unlock(&gate->lock);
}

void gate_leave(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    CHECK(gate->taken);
    gate->taken = false;
    (void)pthread_cond_signal(&gate->opened);
    (void)pthread_mutex_unlock(&gate->lock);
}

void catalog_pause_writes(struct catalog *catalog)
{
    gate_take(&catalog->gate);
}

void catalog_resume_writes(struct catalog *catalog)
{
    gate_leave(&catalog->gate);
}

/* ---- connections ---- */

int reader_take(struct catalog *catalog, struct connection **ret_reader, struct error *ret_error)
{
    (void)pthread_mutex_lock(&catalog->idle_lock);
    struct connection *reader = catalog->idle;
    if (reader) {
        catalog->idle = reader->next;
        catalog->idle_count--;
    }
    (void)pthread_mutex_unlock(&catalog->idle_lock);
    if (reader) {
        *ret_reader = reader;
        return 0;
    }
    return connection_open(catalog->path, SQLITE_OPEN_READONLY | catalog->open_flags, ret_reader, ret_error);
}

void reader_give(struct catalog *catalog, struct connection *reader)
{
    if (!reader)
        return;
    (void)pthread_mutex_lock(&catalog->idle_lock);
    bool keep = catalog->idle_count < IDLE_CONNECTIONS_MAX;
    if (keep) {
        reader->next = catalog->idle;
        catalog->idle = reader;
        catalog->idle_count++;
    }
    (void)pthread_mutex_unlock(&catalog->idle_lock);
    if (!keep)
        connection_close(reader);
}

/* ---- transactions ---- */

int write_begin(struct catalog *catalog, struct error *ret_error)
{
    if (!catalog->writer)
        return error_set(ret_error, EROFS, "the catalog is open for reading only");
    gate_take(&catalog->gate);
    int r = wal_before_write(catalog, ret_error);
    if (r == 0)
        r = statement_run(catalog->writer, STATEMENT_BEGIN_WRITE, ret_error);
    if (r < 0)
        gate_leave(&catalog->gate);
    return r;
}

int write_end(struct catalog *catalog, int result, struct error *ret_error)
{
    int r = result;
    if (r == 0)
        r = statement_run(catalog->writer, STATEMENT_COMMIT, ret_error);
    /* SQLite has rolled back by itself after some failures. One of the rollback has nothing to add to the
     * first. */
    if (r < 0 && !sqlite3_get_autocommit(catalog->writer->db))
        (void)statement_run(catalog->writer, STATEMENT_ROLLBACK, NULL);
    if (r == 0)
        wal_after_commit(catalog);
    gate_leave(&catalog->gate);
    return r;
}

int select_by_id(struct connection *connection, enum statement id, int64_t value,
    sqlite3_stmt **ret_statement, struct error *ret_error)
{
    *ret_statement = NULL;
    int r = statement_get(connection, id, ret_statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(*ret_statement, 1, value);
    r = statement_step(*ret_statement, ret_error);
    if (r == 0)
        return error_set(ret_error, ENOENT, "not found");
    return r < 0 ? r : 0;
}

int select_by_texts(struct connection *connection, enum statement id, const char *first, const char *second,
    const char *third, sqlite3_stmt **ret_statement, struct error *ret_error)
{
    *ret_statement = NULL;
    int r = statement_get(connection, id, ret_statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_text(*ret_statement, 1, first);
    if (second)
        statement_bind_text(*ret_statement, 2, second);
    if (third)
        statement_bind_text(*ret_statement, 3, third);
    r = statement_step(*ret_statement, ret_error);
    if (r == 0)
        return error_set(ret_error, ENOENT, "not found");
    return r < 0 ? r : 0;
}

int row_by_id(
    struct catalog *catalog, enum statement id, int64_t value, struct row *ret_row, struct error *ret_error)
{
    *ret_row = (struct row){.id = id};
    int r = reader_take(catalog, &ret_row->reader, ret_error);
    return r < 0 ? r : select_by_id(ret_row->reader, id, value, &ret_row->statement, ret_error);
}

int row_by_texts(struct catalog *catalog, enum statement id, const char *first, const char *second,
    const char *third, struct row *ret_row, struct error *ret_error)
{
    *ret_row = (struct row){.id = id};
    int r = reader_take(catalog, &ret_row->reader, ret_error);
    return r < 0 ? r
                 : select_by_texts(ret_row->reader, id, first, second, third, &ret_row->statement, ret_error);
}

void row_release(struct catalog *catalog, struct row *row)
{
    statement_release(row->reader, row->id, row->statement);
    reader_give(catalog, row->reader);
}

int exists_by_id_and_text(struct connection *connection, enum statement id, int64_t value, const char *text,
    struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(connection, id, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, value);
    statement_bind_text(statement, 2, text);
    r = statement_step(statement, ret_error);
    statement_release(connection, id, statement);
    return r;
}

int exists_by_text(
    struct connection *connection, enum statement id, const char *text, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(connection, id, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_text(statement, 1, text);
    r = statement_step(statement, ret_error);
    statement_release(connection, id, statement);
    return r;
}

int write_by_id(struct connection *writer, enum statement id, int64_t value, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(writer, id, &statement, ret_error);
    if (r < 0)
        return r;
    statement_bind_integer(statement, 1, value);
    r = statement_step(statement, ret_error);
    statement_release(writer, id, statement);
    return r;
}

/* ---- life ---- */

static int create_tables(const char *path, struct error *ret_error)
{
    struct connection *connection;
    int r = connection_open(path, SQLITE_OPEN_READWRITE, &connection, ret_error);
    if (r < 0)
        return r;
    char *header = sqlite3_mprintf(
        "PRAGMA application_id = %d; PRAGMA user_version = %d;", CATALOG_APPLICATION_ID, CATALOG_VERSION);
    if (!header)
        r = error_set(ret_error, ENOMEM, "out of memory in the catalog");
    if (r == 0)
        r = connection_execute(connection, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", ret_error);
    if (r == 0)
        r = connection_execute(connection, header, ret_error);
    if (r == 0)
        r = connection_execute(connection, catalog_schema_sql, ret_error);
    if (r == 0)
        r = connection_execute(connection, "COMMIT", ret_error);
    sqlite3_free(header);
    connection_close(connection); /* writes the WAL back and removes it */
    return r;
}

int catalog_create(const char *path, struct error *ret_error)
{
    int r = catalog_file_create(path, ret_error);
    if (r < 0)
        return r; /* what is there stays */
    r = create_tables(path, ret_error);
    return catalog_file_finish(path, r, ret_error);
}

/* At most half of the processors: logins must not stop everything else. */
static unsigned hashes_at_once(void)
{
    long half = sysconf(_SC_NPROCESSORS_ONLN) / 2;
    return half < 1 ? 1 : half > HASHES_AT_ONCE_MAX ? HASHES_AT_ONCE_MAX : (unsigned)half;
}

static struct catalog *catalog_allocate(const char *path)
{
    struct catalog *catalog = calloc(1, sizeof(*catalog));
    if (!catalog)
        return NULL;
    catalog->path = strdup(path);
    if (!catalog->path) {
        free(catalog);
        return NULL;
    }
    gate_init(&catalog->gate);
    (void)pthread_mutex_init(&catalog->idle_lock, NULL);
    hash_slots_init(&catalog->hashing, hashes_at_once(), HASHES_WAITING_MAX);
    return catalog;
}

static int open_caches(struct catalog *catalog, struct error *ret_error)
{
    int r = cache_create(
        CACHE_ENTRIES, CACHED_KEY_BYTES_MAX, sizeof(struct identity), &catalog->identities, ret_error);
    if (r == 0)
        r = cache_create(
            CACHE_ENTRIES, PATH_BYTES_MAX, sizeof(struct stream_place), &catalog->places, ret_error);
    if (r == 0)
        r = password_memory_create(&catalog->passwords, ret_error);
    return r;
}

/* Keeps the first finding as the error. */
static void first_finding(void *context, const char *message)
{
    struct error *first = context;
    if (first->code == 0)
        (void)error_set(first, EBADMSG, "%s", message);
}

static int check_at_open(struct connection *connection, struct error *ret_error)
{
    int r = check_version(connection, ret_error);
    if (r < 0)
        return r;
    struct error first = {0};
    r = check_contents(connection, first_finding, &first, ret_error);
    if (r > 0)
        return error_set(ret_error, EBADMSG,
            "the catalog is damaged: %s (%d finding%s; `connectordb check` lists them)", first.message, r,
            r == 1 ? "" : "s");
    return r;
}

int catalog_open(const char *path, struct catalog **ret_catalog, struct error *ret_error)
{
    struct catalog *catalog = catalog_allocate(path);
    if (!catalog)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    int r = 0;
    if (access(path, F_OK) < 0)
        r = error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    if (r == 0)
        r = catalog_file_refuse_unfinished(path, ret_error);
    if (r == 0)
        r = connection_open(path, SQLITE_OPEN_READWRITE, &catalog->writer, ret_error);
    if (r == 0)
        r = check_at_open(catalog->writer, ret_error);
    if (r == 0) /* it is in the file already, unless somebody changed it by hand */
        r = connection_execute(catalog->writer, "PRAGMA journal_mode = WAL", ret_error);
    if (r == 0)
        wal_watch(catalog);
    if (r == 0)
        r = open_caches(catalog, ret_error);
    if (r < 0) {
        catalog_close(catalog);
        return r;
    }
    *ret_catalog = catalog;
    return 0;
}

/* Without a log the file alone is the catalog, and immutable says so: SQLite then makes no files beside it.
 */
static int choose_file(struct catalog *catalog, const char *path, struct error *ret_error)
{
    char *found = NULL;
    int r = catalog_file_has_log(path, ret_error);
    if (r > 0) {
        r = catalog_copy_make(path, &catalog->copy, ret_error);
        if (r == 0)
            found = strdup(catalog_copy_path(catalog->copy));
    } else if (r == 0) {
        found = catalog_file_uri(path, "?immutable=1");
        catalog->open_flags = SQLITE_OPEN_URI;
    }
    if (r == 0 && !found)
        r = error_set(ret_error, ENOMEM, "out of memory in the catalog");
    if (r < 0)
        return r;
    free(catalog->path);
    catalog->path = found;
    return 0;
}

static int check_for_reading(struct catalog *catalog, struct error *ret_error)
{
    struct connection *reader = NULL;
    int r;
    if (catalog->copy) { /* its log is written back once: connections for reading only could not */
        r = connection_open(catalog->path, SQLITE_OPEN_READWRITE, &reader, ret_error);
        if (r == 0)
            r = connection_execute(reader, "PRAGMA journal_mode = DELETE", ret_error);
        connection_close(reader);
        if (r < 0)
            return r;
    }
    r = reader_take(catalog, &reader, ret_error);
    if (r == 0)
        r = check_at_open(reader, ret_error);
    reader_give(catalog, reader);
    return r;
}

int catalog_open_for_reading(const char *path, struct catalog **ret_catalog, struct error *ret_error)
{
    struct catalog *catalog = catalog_allocate(path);
    if (!catalog)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    int r = 0;
    if (access(path, R_OK) < 0)
        r = error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    if (r == 0)
        r = catalog_file_refuse_unfinished(path, ret_error);
    if (r == 0)
        r = choose_file(catalog, path, ret_error);
    if (r == 0)
        r = check_for_reading(catalog, ret_error);
    if (r == 0)
        r = open_caches(catalog, ret_error);
    if (r < 0) {
        catalog_close(catalog);
        return r;
    }
    *ret_catalog = catalog;
    return 0;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    while (catalog->idle) {
        struct connection *reader = catalog->idle;
        catalog->idle = reader->next;
        connection_close(reader);
    }
    connection_close(catalog->writer); /* the last one: writes the WAL back */
    cache_free(catalog->identities);
    cache_free(catalog->places);
    password_memory_free(catalog->passwords);
    hash_slots_destroy(&catalog->hashing);
    (void)pthread_mutex_destroy(&catalog->idle_lock);
    gate_destroy(&catalog->gate);
    catalog_copy_remove(catalog->copy);
    free(catalog->path);
    free(catalog);
}
