#include "test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_escaped),
        cmocka_unit_test(test_nothing_is_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
