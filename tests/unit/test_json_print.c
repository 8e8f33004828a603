/* Datapoints -> JSON text: what is printed reads back equal, in pieces too, into sinks that fail, and as it
 * was recorded. */
#include "json_text.h"
#include "batch_equal.h"

#include "json_internal.h"
#include "msgpack_head.h"
#include "msgpack_value.h"

#include <inttypes.h>
#include <math.h>

/* Random points of all kinds, in random chunks, read, printed, read again. */
static char *random_text(struct test_random *random, unsigned points, unsigned kinds)
{
    char *text = malloc(points * 100u + 10);
    assert_non_null(text);
    char *p = text + sprintf(text, "[");
    for (unsigned i = 0; i < points; i++) {
        p += sprintf(p, "%s{\"t\":%.*f,\"d\":",
            i == 0                         ? ""
            : test_random_below(random, 9) ? ","
                                           : " , ",
            (int)test_random_below(random, 7), 1e9 + i + test_random_unit(random));
        double value = (test_random_unit(random) - 0.5) * pow(10, (double)test_random_below(random, 8));
        switch (test_random_below(random, kinds)) {
        case 0:
            p += sprintf(p, "%.*f", (int)test_random_below(random, 5), value);
            break;
        case 1:
            p += sprintf(p, "%" PRIu64, test_random_next(random) >> test_random_below(random, 64));
            break;
        case 2:
            p += sprintf(p, "%.17g", value);
            break;
        case 3:
            p += sprintf(p, "%s", test_random_below(random, 2) ? "true" : "false");
            break;
        case 4:
            p += sprintf(p, "{\"a\":[%d,null],\"b\":\"\\u00e9<%u\"}", i % 3, i);
            break;
        default:
            p += sprintf(p, "\"text %u\",\"o\":\"user%u/device\"", i, i % 5);
            break;
        }
        p += sprintf(p, "}");
    }
    (void)sprintf(p, "]");
    return text;
}

static void test_random_round_trip(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct test_random random = {round};
        char *text = random_text(&random, 1 + round * 7, 1 + round % 6);
        struct batch first;
        struct batch again;
        struct error error = {0};
        batch_init(&first);
        batch_init(&again);
        struct text_source source = text_of(text);
        assert_int_equal(read_text(source, true, UINT32_MAX, &first, &error), 0);
        source.random = &random;
        source.chunk = 1 + round * 5;
        assert_int_equal(read_text(source, true, 1 + round, &again, &error), 0);
        assert_true(batch_equal(&first, &again));
        char *printed = print_batch(&first);
        char *whole = malloc(strlen(printed) + 3);
        assert_non_null(whole);
        (void)sprintf(whole, "[%s]", printed);
        batch_clear(&again);
        assert_int_equal(read_text(text_of(whole), false, UINT32_MAX, &again, &error), 0);
        assert_true(batch_equal(&first, &again));
        char *printed_again = print_batch(&again);
        assert_string_equal(printed, printed_again);
        free(printed_again);
        free(whole);
        free(printed);
        free(text);
        batch_free(&first);
        batch_free(&again);
    }
}

static void random_batch(struct batch *batch, unsigned kinds)
{
    struct test_random random = {kinds};
    char *text = random_text(&random, 1000, kinds);
    struct error error = {0};
    batch_init(batch);
    assert_int_equal(read_text(text_of(text), true, UINT32_MAX, batch, &error), 0);
    free(text);
}

/* Printing through a sink of the smallest buffer gives the same bytes. */
struct collector {
    struct buffer all;
    uint8_t buffer[SINK_RESERVE_MAX];
};

static int collect(struct sink *sink, struct error *ret_error)
{
    (void)ret_error;
    struct collector *collector = sink->context;
    return buffer_append(&collector->all, sink->buffer, sink->used);
}

static void test_print_in_pieces(void **state)
{
    (void)state;
    static struct collector collector;
    for (unsigned kinds = 1; kinds <= 6; kinds++) {
        struct batch batch;
        random_batch(&batch, kinds);
        char *expected = print_batch(&batch);
        struct sink sink = {.buffer = collector.buffer,
            .capacity = sizeof(collector.buffer),
            .flush = collect,
            .context = &collector};
        struct batch part;
        for (uint32_t i = 0; i < batch.count; i += part.count) { /* and slice by slice */
            uint32_t left = batch.count - i;
            batch_slice(&batch, i, left < 97 ? left : 97, &part);
            assert_int_equal(json_points_print(&sink, &part, i == 0), 0);
        }
        assert_int_equal(sink_flush(&sink), 0);
        assert_int_equal(collector.all.size, strlen(expected));
        assert_memory_equal(collector.all.data, expected, collector.all.size);
        collector.all.size = 0;
        free(expected);
        batch_free(&batch);
    }
    buffer_free(&collector.all);
}

static int refuse(struct sink *sink, struct error *ret_error)
{
    (void)sink;
    return error_set(ret_error, ENOSPC, "full");
}

static void test_print_to_a_failing_sink(void **state)
{
    (void)state;
    for (unsigned kinds = 1; kinds <= 6; kinds++) {
        struct batch batch;
        random_batch(&batch, kinds);
        static uint8_t buffer[SINK_RESERVE_MAX];
        struct sink sink = {.buffer = buffer, .capacity = sizeof(buffer), .flush = refuse};
        assert_int_equal(json_points_print(&sink, &batch, true), -ENOSPC);
        batch_free(&batch);
    }
}

static void test_not_finite_is_null(void **state)
{
    (void)state;
    struct batch batch;
    batch_init(&batch);
    assert_int_equal(batch_push_double(&batch, 1, 0.1 + 0.2), 0);
    assert_int_equal(batch_push_double(&batch, 2, 1), 0);
    batch.numbers.doubles[1] = NAN;
    char *text = print_batch(&batch);
    assert_string_equal(text, "{\"t\":1,\"d\":0.30000000000000004},{\"t\":2,\"d\":null}");
    free(text);
    assert_int_equal(batch_set_last_sender(&batch, "a", 1), 0);
    text = print_batch(&batch);
    assert_string_equal(text, "{\"t\":1,\"d\":0.30000000000000004},{\"t\":2,\"d\":null,\"o\":\"a\"}");
    free(text);
    batch_free(&batch);
}

/* The recorded literals: shared/vectors/ranges.json, read with the codec itself. */
struct vector {
    const uint8_t *data;
    size_t size;
};

static bool vector_is(struct vector string, const char *text)
{
    struct msgpack_head head;
    return msgpack_read_head(string.data, string.data + string.size, &head) && head.type == MSGPACK_STRING &&
           head.length == strlen(text) && memcmp(string.data + head.size, text, head.length) == 0;
}

/* Moves past the value at p and returns it. */
static struct vector vector_take(const uint8_t **p, const uint8_t *end)
{
    struct vector vector = {.data = *p};
    assert_int_equal(msgpack_validate(*p, (size_t)(end - *p), &vector.size), 0);
    *p += vector.size;
    return vector;
}

static struct vector vector_member(struct vector object, const char *key)
{
    struct msgpack_head head;
    const uint8_t *end = object.data + object.size;
    assert_true(msgpack_read_head(object.data, end, &head) && head.type == MSGPACK_MAP);
    const uint8_t *p = object.data + head.size;
    for (uint32_t i = 0; i < head.length; i++) {
        struct vector name = vector_take(&p, end);
        struct vector value = vector_take(&p, end);
        if (vector_is(name, key))
            return value;
    }
    return (struct vector){0};
}

static char *vector_text(struct vector string)
{
    struct msgpack_head head;
    assert_true(msgpack_read_head(string.data, string.data + string.size, &head));
    return head.type == MSGPACK_STRING ? strndup((const char *)string.data + head.size, head.length) : NULL;
}

/* Where the text differs on purpose from that of ConnectorDB 0.3 (the vector): all digits of an integer, null
 * written out, the keys' order kept. */
static const char *deviation(const char *in)
{
    static const char *const cases[][2] = {
        {"9007199254740993", "9007199254740993"},
        {"18014398509481985", "18014398509481985"},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"72057594037927936", "72057594037927936"},
        {"null", "null"},
        {"{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(cases[i][0], in) == 0)
            return cases[i][1];
    }
    return NULL;
}

static void check_literal(const char *in, const char *out, bool as_time)
{
    const char *expected_out = !as_time && deviation(in) ? deviation(in) : out;
    assert_non_null(expected_out);
    char text[512];
    char expected[512];
    (void)snprintf(text, sizeof(text), as_time ? "[{\"t\":%s,\"d\":1}]" : "[{\"t\":1,\"d\":%s}]", in);
    (void)snprintf(
        expected, sizeof(expected), as_time ? "{\"t\":%s,\"d\":1}" : "{\"t\":1,\"d\":%s}", expected_out);
    check_text(text, false, 0, NULL, expected);
    check_text(text, true, 0, NULL, expected);
}

static unsigned check_literals(struct vector cases, bool as_time)
{
    struct msgpack_head head;
    const uint8_t *end = cases.data + cases.size;
    assert_true(msgpack_read_head(cases.data, end, &head) && head.type == MSGPACK_ARRAY);
    const uint8_t *p = cases.data + head.size;
    for (uint32_t i = 0; i < head.length; i++) {
        struct vector one = vector_take(&p, end);
        char *in = vector_text(vector_member(one, "in"));
        char *out = vector_text(vector_member(one, "out"));
        assert_non_null(in);
        check_literal(in, out, as_time);
        free(in);
        free(out);
    }
    return head.length;
}

static void test_recorded_literals(void **state)
{
    (void)state;
    size_t size;
    char *text = test_shared_read("vectors/ranges.json", &size);
    struct json_parser parser = {.p = text, .end = text + size, .final = true};
    assert_int_equal(json_value(&parser, 0), 0);
    struct vector all = {parser.value.data, parser.value.size};
    unsigned literals = check_literals(vector_member(all, "literals"), false);
    unsigned times = check_literals(vector_member(all, "timestamp_literals"), true);
    print_message("%u literals and %u times judged\n", literals, times);
    assert_true(literals >= 100 && times >= 20);
    buffer_free(&parser.value);
    buffer_free(&parser.text);
    buffer_free(&parser.members);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_round_trip),
        cmocka_unit_test(test_print_in_pieces),
        cmocka_unit_test(test_print_to_a_failing_sink),
        cmocka_unit_test(test_not_finite_is_null),
        cmocka_unit_test(test_recorded_literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
