/* SQLite in WAL mode with synchronous=FULL: one table, clustered by stream and time, one transaction a batch.
 * Numbers are stored as numbers, everything else as msgpack. */
#include "embedded.h"

#include "bench_common.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES = 4096 };

struct embedded {
    sqlite3 *database;
    enum generate_kind kind;
    sqlite3_stmt *insert, *range, *last;
};

static void must(const struct embedded *embedded, int result)
{
    if (result != SQLITE_OK && result != SQLITE_DONE)
        bench_fail("sqlite: %s", sqlite3_errmsg(embedded->database));
}

static void run(const struct embedded *embedded, const char *statement)
{
    must(embedded, sqlite3_exec(embedded->database, statement, NULL, NULL, NULL));
}

static sqlite3_stmt *prepare(const struct embedded *embedded, const char *text)
{
    sqlite3_stmt *statement;
    must(embedded,
        sqlite3_prepare_v3(embedded->database, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL));
    return statement;
}

struct embedded *embedded_open(const char *directory, enum generate_kind kind)
{
    struct embedded *embedded = calloc(1, sizeof(*embedded));
    char path[PATH_BYTES];
    if (!embedded || (size_t)snprintf(path, sizeof(path), "%s/points.sqlite", directory) >= sizeof(path))
        bench_fail("no memory, or %s is too long", directory);
    embedded->kind = kind;
    must(embedded, sqlite3_open(path, &embedded->database));
    run(embedded, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                  "CREATE TABLE IF NOT EXISTS points (stream INTEGER, t INTEGER, d, PRIMARY KEY (stream, t)) "
                  "WITHOUT ROWID");
    embedded->insert = prepare(embedded, "INSERT INTO points VALUES (?1, ?2, ?3)");
    embedded->range =
        prepare(embedded, "SELECT t, d FROM points WHERE stream = ?1 AND t >= ?2 AND t < ?3 ORDER BY t");
    embedded->last = prepare(embedded, "SELECT t, d FROM points WHERE stream = ?1 ORDER BY t DESC LIMIT 1");
    return embedded;
}

void embedded_close(struct embedded *embedded)
{
    sqlite3_finalize(embedded->insert);
    sqlite3_finalize(embedded->range);
    sqlite3_finalize(embedded->last);
    must(embedded, sqlite3_close(embedded->database));
    free(embedded);
}

unsigned embedded_writers(void)
{
    return 1;
}

static void bind_value(struct embedded *embedded, const struct batch *batch, uint32_t i)
{
    uint8_t scratch[9];
    size_t size;
    if (embedded->kind == GENERATE_COUNTER) {
        must(embedded, sqlite3_bind_int64(embedded->insert, 3, (int64_t)numbers_double(&batch->numbers, i)));
    } else if (embedded->kind == GENERATE_EVENTS) {
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        must(embedded, sqlite3_bind_blob(embedded->insert, 3, value, (int)size, SQLITE_STATIC));
    } else {
        must(embedded, sqlite3_bind_double(embedded->insert, 3, numbers_double(&batch->numbers, i)));
    }
}

void embedded_append(struct embedded *embedded, uint32_t stream, const struct batch *batch)
{
    run(embedded, "BEGIN IMMEDIATE");
    for (uint32_t i = 0; i < batch->count; i++) {
        must(embedded, sqlite3_bind_int64(embedded->insert, 1, stream));
        must(embedded, sqlite3_bind_int64(embedded->insert, 2, embedded_time_us(batch, i)));
        bind_value(embedded, batch, i);
        must(embedded, sqlite3_step(embedded->insert));
        must(embedded, sqlite3_reset(embedded->insert));
    }
    run(embedded, "COMMIT");
}

static void push_row(sqlite3_stmt *row, struct batch *batch)
{
    double time = embedded_time(sqlite3_column_int64(row, 0));
    int r;
    switch (sqlite3_column_type(row, 1)) {
    case SQLITE_INTEGER:
        r = batch_push_integer(batch, time, sqlite3_column_int64(row, 1));
        break;
    case SQLITE_FLOAT:
        r = batch_push_double(batch, time, sqlite3_column_double(row, 1));
        break;
    default: {
        const uint8_t *value = sqlite3_column_blob(row, 1);
        r = batch_push_msgpack(batch, time, value, (size_t)sqlite3_column_bytes(row, 1));
        break;
    }
    }
    if (r < 0)
        bench_fail("cannot keep a point");
}

void embedded_read(struct embedded *embedded, uint32_t stream, int64_t from_us, int64_t to_us,
    void (*take)(void *context, const struct batch *batch), void *context)
{
    struct batch batch;
    batch_init(&batch);
    must(embedded, sqlite3_bind_int64(embedded->range, 1, stream));
    must(embedded, sqlite3_bind_int64(embedded->range, 2, from_us));
    must(embedded, sqlite3_bind_int64(embedded->range, 3, to_us));
    int r;
    while ((r = sqlite3_step(embedded->range)) == SQLITE_ROW) {
        push_row(embedded->range, &batch);
        if (batch.count == EMBEDDED_READ_POINTS) {
            take(context, &batch);
            batch_clear(&batch);
        }
    }
    must(embedded, r);
    if (batch.count > 0)
        take(context, &batch);
    must(embedded, sqlite3_reset(embedded->range));
    batch_free(&batch);
}

void embedded_last(struct embedded *embedded, uint32_t stream, struct batch *batch)
{
    batch_clear(batch);
    must(embedded, sqlite3_bind_int64(embedded->last, 1, stream));
    if (sqlite3_step(embedded->last) == SQLITE_ROW)
        push_row(embedded->last, batch);
    must(embedded, sqlite3_reset(embedded->last));
}

void embedded_settle(struct embedded *embedded)
{
    run(embedded, "PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
}
