/* Cutting a stream: what is kept, what is cut, what stays when it fails. */
#include "cut.h"
#include "database.h"
#include "export.h"
#include "store_helpers.h"

#include <math.h>
#include <sys/stat.h>

enum { REAL = 9000, FAR = 70 }; /* more than a block; times that are right, and in milliseconds */

static char *directory;
static struct database *database;
static const struct store_options store_options = {.journal_bytes = 1 << 20};

static void open_database(void)
{
    struct error error = {0};
    char *path = test_path(directory, "db");
    if (database_open(path, &store_options, &database, &error) < 0)
        fail_msg("%s", error.message);
    free(path);
}

static struct stream find_stream(const char *name)
{
    struct stream stream;
    struct error error = {0};
    if (catalog_stream_by_name(database->catalog, "ann", "user", name, &stream, &error) < 0)
        fail_msg("%s", error.message);
    return stream;
}

static uint64_t series_of(const char *name, bool downlink)
{
    struct stream stream = find_stream(name);
    uint64_t id = downlink ? stream.downlink_series_id : stream.series_id;
    stream_free(&stream);
    return id;
}

/* Point i of a stream; the later ones in milliseconds. Two points have each time. */
static double time_of(uint64_t i)
{
    return i < REAL ? 1000 + (double)(i / 2) : 1.764e12 + (double)i;
}

static int push(struct batch *batch, uint64_t i)
{
    static const uint8_t text[] = {0xa2, 'h', 'i'};
    return i % 5 == 0 ? batch_push_msgpack(batch, time_of(i), text, sizeof(text))
                      : batch_push_integer(batch, time_of(i), (int64_t)i);
}

static void append(uint64_t series_id, uint64_t from, uint64_t to)
{
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = from; i < to; i++) {
        assert_int_equal(push(&batch, i), 0);
        if (batch.count < 500 && i + 1 < to)
            continue;
        if (i % 2 == 0)
            assert_int_equal(batch_set_senders(&batch, "ann/phone", 9), 0);
        int r;
        while ((r = store_append(database->store, series_id, &batch, 0, NULL, &error)) == -EAGAIN)
            continue;
        if (r < 0)
            fail_msg("%s", error.message);
        batch_clear(&batch);
    }
    batch_free(&batch);
}

static int try_append(uint64_t series_id, double time)
{
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, time, 1), 0);
    int r = store_append(database->store, series_id, &batch, 0, NULL, NULL);
    batch_free(&batch);
    return r;
}

/* Streams `s`, with a downlink, and `other`, of REAL + FAR points each; some are in segments, the last in
 * journals. */
static int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    directory = test_directory_create_fast();
    char *path = test_path(directory, "db");
    char name[] = "ann", email[] = "ann@localhost", names[2][8] = {"s", "other"};
    const struct user user = {.name = name, .email = email};
    assert_int_equal(database_create_with_user(path, NULL, &user, "secret", &error), 0);
    open_database();
    struct device device;
    assert_int_equal(catalog_device_by_name(database->catalog, "ann", "user", &device, &error), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct stream stream = {.device_id = device.id, .name = names[i], .downlink = true};
        assert_int_equal(catalog_create_stream(database->catalog, &stream, NULL, &error), 0);
        append(series_of(names[i], false), 0, REAL / 2);
    }
    assert_int_equal(store_seal(database->store, true, &error), 0);
    for (unsigned i = 0; i < 2; i++) {
        append(series_of(names[i], false), REAL / 2, REAL + FAR);
        append(series_of(names[i], true), 0, REAL + FAR);
    }
    device_free(&device);
    free(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct error error = {0};
    if (database)
        assert_int_equal(database_close(database, &error), 0);
    database = NULL;
    test_directory_remove(directory);
    return 0;
}

/* The text of what the stream has, as an export writes it: senders and all. malloc'ed */
static char *text_of(const char *name, bool downlink)
{
    static unsigned number;
    struct transfer_result result;
    struct error error = {0};
    char filter[64];
    (void)snprintf(filter, sizeof(filter), "ann/user/%s", name);
    const char *const filters[] = {filter};
    const struct transfer_options options = {.filters = filters, .filter_count = 1};
    char *folder = test_path(directory, "text-%u", number++);
    if (export_database(database, folder, &options, &result, &error) < 0)
        fail_msg("%s", error.message);
    char *path = test_path(folder, "ann/user/%s/%s", name, downlink ? "downlink.json" : "data.json");
    size_t size;
    char *bytes = test_file_read(path, &size), *text = strndup(bytes, size);
    assert_non_null(text);
    free(bytes);
    free(path);
    free(folder);
    return text;
}

static char *cut_text(const char *folder, const char *name, bool downlink)
{
    char *path =
        test_path(directory, "%s/ann/user/%s/%s", folder, name, downlink ? "downlink.json" : "data.json");
    size_t size;
    char *bytes = test_file_read(path, &size), *text = strndup(bytes, size);
    assert_non_null(text);
    free(bytes);
    free(path);
    return text;
}

/* kept + cut is what there was. */
static void check_parts(const char *before, const char *kept, const char *cut)
{
    size_t kept_size = strlen(kept), cut_size = strlen(cut), size = strlen(before);
    if (strcmp(kept, "[]") == 0 || strcmp(cut, "[]") == 0) {
        assert_string_equal(strcmp(kept, "[]") == 0 ? cut : kept, before);
        return;
    }
    assert_int_equal(kept_size - 1 + cut_size, size); /* "]" and "[" become "," */
    assert_memory_equal(before, kept, kept_size - 1);
    assert_int_equal(before[kept_size - 1], ',');
    assert_memory_equal(before + kept_size, cut + 1, cut_size - 1);
}

static bool is_there(const char *name)
{
    struct stat status;
    char *path = test_path(directory, "%s", name);
    bool there = stat(path, &status) == 0;
    free(path);
    return there;
}

static int try_cut(
    struct cut_options options, const char *folder, struct cut_result *ret_result, struct error *ret_error)
{
    char *path = folder ? test_path(directory, "%s", folder) : NULL;
    options.directory = path;
    options.path = options.path ? options.path : "ann/user/s";
    int r = cut_stream(database, &options, ret_result, ret_error);
    free(path);
    return r;
}

static struct cut_result must_cut(struct cut_options options, const char *folder)
{
    struct cut_result result;
    struct error error = {0};
    if (try_cut(options, folder, &result, &error) < 0)
        fail_msg("%s", error.message);
    return result;
}

static void reopen(void)
{
    struct error error = {0};
    if (database_close(database, &error) < 0)
        fail_msg("%s", error.message);
    open_database();
}

static void check_cut(bool downlink)
{
    char *before = text_of("s", downlink), *beside = text_of("s", !downlink),
         *other = text_of("other", downlink);
    uint64_t old = series_of("s", downlink);
    struct cut_result result = must_cut((struct cut_options){.after = 1e10, .downlink = downlink}, "cut");
    assert_int_equal(result.kept, REAL);
    assert_int_equal(result.cut, FAR);
    assert_true(result.kept_last == time_of(REAL - 1));
    assert_true(result.cut_first == time_of(REAL));
    assert_true(result.cut_last == time_of(REAL + FAR - 1));
    assert_false(is_there("db/data/import-cut"));
    assert_int_equal(try_append(old, 1e13), -ENOENT); /* of a request that looked the stream up before */
    for (unsigned life = 0; life < 2; life++) {
        char *kept = text_of("s", downlink), *cut = cut_text("cut", "s", downlink),
             *none = cut_text("cut", "s", !downlink);
        char *beside_now = text_of("s", !downlink), *other_now = text_of("other", downlink);
        check_parts(before, kept, cut);
        assert_string_equal(none, "[]");
        assert_string_equal(beside_now, beside);
        assert_string_equal(other_now, other);
        free(kept), free(cut), free(none), free(beside_now), free(other_now);
        reopen();
    }
    assert_int_equal(try_append(series_of("s", downlink), time_of(REAL - 1) - 1), -EINVAL);
    assert_int_equal(try_append(series_of("s", downlink), time_of(REAL - 1)), 0);
    free(before), free(beside), free(other);
}

static void test_stream(void **state)
{
    (void)state;
    check_cut(false);
}

static void test_downlink(void **state)
{
    (void)state;
    check_cut(true);
}

static void test_between_points_of_one_time(void **state)
{
    (void)state;
    char *before = text_of("s", false);
    struct cut_result result = must_cut((struct cut_options){.after = 1010}, "cut");
    assert_int_equal(result.kept, 22); /* those of that time, too */
    char *kept = text_of("s", false), *cut = cut_text("cut", "s", false);
    check_parts(before, kept, cut);
    result = must_cut((struct cut_options){.after = 1009.5}, "again");
    assert_int_equal(result.kept, 20);
    assert_int_equal(result.cut, 2);
    free(before), free(kept), free(cut);
}

static void test_everything(void **state)
{
    (void)state;
    char *before = text_of("s", false);
    struct cut_result result = must_cut((struct cut_options){.after = -1}, "cut");
    assert_int_equal(result.kept, 0);
    assert_int_equal(result.cut, REAL + FAR);
    reopen();
    char *kept = text_of("s", false), *cut = cut_text("cut", "s", false);
    assert_string_equal(kept, "[]");
    assert_string_equal(cut, before);
    assert_int_equal(try_append(series_of("s", false), 1), 0);
    free(before), free(kept), free(cut);
}

static void test_nothing(void **state)
{
    (void)state;
    uint64_t series_id = series_of("s", false);
    struct cut_result result = must_cut((struct cut_options){.after = time_of(REAL + FAR - 1)}, "cut");
    assert_int_equal(result.kept, REAL + FAR);
    assert_int_equal(result.cut, 0);
    assert_false(is_there("cut"));
    assert_int_equal(series_of("s", false), series_id);
    assert_int_equal(try_append(series_id, 1e13), 0);
    must_cut((struct cut_options){.after = -1}, "cut");
    result = must_cut((struct cut_options){.after = 0}, "again"); /* an empty one */
    assert_int_equal(result.kept + result.cut, 0);
}

static void test_dry_run(void **state)
{
    (void)state;
    struct error error = {0};
    uint64_t series_id = series_of("s", false);
    struct cut_result result = must_cut((struct cut_options){.after = 1e10, .dry_run = true}, NULL);
    assert_int_equal(result.kept, REAL);
    assert_int_equal(result.cut, FAR);
    assert_int_equal(series_of("s", false), series_id);
    assert_int_equal(try_append(series_id, 1e13), 0);
    assert_int_equal(database_close(database, &error), 0);
    char *path = test_path(directory, "db");
    assert_int_equal(database_open_for_reading(path, NULL, &store_options, &database, &error), 0);
    result = must_cut((struct cut_options){.after = 1e10, .dry_run = true}, NULL);
    assert_int_equal(result.cut, FAR + 1);
    assert_int_equal(try_cut((struct cut_options){.after = 1e10}, "cut", &result, &error), -EROFS);
    assert_false(is_there("cut"));
    free(path);
}

/* The folder is one that import takes. */
static void test_folder_is_imported(void **state)
{
    (void)state;
    struct error error = {0};
    struct transfer_result result;
    const struct transfer_options options = {0};
    must_cut((struct cut_options){.after = 1e10}, "cut");
    assert_int_equal(database_close(database, &error), 0);
    char *path = test_path(directory, "second"), *folder = test_path(directory, "cut");
    assert_int_equal(database_create(path, NULL, &error), 0);
    assert_int_equal(database_open(path, &store_options, &database, &error), 0);
    if (import_database(database, folder, &options, &result, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(result.points, FAR);
    char *text = text_of("s", false), *cut = cut_text("cut", "s", false);
    assert_string_equal(text, cut);
    free(text), free(cut), free(path), free(folder);
}

/* A cut that fails so has changed nothing: the stream is the same and takes points, and there is no folder.
 */
static void check_refused(struct cut_options options, const char *folder, int code, const char *word)
{
    struct cut_result result;
    struct error error = {0};
    uint64_t series_id = series_of("s", false);
    bool folder_was_there = is_there(folder);
    int r = try_cut(options, folder, &result, &error);
    if (r != -code || !strstr(error.message, word))
        fail_msg("%d (%s) instead of %s with '%s'", r, error.message, strerror(code), word);
    assert_int_equal(is_there(folder), folder_was_there);
    assert_int_equal(series_of("s", false), series_id);
    assert_false(is_there("db/data/import-cut"));
    assert_int_equal(try_append(series_id, 1e13), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    const atomic_bool cancelled = true;
    struct error error = {0};
    struct stream stream = find_stream("other");
    stream.downlink = false;
    assert_int_equal(database_change_stream(database, stream.id, &stream, UINT32_MAX, NULL, &error), 0);
    stream_free(&stream);
    check_refused((struct cut_options){.path = "ann/user/t", .after = 1}, "cut", ENOENT, "ann/user/t");
    check_refused((struct cut_options){.path = "ann/user", .after = 1}, "cut", EINVAL, "user/device/stream");
    check_refused(
        (struct cut_options){.path = "ann/user/s/t", .after = 1}, "cut", EINVAL, "user/device/stream");
    check_refused((struct cut_options){.path = "ann//s", .after = 1}, "cut", EINVAL, "user/device/stream");
    check_refused((struct cut_options){.after = NAN}, "cut", EINVAL, "finite");
    check_refused((struct cut_options){.path = "ann/user/other", .downlink = true, .after = 1}, "cut", EINVAL,
        "downlink");
    check_refused((struct cut_options){.after = 1}, "db", EEXIST, "exists");
    check_refused((struct cut_options){.after = 1}, "nowhere/cut", ENOENT, "nowhere");
    check_refused(
        (struct cut_options){.after = 1, .transfer.cancel = &cancelled}, "cut", ECANCELED, "cancelled");
    atomic_store(&database->cutting, true);
    check_refused((struct cut_options){.after = 1}, "cut", EBUSY, "another");
    atomic_store(&database->cutting, false);
    must_cut((struct cut_options){.after = 1}, "cut");
}

struct meanwhile {
    void (*act)(struct meanwhile *meanwhile);
    atomic_bool cancel;
    uint64_t series_id;
    int append_result;
    unsigned reports;
};

/* The last report of a part of the work comes from the thread that does it. */
static void call_act(void *context, const struct progress *progress)
{
    struct meanwhile *meanwhile = context;
    (void)progress;
    meanwhile->append_result = try_append(meanwhile->series_id, 1e13);
    if (meanwhile->reports++ == 0 && meanwhile->act)
        meanwhile->act(meanwhile);
}

static void delete_stream(struct meanwhile *meanwhile)
{
    (void)meanwhile;
    struct stream stream = find_stream("s");
    REQUIRE(database_delete_stream(database, stream.id, NULL) == 0, "delete");
    stream_free(&stream);
}

static void cancel(struct meanwhile *meanwhile)
{
    atomic_store(&meanwhile->cancel, true);
}

static void test_inserts_meanwhile_are_refused(void **state)
{
    (void)state;
    struct meanwhile meanwhile = {.series_id = series_of("s", false)};
    (void)must_cut(
        (struct cut_options){.after = 1e10, .transfer = {.progress = call_act, .context = &meanwhile}},
        "cut");
    assert_true(meanwhile.reports >= 2); /* of both parts: what is cut, what is kept */
    assert_int_equal(meanwhile.append_result, -EAGAIN);
}

static void test_deleted_meanwhile(void **state)
{
    (void)state;
    struct meanwhile meanwhile = {.act = delete_stream, .series_id = series_of("s", false)};
    struct cut_result result;
    struct error error = {0};
    struct cut_options options = {.after = 1e10, .transfer = {.progress = call_act, .context = &meanwhile}};
    assert_int_equal(try_cut(options, "cut", &result, &error), -ENOENT);
    assert_false(is_there("cut"));
    reopen();
    assert_int_equal(database->tombstoned_series, 0); /* the new series went with it */
}

static void test_cancelled_later(void **state)
{
    (void)state;
    struct meanwhile meanwhile = {.act = cancel, .series_id = series_of("s", false)};
    struct cut_options options = {.after = 1e10,
        .transfer = {.progress = call_act, .context = &meanwhile, .cancel = &meanwhile.cancel}};
    check_refused(options, "cut", ECANCELED, "cancelled");
}

/* What a killed cut had staged. */
static void test_staging_of_a_killed_one(void **state)
{
    (void)state;
    char *staging = test_path(directory, "db/data/import-cut"), *file = test_path(staging, "segment-77");
    assert_int_equal(mkdir(staging, 0700), 0);
    test_file_write(file, "x", 1);
    must_cut((struct cut_options){.after = 1e10}, "cut");
    assert_false(is_there("db/data/import-cut"));
    assert_int_equal(mkdir(staging, 0700), 0);
    test_file_write(file, "x", 1);
    reopen();
    assert_false(is_there("db/data/import-cut"));
    free(staging), free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_downlink, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_between_points_of_one_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dry_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_is_imported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inserts_meanwhile_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deleted_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_staging_of_a_killed_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
