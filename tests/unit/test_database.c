/* A database directory: made as a whole or not at all, owned by one process, catalog and store in step. */
#include "store_helpers.h"

#include "database.h"
#include "database_lock.h"
#include "lock_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct store_options options = {.journal_bytes = 64 << 10};

struct fixture {
    char *directory, *path;
    struct database *database;
    struct error error;
};

static struct fixture fixture_create(void)
{
    struct fixture f = {.directory = test_directory_create_fast()};
    f.path = test_path(f.directory, "db");
    if (database_create(f.path, NULL, &f.error) < 0)
        fail_msg("%s", f.error.message);
    return f;
}

static void fixture_open(struct fixture *fixture)
{
    if (database_open(fixture->path, &options, &fixture->database, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
}

static void fixture_close(struct fixture *fixture)
{
    struct database *database = fixture->database;
    fixture->database = NULL;
    if (database_close(database, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
}

static void fixture_discard(struct fixture *fixture)
{
    free(fixture->path);
    test_directory_remove(fixture->directory);
}

static bool exists(const struct fixture *fixture, const char *name)
{
    char *path = test_path(fixture->path, "%s", name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

/* Names in the directory above the database, without "." and "..". */
static int count_siblings(const struct fixture *fixture)
{
    DIR *directory = opendir(fixture->directory);
    assert_non_null(directory);
    int count = -2;
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count;
}

/* ---- creating ---- */

static void test_create(void **state)
{
    (void)state;
    struct fixture f = {.directory = test_directory_create_fast()};
    f.path = test_path(f.directory, "db");
    char *with_slashes = test_path(f.directory, "db//");
    assert_int_equal(database_create(with_slashes, "{ \"port\": 1 }\n", &f.error), 0);
    assert_int_equal(count_siblings(&f), 1);
    struct stat status;
    assert_int_equal(stat(f.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    static const char *const files[] = {"connectordb.conf", "catalog.sqlite", "LOCK"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = test_path(f.path, "%s", files[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        free(path);
    }
    assert_true(exists(&f, "data/MANIFEST"));
    assert_false(exists(&f, "catalog.sqlite-wal"));
    char *configuration_path = test_path(f.path, "connectordb.conf");
    char *configuration = test_file_read(configuration_path, NULL);
    assert_string_equal(configuration, "{ \"port\": 1 }\n");
    free(configuration);
    free(configuration_path);
    assert_int_equal(database_create(f.path, NULL, &f.error), -EEXIST);
    assert_non_null(strstr(f.error.message, f.path));
    fixture_open(&f);
    uint64_t users, devices, streams;
    assert_int_equal(catalog_counts(f.database->catalog, &users, &devices, &streams, &f.error), 0);
    assert_int_equal(users + devices + streams, 0);
    assert_int_equal(f.database->tombstoned_series, 0);
    fixture_close(&f);
    free(with_slashes);
    fixture_discard(&f);
}

static void test_create_leaves_nothing_behind(void **state)
{
    (void)state;
    struct fixture f = {.directory = test_directory_create_fast()};
    f.path = test_path(f.directory, "missing/db");
    assert_int_equal(database_create(f.path, NULL, &f.error), -ENOENT);
    assert_int_equal(database_create("", NULL, &f.error), -EINVAL);
    assert_int_equal(count_siblings(&f), 0);
    free(f.path);
    f.path = test_path(f.directory, "db");
    assert_int_equal(mkdir(f.path, 0700), 0); /* even an empty one is somebody's */
    assert_int_equal(database_create(f.path, NULL, &f.error), -EEXIST);
    assert_int_equal(count_siblings(&f), 1);
    assert_int_equal(rmdir(f.path), 0);
    assert_int_equal(symlink("nowhere", f.path), 0);
    assert_int_equal(database_create(f.path, NULL, &f.error), -EEXIST);
    assert_int_equal(count_siblings(&f), 1);
    fixture_discard(&f);
}

static void test_a_first_user_comes_with_the_database(void **state)
{
    (void)state;
    struct fixture f = {.directory = test_directory_create_fast()};
    f.path = test_path(f.directory, "db");
    char name[] = "alice", bad_name[] = "a b", email[] = "a@b", role[] = "admin";
    struct user user = {.name = bad_name, .email = email, .role = role}, found;
    assert_int_equal(database_create_with_user(f.path, NULL, &user, "pw", &f.error), -EINVAL);
    assert_int_equal(count_siblings(&f), 0);
    user.name = name;
    assert_int_equal(database_create_with_user(f.path, NULL, &user, "pw", &f.error), 0);
    assert_int_equal(count_siblings(&f), 1);
    assert_false(exists(&f, "catalog.sqlite-wal"));
    fixture_open(&f);
    assert_int_equal(catalog_user_by_name(f.database->catalog, "alice", &found, &f.error), 0);
    assert_string_equal(found.role, "admin");
    user_free(&found);
    fixture_close(&f);
    fixture_discard(&f);
}

/* ---- opening ---- */

static void test_directories_that_are_no_database(void **state)
{
    (void)state;
    struct fixture f = {.directory = test_directory_create_fast()};
    f.path = test_path(f.directory, "db");
    assert_int_equal(database_open(f.path, &options, &f.database, &f.error), -ENOENT);
    test_file_write(f.path, "x", 1);
    assert_int_equal(database_open(f.path, &options, &f.database, &f.error), -ENOTDIR);
    assert_int_equal(unlink(f.path), 0);
    assert_int_equal(mkdir(f.path, 0700), 0);
    assert_int_equal(database_open(f.path, &options, &f.database, &f.error), -EINVAL);
    assert_non_null(strstr(f.error.message, "no ConnectorDB database: it has no catalog.sqlite"));
    assert_false(exists(&f, "LOCK")); /* nothing was made in it */
    char *catalog = test_path(f.path, "catalog.sqlite");
    test_file_write(catalog, "x", 1);
    assert_int_equal(database_open(f.path, &options, &f.database, &f.error), -EINVAL);
    assert_non_null(strstr(f.error.message, "it has no data"));
    assert_int_equal(database_close(NULL, NULL), 0);
    free(catalog);
    fixture_discard(&f);
}

/* Holds the database open in another process until the pipe is closed. Returns its pid. */
static pid_t open_elsewhere(const struct fixture *fixture, int *ret_hold)
{
    int ready[2], hold[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct database *database;
        struct error error;
        (void)close(hold[1]);
        if (database_open(fixture->path, &options, &database, &error) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        char byte;
        ssize_t got = read(hold[0], &byte, 1);
        _exit(got == 0 ? 0 : 2); /* as if killed */
    }
    char byte;
    (void)close(ready[1]);
    (void)close(hold[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    *ret_hold = hold[1];
    return pid;
}

static void test_one_owner_at_a_time(void **state)
{
    (void)state;
    struct fixture f = fixture_create();
    assert_int_equal(lock_is_held(f.path), 0);
    int hold;
    pid_t pid = open_elsewhere(&f, &hold);
    assert_int_equal(lock_is_held(f.path), 1);
    assert_int_equal(database_open(f.path, &options, &f.database, &f.error), -EBUSY);
    char said[64];
    (void)snprintf(said, sizeof(said), "in use by process %d", pid);
    assert_non_null(strstr(f.error.message, said));
    assert_int_equal(database_await(f.path, &f.error), -EBUSY);
    assert_int_equal(lock_is_held(f.path), 1); /* neither asking nor failing took it away */
    (void)close(hold);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(lock_is_held(f.path), 0);
    assert_int_equal(database_await(f.path, &f.error), 0);
    fixture_open(&f);
    assert_int_equal(lock_is_held(f.path), 1);
    struct database *second = NULL;
    assert_int_equal(
        database_open(f.path, &options, &second, &f.error), -EBUSY); /* nor twice in one process */
    assert_null(second);
    assert_int_equal(lock_is_held(f.path), 1);
    fixture_close(&f);
    assert_int_equal(lock_is_held(f.path), 0);
    char *missing = test_path(f.directory, "missing");
    assert_int_equal(lock_is_held(missing), -ENOENT);
    assert_int_equal(database_await(missing, &f.error), -ENOENT);
    free(missing);
    fixture_discard(&f);
}

/* ---- in step ---- */

static int64_t make_stream(struct fixture *fixture, const char *name, struct stream *ret_stream)
{
    struct catalog *catalog = fixture->database->catalog;
    struct user user;
    struct device device;
    if (catalog_user_by_name(catalog, "alice", &user, &fixture->error) == -ENOENT) {
        char user_name[] = "alice", email[] = "a@b";
        struct user made = {.name = user_name, .email = email};
        assert_int_equal(catalog_create_user(catalog, &made, "pw", NULL, &fixture->error), 0);
    } else {
        user_free(&user);
    }
    assert_int_equal(catalog_device_by_name(catalog, "alice", "user", &device, &fixture->error), 0);
    char *copy = strdup(name);
    struct stream stream = {.device_id = device.id, .name = copy, .downlink = true};
    int64_t id;
    assert_int_equal(catalog_create_stream(catalog, &stream, &id, &fixture->error), 0);
    free(copy);
    device_free(&device);
    assert_int_equal(catalog_stream_by_name(catalog, "alice", "user", name, ret_stream, &fixture->error), 0);
    return id;
}

static void append(struct fixture *fixture, uint64_t series_id, uint32_t count)
{
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(batch_push_integer(&batch, 1 + i, i), 0);
    if (store_append(fixture->database->store, series_id, &batch, 0, NULL, &fixture->error) < 0)
        fail_msg("%s", fixture->error.message);
    batch_free(&batch);
}

static uint64_t length_in(struct store_snapshot *snapshot, uint64_t series_id)
{
    struct store_series series;
    struct error error;
    assert_int_equal(store_snapshot_series(snapshot, series_id, &series, &error), 0);
    return series.length;
}

static uint64_t length(struct fixture *fixture, uint64_t series_id)
{
    struct store_snapshot *snapshot;
    assert_int_equal(store_snapshot_open(fixture->database->store, &snapshot, &fixture->error), 0);
    uint64_t count = length_in(snapshot, series_id);
    store_snapshot_close(snapshot);
    return count;
}

static void test_deleted_objects_take_their_data(void **state)
{
    (void)state;
    struct fixture f = fixture_create();
    fixture_open(&f);
    struct stream a, b, c;
    make_stream(&f, "a", &a);
    make_stream(&f, "b", &b);
    make_stream(&f, "c", &c);
    const uint64_t ids[] = {a.series_id, a.downlink_series_id, b.series_id, b.downlink_series_id, c.series_id,
        c.downlink_series_id};
    for (size_t i = 0; i < 6; i++)
        append(&f, ids[i], 5);
    assert_int_equal(database_delete_stream(f.database, a.id, &f.error), 0);
    assert_int_equal(database_delete_stream(f.database, a.id, &f.error), -ENOENT);
    b.downlink = false;
    assert_int_equal(database_change_stream(f.database, b.id, &b, UINT32_MAX, NULL, &f.error), 0);
    static const uint64_t left[] = {0, 0, 5, 0, 5, 5};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 6; i++)
            assert_int_equal(length(&f, ids[i]), left[i]);
        fixture_close(&f);
        fixture_open(&f);
        assert_int_equal(f.database->tombstoned_series, 0);
    }
    b.downlink = true;
    assert_int_equal(database_change_stream(f.database, b.id, &b, UINT32_MAX, NULL, &f.error), 0);
    struct stream again;
    assert_int_equal(catalog_stream_by_name(f.database->catalog, "alice", "user", "b", &again, &f.error), 0);
    assert_true(again.downlink_series_id > c.downlink_series_id);
    struct device device;
    assert_int_equal(catalog_device_by_name(f.database->catalog, "alice", "user", &device, &f.error), 0);
    assert_int_equal(database_delete_device(f.database, device.id, &f.error), -EPERM);
    assert_int_equal(length(&f, b.series_id), 5);
    assert_int_equal(database_delete_user(f.database, device.user_id, &f.error), 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(length(&f, ids[i]), 0);
    device_free(&device);
    stream_free(&again);
    stream_free(&a);
    stream_free(&b);
    stream_free(&c);
    fixture_close(&f);
    fixture_discard(&f);
}

static void test_data_without_a_row_is_deleted_at_open(void **state)
{
    (void)state;
    struct fixture f = fixture_create();
    fixture_open(&f);
    struct stream kept;
    make_stream(&f, "kept", &kept);
    append(&f, kept.series_id, 3);
    uint64_t first;
    assert_int_equal(catalog_reserve_series(f.database->catalog, 2, &first, &f.error), 0);
    append(&f, first, 7);
    append(&f, first + 1, 7);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(f.database->tombstoned_series, 2);
    assert_int_equal(length(&f, first), 0);
    assert_int_equal(length(&f, first + 1), 0);
    assert_int_equal(length(&f, kept.series_id), 3);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(f.database->tombstoned_series, 0);
    fixture_close(&f);
    stream_free(&kept);
    fixture_discard(&f);
}

/* A catalog that lost its rows must not take the data with it. */
static void test_a_damaged_catalog_deletes_nothing(void **state)
{
    (void)state;
    struct fixture f = fixture_create();
    fixture_open(&f);
    struct stream stream;
    make_stream(&f, "s", &stream);
    append(&f, stream.series_id, 3);
    fixture_close(&f);
    char *path = test_path(f.path, "catalog.sqlite");
    size_t size;
    char *good = test_file_read(path, &size);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DELETE FROM streams; DELETE FROM devices", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(database_open(f.path, &options, &f.database, &f.error), -EBADMSG);
        assert_non_null(strstr(f.error.message, "alice"));
        assert_int_equal(lock_is_held(f.path), 0);
    }
    test_file_write(path, good, size);
    fixture_open(&f);
    assert_int_equal(f.database->tombstoned_series, 0);
    assert_int_equal(length(&f, stream.series_id), 3);
    fixture_close(&f);
    stream_free(&stream);
    free(good);
    free(path);
    fixture_discard(&f);
}

static int count_stream(void *context, const struct stream *stream)
{
    (void)stream;
    (*(int *)context)++;
    return 0;
}

static void test_a_snapshot_holds_both(void **state)
{
    (void)state;
    struct fixture f = fixture_create();
    fixture_open(&f);
    struct stream a, later;
    make_stream(&f, "a", &a);
    append(&f, a.series_id, 5);
    struct database_snapshot snapshot;
    assert_int_equal(database_snapshot_open(f.database, &snapshot, &f.error), 0);
    make_stream(&f, "later", &later); /* writes go on meanwhile */
    append(&f, later.series_id, 5);
    assert_int_equal(database_delete_stream(f.database, a.id, &f.error), 0);
    int streams = 0;
    assert_int_equal(catalog_each_stream(snapshot.catalog, a.device_id, count_stream, &streams, &f.error), 0);
    assert_int_equal(streams, 1);
    assert_int_equal(length_in(snapshot.store, a.series_id), 5);
    database_snapshot_close(&snapshot);
    assert_null(snapshot.catalog);
    assert_int_equal(length(&f, a.series_id), 0);
    stream_free(&a);
    stream_free(&later);
    fixture_close(&f);
    fixture_discard(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_leaves_nothing_behind),
        cmocka_unit_test(test_a_first_user_comes_with_the_database),
        cmocka_unit_test(test_directories_that_are_no_database),
        cmocka_unit_test(test_one_owner_at_a_time),
        cmocka_unit_test(test_deleted_objects_take_their_data),
        cmocka_unit_test(test_data_without_a_row_is_deleted_at_open),
        cmocka_unit_test(test_a_damaged_catalog_deletes_nothing),
        cmocka_unit_test(test_a_snapshot_holds_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
