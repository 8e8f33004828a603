/* SQLite as the catalog uses it: a connection with its prepared statements, and results as -errno with
 * messages that carry neither SQL nor paths nor library texts. A connection is used by one thread at a time.
 */
#ifndef CONNECTORDB_SQL_H
#define CONNECTORDB_SQL_H

#include "error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CATALOG_APPLICATION_ID = 0x43444243, /* "CDBC": in the file's header */
    CATALOG_VERSION = 1,                 /* user_version: the format of schema.sql */
    SQL_BUSY_TIMEOUT_MS = 5000,          /* only a foreign program can make us wait for a lock */
};

extern const char catalog_schema_sql[];

/* Every statement that is run more than once; prepared at its first use on a connection and kept. */
enum statement {
    STATEMENT_BEGIN_READ,
    STATEMENT_BEGIN_WRITE,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_TAKE_SERIES,
    STATEMENT_LAST_SERIES,

    STATEMENT_USER_BY_ID,
    STATEMENT_USER_BY_NAME,
    STATEMENT_USER_BY_LOGIN,
    STATEMENT_USERS_NAMED_LIKE,
    STATEMENT_USERS,
    STATEMENT_USERS_AFTER,
    STATEMENT_USER_NAME_TAKEN,
    STATEMENT_USER_EMAIL_TAKEN,
    STATEMENT_USER_INSERT,
    STATEMENT_USER_UPDATE,
    STATEMENT_USER_DELETE,
    STATEMENT_USER_SET_PASSWORD,
    STATEMENT_USER_UPGRADE_PASSWORD,
    STATEMENT_USER_SERIES,

    STATEMENT_DEVICE_BY_ID,
    STATEMENT_DEVICE_BY_NAME,
    STATEMENT_DEVICES,
    STATEMENT_DEVICES_AFTER,
    STATEMENT_DEVICE_NAME_TAKEN,
    STATEMENT_DEVICE_KEY_TAKEN,
    STATEMENT_DEVICE_INSERT,
    STATEMENT_DEVICE_UPDATE,
    STATEMENT_DEVICE_DELETE,
    STATEMENT_DEVICE_SERIES,

    STATEMENT_STREAM_BY_ID,
    STATEMENT_STREAM_BY_NAME,
    STATEMENT_STREAMS,
    STATEMENT_STREAMS_AFTER,
    STATEMENT_STREAM_NAME_TAKEN,
    STATEMENT_SERIES_TAKEN,
    STATEMENT_STREAM_INSERT,
    STATEMENT_STREAM_UPDATE,
    STATEMENT_STREAM_REPLACE_SERIES,
    STATEMENT_STREAM_REPLACE_DOWNLINK,
    STATEMENT_STREAM_DELETE,

    STATEMENT_IDENTITY_BY_KEY,
    STATEMENT_IDENTITY_BY_USER,
    STATEMENT_STREAM_PLACE,
    STATEMENT_SERIES,
    STATEMENT_COUNTS,
    STATEMENT_COUNT_USERS,
    STATEMENT_COUNT_DEVICES,
    STATEMENT_COUNT_PRIVATE_DEVICES,
    STATEMENT_COUNT_STREAMS,
    STATEMENT_META_WITHOUT_LOG,

    STATEMENT_COUNT
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct connection *next; /* in the list of idle ones */
};

/* flags: SQLITE_OPEN_READWRITE or SQLITE_OPEN_READONLY, or'ed with SQLITE_OPEN_URI when path is one. */
int connection_open(const char *path, int flags, struct connection **ret_connection, struct error *ret_error);
void connection_close(struct connection *connection); /* accepts NULL */
/* Runs SQL text that gives no rows. */
int connection_execute(struct connection *connection, const char *sql, struct error *ret_error);
/* The first column of the first row of a statement without parameters. */
int connection_integer(
    struct connection *connection, const char *sql, int64_t *ret_value, struct error *ret_error);

/* A statement ready for binding. Give it back with statement_release, whatever happened. A statement that is
 * being stepped already (a walk within a walk) comes as a second copy. */
int statement_get(
    struct connection *connection, enum statement id, sqlite3_stmt **ret_statement, struct error *ret_error);
void statement_release(
    struct connection *connection, enum statement id, sqlite3_stmt *statement); /* accepts NULL */
/* Parameters count from 1. The text (NULL = "") is borrowed until the release. */
void statement_bind_text(sqlite3_stmt *statement, int parameter, const char *text);
void statement_bind_integer(sqlite3_stmt *statement, int parameter, int64_t value);
/* 1 = a row, 0 = no more, or -errno. */
int statement_step(sqlite3_stmt *statement, struct error *ret_error);
/* Gets, steps to the end and releases a statement without parameters and rows. */
int statement_run(struct connection *connection, enum statement id, struct error *ret_error);
/* The failure `result` of an SQLite call as -errno. */
int sql_failure(sqlite3 *db, int result, struct error *ret_error);

#endif
