/* Range parameters: what is taken, what is refused, and which points an index range means. */
#include "test.h"

#include "range_query.h"

#include <math.h>

static int parse(const char *text, struct range *ret_range, struct error *ret_error)
{
    struct query query;
    char scratch[256];
    assert_int_equal(query_parse(text, scratch, sizeof(scratch), &query), 0);
    return range_parse_query(&query, ret_range, ret_error);
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } CASES[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-7", true, -7},
        {"+7", true, 7},
        {"010", true, 10},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"1.5", false, 0},
        {"1e1", false, 0},
        {"0x1", false, 0},
        {"0b1", false, 0},
        {"1_0", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"a", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t value = 0;
        assert_int_equal(parameter_integer(CASES[i].text, &value), CASES[i].good);
        assert_true(value == CASES[i].value);
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        bool good;
        double value;
    } CASES[] = {
        {"0", true, 0},
        {"1.5", true, 1.5},
        {"-1.5", true, -1.5},
        {"+2", true, 2},
        {".5", true, .5},
        {"5.", true, 5},
        {"1e3", true, 1000},
        {"1E-3", true, .001},
        {"1e+3", true, 1000},
        {"inf", true, INFINITY},
        {"+Inf", true, INFINITY},
        {"-INF", true, -INFINITY},
        {"infinity", true, INFINITY},
        {"1480000000.123456", true, 1480000000.123456},
        {"", false, 0},
        {".", false, 0},
        {"-", false, 0},
        {"nan", false, 0},
        {"NaN", false, 0},
        {"1e", false, 0},
        {"1e+", false, 0},
        {"0x1p0", false, 0},
        {"1e400", false, 0},
        {"1,5", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"infi", false, 0},
        {"--1", false, 0},
        {"1.2.3", false, 0},
        {"1_0", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        double value = 0;
        assert_int_equal(parameter_time(CASES[i].text, &value), CASES[i].good);
        assert_true(value == CASES[i].value);
    }
}

static void test_refused_with_the_name(void **state)
{
    static const struct {
        const char *query, *message; /* a part of it */
    } CASES[] = {
        {"", "A range needs"},
        {"i1=", "A range needs"},
        {"t1=&t2=", "A range needs"},
        {"limit=5", "A range needs"},
        {"i1=x", "i1"},
        {"i2=x", "i2"},
        {"i1=0&i2=x", "i2"},
        {"t1=x", "t1"},
        {"t2=x", "t2"},
        {"t1=nan", "t1"},
        {"t1=1&limit=-1", "limit"},
        {"t1=1&limit=1.5", "limit"},
        {"limit=a", "limit"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct range range;
        struct error error = {0};
        assert_int_equal(parse(CASES[i].query, &range, &error), -EINVAL);
        assert_non_null(strstr(error.message, CASES[i].message));
    }
}

static void test_index_parameters_win(void **state)
{
    struct range range;
    (void)state;
    assert_int_equal(parse("t1=5&t2=6&limit=7&i1=-2", &range, NULL), 0);
    assert_true(range.by_index);
    assert_true(range.i1 == -2 && range.i2 == 0);
    assert_int_equal(parse("t2=6&limit=7", &range, NULL), 0);
    assert_false(range.by_index);
    assert_true(range.t1 == 0 && range.t2 == 6 && range.limit == 7);
}

static void test_resolve(void **state)
{
    static const struct {
        int64_t i1, i2;
        uint64_t length;
        int result;
        uint64_t from, to;
    } CASES[] = {
        {0, 0, 0, 0, 0, 0},
        {0, 5, 0, 0, 0, 0},
        {-7, -7, 0, 0, 0, 0},
        {1, 1, 0, -EDOM, 0, 0},
        {0, 0, 5, 0, 0, 5},
        {0, 2, 5, 0, 0, 2},
        {2, 2, 5, 0, 2, 2},
        {3, 2, 5, -EDOM, 0, 0},
        {5, 0, 5, 0, 5, 5},
        {6, 0, 5, -EDOM, 0, 0},
        {-2, 0, 5, 0, 3, 5},
        {-9, 0, 5, 0, 0, 5},
        {0, -1, 5, 0, 0, 4},
        {0, -5, 5, 0, 0, 0},
        {0, -6, 5, -EDOM, 0, 0},
        {-2, -1, 5, 0, 3, 4},
        {0, 99, 5, 0, 0, 5},
        {INT64_MIN, 0, 5, 0, 0, 5},
        {0, INT64_MAX, 5, 0, 0, 5},
        {INT64_MAX, 0, 5, -EDOM, 0, 0},
        {0, INT64_MIN, 5, -EDOM, 0, 0},
        {0, 0, UINT64_MAX, 0, 0, INT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct range range = {.by_index = true, .i1 = CASES[i].i1, .i2 = CASES[i].i2};
        uint64_t from = 0, to = 0;
        assert_int_equal(range_resolve(&range, CASES[i].length, &from, &to), CASES[i].result);
        assert_true(from == CASES[i].from);
        assert_true(to == CASES[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused_with_the_name),
        cmocka_unit_test(test_index_parameters_win),
        cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
