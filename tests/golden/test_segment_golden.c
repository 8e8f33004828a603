/* Golden segment of format version 1 (tests/golden/v1): what was written then reads as it did, with every
 * form of column among it. It was made by this program: with CONNECTORDB_GOLDEN_WRITE=DIRECTORY it writes it
 * there. For version 1 that is done; a new version gets new files beside it. What is written today may be
 * other bytes: a writer may choose other forms. */
#include "test.h"

#include "bytes.h"
#include "json_points.h"
#include "segment.h"
#include "segment_private.h"

#include <math.h>

enum { ID = 3, TEXT_BYTES_MAX = 4 << 20, TINY_SERIES = 130 };

#define SEGMENT_NAME "segment-3"

/* ---- what is in it ----
 * Each random number is drawn in a statement of its own: the order of a call's arguments is the compiler's
 * choice. */

static void sensor(struct batch *batch, struct test_random *random)
{
    int64_t value = 2000;
    for (int i = 0; i < 300; i++) {
        value += (int64_t)test_random_below(random, 11) - 5;
        batch_push_double(batch,
            (double)(1500000000000 + 1000 * i + (int)test_random_below(random, 41)) / 1000,
            (double)value / 100);
    }
}

static void counter(struct batch *batch, struct test_random *random)
{
    int64_t value = 0;
    for (int i = 0; i < 300; i++)
        batch_push_integer(batch, 1500000000 + i, value += (int64_t)test_random_below(random, 10));
}

static void jumps(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 300; i++)
        batch_push_integer(batch, 1500000000.5 + i + (i > 200 ? 864000 : 0),
            test_random_below(random, 80) == 0 ? 1000000000 + i : (int64_t)test_random_below(random, 300));
}

static void levels(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 600; i++) {
        int64_t value = (int64_t)(i / 256) * 123456789 + (int64_t)test_random_below(random, 7);
        batch_push_integer(
            batch, 1500000000 + 300 * (double)(i + (int)(test_random_below(random, 2))) / 1, value);
    }
}

static void multiples(struct batch *batch, struct test_random *random)
{
    double time = 1500000000;
    for (int i = 0; i < 200; i++) {
        int64_t value = 7 + 360 * (int64_t)test_random_below(random, 1000);
        batch_push_integer(batch, time += 300 * (double)(1 + test_random_below(random, 9)), value);
    }
}

static void fraction(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 300; i++)
        batch_push_integer(batch, floor(1500000000000 + i * 33333.3333) / 1000,
            (int64_t)floor(i * 71.237) - (int64_t)test_random_below(random, 3));
}

static void doubles(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 300; i++) {
        double value = test_random_unit(random) * 1000;
        batch_push_double(batch, 1500000000 + i + test_random_unit(random), value);
    }
}

static void gaussian(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 400; i++) {
        int64_t sum = 0;
        for (int k = 0; k < 6; k++)
            sum += (int64_t)test_random_below(random, 1001) - 500;
        batch_push_double(batch, 1500000000 + i, (double)(sum * sum * sum / 1000) / 10);
    }
}

static void exceptions(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 200; i++)
        batch_push_double(batch, i == 5 ? 5.123456789012345e-3 + 5 : i,
            i % 40 == 0 ? test_random_unit(random) : (double)test_random_below(random, 1000) / 10);
}

static void specials(struct batch *batch, struct test_random *random)
{
    static const double VALUES[] = {0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 1e21, 1e20, 1e-7, 0.1,
        5, -1, 9007199254740991.0, 9007199254740992.0, 1152921504606846976.0, 18446744073709551616.0,
        0.30000000000000004};
    for (int i = 0; i < 16; i++)
        batch_push_double(batch, i * 1e-9, VALUES[i]);
    for (int i = 0; i < 40; i++)
        batch_push_double(batch, 1, VALUES[test_random_below(random, 16)]);
}

static void extremes(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 60; i++)
        batch_push_integer(batch, -1e300 + i * 1e290,
            i < 4 ? (i % 2 ? INT64_MAX : INT64_MIN) : (int64_t)test_random_next(random));
}

static void off(struct batch *batch, struct test_random *random)
{
    (void)random;
    for (int i = 0; i < 20; i++)
        batch_push_boolean(batch, i, false);
}

static void on(struct batch *batch, struct test_random *random)
{
    (void)random;
    for (int i = 0; i < 20; i++)
        batch_push_boolean(batch, i, true);
}

static void switched(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 77; i++)
        batch_push_boolean(batch, i, test_random_below(random, 2));
}

static void seldom_switched(struct batch *batch, struct test_random *random)
{
    (void)random;
    for (int i = 0; i < 1000; i++)
        batch_push_boolean(batch, i, i > 300 && i < 310);
}

static void push_text(struct batch *batch, double time, const char *text)
{
    uint8_t value[300];
    size_t size = strlen(text), head = size < 32 ? 1 : 2;
    value[0] = size < 32 ? (uint8_t)(0xa0 | size) : 0xd9;
    value[1] = (uint8_t)size;
    memcpy(value + head, text, size);
    batch_push_msgpack(batch, time, value, head + size);
}

static void moods(struct batch *batch, struct test_random *random)
{
    static const char *const TEXTS[] = {"happy", "so-so", "\xc3\xa4rgerlich \xe2\x98\xb9", "", "<b>&\"\\\n"};
    for (int i = 0; i < 200; i++)
        push_text(batch, i, TEXTS[test_random_below(random, 5)]);
}

static void log_lines(struct batch *batch, struct test_random *random)
{
    char text[200];
    for (int i = 0; i < 150; i++) {
        unsigned room = (unsigned)test_random_below(random, 20),
                 page = (unsigned)test_random_below(random, 100);
        unsigned wait_ms = (unsigned)test_random_below(random, 1000),
                 worker = (unsigned)test_random_below(random, 8);
        snprintf(text, sizeof(text), "worker %u took %u ms to answer GET /page/%u for the client in room %u",
            worker, wait_ms, page, room);
        push_text(batch, i, text);
    }
}

static void short_texts(struct batch *batch, struct test_random *random)
{
    (void)random;
    push_text(batch, 1, "a");
    push_text(batch, 2, "bcd");
    push_text(batch, 2, "ef");
}

static void anything(struct batch *batch, struct test_random *random)
{
    static const uint8_t OBJECT[] = {0x82, 0xa1, 'a', 0x93, 0x01, 0xc0, 0xcb, 0x3f, 0xb9, 0x99, 0x99, 0x99,
        0x99, 0x99, 0x9a, 0xa1, 'b', 0x80}; /* {"a":[1,null,0.1],"b":{}} */
    static const uint8_t NOTHING[] = {0xc0},
                         LARGEST[] = {0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    (void)random;
    batch_push_msgpack(batch, 1, OBJECT, sizeof(OBJECT));
    batch_push_msgpack(batch, 2, NOTHING, sizeof(NOTHING));
    batch_push_msgpack(batch, 3, LARGEST, sizeof(LARGEST));
    batch_push_integer(batch, 4, -5);
    batch_push_double(batch, 5, -0.0);
    batch_push_boolean(batch, 6, true);
    push_text(batch, 7, "text");
}

static void commands(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 50; i++) {
        batch_push_integer(batch, i, i);
        if (test_random_below(random, 2))
            batch_set_last_sender(batch, i % 3 ? "bob/phone" : "alice/user", i % 3 ? 9 : 10);
    }
}

static void two_blocks(struct batch *batch, struct test_random *random)
{
    for (int i = 0; i < 1024; i++)
        batch_push_double(batch, i, (double)test_random_below(random, 100) / 10);
}

static void (*const CONTENTS[])(struct batch *batch, struct test_random *random) = {sensor, counter, jumps,
    levels, multiples, fraction, doubles, gaussian, exceptions, specials, extremes, off, on, switched,
    seldom_switched, moods, log_lines, short_texts, anything, commands};
enum { CONTENTS_COUNT = sizeof(CONTENTS) / sizeof(CONTENTS[0]) };

static void append(struct segment_writer *writer, const struct batch *batch)
{
    assert_int_equal(segment_writer_append(writer, batch, NULL), 0);
}

static void write_series(struct segment_writer *writer, uint64_t id, uint64_t first_index,
    void (*content)(struct batch *batch, struct test_random *random))
{
    struct test_random random = {id};
    struct batch batch;
    batch_init(&batch);
    content(&batch, &random);
    assert_int_equal(segment_writer_series(writer, id, first_index, first_index * 2, NULL), 0);
    append(writer, &batch);
    if (content == two_blocks) {
        batch_clear(&batch);
        push_text(&batch, 5000, "a text after many numbers starts a block");
        append(writer, &batch);
    }
    batch_free(&batch);
}

static void tiny(struct batch *batch, struct test_random *random)
{
    uint64_t count = 1 + test_random_below(random, 3);
    for (uint64_t i = 0; i < count; i++)
        batch_push_double(batch, 1480000000.125 + (double)i, 20 + (double)test_random_below(random, 50) / 10);
}

static void write_segment(const char *directory)
{
    struct io *io;
    struct segment_writer *writer;
    char *path = test_path(directory, SEGMENT_NAME);
    assert_int_equal(io_open_posix(&io, NULL), 0);
    assert_int_equal(segment_writer_open(io, path, ID, &writer, NULL), 0);
    for (uint64_t c = 0; c < CONTENTS_COUNT; c++)
        write_series(writer, 1 + c, c * 1000, CONTENTS[c]);
    write_series(writer, 100, UINT64_C(1) << 40, two_blocks);
    write_series(writer, 101, 0, two_blocks);
    for (uint64_t t = 0; t < TINY_SERIES; t++)
        write_series(writer, 1000000 + t * 3, t, tiny);
    write_series(writer, UINT64_MAX, 0, tiny);
    assert_int_equal(segment_writer_finish(writer, NULL), 0);
    segment_writer_close(writer);
    io_close(io);
    free(path);
}

/* ---- reading ---- */

struct dump {
    const struct segment *segment;
    struct columns *columns;
    struct batch batch;
    FILE *to;
};

/* {"series":1,"index":0,"t":... */
static void dump_point(struct dump *dump, uint64_t series_id, uint64_t index, uint32_t i)
{
    struct sink sink;
    struct batch view;
    batch_slice(&dump->batch, i, 1, &view);
    assert_int_equal(sink_memory_init(&sink, TEXT_BYTES_MAX), 0);
    assert_int_equal(json_points_print(&sink, &view, true), 0);
    fprintf(dump->to, "{\"series\":%llu,\"index\":%llu,%.*s\n", (unsigned long long)series_id,
        (unsigned long long)index, (int)sink.used - 1, (const char *)sink.buffer + 1);
    sink_memory_free(&sink);
}

static int dump_series(void *context, const struct segment_series *series)
{
    struct dump *dump = context;
    struct error error = {0};
    for (uint32_t b = 0; b < series->block_count; b++) {
        struct segment_block block;
        assert_int_equal(segment_block(dump->segment, series, b, &block, &error), 0);
        if (segment_read_block(dump->segment, series, &block, dump->columns, false, &dump->batch, &error) < 0)
            fail_msg("%s", error.message);
        for (uint32_t i = 0; i < block.count; i++)
            dump_point(dump, series->series_id, block.first_index + i, i);
    }
    return 0;
}

static void fail_finding(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

static struct segment *open_segment(const char *directory)
{
    struct segment *segment;
    struct error error = {0};
    char *path = test_path(directory, SEGMENT_NAME);
    if (segment_open(path, ID, &segment, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(segment_check(segment, fail_finding, NULL, &error), 0);
    free(path);
    return segment;
}

static char *dump_segment(const char *directory)
{
    char *text = NULL;
    size_t size;
    struct segment *segment = open_segment(directory);
    struct dump dump = {.segment = segment, .to = open_memstream(&text, &size)};
    batch_init(&dump.batch);
    assert_int_equal(columns_open(&dump.columns), 0);
    assert_int_equal(segment_each_series(segment, dump_series, &dump, NULL), 0);
    assert_int_equal(fclose(dump.to), 0);
    columns_close(dump.columns);
    batch_free(&dump.batch);
    segment_close(segment);
    return text;
}

static char *golden_directory(void)
{
    return test_path(CONNECTORDB_SOURCE_DIR, "tests/golden/v1");
}

static void reads_what_was_written(void **state)
{
    (void)state;
    char *directory = golden_directory(), *expected_path = test_path(directory, SEGMENT_NAME ".jsonl");
    char *text = dump_segment(directory), *expected = test_file_read(expected_path, NULL);
    assert_true(strcmp(text, expected) == 0);
    free(expected);
    free(text);
    free(expected_path);
    free(directory);
}

/* The same points written today read the same. */
static void todays_writer_agrees(void **state)
{
    (void)state;
    char *golden = golden_directory(), *directory = test_directory_create();
    write_segment(directory);
    char *text = dump_segment(directory), *expected = dump_segment(golden);
    assert_true(strcmp(text, expected) == 0);
    free(expected);
    free(text);
    test_directory_remove(directory);
    free(golden);
}

/* ---- every form is in it ---- */

struct forms {
    const struct segment *segment;
    bool tags[256];
    uint8_t words_flags; /* of those streams that come first in a column */
    uint8_t transforms;
};

static void note_column(struct forms *forms, const uint8_t *column)
{
    uint8_t tag = column[0];
    forms->tags[tag] = true;
    if (tag <= 18 || tag == 0x40 || tag == 0x61) {
        forms->words_flags |= column[1] & 0xfc;
        forms->transforms |= (uint8_t)(1 << (column[1] & 3));
    }
}

static int note_series(void *context, const struct segment_series *series)
{
    struct forms *forms = context;
    for (uint32_t b = 0; b < series->block_count; b++) {
        struct segment_block block;
        struct block_header header;
        assert_int_equal(segment_block(forms->segment, series, b, &block, NULL), 0);
        const uint8_t *data = map_data(forms->segment->map) + block.offset;
        assert_int_equal(block_header_parse(data, block.size, &header, NULL), 0);
        data += header.header_size;
        note_column(forms, data);
        note_column(forms, data + header.times_size);
        if (header.senders_size > 0)
            note_column(forms, data + header.times_size + header.values_size);
    }
    return 0;
}

static void every_form_is_in_it(void **state)
{
    (void)state;
    static const uint8_t TAGS[] = {0x00, 0x01, 0x02, 0x03, 0x21, 0x40, 0x50, 0x51, 0x52, 0x60, 0x61, 0x70};
    char *directory = golden_directory();
    struct forms forms = {.segment = open_segment(directory)};
    assert_int_equal(segment_each_series(forms.segment, note_series, &forms, NULL), 0);
    for (size_t t = 0; t < sizeof(TAGS); t++)
        assert_true(forms.tags[TAGS[t]]);
    assert_int_equal(forms.words_flags, 0x7c);
    assert_int_equal(forms.transforms, 0x07);
    segment_close((struct segment *)forms.segment);
    free(directory);
}

static void write_golden(void **state)
{
    (void)state;
    const char *directory = getenv("CONNECTORDB_GOLDEN_WRITE");
    write_segment(directory);
    char *text = dump_segment(directory), *path = test_path(directory, SEGMENT_NAME ".jsonl");
    test_file_write(path, text, strlen(text));
    free(path);
    free(text);
}

int main(void)
{
    const struct CMUnitTest writing[] = {cmocka_unit_test(write_golden)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(todays_writer_agrees),
        cmocka_unit_test(every_form_is_in_it),
    };
    if (getenv("CONNECTORDB_GOLDEN_WRITE"))
        return cmocka_run_group_tests_name("golden segment, writing", writing, NULL, NULL);
    return cmocka_run_group_tests_name("golden segment", tests, NULL, NULL);
}
