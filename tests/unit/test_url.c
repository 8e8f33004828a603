/* Paths, queries, base64: tables of good and broken text. */
#include "test.h"

#include "url.h"

static void test_decode(void **state)
{
    static const struct {
        const char *from;
        bool plus;
        const char *to; /* NULL: refused */
    } CASES[] = {
        {"", false, ""},
        {"abc", false, "abc"},
        {"a%20b", false, "a b"},
        {"a+b", false, "a+b"},
        {"a+b", true, "a b"},
        {"%2f%2F", false, "//"},
        {"%C3%A9", false, "\xc3\xa9"},
        {"%41%6a%4A", false, "AjJ"},
        {"%", false, NULL},
        {"%4", false, NULL},
        {"%4g", false, NULL},
        {"%g4", false, NULL},
        {"%00", false, NULL},
        {"a%00b", true, NULL},
        {"%%41", false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char to[64];
        long length = url_decode(CASES[i].from, CASES[i].plus, to, sizeof(to));
        if (!CASES[i].to) {
            assert_int_equal(length, -EINVAL);
            continue;
        }
        assert_int_equal(length, strlen(CASES[i].to));
        assert_string_equal(to, CASES[i].to);
    }
}

static void test_decode_has_no_room(void **state)
{
    char to[4];
    (void)state;
    assert_int_equal(url_decode("abc", false, to, sizeof(to)), 3);
    assert_int_equal(url_decode("abcd", false, to, sizeof(to)), -EINVAL);
    assert_int_equal(url_decode("%41%42%43%44", false, to, sizeof(to)), -EINVAL);
    assert_int_equal(url_decode("", false, to, 0), -EINVAL);
}

static void test_split(void **state)
{
    static const struct {
        const char *path;
        int result;
        const char *joined; /* its segments, each behind a space */
    } CASES[] = {
        {"/", 0, ""},
        {"/a", 0, " a"},
        {"/a/", 0, " a"},
        {"/a/b", 0, " a b"},
        {"//", 0, ""},
        {"//a", 0, " a"},
        {"/a//b", 0, " a b"},
        {"/a///b//", 0, " a b"},
        {"/./a", 0, " a"},
        {"/a/.", 0, " a"},
        {"/a/./", 0, " a"},
        {"/a/./b", 0, " a b"},
        {"/.a/..b/...", 0, " .a ..b ..."},
        {"/a/../b", -EINVAL, ""},
        {"/a/..", -EINVAL, ""},
        {"/..", -EINVAL, ""},
        {"/../../a", -EINVAL, ""},
        {"/a/../", -EINVAL, ""},
        {"/1/2/3/4/5/6/7/8", 0, " 1 2 3 4 5 6 7 8"},
        {"/1/2/3/4//5/6/./7/8/", 0, " 1 2 3 4 5 6 7 8"},
        {"/1/2/3/4/5/6/7/8/9", -ENAMETOOLONG, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char text[64], joined[64] = "";
        struct url_path path;
        strcpy(text, CASES[i].path);
        int r = url_split(text, &path);
        if (r != CASES[i].result)
            fail_msg("%s: %d", CASES[i].path, r);
        for (size_t k = 0; r == 0 && k < path.count; k++) {
            strcat(joined, " ");
            strcat(joined, path.segments[k]);
        }
        assert_string_equal(joined, CASES[i].joined);
    }
}

static void test_query(void **state)
{
    struct query query;
    char text[128];
    (void)state;
    assert_int_equal(query_parse("a=1&b=%20x+y&a=2&&c&=d&e=f=g&h=", text, sizeof(text), &query), 0);
    assert_string_equal(query_value(&query, "a"), "1");
    assert_string_equal(query_value(&query, "b"), " x y");
    assert_string_equal(query_value(&query, "c"), "");
    assert_string_equal(query_value(&query, "e"), "f=g");
    assert_string_equal(query_value(&query, "h"), "");
    assert_string_equal(query_value(&query, "absent"), "");
    assert_int_equal(query.count, 7);
    assert_int_equal(query_parse("", text, sizeof(text), &query), 0);
    assert_int_equal(query.count, 0);
    assert_int_equal(query_parse("a=%zz", text, sizeof(text), &query), -EINVAL);
    assert_int_equal(query_parse("%=1", text, sizeof(text), &query), -EINVAL);
}

static void test_query_limits(void **state)
{
    struct query query;
    char from[4 * QUERY_PARAMETERS_MAX + 8] = "", text[256];
    (void)state;
    for (int i = 0; i < QUERY_PARAMETERS_MAX; i++)
        strcat(from, "a=1&");
    assert_int_equal(query_parse(from, text, sizeof(text), &query), 0);
    strcat(from, "a=1");
    assert_int_equal(query_parse(from, text, sizeof(text), &query), -EINVAL);
    assert_int_equal(query_parse("ab=cd", text, 6, &query), 0);
    assert_int_equal(query_parse("ab=cd", text, 5, &query), -EINVAL);
    assert_int_equal(query_parse("ab=cd", text, 2, &query), -EINVAL);
}

static void test_flag(void **state)
{
    static const struct {
        const char *query;
        bool set;
    } CASES[] = {
        {"f=1", true},
        {"f=t", true},
        {"f=T", true},
        {"f=true", true},
        {"f=TRUE", true},
        {"f=True", true},
        {"f=", false},
        {"f", false},
        {"f=0", false},
        {"f=yes", false},
        {"f=tRUE", false},
        {"g=1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct query query;
        char text[32];
        assert_int_equal(query_parse(CASES[i].query, text, sizeof(text), &query), 0);
        assert_int_equal(query_flag(&query, "f"), CASES[i].set);
    }
}

static void test_base64(void **state)
{
    static const struct {
        const char *from, *to;
    } CASES[] = {
        {"", ""},
        {"dA==", "t"},
        {"dA", "t"},
        {"dGU=", "te"},
        {"dGVz", "tes"},
        {"dGVzdDp0ZXN0", "test:test"},
        {"OmtleQ==", ":key"},
        {"w6k6w6k=", "\xc3\xa9:\xc3\xa9"},
        {"d", NULL},
        {"dG Vz", NULL},
        {"dGV\xc3\xa9", NULL},
        {"=dGVz", NULL},
        {"dGVz-_", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char to[32];
        long length = base64_decode(CASES[i].from, to, sizeof(to));
        if (!CASES[i].to) {
            assert_int_equal(length, -EINVAL);
            continue;
        }
        assert_int_equal(length, strlen(CASES[i].to));
        assert_string_equal(to, CASES[i].to);
    }
    char small[3];
    assert_int_equal(base64_decode("dGVz", small, sizeof(small)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_has_no_room),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_limits),
        cmocka_unit_test(test_flag),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
