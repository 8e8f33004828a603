/* The manifest: its lists, there and back. Damage is in fault/test_manifest_damage.c. */
#include "test.h"

#include "manifest_sample.h"

#include <sys/stat.h>

struct fixture {
    char *directory;
    struct io *io;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.directory = test_directory_create();
    *state = &fixture;
    return io_open_posix(&fixture.io, NULL);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    io_close(fixture->io);
    test_directory_remove(fixture->directory);
    return 0;
}

static void assert_round_trip(const struct fixture *fixture, const struct manifest *manifest)
{
    struct manifest found;
    struct error error = {0};
    if (manifest_write(fixture->io, fixture->directory, manifest, &error) < 0)
        fail_msg("%s", error.message);
    if (manifest_read(fixture->directory, &found, &error) < 0)
        fail_msg("%s", error.message);
    assert_manifest_equal(&found, manifest);
    manifest_free(&found);
}

static void round_trips(void **state)
{
    struct manifest manifest = {0};
    assert_round_trip(*state, &manifest);
    manifest = (struct manifest){.version = UINT64_MAX, .next_file_id = UINT64_MAX};
    assert_round_trip(*state, &manifest);
    sample_manifest(&manifest);
    assert_round_trip(*state, &manifest);
    manifest_free(&manifest);
    manifest_free(&manifest);
}

/* Lists that were read can grow on, at any count. */
static void grows_after_reading(void **state)
{
    struct fixture *fixture = *state;
    struct manifest manifest = {0};
    for (uint64_t i = 0; i < 70; i++) {
        assert_int_equal(
            manifest_add_journal(&manifest, (struct manifest_journal){.id = i, .clean_end = i * 8}), 0);
        assert_int_equal(
            manifest_add_segment(&manifest, (struct manifest_segment){.id = 100 + i, .size = i}), 0);
        assert_int_equal(manifest_add_deleted(&manifest, i * 37 % 71), 0);
        assert_round_trip(fixture, &manifest);
        struct manifest found;
        assert_int_equal(manifest_read(fixture->directory, &found, NULL), 0);
        manifest_free(&manifest);
        manifest = found;
    }
    assert_int_equal(manifest.journal_count, 70);
    assert_int_equal(manifest.segment_count, 70);
    assert_int_equal(manifest.deleted_count, 70);
    for (uint64_t i = 0; i < 70; i++) {
        assert_int_equal(manifest.journals[i].id, i);
        assert_int_equal(manifest.segments[i].id, 100 + i);
    }
    manifest_free(&manifest);
}

static void deleted_are_a_sorted_set(void **state)
{
    (void)state;
    static const uint64_t EXPECTED[] = {3, 5, 77, 900};
    struct manifest manifest;
    sample_manifest(&manifest);
    assert_int_equal(manifest.deleted_count, 4);
    assert_memory_equal(manifest.deleted, EXPECTED, sizeof(EXPECTED));
    manifest_free(&manifest);
}

static void missing_is_enoent(void **state)
{
    struct fixture *fixture = *state;
    struct manifest manifest = {.version = 5};
    struct error error = {0};
    assert_int_equal(manifest_read(fixture->directory, &manifest, &error), -ENOENT);
    assert_int_equal(manifest.version, 5); /* outputs only on success */
    assert_non_null(strstr(error.message, "MANIFEST"));
    assert_int_equal(manifest_read("/nowhere", &manifest, NULL), -ENOENT);
}

static void many_deleted(void **state)
{
    enum { MANY = 100000 };
    struct manifest manifest = {.next_file_id = 3};
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(manifest_add_deleted(&manifest, i * 3), 0);
    assert_int_equal(manifest.deleted_count, MANY);
    assert_round_trip(*state, &manifest);
    manifest_free(&manifest);
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(round_trips),
        IN_DIRECTORY(grows_after_reading),
        IN_DIRECTORY(deleted_are_a_sorted_set),
        IN_DIRECTORY(missing_is_enoent),
        IN_DIRECTORY(many_deleted),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
