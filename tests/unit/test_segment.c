#include "test.h"
#include "batch_equal.h"

#include "bytes.h"
#include "io_fault.h"
#include "map.h"
#include "segment.h"
#include "segment_format.h"

#include <math.h>
#include <unistd.h>

enum { ID = 77 };

static char *directory;
static struct io *io;
static struct columns *columns;

static int setup(void **state)
{
    (void)state;
    directory = test_directory_create();
    if (columns_open(&columns) < 0)
        return -1;
    return io_open_posix(&io, NULL);
}

static int teardown(void **state)
{
    (void)state;
    io_close(io);
    columns_close(columns);
    test_directory_remove(directory);
    return 0;
}

/* ---- model: what a segment must give back ---- */

struct model_series {
    uint64_t id;
    uint64_t first_index;
    uint64_t logical_before;
    struct batch points;
};

struct model {
    struct model_series *series;
    size_t count;
};

static struct model_series *model_add(struct model *model, uint64_t id, uint64_t first_index)
{
    model->series = realloc(model->series, (model->count + 1) * sizeof(*model->series));
    assert_non_null(model->series);
    struct model_series *series = &model->series[model->count++];
    *series = (struct model_series){.id = id, .first_index = first_index, .logical_before = first_index * 3};
    batch_init(&series->points);
    return series;
}

static void model_free(struct model *model)
{
    for (size_t s = 0; s < model->count; s++)
        batch_free(&model->series[s].points);
    free(model->series);
    *model = (struct model){0};
}

enum kind { SENSOR, COUNTER, SWITCH, TEXTS, MIXED, KINDS };

static void push_text(struct batch *batch, double time, size_t size, uint64_t seed)
{
    uint8_t value[5 + 100000];
    struct test_random random = {seed};
    value[0] = 0xdb;
    for (int i = 0; i < 4; i++)
        value[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    size_t head = 5;
    if (size < 32) { /* the smallest encoding */
        value[0] = (uint8_t)(0xa0 | size);
        head = 1;
    } else if (size < 256) {
        value[0] = 0xd9;
        value[1] = (uint8_t)size;
        head = 2;
    } else if (size < 65536) {
        value[0] = 0xda;
        value[1] = (uint8_t)(size >> 8);
        value[2] = (uint8_t)size;
        head = 3;
    }
    for (size_t i = 0; i < size; i++)
        value[head + i] = (uint8_t)('a' + test_random_below(&random, 26));
    assert_int_equal(batch_push_msgpack(batch, time, value, head + size), 0);
}

static void push_point(struct batch *batch, enum kind kind, uint64_t i, struct test_random *random)
{
    double time = 1500000000 + (double)i + (double)test_random_below(random, 900) / 1000;
    if (kind == MIXED)
        kind = (enum kind)test_random_below(random, MIXED);
    if (kind == SENSOR)
        assert_int_equal(batch_push_double(batch, time, (double)test_random_below(random, 5000) / 100), 0);
    else if (kind == COUNTER)
        assert_int_equal(batch_push_integer(batch, time, (int64_t)(i * 7)), 0);
    else if (kind == SWITCH)
        assert_int_equal(batch_push_boolean(batch, time, test_random_below(random, 2)), 0);
    else
        push_text(batch, time, test_random_below(random, 200), i);
    if (test_random_below(random, 50) == 0)
        assert_int_equal(batch_set_last_sender(batch, "other/device", 12), 0);
}

static void model_fill(struct model_series *series, enum kind kind, uint32_t count, uint64_t seed)
{
    struct test_random random = {seed};
    for (uint32_t i = 0; i < count; i++)
        push_point(&series->points, kind, i, &random);
}

/* Appends the points in pieces of random sizes up to piece_max. */
static void write_series(struct segment_writer *writer, const struct model_series *series, uint32_t piece_max)
{
    struct error error = {0};
    struct test_random random = {series->id};
    uint32_t count = series->points.count;
    assert_int_equal(
        segment_writer_series(writer, series->id, series->first_index, series->logical_before, &error), 0);
    for (uint32_t from = 0; from < count;) {
        uint32_t piece = 1 + (uint32_t)test_random_below(&random, piece_max);
        struct batch view;
        batch_slice(&series->points, from, piece < count - from ? piece : count - from, &view);
        assert_int_equal(segment_writer_append(writer, &view, &error), 0);
        from += view.count;
    }
}

static char *write_model(const struct model *model, uint32_t piece_max)
{
    struct segment_writer *writer;
    struct error error = {0};
    char *path = test_path(directory, "segment-%u", piece_max);
    unlink(path);
    assert_int_equal(segment_writer_open(io, path, ID, &writer, &error), 0);
    for (size_t s = 0; s < model->count; s++)
        write_series(writer, &model->series[s], piece_max);
    uint64_t size = segment_writer_size(writer);
    assert_int_equal(segment_writer_finish(writer, &error), 0);
    assert_true(segment_writer_size(writer) >= size / 2);
    segment_writer_close(writer);
    return path;
}

static struct segment *open_segment(const char *path)
{
    struct segment *segment = NULL;
    struct error error = {0};
    int result = segment_open(path, ID, &segment, &error);
    if (result < 0)
        fail_msg("%s", error.message);
    return segment;
}

static void print_finding(void *context, const char *message)
{
    (void)context;
    print_message("%s\n", message);
}

/* ---- comparison ---- */

static void compare_blocks(
    const struct segment *segment, const struct model_series *model, const struct segment_series *series)
{
    struct batch batch, view;
    struct error error = {0};
    uint64_t next = series->first_index;
    batch_init(&batch);
    for (uint32_t b = 0; b < series->block_count; b++) {
        struct segment_block block;
        assert_int_equal(segment_block(segment, series, b, &block, &error), 0);
        assert_int_equal(block.first_index, next);
        next += block.count;
        if (segment_read_block(segment, series, &block, columns, false, &batch, &error) < 0)
            fail_msg("%s", error.message);
        batch_slice(&model->points, (uint32_t)(block.first_index - model->first_index), block.count, &view);
        assert_true(batch_equal(&view, &batch));
        assert_true(block.time_first == batch_time(&view, 0) &&
                    block.time_last == batch_time(&view, block.count - 1));
        assert_int_equal(segment_read_block(segment, series, &block, columns, true, &batch, &error), 0);
        assert_int_equal(batch.form, VALUES_NONE);
        assert_int_equal(batch.count, block.count);
        assert_true(batch_time(&batch, block.count - 1) == block.time_last);
    }
    assert_int_equal(next, series->first_index + series->count);
    batch_free(&batch);
}

static void compare_searches(
    const struct segment *segment, const struct model_series *model, const struct segment_series *series)
{
    struct test_random random = {model->id};
    struct error error = {0};
    for (int i = 0; i < 200; i++) {
        uint32_t number, place = (uint32_t)test_random_below(&random, model->points.count);
        struct segment_block block;
        assert_int_equal(
            segment_block_by_index(segment, series, model->first_index + place, &number, &error), 0);
        assert_int_equal(segment_block(segment, series, number, &block, &error), 0);
        assert_true(block.first_index <= model->first_index + place);
        assert_true(model->first_index + place - block.first_index < block.count);
        double time = batch_time(&model->points, place) + (i % 3 - 1) * 0.0001;
        assert_int_equal(segment_block_after_time(segment, series, time, &number, &error), 0);
        for (uint32_t b = 0; b < series->block_count; b++) {
            assert_int_equal(segment_block(segment, series, b, &block, &error), 0);
            assert_int_equal(b < number, block.time_last <= time);
        }
    }
}

static void compare_series(const struct segment *segment, const struct model_series *model)
{
    struct segment_series series;
    struct error error = {0};
    const struct batch *points = &model->points;
    assert_int_equal(segment_find(segment, model->id, &series, &error), 1);
    assert_int_equal(series.series_id, model->id);
    assert_int_equal(series.first_index, model->first_index);
    assert_int_equal(series.count, points->count);
    assert_true(series.time_first == batch_time(points, 0));
    assert_true(series.time_last == batch_time(points, points->count - 1));
    assert_int_equal(
        series.logical_bytes, model->logical_before + batch_logical_bytes(points, 0, points->count));
    compare_blocks(segment, model, &series);
    compare_searches(segment, model, &series);
}

struct walk {
    const struct model *model;
    size_t at;
};

static int expect_next(void *context, const struct segment_series *series)
{
    struct walk *walk = context;
    while (walk->model->series[walk->at].points.count == 0)
        walk->at++;
    assert_int_equal(series->series_id, walk->model->series[walk->at].id);
    assert_int_equal(series->count, walk->model->series[walk->at].points.count);
    walk->at++;
    return 0;
}

static void compare(const char *path, const struct model *model)
{
    struct segment *segment = open_segment(path);
    struct segment_series series;
    struct error error = {0};
    struct walk walk = {model, 0};
    uint64_t points = 0, present = 0;
    for (size_t s = 0; s < model->count; s++) {
        points += model->series[s].points.count;
        present += model->series[s].points.count > 0;
        if (model->series[s].points.count > 0)
            compare_series(segment, &model->series[s]);
        else
            assert_int_equal(segment_find(segment, model->series[s].id, &series, &error), 0);
        if (s + 1 < model->count && model->series[s + 1].id > model->series[s].id + 1)
            assert_int_equal(segment_find(segment, model->series[s].id + 1, &series, &error), 0);
    }
    assert_int_equal(segment_find(segment, 0, &series, &error), 0);
    assert_int_equal(segment_find(segment, UINT64_MAX, &series, &error), 0);
    assert_int_equal(segment_point_count(segment), points);
    assert_int_equal(segment_series_count(segment), present);
    assert_int_equal(segment_each_series(segment, expect_next, &walk, &error), 0);
    assert_int_equal(segment_check(segment, print_finding, NULL, &error), 0);
    segment_close(segment);
}

/* ---- tests ---- */

static void all_kinds_come_back(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 3, 4095, 4096, 4097, 9000};
    struct model model = {0};
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        for (uint32_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
            model_fill(
                model_add(&model, kind * 100 + c * 3 + 1, c * 1000000007), (enum kind)kind, counts[c], c);
    }
    static const uint32_t pieces[] = {7, 1000, 5000, 20000};
    for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
        char *path = write_model(&model, pieces[p]);
        compare(path, &model);
        free(path);
    }
    model_free(&model);
}

static void many_series_over_many_pages(void **state)
{
    (void)state;
    struct model model = {0};
    struct test_random random = {1};
    uint64_t id = 0;
    for (int s = 0; s < 1000; s++) {
        id += 1 + test_random_below(&random, s % 100 == 99 ? UINT64_C(1) << 40 : 3);
        uint32_t count = s % 97 == 0 ? 5000 : s % 10 == 0 ? 0 : 1 + (uint32_t)test_random_below(&random, 4);
        model_fill(
            model_add(&model, id, test_random_below(&random, 1 << 20)), s % 2 ? SENSOR : COUNTER, count, id);
    }
    char *path = write_model(&model, 6000);
    compare(path, &model);
    free(path);
    model_free(&model);
}

static void an_empty_segment_is_fine(void **state)
{
    (void)state;
    struct model model = {0};
    model_add(&model, 5, 0);
    char *path = write_model(&model, 1);
    compare(path, &model);
    free(path);
    model_free(&model);
}

static void extremes_of_ids_and_times(void **state)
{
    (void)state;
    struct model model = {0};
    static const double times[] = {-1.7e308, -1, -0.0, 0, 5e-324, 1e-300, 1, 1.7e308};
    struct model_series *series = model_add(&model, 1, UINT64_MAX / 3 - 100);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        assert_int_equal(batch_push_integer(&series->points, times[i], INT64_MIN), 0);
    series = model_add(&model, UINT64_MAX - 1, 0);
    assert_int_equal(batch_push_integer(&series->points, -5, INT64_MAX), 0);
    char *path = write_model(&model, 3);
    compare(path, &model);
    free(path);
    model_free(&model);
}

/* Blocks of several points hold no more msgpack than they may; a point may be larger alone. */
static void large_values_get_blocks_of_their_own(void **state)
{
    (void)state;
    struct model model = {0};
    struct model_series *series = model_add(&model, 9, 0);
    struct batch *points = &series->points;
    static uint8_t huge[600000];
    memset(huge, 'x', sizeof(huge));
    huge[0] = 0xdb;
    store_u32(huge + 1, __builtin_bswap32(sizeof(huge) - 5));
    for (int i = 0; i < 12; i++)
        push_text(points, i, 100000 - (size_t)i, (uint64_t)i);
    assert_int_equal(batch_push_msgpack(points, 100, huge, sizeof(huge)), 0);
    assert_int_equal(batch_push_msgpack(points, 100, huge, sizeof(huge)), 0);
    for (int i = 0; i < 3000; i++)
        push_text(points, 200 + i, 120, (uint64_t)i);
    for (uint32_t piece = 1; piece < 5000; piece = piece * 8 + 1) {
        char *path = write_model(&model, piece);
        compare(path, &model);
        struct segment *segment = open_segment(path);
        struct segment_series found;
        struct segment_block block;
        assert_int_equal(segment_find(segment, 9, &found, NULL), 1);
        for (uint32_t b = 0; b < found.block_count; b++) {
            assert_int_equal(segment_block(segment, &found, b, &block, NULL), 0);
            assert_true(block.count == 1 || batch_logical_bytes(points, (uint32_t)block.first_index,
                                                block.count) <= BLOCK_PAYLOAD_BYTES);
        }
        assert_true(found.block_count >= 6);
        segment_close(segment);
        free(path);
    }
    model_free(&model);
}

static void aggregates_are_exact(void **state)
{
    (void)state;
    struct model model = {0};
    struct model_series *series = model_add(&model, 1, 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(batch_push_double(&series->points, i, (i % 100 - 30) / 10.0), 0);
    series = model_add(&model, 2, 0);
    for (int i = 0; i < 8192; i++)
        assert_int_equal(batch_push_integer(&series->points, i, INT64_MIN), 0);
    series = model_add(&model, 3, 0);
    for (int i = 0; i < 8192; i++)
        assert_int_equal(batch_push_double(&series->points, i, sqrt(i)), 0);
    char *path = write_model(&model, 100000);
    struct segment *segment = open_segment(path);
    struct segment_series found;
    struct block_aggregate aggregate;
    assert_int_equal(segment_find(segment, 1, &found, NULL), 1);
    assert_int_equal(segment_block_aggregate(segment, &found, 0, &aggregate, NULL), 0);
    assert_true(aggregate.valid);
    assert_int_equal(aggregate.count, 4096);
    assert_int_equal(aggregate.exponent, 1);
    assert_true(aggregate.min == -3 && aggregate.max == 6.9);
    int64_t sum = 0;
    for (int i = 0; i < 4096; i++)
        sum += i % 100 - 30;
    assert_true(aggregate.sum == sum);
    assert_int_equal(segment_find(segment, 2, &found, NULL), 1);
    assert_int_equal(segment_block_aggregate(segment, &found, 1, &aggregate, NULL), 0);
    assert_true(aggregate.valid && aggregate.sum == (int128)INT64_MIN * 4096 && aggregate.min == -0x1p63);
    assert_int_equal(segment_find(segment, 3, &found, NULL), 1);
    assert_int_equal(segment_block_aggregate(segment, &found, 0, &aggregate, NULL), 0);
    assert_false(aggregate.valid);
    segment_close(segment);
    free(path);
    model_free(&model);
}

/* Three points of a 2-decimal sensor and three of a short text cost their columns and less than 70 bytes. */
static void tiny_series_are_cheap(void **state)
{
    (void)state;
    enum { SERIES = 5000, FIRST_ID = 1000000 };
    struct model model = {0};
    struct buffer encoded = {0};
    for (uint64_t s = 0; s < SERIES; s++) {
        struct model_series *series = model_add(&model, FIRST_ID + s, 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(
                batch_push_double(&series->points, 1480000000.125 + (double)s + i, 20.5 + i * 0.1), 0);
        assert_int_equal(columns_encode_times(columns, &series->points, 0, 3, &encoded), 0);
        assert_int_equal(columns_encode_values(columns, &series->points, 0, 3, &encoded), 0);
    }
    char *path = write_model(&model, 10);
    size_t size;
    free(test_file_read(path, &size));
    assert_true((double)(size - encoded.size) / SERIES < 42);
    assert_true((double)size / SERIES < 70);
    buffer_free(&encoded);
    free(path);
    model_free(&model);
}

static void an_unfinished_segment_leaves_nothing(void **state)
{
    (void)state;
    struct segment_writer *writer;
    struct batch batch;
    char *path = test_path(directory, "unfinished");
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, 1, 1), 0);
    assert_int_equal(segment_writer_open(io, path, ID, &writer, NULL), 0);
    assert_int_equal(segment_writer_series(writer, 1, 0, 0, NULL), 0);
    assert_int_equal(segment_writer_append(writer, &batch, NULL), 0);
    segment_writer_close(writer);
    assert_int_equal(access(path, F_OK), -1);
    segment_writer_close(NULL);
    segment_close(NULL);
    batch_free(&batch);
    free(path);
}

/* Every write that may fail, in turn: the writer says so, stays failed and leaves no file. */
static void a_failed_write_stays(void **state)
{
    (void)state;
    struct model model = {0};
    model_fill(model_add(&model, 1, 0), TEXTS, 12000, 1);
    bool finished = false;
    for (uint64_t k = 1; !finished; k++) {
        struct io *inner, *failing;
        struct io_fault_plan plan = {.fail_at = k, .code = ENOSPC, .calls = ~(1u << IO_CALL_UNLINK)};
        struct segment_writer *writer;
        struct error error = {0};
        char *path = test_path(directory, "failing");
        struct batch view;
        assert_int_equal(io_open_posix(&inner, NULL), 0);
        assert_int_equal(io_open_fault(inner, &plan, &failing), 0);
        int result = segment_writer_open(failing, path, ID, &writer, &error);
        if (result == 0) {
            result = segment_writer_series(writer, 1, 0, 0, &error);
            for (uint32_t from = 0; from < 12000 && result == 0; from += 1000) {
                batch_slice(&model.series[0].points, from, 1000, &view);
                result = segment_writer_append(writer, &view, &error);
            }
            if (result == 0)
                result = segment_writer_finish(writer, &error);
            finished = result == 0;
            if (!finished) {
                assert_int_equal(result, -ENOSPC);
                assert_int_equal(segment_writer_finish(writer, &error), -ENOSPC);
                assert_true(segment_writer_series(writer, 2, 0, 0, &error) < 0);
            }
            segment_writer_close(writer);
        }
        assert_int_equal(result, finished ? 0 : -ENOSPC);
        assert_int_equal(access(path, F_OK), finished ? 0 : -1);
        unlink(path);
        io_close(failing);
        free(path);
        assert_true(k < 100);
    }
    model_free(&model);
}

static void unordered_times_abort(void *argument)
{
    struct segment_writer *writer = argument;
    struct batch batch;
    batch_init(&batch);
    (void)batch_push_integer(&batch, 2, 1);
    (void)batch_push_integer(&batch, 1, 1);
    (void)segment_writer_append(writer, &batch, NULL);
}

static void unordered_series_abort(void *argument)
{
    (void)segment_writer_series(argument, 4, 0, 0, NULL);
}

static void the_callers_bugs_abort(void **state)
{
    (void)state;
    struct segment_writer *writer;
    char *path = test_path(directory, "bugs");
    assert_int_equal(segment_writer_open(io, path, ID, &writer, NULL), 0);
    assert_int_equal(segment_writer_series(writer, 4, 0, 0, NULL), 0);
    assert_true(test_aborts(unordered_times_abort, writer));
    assert_true(test_aborts(unordered_series_abort, writer));
    segment_writer_close(writer);
    free(path);
}

/* ---- opening what should not be ---- */

static char *read_segment(const char *path, size_t *ret_size, struct segment_footer *footer)
{
    char *data = test_file_read(path, ret_size);
    memcpy(footer, data + *ret_size - sizeof(*footer), sizeof(*footer));
    return data;
}

static void expect_refusal(const char *path, int expected, const char *text)
{
    struct segment *segment = NULL;
    struct error error = {0};
    assert_int_equal(segment_open(path, ID, &segment, &error), expected);
    assert_null(segment);
    assert_int_equal(error.code, -expected);
    if (!strstr(error.message, text))
        fail_msg("\"%s\" lacks \"%s\"", error.message, text);
}

static void refuses_other_files(void **state)
{
    (void)state;
    struct model model = {0};
    struct segment *segment;
    struct segment_footer footer;
    size_t size;
    model_fill(model_add(&model, 1, 0), SENSOR, 100, 1);
    char *path = write_model(&model, 10);
    char *data = read_segment(path, &size, &footer);
    assert_int_equal(segment_open(path, ID + 1, &segment, NULL), -EBADMSG); /* another one's name */
    struct segment_footer newer = footer;
    newer.version = 2;
    segment_footer_seal(&newer);
    memcpy(data + size - sizeof(newer), &newer, sizeof(newer));
    test_file_write(path, data, size);
    expect_refusal(path, -ENOTSUP, "newer");
    newer = footer;
    newer.flags = 0x100;
    segment_footer_seal(&newer);
    memcpy(data + size - sizeof(newer), &newer, sizeof(newer));
    test_file_write(path, data, size);
    expect_refusal(path, -ENOTSUP, "00000100");
    test_file_write(path, "hello", 5);
    expect_refusal(path, -EBADMSG, "only 5 bytes");
    memset(data, 0, size);
    test_file_write(path, data, size);
    expect_refusal(path, -EBADMSG, "no segment");
    free(data);
    free(path);
    model_free(&model);
}

/* The file shrinks while it is open: reads fail with EIO and the process lives. */
static void a_file_cut_off_in_use_is_an_io_error(void **state)
{
    (void)state;
    struct model model = {0};
    struct segment_series series;
    struct segment_block block;
    struct batch batch;
    struct error error = {0};
    assert_int_equal(map_install_handler(NULL), 0); /* cmocka took the signal for itself */
    model_fill(model_add(&model, 1, 0), TEXTS, 20000, 1);
    char *path = write_model(&model, 1000);
    struct segment *segment = open_segment(path);
    batch_init(&batch);
    assert_int_equal(segment_find(segment, 1, &series, NULL), 1);
    assert_int_equal(segment_block(segment, &series, series.block_count - 1, &block, NULL), 0);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(segment_read_block(segment, &series, &block, columns, false, &batch, &error), -EIO);
    assert_int_equal(batch.count, 0);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(segment_find(segment, 1, &series, &error), -EIO);
    batch_free(&batch);
    segment_close(segment);
    free(path);
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_come_back),
        cmocka_unit_test(many_series_over_many_pages),
        cmocka_unit_test(an_empty_segment_is_fine),
        cmocka_unit_test(extremes_of_ids_and_times),
        cmocka_unit_test(large_values_get_blocks_of_their_own),
        cmocka_unit_test(aggregates_are_exact),
        cmocka_unit_test(tiny_series_are_cheap),
        cmocka_unit_test(an_unfinished_segment_leaves_nothing),
        cmocka_unit_test(a_failed_write_stays),
        cmocka_unit_test(the_callers_bugs_abort),
        cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(a_file_cut_off_in_use_is_an_io_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
