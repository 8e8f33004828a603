/* Files that become shorter while they are mapped (a disk that drops out, a clumsy hand), and readers that
 * take their time.
 *
 * A reader of a file that was cut gets an error, never other data and never a crash; other files' series and
 * inserts go on. The linker wraps frame_view, so that a journal can be cut just after its frame was verified:
 * whoever copies from it must look again. A snapshot that is held keeps its files on the disk, whatever is
 * sealed and merged meanwhile. */
#include "store_helpers.h"

#include "journal_file.h"
#include "journal_format.h"
#include "map.h"

#include <dirent.h>
#include <unistd.h>

enum { CUT_SERIES = 1, OTHER_SERIES = 2, POINTS = 3000, PAGE = 4096 };

/* ---- cutting ---- */

static const char *cut_after_view; /* path; NULL = nothing is cut */

int __real_frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error);
int __wrap_frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error);

int __wrap_frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error)
{
    int r = __real_frame_view(image, frame, untrusted, view, ret_error);
    if (cut_after_view)
        REQUIRE(truncate(cut_after_view, 0) == 0, "%s: %s", cut_after_view, strerror(errno));
    return r;
}

/* ---- a store ---- */

struct fixture {
    char *directory;
    struct store *store;
    struct store_options options;
    uint64_t lengths[3]; /* by series */
};

static int append_points(struct fixture *fixture, uint64_t series_id, uint64_t count, struct error *ret_error)
{
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = fixture->lengths[series_id] + i;
        assert_int_equal(batch_push_integer(&batch, (double)index, (int64_t)(index * index + 1)), 0);
    }
    int r = store_append(fixture->store, series_id, &batch, 0, NULL, ret_error);
    if (r == 0)
        fixture->lengths[series_id] += count;
    batch_free(&batch);
    return r;
}

static void append_nofail(struct fixture *fixture, uint64_t series_id, uint64_t count)
{
    struct error error = {0};
    if (append_points(fixture, series_id, count, &error) < 0)
        fail_msg("%s", error.message);
}

static void work(struct fixture *fixture)
{
    int r;
    while ((r = store_work(fixture->store, NULL)) == 1)
        continue;
    assert_int_equal(r, 0);
}

static void seal(struct fixture *fixture)
{
    work(fixture);
    assert_int_equal(store_seal(fixture->store, true, NULL), 0);
}

static struct fixture start(void)
{
    struct fixture fixture = {.directory = test_directory_create_fast(),
        .options = {.journal_bytes = 256 << 10, .no_threads = true, .wait_ms_max = 1}};
    test_store_create(fixture.directory);
    fixture.store = test_store_open(fixture.directory, &fixture.options);
    assert_int_equal(map_install_handler(NULL), 0); /* cmocka takes the signal for itself before every test */
    return fixture;
}

static void stop(struct fixture *fixture)
{
    (void)store_close(fixture->store, NULL);
    test_directory_remove(fixture->directory);
}

/* The files whose names are this and an id. */
struct files {
    unsigned count;
    uint64_t oldest, newest; /* ids */
};

static struct files list_files(const struct fixture *fixture, const char *kind)
{
    struct files files = {.oldest = UINT64_MAX};
    DIR *directory = opendir(fixture->directory);
    assert_non_null(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (strncmp(entry->d_name, kind, strlen(kind)) != 0)
            continue;
        uint64_t id = strtoull(entry->d_name + strlen(kind), NULL, 10);
        files.count++;
        files.oldest = id < files.oldest ? id : files.oldest;
        files.newest = id > files.newest ? id : files.newest;
    }
    (void)closedir(directory);
    return files;
}

static char *newest_segment(const struct fixture *fixture)
{
    struct files segments = list_files(fixture, "segment-");
    assert_true(segments.count > 0);
    return test_path(fixture->directory, "segment-%llu", (unsigned long long)segments.newest);
}

/* The journal that takes the inserts: its file is the oldest one that is not sealed. */
static char *active_journal(const struct fixture *fixture)
{
    struct files journals = list_files(fixture, "journal-");
    assert_true(journals.count > 0);
    return test_path(fixture->directory, "journal-%llu", (unsigned long long)journals.oldest);
}

static bool is_right(uint64_t index, const struct batch *batch)
{
    uint8_t expected[9], scratch[9];
    for (uint32_t i = 0; i < batch->count; i++, index++) {
        size_t size, expected_size = value_of_unsigned(expected, index * index + 1);
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        if (batch_time(batch, i) != (double)index || size != expected_size ||
            memcmp(value, expected, size) != 0)
            return false;
    }
    return true;
}

/* Reads on; 0 at the end or the error. What was handed out last may be wrong when the next call says so. */
static int read_on(struct store_cursor *cursor, uint64_t *index, struct error *ret_error)
{
    const struct batch *batch;
    bool right = true;
    for (;;) {
        int r = store_cursor_next(cursor, &batch, ret_error);
        if (r < 0)
            return r;
        if (!right)
            fail_msg("wrong data before index %llu, and nobody said so", (unsigned long long)*index);
        if (!batch)
            return 0;
        right = is_right(*index, batch);
        *index += batch->count;
    }
}

/* A reader of the series to be cut that has got its first batch. */
struct reader {
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    const struct batch *batch;
};

static struct reader begin_reading(struct fixture *fixture)
{
    struct reader reader;
    assert_int_equal(store_snapshot_open(fixture->store, &reader.snapshot, NULL), 0);
    assert_int_equal(
        store_cursor_open(reader.snapshot, CUT_SERIES, 0, UINT64_MAX, false, &reader.cursor, NULL), 0);
    assert_int_equal(store_cursor_next(reader.cursor, &reader.batch, NULL), 0);
    assert_non_null(reader.batch);
    return reader;
}

static void end_reading(struct reader *reader)
{
    store_cursor_close(reader->cursor);
    store_snapshot_close(reader->snapshot);
}

static int read_series(struct fixture *fixture, uint64_t series_id, struct error *ret_error)
{
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    uint64_t index = 0;
    assert_int_equal(store_snapshot_open(fixture->store, &snapshot, NULL), 0);
    int r = store_cursor_open(snapshot, series_id, 0, UINT64_MAX, false, &cursor, ret_error);
    if (r == 0) {
        r = read_on(cursor, &index, ret_error);
        store_cursor_close(cursor);
    }
    store_snapshot_close(snapshot);
    if (r == 0)
        assert_int_equal(index, fixture->lengths[series_id]);
    return r;
}

static void expect_damage(int r, const struct error *error, const char *path)
{
    if (r != -EIO && r != -EBADMSG)
        fail_msg("%d: %s", r, error->message);
    if (!strstr(error->message, path))
        fail_msg("'%s' does not name %s", error->message, path);
}

static void expect_others_go_on(struct fixture *fixture)
{
    struct error error = {0};
    if (read_series(fixture, OTHER_SERIES, &error) < 0)
        fail_msg("%s", error.message);
    append_nofail(fixture, OTHER_SERIES, 10);
    if (read_series(fixture, OTHER_SERIES, &error) < 0)
        fail_msg("%s", error.message);
}

/* ---- cut under a reader ---- */

enum { MANY_BLOCKS = 60000 };

/* A segment of the one series; the other one is in the journal. */
static char *fill_segments(struct fixture *fixture)
{
    for (uint64_t i = 0; i < MANY_BLOCKS / POINTS; i++) {
        if (append_points(fixture, CUT_SERIES, POINTS, NULL) < 0)
            break; /* journals are full: enough */
    }
    seal(fixture);
    work(fixture);
    append_nofail(fixture, OTHER_SERIES, POINTS);
    return newest_segment(fixture);
}

static void test_segment_cut_in_the_middle_of_a_read(void **state)
{
    (void)state;
    struct fixture fixture = start();
    char *path = fill_segments(&fixture);
    struct error error = {0};
    struct reader reader = begin_reading(&fixture);
    assert_true(is_right(0, reader.batch));
    uint64_t index = reader.batch->count;
    assert_true(index < fixture.lengths[CUT_SERIES]); /* there is more than a block */
    assert_int_equal(truncate(path, PAGE), 0);
    expect_damage(read_on(reader.cursor, &index, &error), &error, path);
    end_reading(&reader);
    error = (struct error){0};
    expect_damage(read_series(&fixture, CUT_SERIES, &error), &error, path);
    append_nofail(&fixture, OTHER_SERIES, 10);
    free(path);
    stop(&fixture);
}

static char *fill_journal(struct fixture *fixture, uint64_t points)
{
    append_nofail(fixture, OTHER_SERIES, POINTS);
    seal(fixture);
    append_nofail(fixture, CUT_SERIES, points);
    return active_journal(fixture);
}

static void test_journal_cut_under_a_reader(void **state)
{
    (void)state;
    struct fixture fixture = start();
    char *path = fill_journal(&fixture, POINTS);
    struct error error = {0};
    assert_int_equal(read_series(&fixture, CUT_SERIES, &error), 0);
    assert_int_equal(truncate(path, PAGE), 0);
    expect_damage(read_series(&fixture, CUT_SERIES, &error), &error, path);
    if (read_series(&fixture, OTHER_SERIES, &error) < 0) /* in a segment */
        fail_msg("%s", error.message);
    free(path);
    stop(&fixture);
}

/* Small frames are copied, large ones handed out as they are in the file. */
static void test_journal_cut_after_it_was_verified(void **state)
{
    (void)state;
    for (uint64_t points = 100; points <= POINTS; points += POINTS - 100) {
        struct fixture fixture = start();
        char *path = fill_journal(&fixture, points);
        struct error error = {0};
        cut_after_view = path;
        int r = read_series(&fixture, CUT_SERIES, &error);
        cut_after_view = NULL;
        expect_damage(r, &error, path);
        free(path);
        stop(&fixture);
    }
}

static void test_index_of_time_in_a_cut_journal(void **state)
{
    (void)state;
    struct fixture fixture = start();
    char *path = fill_journal(&fixture, POINTS);
    struct store_snapshot *snapshot;
    struct error error = {0};
    uint64_t index = 0;
    assert_int_equal(store_snapshot_open(fixture.store, &snapshot, NULL), 0);
    cut_after_view = path;
    int r = store_snapshot_index_of_time(snapshot, CUT_SERIES, 1000, &index, &error);
    cut_after_view = NULL;
    expect_damage(r, &error, path);
    store_snapshot_close(snapshot);
    free(path);
    stop(&fixture);
}

/* What was handed out already was cut: the next call says so. */
static void test_journal_cut_while_its_points_are_looked_at(void **state)
{
    (void)state;
    struct fixture fixture = start();
    char *path = fill_journal(&fixture, POINTS);
    struct error error = {0};
    struct reader reader = begin_reading(&fixture);
    assert_int_equal(reader.batch->count, POINTS); /* all of it, from the file */
    assert_int_equal(truncate(path, 0), 0);
    assert_false(is_right(0, reader.batch));
    expect_damage(store_cursor_next(reader.cursor, &reader.batch, &error), &error, path);
    end_reading(&reader);
    free(path);
    stop(&fixture);
}

/* Nothing is sealed from a file that was cut on the way: a segment of zeros would be there for good. */
static void seal_and_cut(void)
{
    struct fixture fixture = start();
    char *path = fill_journal(&fixture, POINTS);
    struct error error = {0};
    struct store_stats before, after;
    store_get_stats(fixture.store, &before);
    work(&fixture);
    cut_after_view = path;
    int r = store_seal(fixture.store, true, &error);
    cut_after_view = NULL;
    expect_damage(r, &error, path);
    store_get_stats(fixture.store, &after);
    assert_int_equal(after.segment_count, before.segment_count);
    assert_int_equal(after.segment_points, before.segment_points);
    error = (struct error){0};
    expect_damage(read_series(&fixture, CUT_SERIES, &error), &error, path);
    expect_others_go_on(&fixture);
    free(path);
    stop(&fixture);
}

static void test_journal_cut_while_it_is_sealed(void **state)
{
    (void)state;
    seal_and_cut(); /* when the sealer has verified the frame and is about to copy it */
}

enum { RUN = 12 };

/* A merge that meets a cut segment changes nothing. */
static void test_segment_cut_before_it_is_merged(void **state)
{
    (void)state;
    struct fixture fixture = start();
    for (unsigned i = 0; i < RUN; i++) {
        append_nofail(&fixture, i % 2 ? CUT_SERIES : OTHER_SERIES, 100);
        assert_int_equal(store_work(fixture.store, NULL), 1); /* the next journal */
        assert_int_equal(store_seal(fixture.store, true, NULL), 0);
    }
    char *path = newest_segment(&fixture);
    struct store_stats stats;
    struct error error = {0};
    append_nofail(&fixture, OTHER_SERIES, 10); /* what it has so far is known now */
    assert_int_equal(truncate(path, 0), 0);
    expect_damage(store_merge(fixture.store, &error), &error, path);
    store_get_stats(fixture.store, &stats);
    assert_int_equal(stats.segment_count, RUN);
    append_nofail(&fixture, OTHER_SERIES, 10);
    free(path);
    stop(&fixture);
}

/* ---- a reader that takes its time ---- */

static void expect_only_live_files(const struct fixture *fixture)
{
    struct store_stats stats;
    store_get_stats(fixture->store, &stats);
    assert_int_equal(list_files(fixture, "segment-").count, stats.segment_count);
    assert_int_equal(list_files(fixture, "journal-").count, stats.journal_count);
}

static void test_a_held_snapshot_keeps_its_files(void **state)
{
    (void)state;
    struct fixture fixture = start();
    append_nofail(&fixture, CUT_SERIES, POINTS);
    seal(&fixture);
    append_nofail(&fixture, CUT_SERIES, POINTS); /* in a journal */
    uint64_t length = fixture.lengths[CUT_SERIES];
    char *segment = newest_segment(&fixture), *journal = active_journal(&fixture);
    struct error error = {0};
    struct reader reader = begin_reading(&fixture);
    uint64_t index = reader.batch->count;
    for (unsigned i = 0; i < 3 * RUN; i++) { /* merged three times, also the large first one */
        append_nofail(&fixture, CUT_SERIES, POINTS / 2);
        append_nofail(&fixture, OTHER_SERIES, 50);
        seal(&fixture);
        work(&fixture);
    }
    struct store_stats stats;
    store_get_stats(fixture.store, &stats);
    assert_true(stats.merged_segments >= 3 * RUN - RUN);
    assert_int_equal(access(segment, F_OK), 0);
    assert_int_equal(access(journal, F_OK), 0);
    assert_int_equal(read_on(reader.cursor, &index, &error), 0);
    assert_int_equal(index, length); /* the snapshot's moment */
    assert_int_equal(read_series(&fixture, CUT_SERIES, &error), 0);
    end_reading(&reader);
    assert_int_equal(access(segment, F_OK), -1);
    assert_int_equal(access(journal, F_OK), -1);
    expect_only_live_files(&fixture);
    append_nofail(&fixture, OTHER_SERIES, 50);
    test_store_close(fixture.store);
    test_store_check(fixture.directory);
    fixture.store = test_store_open(fixture.directory, &fixture.options);
    assert_int_equal(read_series(&fixture, CUT_SERIES, &error), 0);
    assert_int_equal(read_series(&fixture, OTHER_SERIES, &error), 0);
    free(segment);
    free(journal);
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segment_cut_in_the_middle_of_a_read),
        cmocka_unit_test(test_journal_cut_under_a_reader),
        cmocka_unit_test(test_journal_cut_after_it_was_verified),
        cmocka_unit_test(test_index_of_time_in_a_cut_journal),
        cmocka_unit_test(test_journal_cut_while_its_points_are_looked_at),
        cmocka_unit_test(test_journal_cut_while_it_is_sealed),
        cmocka_unit_test(test_segment_cut_before_it_is_merged),
        cmocka_unit_test(test_a_held_snapshot_keeps_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
