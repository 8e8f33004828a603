/* File systems that do not support fsync of a directory: CIFS answers EINVAL, vboxsf and some FUSE ones
 * ENOTSUP. This program is linked with a fsync that answers so for directories. */
#include "test.h"

#include "catalog_fixture.h"
#include "database.h"
#include "directory_sync.h"
#include "export.h"
#include "folder.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static int code;         /* what fsync of a directory fails with; 0 = it works */
static unsigned refused; /* how often it did */
static unsigned notices;
static char noticed[TEST_PATH_BYTES];

int __real_fsync(int file);
int __wrap_fsync(int file);

int __wrap_fsync(int file)
{
    struct stat status;
    if (code == 0 || fstat(file, &status) < 0 || !S_ISDIR(status.st_mode))
        return __real_fsync(file);
    refused++;
    errno = code;
    return -1;
}

static void count_notice(const char *path)
{
    notices++;
    (void)snprintf(noticed, sizeof(noticed), "%s", path);
}

static void require(int r, const struct error *error)
{
    if (r < 0)
        fail_msg("%s", error->message);
}

/* Everything that makes names durable: a new database, its opening and closing, points that are sealed, a
 * backup, an export, an import, a repair. */
static void live_a_life(const char *root, const char *name)
{
    struct error error = {0};
    struct database *database;
    struct transfer_result result;
    const struct transfer_options options = {.threads = 1};
    char *path = test_path(root, "%s", name), *copy = test_path(root, "%s-copy", name),
         *folder = test_path(root, "%s-json", name);
    char *second = test_path(root, "%s-second", name), *data = test_path(second, "data"),
         *kept = test_path(second, "kept");
    char *catalog = test_path(second, "catalog.sqlite"), *kept_catalog = test_path(second, "catalog.kept");
    const struct user user = {.name = text("alice"),
        .nickname = text(""),
        .email = text("a@example.com"),
        .description = text(""),
        .icon = text(""),
        .role = text("admin")};
    struct store_repair_result repaired;

    require(database_create_with_user(path, "{}", &user, "secret", &error), &error);
    require(database_open(path, NULL, &database, &error), &error);
    require(store_seal(database->store, true, &error), &error);
    require(database_backup(database, copy, NULL, NULL, NULL, &error), &error);
    require(export_database(database, folder, &options, &result, &error), &error);
    require(database_close(database, &error), &error);

    require(database_create(second, "{}", &error), &error);
    require(database_open(second, NULL, &database, &error), &error);
    require(import_database(database, folder, &options, &result, &error), &error);
    assert_int_equal(result.users, 1);
    require(database_close(database, &error), &error);
    require(store_repair(data, kept, NULL, NULL, &repaired, &error), &error);
    require(catalog_repair(catalog, kept_catalog, NULL, NULL, &error), &error);
    free(path), free(copy), free(folder), free(second), free(data), free(kept), free(catalog),
        free(kept_catalog);
}

static void a_file_system_without_fsync_of_directories_works(void **state)
{
    (void)state;
    static const int CODES[] = {EINVAL, ENOTSUP};
    char *root = test_directory_create_fast();
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "db-%zu", i);
        code = CODES[i];
        refused = 0;
        live_a_life(root, name);
        assert_true(refused > 10);
    }
    code = 0;
    test_directory_remove(root);
}

/* Once in the life of the process, whoever syncs; also when it happened before somebody listened. */
static void it_is_told_once(void **state)
{
    (void)state;
    char *root = test_directory_create_fast(), *elsewhere = test_path(root, "elsewhere");
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    code = EINVAL;
    directory_sync_set_notice(NULL);
    assert_int_equal(directory_sync(root), 0);
    notices = 0;
    directory_sync_set_notice(count_notice);
    assert_int_equal(notices, 1);
    assert_true(strlen(noticed) > 0);
    assert_int_equal(directory_sync(elsewhere), 0);
    assert_int_equal(notices, 1);
    directory_sync_set_notice(NULL);
    code = 0;
    free(elsewhere);
    test_directory_remove(root);
}

/* A device that fails is a failure, for directories as for files. */
static void other_failures_stay_failures(void **state)
{
    (void)state;
    static const int CODES[] = {EIO, ENOSPC, EROFS, EDQUOT};
    struct error error = {0};
    char *root = test_directory_create_fast(), *path = test_path(root, "db"),
         *missing = test_path(root, "missing");
    assert_int_equal(directory_sync(missing), -ENOENT);
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        code = CODES[i];
        assert_int_equal(directory_sync(root), -CODES[i]);
        assert_int_equal(folder_sync_directory(root, &error), -CODES[i]);
        assert_int_equal(database_create(path, "{}", &error), -CODES[i]);
        assert_int_equal(access(path, F_OK), -1);
    }
    code = 0;
    free(path), free(missing);
    test_directory_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_system_without_fsync_of_directories_works),
        cmocka_unit_test(it_is_told_once),
        cmocka_unit_test(other_failures_stay_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
