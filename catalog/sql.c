#include "sql.h"

#include "check.h"
#include "fields.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <string.h>

enum {
    READER_CACHE_KIB = 512, /* pages of a reading connection */
    WRITER_CACHE_KIB = 4096,
    WAL_BYTES_KEPT = 16 << 20, /* of the write-ahead log's file when the log begins anew */
};

/* In these texts, {user}, {device} and {stream} stand for the columns of such an object, {insert user}, ...
 * for "users (columns) VALUES (parameters)", {update stream} for "column = parameter, ..." from ?2 on. */
#define IDENTITY_COLUMNS "u.id, d.id, u.name, d.name, u.role, d.role"

static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN_READ] = "BEGIN",
    [STATEMENT_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_TAKE_SERIES] = "UPDATE series_sequence SET last = last + ?1 WHERE only = 1 RETURNING last",
    [STATEMENT_LAST_SERIES] = "SELECT last FROM series_sequence WHERE only = 1",

    [STATEMENT_USER_BY_ID] = "SELECT {user} FROM users WHERE id = ?1",
    [STATEMENT_USER_BY_NAME] = "SELECT {user} FROM users WHERE name = ?1",
    /* The exact name first: names that differ only in case are different users. */
    [STATEMENT_USER_BY_LOGIN] = "SELECT {user} FROM users WHERE id = coalesce("
                                "(SELECT id FROM users WHERE name = ?1), "
                                "(SELECT id FROM users WHERE email = ?1 AND email <> ''), "
                                "(SELECT id FROM users WHERE name = ?1 COLLATE NOCASE ORDER BY id LIMIT 1), "
                                "(SELECT id FROM users WHERE email = ?1 COLLATE NOCASE ORDER BY id LIMIT 1))",
    [STATEMENT_USERS_NAMED_LIKE] = "SELECT id FROM users WHERE name = ?1 COLLATE NOCASE "
                                   "UNION SELECT id FROM users WHERE email = ?2 COLLATE NOCASE",
    [STATEMENT_USERS] = "SELECT {user} FROM users ORDER BY name",
    [STATEMENT_USERS_AFTER] = "SELECT {user} FROM users WHERE name > ?1 ORDER BY name",
    [STATEMENT_USER_NAME_TAKEN] = "SELECT 1 FROM users WHERE name = ?1",
    [STATEMENT_USER_EMAIL_TAKEN] = "SELECT 1 FROM users WHERE email = ?1 AND email <> ''",
    [STATEMENT_USER_INSERT] = "INSERT INTO {insert user}",
    [STATEMENT_USER_UPDATE] = "UPDATE users SET {update user} WHERE id = ?1",
    [STATEMENT_USER_DELETE] = "DELETE FROM users WHERE id = ?1",
    [STATEMENT_USER_SET_PASSWORD] =
        "UPDATE users SET password = ?2, password_salt = ?3, password_scheme = ?4 "
        "WHERE id = ?1 RETURNING 1",
    /* Only if nobody changed it meanwhile. */
    [STATEMENT_USER_UPGRADE_PASSWORD] =
        "UPDATE users SET password = ?2, password_salt = ?3, password_scheme = ?4 "
        "WHERE id = ?1 AND password = ?5 RETURNING 1",
    [STATEMENT_USER_SERIES] = "SELECT s.series_id, coalesce(s.downlink_series_id, 0) FROM streams s "
                              "JOIN devices d ON s.device_id = d.id WHERE d.user_id = ?1",

    [STATEMENT_DEVICE_BY_ID] = "SELECT {device} FROM devices d WHERE d.id = ?1",
    [STATEMENT_DEVICE_BY_NAME] = "SELECT {device} FROM users u JOIN devices d ON d.user_id = u.id "
                                 "WHERE u.name = ?1 AND d.name = ?2",
    [STATEMENT_DEVICES] = "SELECT {device} FROM devices d WHERE d.user_id = ?1 ORDER BY d.name",
    [STATEMENT_DEVICES_AFTER] = "SELECT {device} FROM devices d WHERE d.user_id = ?2 AND d.name > ?1 "
                                "ORDER BY d.name",
    [STATEMENT_DEVICE_NAME_TAKEN] = "SELECT 1 FROM devices WHERE user_id = ?1 AND name = ?2",
    [STATEMENT_DEVICE_KEY_TAKEN] = "SELECT 1 FROM devices WHERE apikey = ?1 AND apikey <> ''",
    [STATEMENT_DEVICE_INSERT] = "INSERT INTO {insert device}",
    [STATEMENT_DEVICE_UPDATE] = "UPDATE devices SET {update device} WHERE id = ?1",
    [STATEMENT_DEVICE_DELETE] = "DELETE FROM devices WHERE id = ?1",
    [STATEMENT_DEVICE_SERIES] =
        "SELECT series_id, coalesce(downlink_series_id, 0) FROM streams WHERE device_id = ?1",

    [STATEMENT_STREAM_BY_ID] = "SELECT {stream} FROM streams s WHERE s.id = ?1",
    [STATEMENT_STREAM_BY_NAME] =
        "SELECT {stream} FROM users u JOIN devices d ON d.user_id = u.id "
        "JOIN streams s ON s.device_id = d.id WHERE u.name = ?1 AND d.name = ?2 AND s.name = ?3",
    [STATEMENT_STREAMS] = "SELECT {stream} FROM streams s WHERE s.device_id = ?1 ORDER BY s.name",
    [STATEMENT_STREAMS_AFTER] = "SELECT {stream} FROM streams s WHERE s.device_id = ?2 AND s.name > ?1 "
                                "ORDER BY s.name",
    [STATEMENT_STREAM_NAME_TAKEN] = "SELECT 1 FROM streams WHERE device_id = ?1 AND name = ?2",
    [STATEMENT_SERIES_TAKEN] = "SELECT 1 FROM streams WHERE series_id = ?1 "
                               "UNION ALL SELECT 1 FROM streams WHERE downlink_series_id = ?1",
    [STATEMENT_STREAM_INSERT] = "INSERT INTO {insert stream}",
    [STATEMENT_STREAM_UPDATE] = "UPDATE streams SET {update stream} WHERE id = ?1",
    [STATEMENT_STREAM_REPLACE_SERIES] =
        "UPDATE streams SET series_id = ?3 WHERE id = ?1 AND series_id = ?2 RETURNING 1",
    [STATEMENT_STREAM_REPLACE_DOWNLINK] = "UPDATE streams SET downlink_series_id = ?3 "
                                          "WHERE id = ?1 AND downlink_series_id = ?2 RETURNING 1",
    [STATEMENT_STREAM_DELETE] = "DELETE FROM streams WHERE id = ?1",

    /* `<> ''` lets SQLite use the partial index, and an empty key match nothing. */
    [STATEMENT_IDENTITY_BY_KEY] =
        "SELECT " IDENTITY_COLUMNS " FROM devices d JOIN users u ON u.id = d.user_id "
        "WHERE d.apikey = ?1 AND d.apikey <> ''",
    [STATEMENT_IDENTITY_BY_USER] =
        "SELECT " IDENTITY_COLUMNS " FROM users u JOIN devices d ON d.user_id = u.id "
        "WHERE u.id = ?1 AND d.name = 'user'",
    [STATEMENT_STREAM_PLACE] =
        "SELECT u.id, d.id, s.id, s.series_id, coalesce(s.downlink_series_id, 0), s.downlink, "
        "s.ephemeral, d.public, s.schema FROM users u JOIN devices d ON d.user_id = u.id "
        "JOIN streams s ON s.device_id = d.id WHERE u.name = ?1 AND d.name = ?2 AND s.name = ?3",
    [STATEMENT_SERIES] =
        "SELECT series_id FROM streams UNION ALL "
        "SELECT downlink_series_id FROM streams WHERE downlink_series_id IS NOT NULL ORDER BY 1",
    [STATEMENT_COUNTS] = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM devices), "
                         "(SELECT count(*) FROM streams)",
    /* For limits; ?1 is what they belong to. */
    [STATEMENT_COUNT_USERS] = "SELECT count(*) FROM users WHERE ?1 = 0",
    [STATEMENT_COUNT_DEVICES] =
        "SELECT count(*) FROM devices WHERE user_id = ?1 AND name NOT IN ('user', 'meta')",
    [STATEMENT_COUNT_PRIVATE_DEVICES] = "SELECT count(*) FROM devices "
                                        "WHERE user_id = ?1 AND public = 0 AND name NOT IN ('user', 'meta')",
    [STATEMENT_COUNT_STREAMS] = "SELECT count(*) FROM streams WHERE device_id = ?1",
    [STATEMENT_META_WITHOUT_LOG] =
        "SELECT d.id FROM devices d WHERE d.id > ?1 AND d.name = 'meta' AND NOT EXISTS "
        "(SELECT 1 FROM streams s WHERE s.device_id = d.id AND s.name = 'log') ORDER BY d.id LIMIT 1",
};

/* The errno of the last failed call on the database file (SQLITE_FCNTL_FILE_POINTER) or its log
 * (SQLITE_FCNTL_JOURNAL_POINTER). */
static int errno_of_file(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;
    int code = 0;
    if (sqlite3_file_control(db, "main", which, &file) == SQLITE_OK && file && file->pMethods)
        (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code);
    return code;
}

/* SQLite has a code of its own for ENOSPC (SQLITE_FULL), but for no quota and no limit of a file's size. A
 * commit that fails leaves sqlite3_system_errno as it was. */
static int no_space_code(sqlite3 *db, int result)
{
    int codes[3] = {0, 0, sqlite3_system_errno(db)};
    if (result == SQLITE_IOERR_WRITE) {
        codes[0] = errno_of_file(db, SQLITE_FCNTL_JOURNAL_POINTER);
        codes[1] = errno_of_file(db, SQLITE_FCNTL_FILE_POINTER);
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (error_is_no_space(codes[i]))
            return codes[i];
    }
    return 0;
}

static int io_failure(sqlite3 *db, int result, struct error *ret_error)
{
    int code = no_space_code(db, result);
    if (code != 0)
        return error_set(ret_error, code, "no space left for the catalog: %s", error_no_space_reason(code));
    int system = sqlite3_system_errno(db);
    if ((result & 0xff) == SQLITE_CANTOPEN && (system == EMFILE || system == ENFILE))
        return error_set(ret_error, system, "the catalog cannot be opened: %s: raise the limit (ulimit -n)",
            strerror(system));
    if ((result & 0xff) == SQLITE_CANTOPEN)
        return error_set(
            ret_error, EIO, "the catalog cannot be opened: check the permissions of the database");
    return error_set(ret_error, EIO, "the catalog cannot be read or written (failure %d)", result);
}

int sql_failure(sqlite3 *db, int result, struct error *ret_error)
{
    switch (result & 0xff) {
    case SQLITE_ERROR: /* our SQL is right, so a table or column is not as we made it */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return error_set(ret_error, EBADMSG, "the catalog is damaged: run `connectordb check`");
    case SQLITE_NOMEM:
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    case SQLITE_FULL:
        return error_set(
            ret_error, ENOSPC, "no space left for the catalog: %s", error_no_space_reason(ENOSPC));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(ret_error, EBUSY, "the catalog is locked by another program");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return error_set(
            ret_error, EACCES, "the catalog cannot be written: check the permissions of the database");
    case SQLITE_CONSTRAINT:
        return error_set(ret_error, EINVAL, "the catalog refuses the value");
    default:
        return io_failure(db, result, ret_error);
    }
}

static int connection_configure(struct connection *connection, int flags, struct error *ret_error)
{
    bool writes = flags & SQLITE_OPEN_READWRITE;
    char *pragmas = sqlite3_mprintf(
        "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; "
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d;%s",
        writes ? WRITER_CACHE_KIB : READER_CACHE_KIB, WAL_BYTES_KEPT,
        writes ? "" : " PRAGMA query_only = ON;");
    if (!pragmas)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    int r = connection_execute(connection, pragmas, ret_error);
    sqlite3_free(pragmas);
    return r;
}

int connection_open(const char *path, int flags, struct connection **ret_connection, struct error *ret_error)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    int r;
    int result =
        sqlite3_open_v2(path, &connection->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (result != SQLITE_OK) {
        r = sql_failure(connection->db, result, ret_error);
        goto fail;
    }
    (void)sqlite3_busy_timeout(connection->db, SQL_BUSY_TIMEOUT_MS);
    r = connection_configure(connection, flags, ret_error);
    if (r < 0)
        goto fail;
    *ret_connection = connection;
    return 0;
fail:
    connection_close(connection);
    return r;
}

void connection_close(struct connection *connection)
{
    if (!connection)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(connection->statements[i]);
    int result = sqlite3_close(connection->db);
    CHECK(result == SQLITE_OK); /* a statement was not released */
    free(connection);
}

int connection_execute(struct connection *connection, const char *sql, struct error *ret_error)
{
    int result = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : sql_failure(connection->db, result, ret_error);
}

int connection_integer(
    struct connection *connection, const char *sql, int64_t *ret_value, struct error *ret_error)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
    if (result != SQLITE_OK)
        return sql_failure(connection->db, result, ret_error);
    int r = statement_step(statement, ret_error);
    if (r == 1) {
        *ret_value = sqlite3_column_int64(statement, 0);
        r = 0;
    } else if (r == 0) {
        r = error_set(ret_error, EBADMSG, "the catalog is damaged: a value is missing");
    }
    (void)sqlite3_finalize(statement);
    return r;
}

/* ---- texts with the columns of an object ---- */

static void put_columns(sqlite3_str *text, const struct object_kind *kind)
{
    for (size_t i = 0; i < kind->count; i++)
        sqlite3_str_appendf(text, "%s%s%s", i > 0 ? ", " : "", kind->alias, kind->fields[i].name);
}

static void put_insert(sqlite3_str *text, const struct object_kind *kind)
{
    sqlite3_str_appendf(text, "%s (", kind->table);
    int count = 0;
    for (size_t i = 0; i < kind->count; i++) {
        if (!(kind->fields[i].flags & FIELD_ROWID))
            sqlite3_str_appendf(text, "%s%s", count++ > 0 ? ", " : "", kind->fields[i].name);
    }
    sqlite3_str_appendall(text, ") VALUES (");
    for (int i = 1; i <= count; i++)
        sqlite3_str_appendf(text, "%s?%d", i > 1 ? ", " : "", i);
    sqlite3_str_appendall(text, ")");
}

static void put_update(sqlite3_str *text, const struct object_kind *kind)
{
    int parameter = 2;
    for (size_t i = 0; i < kind->count; i++) {
        if (!(kind->fields[i].flags & FIELD_FIXED))
            sqlite3_str_appendf(
                text, "%s%s = ?%d", parameter > 2 ? ", " : "", kind->fields[i].name, parameter);
        parameter += !(kind->fields[i].flags & FIELD_FIXED);
    }
}

/* For `length` bytes in braces. False: they mean nothing here. */
static bool put_columns_of(sqlite3_str *text, const char *word, size_t length)
{
    static const struct object_kind *const KINDS[] = {&USER_KIND, &DEVICE_KIND, &STREAM_KIND};
    static const struct {
        const char *prefix;
        void (*put)(sqlite3_str *text, const struct object_kind *kind);
    } FORMS[] = {{"", put_columns}, {"insert ", put_insert}, {"update ", put_update}};
    for (size_t i = 0; i < 9; i++) {
        const struct object_kind *kind = KINDS[i % 3];
        size_t prefix = strlen(FORMS[i / 3].prefix);
        if (length == prefix + strlen(kind->name) && strncmp(word, FORMS[i / 3].prefix, prefix) == 0 &&
            strncmp(word + prefix, kind->name, length - prefix) == 0) {
            FORMS[i / 3].put(text, kind);
            return true;
        }
    }
    return false;
}

/* The statement's SQL, to be freed with sqlite3_free; NULL without memory. */
static char *statement_text(enum statement id)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    const char *at = statement_texts[id];
    while (*at) {
        size_t plain = strcspn(at, "{");
        sqlite3_str_append(text, at, (int)plain);
        at += plain;
        if (*at == '{') {
            size_t length = strcspn(at, "}");
            if (!put_columns_of(text, at + 1, length - 1))
                sqlite3_str_append(text, at, (int)length + 1); /* '{}', a value */
            at += length + 1;
        }
    }
    return sqlite3_str_finish(text);
}

int statement_get(
    struct connection *connection, enum statement id, sqlite3_stmt **ret_statement, struct error *ret_error)
{
    sqlite3_stmt *kept = connection->statements[id];
    if (kept && !sqlite3_stmt_busy(kept)) {
        *ret_statement = kept;
        return 0;
    }
    sqlite3_stmt *statement = NULL;
    char *text = statement_text(id);
    if (!text)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    int result = sqlite3_prepare_v3(connection->db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    sqlite3_free(text);
    if (result != SQLITE_OK)
        return sql_failure(connection->db, result, ret_error);
    if (!kept)
        connection->statements[id] = statement;
    *ret_statement = statement;
    return 0;
}

void statement_release(struct connection *connection, enum statement id, sqlite3_stmt *statement)
{
    if (!statement)
        return;
    if (connection->statements[id] != statement) {
        (void)sqlite3_finalize(statement);
        return;
    }
    (void)sqlite3_reset(statement); /* repeats the failure of the last step, which was reported then */
    (void)sqlite3_clear_bindings(statement);
}

void statement_bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
    int result = sqlite3_bind_text(statement, parameter, text ? text : "", -1, SQLITE_STATIC);
    CHECK(result == SQLITE_OK); /* static text of bounded length: only a wrong parameter fails */
}

void statement_bind_integer(sqlite3_stmt *statement, int parameter, int64_t value)
{
    int result = sqlite3_bind_int64(statement, parameter, value);
    CHECK(result == SQLITE_OK);
}

int statement_step(sqlite3_stmt *statement, struct error *ret_error)
{
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return 1;
    if (result == SQLITE_DONE)
        return 0;
    return sql_failure(sqlite3_db_handle(statement), result, ret_error);
}

int statement_run(struct connection *connection, enum statement id, struct error *ret_error)
{
    sqlite3_stmt *statement;
    int r = statement_get(connection, id, &statement, ret_error);
    if (r < 0)
        return r;
    r = statement_step(statement, ret_error);
    statement_release(connection, id, statement);
    return r < 0 ? r : 0;
}
