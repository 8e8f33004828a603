/* Files that are no good catalog are refused and reported, and checking changes nothing. */
#include "catalog_fixture.h"

#include "catalog_check.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

struct report {
    int count;
    char text[4096];
};

static void collect(void *context, const char *message)
{
    struct report *report = context;
    report->count++;
    strncat(report->text, message, sizeof(report->text) - strlen(report->text) - 2);
    strcat(report->text, "\n");
}

/* A closed catalog with two users and three streams. */
static struct fixture closed_catalog(void)
{
    struct fixture f = fixture_open();
    int64_t device = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    make_stream(&f, device, "s", true);
    make_stream(&f, device, "t", false);
    make_stream(&f, make_device(&f, make_user(&f, "bob", "b@b"), "e"), "u", true);
    catalog_close(f.catalog);
    f.catalog = NULL;
    return f;
}

static void discard(struct fixture *fixture)
{
    free(fixture->path);
    test_directory_remove(fixture->directory);
}

static void test_broken_invariants(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *found;
        bool only_thorough;
    } cases[] = {
        {"DELETE FROM devices WHERE name = 'user' AND user_id = 1", "user 'alice' has no device 'user'",
            false},
        {"DELETE FROM devices WHERE name = 'meta' AND user_id = 2", "user 'bob' has no device 'meta'", false},
        {"PRAGMA foreign_keys = OFF; DELETE FROM users WHERE name = 'bob'", "devices 5 belongs to nobody",
            false},
        {"PRAGMA foreign_keys = OFF; DELETE FROM devices WHERE name = 'd'", "streams 1 belongs to nobody",
            false},
        {"PRAGMA ignore_check_constraints = ON; UPDATE streams SET downlink = 0 WHERE name = 's'",
            "downlink series does not match", false},
        {"PRAGMA ignore_check_constraints = ON; UPDATE devices SET apikey = 'k' WHERE name = 'meta' AND "
         "user_id = 1",
            "device 'meta' of user 'alice' has an API key", false},
        {"UPDATE streams SET downlink_series_id = 3 WHERE name = 's'",
            "series 3 belongs to a stream and to a downlink", false},
        {"UPDATE series_sequence SET last = 4", "series 5 was never given out", false},
        {"PRAGMA ignore_check_constraints = ON; UPDATE streams SET ephemeral = 2 WHERE name = 't'",
            "stream 2 has a value", false},
        {"PRAGMA ignore_check_constraints = ON; UPDATE devices SET visible = 7 WHERE id = 1",
            "device 1 has a value", false},
        {"PRAGMA ignore_check_constraints = ON; UPDATE users SET name = '' WHERE id = 2",
            "user 2 has a value", false},
        {"UPDATE series_sequence SET last = 1", "series 4 was never given out", false},
        {"DROP TABLE streams", "tables are not", false},
        {"ALTER TABLE streams DROP COLUMN datatype", "tables are not", false},
        {"DELETE FROM series_sequence", "the series sequence is missing", false},
        {"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_streams_1'; "
         "PRAGMA writable_schema = RESET",
            "", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = closed_catalog();
        run_sql(&f, cases[i].sql);
        struct report report = {0};
        int r = catalog_check(f.path, collect, &report, &f.error);
        if (r < 1 || r != report.count || !strstr(report.text, cases[i].found))
            fail_msg("%s: %d findings, '%s' not in: %s", cases[i].sql, r, cases[i].found, report.text);
        if (!cases[i].only_thorough) {
            assert_error(&f, catalog_open(f.path, &f.catalog, &f.error), EBADMSG, "the catalog is damaged: ");
            assert_null(f.catalog);
        }
        discard(&f);
    }
}

static void test_files_that_are_no_catalog(void **state)
{
    (void)state;
    static const struct {
        const char *sql; /* or NULL: the bytes */
        const char *bytes;
        int code;
        const char *said;
    } cases[] = {
        {NULL, "", EBADMSG, "no catalog"},
        {NULL, "this is no database, and it is long enough to be looked at: ..............................",
            EBADMSG, "damaged"},
        {"PRAGMA application_id = 1", NULL, EBADMSG, "no catalog"},
        {"PRAGMA user_version = 2", NULL, ENOTSUP, "version 2"},
        {"PRAGMA user_version = 0", NULL, ENOTSUP, "version 0"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = closed_catalog();
        if (cases[i].sql)
            run_sql(&f, cases[i].sql);
        else
            test_file_write(f.path, cases[i].bytes, strlen(cases[i].bytes));
        assert_error(&f, catalog_open(f.path, &f.catalog, &f.error), cases[i].code, cases[i].said);
        assert_null(strstr(f.error.message, f.directory));
        struct report report = {0};
        int r = catalog_check(f.path, collect, &report, &f.error);
        if (cases[i].code == EBADMSG)
            assert_int_equal(r, 1);
        else
            assert_int_equal(r, -cases[i].code);
        discard(&f);
    }
}

/* Every page of the file overwritten in turn: opening refuses it, or what was overwritten was not used. */
static void test_overwritten_pages(void **state)
{
    (void)state;
    enum { PAGE = 4096 };
    struct fixture f = closed_catalog();
    size_t size;
    char *good = test_file_read(f.path, &size);
    assert_int_equal(size % PAGE, 0);
    for (size_t page = 0; page < size / PAGE; page++) {
        char *bad = malloc(size);
        memcpy(bad, good, size);
        memset(bad + page * PAGE, 0x5a, PAGE);
        test_file_write(f.path, bad, size);
        struct report report = {0};
        int r = catalog_check(f.path, collect, &report, &f.error);
        if (r < 1)
            fail_msg("page %zu: %d", page, r);
        int opened = catalog_open(f.path, &f.catalog, &f.error);
        assert_true(opened == 0 || opened == -EBADMSG);
        if (opened == 0) { /* an index, which only the whole check reads */
            uint64_t *series = NULL;
            size_t count;
            int listed = catalog_series(f.catalog, &series, &count, &f.error);
            assert_true(listed == -EBADMSG || (listed == 0 && count == 5));
            free(series);
            catalog_close(f.catalog);
            f.catalog = NULL;
        }
        free(bad);
    }
    test_file_write(f.path, good, size - PAGE);
    struct report report = {0};
    assert_true(catalog_check(f.path, collect, &report, &f.error) >= 1);
    assert_int_equal(catalog_open(f.path, &f.catalog, &f.error), -EBADMSG);
    free(good);
    discard(&f);
}

static void test_missing_and_present_files(void **state)
{
    (void)state;
    struct fixture f = closed_catalog();
    struct report report = {0};
    assert_error(&f, catalog_create(f.path, &f.error), EEXIST, "");
    assert_int_equal(
        catalog_check(f.path, collect, &report, &f.error), 0); /* and the old one is still whole */
    assert_int_equal(unlink(f.path), 0);
    assert_error(&f, catalog_open(f.path, &f.catalog, &f.error), ENOENT, "");
    assert_error(&f, catalog_check(f.path, collect, &report, &f.error), ENOENT, "");
    assert_int_equal(access(f.path, F_OK), -1);
    discard(&f);
}

/* Names and contents of a directory, one after the other. */
static char *contents(const char *directory, size_t *ret_size)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    assert_true(count >= 2);
    char *all = NULL;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            char *path = test_path(directory, "%s", entries[i]->d_name);
            size_t size, name_size = strlen(entries[i]->d_name);
            char *bytes = test_file_read(path, &size);
            all = realloc(all, total + name_size + size);
            assert_non_null(all);
            memcpy(all + total, entries[i]->d_name, name_size);
            memcpy(all + total + name_size, bytes, size);
            total += name_size + size;
            free(bytes);
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    *ret_size = total;
    return all;
}

/* A process that is killed right after a write has returned. */
static void test_a_killed_process_loses_nothing(void **state)
{
    (void)state;
    struct fixture f = closed_catalog();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (catalog_open(f.path, &f.catalog, &f.error) < 0)
            _exit(1);
        struct user user = imported_user("carol", "c@b");
        struct catalog_import *import;
        if (catalog_import_begin(f.catalog, &user, &import, &f.error) < 0 ||
            catalog_import_commit(import, &f.error) < 0)
            _exit(2);
        user = imported_user("dave", "d@b");
        if (catalog_import_begin(f.catalog, &user, &import, &f.error) < 0)
            _exit(3);
        _exit(0); /* neither committed nor closed */
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    size_t before_size, after_size;
    char *before = contents(f.directory, &before_size);
    assert_non_null(memmem(
        before, before_size, "catalog.sqlite-wal", 18)); /* there is something to read beside the file */
    struct report report = {0};
    assert_int_equal(catalog_check(f.path, collect, &report, &f.error), 0);
    char *after = contents(f.directory, &after_size);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    free(before);
    free(after);
    fixture_reopen(&f);
    struct user user;
    assert_int_equal(catalog_user_by_name(f.catalog, "carol", &user, &f.error), 0);
    user_free(&user);
    assert_error(&f, catalog_user_by_name(f.catalog, "dave", &user, &f.error), ENOENT, "not found");
    fixture_close(&f);
}

/* What the WAL alone holds is checked, too. */
static void test_damage_in_the_wal_is_found(void **state)
{
    (void)state;
    struct fixture f = closed_catalog();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *db;
        if (sqlite3_open(f.path, &db) != SQLITE_OK ||
            sqlite3_exec(db, "DELETE FROM series_sequence", NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    struct report report = {0};
    assert_int_equal(catalog_check(f.path, collect, &report, &f.error), 1);
    assert_non_null(strstr(report.text, "sequence is missing"));
    assert_int_equal(catalog_open(f.path, &f.catalog, &f.error), -EBADMSG);
    discard(&f);
}

static void test_odd_characters_in_the_path(void **state)
{
    (void)state;
    struct fixture f = {.directory = test_directory_create_fast()};
    f.path = test_path(f.directory, "a?mode=memory#%%20 'b");
    assert_int_equal(catalog_create(f.path, &f.error), 0);
    fixture_reopen(&f);
    make_user(&f, "alice", "a@b");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_invariants),
        cmocka_unit_test(test_files_that_are_no_catalog),
        cmocka_unit_test(test_overwritten_pages),
        cmocka_unit_test(test_missing_and_present_files),
        cmocka_unit_test(test_a_killed_process_loses_nothing),
        cmocka_unit_test(test_damage_in_the_wal_is_found),
        cmocka_unit_test(test_odd_characters_in_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
