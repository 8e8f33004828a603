#include "test.h"

#include "catalog.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"a", true},
        {"Z", true},
        {"a-b", true},
        {"a_b", true},
        {"a1", true},
        {"a-", true},
        {"abcdefghijklmnopqrstuvwxyz012", true},   /* 29 */
        {"abcdefghijklmnopqrstuvwxyz0123", false}, /* 30 */
        {"", false},
        {"1a", false},
        {"_a", false},
        {"-a", false},
        {"a.b", false},
        {"a b", false},
        {"a/b", false},
        {"a\\b", false},
        {"a?b", false},
        {"a$b", false},
        {"\xc3\xa9", false},
        {"a\xc3\xa9", false},
        {"a@b", false},
        {"a\nb", false},
        {"a\x7f", false},
        {" a", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (name_valid(cases[i].name) != cases[i].valid)
            fail_msg("'%s' should%s be a name", cases[i].name, cases[i].valid ? "" : " not");
    }
}

static void test_forbidden_user_names(void **state)
{
    (void)state;
    static const char *const forbidden[] = {"support", "www", "api", "app", "favicon.ico", "robots.txt",
        "sitemap.xml", "join", "login", "user", "admin", "nobody", "root"};
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
        assert_false(user_name_allowed(forbidden[i]));
    assert_true(user_name_allowed("test"));
    assert_true(user_name_allowed("Root"));
    assert_true(user_name_allowed("users"));
}

static void test_emails(void **state)
{
    (void)state;
    static const struct {
        const char *email;
        bool valid;
    } cases[] = {
        {"a@b", true},
        {"root@localhost", true},
        {"a.b+c@d-e.f", true},
        {"Name <n@b>", true},
        {"\"x y\"@b", true},
        {"\"x \\\" y\" <n@b>", true},
        {"J. Doe <j@d>", true},
        {"<a@b>", true},
        {"  a@b  ", true},
        {"a @ b", true},
        {"!#$%&'*+-/=?^_`{|}~@b", true},
        {"\xc3\xa9@b", true},
        {"Name<n@b>", true},
        {"\"@\"@b", true},
        {"", false},
        {"noat", false},
        {"@b", false},
        {"a@", false},
        {"a@b c", false},
        {"a@b@c", false},
        {".a@b", false},
        {"a.@b", false},
        {"a..b@c", false},
        {"a@.b", false},
        {"a@b.", false},
        {"a@b..c", false},
        {"Name <n@b", false},
        {"Name n@b>", false},
        {"Name <n@b> x", false},
        {"\"x@b", false},
        {"\"x\\", false},
        {"a b@c", false},
        {"a@b, c@d", false},
        {"Name <>", false},
        {"<", false},
        {"\"", false},
        {"a@b\n", false},
        {"\"a\nb\"@c", false},
        {"\xff@b", false},
        {"a@[1.2.3.4]", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (email_valid(cases[i].email) != cases[i].valid)
            fail_msg("'%s' should%s be an address", cases[i].email, cases[i].valid ? "" : " not");
    }
}

static void test_icons(void **state)
{
    (void)state;
    static const struct {
        const char *icon;
        bool valid;
    } cases[] = {
        {"", true},
        {"material:face", true},
        {"fa:user", true},
        {"fa:", true},
        {"aGVsbG8=", true},
        {"aGk=", true},
        {"aA==", true},
        {"a-_9", true},
        {"material:aaaaaaaaaaaaaaaaaaaaa", true},   /* 30 in all */
        {"material:aaaaaaaaaaaaaaaaaaaaaa", false}, /* 31 */
        {"notanicon", false},
        {"bad icon", false},
        {"foo", false},
        {"a+/9", false},
        {"====", false},
        {"a===", false},
        {"aA=a", false},
        {"aGk", false},
        {"Material:face", false},
        {"aGk=aGk=", false},
        {"\xc3\xa9"
         "aa",
            false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (icon_valid(cases[i].icon) != cases[i].valid)
            fail_msg("'%s' should%s be an icon", cases[i].icon, cases[i].valid ? "" : " not");
    }
}

static void test_schemas_are_minified(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } cases[] = {
        {"", "{}"},
        {"{}", "{}"},
        {" \t\r\n{ } ", "{}"},
        {"{ \"b\" : 1.50 , \"a\" : [ 1 , 2 ] }", "{\"b\":1.50,\"a\":[1,2]}"},
        {"{\"a b\":\" \\\" , \\\\ \"}", "{\"a b\":\" \\\" , \\\\ \"}"},
        {"{\"n\":[-0,1e5,1E+05,-1.0e-7,123456789012345678901234567890]}",
            "{\"n\":[-0,1e5,1E+05,-1.0e-7,123456789012345678901234567890]}"},
        {"{\"l\":[true , false,null,[ ],{ }]}", "{\"l\":[true,false,null,[],{}]}"},
        {"{\"u\":\"\\u00e9\xc3\xa9\\/\\b\\f\\n\\r\\t\"}", "{\"u\":\"\\u00e9\xc3\xa9\\/\\b\\f\\n\\r\\t\"}"},
        {" true ", "true"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *kept;
        struct error error = {0};
        if (schema_normalize(cases[i].given, &kept, &error) < 0)
            fail_msg("%s: %s", cases[i].given, error.message);
        assert_string_equal(kept, cases[i].kept);
        char *again;
        assert_int_equal(schema_normalize(kept, &again, &error), 0);
        assert_string_equal(again, kept);
        free(kept);
        free(again);
    }
}

static void test_broken_schemas_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *given, *said;
    } cases[] = {
        {"[]", "byte 0 of the schema: an object"},
        {"5", "an object"},
        {"null", "an object"},
        {"\"x\"", "an object"},
        {"false", "an object"},
        {"zz", "an object"},
        {" ", "an object"},
        {"trueish", "byte 4"},
        {"{", "a string"},
        {"}", "an object"},
        {"{]", "a string"},
        {"{\"a\"}", "':'"},
        {"{\"a\":}", "a value"},
        {"{\"a\":1,}", "a string"},
        {"{\"a\":1 \"b\":2}", "byte 7 of the schema: ','"},
        {"{\"a\":[1,]}", "a value"},
        {"{\"a\":[1 2]}", "']'"},
        {"{\"a\":[}", "a value"},
        {"{\"a\":{]}", "a string"},
        {"{\"a\":01}", "a value"},
        {"{\"a\":1.}", "the point"},
        {"{\"a\":1e}", "exponent"},
        {"{\"a\":-}", "a value"},
        {"{\"a\":.5}", "a value"},
        {"{\"a\":NaN}", "a value"},
        {"{\"a\":tru}", "a value"},
        {"{\"a\":\"x}", "does not end"},
        {"{\"a\":\"\n\"}", "control"},
        {"{\"a\":\"\\x\"}", "escape"},
        {"{\"a\":\"\\", "escape"},
        {"{\"a\":\"\\u12g4\"}", "hexadecimal"},
        {"{} {}", "ended"},
        {"{}x", "ended"},
        {"{\"a\":1}]", "ended"},
        {"{'a':1}", "a string"},
        {"{\"\xff\":1}", "UTF-8"},
        {"{\"\xed\xa0\x80\":1}", "UTF-8"},
        {"{\"\xc0\x80\":1}", "UTF-8"},
        {"{\"\xf4\x90\x80\x80\":1}", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *kept = NULL;
        struct error error = {0};
        if (schema_normalize(cases[i].given, &kept, &error) != -EINVAL)
            fail_msg("accepted: %s", cases[i].given);
        assert_null(kept);
        if (!strstr(error.message, cases[i].said))
            fail_msg("%s: '%s' is not in: %s", cases[i].given, cases[i].said, error.message);
    }
}

static void test_schema_depth_is_bounded(void **state)
{
    (void)state;
    enum { DEPTH_MAX = 64, ROOM = 8 };
    for (int depth = DEPTH_MAX; depth <= DEPTH_MAX + 1; depth++) {
        char given[2 * (DEPTH_MAX + 1) + ROOM], *at = given;
        at += sprintf(at, "{\"a\":");
        for (int i = 1; i < depth; i++)
            *at++ = '[';
        for (int i = 1; i < depth; i++)
            *at++ = ']';
        strcpy(at, "}");
        char *kept = NULL;
        struct error error = {0};
        assert_int_equal(schema_normalize(given, &kept, &error), depth > DEPTH_MAX ? -EINVAL : 0);
        free(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_forbidden_user_names),
        cmocka_unit_test(test_emails),
        cmocka_unit_test(test_icons),
        cmocka_unit_test(test_schemas_are_minified),
        cmocka_unit_test(test_broken_schemas_are_refused),
        cmocka_unit_test(test_schema_depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
