#include "test.h"

#include "store.h"

#include <sys/stat.h>

static void append(struct store *store, uint64_t series, uint64_t from, uint32_t count)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(batch_push_integer(&batch, (double)(1 + from + i), (int64_t)(from + i) * 3), 0);
    assert_int_equal(store_append(store, series, &batch, 0, NULL, &error), 0);
    batch_free(&batch);
}

static uint64_t length_of(struct store *store, uint64_t series)
{
    struct store_snapshot *snapshot;
    struct store_series info;
    struct error error = {0};
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    assert_int_equal(store_snapshot_series(snapshot, series, &info, &error), 0);
    store_snapshot_close(snapshot);
    return info.length;
}

/* The copy is the moment of the snapshot: later inserts, deletions and sealing do not touch it, nor does
 * using it touch the original. */
static void a_backup_is_one_moment(void **state)
{
    (void)state;
    struct error error = {0};
    struct store_snapshot *snapshot;
    struct store *store, *copy;
    char *root = test_directory_create();
    char *data = test_path(root, "data"), *backup = test_path(root, "backup");
    assert_int_equal(mkdir(data, 0700), 0);
    assert_int_equal(mkdir(backup, 0700), 0);
    assert_int_equal(store_create(data, NULL, &error), 0);
    struct store_options options = {.journal_bytes = 1 << 20};
    assert_int_equal(store_open(data, &options, &store, &error), 0);
    append(store, 1, 0, 5000);
    append(store, 2, 0, 10);
    append(store, 3, 0, 10);
    assert_int_equal(store_seal(store, true, &error), 0);
    append(store, 1, 5000, 100);
    const uint64_t second = 2, third = 3;
    assert_int_equal(store_delete_series(store, &second, 1, &error), 0);
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    append(store, 1, 5100, 7);
    assert_int_equal(store_delete_series(store, &third, 1, &error), 0);
    assert_int_equal(store_seal(store, true, &error), 0);
    assert_int_equal(store_snapshot_backup(snapshot, backup, &error), 0);
    store_snapshot_close(snapshot);

    assert_int_equal(store_check(backup, NULL, NULL, &error), 0);
    assert_int_equal(store_open(backup, &options, &copy, &error), 0);
    assert_int_equal(length_of(copy, 1), 5100);
    assert_int_equal(length_of(copy, 2), 0);
    assert_int_equal(length_of(copy, 3), 10);
    append(copy, 1, 5100, 1000);
    assert_int_equal(store_seal(copy, true, &error), 0);
    assert_int_equal(store_close(copy, &error), 0);
    assert_int_equal(length_of(store, 1), 5107);
    assert_int_equal(length_of(store, 3), 0);
    assert_int_equal(store_close(store, &error), 0);
    assert_int_equal(store_check(data, NULL, NULL, &error), 0);
    assert_int_equal(store_check(backup, NULL, NULL, &error), 0);
    free(data);
    free(backup);
    test_directory_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_is_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
