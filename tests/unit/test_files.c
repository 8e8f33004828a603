/* The set of files: what is on disk, in the manifest and in memory after a change was applied, refused, or
 * left in doubt. */
#include "store_helpers.h"

#include "files.h"
#include "io_fault.h"
#include "store_layout.h"

#include <limits.h>
#include <unistd.h>

enum { JOURNAL_BYTES = 64 << 10 };

struct fixture {
    char *directory;
    struct io *io;
    struct files *files;
};

static void set_up(struct fixture *fixture)
{
    struct io *posix;
    struct manifest manifest = {.version = 1, .next_file_id = 1};
    fixture->directory = test_directory_create_fast();
    assert_int_equal(io_open_posix(&posix, NULL), 0);
    assert_int_equal(io_open_fault(posix, &(struct io_fault_plan){0}, &fixture->io), 0);
    assert_int_equal(manifest_write(fixture->io, fixture->directory, &manifest, NULL), 0);
    assert_int_equal(files_open(fixture->io, fixture->directory, &fixture->files, NULL), 0);
}

static void tear_down(struct fixture *fixture)
{
    files_close(fixture->files);
    io_close(fixture->io);
    test_directory_remove(fixture->directory);
}

/* From the next call of this kind on, `count` calls fail (0 = none). */
static void break_call(struct fixture *fixture, enum io_call call, uint64_t count)
{
    io_fault_set(fixture->io,
        &(struct io_fault_plan){.fail_at = count > 0, .fail_count = count, .code = EIO, .calls = 1u << call});
}

static struct journal *new_journal(struct fixture *fixture)
{
    struct journal_file *file;
    uint64_t id = files_take_ids(fixture->files, 1);
    assert_int_equal(
        journal_file_prepare(fixture->io, fixture->directory, id, JOURNAL_BYTES, NULL, &file, NULL), 0);
    struct journal *journal = journal_new(file, files_recycler(fixture->files));
    assert_non_null(journal);
    return journal;
}

/* Adds the journal and lets go of it. */
static enum files_outcome add(struct fixture *fixture, struct journal *journal)
{
    struct error error = {0};
    enum files_outcome outcome;
    struct files_edit edit = {.add_journals = &journal, .add_journal_count = 1};
    int r = files_apply(fixture->files, &edit, &outcome, &error);
    assert_int_equal(r, outcome == FILES_APPLIED ? 0 : -EIO);
    assert_int_equal(error.code, -r);
    journal_release(journal);
    return outcome;
}

static bool exists(struct fixture *fixture, const char *name)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
    return access(path, F_OK) == 0;
}

/* The manifest on disk and the version in memory name these journals. */
static void assert_journals(struct fixture *fixture, const uint64_t *ids, uint32_t count)
{
    struct manifest manifest;
    struct version *version = files_version(fixture->files);
    assert_int_equal(manifest_read(fixture->directory, &manifest, NULL), 0);
    assert_int_equal(manifest.journal_count, count);
    assert_int_equal(version->journal_count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(manifest.journals[i].id, ids[i]);
        assert_int_equal(version->journals[i]->file->id, ids[i]);
    }
    manifest_free(&manifest);
    version_release(version);
}

static void an_applied_change_is_on_disk_and_current(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    assert_int_equal(add(&fixture, new_journal(&fixture)), FILES_APPLIED);
    assert_int_equal(add(&fixture, new_journal(&fixture)), FILES_APPLIED);
    assert_journals(&fixture, (uint64_t[]){1, 2}, 2);
    struct version *version = files_version(fixture.files);
    struct files_edit edit = {.remove_journals = version->journals, .remove_journal_count = 1};
    assert_int_equal(files_apply(fixture.files, &edit, NULL, NULL), 0);
    assert_journals(&fixture, (uint64_t[]){2}, 1);
    assert_true(exists(&fixture, "journal-1")); /* somebody may still read it */
    version_release(version);
    assert_false(exists(&fixture, "journal-1"));
    assert_true(exists(&fixture, "recycled"));
    tear_down(&fixture);
}

static void a_refused_change_leaves_nothing(void **state)
{
    (void)state;
    static const enum io_call calls[] = {IO_CALL_OPEN, IO_CALL_WRITE, IO_CALL_SYNC, IO_CALL_RENAME};
    struct fixture fixture;
    set_up(&fixture);
    assert_int_equal(add(&fixture, new_journal(&fixture)), FILES_APPLIED);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char name[32];
        struct journal *journal = new_journal(&fixture);
        (void)snprintf(name, sizeof(name), "journal-%llu", (unsigned long long)journal->file->id);
        break_call(&fixture, calls[i], 1);
        assert_int_equal(add(&fixture, journal), FILES_REFUSED);
        assert_false(exists(&fixture, name));
        assert_false(exists(&fixture, MANIFEST_NAME ".new"));
        assert_journals(&fixture, (uint64_t[]){1}, 1);
    }
    tear_down(&fixture);
}

static void a_change_in_doubt_keeps_its_files_until_the_next_one_settles_it(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    assert_int_equal(add(&fixture, new_journal(&fixture)), FILES_APPLIED);
    struct journal *second = new_journal(&fixture), *third = new_journal(&fixture),
                   *fourth = new_journal(&fixture);
    break_call(&fixture, IO_CALL_SYNC_DIRECTORY, 2);
    assert_int_equal(add(&fixture, second), FILES_IN_DOUBT);
    assert_int_equal(add(&fixture, third), FILES_IN_DOUBT);
    struct version *version = files_version(fixture.files);
    assert_int_equal(version->journal_count, 1);
    version_release(version);
    assert_true(exists(&fixture, "journal-2"));
    assert_true(exists(&fixture, "journal-3"));
    assert_int_equal(add(&fixture, fourth), FILES_APPLIED);
    assert_journals(&fixture, (uint64_t[]){1, 4}, 2);
    assert_false(exists(&fixture, "journal-2"));
    assert_false(exists(&fixture, "journal-3"));
    tear_down(&fixture);
}

static void ids_are_not_given_twice_once_an_edit_was_applied(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    assert_int_equal(files_take_ids(fixture.files, 100), 1);
    assert_int_equal(files_apply(fixture.files, &(struct files_edit){0}, NULL, NULL), 0);
    files_close(fixture.files);
    assert_int_equal(files_open(fixture.io, fixture.directory, &fixture.files, NULL), 0);
    assert_int_equal(files_take_ids(fixture.files, 1), 101);
    tear_down(&fixture);
}

/* A moment and the tombstones of a removed journal: remembered only while a file may hold the series. */
static void tombstones_are_remembered_while_a_file_holds_the_series(void **state)
{
    (void)state;
    struct fixture fixture;
    struct manifest manifest;
    set_up(&fixture);
    struct journal *journal = new_journal(&fixture);
    struct frame frame = {.kind = FRAME_POINTS, .series_id = 7, .count = 1, .offset = JOURNAL_HEADER_BYTES};
    assert_int_equal(head_index_add(&journal->index, &frame), 0);
    assert_int_equal(add(&fixture, journal), FILES_APPLIED);
    const uint64_t tombstones[] = {7, 8};
    struct files_edit edit = {.tombstones = tombstones, .tombstone_count = 2};
    assert_int_equal(files_apply(fixture.files, &edit, NULL, NULL), 0);
    assert_int_equal(manifest_read(fixture.directory, &manifest, NULL), 0);
    assert_int_equal(manifest.deleted_count, 1);
    assert_int_equal(manifest.deleted[0], 7);
    manifest_free(&manifest);
    struct version *version = files_version(fixture.files);
    edit = (struct files_edit){
        .remove_journals = version->journals, .remove_journal_count = 1, .forget_tombstones = true};
    assert_int_equal(files_apply(fixture.files, &edit, NULL, NULL), 0);
    version_release(version);
    assert_int_equal(manifest_read(fixture.directory, &manifest, NULL), 0);
    assert_int_equal(manifest.deleted_count, 0);
    manifest_free(&manifest);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_applied_change_is_on_disk_and_current),
        cmocka_unit_test(a_refused_change_leaves_nothing),
        cmocka_unit_test(a_change_in_doubt_keeps_its_files_until_the_next_one_settles_it),
        cmocka_unit_test(ids_are_not_given_twice_once_an_edit_was_applied),
        cmocka_unit_test(tombstones_are_remembered_while_a_file_holds_the_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
