/* What the index of the store answers is, byte for byte, what the script gives of all points. */
#include "series_aggregate.h"
#include "series_print.h"
#include "store_helpers.h"
#include "test.h"

enum { POINTS = 5 * 4096 + 777, SEALED = POINTS - 300, RANGES = 60 };

static const struct {
    const char *script, *plain; /* the same without the index */
    enum script_question question;
} SCRIPTS[] = {
    {"count | if last", "d | count | if last", SCRIPT_ASKS_COUNT},
    {"sum | if last", "d | sum | if last", SCRIPT_ASKS_SUM},
    {"mean | if last", "d | mean | if last", SCRIPT_ASKS_MEAN},
    {"max | if last", "d | max | if last", SCRIPT_ASKS_MAX},
    {"min | if last", "d | min | if last", SCRIPT_ASKS_MIN},
    {"if last", "if true | if last", SCRIPT_ASKS_LAST},
    {"if first", "d | if first", SCRIPT_ASKS_FIRST},
};

/* ---- series of many kinds ---- */

enum kind {
    SMALL,
    CONSTANT,
    CENTS,
    DOUBLES,
    LARGE,
    HUGE_SUM,
    MIXED,
    BOOLEANS,
    TEXTS,
    ZEROS,
    RARE_FRACTION,
    KINDS
};

static int push_value(struct batch *batch, enum kind kind, uint32_t i, struct test_random *random)
{
    static const uint8_t TEXT[] = {0xa2, '-', '7'};
    double t = 1e9 + i;
    int64_t number = (int64_t)test_random_below(random, 20001) - 10000;
    switch (kind) {
    case CONSTANT:
        return batch_push_integer(batch, t, 7);
    case CENTS:
        return batch_push_double(batch, t, (double)number / 100);
    case DOUBLES:
        return batch_push_double(batch, t, test_random_unit(random));
    case LARGE:
        return batch_push_integer(batch, t, (INT64_C(1) << 60) + number);
    case HUGE_SUM:
        return batch_push_integer(batch, t, number * 100000000);
    case MIXED:
        return i % 9000 == 8000 ? batch_push_boolean(batch, t, true) : batch_push_integer(batch, t, number);
    case BOOLEANS:
        return batch_push_boolean(batch, t, number > 0);
    case TEXTS:
        return batch_push_msgpack(batch, t, TEXT, sizeof(TEXT));
    case ZEROS:
        return batch_push_double(batch, t, i % 3 ? 0 : -0.0);
    case RARE_FRACTION:
        return batch_push_double(batch, t, i == 6000 ? 0.5 : (double)number);
    default:
        return batch_push_integer(batch, t, number);
    }
}

static void fill(struct store *store, enum kind kind)
{
    struct test_random random = {kind};
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    for (uint32_t i = 0; i < POINTS; i++) {
        assert_int_equal(push_value(&batch, kind, i, &random), 0);
        if (i == SEALED || i == POINTS - 1) {
            assert_int_equal(store_append(store, kind + 1, &batch, 0, NULL, &error), 0);
            batch_clear(&batch);
            if (i == SEALED)
                assert_int_equal(store_seal(store, true, &error), 0);
        }
    }
    batch_free(&batch);
}

/* ---- both ways ---- */

static struct script *compile(const char *text)
{
    struct script *script;
    struct error error = {0};
    if (script_compile(text, strlen(text), NULL, &script, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return script;
}

static int put_text(struct sink *sink, struct error *ret_error)
{
    (void)ret_error;
    return fwrite(sink->buffer, 1, sink->used, sink->context) == sink->used ? 0 : -EIO;
}

static int print(const struct series_range *range, const char *text, char **ret_output)
{
    size_t size;
    FILE *file = open_memstream(ret_output, &size);
    static uint8_t buffer[16384];
    struct sink sink = {.buffer = buffer, .capacity = sizeof(buffer), .flush = put_text, .context = file};
    struct error error = {0};
    struct script *script = compile(text);
    int r = series_print(&sink, range, script, 0, &(struct points_text){0}, &error);
    script_free(script);
    assert_int_equal(sink_flush(&sink), 0);
    (void)fclose(file);
    return r;
}

static void compare(const struct series_range *range, size_t i)
{
    char *indexed, *plain;
    int r = print(range, SCRIPTS[i].script, &indexed), expected = print(range, SCRIPTS[i].plain, &plain);
    if (r != expected || strcmp(indexed, plain) != 0)
        fail_msg("series %d [%u, %u): %s: %d %s, without the index %d %s", (int)range->series_id,
            (unsigned)range->from, (unsigned)range->to, SCRIPTS[i].script, r, indexed, expected, plain);
    free(indexed);
    free(plain);
}

static void test_the_index_answers_as_the_points(void **state)
{
    static const uint64_t EDGES[] = {0, 1, 4095, 4096, 4097, 8192, SEALED, SEALED + 1, POINTS - 1, POINTS};
    enum { EDGE_COUNT = sizeof(EDGES) / sizeof(EDGES[0]) };
    struct test_random random = {1};
    char *directory = test_directory_create_fast();
    struct store_snapshot *snapshot;
    struct error error = {0};
    (void)state;
    test_store_create(directory);
    struct store *store = test_store_open(directory, NULL);
    for (enum kind kind = 0; kind < KINDS; kind++)
        fill(store, kind);
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        for (int n = 0; n < RANGES; n++) {
            uint64_t a = n < RANGES / 2 ? EDGES[test_random_below(&random, EDGE_COUNT)]
                                        : test_random_below(&random, POINTS + 1),
                     b = n < RANGES / 2 ? EDGES[test_random_below(&random, EDGE_COUNT)]
                                        : test_random_below(&random, POINTS + 1);
            struct series_range range = {snapshot, kind + 1, a < b ? a : b, a < b ? b : a};
            for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++)
                compare(&range, i);
        }
    }
    store_snapshot_close(snapshot);
    test_store_close(store);
    test_directory_remove(directory);
}

static void test_which_scripts_ask(void **state)
{
    static const char *const OTHERS[] = {"", "d", "count", "d | count | if last", "sum | if first",
        "max(d + 1) | if last", "if last | count", "count | if last | d", "if (last and true)",
        "count | if d > 1"};
    (void)state;
    for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
        struct script *script = compile(SCRIPTS[i].script);
        assert_int_equal(script_question(script), SCRIPTS[i].question);
        script_free(script);
        script = compile(SCRIPTS[i].plain);
        assert_int_equal(script_question(script), SCRIPT_ASKS_MORE);
        script_free(script);
    }
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        struct script *script = compile(OTHERS[i]);
        if (script_question(script) != SCRIPT_ASKS_MORE)
            fail_msg("%s: %d", OTHERS[i], script_question(script));
        script_free(script);
    }
}

/* Integers are answered from one point, an extreme from a few. */
static void test_what_is_read(void **state)
{
    char *directory = test_directory_create_fast();
    struct store_snapshot *snapshot;
    struct error error = {0};
    (void)state;
    test_store_create(directory);
    struct store *store = test_store_open(directory, NULL);
    fill(store, SMALL);
    assert_int_equal(store_snapshot_open(store, &snapshot, &error), 0);
    for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
        struct series_range range = {snapshot, SMALL + 1, 0, POINTS};
        struct series_aggregate known;
        bool extreme = SCRIPTS[i].question == SCRIPT_ASKS_MAX || SCRIPTS[i].question == SCRIPT_ASKS_MIN;
        assert_int_equal(series_aggregate(&range, SCRIPTS[i].question, &known, &error), 0);
        assert_true(range.to - range.from <= (extreme ? 8192 : 1));
    }
    store_snapshot_close(snapshot);
    test_store_close(store);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_index_answers_as_the_points),
        cmocka_unit_test(test_which_scripts_ask),
        cmocka_unit_test(test_what_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
