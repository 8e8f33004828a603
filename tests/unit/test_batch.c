/* Batches: forms that widen without losing a bit, checked against a plain list of canonical values. */
#include "test.h"

#include "batch.h"
#include "batch_equal.h"
#include "bytes.h"
#include "msgpack_value.h"

#include <math.h>

static void assert_value(const struct batch *batch, uint32_t i, const char *expected)
{
    uint8_t scratch[9];
    size_t size;
    const uint8_t *value = batch_value(batch, i, scratch, &size);
    size_t walked;
    assert_int_equal(msgpack_validate(value, size, &walked), 0);
    assert_int_equal(walked, size);
    struct sink sink;
    assert_int_equal(sink_memory_init(&sink, 10000), 0);
    assert_int_equal(msgpack_print_json(&sink, value, size), 0);
    if (sink.used != strlen(expected) || memcmp(sink.buffer, expected, sink.used) != 0)
        fail_msg("value %u is %.*s, expected %s", i, (int)sink.used, (const char *)sink.buffer, expected);
    sink_memory_free(&sink);
}

/* What a push is followed by: the kind and form that must come out of it. */
static void test_number_kinds(void **state)
{
    (void)state;
    static const struct {
        double value;
        enum value_form form;
        enum numbers_kind kind;
        uint8_t exponent;
    } steps[] = {
        {5, VALUES_NUMBERS, NUMBERS_AS_DECIMALS, 0},
        {20.5, VALUES_NUMBERS, NUMBERS_AS_DECIMALS, 1},
        {20.51, VALUES_NUMBERS, NUMBERS_AS_DECIMALS, 2},
        {-3, VALUES_NUMBERS, NUMBERS_AS_DECIMALS, 2},
        {1e-6, VALUES_NUMBERS, NUMBERS_AS_DECIMALS, 6},
        {1e6, VALUES_NUMBERS, NUMBERS_AS_DECIMALS, 6},
        {1e-18, VALUES_NUMBERS, NUMBERS_AS_DOUBLES, 0},
        {0.1 + 0.2, VALUES_NUMBERS, NUMBERS_AS_DOUBLES, 0},
        {-0.0, VALUES_NUMBERS, NUMBERS_AS_DOUBLES, 0},
        {0x1p63, VALUES_NUMBERS, NUMBERS_AS_DOUBLES, 0},
        {0x1p64, VALUES_NUMBERS, NUMBERS_AS_DOUBLES, 0},
        {5e-324, VALUES_NUMBERS, NUMBERS_AS_DOUBLES, 0},
    };
    struct batch batch;
    batch_init(&batch);
    uint32_t count = sizeof(steps) / sizeof(steps[0]);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(batch_push_double(&batch, i, steps[i].value), 0);
        assert_int_equal(batch.form, steps[i].form);
        assert_int_equal(batch.numbers.kind, steps[i].kind);
        assert_int_equal(batch.numbers.exponent, steps[i].exponent);
        for (uint32_t j = 0; j <= i; j++)
            assert_int_equal(double_bits(numbers_double(&batch.numbers, j)), double_bits(steps[j].value));
    }
    static const char *const texts[] = {"5", "20.5", "20.51", "-3", "0.000001", "1000000", "1e-18",
        "0.30000000000000004", "-0", "9223372036854775808", "18446744073709552000", "5e-324"};
    for (uint32_t i = 0; i < count; i++)
        assert_value(&batch, i, texts[i]);
    batch_free(&batch);
}

/* Integers that no double holds keep their digits whatever comes before or after. */
static void test_big_integers(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t first;
        double second;
        enum value_form form;
        const char *texts[2];
    } cases[] = {
        {"small beside fraction", 3, 0.5, VALUES_NUMBERS, {"3", "0.5"}},
        {"2^53 beside fraction", INT64_C(1) << 53, 0.5, VALUES_NUMBERS, {"9007199254740992", "0.5"}},
        {"2^53 + 1 beside integer", (INT64_C(1) << 53) + 1, 7, VALUES_NUMBERS, {"9007199254740993", "7"}},
        {"2^53 + 1 beside fraction", (INT64_C(1) << 53) + 1, 0.5, VALUES_MSGPACK,
            {"9007199254740993", "0.5"}},
        {"2^56 beside fraction", INT64_C(1) << 56, 0.5, VALUES_NUMBERS, {"72057594037927936", "0.5"}},
        {"largest beside fraction", INT64_MAX, 0.5, VALUES_MSGPACK, {"9223372036854775807", "0.5"}},
        {"smallest beside fraction", INT64_MIN, 0.5, VALUES_NUMBERS, {"-9223372036854775808", "0.5"}},
        {"largest beside -0", INT64_MAX, -0.0, VALUES_MSGPACK, {"9223372036854775807", "-0"}},
        {"2^53 - 1 beside 1e-7", (INT64_C(1) << 53) - 1, 1e-7, VALUES_NUMBERS, {"9007199254740991", "1e-7"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int swapped = 0; swapped <= 1; swapped++) {
            struct batch batch;
            batch_init(&batch);
            for (int j = 0; j < 2; j++) {
                if (j == swapped)
                    assert_int_equal(batch_push_integer(&batch, j, cases[i].first), 0);
                else
                    assert_int_equal(batch_push_double(&batch, j, cases[i].second), 0);
            }
            if (batch.form != cases[i].form)
                fail_msg("%s: form %d", cases[i].what, (int)batch.form);
            assert_value(&batch, (uint32_t)swapped, cases[i].texts[0]);
            assert_value(&batch, (uint32_t)!swapped, cases[i].texts[1]);
            batch_free(&batch);
        }
    }
}

static void test_unsigned_integers(void **state)
{
    (void)state;
    static const uint8_t largest[] = {0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t half[] = {0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0}; /* 2^63 is a double */
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_msgpack(&batch, 1, half, sizeof(half)), 0);
    assert_int_equal(batch.form, VALUES_NUMBERS);
    assert_int_equal(batch_push_integer(&batch, 2, 3), 0);
    assert_int_equal(batch.form, VALUES_NUMBERS);
    assert_int_equal(batch_push_msgpack(&batch, 3, largest, sizeof(largest)), 0);
    assert_int_equal(batch.form, VALUES_MSGPACK);
    assert_value(&batch, 0, "9223372036854775808");
    assert_value(&batch, 1, "3");
    assert_value(&batch, 2, "18446744073709551615");
    batch_free(&batch);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        double time;
        enum numbers_kind kind;
        uint8_t exponent;
    } steps[] = {
        {1480000000, NUMBERS_AS_DECIMALS, 0},
        {1480000000.5, NUMBERS_AS_DECIMALS, 1},
        {1480000000.123, NUMBERS_AS_DECIMALS, 3},
        {1480000001, NUMBERS_AS_DECIMALS, 3},
        {1480000001.123456, NUMBERS_AS_DECIMALS, 6},
        {1480000001.1234567, NUMBERS_AS_DOUBLES, 0},
        {1e300, NUMBERS_AS_DOUBLES, 0},
        {-5, NUMBERS_AS_DOUBLES, 0},
        {NAN, NUMBERS_AS_DOUBLES, 0},
        {7, NUMBERS_AS_DOUBLES, 0},
    };
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_int_equal(batch_push_boolean(&batch, steps[i].time, true), 0);
        assert_int_equal(batch.times.kind, steps[i].kind);
        assert_int_equal(batch.times.exponent, steps[i].exponent);
        assert_int_equal(batch.missing_times, i >= 8);
        for (uint32_t j = 0; j <= i; j++)
            assert_true(batch_time(&batch, j) == steps[j].time ||
                        (isnan(steps[j].time) && isnan(batch_time(&batch, j))));
    }
    batch_clear(&batch);
    assert_int_equal(batch_push_integer(&batch, 1, 1), 0);
    assert_int_equal(
        batch_push_integer(&batch, 9007199254740994.0, 1), 0); /* beyond 2^53: a double at once */
    assert_int_equal(batch.times.kind, NUMBERS_AS_DOUBLES);
    assert_false(batch.missing_times);
    batch_free(&batch);
}

static void test_forms_widen(void **state)
{
    (void)state;
    static const uint8_t text[] = {0xa1, 'x'};
    static const uint8_t null[] = {0xc0};
    static const uint8_t yes[] = {0xc3};
    static const uint8_t five_as_float[] = {0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0};
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch.form, VALUES_NONE);
    assert_int_equal(batch_push_msgpack(&batch, 1, yes, sizeof(yes)), 0);
    assert_int_equal(batch_push_boolean(&batch, 2, false), 0);
    assert_int_equal(batch.form, VALUES_BOOLEANS);
    assert_int_equal(batch_push_msgpack(&batch, 3, five_as_float, sizeof(five_as_float)), 0);
    assert_int_equal(batch.form, VALUES_MSGPACK);
    assert_int_equal(batch_push_msgpack(&batch, 4, text, sizeof(text)), 0);
    assert_int_equal(batch_push_double(&batch, 5, 2.5), 0);
    assert_int_equal(batch_push_boolean(&batch, 6, true), 0);
    assert_int_equal(batch_push_msgpack(&batch, 7, null, sizeof(null)), 0);
    static const char *const texts[] = {"true", "false", "5", "\"x\"", "2.5", "true", "null"};
    for (uint32_t i = 0; i < 7; i++)
        assert_value(&batch, i, texts[i]);
    assert_int_equal(batch_logical_bytes(&batch, 0, 7), 1 + 1 + 1 + 2 + 9 + 1 + 1);
    assert_int_equal(batch_logical_bytes(&batch, 3, 2), 2 + 9);

    batch_clear(&batch);
    assert_int_equal(batch_push_msgpack(&batch, 1, five_as_float, sizeof(five_as_float)), 0);
    assert_int_equal(batch.form, VALUES_NUMBERS);
    assert_int_equal(batch.numbers.kind, NUMBERS_AS_DECIMALS);
    batch_free(&batch);
}

/* Logical bytes are those of the canonical msgpack, whatever form holds the values. */
static void test_logical_bytes(void **state)
{
    (void)state;
    static const struct {
        double value;
        uint64_t bytes;
    } cases[] = {
        {0, 1},
        {127, 1},
        {128, 2},
        {255, 2},
        {256, 3},
        {65535, 3},
        {65536, 5},
        {4294967295.0, 5},
        {4294967296.0, 9},
        {-1, 1},
        {-32, 1},
        {-33, 2},
        {-128, 2},
        {-129, 3},
        {-32768, 3},
        {-32769, 5},
        {-2147483648.0, 5},
        {-2147483649.0, 9},
        {0.5, 9},
        {20.51, 9},
        {1e6, 5},
        {0.1 + 0.2, 9},
        {1e300, 9},
        {-0.0, 9},
    };
    uint32_t count = sizeof(cases) / sizeof(cases[0]);
    for (uint32_t last = 1; last <= count; last++) {
        struct batch batch;
        batch_init(&batch);
        uint64_t total = 0;
        for (uint32_t i = 0; i < last; i++) {
            assert_int_equal(batch_push_double(&batch, i, cases[i].value), 0);
            total += cases[i].bytes;
        }
        assert_int_equal(batch_logical_bytes(&batch, 0, last), total);
        assert_int_equal(batch_logical_bytes(&batch, last, 0), 0);
        for (uint32_t i = 0; i < last; i++) {
            uint8_t scratch[9];
            size_t size;
            (void)batch_value(&batch, i, scratch, &size);
            assert_int_equal(size, cases[i].bytes);
            assert_int_equal(batch_logical_bytes(&batch, i, 1), cases[i].bytes);
        }
        batch_free(&batch);
    }
}

static void test_logical_bytes_of_every_exponent(void **state)
{
    (void)state;
    struct test_random random = {7};
    for (unsigned round = 0; round < 400; round++) {
        uint8_t exponent = (uint8_t)(round % (DECIMAL_EXPONENT_MAX + 1));
        struct batch batch;
        batch_init(&batch);
        uint64_t total = 0;
        for (uint32_t i = 0; i < 50; i++) {
            int64_t integer = (int64_t)(test_random_next(&random) >> (12 + test_random_below(&random, 52)));
            if (i % 3 == 0) /* a whole number, with as many digits as fit */
                integer -= integer % (int64_t)INTEGER_POWERS_OF_TEN[exponent < 15 ? exponent : 15];
            double value = (double)(i % 2 ? -integer : integer) / POWERS_OF_TEN[exponent];
            assert_int_equal(batch_push_double(&batch, i, value + 0.0), 0);
        }
        for (uint32_t i = 0; i < 50; i++) {
            uint8_t scratch[9];
            size_t size;
            (void)batch_value(&batch, i, scratch, &size);
            total += size;
        }
        assert_int_equal(batch_logical_bytes(&batch, 0, 50), total);
        batch_free(&batch);
    }
}

static const uint8_t OBJECT[] = {0x81, 0xa1, 'k', 0x93, 0x01, 0xc0, 0xa2, 'h', 'i'};

/* Pushes a random point of the first `kinds` kinds. */
static void push_random(struct batch *batch, struct test_random *random, double time, unsigned kinds)
{
    int64_t integer = (int64_t)(test_random_next(random) >> (1 + test_random_below(random, 63)));
    if (test_random_below(random, 2))
        integer = -integer;
    switch (test_random_below(random, kinds)) {
    case 0:
        assert_int_equal(batch_push_double(batch, time, (double)(integer % 100000) / 100), 0);
        break;
    case 1:
        assert_int_equal(batch_push_integer(batch, time, integer), 0);
        break;
    case 2:
        assert_int_equal(batch_push_double(batch, time, test_random_unit(random)), 0);
        break;
    case 3:
        assert_int_equal(batch_push_boolean(batch, time, integer & 1), 0);
        break;
    default:
        assert_int_equal(batch_push_msgpack(batch, time, OBJECT, sizeof(OBJECT)), 0);
        break;
    }
    char name[20];
    size_t size =
        (size_t)snprintf(name, sizeof(name), "user%u/device", (unsigned)test_random_below(random, 40));
    if (test_random_below(random, 3) == 0)
        assert_int_equal(batch_set_last_sender(batch, name, size), 0);
}

/* One batch, pushed point by point, against the same points put together from pieces and slices. */
static void test_append_and_slice(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct test_random random = {round};
        struct batch whole;
        struct batch piece;
        struct batch sum;
        struct batch view;
        batch_init(&whole);
        batch_init(&piece);
        batch_init(&sum);
        uint32_t count = 1 + (uint32_t)test_random_below(&random, 200);
        unsigned kinds = 1 + round % 5;
        for (uint32_t i = 0; i < count; i++) {
            double time = 1e9 + i + (double)test_random_below(&random, 1000) / (round % 2 ? 1000 : 997);
            push_random(&whole, &random, time, i < count / 2 ? 1 : kinds);
        }
        for (uint32_t i = 0; i < count;) {
            uint32_t part = 1 + (uint32_t)test_random_below(&random, count - i);
            batch_slice(&whole, i, part, &view);
            assert_int_equal(view.count, part);
            assert_int_equal(batch_logical_bytes(&view, 0, part), batch_logical_bytes(&whole, i, part));
            batch_clear(&piece);
            assert_int_equal(batch_append(&piece, &view, 0, part), 0); /* a slice of a slice */
            assert_true(batch_equal(&piece, &view));
            uint32_t half = part / 2;
            assert_int_equal(batch_append(&sum, &piece, 0, half), 0);
            assert_int_equal(batch_append(&sum, &view, half, part - half), 0);
            i += part;
        }
        assert_true(batch_equal(&whole, &sum));
        assert_int_equal(batch_logical_bytes(&whole, 0, count), batch_logical_bytes(&sum, 0, count));
        batch_free(&whole);
        batch_free(&piece);
        batch_free(&sum);
    }
}

/* Appending one form to every other one. */
static void test_append_every_form(void **state)
{
    (void)state;
    enum { FORMS = 7 };
    static const double values[FORMS][2] = {{1, 2}, {1.5, 2}, {0.125, 100}, {0.1 + 0.2, 1e300}, {-0.0, 5}};
    struct batch batches[FORMS];
    for (int i = 0; i < FORMS; i++) {
        batch_init(&batches[i]);
        for (int j = 0; j < 2; j++) {
            if (i < 5)
                assert_int_equal(batch_push_double(&batches[i], j, values[i][j]), 0);
            else if (i == 5)
                assert_int_equal(batch_push_boolean(&batches[i], j, j), 0);
            else
                assert_int_equal(batch_push_msgpack(&batches[i], NAN, OBJECT, sizeof(OBJECT)), 0);
        }
    }
    for (int a = 0; a < FORMS; a++) {
        for (int b = 0; b < FORMS; b++) {
            struct batch sum;
            struct batch view;
            batch_init(&sum);
            assert_int_equal(batch_append(&sum, &batches[a], 0, 2), 0);
            assert_int_equal(batch_append(&sum, &batches[b], 0, 2), 0);
            assert_int_equal(sum.count, 4);
            batch_slice(&sum, 0, 2, &view);
            assert_true(batch_equal(&view, &batches[a]));
            batch_slice(&sum, 2, 2, &view);
            assert_true(batch_equal(&view, &batches[b]));
            assert_int_equal(sum.missing_times, a == 6 || b == 6);
            batch_free(&sum);
        }
    }
    for (int i = 0; i < FORMS; i++)
        batch_free(&batches[i]);
}

static void test_equal_tells_differences(void **state)
{
    (void)state;
    struct batch a;
    struct batch b;
    batch_init(&a);
    batch_init(&b);
    assert_true(batch_equal(&a, &b));
    assert_int_equal(batch_push_double(&a, 1, 5.5), 0);
    assert_false(batch_equal(&a, &b));
    assert_int_equal(batch_push_double(&b, 1, 5.25), 0);
    assert_false(batch_equal(&a, &b));
    batch_clear(&b);
    assert_int_equal(batch_push_double(&b, 2, 5.5), 0);
    assert_false(batch_equal(&a, &b));
    batch_clear(&b);
    assert_int_equal(batch_push_double(&b, 1, 5.5), 0);
    assert_true(batch_equal(&a, &b));
    assert_int_equal(batch_set_last_sender(&b, "x", 1), 0);
    assert_false(batch_equal(&a, &b));
    assert_int_equal(batch_set_last_sender(&a, "y", 1), 0);
    assert_false(batch_equal(&a, &b));
    assert_int_equal(batch_set_last_sender(&a, "x", 1), 0);
    assert_true(batch_equal(&a, &b));
    assert_int_equal(batch_set_last_sender(&a, NULL, 0), 0);
    assert_false(batch_equal(&a, &b));
    batch_free(&a);
    batch_free(&b);
}

static void test_senders(void **state)
{
    (void)state;
    enum { NAMES = 5000 };
    struct batch batch;
    batch_init(&batch);
    for (int round = 0; round < 2; round++) { /* the second time with memory and index of the first */
        for (unsigned i = 0; i < 2 * NAMES; i++) {
            char name[16];
            size_t size = (size_t)snprintf(name, sizeof(name), "s%u", i % NAMES);
            assert_int_equal(batch_push_boolean(&batch, i, true), 0);
            if (i % 3)
                assert_int_equal(batch_set_last_sender(&batch, name, size), 0);
        }
        assert_int_equal(batch.sender_count, NAMES);
        for (unsigned i = 0; i < 2 * NAMES; i++) {
            char name[16];
            size_t size = (size_t)snprintf(name, sizeof(name), "s%u", i % NAMES);
            size_t got;
            const char *sender = batch_sender(&batch, i, &got);
            assert_int_equal(got, i % 3 ? size : 0);
            assert_memory_equal(sender, name, got);
        }
        batch_clear(&batch);
        size_t got;
        assert_int_equal(batch_push_boolean(&batch, 0, true), 0);
        (void)batch_sender(&batch, 0, &got);
        assert_int_equal(got, 0);
        batch_clear(&batch);
    }
    char longest[SENDER_BYTES_MAX + 1] = {0};
    memset(longest, 'n', sizeof(longest));
    assert_int_equal(batch_push_boolean(&batch, 0, true), 0);
    assert_int_equal(batch_set_last_sender(&batch, longest, sizeof(longest)), -E2BIG);
    assert_false(batch.has_senders);
    assert_int_equal(batch_set_last_sender(&batch, longest, sizeof(longest) - 1), 0);
    batch_free(&batch);
}

/* Names that somebody filled in by hand are found, also in a batch whose index knew others before. */
/* A client who knew where names are put could choose many for one place, each of which is then compared with
 * all before it. */
static void test_places_of_senders_are_secret(void **state)
{
    (void)state;
    enum { NAMES = 1000 };
    struct batch batches[2];
    for (unsigned b = 0; b < 2; b++) {
        batch_init(&batches[b]);
        assert_int_equal(batch_push_integer(&batches[b], 1, 1), 0);
        for (unsigned i = 0; i < NAMES; i++) {
            char name[16];
            size_t size = (size_t)snprintf(name, sizeof(name), "u/%u", i);
            assert_int_equal(batch_set_last_sender(&batches[b], name, size), 0);
        }
    }
    assert_int_equal(batches[0].sender_slot_count, batches[1].sender_slot_count);
    unsigned same = 0;
    for (uint32_t i = 0; i < batches[0].sender_slot_count; i++)
        same += batches[0].sender_slots[i] != 0 && batches[0].sender_slots[i] == batches[1].sender_slots[i];
    assert_true(same < NAMES / 10);
    batch_free(&batches[0]);
    batch_free(&batches[1]);
}

static void test_senders_by_hand(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_boolean(&batch, 0, true), 0);
    assert_int_equal(batch_set_last_sender(&batch, "old/name", 8), 0);
    batch_clear(&batch);
    assert_int_equal(batch_push_boolean(&batch, 0, true), 0);
    assert_int_equal(batch_push_boolean(&batch, 1, true), 0);
    batch.has_senders = true;
    batch.sender_count = 2;
    assert_int_equal(buffer_append(&batch.sender_names, "\3abc\2de", 7), 0);
    batch.senders[0] = 2;
    batch.senders[1] = 1;
    size_t size;
    assert_memory_equal(batch_sender(&batch, 0, &size), "de", 2);
    assert_int_equal(size, 2);
    assert_memory_equal(batch_sender(&batch, 1, &size), "abc", 3);
    assert_int_equal(size, 3);
    assert_int_equal(batch_push_boolean(&batch, 2, true), 0);
    assert_int_equal(batch_set_last_sender(&batch, "abc", 3), 0);
    assert_int_equal(batch.sender_count, 2);
    assert_int_equal(batch.senders[2], 1);
    struct batch copy;
    batch_init(&copy);
    assert_int_equal(batch_append(&copy, &batch, 0, 3), 0);
    assert_true(batch_equal(&copy, &batch));
    batch_free(&copy);
    batch_free(&batch);
}

static void test_limits(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_reserve(&batch, BATCH_POINTS_MAX + 1), -E2BIG);
    assert_int_equal(batch_reserve(&batch, UINT32_MAX), -E2BIG);
    assert_int_equal(batch_push_integer(&batch, 0, 1), 0);
    assert_int_equal(batch_reserve(&batch, BATCH_POINTS_MAX), -E2BIG);
    assert_int_equal(batch.count, 1);

    enum { SIZE = 16 << 20 };
    uint8_t *value = malloc(SIZE);
    assert_non_null(value);
    memset(value, 'x', SIZE);
    memcpy(value, (const uint8_t[]){0xdb, 0x00, 0xff, 0xff, 0xfb}, 5); /* a string that fills the rest */
    uint32_t pushed = 0;
    int r;
    while ((r = batch_push_msgpack(&batch, 1, value, SIZE)) == 0)
        pushed++;
    assert_int_equal(r, -E2BIG);
    assert_int_equal(pushed, 3); /* and the integer's byte: a fourth one passes BATCH_BYTES_MAX */
    assert_int_equal(batch.count, 4);
    assert_value(&batch, 0, "1");
    struct batch view;
    batch_slice(&batch, 1, 1, &view);
    assert_int_equal(batch_append(&batch, &view, 0, 1), -E2BIG);
    assert_int_equal(batch.count, 4);
    assert_int_equal(batch_push_integer(&batch, 5, 7), 0);
    assert_value(&batch, 4, "7");
    free(value);
    batch_free(&batch);
}

/* A failed append leaves the batch as it was. */
static void test_append_undone(void **state)
{
    (void)state;
    struct batch many;
    struct batch target;
    batch_init(&many);
    batch_init(&target);
    char name[16];
    for (unsigned i = 0; i < BATCH_SENDERS_MAX; i++) {
        assert_int_equal(batch_push_integer(&many, i, i), 0);
        assert_int_equal(
            batch_set_last_sender(&many, name, (size_t)snprintf(name, sizeof(name), "s%u", i)), 0);
    }
    assert_int_equal(batch_push_boolean(&target, 1, true), 0);
    assert_int_equal(batch_set_last_sender(&target, "other", 5), 0);
    assert_int_equal(batch_append(&target, &many, 0, many.count), -E2BIG);
    assert_int_equal(target.count, 1);
    assert_value(&target, 0, "true");
    assert_int_equal(batch_push_double(&target, 2, 0.5), 0);
    assert_value(&target, 1, "0.5");
    size_t size;
    (void)batch_sender(&target, 1, &size);
    assert_int_equal(size, 0);
    batch_free(&many);
    batch_free(&target);
}

static void free_view(void *batch)
{
    struct batch view;
    batch_slice(batch, 0, 1, &view);
    batch_free(&view);
}

static void push_to_view(void *batch)
{
    struct batch view;
    batch_slice(batch, 0, 1, &view);
    (void)batch_push_integer(&view, 1, 1);
}

static void slice_too_far(void *batch)
{
    struct batch view;
    batch_slice(batch, 1, 1, &view);
}

static void test_misuse_aborts(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, 1, 1), 0);
    assert_true(test_aborts(free_view, &batch));
    assert_true(test_aborts(push_to_view, &batch));
    assert_true(test_aborts(slice_too_far, &batch));
    batch_free(&batch);
    batch_free(&batch); /* an empty one owns nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_kinds),
        cmocka_unit_test(test_big_integers),
        cmocka_unit_test(test_unsigned_integers),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_forms_widen),
        cmocka_unit_test(test_logical_bytes),
        cmocka_unit_test(test_logical_bytes_of_every_exponent),
        cmocka_unit_test(test_append_and_slice),
        cmocka_unit_test(test_append_every_form),
        cmocka_unit_test(test_equal_tells_differences),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_places_of_senders_are_secret),
        cmocka_unit_test(test_senders_by_hand),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_append_undone),
        cmocka_unit_test(test_misuse_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
