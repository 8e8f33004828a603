/* A database that is opened for reading changes nothing: every call that would is refused with EROFS by its
 * io, and the directory is the same afterwards, whatever a killed process left in it. */
#include "test.h"

#include "catalog_fixture.h"
#include "database.h"
#include "io_fault.h"
#include "store_helpers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void require(int r, const struct error *error)
{
    if (r < 0)
        fail_msg("%s", error->message);
}

static void append(struct store *store, uint64_t series, uint64_t from, uint32_t count)
{
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(batch_push_integer(&batch, (double)(1 + from + i), (int64_t)(from + i) * 3), 0);
    require(store_append(store, series, &batch, 0, NULL, &error), &error);
    batch_free(&batch);
}

static uint64_t length_of(struct store *store, uint64_t series)
{
    struct store_snapshot *snapshot;
    struct store_series info;
    struct error error = {0};
    require(store_snapshot_open(store, &snapshot, &error), &error);
    require(store_snapshot_series(snapshot, series, &info, &error), &error);
    store_snapshot_close(snapshot);
    return info.length;
}

/* Copies the files, as a kill would leave them. */
static char *copy_of(const char *from, const char *to)
{
    char *made = strdup(to);
    DIR *directory = opendir(from);
    assert_non_null(directory);
    assert_int_equal(mkdir(to, 0700), 0);
    for (const struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        char *source = test_path(from, "%s", entry->d_name), *target = test_path(to, "%s", entry->d_name);
        assert_int_equal(lstat(source, &status), 0);
        if (S_ISREG(status.st_mode)) {
            size_t size;
            char *data = test_file_read(source, &size);
            test_file_write(target, data, size);
            free(data);
        } else if (S_ISDIR(status.st_mode) && entry->d_name[0] != '.') {
            free(copy_of(source, target));
        }
        free(source), free(target);
    }
    (void)closedir(directory);
    return made;
}

/* A number that changes when a name, a size, a time of change or a byte below the directory does. */
static uint64_t state_of(const char *path)
{
    uint64_t sum = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        char *name = test_path(path, "%s", entry->d_name);
        uint64_t hash = 14695981039346656037u;
        assert_int_equal(lstat(name, &status), 0);
        for (const char *c = entry->d_name; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
        if (strcmp(entry->d_name, "..") != 0)
            hash = (hash ^ (uint64_t)status.st_mtim.tv_nsec ^ (uint64_t)status.st_mtim.tv_sec << 32) *
                   1099511628211u;
        if (S_ISREG(status.st_mode)) {
            size_t size;
            char *data = test_file_read(name, &size);
            for (size_t i = 0; i < size; i++)
                hash = (hash ^ (unsigned char)data[i]) * 1099511628211u;
            free(data);
        } else if (entry->d_name[0] != '.') {
            hash ^= state_of(name);
        }
        sum += hash;
        free(name);
    }
    (void)closedir(directory);
    return sum;
}

static struct io *read_only_io(void)
{
    struct io *posix, *io;
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    assert_int_equal(
        io_open_fault(posix, &(struct io_fault_plan){.fail_at = 1, .code = EROFS, .calls = ~0u}, &io), 0);
    return io;
}

/* A store whose process was killed: a sealed segment, a deleted series, a journal that was not closed with a
 * torn frame at its end, and a file that the manifest does not name. */
static char *killed_store(const char *root)
{
    struct error error = {0};
    char *live = test_path(root, "live"), *path = test_path(root, "killed");
    struct store *store;
    const uint64_t second = 2;
    assert_int_equal(mkdir(live, 0700), 0);
    require(store_create(live, NULL, &error), &error);
    require(store_open(live, &(struct store_options){.journal_bytes = 64 << 10}, &store, &error), &error);
    append(store, 1, 0, 3000);
    append(store, 2, 0, 10);
    require(store_seal(store, true, &error), &error);
    append(store, 1, 3000, 500);
    append(store, 3, 0, 7);
    require(store_delete_series(store, &second, 1, &error), &error);
    char *killed = copy_of(live, path);
    require(store_close(store, &error), &error);
    char *foreign = test_path(path, "segment-999");
    test_file_write(foreign, "x", 1);
    free(foreign), free(live), free(path);
    return killed;
}

static void test_a_store_is_read_without_any_write(void **state)
{
    (void)state;
    struct error error = {0};
    struct store *store;
    struct batch batch;
    struct store_bulk *bulk;
    const uint64_t first = 1;
    char *root = test_directory_create_fast(), *path = killed_store(root);
    struct io *io = read_only_io();
    uint64_t before = state_of(path);
    require(store_open(path, &(struct store_options){.io = io, .read_only = true}, &store, &error), &error);
    assert_false(store_recovery(store)->clean);
    assert_int_equal(length_of(store, 1), 3500);
    assert_int_equal(length_of(store, 2), 0);
    assert_int_equal(length_of(store, 3), 7);
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, 1e9, 1), 0);
    assert_int_equal(store_append(store, 1, &batch, 0, NULL, &error), -EROFS);
    batch_free(&batch);
    assert_int_equal(store_delete_series(store, &first, 1, &error), -EROFS);
    assert_int_equal(store_bulk_open(store, "load", false, &bulk, &error), -EROFS);
    assert_int_equal(store_bulk_discard(store, "load", &error), -EROFS);
    assert_int_equal(store_seal(store, true, &error), -EROFS);
    assert_int_equal(store_merge(store, &error), -EROFS);
    struct store_stats stats;
    store_get_stats(store, &stats);
    assert_int_equal(stats.segment_count, 1);
    store_set_listener(store, NULL, NULL);
    require(store_close(store, &error), &error);
    assert_true(io_fault_calls(io) == 0);
    assert_int_equal(state_of(path), before);
    io_close(io);
    /* And what can be written is recovered as ever. */
    require(store_open(path, NULL, &store, &error), &error);
    assert_int_equal(length_of(store, 1), 3500);
    require(store_close(store, &error), &error);
    free(path);
    test_directory_remove(root);
}

/* Damage is no less damage. */
static void test_damage_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    struct store *store;
    char *root = test_directory_create_fast(), *path = killed_store(root),
         *manifest = test_path(path, "MANIFEST");
    size_t size;
    char *data = test_file_read(manifest, &size);
    data[size - 1] ^= 1;
    test_file_write(manifest, data, size);
    assert_int_equal(store_open(path, &(struct store_options){.read_only = true}, &store, &error), -EBADMSG);
    free(data), free(manifest), free(path);
    test_directory_remove(root);
}

static void test_a_database_with_a_log_of_its_catalog(void **state)
{
    (void)state;
    struct error error = {0};
    struct database *database;
    const struct user user = {.name = text("alice"),
        .email = text("a@example.com"),
        .nickname = text(""),
        .description = text(""),
        .icon = text(""),
        .role = text("user")};
    struct user found;
    char *root = test_directory_create_fast(), *live = test_path(root, "live"),
         *path = test_path(root, "killed ?#%%");
    require(database_create(live, "{}", &error), &error);
    require(database_open(live, NULL, &database, &error), &error);
    require(catalog_create_user(database->catalog, &user, "secret", NULL, &error), &error);
    free(copy_of(live, path));
    require(database_close(database, &error), &error);
    char *data = test_path(path, "data"), *catalog = test_path(path, "catalog.sqlite");
    uint64_t before = state_of(data);
    size_t size_before, size_after;
    char *catalog_before = test_file_read(catalog, &size_before);
    require(database_open_for_reading(path, "test", NULL, &database, &error), &error);
    require(catalog_user_by_name(database->catalog, "alice", &found, &error), &error);
    user_free(&found);
    assert_int_equal(catalog_create_user(database->catalog, &user, "secret", NULL, &error), -EROFS);
    require(database_close(database, &error), &error);
    char *catalog_after = test_file_read(catalog, &size_after);
    assert_int_equal(size_before, size_after);
    assert_memory_equal(catalog_before, catalog_after, size_before);
    assert_int_equal(state_of(data), before);
    free(catalog_before), free(catalog_after), free(data), free(catalog), free(live), free(path);
    test_directory_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_is_read_without_any_write),
        cmocka_unit_test(test_damage_is_refused),
        cmocka_unit_test(test_a_database_with_a_log_of_its_catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
