/* Names of an export folder, path filters, claims of unique values. */
#include "claims.h"
#include "filter.h"
#include "layout.h"
#include "test.h"

#include <limits.h>

static void test_paths(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct error error;
    assert_int_equal(layout_path(path, "/x", "u", "d", "s", LAYOUT_DATA, &error), 0);
    assert_string_equal(path, "/x/u/d/s/data.json");
    assert_int_equal(layout_path(path, "x", "u", NULL, NULL, LAYOUT_USER, &error), 0);
    assert_string_equal(path, "x/u/user.json");
    assert_int_equal(layout_path(path, "x", NULL, NULL, NULL, NULL, &error), 0);
    assert_string_equal(path, "x");
}

/* The longest path that fits, and one byte more. */
static void test_long_paths(void **state)
{
    (void)state;
    char directory[PATH_MAX], path[PATH_MAX];
    struct error error;
    size_t room = PATH_MAX - sizeof("/u");
    memset(directory, 'x', sizeof(directory));
    directory[room] = '\0';
    assert_int_equal(layout_path(path, directory, "u", NULL, NULL, NULL, &error), 0);
    assert_int_equal(strlen(path), PATH_MAX - 1);
    directory[room] = 'x';
    directory[room + 1] = '\0';
    assert_int_equal(layout_path(path, directory, "u", NULL, NULL, NULL, &error), -ENAMETOOLONG);
    assert_int_equal(error.code, ENAMETOOLONG);
}

static void test_filters(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *user, *device, *stream;
        bool taken;
    } cases[] = {
        {"u", "u", NULL, NULL, true},
        {"u", "u", "d", NULL, true},
        {"u", "u", "d", "s", true},
        {"u", "v", NULL, NULL, false},
        {"u", "uu", "d", NULL, false},
        {"u/d", "u", NULL, NULL, true}, /* above it */
        {"u/d", "u", "d", "s", true},
        {"u/d", "u", "e", NULL, false},
        {"u/d", "v", "d", NULL, false},
        {"u/d/s", "u", "d", NULL, true},
        {"u/d/s", "u", "d", "s", true},
        {"u/d/s", "u", "d", "t", false},
        {"u/d/s", "u", "e", "s", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct filters filters;
        assert_int_equal(filters_init(&filters, &cases[i].filter, 1, NULL), 0);
        if (filters_take(&filters, cases[i].user, cases[i].device, cases[i].stream) != cases[i].taken)
            fail_msg("case %zu", i);
        filters_free(&filters);
    }
    struct filters none;
    assert_int_equal(filters_init(&none, NULL, 0, NULL), 0);
    assert_true(filters_take(&none, "anybody", NULL, NULL));
    assert_int_equal(filters_check_used(&none, "x", NULL), 0);
}

static void test_filters_that_name_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {"u/d", "v"};
    struct filters filters;
    struct error error;
    assert_int_equal(filters_init(&filters, paths, 2, NULL), 0);
    assert_true(filters_take(&filters, "v", NULL, NULL));
    assert_true(filters_take(&filters, "u", NULL, NULL)); /* above u/d: that is not there yet */
    assert_int_equal(filters_check_used(&filters, "the database", &error), -ENOENT);
    assert_non_null(strstr(error.message, "u/d"));
    assert_true(filters_take(&filters, "u", "d", NULL));
    assert_int_equal(filters_check_used(&filters, "the database", &error), 0);
    filters_free(&filters);
}

static void test_filters_that_are_none(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "/", "u/", "/u", "u//s", "a/b/c/d", "..", "u/..", "1u", "u d",
        "u/d/s/", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb/ccccccccccccccccccccccccccccccccccccccccccccccccc"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct filters filters;
        struct error error;
        if (filters_init(&filters, &paths[i], 1, &error) != -EINVAL)
            fail_msg("'%s' was taken", paths[i]);
        assert_non_null(strstr(error.message, "user/device/stream"));
    }
}

static void test_claims(void **state)
{
    (void)state;
    struct claims claims = {0};
    struct error error;
    for (int i = 0; i < 100; i++) {
        char value[16], place[16];
        snprintf(value, sizeof(value), "v%d", i);
        snprintf(place, sizeof(place), "p%d", i);
        assert_int_equal(claims_add(&claims, value, place, &error), 0);
        assert_int_equal(claims_add(&claims, "", place, &error), 0); /* claims nothing, however often */
    }
    assert_int_equal(claims_check(&claims, "email", &error), 0);
    assert_int_equal(claims_add(&claims, "v42", "again", &error), 0);
    assert_int_equal(claims_check(&claims, "email", &error), -EEXIST);
    assert_non_null(strstr(error.message, "p42"));
    assert_non_null(strstr(error.message, "again"));
    assert_null(strstr(error.message, "v42")); /* it may be a key */
    claims_free(&claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_filters_that_name_nothing),
        cmocka_unit_test(test_filters_that_are_none),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
