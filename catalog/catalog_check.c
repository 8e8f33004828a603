#include "catalog_check.h"

#include "catalog.h"
#include "catalog_files.h"
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FINDINGS_MAX = 100 };

struct findings {
    void (*found)(void *context, const char *message);
    void *context;
    int count;
};

/* Each gives a row for every violation: what is wrong, and with whom. The first column fills the %s of the
 * message. The ones of every open stay cheap with a million streams: an index or nothing. */
static const struct invariant {
    const char *message, *sql;
} invariants[] = {
    {"user '%s' has no device 'user'", "SELECT name FROM users u WHERE NOT EXISTS (SELECT 1 FROM devices "
                                       "WHERE user_id = u.id AND name = 'user')"},
    {"user '%s' has no device 'meta'", "SELECT name FROM users u WHERE NOT EXISTS (SELECT 1 FROM devices "
                                       "WHERE user_id = u.id AND name = 'meta')"},
    {"the row %s belongs to nobody", "SELECT \"table\" || ' ' || rowid FROM pragma_foreign_key_check"},
    {"series %s belongs to a stream and to a downlink",
        "SELECT a.series_id FROM streams b CROSS JOIN streams a ON a.series_id = b.downlink_series_id "
        "WHERE b.downlink_series_id IS NOT NULL"},
    {"the series sequence is missing%s",
        "SELECT '' WHERE NOT EXISTS (SELECT 1 FROM series_sequence WHERE only = 1)"},
    {"series %s was never given out", "SELECT top FROM (SELECT max(series_id) AS top FROM streams UNION ALL "
                                      "SELECT max(downlink_series_id) FROM streams) "
                                      "WHERE top > (SELECT last FROM series_sequence WHERE only = 1)"},
};

/* The rest of a thorough check: scans and sorts that trust no index, and what SQLite's own check leaves out.
 * It knows the CHECK constraints of schema.sql only where it may write, and a thorough check may not. */
static const struct invariant thorough_invariants[] = {
    {"series %s belongs to two streams",
        "SELECT series_id FROM (SELECT +series_id AS series_id FROM streams UNION ALL "
        "SELECT +downlink_series_id FROM streams WHERE downlink_series_id IS NOT NULL) "
        "GROUP BY series_id HAVING count(*) > 1"},
    {"device 'meta' of user '%s' has an API key", "SELECT u.name FROM users u JOIN devices d ON d.user_id = "
                                                  "u.id WHERE d.name = 'meta' AND d.apikey <> ''"},
    {"stream %s: its downlink series does not match its downlink flag",
        "SELECT id FROM streams WHERE (downlink_series_id IS NOT NULL) <> downlink"},
    {"user %s has a value that cannot be", "SELECT id FROM users WHERE length(name) NOT BETWEEN 1 AND 29 OR "
                                           "length(role) > 29 OR public NOT IN (0, 1)"},
    {"device %s has a value that cannot be",
        "SELECT id FROM devices WHERE length(name) NOT BETWEEN 1 AND 29 OR length(role) > 29 OR enabled NOT "
        "IN (0, 1) "
        "OR public NOT IN (0, 1) OR visible NOT IN (0, 1) OR user_editable NOT IN (0, 1)"},
    {"stream %s has a value that cannot be",
        "SELECT id FROM streams WHERE length(name) NOT BETWEEN 1 AND 29 OR ephemeral NOT IN (0, 1) "
        "OR downlink NOT IN (0, 1) OR series_id <= 0 OR downlink_series_id <= 0"},
};

int check_version(struct connection *connection, struct error *ret_error)
{
    int64_t application, version;
    int r = connection_integer(connection, "PRAGMA application_id", &application, ret_error);
    if (r == 0)
        r = connection_integer(connection, "PRAGMA user_version", &version, ret_error);
    if (r < 0)
        return r;
    if (application != CATALOG_APPLICATION_ID)
        return error_set(
            ret_error, EBADMSG, "the catalog is damaged: it is an SQLite database, but no catalog");
    if (version != CATALOG_VERSION)
        return error_set(ret_error, ENOTSUP,
            "the catalog has format version %lld; this program reads version %d: use the program that wrote "
            "it",
            (long long)version, CATALOG_VERSION);
    return 0;
}

static void report(struct findings *findings, const char *message)
{
    findings->count++;
    findings->found(findings->context, message);
}

/* Every row of the statement is a finding, up to FINDINGS_MAX. format: NULL = the row itself. */
static int report_rows(struct connection *connection, const char *sql, const char *format,
    struct findings *findings, struct error *ret_error)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
    if (result != SQLITE_OK)
        return sql_failure(connection->db, result, ret_error);
    int r = 0;
    for (int i = 0; i < FINDINGS_MAX; i++) {
        r = statement_step(statement, ret_error);
        if (r <= 0)
            break;
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (!format && text && strcmp(text, "ok") == 0)
            continue;
        char *message = sqlite3_mprintf(format ? format : "%s", text ? text : "?");
        report(findings, message ? message : "something that there is no memory to describe");
        sqlite3_free(message);
    }
    (void)sqlite3_finalize(statement);
    return r < 0 ? r : 0;
}

static int check_invariants(struct connection *connection, const struct invariant *list, size_t count,
    struct findings *findings, struct error *ret_error)
{
    for (size_t i = 0; i < count; i++) {
        int r = report_rows(connection, list[i].sql, list[i].message, findings, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Whatever this program will ask can be asked: no table, column or index that it needs is missing. */
static int check_statements(struct connection *connection, struct findings *findings, struct error *ret_error)
{
    for (enum statement id = 0; id < STATEMENT_COUNT; id++) {
        sqlite3_stmt *statement = NULL;
        int r = statement_get(connection, id, &statement, ret_error);
        statement_release(connection, id, statement);
        if (r == -EBADMSG) {
            report(findings, "its tables are not those of this format version");
            return 0;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_all(
    struct connection *connection, bool thorough, struct findings *findings, struct error *ret_error)
{
    int r = report_rows(
        connection, thorough ? "PRAGMA integrity_check" : "PRAGMA quick_check", NULL, findings, ret_error);
    if (r < 0 || findings->count > 0)
        return r; /* with broken pages the rest would only confuse */
    r = check_statements(connection, findings, ret_error);
    if (r < 0 || findings->count > 0)
        return r;
    r = check_invariants(
        connection, invariants, sizeof(invariants) / sizeof(invariants[0]), findings, ret_error);
    if (r == 0 && thorough)
        r = check_invariants(connection, thorough_invariants,
            sizeof(thorough_invariants) / sizeof(thorough_invariants[0]), findings, ret_error);
    return r;
}

int check_contents(struct connection *connection, void (*found)(void *context, const char *message),
    void *context, struct error *ret_error)
{
    struct findings findings = {.found = found, .context = context};
    int r = check_all(connection, false, &findings, ret_error);
    return r < 0 ? r : findings.count;
}

int check_thoroughly(struct connection *connection, void (*found)(void *context, const char *message),
    void *context, struct error *ret_error)
{
    struct findings findings = {.found = found, .context = context};
    int r = check_all(connection, true, &findings, ret_error);
    return r < 0 ? r : findings.count;
}

/* ---- checking a closed catalog without touching it ---- */

static int check_file(
    const char *path, const char *parameters, int flags, struct findings *findings, struct error *ret_error)
{
    struct connection *connection = NULL;
    char *uri = catalog_file_uri(path, parameters);
    if (!uri)
        return error_set(ret_error, ENOMEM, "out of memory in the catalog");
    int r = connection_open(uri, flags | SQLITE_OPEN_URI, &connection, ret_error);
    free(uri);
    if (r == 0)
        r = check_version(connection, ret_error);
    if (r == 0)
        r = check_all(connection, true, findings, ret_error);
    connection_close(connection);
    return r;
}

/* A killed process leaves a log behind that belongs to the contents, and reading it through SQLite would
 * write it back. */
static int check_copy(const char *path, struct findings *findings, struct error *ret_error)
{
    struct catalog_copy *copy;
    int r = catalog_copy_make(path, &copy, ret_error);
    if (r < 0)
        return r;
    r = check_file(catalog_copy_path(copy), "", SQLITE_OPEN_READWRITE, findings, ret_error);
    catalog_copy_remove(copy);
    return r;
}

int catalog_check(const char *path, void (*found)(void *context, const char *message), void *context,
    struct error *ret_error)
{
    struct findings findings = {.found = found, .context = context};
    struct error error = {0};
    struct stat status;
    if (stat(path, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    int r = catalog_file_refuse_unfinished(path, &error);
    if (r == -EBADMSG)
        report(&findings, error.message);
    r = catalog_file_has_log(path, &error);
    if (r > 0)
        r = check_copy(path, &findings, &error);
    else if (r == 0)
        r = check_file(path, "?immutable=1", SQLITE_OPEN_READONLY, &findings, &error);
    if (r == -EBADMSG) { /* so broken that the check could not go on: that is a finding, too */
        report(&findings, error.message);
        r = 0;
    }
    return r < 0 ? error_set(ret_error, -r, "%s", error.message) : findings.count;
}
