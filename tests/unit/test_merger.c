#include "test.h"
#include "batch_equal.h"

#include "check.h"
#include "segment_private.h"
#include "merger.h"
#include "store_private.h"
#include "store.h"

#include <fcntl.h>
#include <unistd.h>

enum { SERIES = 40, ROUNDS = 30, JOURNAL_BYTES = 64 << 10 };

/* ---- what is merged ---- */

enum { ARRIVALS = 3000, LIVE_MAX = 256 };

struct live {
    uint64_t sizes[LIVE_MAX];
    uint32_t count, most;
    double arrived, written; /* bytes */
};

/* A segment comes; whatever is due is merged. */
static void arrive(struct live *live, uint64_t size)
{
    uint32_t from, count;
    assert_true(live->count < LIVE_MAX);
    live->sizes[live->count++] = size;
    live->arrived += (double)size;
    live->written += (double)size;
    while (merger_choose(live->sizes, live->count, &from, &count)) {
        uint64_t merged = 0;
        assert_true(count >= 2 && from + count <= live->count);
        for (uint32_t i = from; i < from + count; i++)
            merged += live->sizes[i];
        live->sizes[from] = merged;
        memmove(live->sizes + from + 1, live->sizes + from + count,
            (live->count - from - count) * sizeof(merged));
        live->count -= count - 1;
        live->written += (double)merged;
    }
    if (live->count > live->most)
        live->most = live->count;
}

static uint64_t size_same(uint64_t i, struct test_random *random)
{
    (void)i, (void)random;
    return 4900000;
}

static uint64_t size_tiny(uint64_t i, struct test_random *random)
{
    (void)i, (void)random;
    return 65536;
}

static uint64_t size_random(uint64_t i, struct test_random *random)
{
    (void)i;
    return 100000 + test_random_below(random, 10000000);
}

static uint64_t size_imports(uint64_t i, struct test_random *random)
{
    (void)random;
    return i % 20 == 0 ? UINT64_C(1) << 30 : 5000000;
}

static uint64_t size_alternating(uint64_t i, struct test_random *random)
{
    (void)random;
    return i % 2 ? 300000000 : 1000000;
}

/* From 1 MB to over 100 GB: each size of the double half as often. */
static uint64_t size_heavy_tail(uint64_t i, struct test_random *random)
{
    uint64_t size = 1000000;
    (void)i;
    while (size < UINT64_C(200000000000) && test_random_below(random, 100) < 60)
        size *= 2;
    return size;
}

/* Few segments, and a byte is written few times, whatever comes. */
static void keeps_segments_few_without_writing_much(void **state)
{
    static const struct {
        const char *name;
        uint64_t (*size)(uint64_t i, struct test_random *random);
        uint32_t live_max;
        double written_max; /* times what arrived */
    } CASES[] = {
        {"journals of one size", size_same, 30, 5},
        {"tiny ones", size_tiny, 30, 5},
        {"random sizes", size_random, 30, 5},
        {"imports between them", size_imports, 50, 5},
        {"large and small in turns", size_alternating, 30, 5},
        {"all sizes", size_heavy_tail, 70, 5},
    };
    (void)state;
    for (size_t n = 0; n < sizeof(CASES) / sizeof(CASES[0]); n++) {
        struct test_random random = {7};
        struct live live = {0};
        for (uint64_t i = 0; i < ARRIVALS; i++)
            arrive(&live, CASES[n].size(i, &random));
        if (live.most > CASES[n].live_max || live.written > CASES[n].written_max * live.arrived)
            fail_msg("%s: up to %u segments, bytes written %.2f times", CASES[n].name, live.most,
                live.written / live.arrived);
    }
}

/* A large segment is not rewritten for the sake of a few small ones. */
static void leaves_a_large_segment_alone(void **state)
{
    uint64_t sizes[40] = {UINT64_C(1) << 30};
    uint32_t from, count;
    (void)state;
    for (uint32_t i = 1; i < 40; i++) {
        sizes[i] = 1 << 20;
        bool due = merger_choose(sizes, i + 1, &from, &count);
        assert_int_equal(due, i >= 12);
        if (due) {
            assert_int_equal(from, 1);
            assert_int_equal(count, i);
        }
    }
}

static void chooses_nothing_of_nothing(void **state)
{
    uint64_t huge[20];
    uint32_t from, count;
    (void)state;
    for (int i = 0; i < 20; i++)
        huge[i] = UINT64_C(1) << 40;
    assert_false(merger_choose(NULL, 0, &from, &count));
    assert_false(merger_choose(huge, 20, &from, &count)); /* too large to be rewritten */
}

/* What cannot become one segment is not tried, again and again: the bytes would be written for nothing. */
static void makes_no_segment_too_large(void **state)
{
    static const struct {
        uint64_t gigabytes;
        uint32_t count, due; /* so many of them are merged */
    } CASES[] = {{10, 12, 12}, {16, 12, 12}, {17, 12, 0}, {17, 64, 0}, {30, 12, 0}, {60, 40, 0}, {10, 30, 19},
        {30, 65, 6}, {60, 70, 3}};
    (void)state;
    for (size_t n = 0; n < sizeof(CASES) / sizeof(CASES[0]); n++) {
        uint64_t sizes[80];
        uint32_t from, count;
        for (uint32_t i = 0; i < CASES[n].count; i++)
            sizes[i] = CASES[n].gigabytes << 30;
        assert_int_equal(merger_choose(sizes, CASES[n].count, &from, &count), CASES[n].due > 0);
        assert_int_equal(count, CASES[n].due);
    }
}

/* ---- merging ---- */

static struct store *open_store(const char *directory, uint64_t journal_bytes)
{
    struct store_options options = {.journal_bytes = journal_bytes};
    struct store *store;
    struct error error = {0};
    if (store_open(directory, &options, &store, &error) < 0)
        fail_msg("%s", error.message);
    return store;
}

/* The value of point `index` of a series: some series are numeric, some booleans, some strings. */
static void push(struct batch *batch, uint64_t series, uint64_t index)
{
    double time = 1000.0 + (double)index * 0.25;
    if (series % 3 == 0) {
        uint8_t text[] = {0xa3, 'a', (uint8_t)('a' + series % 26), (uint8_t)('a' + index % 26)};
        assert_int_equal(batch_push_msgpack(batch, time, text, sizeof(text)), 0);
    } else if (series % 3 == 1) {
        assert_int_equal(batch_push_double(batch, time, (double)(index * 7 % 1000) / 100), 0);
    } else {
        assert_int_equal(batch_push_boolean(batch, time, index % 5 == series % 5), 0);
    }
}

static void append(struct store *store, uint64_t series, uint64_t from, uint32_t count)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        push(&batch, series, from + i);
    uint64_t first;
    if (store_append(store, series, &batch, 0, &first, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(first, from);
    batch_free(&batch);
}

static void verify(struct store *store, uint64_t series, uint64_t length)
{
    struct store_snapshot *snapshot;
    struct store_cursor *cursor;
    struct store_series info;
    struct error error = {0};
    struct batch expected, got;
    const struct batch *part;
    batch_init(&expected);
    batch_init(&got);
    for (uint64_t i = 0; i < length; i++)
        push(&expected, series, i);
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    assert_int_equal(store_snapshot_series(snapshot, series, &info, &error), 0);
    assert_int_equal(info.length, length);
    assert_int_equal(info.logical_bytes, length ? batch_logical_bytes(&expected, 0, (uint32_t)length) : 0);
    assert_int_equal(store_cursor_open(snapshot, series, 0, UINT64_MAX, false, &cursor, &error), 0);
    do {
        if (store_cursor_next(cursor, &part, &error) < 0)
            fail_msg("%s", error.message);
        if (part)
            assert_int_equal(batch_append(&got, part, 0, part->count), 0);
    } while (part);
    assert_true(batch_equal(&expected, &got));
    store_cursor_close(cursor);
    store_snapshot_close(snapshot);
    batch_free(&expected);
    batch_free(&got);
}

/* So that a journal can be sealed. */
static void prepare(struct store *store)
{
    struct store_stats before, after;
    struct error error = {0};
    store_get_stats(store, &before);
    assert_int_equal(store_work(store, &error), 1);
    store_get_stats(store, &after);
    assert_int_equal(after.journal_count, before.journal_count + 1);
}

/* Flips a bit of the last block of the newest segment, which the manifest tells; ret_name: of its file. */
static void damage_newest_segment(const char *directory, char ret_name[32])
{
    struct manifest manifest;
    struct segment *segment;
    assert_int_equal(manifest_read(directory, &manifest, NULL), 0);
    uint64_t id = manifest.segments[manifest.segment_count - 1].id;
    (void)snprintf(ret_name, 32, "segment-%llu", (unsigned long long)id);
    char *path = test_path(directory, "%s", ret_name);
    assert_int_equal(segment_open(path, id, &segment, NULL), 0);
    off_t at = (off_t)segment->footer.blocks_end - 2;
    segment_close(segment);
    int file = open(path, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    assert_int_equal(close(file), 0);
    free(path);
    manifest_free(&manifest);
}

static void check_clean(const char *directory)
{
    struct error error = {0};
    assert_int_equal(store_check(directory, NULL, NULL, &error), 0);
}

static void fill(struct store *store, uint64_t *lengths)
{
    struct error error = {0};
    struct test_random random = {3};
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t series = 1; series <= SERIES; series++) {
            uint32_t count = (uint32_t)test_random_below(&random, series == 1 ? 3000 : 20);
            if (count > 0)
                append(store, series, lengths[series], count);
            lengths[series] += count;
        }
        assert_int_equal(store_seal(store, true, &error), 0);
    }
}

static uint64_t segment_count(struct store *store)
{
    struct store_stats stats;
    store_get_stats(store, &stats);
    assert_int_equal(stats.background_error.code, 0);
    return stats.segment_count;
}

static void merges_into_few_segments_and_keeps_everything(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    struct error error = {0};
    uint64_t lengths[SERIES + 1] = {0};
    assert_int_equal(store_create(directory, NULL, &error), 0);
    struct store *store = open_store(directory, JOURNAL_BYTES);
    struct store_snapshot *before;
    fill(store, lengths);
    assert_int_equal(store_snapshot_open(store, &before, &error), 0);
    assert_int_equal(store_merge(store, &error), 0);
    assert_true(segment_count(store) < 12);
    for (uint64_t series = 1; series <= SERIES; series++)
        verify(store, series, lengths[series]);
    store_snapshot_close(before); /* held the merged files until here */
    for (uint64_t series = 1; series <= SERIES; series++)
        append(store, series, lengths[series]++, 1);
    assert_int_equal(store_close(store, &error), 0);
    check_clean(directory);
    store = open_store(directory, JOURNAL_BYTES);
    assert_int_equal(store_recovery(store)->trashed_files, 0);
    for (uint64_t series = 1; series <= SERIES; series++)
        verify(store, series, lengths[series]);
    assert_int_equal(store_close(store, &error), 0);
    test_directory_remove(directory);
}

/* A damaged block in one segment: the others are merged on, around it, and what is damaged stays for repair
 * to look at. */
static void damage_stops_only_its_own_segment(void **state)
{
    enum { SEGMENTS = 60, DAMAGED = 5 };
    (void)state;
    char *directory = test_directory_create();
    struct error error = {0};
    struct store_stats stats;
    char name[32] = "";
    uint64_t length = 0;
    assert_int_equal(store_create(directory, NULL, &error), 0);
    struct store_options options = {.journal_bytes = JOURNAL_BYTES, .no_threads = true};
    struct store *store;
    for (unsigned i = 0; i < SEGMENTS; i++) {
        assert_int_equal(store_open(directory, &options, &store, &error), 0);
        append(store, 1, length, 10);
        append(store, 2, length, 10);
        length += 10;
        prepare(store);
        assert_int_equal(store_seal(store, true, &error), 0);
        assert_int_equal(store_close(store, &error), 0);
        if (i == DAMAGED)
            damage_newest_segment(directory, name);
    }
    assert_int_equal(store_open(directory, &options, &store, &error), 0);
    int r;
    for (unsigned tries = 0; (r = store_merge(store, &error)) < 0; tries++) {
        assert_int_equal(r, -EBADMSG);
        assert_non_null(strstr(error.message, name));
        assert_true(tries < 3);
    }
    store_get_stats(store, &stats);
    assert_in_range(stats.segment_count, 2, 12);
    assert_int_equal(stats.background_error.code, EBADMSG);
    assert_int_equal(store_close(store, &error), 0);
    test_directory_remove(directory);
}

enum { LONG_BYTES = 200, LONG_POINTS = 1000 };

/* Random text: a full block of it has fewer points than one of numbers, and is no smaller when compressed. */
static void append_long(struct store *store, uint64_t from, struct test_random *random)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < LONG_POINTS; i++) {
        uint8_t text[LONG_BYTES] = {0xd9, LONG_BYTES - 2};
        for (size_t at = 2; at < sizeof(text); at++)
            text[at] = (uint8_t)(' ' + test_random_below(random, 64));
        assert_int_equal(batch_push_msgpack(&batch, (double)(from + i), text, sizeof(text)), 0);
    }
    assert_int_equal(store_append(store, 1, &batch, 0, NULL, &error), 0);
    assert_int_equal(store_seal(store, true, &error), 0);
    batch_free(&batch);
}

/* The blocks of series 1 in the oldest segment: the points of each. */
static uint32_t block_counts(struct store *store, uint32_t *counts, uint32_t capacity)
{
    struct version *version = files_version(store->files);
    const struct segment *segment = version->segments[0]->segment;
    struct segment_series series;
    struct segment_block block;
    assert_int_equal(segment_find(segment, 1, &series, NULL), 1);
    assert_in_range(series.block_count, 2, capacity);
    for (uint32_t i = 0; i < series.block_count; i++) {
        assert_int_equal(segment_block(segment, &series, i, &block, NULL), 0);
        counts[i] = block.count;
    }
    version_release(version);
    return series.block_count;
}

/* Blocks that are full of long values are copied: decoded and gathered anew they would begin elsewhere. */
static void copies_full_blocks_of_long_values(void **state)
{
    (void)state;
    enum { SEGMENTS = 12, BLOCKS_MAX = 256 };
    char *directory = test_directory_create();
    struct error error = {0};
    struct test_random random = {5};
    uint32_t first[BLOCKS_MAX], merged[BLOCKS_MAX];
    assert_int_equal(store_create(directory, NULL, &error), 0);
    struct store *store = open_store(directory, 4 * JOURNAL_BYTES);
    append_long(store, 0, &random);
    uint32_t blocks = block_counts(store, first, BLOCKS_MAX);
    for (uint64_t i = 1; i < SEGMENTS; i++)
        append_long(store, i * LONG_POINTS, &random);
    assert_int_equal(store_merge(store, &error), 0);
    assert_int_equal(segment_count(store), 1);
    assert_int_equal(block_counts(store, merged, BLOCKS_MAX), blocks * SEGMENTS);
    for (uint32_t i = 0; i < blocks * SEGMENTS; i++)
        assert_int_equal(merged[i], first[i % blocks]);
    assert_int_equal(store_close(store, &error), 0);
    check_clean(directory);
    test_directory_remove(directory);
}

static void gives_back_the_space_of_deleted_series(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    struct error error = {0};
    uint64_t lengths[SERIES + 1] = {0};
    struct store_stats stats, after;
    assert_int_equal(store_create(directory, NULL, &error), 0);
    struct store *store = open_store(directory, JOURNAL_BYTES);
    fill(store, lengths);
    assert_int_equal(store_merge(store, &error), 0);
    store_get_stats(store, &stats);
    const uint64_t gone[] = {1, 2}; /* series 1 holds most points */
    assert_int_equal(store_delete_series(store, gone, 2, &error), 0);
    assert_int_equal(store_seal(store, true, &error), 0);
    assert_int_equal(store_merge(store, &error), 0);
    store_get_stats(store, &after);
    assert_true(after.segment_points < stats.segment_points - lengths[1] * 2 / 3);
    verify(store, 1, 0);
    verify(store, 2, 0);
    for (uint64_t series = 3; series <= SERIES; series++)
        verify(store, series, lengths[series]);
    assert_int_equal(store_close(store, &error), 0);
    check_clean(directory);
    store = open_store(directory, JOURNAL_BYTES);
    verify(store, 1, 0);
    verify(store, 3, lengths[3]);
    assert_int_equal(store_close(store, &error), 0);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_segments_few_without_writing_much),
        cmocka_unit_test(leaves_a_large_segment_alone),
        cmocka_unit_test(chooses_nothing_of_nothing),
        cmocka_unit_test(makes_no_segment_too_large),
        cmocka_unit_test(merges_into_few_segments_and_keeps_everything),
        cmocka_unit_test(damage_stops_only_its_own_segment),
        cmocka_unit_test(copies_full_blocks_of_long_values),
        cmocka_unit_test(gives_back_the_space_of_deleted_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
