/* A segment damaged in every way that a table can list: each bit flipped, each length cut, parts swapped.
 * Opening or reading must say so, or everything that is read is what was written. */
#include "test.h"
#include "batch_equal.h"

#include "bytes.h"
#include "checksum.h"
#include "segment.h"
#include "segment_format.h"

#include <unistd.h>

enum { ID = 12, SERIES = 6, BLOCKS_MAX = 64 };

struct block_copy {
    uint64_t series_id;
    uint64_t first_index;
    struct batch points;
};

/* What was written, block by block; and the bytes of the file. */
static struct {
    char *directory, *path;
    char *data;
    size_t size;
    struct block_copy blocks[BLOCKS_MAX];
    size_t block_count;
    struct columns *columns;
    struct batch batch;
} original;

static void push_text(struct batch *batch, double time, unsigned number)
{
    uint8_t value[32];
    int size = snprintf((char *)value + 1, sizeof(value) - 1, "text number %u", number);
    value[0] = (uint8_t)(0xa0 | size);
    assert_int_equal(batch_push_msgpack(batch, time, value, (size_t)size + 1), 0);
}

/* Small blocks of every kind: a block of 1100 booleans and one of texts make a series of two. */
static void fill(struct batch *batch, unsigned series)
{
    struct test_random random = {series};
    for (unsigned i = 0; i < (series == 4 ? 1100 : 30); i++) {
        double time = 1500000000 + i + (double)test_random_below(&random, 1000) / 1000;
        if (series == 0)
            assert_int_equal(batch_push_double(batch, time, (double)test_random_below(&random, 500) / 10), 0);
        else if (series == 1)
            assert_int_equal(batch_push_double(batch, time, test_random_unit(&random)), 0);
        else if (series == 2)
            push_text(batch, time, i % 5);
        else if (series == 4)
            assert_int_equal(batch_push_boolean(batch, time, true), 0);
        else
            push_text(batch, time, i);
        if (series == 5)
            assert_int_equal(batch_set_last_sender(batch, "some/device", 11), 0);
    }
}

static void write_segment(void)
{
    struct io *io;
    struct segment_writer *writer;
    struct batch batch, text;
    batch_init(&batch);
    batch_init(&text);
    push_text(&text, 1600000000, 1);
    assert_int_equal(io_open_posix(&io, NULL), 0);
    assert_int_equal(segment_writer_open(io, original.path, ID, &writer, NULL), 0);
    for (unsigned s = 0; s < SERIES; s++) {
        batch_clear(&batch);
        fill(&batch, s);
        assert_int_equal(segment_writer_series(writer, 10 + s, s, 100 * s, NULL), 0);
        assert_int_equal(segment_writer_append(writer, &batch, NULL), 0);
        if (s == 4)
            assert_int_equal(segment_writer_append(writer, &text, NULL), 0);
    }
    assert_int_equal(segment_writer_finish(writer, NULL), 0);
    segment_writer_close(writer);
    io_close(io);
    batch_free(&text);
    batch_free(&batch);
}

/* ---- reading whatever can be read ---- */

typedef void (*use_block)(uint64_t series_id, uint64_t first_index, const struct batch *batch);

struct reading {
    struct segment *segment;
    use_block use;
    int errors;
};

static int read_series(void *context, const struct segment_series *series)
{
    struct reading *reading = context;
    for (uint32_t b = 0; b < series->block_count; b++) {
        struct segment_block block;
        struct block_aggregate aggregate;
        struct error error = {0};
        int result = segment_block(reading->segment, series, b, &block, &error);
        if (result == 0)
            result = segment_block_aggregate(reading->segment, series, b, &aggregate, &error);
        if (result == 0)
            result = segment_read_block(
                reading->segment, series, &block, original.columns, false, &original.batch, &error);
        if (result == 0)
            reading->use(series->series_id, block.first_index, &original.batch);
        else
            reading->errors++;
        if (result < 0) {
            assert_int_equal(error.code, EBADMSG);
            assert_non_null(strstr(error.message, original.path)); /* the message names the file */
            assert_null(strstr(error.message, ": :"));             /* and reads well */
        }
    }
    return 0;
}

/* What was found: errors at opening and reading. */
static int read_all(use_block use)
{
    struct reading reading = {.use = use};
    struct error error = {0};
    int result = segment_open(original.path, ID, &reading.segment, &error);
    if (result < 0) {
        assert_true(result == -EBADMSG || result == -ENOTSUP);
        assert_non_null(strstr(error.message, original.path));
        return 1;
    }
    if (segment_each_series(reading.segment, read_series, &reading, &error) < 0)
        reading.errors++;
    segment_close(reading.segment);
    return reading.errors;
}

static void keep_block(uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    assert_true(original.block_count < BLOCKS_MAX);
    struct block_copy *copy = &original.blocks[original.block_count++];
    copy->series_id = series_id;
    copy->first_index = first_index;
    batch_init(&copy->points);
    assert_int_equal(batch_append(&copy->points, batch, 0, batch->count), 0);
}

static size_t blocks_seen;

static void compare_block(uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    for (size_t b = 0; b < original.block_count; b++) {
        const struct block_copy *copy = &original.blocks[b];
        if (copy->series_id == series_id && copy->first_index == first_index) {
            assert_true(batch_equal(&copy->points, batch));
            blocks_seen++;
            return;
        }
    }
    fail_msg("a block of series %llu at index %llu was never written", (unsigned long long)series_id,
        (unsigned long long)first_index);
}

static void write_changed(const char *data, size_t size)
{
    FILE *file = fopen(original.path, "r+");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(original.path, (off_t)size), 0);
}

/* Reads it all; true when something was reported. Silence means: everything was there, unchanged. */
static bool detected(void)
{
    blocks_seen = 0;
    int errors = read_all(compare_block);
    if (errors == 0)
        assert_int_equal(blocks_seen, original.block_count);
    return errors > 0;
}

static int setup(void **state)
{
    (void)state;
    original.directory = test_directory_create();
    original.path = test_path(original.directory, "segment-12");
    batch_init(&original.batch);
    assert_int_equal(columns_open(&original.columns), 0);
    write_segment();
    original.data = test_file_read(original.path, &original.size);
    assert_int_equal(read_all(keep_block), 0);
    assert_int_equal(original.block_count, SERIES + 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t b = 0; b < original.block_count; b++)
        batch_free(&original.blocks[b].points);
    batch_free(&original.batch);
    columns_close(original.columns);
    free(original.data);
    free(original.path);
    test_directory_remove(original.directory);
    return 0;
}

/* ---- damage ---- */

/* Only the zeros between blocks and index may change unnoticed. */
static bool is_padding(size_t at)
{
    struct segment_footer footer;
    memcpy(&footer, original.data + original.size - sizeof(footer), sizeof(footer));
    return at >= footer.blocks_end && at < align_up(footer.blocks_end, SEGMENT_ALIGNMENT);
}

static void every_flipped_bit_is_detected(void **state)
{
    (void)state;
    for (size_t at = 0; at < original.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            original.data[at] = (char)(original.data[at] ^ (1 << bit));
            write_changed(original.data, original.size);
            bool found = detected();
            original.data[at] = (char)(original.data[at] ^ (1 << bit));
            if (found == is_padding(at))
                fail_msg("bit %u of byte %zu of %zu: %s", bit, at, original.size,
                    found ? "detected" : "not detected");
        }
    }
    write_changed(original.data, original.size);
    assert_false(detected());
}

static void every_length_is_detected(void **state)
{
    (void)state;
    for (size_t size = 0; size < original.size; size++) {
        write_changed(original.data, size);
        assert_true(detected());
    }
    char *longer = malloc(original.size + 16);
    assert_non_null(longer);
    memcpy(longer, original.data, original.size);
    memset(longer + original.size, 0, 16);
    write_changed(longer, original.size + 16);
    assert_true(detected());
    free(longer);
    write_changed(original.data, original.size);
}

static void zeroed_ranges_are_detected(void **state)
{
    (void)state;
    char *data = malloc(original.size);
    assert_non_null(data);
    for (size_t at = 0; at < original.size; at += 64) {
        size_t size = original.size - at < 512 ? original.size - at : 512;
        memcpy(data, original.data, original.size);
        memset(data + at, 0, size);
        write_changed(data, original.size);
        assert_int_equal(
            detected(), memcmp(data, original.data, original.size) != 0); /* some were zeros before */
    }
    free(data);
    write_changed(original.data, original.size);
}

/* ---- damage under right checksums: what only a forger or a bug makes; nothing but safe refusal is asked
 * ---- */

static void reseal(char *data)
{
    struct segment_footer footer;
    memcpy(&footer, data + original.size - sizeof(footer), sizeof(footer));
    uint64_t index = align_up(footer.blocks_end, SEGMENT_ALIGNMENT),
             aggregates = index + footer.index_count * 32;
    uint64_t directory = aggregates + footer.index_count * 40;
    footer.index_checksum = checksum(data + index, footer.index_count * 32, ID);
    footer.aggregates_checksum = checksum(data + aggregates, footer.index_count * 40, ID);
    footer.directory_checksum = checksum(data + directory, footer.directory_size, ID);
    segment_footer_seal(&footer);
    memcpy(data + original.size - sizeof(footer), &footer, sizeof(footer));
}

static void use_anything(uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    (void)series_id, (void)first_index;
    assert_true(batch->count > 0);
}

static void forged_tables_are_safe(void **state)
{
    (void)state;
    struct segment_footer footer;
    struct test_random random = {1};
    char *data = malloc(original.size);
    assert_non_null(data);
    memcpy(&footer, original.data + original.size - sizeof(footer), sizeof(footer));
    size_t from = footer.blocks_end, to = original.size - sizeof(footer);
    for (size_t at = from; at < to; at++) {
        for (int k = 0; k < 6; k++) {
            memcpy(data, original.data, original.size);
            data[at] = (char)(k == 0 ? 0xff : k == 1 ? 0x7f : k == 2 ? 0 : (int)test_random_next(&random));
            reseal(data);
            write_changed(data, original.size);
            read_all(use_anything);
        }
    }
    free(data);
    write_changed(original.data, original.size);
}

/* Two blocks of one size change places, header and all: their seals do not fit there. */
static void a_misplaced_block_is_detected(void **state)
{
    (void)state;
    char *data = malloc(original.size);
    assert_non_null(data);
    struct block_header first, second;
    uint8_t *blocks = (uint8_t *)original.data + sizeof(struct segment_header);
    assert_int_equal(block_header_parse(blocks, original.size - 32, &first, NULL), 0);
    assert_int_equal(
        block_header_parse(blocks + first.size, original.size - 32 - first.size, &second, NULL), 0);
    memcpy(data, original.data, original.size);
    memcpy(data + 32, blocks + first.size, second.size < first.size ? second.size : first.size);
    write_changed(data, original.size);
    assert_true(detected());
    free(data);
    write_changed(original.data, original.size);
}

static void count_finding(void *context, const char *message)
{
    assert_non_null(strstr(message, original.path));
    ++*(int *)context;
}

/* segment_check finds what a wrong table hides from plain reading. */
static void check_finds_false_tables(void **state)
{
    (void)state;
    struct segment_footer footer;
    struct segment *segment;
    char *data = malloc(original.size);
    assert_non_null(data);
    memcpy(&footer, original.data + original.size - sizeof(footer), sizeof(footer));
    size_t index = align_up(footer.blocks_end, SEGMENT_ALIGNMENT),
           aggregates = index + footer.index_count * 32;
    const size_t places[] = {index + 8, index + 16, index + 32 + 8, aggregates, aggregates + 40 + 37};
    for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
        int findings = 0;
        memcpy(data, original.data, original.size);
        data[places[p]] ^= 1;
        reseal(data);
        write_changed(data, original.size);
        assert_int_equal(segment_open(original.path, ID, &segment, NULL), 0);
        int result = segment_check(segment, count_finding, &findings, NULL);
        assert_int_equal(result, findings);
        if (p != 3) /* an aggregate that is not valid is not looked at */
            assert_true(findings > 0);
        segment_close(segment);
    }
    free(data);
    write_changed(original.data, original.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_detected),
        cmocka_unit_test(every_length_is_detected),
        cmocka_unit_test(zeroed_ranges_are_detected),
        cmocka_unit_test(forged_tables_are_safe),
        cmocka_unit_test(a_misplaced_block_is_detected),
        cmocka_unit_test(check_finds_false_tables),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
