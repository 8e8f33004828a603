/* JSON text -> datapoints: every rule, every chunk boundary, exact places of errors, every limit. */
#include "json_text.h"

#include "msgpack_value.h"

#include <math.h>

static void test_rest_rules(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *printed;
    } cases[] = {
        {"[]", ""},
        {" [ ] \r\n\t", ""},
        {"null", ""},
        {" null ", ""},
        {"[null]", ""},
        {"[{\"t\":1,\"d\":1},null]", "{\"t\":1,\"d\":1}"},
        {"[null , {\"t\":1,\"d\":1}]", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1}]", "{\"t\":1,\"d\":1}"},
        {"[{\"T\":1,\"D\":2,\"O\":\"a/b\"}]", "{\"t\":1,\"d\":2,\"o\":\"a/b\"}"},
        {"[{\"d\":2,\"t\":1}]", "{\"t\":1,\"d\":2}"},
        {"[{\"t\":1,\"d\":1,\"d\":2}]", "{\"t\":1,\"d\":2}"},
        {"[{\"t\":1,\"d\":\"longer\",\"d\":\"x\"}]", "{\"t\":1,\"d\":\"x\"}"},
        {"[{\"t\":1,\"t\":2,\"d\":1}]", "{\"t\":2,\"d\":1}"},
        {"[{\"t\":1,\"d\":[1],\"zz\":{\"a\":[3]}}]", "{\"t\":1,\"d\":[1]}"},
        {"[{\"timestamp\":1,\"D\":2}]", "{\"t\":null,\"d\":2}"},
        {"[{\"t\":null,\"data\":2}]", "{\"t\":null,\"d\":null}"},
        {"[{\"data\":2,\"o\":null}]", "{\"t\":null,\"d\":null}"},
        {"[{}]", "{\"t\":null,\"d\":null}"},
        {"[{\"d\":1}]", "{\"t\":null,\"d\":1}"},
        {"[{\"t\":null,\"d\":1}]", "{\"t\":null,\"d\":1}"},
        {"[{\"t\":0,\"d\":1}]", "{\"t\":null,\"d\":1}"},
        {"[{\"t\":-0.0,\"d\":1}]", "{\"t\":null,\"d\":1}"},
        {"[{\"t\":1,\"d\":1},{\"t\":0,\"d\":2},{\"t\":3,\"d\":4}]",
            "{\"t\":1,\"d\":1},{\"t\":null,\"d\":2},{\"t\":3,\"d\":4}"},
        {"[{\"t\":1}]", "{\"t\":1,\"d\":null}"},
        {"[{\"t\":1,\"d\":null}]", "{\"t\":1,\"d\":null}"},
        {"[{\"t\":1,\"d\":1,\"o\":null}]", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1,\"o\":\"\"}]", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":-5,\"d\":1},{\"t\":1e300,\"d\":1},{\"t\":1e15,\"d\":1}]",
            "{\"t\":-5,\"d\":1},{\"t\":1e+300,\"d\":1},{\"t\":1000000000000000,\"d\":1}"},
        {"[{\"\\u0074\":1,\"\\u0044\":2}]", "{\"t\":1,\"d\":2}"},
        {"  [ { \"t\" : 1 , \"d\" : 1 } ]  \n", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1,\"o\":\"a\"},{\"t\":2,\"d\":1},{\"t\":3,\"d\":1},{\"t\":4,\"d\":1,\"o\":\"b\"}]",
            "{\"t\":1,\"d\":1,\"o\":\"a\"},{\"t\":2,\"d\":1},{\"t\":3,\"d\":1},{\"t\":4,\"d\":1,\"o\":"
            "\"b\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_text(cases[i].text, false, 0, NULL, cases[i].printed);
}

/* Texts that are the same points however they are laid out and whatever kind of numbers they need. */
static void test_points(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *printed; /* NULL: as the text, brackets aside */
    } cases[] = {
        {"[{\"t\":1480000000.123,\"d\":20.51},{\"t\":1480000001.12,\"d\":-3},{\"t\":1480000002,\"d\":20.5},"
         "{\"t\":1480000003.5,\"d\":0.125},{\"t\":1480000003.5,\"d\":1e-7}]",
            NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":0.25},{\"t\":3,\"d\":100},{\"t\":4,\"d\":0.30000000000000004},"
         "{\"t\":5,\"d\":7}]",
            NULL},
        {"[{\"t\":1,\"d\":9007199254740993},{\"t\":2,\"d\":1},{\"t\":3,\"d\":0.5},{\"t\":4,\"d\":2}]", NULL},
        {"[{\"t\":1,\"d\":0.5},{\"t\":2,\"d\":9007199254740993},{\"t\":3,\"d\":1}]", NULL},
        {"[{\"t\":1,\"d\":0.5},{\"t\":2,\"d\":72057594037927936}]", NULL}, /* a double, but all digits stay */
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":18446744073709551615},{\"t\":3,\"d\":0.5}]", NULL},
        {"[{\"t\":1,\"d\":-9223372036854775808},{\"t\":2,\"d\":9223372036854775807},{\"t\":3,\"d\":-1}]",
            NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":-0},{\"t\":3,\"d\":0}]", NULL},
        {"[{\"t\":1,\"d\":4503599627370495},{\"t\":2,\"d\":0.5},{\"t\":3,\"d\":0.25}]", NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":true},{\"t\":3,\"d\":\"x\"},{\"t\":4,\"d\":1.5},{\"t\":5,\"d\":"
         "false}]",
            NULL},
        {"[{\"t\":1,\"d\":true},{\"t\":2,\"d\":false},{\"t\":3,\"d\":true},{\"t\":4,\"d\":0}]", NULL},
        {"[{\"t\":1.5,\"d\":1},{\"t\":9007199254740992,\"d\":1},{\"t\":9007199254740994,\"d\":1}]", NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":5.0},{\"t\":3,\"d\":20.50},{\"t\":4,\"d\":1e2},{\"t\":5.000,"
         "\"d\":0.10}]",
            "{\"t\":1,\"d\":1},{\"t\":2,\"d\":5},{\"t\":3,\"d\":20.5},{\"t\":4,\"d\":100},{\"t\":5,\"d\":0."
            "1}"},
        {"[{\"t\":1,\"d\":1},{\"t\":9007199254740993,\"d\":1},{\"t\":9223372036854775808,\"d\":1}]",
            "{\"t\":1,\"d\":1},{\"t\":9007199254740992,\"d\":1},{\"t\":9223372036854776000,\"d\":1}"},
        {"[{\"t\": 1, \"d\": 1}, {\"t\": 2, \"d\": 2},\n{\"t\": 3, \"d\": 3} , {\"t\":4,\"d\":4},{ "
         "\"t\":5,\"d\":5}]",
            "{\"t\":1,\"d\":1},{\"t\":2,\"d\":2},{\"t\":3,\"d\":3},{\"t\":4,\"d\":4},{\"t\":5,\"d\":5}"},
        {"[{\"t\":1,\"d\":12345678},{\"t\":12345678,\"d\":123456789012345},{\"t\":12345678.12345678,\"d\":"
         "1234567.1},"
         "{\"t\":1234567890123456,\"d\":0.123456789012345}]",
            NULL},
        {"[{\"t\":1,\"d\":0.1},{\"t\":2,\"d\":0.73579135712345671},{\"t\":3,\"d\":-0.1234567890123456789},"
         "{\"t\":4,\"d\":12345678.123456789012345678901},{\"t\":5,\"d\":12345678901234567890.5}]",
            "{\"t\":1,\"d\":0.1},{\"t\":2,\"d\":0.7357913571234567},{\"t\":3,\"d\":-0.12345678901234568},"
            "{\"t\":4,\"d\":12345678.12345679},{\"t\":5,\"d\":12345678901234567168}"},
        {"[{\"t\":1,\"d\":[]},{\"t\":2,\"d\":{}},{\"t\":3,\"d\":[[[]],{\"a\":{}}]},{\"t\":4,\"d\":\"\"}]",
            NULL},
        {"[{\"t\":1,\"d\":[1,2.50,-0,null,true,\"x\",1e21,18446744073709551615]}]",
            "{\"t\":1,\"d\":[1,2.5,-0,null,true,\"x\",1e+21,18446744073709551615]}"},
        {"[{\"t\":1,\"d\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]},{\"t\":2,\"d\":1}]", NULL},
        {"[{\"t\":1,\"d\":{\"b\":1,\"a\":2,\"b\":[3,4]}}]", "{\"t\":1,\"d\":{\"b\":[3,4],\"a\":2}}"},
        {"[{\"t\":1,\"d\":{\"a\":1,\"a\":{\"x\":1,\"x\":2},\"b\":[{\"c\":1,\"c\":2}]}}]",
            "{\"t\":1,\"d\":{\"a\":{\"x\":2},\"b\":[{\"c\":2}]}}"},
        {"[{\"t\":1,\"d\":{\"\":0,\"\\u0061\":1,\"a\":2}}]", "{\"t\":1,\"d\":{\"\":0,\"a\":2}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[512];
        if (cases[i].printed)
            (void)snprintf(expected, sizeof(expected), "%s", cases[i].printed);
        else
            (void)snprintf(
                expected, sizeof(expected), "%.*s", (int)strlen(cases[i].text) - 2, cases[i].text + 1);
        check_text(cases[i].text, false, 0, NULL, expected);
        check_text(cases[i].text, true, 0, NULL, expected);
    }
}

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"abc", "abc"},
        {"<>&", "\\u003c\\u003e\\u0026"},
        {"\\/", "/"},
        {"\\\\\\\"", "\\\\\\\""},
        {"\\b\\f\\n\\r\\t", "\\u0008\\u000c\\n\\r\\t"},
        {"\\u0000\\u0001\\u001f", "\\u0000\\u0001\\u001f"},
        {"\\u007f\\u0080", "\x7f\xc2\x80"},
        {"\xc3\xa9\\u00e9", "\xc3\xa9\xc3\xa9"},
        {"\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\\uDBFF\\uDFFF", "\xf4\x8f\xbf\xbf"},
        {"\\u2028\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2028\\u2029"},
        {"\xe2\x80\xaa\xe2\x82\xac", "\xe2\x80\xaa\xe2\x82\xac"},
        {"\\ud800", "\xef\xbf\xbd"},
        {"\\udc00x", "\xef\xbf\xbdx"},
        {"\\ud800\\u0041", "\xef\xbf\xbd"
                           "A"},
        {"\\ud800\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\\ud800\\n", "\xef\xbf\xbd\\n"},
        {"\\ud800 tail", "\xef\xbf\xbd tail"},
        {"\\uffff\\ufeff", "\xef\xbf\xbf\xef\xbb\xbf"},
        {"long plain text, then \\\" and more of it <here>",
            "long plain text, then \\\" and more of it \\u003chere\\u003e"},
        {"0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[256];
        char out[256];
        (void)snprintf(in, sizeof(in), "[{\"t\":1,\"d\":\"%s\"},{\"t\":2,\"d\":{\"%s\":1},\"o\":\"%s\"}]",
            cases[i].in, cases[i].in, cases[i].in);
        (void)snprintf(out, sizeof(out), "{\"t\":1,\"d\":\"%s\"},{\"t\":2,\"d\":{\"%s\":1},\"o\":\"%s\"}",
            cases[i].out, cases[i].out, cases[i].out);
        check_text(in, true, 0, NULL, out);
    }
}

static void test_broken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message; /* after "JSON, " */
        const char *points;  /* that came before */
    } cases[] = {
        {"", "line 1, byte 0: the text ends too early", ""},
        {"  \n ", "line 2, byte 4: the text ends too early", ""},
        {"{}", "line 1, byte 0: expected '[', the start of an array of datapoints, found '{'", ""},
        {"1", "line 1, byte 0: expected '[', the start of an array of datapoints, found '1'", ""},
        {"\"x\"", "line 1, byte 0: expected '[', the start of an array of datapoints, found '\"'", ""},
        {"nul", "line 1, byte 3: the text ends too early", ""},
        {"nulL", "line 1, byte 0: expected true, false, null or another value", ""},
        {"\xef\xbb[]", "line 1, byte 0: expected '[', the start of an array of datapoints, found byte 0xef",
            ""},
        {"\xef", "line 1, byte 0: expected '[', the start of an array of datapoints, found byte 0xef", ""},
        {"\xef\xbb\xbf", "line 1, byte 3: the text ends too early", ""},
        {" \xef\xbb\xbf[]",
            "line 1, byte 1: expected '[', the start of an array of datapoints, found a UTF-8 byte order "
            "mark (bytes ef bb "
            "bf), which is allowed only at the start",
            ""},
        {"[{\"t\":1,\"d\":\xef\xbb\xbf"
         "1}]",
            "line 1, byte 12: expected a value, found a UTF-8 byte order mark (bytes ef bb bf), which is "
            "allowed only at the "
            "start",
            ""},
        {"[", "line 1, byte 1: the text ends too early", ""},
        {"[1]", "line 1, byte 1: expected '{', the start of a datapoint, found '1'", ""},
        {"[[]]", "line 1, byte 1: expected '{', the start of a datapoint, found '['", ""},
        {"[,]", "line 1, byte 1: expected '{', the start of a datapoint, found ','", ""},
        {"[{\"t\":1,\"d\":1}", "line 1, byte 14: the text ends too early", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1},]", "line 1, byte 15: expected '{', the start of a datapoint, found ']'",
            "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1}],",
            "line 1, byte 15: expected nothing but white space after the array, found ','",
            "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1}][]",
            "line 1, byte 15: expected nothing but white space after the array, found '['",
            "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1} {\"t\":2,\"d\":1}]",
            "line 1, byte 15: expected ',' or ']' after a datapoint, found '{'", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":}]", "line 1, byte 12: expected a value, found '}'", ""},
        {"[{\"t\":1\n,\n\"d\":x}]", "line 3, byte 14: expected a value, found 'x'", ""},
        {"[{'t':1}]", "line 1, byte 2: expected a key in double quotes, found '''", ""},
        {"[{t:1}]", "line 1, byte 2: expected a key in double quotes, found 't'", ""},
        {"[{\"t\" 1}]", "line 1, byte 6: expected ':' after a key, found '1'", ""},
        {"[{\"t\":1,}]", "line 1, byte 8: expected a key in double quotes, found '}'", ""},
        {"[{\"t\":\"1\"}]", "line 1, byte 6: expected a number as \"t\", found '\"'", ""},
        {"[{\"t\":true}]", "line 1, byte 6: expected a number as \"t\", found 't'", ""},
        {"[{\"t\":[]}]", "line 1, byte 6: expected a number as \"t\", found '['", ""},
        {"[{\"t\":1e400}]", "line 1, byte 6: the number is too large for a double", ""},
        {"[{\"t\":1,\"d\":1e400}]", "line 1, byte 12: the number is too large for a double", ""},
        {"[{\"t\":1,\"d\":NaN}]", "line 1, byte 12: expected a value, found 'N'", ""},
        {"[{\"t\":1,\"d\":01}]", "line 1, byte 13: expected ',' or '}', found '1'", ""},
        {"[{\"t\":01,\"d\":1}]", "line 1, byte 7: expected ',' or '}', found '1'", ""},
        {"[{\"t\":1,\"d\":+1}]", "line 1, byte 12: expected a value, found '+'", ""},
        {"[{\"t\":1,\"d\":.5}]", "line 1, byte 12: expected a value, found '.'", ""},
        {"[{\"t\":1,\"d\":1.}]", "line 1, byte 12: this is not a JSON number", ""},
        {"[{\"t\":1,\"d\":-}]", "line 1, byte 12: this is not a JSON number", ""},
        {"[{\"t\":1,\"d\":1e}]", "line 1, byte 12: this is not a JSON number", ""},
        {"[{\"t\":1,\"d\":1x}]", "line 1, byte 13: expected ',' or '}', found 'x'", ""},
        {"[{\"t\":1,\"d\":tru}]", "line 1, byte 12: expected true, false, null or another value", ""},
        {"[{\"t\":1,\"d\":\"\\x\"}]", "line 1, byte 13: unknown escape in a string", ""},
        {"[{\"t\":1,\"d\":\"\\u12g4\"}]", "line 1, byte 13: \\u needs four hexadecimal digits", ""},
        {"[{\"t\":1,\"d\":\"a\nb\"}]", "line 1, byte 14: control character 0x0a in a string; escape it", ""},
        {"[{\"t\":1,\"d\":\"a\x80\"}]", "line 1, byte 14: a string is not valid UTF-8", ""},
        {"[{\"t\":1,\"d\":\"\xc0\x80\"}]", "line 1, byte 13: a string is not valid UTF-8", ""},
        {"[{\"t\":1,\"d\":\"\xed\xa0\x80\"}]", "line 1, byte 13: a string is not valid UTF-8", ""},
        {"[{\"t\":1,\"d\":\"\xf4\x90\x80\x80\"}]", "line 1, byte 13: a string is not valid UTF-8", ""},
        {"[{\"t\":1,\"d\":\"\xf0\x9f\x98\"}]", "line 1, byte 13: a string is not valid UTF-8", ""},
        {"[{\"t\":1,\"d\":\"\xe6\x97", "line 1, byte 13: a string is not valid UTF-8", ""},
        {"[{\"t\":1,\"d\":\"abc", "line 1, byte 16: the text ends too early", ""},
        {"[{\"t\":1,\"d\":\"abc\\", "line 1, byte 17: the text ends too early", ""},
        {"[{\"t\":1,\"d\":\"abc\\u12", "line 1, byte 20: the text ends too early", ""},
        {"[{\"t\":1,\"d\":[1 2]}]", "line 1, byte 15: expected ',' or ']', found '2'", ""},
        {"[{\"t\":1,\"d\":[1,]}]", "line 1, byte 15: expected a value, found ']'", ""},
        {"[{\"t\":1,\"d\":{\"a\":1,}}]", "line 1, byte 19: expected a key in double quotes, found '}'", ""},
        {"[{\"t\":1,\"d\":{\"a\"}}]", "line 1, byte 16: expected ':' after a key, found '}'", ""},
        {"[{\"t\":1,\"d\":1,\"o\":5}]", "line 1, byte 18: expected a string as \"o\", found '5'", ""},
        {"[{\"t\":1,\"d\":2},\n{\"t\":2,\"d\":3},\n\n{\"t\":x}]",
            "line 4, byte 37: expected a number as \"t\", found 'x'", "{\"t\":1,\"d\":2},{\"t\":2,\"d\":3}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[256];
        (void)snprintf(message, sizeof(message), "JSON, %s", cases[i].message);
        check_text(cases[i].text, false, -EBADMSG, message, cases[i].points);
        if (cases[i].text[0] == '[')
            check_text(cases[i].text, true, -EBADMSG, message, cases[i].points);
    }
}

/* "value" instead of "d" was stored as null. */
static void test_points_of_unknown_keys_only(void **state)
{
    static const char *const UNKNOWN[] = {
        "[{\"value\":3}]", "[{\"timestamp\":1,\"data\":2}]", "[{\"\":{\"d\":1}}]"};
    (void)state;
    for (size_t i = 0; i < sizeof(UNKNOWN) / sizeof(UNKNOWN[0]); i++)
        check_text(UNKNOWN[i], false, -EBADMSG,
            "JSON, line 1, byte 1: a datapoint without \"t\", \"d\" and \"o\": its other keys are unknown; "
            "the value belongs "
            "in \"d\"",
            "");
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    check_text("\xef\xbb\xbf[{\"t\":1,\"d\":2}]", false, 0, NULL, "{\"t\":1,\"d\":2}");
    check_text("\xef\xbb\xbf [ {\"t\":1,\"d\":2}]", true, 0, NULL, "{\"t\":1,\"d\":2}");
    check_text("\xef\xbb\xbfnull", false, 0, NULL, "");
    check_text("\xef\xbb\xbf[{\"t\":x}]", true, -EBADMSG,
        "JSON, line 1, byte 9: expected a number as \"t\", found 'x'", "");
}

static void test_import_rules(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } broken[] = {
        {"null", "JSON, line 1, byte 0: expected '[', the start of an array of datapoints, found 'n'"},
        {"[null]", "JSON, line 1, byte 1: expected '{', the start of a datapoint, found 'n'"},
        {"[{\"d\":1}]", "JSON, line 1, byte 1: a datapoint without \"t\""},
        {"[{\"t\":null,\"d\":1}]", "JSON, line 1, byte 6: expected a number as \"t\", found 'n'"},
        {"[{\"t\":1,\"d\":1,\"o\":null}]", "JSON, line 1, byte 18: expected a string as \"o\", found 'n'"},
        {"[{\"T\":1,\"d\":1}]",
            "JSON, line 1, byte 2: unknown key \"T\" in a datapoint; only t, d and o are known"},
        {"[{\"t\":1,\n\"data\":1}]",
            "JSON, line 2, byte 9: unknown key \"data\" in a datapoint; only t, d and o are known"},
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        check_text(broken[i].text, true, -EBADMSG, broken[i].message, "");
    check_text("[{\"t\":0,\"d\":1},{\"t\":0,\"d\":2},{\"t\":-0.0}]", true, 0, NULL,
        "{\"t\":0,\"d\":1},{\"t\":0,\"d\":2},{\"t\":-0,\"d\":null}");
}

static void test_null_can_be_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"null", "[null]", "[{\"t\":1,\"d\":1},null]"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct text_source source = text_of(texts[i]);
        struct json_points *reader;
        struct batch batch;
        struct error error = {0};
        batch_init(&batch);
        const struct json_points_options options = {.refuse_null = true};
        assert_int_equal(json_points_open(&options, text_source_read, &source, &reader), 0);
        assert_int_equal(json_points_read(reader, &batch, 10, &error), -EBADMSG);
        assert_int_equal(batch.count, i == 2);
        json_points_close(reader);
        batch_free(&batch);
    }
}

static void test_missing_times_are_marked(void **state)
{
    (void)state;
    struct batch batch;
    struct error error;
    batch_init(&batch);
    static const char text[] = "[{\"t\":1,\"d\":1},{\"d\":2},{\"t\":3,\"d\":2}]";
    assert_int_equal(read_text(text_of(text), false, 10, &batch, &error), 0);
    assert_true(batch.missing_times);
    assert_true(batch_time(&batch, 0) == 1 && isnan(batch_time(&batch, 1)) && batch_time(&batch, 2) == 3);
    batch_clear(&batch);
    assert_int_equal(read_text(text_of("[{\"t\":1,\"d\":1}]"), false, 10, &batch, &error), 0);
    assert_false(batch.missing_times);
    assert_int_equal(batch.times.kind, NUMBERS_AS_DECIMALS);
    batch_free(&batch);
}

static char *nested(unsigned depth, const char *open, const char *inner, const char *close)
{
    char *text = malloc(64 + depth * (strlen(open) + strlen(close)) + strlen(inner));
    assert_non_null(text);
    char *p = text + sprintf(text, "[{\"t\":1,\"d\":");
    for (unsigned i = 0; i < depth; i++)
        p += sprintf(p, "%s", open);
    p += sprintf(p, "%s", inner);
    for (unsigned i = 0; i < depth; i++)
        p += sprintf(p, "%s", close);
    (void)sprintf(p, "}]");
    return text;
}

static void test_depth(void **state)
{
    (void)state;
    static const char *const shapes[][2] = {{"[", "]"}, {"{\"a\":", "}"}, {"[{\"b\":0,\"a\":", "}]"}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        unsigned levels = i == 2 ? 2 : 1;
        char *text = nested(VALUE_DEPTH_MAX / levels, shapes[i][0], "7", shapes[i][1]);
        char *expected = strndup(text + 1, strlen(text) - 2);
        check_text(text, false, 0, NULL, expected);
        free(text);
        free(expected);
        text = nested(VALUE_DEPTH_MAX / levels, shapes[i][0], "[]", shapes[i][1]);
        char message[128];
        (void)snprintf(message, sizeof(message),
            "JSON, line 1, byte %zu: arrays and objects are nested deeper than 64",
            12 + VALUE_DEPTH_MAX / levels * strlen(shapes[i][0]));
        check_text(text, false, -E2BIG, message, "");
        free(text);
    }
    char *text = nested(100000, "[", "", ""); /* no stack is that deep */
    struct batch batch;
    struct error error;
    batch_init(&batch);
    assert_int_equal(read_text(text_of(text), true, 1, &batch, &error), -E2BIG);
    batch_free(&batch);
    free(text);
}

/* "[{"t":1,"d":"xxx..."}]" of `size` bytes between the brackets */
static char *long_point(size_t size)
{
    static const char head[] = "[{\"t\":1,\"d\":\"";
    char *text = malloc(size + 3);
    assert_non_null(text);
    memset(text, 'x', size + 2);
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + size - 1, "\"}]", 4);
    return text;
}

static void test_point_size_limit(void **state)
{
    (void)state;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    char *text = long_point(JSON_POINT_BYTES_MAX);
    struct text_source source = text_of(text);
    source.chunk = 4096; /* parsed again and again, but not for each chunk: or this takes minutes */
    assert_int_equal(read_text(source, false, 1, &batch, &error), 0);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.msgpack_ends[0], 5 + JSON_POINT_BYTES_MAX - 14);
    free(text);
    batch_clear(&batch);
    text = long_point(JSON_POINT_BYTES_MAX + 100);
    assert_int_equal(read_text(text_of(text), false, 1, &batch, &error), -E2BIG);
    assert_string_equal(error.message, "JSON, line 1, byte 1: a datapoint is longer than 16777216 bytes");
    free(text);
    batch_free(&batch);
}

/* The longest point that REST takes, as an export writes it. */
static void test_escaped_point_size(void **state)
{
    (void)state;
    enum { ESCAPE_BYTES = 6, CHARACTERS = JSON_POINT_BYTES_MAX - 14 };
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    char *text = long_point(ESCAPE_BYTES * CHARACTERS + 14);
    for (size_t i = 0; i < CHARACTERS; i++)
        memcpy(text + 13 + ESCAPE_BYTES * i, "\\u003c", ESCAPE_BYTES);
    assert_int_equal(read_text(text_of(text), true, 1, &batch, &error), 0);
    assert_int_equal(batch.msgpack_ends[0], 5 + CHARACTERS);
    free(text);
    batch_free(&batch);
}

static void test_imported_point_size_limit(void **state)
{
    (void)state;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    char *text = long_point(JSON_POINT_IMPORT_BYTES_MAX + 100);
    assert_int_equal(read_text(text_of(text), true, 1, &batch, &error), -E2BIG);
    assert_string_equal(error.message, "JSON, line 1, byte 1: a datapoint is longer than 134217728 bytes");
    free(text);
    batch_free(&batch);
}

/* White space is no part of a datapoint and may be longer than any window. */
static void test_long_white_space(void **state)
{
    (void)state;
    size_t size = 2u << 20;
    char *text = malloc(2 * size + 100);
    assert_non_null(text);
    memset(text, '\n', 2 * size + 50);
    memcpy(text + size, "[{\"t\":1,\"d\":1},", 15);
    memcpy(text + 2 * size, "{\"t\":2,\"d\":2}]x", 16);
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    assert_int_equal(read_text(text_of(text), true, 10, &batch, &error), -EBADMSG);
    char expected[128];
    (void)snprintf(expected, sizeof(expected),
        "JSON, line %zu, byte %zu: expected nothing but white space after the array, found 'x'",
        2 * size - 15 + 1, 2 * size + 14);
    assert_string_equal(error.message, expected);
    assert_int_equal(batch.count, 2);
    batch_free(&batch);
    free(text);
}

static void test_line_and_offset(void **state)
{
    (void)state;
    static const char text[] = "[\n{\"t\":1,\"d\":1},\n\n{\"t\":2,\"d\":\"\\n\"},{\"t\":3,\n\"d\":1}\n]\n";
    static const uint64_t lines[] = {2, 4, 4};
    static const uint64_t offsets[] = {15, 34, 49};
    for (size_t chunk = 1; chunk < sizeof(text); chunk++) {
        struct text_source source = text_of(text);
        source.chunk = chunk;
        struct json_points *reader;
        struct batch batch;
        struct error error;
        batch_init(&batch);
        assert_int_equal(
            json_points_open(&(struct json_points_options){0}, text_source_read, &source, &reader), 0);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(json_points_read(reader, &batch, 1, &error), 1);
            assert_int_equal(json_points_line(reader), lines[i]);
            assert_in_range(json_points_offset(reader), offsets[i], offsets[i] + 1);
        }
        assert_int_equal(json_points_read(reader, &batch, 1, &error), 0);
        assert_int_equal(json_points_line(reader), 4);
        assert_int_equal(json_points_offset(reader), sizeof(text) - 1);
        json_points_close(reader);
        batch_free(&batch);
    }
}

static void test_source_failure(void **state)
{
    (void)state;
    struct text_source source = text_of("[{\"t\":1,\"d\":1},{\"t\"");
    source.fails = -EIO;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    assert_int_equal(read_text(source, true, 10, &batch, &error), -EIO);
    assert_string_equal(error.message, "the line broke");
    assert_int_equal(batch.count, 1);
    batch_free(&batch);
}

static void test_sender_limits(void **state)
{
    (void)state;
    char text[400];
    for (int size = 254; size <= 256; size++) {
        struct batch batch;
        struct error error = {0};
        batch_init(&batch);
        (void)snprintf(text, sizeof(text), "[{\"t\":1,\"d\":1,\"o\":\"%0*d\"}]", size, 1);
        int r = read_text(text_of(text), true, 10, &batch, &error);
        assert_int_equal(r, size <= SENDER_BYTES_MAX ? 0 : -E2BIG);
        size_t got = 0;
        if (r == 0)
            (void)batch_sender(&batch, 0, &got);
        assert_int_equal(got, r == 0 ? size : 0);
        batch_free(&batch);
    }
}

/* A batch that is full of senders is handed back; the point that did not fit comes with the next read. */
static void test_full_batch_is_no_error(void **state)
{
    (void)state;
    enum { POINTS = BATCH_SENDERS_MAX + 1000 };
    char *text = malloc(POINTS * 40 + 10);
    assert_non_null(text);
    char *p = text + sprintf(text, "[");
    for (int i = 0; i < POINTS; i++)
        p += sprintf(p, "%s{\"t\":%d,\"d\":1,\"o\":\"s%d\"}", i ? "," : "", i, i);
    (void)sprintf(p, "]");
    struct text_source source = text_of(text);
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    const struct json_points_options options = {.import = true};
    assert_int_equal(json_points_open(&options, text_source_read, &source, &reader), 0);
    assert_int_equal(json_points_read(reader, &batch, POINTS, &error), 1);
    assert_int_equal(batch.count, BATCH_SENDERS_MAX);
    assert_int_equal(json_points_limit(reader), JSON_LIMIT_SENDERS);
    assert_int_equal(json_points_read(reader, &batch, POINTS, &error), -E2BIG); /* nothing fits: say so */
    assert_int_equal(batch.count, BATCH_SENDERS_MAX);
    size_t size;
    assert_memory_equal(batch_sender(&batch, 65534, &size), "s65534", 6);
    batch_clear(&batch);
    assert_int_equal(json_points_read(reader, &batch, POINTS, &error), 0);
    assert_int_equal(batch.count, 1000);
    assert_memory_equal(batch_sender(&batch, 0, &size), "s65535", 6);
    assert_true(batch_time(&batch, 0) == 65535);
    json_points_close(reader);
    batch_free(&batch);
    free(text);
}

/* Each limit of a batch is known by its name: values of 1 MiB fill it long before its points. */
static void test_full_of_bytes(void **state)
{
    enum { VALUE_BYTES = 1 << 20, POINTS = 70 };
    (void)state;
    char *text = malloc((size_t)POINTS * (VALUE_BYTES + 40));
    assert_non_null(text);
    char *p = text + sprintf(text, "[");
    for (int i = 0; i < POINTS; i++) {
        p += sprintf(p, "%s{\"t\":%d,\"d\":\"", i ? "," : "", i + 1);
        memset(p, 'x', VALUE_BYTES);
        p += VALUE_BYTES + sprintf(p + VALUE_BYTES, "\"}");
    }
    (void)sprintf(p, "]");
    struct text_source source = text_of(text);
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    const struct json_points_options options = {.import = false};
    assert_int_equal(json_points_open(&options, text_source_read, &source, &reader), 0);
    assert_int_equal(json_points_read(reader, &batch, BATCH_POINTS_MAX, &error), 1);
    assert_int_equal(json_points_limit(reader), JSON_LIMIT_BYTES);
    assert_int_equal(batch.count, BATCH_BYTES_MAX / VALUE_BYTES - 1);
    json_points_close(reader);
    batch_free(&batch);
    free(text);
}

/* A value that no batch can hold, of a text that an import may have. */
static void test_value_larger_than_a_batch(void **state)
{
    enum { VALUE_BYTES = BATCH_BYTES_MAX };
    (void)state;
    char *text = malloc(VALUE_BYTES + 40);
    assert_non_null(text);
    char *p = text + sprintf(text, "[\n{\"t\":1,\"d\":\"");
    memset(p, 'x', VALUE_BYTES);
    (void)sprintf(p + VALUE_BYTES, "\"}]");
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    assert_int_equal(read_text(text_of(text), true, 1, &batch, &error), -E2BIG);
    assert_string_equal(error.message, "JSON, line 2, byte 2: the value of the datapoint takes more than 64 "
                                       "MiB, the most that one can hold");
    assert_int_equal(batch.count, 0);
    batch_free(&batch);
    free(text);
}

/* An object of many members, all keys twice: order of the first ones, values of the last ones. */
static void test_many_equal_keys(void **state)
{
    (void)state;
    static const int counts[] = {2, 15, 16, 17, 31, 32, 33, 100, 5000};
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        int count = counts[c];
        char *text = malloc((size_t)count * 64 + 100);
        char *expected = malloc((size_t)count * 32 + 100);
        assert_non_null(text);
        assert_non_null(expected);
        char *p = text + sprintf(text, "[{\"t\":1,\"d\":{");
        char *q = expected + sprintf(expected, "{\"t\":1,\"d\":{");
        for (int i = 0; i < count; i++) {
            p += sprintf(p, "%s\"key-%d\":[%d]", i ? "," : "", i * 7 % count, i);
            q += sprintf(q, "%s\"key-%d\":\"%d\"", i ? "," : "", i * 7 % count, i * 7 % count);
        }
        for (int i = 0; i < count; i++)
            p += sprintf(p, ",\"key-%d\":\"%d\"", i, i);
        (void)sprintf(p, "}}]");
        (void)sprintf(q, "}}");
        if (count % 7 != 0) {
            struct batch batch;
            struct error error = {0};
            batch_init(&batch);
            assert_int_equal(read_text(text_of(text), true, 10, &batch, &error), 0);
            char *printed = print_batch(&batch);
            assert_string_equal(printed, expected);
            free(printed);
            batch_free(&batch);
        }
        free(text);
        free(expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest_rules),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_points_of_unknown_keys_only),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_import_rules),
        cmocka_unit_test(test_null_can_be_refused),
        cmocka_unit_test(test_missing_times_are_marked),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_point_size_limit),
        cmocka_unit_test(test_escaped_point_size),
        cmocka_unit_test(test_imported_point_size_limit),
        cmocka_unit_test(test_long_white_space),
        cmocka_unit_test(test_line_and_offset),
        cmocka_unit_test(test_source_failure),
        cmocka_unit_test(test_sender_limits),
        cmocka_unit_test(test_full_batch_is_no_error),
        cmocka_unit_test(test_full_of_bytes),
        cmocka_unit_test(test_value_larger_than_a_batch),
        cmocka_unit_test(test_many_equal_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
