/* Once warm, writing and reading blocks allocates nothing: every call of malloc and its like in this program
 * is counted. */
#include "counted_allocations.h"

#include "segment.h"

enum {
    ID = 1,
    WARM_UP_BLOCKS = 70, /* index and aggregates grow by doubling: at 65 and at 103 entries */
    BLOCKS = 30,
};

typedef void (*push_function)(struct batch *batch, uint32_t i, struct test_random *random);

static void push_decimal(struct batch *batch, uint32_t i, struct test_random *random)
{
    batch_push_double(batch, i, (double)test_random_below(random, 1000) / 100);
}

static void push_double(struct batch *batch, uint32_t i, struct test_random *random)
{
    batch_push_double(batch, i + test_random_unit(random), test_random_unit(random));
}

static void push_boolean(struct batch *batch, uint32_t i, struct test_random *random)
{
    batch_push_boolean(batch, i, test_random_below(random, 2));
}

static void push_text(struct batch *batch, double time, unsigned number)
{
    uint8_t value[32];
    int size = snprintf((char *)value + 1, sizeof(value) - 1, "text %08x",
        number); /* BLOCK_POINTS_MAX of them fill no block by their bytes */
    value[0] = (uint8_t)(0xa0 | size);
    batch_push_msgpack(batch, time, value, (size_t)size + 1);
}

static void push_distinct(struct batch *batch, uint32_t i, struct test_random *random)
{
    push_text(batch, i, (unsigned)test_random_next(random));
}

static void push_repeated(struct batch *batch, uint32_t i, struct test_random *random)
{
    push_text(batch, i, (unsigned)test_random_below(random, 20));
    batch_set_last_sender(batch, i % 2 ? "a/b" : "c/d", 3);
}

static const struct {
    const char *name;
    push_function push;
} KINDS[] = {{"decimals", push_decimal}, {"doubles", push_double}, {"booleans", push_boolean},
    {"distinct texts", push_distinct}, {"repeated texts", push_repeated}};
enum { KINDS_COUNT = sizeof(KINDS) / sizeof(KINDS[0]) };

/* One block's batch, appended again and again: its times are all that changes. */
static void append_blocks(struct segment_writer *writer, struct batch *batch, uint32_t blocks)
{
    for (uint32_t b = 0; b < blocks; b++) {
        assert_int_equal(segment_writer_append(writer, batch, NULL), 0);
        for (uint32_t i = 0; i < batch->count; i++) {
            if (batch->times.kind == NUMBERS_AS_DOUBLES)
                batch->times.doubles[i] += BLOCK_POINTS_MAX;
            else
                batch->times.integers[i] += BLOCK_POINTS_MAX;
        }
    }
}

static void write_series(struct segment_writer *writer, unsigned kind)
{
    struct batch batch;
    struct test_random random = {kind};
    batch_init(&batch);
    for (uint32_t i = 0; i < BLOCK_POINTS_MAX; i++)
        KINDS[kind].push(&batch, i, &random);
    assert_int_equal(segment_writer_series(writer, 1 + kind, 0, 0, NULL), 0);
    append_blocks(writer, &batch, WARM_UP_BLOCKS);
    unsigned long before = allocations;
    append_blocks(writer, &batch, BLOCKS);
    unsigned long counted = allocations - before;
    if (counted != 0)
        fail_msg("%s: %lu allocations for %d blocks", KINDS[kind].name, counted, BLOCKS);
    batch_free(&batch);
}

static void read_series(
    const struct segment *segment, unsigned kind, struct columns *columns, struct batch *batch)
{
    struct segment_series series;
    struct segment_block block;
    assert_int_equal(segment_find(segment, 1 + kind, &series, NULL), 1);
    for (uint32_t b = 0; b < series.block_count; b++) {
        assert_int_equal(segment_block(segment, &series, b, &block, NULL), 0);
        assert_int_equal(segment_read_block(segment, &series, &block, columns, false, batch, NULL), 0);
    }
}

static void nothing_is_allocated_per_block(void **state)
{
    (void)state;
    need_the_allocator();
    struct io *io;
    struct columns *columns;
    struct batch batch;
    char *directory = test_directory_create();
    assert_int_equal(io_open_posix(&io, NULL), 0);
    assert_int_equal(columns_open(&columns), 0);
    assert_true(allocations > 0); /* they are counted */
    batch_init(&batch);
    for (unsigned kind = 0; kind < KINDS_COUNT; kind++) {
        struct segment_writer *writer;
        struct segment *segment;
        char *path = test_path(directory, "segment-%u", kind);
        assert_int_equal(segment_writer_open(io, path, ID, &writer, NULL), 0);
        write_series(writer, kind);
        assert_int_equal(segment_writer_finish(writer, NULL), 0);
        segment_writer_close(writer);
        assert_int_equal(segment_open(path, ID, &segment, NULL), 0);
        read_series(segment, kind, columns, &batch);
        unsigned long before = allocations;
        read_series(segment, kind, columns, &batch);
        assert_int_equal(allocations, before);
        segment_close(segment);
        free(path);
    }
    batch_free(&batch);
    columns_close(columns);
    io_close(io);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_allocated_per_block)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
