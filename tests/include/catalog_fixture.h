/* A fresh catalog for a test, and objects in it. */
#ifndef CONNECTORDB_CATALOG_FIXTURE_H
#define CONNECTORDB_CATALOG_FIXTURE_H

#include "store_helpers.h"

#include "catalog.h"

#include <sqlite3.h>

struct fixture {
    char *directory, *path;
    struct catalog *catalog;
    struct error error;
};

static inline struct fixture fixture_open(void)
{
    struct fixture fixture = {.directory = test_directory_create_fast()};
    fixture.path = test_path(fixture.directory, "catalog.sqlite");
    if (catalog_create(fixture.path, &fixture.error) < 0 ||
        catalog_open(fixture.path, &fixture.catalog, &fixture.error) < 0)
        fail_msg("%s", fixture.error.message);
    return fixture;
}

static inline void fixture_reopen(struct fixture *fixture)
{
    catalog_close(fixture->catalog);
    fixture->catalog = NULL;
    if (catalog_open(fixture->path, &fixture->catalog, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
}

static inline void print_finding(void *context, const char *message)
{
    (void)context;
    print_error("finding: %s\n", message);
}

/* Every test ends with a catalog that passes its own check. */
static inline void fixture_close(struct fixture *fixture)
{
    catalog_close(fixture->catalog);
    assert_int_equal(catalog_check(fixture->path, print_finding, NULL, &fixture->error), 0);
    free(fixture->path);
    test_directory_remove(fixture->directory);
}

/* The literals live as long as the program, and nobody writes to them. */
static inline char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

static inline struct user some_user(const char *name, const char *email)
{
    return (struct user){.name = text(name), .email = text(email), .is_public = true};
}

/* By way of an import, with a cheap hash of "pw": a real one takes 50 ms. */
static const char cheap_hash[] = "$2a$04$abcdefghijklmnopqrstuuXCqzuH7GIrF9jx/eNcTEE8CH5qv2Yx2";

static inline struct user imported_user(const char *name, const char *email)
{
    struct user user = some_user(name, email);
    user.password = text(cheap_hash);
    user.password_scheme = text("bcrypt");
    user.role = text("user");
    return user;
}

static inline int64_t make_user(struct fixture *fixture, const char *name, const char *email)
{
    struct user user = imported_user(name, email);
    struct catalog_import *import;
    if (catalog_import_begin(fixture->catalog, &user, &import, &fixture->error) < 0 ||
        catalog_import_commit(import, &fixture->error) < 0 ||
        catalog_user_by_name(fixture->catalog, name, &user, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
    int64_t id = user.id;
    user_free(&user);
    return id;
}

static inline int64_t make_device(struct fixture *fixture, int64_t user_id, const char *name)
{
    struct device device = {.user_id = user_id, .name = text(name), .enabled = true, .visible = true};
    int64_t id = 0;
    if (catalog_create_device(fixture->catalog, &device, &id, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
    return id;
}

static inline int64_t make_stream(struct fixture *fixture, int64_t device_id, const char *name, bool downlink)
{
    struct stream stream = {.device_id = device_id, .name = text(name), .downlink = downlink};
    int64_t id = 0;
    if (catalog_create_stream(fixture->catalog, &stream, &id, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
    return id;
}

static inline struct stream get_stream(
    struct fixture *fixture, const char *user, const char *device, const char *name)
{
    struct stream stream;
    if (catalog_stream_by_name(fixture->catalog, user, device, name, &stream, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
    return stream;
}

/* Changes the file behind the catalog's back. */
static inline void run_sql(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The call fails with this errno and a message that contains `part`. */
#define assert_error(fixture, call, code_, part)                                                             \
    do {                                                                                                     \
        (fixture)->error = (struct error){0};                                                                \
        assert_int_equal(call, -(code_));                                                                    \
        assert_int_equal((fixture)->error.code, code_);                                                      \
        if (!strstr((fixture)->error.message, part))                                                         \
            fail_msg("'%s' is not in: %s", part, (fixture)->error.message);                                  \
    } while (0)

#endif
