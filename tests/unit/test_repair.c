#include "test.h"

#include "columns.h"
#include "io.h"
#include "segment_format.h"
#include "store.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SERIES = 6, POINTS = 9000, JOURNAL_POINTS = 500, JOURNAL_BYTES = 1 << 20 };

struct place {
    char *root, *data, *kept;
};

static struct store *open_store(const char *directory)
{
    struct store_options options = {.journal_bytes = JOURNAL_BYTES};
    struct store *store;
    struct error error = {0};
    if (store_open(directory, &options, &store, &error) < 0)
        fail_msg("%s", error.message);
    return store;
}

static double value_of(uint64_t series, uint64_t index)
{
    return (double)(series * 1000000 + index) / 100;
}

static void append(struct store *store, uint64_t series, uint64_t from, uint32_t count)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(batch_push_double(&batch, 1000 + (double)(from + i), value_of(series, from + i)), 0);
    assert_int_equal(store_append(store, series, &batch, 0, NULL, &error), 0);
    batch_free(&batch);
}

/* With an empty store. */
static struct place make_place(void)
{
    struct error error = {0};
    struct place place = {.root = test_directory_create()};
    place.data = test_path(place.root, "data");
    place.kept = test_path(place.root, "data.kept");
    assert_int_equal(mkdir(place.data, 0700), 0);
    assert_int_equal(store_create(place.data, NULL, &error), 0);
    return place;
}

/* Some series in a segment, their ends in a journal, one series deleted. */
static struct place make_store(void)
{
    struct error error = {0};
    struct place place = make_place();
    struct store *store = open_store(place.data);
    for (uint64_t series = 1; series <= SERIES; series++)
        append(store, series, 0, POINTS);
    assert_int_equal(store_seal(store, true, &error), 0);
    for (uint64_t series = 1; series <= SERIES; series++)
        append(store, series, POINTS, JOURNAL_POINTS);
    const uint64_t gone = SERIES;
    assert_int_equal(store_delete_series(store, &gone, 1, &error), 0);
    assert_int_equal(store_close(store, &error), 0);
    return place;
}

static void free_place(struct place *place)
{
    test_directory_remove(place->root);
    free(place->data);
    free(place->kept);
}

/* The path of the only, or the largest-numbered, file of this kind that holds something. */
static char *find_file(const struct place *place, const char *prefix)
{
    struct dirent *entry;
    unsigned long long lowest = ~0ULL;
    DIR *directory = opendir(place->data);
    while ((entry = readdir(directory))) {
        unsigned long long id;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            sscanf(entry->d_name + strlen(prefix), "%llu", &id) == 1 && id < lowest)
            lowest = id;
    }
    closedir(directory);
    assert_true(lowest != ~0ULL);
    return test_path(place->data, "%s%llu", prefix, lowest);
}

static void damage(const char *path, size_t offset, size_t count)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(fputc(0x5a, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static struct store_repair_result repair(const struct place *place)
{
    struct store_repair_result result;
    struct error error = {0};
    struct stat status;
    if (store_repair(place->data, place->kept, NULL, NULL, &result, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(store_check(place->data, NULL, NULL, &error), 0);
    assert_int_equal(stat(place->kept, &status), 0);
    return result;
}

/* Every point of the repaired store is one that was written, in order; returns how many the series has. */
static uint64_t verify(struct store *store, uint64_t series)
{
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    const struct batch *batch;
    struct error error = {0};
    uint64_t count = 0;
    double last = 0;
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    assert_int_equal(store_cursor_open(snapshot, series, 0, UINT64_MAX, false, &cursor, &error), 0);
    while (store_cursor_next(cursor, &batch, &error) == 0 && batch) {
        for (uint32_t i = 0; i < batch->count; i++, count++) {
            double time = batch_time(batch, i);
            assert_true(time > last);
            assert_true(numbers_double(&batch->numbers, i) == value_of(series, (uint64_t)(time - 1000)));
            last = time;
        }
    }
    assert_int_equal(error.code, 0);
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
    return count;
}

static uint64_t verify_all(const struct place *place)
{
    struct error error = {0};
    struct store *store = open_store(place->data);
    uint64_t points = 0;
    for (uint64_t series = 1; series < SERIES; series++)
        points += verify(store, series);
    assert_int_equal(verify(store, SERIES), 0);
    append(store, 1, 2 * POINTS, 1);
    assert_int_equal(store_close(store, &error), 0);
    return points;
}

static const uint64_t ALL = (uint64_t)(SERIES - 1) * (POINTS + JOURNAL_POINTS);

static void a_sound_store_keeps_everything(void **state)
{
    (void)state;
    struct place place = make_store();
    struct store_repair_result result = repair(&place);
    assert_int_equal(result.points, ALL);
    assert_int_equal(result.lost_points, 0);
    assert_int_equal(verify_all(&place), ALL);
    free_place(&place);
}

static void a_lost_manifest_is_rebuilt_from_the_files(void **state)
{
    (void)state;
    struct place place = make_store();
    char *manifest = test_path(place.data, "MANIFEST");
    damage(manifest, 20, 4);
    struct store_repair_result result = repair(&place);
    assert_int_equal(result.points, ALL);
    assert_int_equal(verify_all(&place), ALL);
    free(manifest);
    free_place(&place);
}

static void a_damaged_block_costs_its_points_only(void **state)
{
    (void)state;
    struct place place = make_store();
    struct error error = {0};
    char *segment = find_file(&place, "segment-");
    damage(segment, 60, 1); /* in the first block */
    assert_true(store_check(place.data, NULL, NULL, &error) > 0);
    struct store_repair_result result = repair(&place);
    assert_true(result.points < ALL);
    assert_true(result.points >= ALL - 4096);
    assert_int_equal(result.points + result.lost_points, ALL);
    assert_int_equal(verify_all(&place), result.points);
    free(segment);
    free_place(&place);
}

static void a_segment_without_index_is_read_block_by_block(void **state)
{
    (void)state;
    struct place place = make_store();
    char *segment = find_file(&place, "segment-");
    struct stat status;
    assert_int_equal(stat(segment, &status), 0);
    assert_int_equal(truncate(segment, status.st_size - 200), 0);
    struct store_repair_result result = repair(&place);
    assert_int_equal(result.points, ALL);
    assert_int_equal(verify_all(&place), ALL);
    free(segment);
    free_place(&place);
}

static void a_journal_without_header_is_read_with_the_manifests_nonce(void **state)
{
    (void)state;
    struct place place = make_store();
    char *journal = find_file(&place, "journal-");
    damage(journal, 0, 4096);
    struct store_repair_result result = repair(&place);
    assert_int_equal(result.points, ALL);
    assert_int_equal(verify_all(&place), ALL);
    free(journal);
    free_place(&place);
}

static void an_interrupted_repair_is_finished(void **state)
{
    (void)state;
    struct place place = make_store();
    char *repairing = test_path(place.root, "data.repairing");
    struct store_repair_result result;
    struct error error = {0};
    assert_int_equal(rename(place.data, repairing), 0); /* as between the two renames */
    assert_int_equal(store_repair(place.data, place.kept, NULL, NULL, &result, &error), 0);
    assert_int_equal(verify_all(&place), ALL);
    free(repairing);
    free_place(&place);
}

/* Writes a segment of one sealed block without index and footer over that file: points 0, 1, 2 of series 1 in
 * falling order of time. */
static void write_falling_block(const char *path)
{
    unsigned long long id;
    struct segment_header file_header;
    struct block_header header = {.series_id = 1, .count = 3};
    struct columns *columns;
    struct batch batch;
    struct buffer bytes = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < header.count; i++)
        assert_int_equal(batch_push_double(&batch, 1000 - (double)i, i), 0);
    assert_int_equal(columns_open(&columns), 0);
    assert_int_equal(buffer_reserve(&bytes, BLOCK_HEADER_BYTES_MAX), 0);
    bytes.size = BLOCK_HEADER_BYTES_MAX;
    assert_int_equal(columns_encode_times(columns, &batch, 0, header.count, &bytes), 0);
    header.times_size = bytes.size - BLOCK_HEADER_BYTES_MAX;
    assert_int_equal(columns_encode_values(columns, &batch, 0, header.count, &bytes), 0);
    header.values_size = bytes.size - BLOCK_HEADER_BYTES_MAX - header.times_size;
    uint8_t *block = block_header_pack(bytes.data + BLOCK_HEADER_BYTES_MAX, &header);
    assert_int_equal(sscanf(strrchr(path, '-'), "-%llu", &id), 1);
    segment_header_pack(&file_header, id);
    block_seal(block, header.size, id, sizeof(file_header));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(&file_header, sizeof(file_header), 1, file), 1);
    assert_int_equal(fwrite(block, (size_t)header.size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    columns_close(columns);
    batch_free(&batch);
    buffer_free(&bytes);
}

/* Its checksum says that it was written like this; no place of the new data can hold it. */
static void a_block_in_falling_order_of_time_is_left_out(void **state)
{
    (void)state;
    struct place place = make_store();
    char *segment = find_file(&place, "segment-");
    write_falling_block(segment);
    struct store_repair_result result = repair(&place);
    assert_int_equal(result.points, (SERIES - 1) * JOURNAL_POINTS);
    assert_int_equal(verify_all(&place), result.points);
    free(segment);
    free_place(&place);
}

/* ---- files of which a part cannot be read ---- */

enum { BLOCK_POINTS = 4096, NOISE_BLOCKS = 5, NOISE_FRAMES = 5, PAGE_BYTES = 4096 };

static void append_noise(struct store *store, uint64_t series, uint64_t from, uint32_t count)
{
    struct test_random random = {.state = from + 1};
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(batch_push_double(&batch, 1000 + (double)(from + i), test_random_unit(&random)), 0);
    assert_int_equal(store_append(store, series, &batch, 0, NULL, &error), 0);
    batch_free(&batch);
}

/* Blocks and frames of many pages each: series 1 in a segment, series 2 in a journal. */
static struct place make_large_store(void)
{
    struct error error = {0};
    struct place place = make_place();
    struct store *store = open_store(place.data);
    append_noise(store, 1, 0, NOISE_BLOCKS * BLOCK_POINTS);
    assert_int_equal(store_seal(store, true, &error), 0);
    for (uint64_t i = 0; i < NOISE_FRAMES; i++)
        append_noise(store, 2, i * BLOCK_POINTS, BLOCK_POINTS);
    assert_int_equal(store_close(store, &error), 0);
    return place;
}

/* A file that becomes shorter while it is mapped: what is behind reads like pages that the disk does not give
 * back. */
struct cut {
    char *path;
    off_t size;
    bool done;
};

static void cut_at_first_line(void *context, const char *line)
{
    struct cut *cut = context;
    (void)line;
    if (!cut->done)
        assert_int_equal(truncate(cut->path, cut->size), 0);
    cut->done = true;
}

static struct cut cut_of(const struct place *place, const char *prefix, off_t pages)
{
    return (struct cut){.path = find_file(place, prefix), .size = pages * PAGE_BYTES};
}

static void damage_first_block(const struct place *place)
{
    char *segment = find_file(place, "segment-");
    damage(segment, 60, 1);
    free(segment);
}

/* Repairs while that file is cut, which loses that many points of the series and no others. */
static void repair_cut(const struct place *place, struct cut *cut, uint64_t expected)
{
    struct store_repair_result result;
    struct error error = {0};
    damage_first_block(place); /* the first line of the repair */
    assert_int_equal(store_repair(place->data, place->kept, cut_at_first_line, cut, &result, &error), 0);
    assert_true(cut->done);
    assert_int_equal(store_check(place->data, NULL, NULL, &error), 0);
    assert_int_equal(result.points, expected);
    free(cut->path);
}

static void unreadable_pages_cost_a_segment_their_blocks_only(void **state)
{
    (void)state;
    struct place place = make_large_store();
    struct cut cut = cut_of(&place, "segment-", 18);                      /* 72 KiB: two and a half blocks */
    repair_cut(&place, &cut, BLOCK_POINTS + NOISE_FRAMES * BLOCK_POINTS); /* the first block is damaged */
    free_place(&place);
}

static void unreadable_pages_cost_a_journal_their_frames_only(void **state)
{
    (void)state;
    struct place place = make_large_store();
    struct cut cut = cut_of(&place, "journal-", 1 + 40); /* 160 KiB of frames: two and a half */
    repair_cut(&place, &cut, (NOISE_BLOCKS - 1) * BLOCK_POINTS + 2 * BLOCK_POINTS);
    free_place(&place);
}

static void check_goes_on_after_what_cannot_be_read(void **state)
{
    (void)state;
    struct place place = make_large_store();
    struct error error = {0};
    struct cut cut = cut_of(&place, "segment-", 18);
    damage_first_block(&place);
    assert_true(store_check(place.data, cut_at_first_line, &cut, &error) > 0);
    assert_true(cut.done);
    assert_int_equal(error.code, 0);
    free(cut.path);
    free_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_store_keeps_everything),
        cmocka_unit_test(a_lost_manifest_is_rebuilt_from_the_files),
        cmocka_unit_test(a_damaged_block_costs_its_points_only),
        cmocka_unit_test(a_segment_without_index_is_read_block_by_block),
        cmocka_unit_test(a_journal_without_header_is_read_with_the_manifests_nonce),
        cmocka_unit_test(an_interrupted_repair_is_finished),
        cmocka_unit_test(a_block_in_falling_order_of_time_is_left_out),
        cmocka_unit_test(unreadable_pages_cost_a_segment_their_blocks_only),
        cmocka_unit_test(unreadable_pages_cost_a_journal_their_frames_only),
        cmocka_unit_test(check_goes_on_after_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
