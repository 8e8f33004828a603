#include "test.h"

#include "error.h"
#include "escape.h"

static void test_what_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"plain text ~ \\", "plain text ~ \\"},
        {"a\nb\tc\x1b[31m\x7f", "a\\x0ab\\x09c\\x1b[31m\\x7f"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31m \xc2\x80 \xc2\xa0",
            "\\xc2\\x9b"
            "31m \\xc2\\x80 \xc2\xa0"}, /* C1: CSI in one character */
        {"\xff \xc3 \xe2\x82 \xc0\x80 \xed\xa0\x80", "\\xff \\xc3 \\xe2\\x82 \\xc0\\x80 \\xed\\xa0\\x80"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xc3", "\\xc3"},
        {"a\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6\xef\xbb\xbf",
            "a\\xe2\\x80\\xae\\xe2\\x80\\xa8\\xe2\\x81\\xa6\\xef\\xbb\\xbf"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char shown[128];
        size_t length = escape_text(shown, sizeof(shown), cases[i].text, strlen(cases[i].text));
        assert_string_equal(shown, cases[i].shown);
        assert_int_equal(length, strlen(shown));
    }
    char shown[16];
    assert_int_equal(escape_text(shown, sizeof(shown), "a\0b", 3), 6);
    assert_string_equal(shown, "a\\x00b");
}

static void test_nothing_is_cut_in_two(void **state)
{
    (void)state;
    static const char text[] = "ab\xe2\x82\xac\nc";
    static const char *const shown_in[] = {NULL, "", "a", "ab", "ab", "ab", "ab\xe2\x82\xac",
        "ab\xe2\x82\xac", "ab\xe2\x82\xac", "ab\xe2\x82\xac", "ab\xe2\x82\xac\\x0a",
        "ab\xe2\x82\xac\\x0a"
        "c"};
    for (size_t capacity = 1; capacity < sizeof(shown_in) / sizeof(shown_in[0]); capacity++) {
        char shown[16];
        (void)escape_text(shown, capacity, text, sizeof(text) - 1);
        assert_string_equal(shown, shown_in[capacity]);
    }
}

/* Every message goes through it. */
static void test_errors(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, ENOENT, "%s: missing", "bad\033[31m\nname"), -ENOENT);
    assert_string_equal(error.message, "bad\\x1b[31m\\x0aname: missing");
    (void)error_prefix(&error, "%s", "in\r");
    assert_string_equal(error.message, "in\\x0d: bad\\x1b[31m\\x0aname: missing");
    (void)error_set(&error, ENOENT, "%s again", error.message); /* its own message as an argument */
    assert_string_equal(error.message, "in\\x0d: bad\\x1b[31m\\x0aname: missing again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_escaped),
        cmocka_unit_test(test_nothing_is_cut_in_two),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
