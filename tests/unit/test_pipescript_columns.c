/* Scripts by columns give bit for bit what they give point by point, also when both are used by turns. */
#include "batch_equal.h"
#include "run.h"
#include "script.h"
#include "test.h"
#include "vectors.h"

#include <math.h>
#include <stdio.h>

enum { ROUNDS = 3000, POINTS_MAX = 5000, TEXT_MAX = 4096 };

static struct test_random source = {1};

static uint32_t random_below(uint32_t bound)
{
    return (uint32_t)test_random_below(&source, bound);
}

/* ---- random scripts ---- */

struct text {
    char bytes[TEXT_MAX];
    size_t size;
};

static void add(struct text *text, const char *more)
{
    size_t size = strlen(more);
    assert_true(text->size + size < TEXT_MAX);
    memcpy(text->bytes + text->size, more, size + 1);
    text->size += size;
}

static const char *one_of(const char *const *words, uint32_t count)
{
    return words[random_below(count)];
}
#define ONE_OF(words) one_of((words), sizeof(words) / sizeof((words)[0]))

static void add_expression(struct text *text, unsigned depth)
{
    static const char *const LEAVES[] = {"d", "d", "d", "$", "1", "0.5", "20", "0", "true", "false", "count",
        "i", "sum", "mean", "t", "dt", "first", "alltrue", "anytrue"};
    static const char *const OPERATORS[] = {" + ", " - ", " * ", " / ", " % ", " ^ ", " < ", " <= ", " > ",
        " >= ", " == ", " != ", " and ", " or ", ":"};
    static const char *const PREFIXES[] = {"-", "not "};
    if (depth == 0 || random_below(5) == 0) {
        add(text, ONE_OF(LEAVES));
        return;
    }
    add(text, "(");
    if (random_below(6) == 0) {
        add(text, ONE_OF(PREFIXES));
        add_expression(text, depth - 1);
    } else {
        add_expression(text, depth - 1);
        add(text, ONE_OF(OPERATORS));
        add_expression(text, depth - 1);
    }
    add(text, ")");
}

static void make_script(struct text *text)
{
    text->size = 0;
    for (uint32_t stages = 1 + random_below(4), i = 0; i < stages; i++) {
        add(text, i > 0 ? " | " : "");
        add(text, random_below(3) == 0 ? "if " : "");
        add_expression(text, random_below(5));
    }
    if (random_below(4) == 0)
        add(text, " | if last");
}

/* ---- random points ---- */

static double random_number(uint32_t kind)
{
    static const double ODD[] = {0, -0.0, 0.1, 1e300, -1e300, 5e-324, 9007199254740993.0, 1e22, 1.0 / 3};
    switch (kind) {
    case 0:
        return (double)random_below(100) - 20;
    case 1:
        return ((double)random_below(100000) - 50000) / 100;
    case 2:
        return (double)random_below(1000000) / 7;
    default:
        return ODD[random_below(sizeof(ODD) / sizeof(ODD[0]))];
    }
}

static void push_some(struct batch *batch, uint32_t kind, double time)
{
    if (kind == 4)
        assert_int_equal(batch_push_boolean(batch, time, random_below(2)), 0);
    else if (kind == 5)
        assert_int_equal(
            batch_push_integer(batch, time, (INT64_C(1) << 53) + (int64_t)random_below(1000) - 500), 0);
    else
        assert_int_equal(batch_push_double(batch, time, random_number(kind)), 0);
}

/* The same points twice: in columns, and in msgpack, which is evaluated point by point. */
static void make_points(struct batch *columns, struct batch *packed)
{
    uint32_t kind = random_below(6), count = random_below(4) ? random_below(300) : random_below(POINTS_MAX);
    static const uint8_t TEXT[] = {0xa1, 'x'};
    double time = random_below(1000);
    batch_init(columns);
    batch_init(packed);
    assert_int_equal(batch_push_msgpack(packed, 0, TEXT, sizeof(TEXT)), 0);
    for (uint32_t i = 0; i < count; i++) {
        push_some(columns, kind, time);
        time += random_below(3) ? random_below(4) : random_below(100) / 8.0;
    }
    if (count > 0)
        assert_int_equal(batch_append(packed, columns, 0, count), 0);
}

/* ---- both ways ---- */

struct feed {
    const struct batch *columns, *packed; /* packed has one point more, in front */
    struct batch slice;
    uint32_t at, piece, packed_of; /* of so many pieces one is packed: 1 = all, 0 = none */
    uint32_t number;
};

static int next_piece(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct feed *feed = context;
    uint32_t left = feed->columns->count - feed->at, count = left < feed->piece ? left : feed->piece;
    bool packed = feed->packed_of > 0 && feed->number++ % feed->packed_of == 0;
    (void)ret_error;
    *ret_batch = NULL;
    if (count > 0) {
        batch_slice(packed ? feed->packed : feed->columns, feed->at + packed, count, &feed->slice);
        *ret_batch = &feed->slice;
    }
    feed->at += count;
    return 0;
}

static int run_all(const struct script *script, struct feed *feed, struct batch *results)
{
    struct script_run *run;
    struct error error = {0};
    const struct batch *batch;
    int r = script_run_open(script, next_piece, feed, &run);
    assert_int_equal(r, 0);
    batch_init(results);
    while ((r = script_run_next(run, &batch, &error)) == 0 && batch) {
        assert_true(batch->count > 0 && batch->count <= SCRIPT_RESULTS_AT_ONCE);
        assert_int_equal(batch_append(results, batch, 0, batch->count), 0);
    }
    script_run_close(run);
    return r;
}

static bool has_columns(const struct script *script)
{
    struct run run;
    struct arena arena;
    struct error error = {0};
    struct instance instance;
    struct vectors *vectors;
    arena_init(&arena, script->limits.bytes_max);
    run_init(&run, &script->limits, &arena, &error);
    assert_int_equal(instance_init(&run, script->root, &instance), 0);
    assert_int_equal(vectors_new(&run, &instance, script->root, &vectors), 0);
    bool has = vectors != NULL;
    vectors_free(&run, vectors);
    instance_free(&run, &instance);
    assert_int_equal(arena.held, 0);
    run_free(&run);
    arena_free(&arena);
    return has;
}

static void compare(const char *text, const struct batch *columns, const struct batch *packed, bool *ret_has)
{
    struct script *script;
    struct error error = {0};
    struct batch expected, results;
    if (script_compile(text, strlen(text), NULL, &script, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    *ret_has = has_columns(script);
    struct feed feed = {.columns = columns, .packed = packed, .piece = 1000, .packed_of = 1};
    int r = run_all(script, &feed, &expected);
    for (uint32_t packed_of = 0; packed_of <= 3; packed_of += 3) {
        feed = (struct feed){
            .columns = columns, .packed = packed, .piece = 1 + random_below(2500), .packed_of = packed_of};
        int other = run_all(script, &feed, &results);
        if (r != other || !batch_equal(&expected, &results))
            fail_msg("%s over %u points: %d with %u results by columns, %d with %u point by point", text,
                columns->count, other, results.count, r, expected.count);
        batch_free(&results);
    }
    batch_free(&expected);
    script_free(script);
}

static void test_random_scripts_give_the_same(void **state)
{
    unsigned with_columns = 0;
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct text text;
        struct batch columns, packed;
        bool has;
        make_script(&text);
        make_points(&columns, &packed);
        compare(text.bytes, &columns, &packed, &has);
        with_columns += has;
        batch_free(&columns);
        batch_free(&packed);
    }
    print_message("%u of %d scripts were evaluated by columns\n", with_columns, ROUNDS);
    assert_true(with_columns > ROUNDS / 2);
}

static void test_which_scripts_have_columns(void **state)
{
    static const char *const THESE[] = {"", "d", "d*2+1", "if d>20", "mean", "sum", "count", "i", "t", "dt",
        "first", "not d", "-d", "d > 1 and d < 3", "if d > 1 | d * 2 | if count > 5 | mean", "d:sum + d:mean",
        "1 + 2 * d ^ 2 % 7", "alltrue", "anytrue", "true", "5"};
    static const char *const OTHERS[] = {"last", "next", "'a'", "{'a': d}", "d('a')", "max", "ttrue",
        "map(d, count)", "if last", "d + 'a'", "rand", "tshift(5)", "length", "append", "while(d, sum)"};
    (void)state;
    for (size_t i = 0; i < sizeof(THESE) / sizeof(THESE[0]) + sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        bool expected = i < sizeof(THESE) / sizeof(THESE[0]);
        const char *text = expected ? THESE[i] : OTHERS[i - sizeof(THESE) / sizeof(THESE[0])];
        struct script *script;
        struct error error = {0};
        if (script_compile(text, strlen(text), NULL, &script, &error) < 0)
            fail_msg("%s: %s", text, error.message);
        if (has_columns(script) != expected)
            fail_msg("%s: has columns: %d", text, !expected);
        script_free(script);
    }
}

/* Digits beyond 2^53 stay where no transform changed the value, whichever way it is evaluated. */
static void test_all_digits_stay(void **state)
{
    static const char *const SCRIPTS[] = {"d", "if d > 1", "if last", "if d > 1 | if last", "if not first"};
    (void)state;
    for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
        struct batch points, results;
        struct script *script;
        struct error error = {0};
        batch_init(&points);
        for (int n = 0; n < 3; n++)
            assert_int_equal(batch_push_integer(&points, n, INT64_C(9007199254740993) + 2 * n), 0);
        assert_int_equal(batch_set_senders(&points, "somebody", 8), 0);
        assert_int_equal(script_compile(SCRIPTS[i], strlen(SCRIPTS[i]), NULL, &script, &error), 0);
        struct feed feed = {.columns = &points, .piece = 2};
        assert_int_equal(run_all(script, &feed, &results), 0);
        assert_false(results.has_senders);
        assert_int_equal(results.numbers.kind, NUMBERS_AS_DECIMALS);
        assert_int_equal(results.numbers.integers[results.count - 1], INT64_C(9007199254740997));
        batch_free(&results);
        batch_free(&points);
        script_free(script);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_scripts_give_the_same),
        cmocka_unit_test(test_which_scripts_have_columns),
        cmocka_unit_test(test_all_digits_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
