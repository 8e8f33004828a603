#include "test.h"
#include "batch_equal.h"

#include "bytes.h"
#include "columns.h"

#include <float.h>
#include <math.h>

enum { POINTS_MAX = 4096 };

static const uint32_t COUNTS[] = {
    1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 64, 100, 128, 129, 255, 256, 257, 511, 1000, 4095, 4096};
enum { COUNTS_COUNT = sizeof(COUNTS) / sizeof(COUNTS[0]) };

static struct columns *columns;

static int setup(void **state)
{
    (void)state;
    return columns_open(&columns);
}

static int teardown(void **state)
{
    (void)state;
    columns_close(columns);
    return 0;
}

/* ---- round trip ---- */

struct sizes {
    size_t times, values, senders;
};

/* The column in an allocation of its own size, so that a sanitizer sees a read past it. */
static uint8_t *exact_copy(const struct buffer *buffer, size_t from)
{
    uint8_t *copy = malloc(buffer->size - from + 1);
    assert_non_null(copy);
    memcpy(copy, buffer->data + from, buffer->size - from);
    return copy;
}

static void decode(
    uint32_t count, const struct buffer *encoded, const struct sizes *sizes, struct batch *ret_batch)
{
    struct error error = {0};
    uint8_t *data = exact_copy(encoded, 0);
    uint8_t *values = malloc(sizes->values + 1);
    assert_non_null(values);
    memcpy(values, data + sizes->times, sizes->values);
    assert_int_equal(batch_reserve(ret_batch, count), 0);
    assert_int_equal(columns_decode_times(columns, data, sizes->times, count, ret_batch, &error), 0);
    assert_int_equal(columns_decode_values(columns, values, sizes->values, count, ret_batch, &error), 0);
    if (sizes->senders > 0)
        assert_int_equal(columns_decode_senders(columns, data + sizes->times + sizes->values, sizes->senders,
                             count, ret_batch, &error),
            0);
    ret_batch->count = count;
    free(values);
    free(data);
}

static void encode(
    const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out, struct sizes *sizes)
{
    assert_int_equal(columns_encode_times(columns, batch, from, count, out), 0);
    sizes->times = out->size;
    assert_int_equal(columns_encode_values(columns, batch, from, count, out), 0);
    sizes->values = out->size - sizes->times;
    assert_int_equal(columns_encode_senders(columns, batch, from, count, out), 0);
    sizes->senders = out->size - sizes->times - sizes->values;
}

static struct sizes round_trip(const struct batch *batch, uint32_t from, uint32_t count)
{
    struct buffer encoded = {0};
    struct batch decoded, view;
    struct sizes sizes;
    batch_init(&decoded);
    encode(batch, from, count, &encoded, &sizes);
    assert_true(columns_plausible(encoded.data, sizes.times, sizes.values, sizes.senders));
    decode(count, &encoded, &sizes, &decoded);
    batch_slice(batch, from, count, &view);
    assert_true(batch_equal(&view, &decoded));
    batch_free(&decoded);
    buffer_free(&encoded);
    return sizes;
}

/* ---- shapes of numbers ---- */

typedef double (*shape)(struct test_random *random, uint32_t i);

static double small_steps(struct test_random *random, uint32_t i)
{
    return (double)(i * 3 + test_random_below(random, 5)) / 100;
}

static double constant(struct test_random *random, uint32_t i)
{
    (void)random, (void)i;
    return -273.15;
}

static double seldom_jump(struct test_random *random, uint32_t i)
{
    return test_random_below(random, 200) == 0 ? 1e9 + i : (double)test_random_below(random, 40);
}

static double level_shift(struct test_random *random, uint32_t i)
{
    return (double)(i / 300) * 123456 + (double)test_random_below(random, 7);
}

static double multiples(struct test_random *random, uint32_t i)
{
    (void)i;
    return 1500000000 + 300 * (double)test_random_below(random, 1000);
}

static double quarter_steps(struct test_random *random, uint32_t i)
{
    (void)i;
    return 20 + 0.25 * (double)test_random_below(random, 60);
}

static double full_doubles(struct test_random *random, uint32_t i)
{
    (void)i;
    return test_random_unit(random) * 1000;
}

static double all_bit_patterns(struct test_random *random, uint32_t i)
{
    (void)i;
    for (;;) {
        double value = bits_double(test_random_next(random));
        if (isfinite(value))
            return value;
    }
}

static double some_exceptions(struct test_random *random, uint32_t i)
{
    return i % 50 == 0 ? test_random_unit(random) : (double)test_random_below(random, 1000) / 10;
}

static double first_is_exception(struct test_random *random, uint32_t i)
{
    return i < 3 ? test_random_unit(random) : (double)test_random_below(random, 1000) / 10;
}

static double half_exceptions(struct test_random *random, uint32_t i)
{
    return i % 2 == 0 ? test_random_unit(random) : (double)test_random_below(random, 1000) / 10;
}

static double specials(struct test_random *random, uint32_t i)
{
    static const double values[] = {0, -0.0, 5e-324, -5e-324, DBL_MIN, DBL_MAX, -DBL_MAX, 1e21, 1e22, 1e-7,
        0.1, 1, -1, 9007199254740991.0, 9007199254740992.0, -9007199254740993.0, 4503599627370495.0,
        4503599627370496.0, 9223372036854775807.0, 18446744073709551615.0, 1.7976931348623155e308,
        0.30000000000000004, 123456789.123456789};
    (void)i;
    return values[test_random_below(random, sizeof(values) / sizeof(values[0]))];
}

static double negative_zeros(struct test_random *random, uint32_t i)
{
    (void)i;
    return test_random_below(random, 20) == 0 ? -0.0 : 0.0;
}

static double gaussian_like(struct test_random *random, uint32_t i)
{
    int64_t sum = 0;
    (void)i;
    for (int k = 0; k < 8; k++)
        sum += (int64_t)test_random_below(random, 2001) - 1000;
    return (double)sum / 10;
}

static double float32(struct test_random *random, uint32_t i)
{
    (void)i;
    return (double)(float)(test_random_unit(random) * 100);
}

static double falling(struct test_random *random, uint32_t i)
{
    return -(double)i * 1e6 - (double)test_random_below(random, 1000);
}

static double slope_with_fraction(struct test_random *random, uint32_t i)
{
    return floor((double)i * 33.3333) + (double)test_random_below(random, 3);
}

static const struct {
    const char *name;
    shape shape;
} SHAPES[] = {
    {"small steps", small_steps},
    {"constant", constant},
    {"seldom jump", seldom_jump},
    {"level shift", level_shift},
    {"multiples", multiples},
    {"quarter steps", quarter_steps},
    {"full doubles", full_doubles},
    {"all bit patterns", all_bit_patterns},
    {"some exceptions", some_exceptions},
    {"first is exception", first_is_exception},
    {"half exceptions", half_exceptions},
    {"specials", specials},
    {"negative zeros", negative_zeros},
    {"gaussian-like", gaussian_like},
    {"float32", float32},
    {"falling", falling},
    {"slope with fraction", slope_with_fraction},
};
enum { SHAPES_COUNT = sizeof(SHAPES) / sizeof(SHAPES[0]) };

/* Each shape in both columns of numbers: as the batch keeps it, and as raw doubles, which the codec probes.
 */
static void make_doubles(struct batch *batch)
{
    struct numbers *runs[] = {&batch->times, &batch->numbers};
    for (int l = 0; l < 2; l++) {
        for (uint32_t i = 0; i < batch->count; i++)
            runs[l]->doubles[i] = numbers_double(runs[l], i);
        runs[l]->kind = NUMBERS_AS_DOUBLES;
        runs[l]->exponent = 0;
    }
}

static void numbers_of_every_shape(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SHAPES_COUNT; s++) {
        for (unsigned c = 0; c < COUNTS_COUNT; c++) {
            struct test_random random = {s * 1000 + c};
            struct batch batch;
            batch_init(&batch);
            for (uint32_t i = 0; i < COUNTS[c]; i++)
                assert_int_equal(
                    batch_push_double(&batch, 1500000000 + i * 0.5, SHAPES[s].shape(&random, i)), 0);
            round_trip(&batch, 0, batch.count);
            round_trip(&batch, batch.count / 3, batch.count - batch.count / 3);
            make_doubles(&batch);
            round_trip(&batch, 0, batch.count);
            batch_free(&batch);
        }
    }
}

static void times_of_every_shape(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SHAPES_COUNT; s++) {
        for (unsigned c = 0; c < COUNTS_COUNT; c++) {
            struct test_random random = {s * 1000 + c};
            struct batch batch;
            batch_init(&batch);
            for (uint32_t i = 0; i < COUNTS[c];
                 i++) /* any finite doubles: order is not the codec's concern */
                assert_int_equal(batch_push_boolean(&batch, SHAPES[s].shape(&random, i), true), 0);
            round_trip(&batch, 0, batch.count);
            batch_free(&batch);
        }
    }
}

/* ---- integers ---- */

static const int64_t TRICKY_INTEGERS[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1,
    INT64_C(1) << 53, (INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 1, INT64_C(1) << 62, 255, 256, 65535, 10,
    1000000007};

static void round_trip_integers(const int64_t *integers, uint32_t count)
{
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(batch_push_integer(&batch, i, integers[i]), 0);
    round_trip(&batch, 0, count);
    batch_free(&batch);
}

static void extreme_integers(void **state)
{
    (void)state;
    static int64_t integers[POINTS_MAX];
    struct test_random random = {42};
    for (unsigned c = 0; c < COUNTS_COUNT; c++) {
        for (uint32_t i = 0; i < COUNTS[c]; i++)
            integers[i] = TRICKY_INTEGERS[test_random_below(
                &random, sizeof(TRICKY_INTEGERS) / sizeof(TRICKY_INTEGERS[0]))];
        round_trip_integers(integers, COUNTS[c]);
        for (uint32_t i = 0; i < COUNTS[c]; i++)
            integers[i] = (int64_t)test_random_next(&random);
        round_trip_integers(integers, COUNTS[c]);
        for (uint32_t i = 0; i < COUNTS[c]; i++)
            integers[i] = i % 2 ? INT64_MAX : INT64_MIN;
        round_trip_integers(integers, COUNTS[c]);
    }
}

/* Every width of residuals, around every kind of base. */
static void integers_of_every_width(void **state)
{
    (void)state;
    static int64_t integers[POINTS_MAX];
    struct test_random random = {43};
    for (unsigned width = 0; width < 64; width++) {
        int64_t base = (int64_t)(test_random_next(&random) >> (width / 2 + 1));
        for (uint32_t i = 0; i < 700; i++)
            integers[i] =
                (int64_t)((uint64_t)base + (test_random_next(&random) & ((UINT64_C(1) << width) - 1)));
        round_trip_integers(integers, 700);
    }
}

/* Factors of every kind, also with one value that breaks them late. */
static void integers_with_a_common_factor(void **state)
{
    (void)state;
    static int64_t integers[POINTS_MAX];
    static const int64_t factors[] = {
        2, 3, 7, 8, 12, 60, 300, 1000, 4096, 86400, 1000000007, INT64_C(1) << 40};
    struct test_random random = {44};
    for (unsigned f = 0; f < sizeof(factors) / sizeof(factors[0]); f++) {
        for (uint32_t i = 0; i < 1000; i++)
            integers[i] = 17 + factors[f] * ((int64_t)test_random_below(&random, 100000) - 50000);
        round_trip_integers(integers, 1000);
        integers[997] += factors[f] / 2 ? factors[f] / 2 : 1;
        round_trip_integers(integers, 1000);
    }
}

/* ---- sizes ---- */

static void check_bytes_per_point(const struct sizes *sizes, uint32_t count, double limit)
{
    assert_true((double)(sizes->times + sizes->values) / count < limit);
}

static void sizes_of_a_sensor(void **state)
{
    (void)state;
    struct test_random random = {1};
    struct batch batch;
    int64_t value = 2000;
    batch_init(&batch);
    for (uint32_t i = 0; i < POINTS_MAX; i++) {
        value += (int64_t)test_random_below(&random, 11) - 5;
        double time =
            (double)(1500000000000 + 1000 * (int64_t)i + (int64_t)test_random_below(&random, 41) - 20) / 1000;
        assert_int_equal(batch_push_double(&batch, time, (double)value / 100), 0);
    }
    struct sizes sizes = round_trip(&batch, 0, POINTS_MAX);
    check_bytes_per_point(&sizes, POINTS_MAX, 1.18);
    make_doubles(&batch);
    sizes = round_trip(&batch, 0, POINTS_MAX);
    check_bytes_per_point(&sizes, POINTS_MAX, 1.18);
    batch_free(&batch);
}

static void sizes_of_a_counter(void **state)
{
    (void)state;
    struct test_random random = {1};
    struct batch batch;
    int64_t value = 0;
    batch_init(&batch);
    for (uint32_t i = 0; i < POINTS_MAX; i++) {
        value += (int64_t)test_random_below(&random, 10);
        assert_int_equal(batch_push_integer(&batch, 1500000000 + i, value), 0);
    }
    struct sizes sizes = round_trip(&batch, 0, POINTS_MAX);
    check_bytes_per_point(&sizes, POINTS_MAX, 0.44);
    assert_true(sizes.times < 16);
    batch_free(&batch);
}

/* One gap in the times, as when a device was off, costs a few bytes and not the width of all others. */
static void a_gap_in_the_times_is_cheap(void **state)
{
    (void)state;
    struct batch smooth, gap;
    struct test_random random = {9};
    batch_init(&smooth);
    batch_init(&gap);
    for (uint32_t i = 0; i < POINTS_MAX; i++) {
        double time = 1500000000 + i + (double)test_random_below(&random, 41) / 1000;
        assert_int_equal(batch_push_integer(&smooth, time, 1), 0);
        assert_int_equal(batch_push_integer(&gap, time + (i > 1234 ? 86400 * 30 : 0), 1), 0);
    }
    assert_true(round_trip(&gap, 0, POINTS_MAX).times < round_trip(&smooth, 0, POINTS_MAX).times * 5 / 4);
    batch_free(&smooth);
    batch_free(&gap);
}

static void three_points_are_small(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(batch_push_double(&batch, 1480000000.125 + i, 20.5 + i * 0.1), 0);
    struct sizes sizes = round_trip(&batch, 0, 3);
    assert_true(sizes.times + sizes.values <= 24);
    batch_free(&batch);
}

/* ---- other values ---- */

static void booleans(void **state)
{
    (void)state;
    for (unsigned c = 0; c < COUNTS_COUNT; c++) {
        for (uint64_t one_in = 0; one_in < 300; one_in = one_in * 3 + 1) {
            struct test_random random = {c};
            struct batch batch;
            batch_init(&batch);
            for (uint32_t i = 0; i < COUNTS[c]; i++)
                assert_int_equal(
                    batch_push_boolean(&batch, i, one_in > 0 && test_random_below(&random, one_in) == 0), 0);
            assert_true(round_trip(&batch, 0, batch.count).values <= 2 + (batch.count + 7) / 8);
            batch_free(&batch);
        }
    }
}

/* A msgpack string of `size` characters made from `seed`. */
static void push_string(struct batch *batch, size_t size, uint64_t seed)
{
    static uint8_t value[3 + 4096];
    struct test_random random = {seed};
    assert_true(size <= 4096);
    size_t head = size < 32 ? 1 : size < 256 ? 2 : 3;
    value[0] = size < 32 ? (uint8_t)(0xa0 | size) : size < 256 ? 0xd9 : 0xda;
    if (head == 2)
        value[1] = (uint8_t)size;
    if (head == 3) {
        value[1] = (uint8_t)(size >> 8);
        value[2] = (uint8_t)size;
    }
    for (size_t i = 0; i < size; i++)
        value[head + i] = (uint8_t)('a' + test_random_below(&random, 26));
    assert_int_equal(batch_push_msgpack(batch, batch->count, value, head + size), 0);
}

static void strings(void **state)
{
    (void)state;
    static const struct {
        uint64_t distinct;
        size_t size_max;
    } cases[] = {{1, 10}, {2, 3}, {3, 0}, {10, 40}, {300, 20}, {1000, 300}, {3000, 5}, {1000000, 100},
        {1000000, 2000}};
    for (unsigned k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        for (unsigned c = 0; c < COUNTS_COUNT; c++) {
            struct test_random random = {c};
            struct batch batch;
            batch_init(&batch);
            for (uint32_t i = 0; i < COUNTS[c]; i++) {
                uint64_t which = test_random_below(&random, cases[k].distinct);
                push_string(&batch, (size_t)(which * 7919 % (cases[k].size_max + 1)), which);
            }
            round_trip(&batch, 0, batch.count);
            round_trip(&batch, batch.count / 2, batch.count - batch.count / 2);
            batch_free(&batch);
        }
    }
}

static void a_few_distinct_strings_take_codes(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    struct test_random random = {5};
    for (uint32_t i = 0; i < POINTS_MAX; i++)
        push_string(&batch, 20, test_random_below(&random, 4));
    assert_true(round_trip(&batch, 0, POINTS_MAX).values < POINTS_MAX / 4 + 120);
    batch_free(&batch);
}

static void mixed_values_turn_narrow_where_they_can(void **state)
{
    (void)state;
    struct batch batch;
    struct numbers numbers;
    struct buffer out = {0};
    batch_init(&batch);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(batch_push_integer(&batch, i, i), 0);
    push_string(&batch, 5, 1);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(batch_push_boolean(&batch, 2000 + i, i % 3 == 0), 0);
    assert_int_equal(batch.form, VALUES_MSGPACK);
    assert_true(round_trip(&batch, 0, 1000).values < 20);
    assert_true(round_trip(&batch, 1001, 1000).values < 140);
    round_trip(&batch, 0, batch.count);
    assert_int_equal(columns_encode_values(columns, &batch, 10, 100, &out), 0);
    assert_true(columns_encoded_decimals(columns, &numbers));
    assert_int_equal(numbers.integers[99], 109);
    assert_int_equal(columns_encode_values(columns, &batch, 0, batch.count, &out), 0);
    assert_false(columns_encoded_decimals(columns, &numbers));
    buffer_free(&out);
    batch_free(&batch);
}

/* Integers that no double holds, beside fractions: only msgpack keeps all digits. */
static void big_integers_beside_fractions(void **state)
{
    (void)state;
    struct batch batch;
    const uint8_t largest[] = {0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    batch_init(&batch);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(batch_push_integer(&batch, i, INT64_MAX - i), 0);
        assert_int_equal(batch_push_double(&batch, i, 0.5), 0);
        assert_int_equal(batch_push_msgpack(&batch, i, largest, sizeof(largest)), 0);
    }
    round_trip(&batch, 0, batch.count);
    batch_free(&batch);
}

static void senders(void **state)
{
    (void)state;
    for (unsigned c = 0; c < COUNTS_COUNT; c++) {
        struct test_random random = {c};
        struct batch batch;
        batch_init(&batch);
        for (uint32_t i = 0; i < COUNTS[c]; i++) {
            char name[SENDER_BYTES_MAX + 1];
            uint64_t who = test_random_below(&random, 100);
            memset(name, 'x', sizeof(name));
            snprintf(name, sizeof(name), "user%u/device", (unsigned)who);
            assert_int_equal(batch_push_integer(&batch, i, i), 0);
            if (who < 30)
                assert_int_equal(
                    batch_set_last_sender(&batch, name, who == 7 ? SENDER_BYTES_MAX : strlen(name)), 0);
        }
        round_trip(&batch, 0, batch.count);
        if (batch.count > 1)
            round_trip(&batch, batch.count / 2, 1);
        batch_free(&batch);
    }
}

static void owners_alone_take_no_bytes(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(batch_push_integer(&batch, i, i), 0);
    assert_int_equal(batch_set_last_sender(&batch, "a/b", 3), 0);
    assert_int_equal(round_trip(&batch, 0, 19).senders, 0);
    assert_true(round_trip(&batch, 0, 20).senders > 0);
    batch_free(&batch);
}

/* ---- damage ---- */

enum column { TIMES, VALUES, SENDERS };

/* 0 or -EBADMSG, and no sanitizer finds anything. */
static int decode_any(enum column column, const uint8_t *data, size_t size, uint32_t count)
{
    struct batch batch;
    struct error error = {0};
    uint8_t *exact = malloc(size + 1);
    assert_non_null(exact);
    memcpy(exact, data, size);
    batch_init(&batch);
    assert_int_equal(batch_reserve(&batch, POINTS_MAX), 0);
    int result = column == TIMES    ? columns_decode_times(columns, exact, size, count, &batch, &error)
                 : column == VALUES ? columns_decode_values(columns, exact, size, count, &batch, &error)
                                    : columns_decode_senders(columns, exact, size, count, &batch, &error);
    assert_true(result == 0 || result == -EBADMSG);
    if (result < 0)
        assert_int_equal(error.code, EBADMSG);
    batch_free(&batch);
    free(exact);
    return result;
}

static void damage(enum column column, const struct buffer *encoded, uint32_t count)
{
    struct test_random random = {3};
    for (size_t size = 0; size < encoded->size; size += 1 + size / 20)
        assert_int_equal(decode_any(column, encoded->data, size, count), -EBADMSG); /* cut off */
    for (int i = 0; i < 300; i++) {
        uint8_t *byte =
            &encoded->data[test_random_below(&random, i < 200 && encoded->size > 30 ? 30 : encoded->size)];
        uint8_t before = *byte;
        *byte = (uint8_t)test_random_next(&random);
        decode_any(column, encoded->data, encoded->size, count);
        *byte = before;
    }
    assert_int_equal(decode_any(column, encoded->data, encoded->size, 0), -EBADMSG);
    assert_int_equal(decode_any(column, encoded->data, encoded->size, POINTS_MAX + 1), -EBADMSG);
    assert_int_equal(decode_any(column, encoded->data, encoded->size, count), 0);
}

static void damaged_columns_are_refused(void **state)
{
    (void)state;
    struct batch batch;
    struct buffer out = {0};
    for (unsigned s = 0; s < SHAPES_COUNT; s++) {
        struct test_random random = {s};
        batch_init(&batch);
        for (uint32_t i = 0; i < 600; i++)
            assert_int_equal(batch_push_double(&batch, i, SHAPES[s].shape(&random, i)), 0);
        out.size = 0;
        assert_int_equal(columns_encode_values(columns, &batch, 0, 600, &out), 0);
        damage(VALUES, &out, 600);
        batch_free(&batch);
    }
    batch_init(&batch);
    for (uint32_t i = 0; i < 300; i++) {
        push_string(&batch, 30, i % 2 ? i : 5);
        assert_int_equal(batch_set_last_sender(&batch, i % 2 ? "ab" : "cd", 2), 0);
    }
    out.size = 0;
    assert_int_equal(columns_encode_values(columns, &batch, 0, 300, &out), 0);
    damage(VALUES, &out, 300);
    out.size = 0;
    assert_int_equal(columns_encode_senders(columns, &batch, 0, 300, &out), 0);
    damage(SENDERS, &out, 300);
    batch_free(&batch);
    buffer_free(&out);
}

static void nothing_but_finite_numbers_is_decoded(void **state)
{
    (void)state;
    static const uint64_t patterns[] = {
        0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xffffffffffffffff};
    for (unsigned p = 0; p < 4; p++) {
        /* doubles; no transform; one frame: minimum 0, 64 bits */
        uint8_t column[4 + 8] = {0x40, 0x00, 0x00, 64};
        store_u64(column + 4, patterns[p]);
        assert_int_equal(decode_any(VALUES, column, sizeof(column), 1), -EBADMSG);
        store_u64(column + 4, 0x7fefffffffffffff);
        assert_int_equal(decode_any(VALUES, column, sizeof(column), 1), 0);
    }
}

static void decimals_keep_their_bounds(void **state)
{
    (void)state;
    static const struct {
        uint8_t exponent;
        int64_t integer;
        int expected;
    } cases[] = {{0, INT64_MIN, 0}, {0, INT64_MAX, 0}, {1, DECIMAL_INTEGER_MAX, 0},
        {1, -DECIMAL_INTEGER_MAX, 0}, {1, DECIMAL_INTEGER_MAX + 1, -EBADMSG},
        {18, -DECIMAL_INTEGER_MAX - 1, -EBADMSG}, {1, INT64_MIN, -EBADMSG}, {1, INT64_MAX, -EBADMSG},
        {19, 0, -EBADMSG}};
    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        uint8_t column[3 + VARINT_BYTES_MAX] = {cases[c].exponent, 0x00};
        uint8_t *end = varint_put(column + 2, zigzag_encode(cases[c].integer));
        *end++ = 0; /* no bits: all are the minimum */
        assert_int_equal(decode_any(VALUES, column, (size_t)(end - column), 1), cases[c].expected);
    }
}

/* What a search for blocks meets in damaged bytes: hardly anything passes, so hardly anything is read to its
 * end. */
static void other_bytes_are_seldom_plausible(void **state)
{
    (void)state;
    struct test_random random = {.state = 5};
    uint8_t data[256];
    unsigned plausible = 0, tried = 100000;
    for (unsigned i = 0; i < tried; i++) {
        for (unsigned b = 0; b < sizeof(data); b++)
            data[b] = (uint8_t)test_random_next(&random);
        plausible += columns_plausible(data, 1 + test_random_below(&random, 50),
            1 + test_random_below(&random, 50), 1 + test_random_below(&random, 50));
        assert_false(columns_plausible(data, 0, 1, 0) || columns_plausible(data, 1, 0, 1));
    }
    assert_true(plausible < tried / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_shape),
        cmocka_unit_test(times_of_every_shape),
        cmocka_unit_test(extreme_integers),
        cmocka_unit_test(integers_of_every_width),
        cmocka_unit_test(integers_with_a_common_factor),
        cmocka_unit_test(sizes_of_a_sensor),
        cmocka_unit_test(sizes_of_a_counter),
        cmocka_unit_test(a_gap_in_the_times_is_cheap),
        cmocka_unit_test(three_points_are_small),
        cmocka_unit_test(booleans),
        cmocka_unit_test(strings),
        cmocka_unit_test(a_few_distinct_strings_take_codes),
        cmocka_unit_test(mixed_values_turn_narrow_where_they_can),
        cmocka_unit_test(big_integers_beside_fractions),
        cmocka_unit_test(senders),
        cmocka_unit_test(owners_alone_take_no_bytes),
        cmocka_unit_test(damaged_columns_are_refused),
        cmocka_unit_test(nothing_but_finite_numbers_is_decoded),
        cmocka_unit_test(decimals_keep_their_bounds),
        cmocka_unit_test(other_bytes_are_seldom_plausible),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
