/* A damaged catalog is mended from its tables or left alone; a snapshot's copy is a catalog of that moment.
 */
#include "catalog_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

struct said {
    int lines;
    char text[4096];
};

static void collect(void *context, const char *text)
{
    struct said *said = context;
    said->lines++;
    strncat(said->text, text, sizeof(said->text) - strlen(said->text) - 2);
    strcat(said->text, "\n");
}

static bool exists(const char *path, const char *ending)
{
    char name[TEST_PATH_BYTES];
    (void)snprintf(name, sizeof(name), "%s%s", path, ending);
    return access(name, F_OK) == 0;
}

static int64_t integer_of(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

/* Takes the last entry out of an index of the devices, which is one leaf. */
static void damage_index(const char *path, int64_t root, int64_t page_bytes)
{
    size_t size;
    char *bytes = test_file_read(path, &size);
    unsigned char *page = (unsigned char *)bytes + (root - 1) * page_bytes;
    assert_int_equal(page[0], 0x0a);
    assert_true(page[4] > 0 && page[3] == 0);
    page[4]--;
    test_file_write(path, bytes, size);
    free(bytes);
}

/* A closed catalog of one stream with a damaged index; with a second stream in the log of a killed process if
 * wanted. */
static struct fixture damaged_catalog(bool with_log)
{
    struct fixture f = fixture_open();
    int64_t device = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    make_stream(&f, device, "s", true);
    catalog_close(f.catalog);
    f.catalog = NULL;
    int64_t root = integer_of(
        f.path, "SELECT max(rootpage) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'devices'");
    int64_t page_bytes = integer_of(f.path, "PRAGMA page_size");
    if (with_log) {
        pid_t child = fork();
        if (child == 0) {
            if (catalog_open(f.path, &f.catalog, &f.error) == 0)
                make_stream(&f, device, "t", false);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_true(exists(f.path, "-wal"));
    }
    damage_index(f.path, root, page_bytes);
    struct said said = {0};
    assert_true(catalog_check(f.path, collect, &said, &f.error) > 0);
    return f;
}

static void check_mended(struct fixture *fixture, bool with_log)
{
    assert_false(exists(fixture->path, ".repairing"));
    assert_false(exists(fixture->path, ".repairing-wal"));
    assert_false(exists(fixture->path, ".repaired"));
    assert_int_equal(catalog_check(fixture->path, print_finding, NULL, &fixture->error), 0);
    assert_int_equal(catalog_open(fixture->path, &fixture->catalog, &fixture->error), 0);
    uint64_t users, devices, streams;
    assert_int_equal(catalog_counts(fixture->catalog, &users, &devices, &streams, &fixture->error), 0);
    assert_int_equal(devices, 3);
    assert_int_equal(streams, with_log ? 2 : 1);
}

static void check_indexes_are_rebuilt(bool with_log)
{
    struct fixture f = damaged_catalog(with_log);
    char *keep = test_path(f.directory, "kept"), *work = test_path(f.directory, "catalog.sqlite.repairing");
    char *log = test_path(f.directory, "catalog.sqlite-wal"), *kept_log = test_path(f.directory, "kept-wal");
    size_t size, kept_size;
    char *before = test_file_read(f.path, &size), *log_before = with_log ? test_file_read(log, NULL) : NULL;
    test_file_write(work, "of a repair that was killed", 10);
    struct said said = {0};
    if (catalog_repair(f.path, keep, collect, &said, &f.error) < 0)
        fail_msg("%s", f.error.message);
    char *kept = test_file_read(keep, &kept_size);
    assert_int_equal(kept_size, size);
    assert_memory_equal(kept, before, size);
    assert_int_equal(access(kept_log, F_OK) == 0, with_log);
    if (with_log) {
        char *log_after = test_file_read(kept_log, &size);
        assert_memory_equal(log_after, log_before, size);
        free(log_after);
    }
    check_mended(&f, with_log);
    fixture_close(&f);
    free(kept), free(before), free(log_before), free(keep), free(work), free(log), free(kept_log);
}

static void test_indexes_are_rebuilt(void **state)
{
    (void)state;
    check_indexes_are_rebuilt(false);
}

static void test_what_is_in_the_log_stays(void **state)
{
    (void)state;
    check_indexes_are_rebuilt(true);
}

/* Killed when the mended file was complete: the old file and its log still stand in its place. */
static void test_an_interrupted_repair_is_finished(void **state)
{
    (void)state;
    struct fixture f = damaged_catalog(true);
    char *keep = test_path(f.directory, "kept"),
         *repaired = test_path(f.directory, "catalog.sqlite.repaired");
    size_t size, log_size;
    char *log_path = test_path(f.directory, "catalog.sqlite-wal");
    char *old = test_file_read(f.path, &size), *log = test_file_read(log_path, &log_size);
    struct said said = {0};
    assert_int_equal(catalog_repair(f.path, keep, collect, &said, &f.error), 0);
    assert_int_equal(rename(f.path, repaired), 0);
    test_file_write(f.path, old, size);
    test_file_write(log_path, log, log_size);

    assert_error(&f, catalog_open(f.path, &f.catalog, &f.error), EBADMSG, "repair");
    assert_true(catalog_check(f.path, collect, &said, &f.error) > 0);
    said = (struct said){0};
    assert_int_equal(catalog_repair(f.path, keep, collect, &said, &f.error), 0);
    assert_non_null(strstr(said.text, "interrupted"));
    assert_false(exists(f.path, "-wal"));
    check_mended(&f, true);
    fixture_close(&f);
    free(keep), free(repaired), free(old), free(log), free(log_path);
}

static void test_what_cannot_be_mended_stays_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *sql; /* NULL: the file is cut */
        const char *why;
    } cases[] = {
        {"DELETE FROM devices WHERE name = 'meta'", "tables are damaged"},
        {"DROP TABLE streams", "tables are damaged"},
        {NULL, "cannot be repaired"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f = damaged_catalog(false);
        char *keep = test_path(f.directory, "kept");
        size_t size;
        struct said said = {0};
        if (cases[i].sql)
            run_sql(&f, cases[i].sql);
        else
            assert_int_equal(truncate(f.path, 3 * 4096), 0);
        char *before = test_file_read(f.path, &size);
        assert_error(&f, catalog_repair(f.path, keep, collect, &said, &f.error), EBADMSG, cases[i].why);
        char *after = test_file_read(f.path, NULL);
        assert_memory_equal(before, after, size);
        assert_false(exists(keep, ""));
        assert_false(exists(f.path, ".repairing"));
        assert_false(exists(f.path, ".repaired"));
        free(before), free(after), free(keep), free(f.path);
        test_directory_remove(f.directory);
    }
}

static void test_what_is_kept_replaces_nothing(void **state)
{
    (void)state;
    struct fixture f = damaged_catalog(false);
    char *keep = test_path(f.directory, "kept");
    struct said said = {0};
    test_file_write(keep, "precious", 8);
    assert_error(&f, catalog_repair(f.path, keep, collect, &said, &f.error), EEXIST, "kept");
    char *kept = test_file_read(keep, NULL);
    assert_string_equal(kept, "precious");
    assert_true(catalog_check(f.path, collect, &said, &f.error) > 0);
    assert_false(exists(f.path, ".repaired"));
    free(kept), free(keep), free(f.path);
    test_directory_remove(f.directory);
}

static void test_a_backup_is_the_snapshots_moment(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct catalog_snapshot *snapshot;
    int64_t device = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    make_stream(&f, device, "before", true);
    assert_int_equal(catalog_snapshot_open(f.catalog, &snapshot, &f.error), 0);
    make_stream(&f, device, "after", false);
    struct fixture copy = {.path = test_path(f.directory, "copy.sqlite")};
    assert_int_equal(catalog_snapshot_backup(snapshot, copy.path, &f.error), 0);
    assert_error(&f, catalog_snapshot_backup(snapshot, copy.path, &f.error), EEXIST, "copy.sqlite");
    catalog_snapshot_close(snapshot);
    assert_false(exists(copy.path, "-wal"));
    assert_int_equal(catalog_check(copy.path, print_finding, NULL, &f.error), 0);

    assert_int_equal(catalog_open(copy.path, &copy.catalog, &f.error), 0);
    struct stream stream = get_stream(&copy, "alice", "d", "before");
    assert_true(stream.series_id > 0 && stream.downlink_series_id > 0);
    stream_free(&stream);
    assert_error(
        &f, catalog_stream_by_name(copy.catalog, "alice", "d", "after", &stream, &f.error), ENOENT, "");
    make_stream(&copy, device, "own", false);
    catalog_close(copy.catalog);
    assert_int_equal(catalog_check(copy.path, print_finding, NULL, &f.error), 0);
    free(copy.path);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indexes_are_rebuilt),
        cmocka_unit_test(test_what_is_in_the_log_stays),
        cmocka_unit_test(test_an_interrupted_repair_is_finished),
        cmocka_unit_test(test_what_cannot_be_mended_stays_as_it_is),
        cmocka_unit_test(test_what_is_kept_replaces_nothing),
        cmocka_unit_test(test_a_backup_is_the_snapshots_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
