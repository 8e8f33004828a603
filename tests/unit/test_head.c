#include "test.h"

#include "head.h"

static struct frame points(uint64_t series_id, uint64_t number, uint64_t offset)
{
    return (struct frame){
        .kind = FRAME_POINTS,
        .series_id = series_id,
        .first_index = number * 3,
        .count = 3,
        .offset = offset,
        .logical_bytes = number,
        .time_last = (double)number,
    };
}

/* References keep their order and their place across all chunk sizes, and `end` cuts exactly. */
static void finds_what_lies_below_the_end(void **state)
{
    (void)state;
    enum { FRAMES = 3000 };
    struct head_index index;
    const struct head_series *series = NULL;
    assert_int_equal(head_index_init(&index), 0);
    for (uint64_t n = 0; n < FRAMES; n++) {
        struct frame mine = points(1, n, 4096 + n * 128);
        struct frame other = points(2 + n % 50, n / 50, 4096 + n * 128 + 64);
        assert_int_equal(head_index_add(&index, &mine), 0);
        assert_int_equal(head_index_add(&index, &other), 0);
    }
    for (uint64_t end = 4096; end <= 4096 + FRAMES * 128; end += 64) {
        uint64_t expected = (end - 4096 + 127) / 128;
        assert_int_equal(head_index_find(&index, 1, end, &series), expected);
    }
    for (uint32_t n = 0; n < FRAMES; n++) {
        const struct frame_reference *reference = head_reference(series, n);
        assert_int_equal(reference->first_index, n * 3u);
        assert_int_equal(frame_reference_offset(reference), 4096 + n * 128u);
        assert_int_equal(reference->logical_bytes, n);
    }
    assert_int_equal(head_index_find(&index, 99, UINT64_MAX, &series), 0);
    assert_int_equal(index.points, 2 * 3 * FRAMES);
    head_index_free(&index);
}

static void lists_series_in_order_and_tombstones(void **state)
{
    (void)state;
    struct head_index index;
    uint64_t *ids;
    size_t count;
    assert_int_equal(head_index_init(&index), 0);
    for (uint64_t id = 40; id > 0; id--) {
        struct frame frame = points(id * 7, 0, 4096 + 128 * (40 - id));
        assert_int_equal(head_index_add(&index, &frame), 0);
        frame = (struct frame){.kind = FRAME_TOMBSTONE, .series_id = id};
        assert_int_equal(head_index_add(&index, &frame), 0);
    }
    assert_int_equal(head_index_series(&index, &ids, &count), 0);
    assert_int_equal(count, 40);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], (i + 1) * 7);
    assert_int_equal(index.tombstone_count, 40);
    assert_int_equal(index.tombstones[39], 1);
    free(ids);
    head_index_free(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_lies_below_the_end),
        cmocka_unit_test(lists_series_in_order_and_tombstones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
