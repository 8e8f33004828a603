/* Import and export within one process: what comes back, progress, cancelling, inserts that go on meanwhile.
 */
#include "database.h"
#include "export.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum { POINTS = 20000 };

static char *directory;
static struct database *database;

static int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    directory = test_directory_create();
    char *path = test_path(directory, "db");
    assert_int_equal(database_create(path, NULL, &error), 0);
    assert_int_equal(database_open(path, NULL, &database, &error), 0);
    free(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(database_close(database, &error), 0);
    test_directory_remove(directory);
    return 0;
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char *path = test_path(directory, "%s/%s", folder, name);
    test_file_write(path, text, strlen(text));
    free(path);
}

static void make_directory(const char *folder, const char *name)
{
    char *path = test_path(directory, "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

/* count points at seconds 1, 2, ...; malloc'ed */
static char *points_text(unsigned count)
{
    char *text = malloc(count * 32 + 3), *to = text;
    assert_non_null(text);
    *to++ = '[';
    for (unsigned i = 0; i < count; i++)
        to += sprintf(to, "%s{\"t\":%u,\"d\":%u}", i ? "," : "", i + 1, i * 7919 % 1000);
    strcpy(to, "]");
    return text;
}

/* A folder of user ann with device d and streams a, b, c of `count` points each. */
static char *make_folder(const char *folder, unsigned count)
{
    make_directory(folder, "");
    make_directory(folder, "ann");
    make_directory(folder, "ann/d");
    write_text(folder, "connectordb.json", "{\"Version\": 2, \"ConnectorDB\": \"x\"}");
    write_text(folder, "ann/user.json",
        "{\"name\":\"ann\",\"email\":\"ann@b\",\"role\":\"user\",\"password\":\"h\",\"password_salt\":\"s\","
        "\"password_scheme\":\"SHA512\"}");
    write_text(folder, "ann/d/device.json", "{\"name\":\"d\",\"apikey\":\"k\",\"role\":\"none\"}");
    char *text = points_text(count);
    for (char name = 'a'; name <= 'c'; name++) {
        char path[32], description[32];
        snprintf(path, sizeof(path), "ann/d/%c", name);
        make_directory(folder, path);
        snprintf(path, sizeof(path), "ann/d/%c/stream.json", name);
        snprintf(description, sizeof(description), "{\"name\":\"%c\"}", name);
        write_text(folder, path, description);
        snprintf(path, sizeof(path), "ann/d/%c/data.json", name);
        write_text(folder, path, text);
    }
    free(text);
    return test_path(directory, "%s", folder);
}

static bool user_exists(const char *name)
{
    struct user user;
    int r = catalog_user_by_name(database->catalog, name, &user, NULL);
    if (r == 0)
        user_free(&user);
    else
        assert_int_equal(r, -ENOENT);
    return r == 0;
}

static bool staging_exists(void)
{
    struct stat status;
    char *path = test_path(directory, "db/data/import-u-ann");
    bool exists = stat(path, &status) == 0;
    free(path);
    return exists;
}

static void check_same_file(const char *first, const char *second, const char *name)
{
    size_t sizes[2];
    char *paths[] = {test_path(first, "%s", name), test_path(second, "%s", name)};
    char *texts[] = {test_file_read(paths[0], &sizes[0]), test_file_read(paths[1], &sizes[1])};
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(texts[0], texts[1], sizes[0]);
    for (int i = 0; i < 2; i++) {
        free(paths[i]);
        free(texts[i]);
    }
}

static void must_import(const char *folder, struct transfer_options options)
{
    struct transfer_result result;
    struct error error = {0};
    if (import_database(database, folder, &options, &result, &error) < 0)
        fail_msg("%s", error.message);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct transfer_result result;
    struct error error = {0};
    char *folder = make_folder("in", POINTS), *out = test_path(directory, "out");
    const struct transfer_options options = {.threads = 4};
    assert_int_equal(import_database(database, folder, &options, &result, &error), 0);
    assert_int_equal(result.users, 1);
    assert_int_equal(result.devices, 1);
    assert_int_equal(result.streams, 3);
    assert_int_equal(result.points, 3 * POINTS);
    assert_int_equal(export_database(database, out, &options, &result, &error), 0);
    assert_int_equal(result.devices, 3); /* user and meta were made */
    assert_int_equal(result.points, 3 * POINTS);
    check_same_file(folder, out, "ann/d/a/data.json");
    check_same_file(folder, out, "ann/d/b/data.json");
    check_same_file(folder, out, "ann/d/c/data.json");
    assert_false(staging_exists());
    free(folder);
    free(out);
}

/* What a progress callback saw, and when it cancels. */
struct watch {
    atomic_bool cancel;
    atomic_uint calls;
    atomic_bool inside; /* never two calls at once */
    struct progress last;
    bool ascending;
};

static void watch_progress(void *context, const struct progress *progress)
{
    struct watch *watch = context;
    if (atomic_exchange(&watch->inside, true) || progress->points < watch->last.points ||
        progress->bytes < watch->last.bytes)
        watch->ascending = false;
    watch->last = *progress;
    watch->last.current = NULL;
    atomic_fetch_add(&watch->calls, 1);
    atomic_store(&watch->inside, false);
}

static void test_progress(void **state)
{
    (void)state;
    struct watch watch = {.ascending = true};
    struct stat status;
    char *folder = make_folder("in", POINTS), *out = test_path(directory, "out");
    char *data = test_path(folder, "ann/d/a/data.json");
    struct transfer_options options = {.progress = watch_progress, .context = &watch};
    assert_int_equal(stat(data, &status), 0);
    must_import(folder, options);
    assert_true(watch.calls >= 1 && watch.ascending);
    assert_int_equal(watch.last.points, 3 * POINTS);
    assert_int_equal(watch.last.bytes, 3 * (uint64_t)status.st_size);
    assert_int_equal(watch.last.bytes_total, watch.last.bytes);
    assert_int_equal(watch.last.streams, 3);
    assert_int_equal(watch.last.streams_total, 3);

    struct transfer_result result;
    struct error error = {0};
    watch = (struct watch){.ascending = true};
    assert_int_equal(export_database(database, out, &options, &result, &error), 0);
    assert_true(watch.calls >= 1 && watch.ascending);
    assert_int_equal(watch.last.points_total, 3 * POINTS);
    assert_int_equal(watch.last.points, 3 * POINTS);
    assert_int_equal(watch.last.bytes, 3 * (uint64_t)status.st_size);
    assert_int_equal(watch.last.streams, 3);
    free(folder);
    free(data);
    free(out);
}

static void test_cancelled_import(void **state)
{
    (void)state;
    struct watch watch = {.cancel = true};
    struct transfer_result result;
    struct error error = {0};
    char *folder = make_folder("in", POINTS);
    struct transfer_options options = {.cancel = &watch.cancel};
    assert_int_equal(import_database(database, folder, &options, &result, &error), -ECANCELED);
    assert_non_null(strstr(error.message, "--resume"));
    assert_false(user_exists("ann"));
    must_import(folder, (struct transfer_options){.resume = true});
    assert_true(user_exists("ann"));
    assert_false(staging_exists());
    free(folder);
}

static void test_cancelled_export(void **state)
{
    (void)state;
    struct watch watch = {.cancel = true};
    struct transfer_result result;
    struct error error = {0};
    struct stat status;
    char *folder = make_folder("in", POINTS), *out = test_path(directory, "out");
    struct transfer_options options = {.cancel = &watch.cancel};
    must_import(folder, (struct transfer_options){0});
    assert_int_equal(export_database(database, out, &options, &result, &error), -ECANCELED);
    assert_int_equal(stat(out, &status), -1); /* nothing is left */
    watch.cancel = false;
    assert_int_equal(export_database(database, out, &options, &result, &error), 0);
    free(folder);
    free(out);
}

static void test_bad_data_leaves_nothing_unless_resumable(void **state)
{
    (void)state;
    struct transfer_result result;
    struct error error = {0};
    char *folder = make_folder("in", 100);
    write_text("in", "ann/d/c/data.json", "[{\"t\":2,\"d\":1},\n{\"t\":1,\"d\":1}]");
    struct transfer_options options = {0};
    assert_int_equal(import_database(database, folder, &options, &result, &error), -EBADMSG);
    assert_non_null(strstr(error.message, "ann/d/c/data.json: line 2"));
    assert_false(user_exists("ann") || staging_exists());
    options.resume = true;
    assert_int_equal(import_database(database, folder, &options, &result, &error), -EBADMSG);
    assert_true(staging_exists());
    options.resume = false;
    assert_int_equal(import_database(database, folder, &options, &result, &error), -EEXIST);
    assert_non_null(strstr(error.message, "--restart"));
    options.sort = true;
    options.restart = true;
    assert_int_equal(import_database(database, folder, &options, &result, &error), 0);
    assert_int_equal(result.points, 202);
    assert_false(staging_exists());
    free(folder);
}

/* A file that changed since the interrupted import is read anew, the others are not. */
static void test_resume_notices_changed_files(void **state)
{
    (void)state;
    char *folder = make_folder("in", 100), *out = test_path(directory, "out");
    struct transfer_result result;
    struct error error = {0};
    struct transfer_options options = {.resume = true, .threads = 1};
    write_text("in", "ann/d/c/data.json", "[{]");
    assert_int_equal(import_database(database, folder, &options, &result, &error), -EBADMSG);
    write_text("in", "ann/d/c/data.json", "[{\"t\":5,\"d\":null}]");
    write_text("in", "ann/d/a/data.json", "[{\"t\":6,\"d\":true}]");
    must_import(folder, options);
    assert_int_equal(export_database(database, out, &options, &result, &error), 0);
    check_same_file(folder, out, "ann/d/a/data.json");
    check_same_file(folder, out, "ann/d/b/data.json");
    check_same_file(folder, out, "ann/d/c/data.json");
    free(folder);
    free(out);
}

/* ---- inserts that go on while an export runs ---- */

struct inserter {
    uint64_t first, second; /* series */
    atomic_bool stop;
    atomic_uint_fast64_t inserted;
};

static void *insert(void *argument)
{
    struct inserter *inserter = argument;
    struct batch batch;
    batch_init(&batch);
    while (!atomic_load(&inserter->stop)) {
        double number = (double)atomic_fetch_add(&inserter->inserted, 1) + 1;
        const uint64_t series[] = {inserter->first, inserter->second};
        for (int i = 0; i < 2; i++) {
            batch_clear(&batch);
            if (batch_push_double(&batch, number, number) < 0 ||
                store_append(database->store, series[i], &batch, 0, NULL, NULL) < 0)
                abort();
        }
    }
    batch_free(&batch);
    return NULL;
}

/* The number of points in a data file. */
static unsigned count_points(const char *out, const char *stream)
{
    unsigned count = 0;
    char *path = test_path(out, "ann/d/%s/data.json", stream);
    char *text = test_file_read(path, NULL);
    for (const char *at = text; (at = strstr(at, "\"t\"")); at++)
        count++;
    free(path);
    free(text);
    return count;
}

/* What is written first to A, then to B, is in no export without A. */
static void test_one_moment(void **state)
{
    (void)state;
    char *folder = make_folder("in", 0);
    must_import(folder, (struct transfer_options){0});
    struct stream streams[2];
    struct inserter inserter = {0};
    pthread_t thread;
    assert_int_equal(catalog_stream_by_name(database->catalog, "ann", "d", "c", &streams[0], NULL), 0);
    assert_int_equal(catalog_stream_by_name(database->catalog, "ann", "d", "a", &streams[1], NULL), 0);
    inserter.first = streams[0].series_id;
    inserter.second = streams[1].series_id;
    stream_free(&streams[0]);
    stream_free(&streams[1]);
    assert_int_equal(pthread_create(&thread, NULL, insert, &inserter), 0);
    for (unsigned i = 0; i < 8; i++) {
        struct transfer_result result;
        struct error error = {0};
        char *out = test_path(directory, "out%u", i);
        const struct transfer_options options = {.threads = 2};
        uint64_t before = atomic_load(&inserter.inserted);
        while (atomic_load(&inserter.inserted) < before + 5)
            sched_yield();
        assert_int_equal(export_database(database, out, &options, &result, &error), 0);
        unsigned first = count_points(out, "c"), second = count_points(out, "a");
        assert_true(first >= second && first <= second + 1);
        assert_true(second + 1 >= before); /* what was acknowledged is in it */
        free(out);
    }
    atomic_store(&inserter.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_progress, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_import, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_export, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_data_leaves_nothing_unless_resumable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume_notices_changed_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_moment, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
