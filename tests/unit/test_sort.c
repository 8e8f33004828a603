/* Sorting by time in runs: compared with a plain stable sort, for every way the runs can fall. */
#include "sort.h"
#include "batch_equal.h"
#include "test.h"

#include <dirent.h>
#include <math.h>

struct point {
    double time;
    uint32_t number; /* its place in the source */
};

static int compare(const void *a, const void *b)
{
    const struct point *first = a, *second = b;
    if (first->time != second->time)
        return first->time < second->time ? -1 : 1;
    return first->number < second->number ? -1 : 1;
}

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *stream = opendir(path);
    assert_non_null(stream);
    while (readdir(stream))
        count++;
    (void)closedir(stream);
    return count;
}

/* kind 0: the number itself; 1: also texts, 2: doubles; every 5th point has a sender. */
static void push(struct batch *batch, const struct point *point, unsigned kind)
{
    uint8_t text[] = {0xa4, 0, 0, 0, 0}; /* a string of 4 bytes: the number in digits */
    for (unsigned i = 0, rest = point->number % 10000; i < 4; i++, rest /= 10)
        text[4 - i] = (uint8_t)('0' + rest % 10);
    if (kind == 1 && point->number % 3 == 0)
        assert_int_equal(batch_push_msgpack(batch, point->time, text, sizeof(text)), 0);
    else if (kind == 2)
        assert_int_equal(batch_push_double(batch, point->time, sqrt(point->number)), 0);
    else
        assert_int_equal(batch_push_integer(batch, point->time, point->number), 0);
    if (point->number % 5 == 0)
        assert_int_equal(batch_set_last_sender(batch, "a/b", 3), 0);
}

static void check(const char *directory, uint32_t count, uint32_t run_points, unsigned kind, uint64_t seed)
{
    struct test_random random = {seed};
    struct point *points = calloc(count + 1, sizeof(*points));
    struct batch chunk, wanted, found;
    struct sorter *sorter;
    struct error error = {0};
    assert_non_null(points);
    batch_init(&chunk);
    batch_init(&wanted);
    batch_init(&found);
    assert_int_equal(sorter_open(directory, run_points, &sorter, &error), 0);
    for (uint32_t i = 0; i < count; i++) {
        points[i] = (struct point){(double)test_random_below(&random, count / 2 + 1) / 4 - 3, i};
        push(&chunk, &points[i], kind);
        if (chunk.count == 1 + test_random_below(&random, 37) || chunk.count > 37 || i + 1 == count) {
            assert_int_equal(sorter_add(sorter, &chunk, &error), 0);
            batch_clear(&chunk);
        }
    }
    qsort(points, count, sizeof(*points), compare);
    for (uint32_t i = 0; i < count; i++)
        push(&wanted, &points[i], kind);
    const struct batch *part;
    for (;;) {
        assert_int_equal(sorter_next(sorter, &part, &error), 0);
        if (!part)
            break;
        assert_true(part->count > 0);
        assert_int_equal(batch_append(&found, part, 0, part->count), 0);
    }
    assert_int_equal(sorter_next(sorter, &part, &error), 0);
    assert_null(part); /* the end stays the end */
    sorter_close(sorter);
    if (!batch_equal(&wanted, &found))
        fail_msg("%u points in runs of %u, kind %u", count, run_points, kind);
    free(points);
    batch_free(&chunk);
    batch_free(&wanted);
    batch_free(&found);
}

/* 5 points a run: 16 runs are 80 points, 256 runs 1280; around these the levels of merging change. */
static void test_against_a_plain_sort(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 4, 5, 6, 79, 80, 81, 85, 160, 161, 1279, 1280, 1281, 1500, 7000};
    char *directory = test_directory_create();
    unsigned before = count_entries(directory);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (unsigned kind = 0; kind < 3; kind++)
            check(directory, counts[i], 5, kind, i * 3 + kind);
    }
    check(directory, 5000, 0, 1, 99);                   /* fits in memory */
    assert_int_equal(count_entries(directory), before); /* spilled files had no names */
    test_directory_remove(directory);
}

static void test_giving_up_early(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    struct batch batch;
    struct sorter *sorter;
    struct error error;
    batch_init(&batch);
    for (uint32_t i = 0; i < 500; i++)
        push(&batch, &(struct point){500 - i, i}, 1);
    assert_int_equal(sorter_open(directory, 7, &sorter, &error), 0);
    assert_int_equal(sorter_add(sorter, &batch, &error), 0);
    sorter_close(sorter); /* while runs are spilled */
    const struct batch *part;
    assert_int_equal(sorter_open(directory, 7, &sorter, &error), 0);
    assert_int_equal(sorter_add(sorter, &batch, &error), 0);
    assert_int_equal(sorter_next(sorter, &part, &error), 0);
    sorter_close(sorter); /* while runs are merged */
    sorter_close(NULL);
    batch_free(&batch);
    test_directory_remove(directory);
}

static void test_no_place_to_spill(void **state)
{
    (void)state;
    struct batch batch;
    struct sorter *sorter;
    struct error error;
    batch_init(&batch);
    for (uint32_t i = 0; i < 50; i++)
        push(&batch, &(struct point){i, i}, 0);
    assert_int_equal(sorter_open("/nowhere", 7, &sorter, &error), 0);
    assert_int_equal(sorter_add(sorter, &batch, &error), -ENOENT);
    assert_non_null(strstr(error.message, "/nowhere"));
    sorter_close(sorter);
    batch_free(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_plain_sort),
        cmocka_unit_test(test_giving_up_early),
        cmocka_unit_test(test_no_place_to_spill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
