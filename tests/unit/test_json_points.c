/* JSON text <-> datapoints: every rule, every chunk boundary, exact places of errors, no allocation per point. */
#include "test.h"

#include "bytes.h"
#include "json_internal.h"
#include "json_points.h"
#include "msgpack_internal.h"
#include "msgpack_value.h"

#include <inttypes.h>
#include <math.h>

/* A text that is handed out in chunks. */
struct text_source {
    const char *text;
    size_t size;
    size_t chunk; /* largest; 0 = as much as is asked for */
    struct test_random *random; /* chunks of 1..chunk */
    uint64_t bytes_asked;
    int fails; /* -errno at the text's end */
};

static long text_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text_source *source = context;
    size_t part = source->size < size ? source->size : size;
    size_t chunk = source->chunk;
    if (source->random)
        chunk = 1 + test_random_below(source->random, chunk);
    if (chunk > 0 && part > chunk)
        part = chunk;
    if (part == 0 && source->fails)
        return error_set(ret_error, -source->fails, "the line broke");
    memcpy(buffer, source->text, part);
    source->text += part;
    source->size -= part;
    source->bytes_asked += size;
    return (long)part;
}

/* Reads the whole text into the batch, points_max at a time; returns the last answer. */
static int read_text(struct text_source source, bool import, uint32_t points_max, struct batch *batch,
    struct error *ret_error)
{
    struct json_points *reader;
    const struct json_points_options options = {.import = import};
    assert_int_equal(json_points_open(&options, text_read, &source, &reader), 0);
    int r;
    do {
        uint32_t before = batch->count;
        r = json_points_read(reader, batch, points_max, ret_error);
        assert_true(batch->count - before <= points_max);
    } while (r == 1);
    if (r < 0) { /* a failed reader stays failed, and says the same */
        struct error again = {0};
        uint32_t before = batch->count;
        assert_int_equal(json_points_read(reader, batch, points_max, &again), r);
        assert_string_equal(again.message, ret_error->message);
        assert_int_equal(batch->count, before);
    }
    json_points_close(reader);
    return r;
}

static struct text_source text_of(const char *text)
{
    return (struct text_source){.text = text, .size = strlen(text)};
}

static char *print_batch(const struct batch *batch)
{
    struct sink sink;
    assert_int_equal(sink_memory_init(&sink, 1u << 28), 0);
    assert_int_equal(json_points_print(&sink, batch, true), 0);
    assert_int_equal(sink_write(&sink, "", 1), 0);
    return (char *)sink.buffer; /* freed with free */
}

/* Whatever the chunks, the text must give the same points and the same answer. */
static void check_text(const char *text, bool import, int expected, const char *message, const char *printed)
{
    size_t size = strlen(text);
    size_t chunks_max = size < 300 ? size + 1 : 300;
    for (size_t chunk = 0; chunk <= chunks_max; chunk++) {
        struct batch batch;
        struct error error = {0};
        struct text_source source = text_of(text);
        source.chunk = chunk;
        batch_init(&batch);
        int r = read_text(source, import, chunk % 3 ? 1000 : 1, &batch, &error);
        if (r != expected)
            fail_msg("%s: %d (%s), expected %d", text, r, error.message, expected);
        if (message && strcmp(error.message, message) != 0)
            fail_msg("%s in chunks of %zu:\n%s\n%s", text, chunk, error.message, message);
        char *again = print_batch(&batch);
        if (printed && strcmp(again, printed) != 0)
            fail_msg("%s in chunks of %zu:\n%s\n%s", text, chunk, again, printed);
        free(again);
        batch_free(&batch);
    }
}

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
        {"[{\"timestamp\":1,\"data\":2}]", "{\"t\":null,\"d\":null}"},
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
            "{\"t\":1,\"d\":1,\"o\":\"a\"},{\"t\":2,\"d\":1},{\"t\":3,\"d\":1},{\"t\":4,\"d\":1,\"o\":\"b\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_text(cases[i].text, false, 0, NULL, cases[i].printed);
}

/* Texts that are the same points however they are laid out and whatever lane they need. */
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
        {"[{\"t\":1,\"d\":-9223372036854775808},{\"t\":2,\"d\":9223372036854775807},{\"t\":3,\"d\":-1}]", NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":-0},{\"t\":3,\"d\":0}]", NULL},
        {"[{\"t\":1,\"d\":4503599627370495},{\"t\":2,\"d\":0.5},{\"t\":3,\"d\":0.25}]", NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":true},{\"t\":3,\"d\":\"x\"},{\"t\":4,\"d\":1.5},{\"t\":5,\"d\":false}]", NULL},
        {"[{\"t\":1,\"d\":true},{\"t\":2,\"d\":false},{\"t\":3,\"d\":true},{\"t\":4,\"d\":0}]", NULL},
        {"[{\"t\":1.5,\"d\":1},{\"t\":9007199254740992,\"d\":1},{\"t\":9007199254740994,\"d\":1}]", NULL},
        {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":5.0},{\"t\":3,\"d\":20.50},{\"t\":4,\"d\":1e2},{\"t\":5.000,\"d\":0.10}]",
            "{\"t\":1,\"d\":1},{\"t\":2,\"d\":5},{\"t\":3,\"d\":20.5},{\"t\":4,\"d\":100},{\"t\":5,\"d\":0.1}"},
        {"[{\"t\":1,\"d\":1},{\"t\":9007199254740993,\"d\":1},{\"t\":9223372036854775808,\"d\":1}]",
            "{\"t\":1,\"d\":1},{\"t\":9007199254740992,\"d\":1},{\"t\":9223372036854776000,\"d\":1}"},
        {"[{\"t\": 1, \"d\": 1}, {\"t\": 2, \"d\": 2},\n{\"t\": 3, \"d\": 3} , {\"t\":4,\"d\":4},{ \"t\":5,\"d\":5}]",
            "{\"t\":1,\"d\":1},{\"t\":2,\"d\":2},{\"t\":3,\"d\":3},{\"t\":4,\"d\":4},{\"t\":5,\"d\":5}"},
        {"[{\"t\":1,\"d\":12345678},{\"t\":12345678,\"d\":123456789012345},{\"t\":12345678.12345678,\"d\":1234567.1},"
         "{\"t\":1234567890123456,\"d\":0.123456789012345}]",
            NULL},
        {"[{\"t\":1,\"d\":0.1},{\"t\":2,\"d\":0.73579135712345671},{\"t\":3,\"d\":-0.1234567890123456789},"
         "{\"t\":4,\"d\":12345678.123456789012345678901},{\"t\":5,\"d\":12345678901234567890.5}]",
            "{\"t\":1,\"d\":0.1},{\"t\":2,\"d\":0.7357913571234567},{\"t\":3,\"d\":-0.12345678901234568},"
            "{\"t\":4,\"d\":12345678.12345679},{\"t\":5,\"d\":12345678901234567168}"},
        {"[{\"t\":1,\"d\":[]},{\"t\":2,\"d\":{}},{\"t\":3,\"d\":[[[]],{\"a\":{}}]},{\"t\":4,\"d\":\"\"}]", NULL},
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
            (void)snprintf(expected, sizeof(expected), "%.*s", (int)strlen(cases[i].text) - 2, cases[i].text + 1);
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
        {"\\ud800\\u0041", "\xef\xbf\xbd" "A"},
        {"\\ud800\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\\ud800\\n", "\xef\xbf\xbd\\n"},
        {"\\ud800 tail", "\xef\xbf\xbd tail"},
        {"\\uffff\\ufeff", "\xef\xbf\xbf\xef\xbb\xbf"},
        {"long plain text, then \\\" and more of it <here>", "long plain text, then \\\" and more of it \\u003chere\\u003e"},
        {"0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char in[256];
        char out[256];
        (void)snprintf(in, sizeof(in), "[{\"t\":1,\"d\":\"%s\"},{\"t\":2,\"d\":{\"%s\":1},\"o\":\"%s\"}]", cases[i].in,
            cases[i].in, cases[i].in);
        (void)snprintf(out, sizeof(out), "{\"t\":1,\"d\":\"%s\"},{\"t\":2,\"d\":{\"%s\":1},\"o\":\"%s\"}", cases[i].out,
            cases[i].out, cases[i].out);
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
        {"\xef\xbb\xbf[]", "line 1, byte 0: expected '[', the start of an array of datapoints, found byte 0xef", ""},
        {"[", "line 1, byte 1: the text ends too early", ""},
        {"[1]", "line 1, byte 1: expected '{', the start of a datapoint, found '1'", ""},
        {"[[]]", "line 1, byte 1: expected '{', the start of a datapoint, found '['", ""},
        {"[,]", "line 1, byte 1: expected '{', the start of a datapoint, found ','", ""},
        {"[{\"t\":1,\"d\":1}", "line 1, byte 14: the text ends too early", "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1},]", "line 1, byte 15: expected '{', the start of a datapoint, found ']'",
            "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1}],", "line 1, byte 15: expected nothing but white space after the array, found ','",
            "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1}][]", "line 1, byte 15: expected nothing but white space after the array, found '['",
            "{\"t\":1,\"d\":1}"},
        {"[{\"t\":1,\"d\":1} {\"t\":2,\"d\":1}]", "line 1, byte 15: expected ',' or ']' after a datapoint, found '{'",
            "{\"t\":1,\"d\":1}"},
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
        {"[{\"t\":1,\"d\":2},\n{\"t\":2,\"d\":3},\n\n{\"t\":x}]", "line 4, byte 37: expected a number as \"t\", found 'x'",
            "{\"t\":1,\"d\":2},{\"t\":2,\"d\":3}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[256];
        (void)snprintf(message, sizeof(message), "JSON, %s", cases[i].message);
        check_text(cases[i].text, false, -EBADMSG, message, cases[i].points);
        if (cases[i].text[0] == '[')
            check_text(cases[i].text, true, -EBADMSG, message, cases[i].points);
    }
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
        assert_int_equal(json_points_open(&options, text_read, &source, &reader), 0);
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
    assert_int_equal(batch.times.kind, LANE_DECIMAL);
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
        (void)snprintf(message, sizeof(message), "JSON, line 1, byte %zu: arrays and objects are nested deeper than 64",
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
    assert_int_equal(read_text(source, true, 1, &batch, &error), 0);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.msgpack_ends[0], 5 + JSON_POINT_BYTES_MAX - 14);
    free(text);
    batch_clear(&batch);
    text = long_point(JSON_POINT_BYTES_MAX + 100);
    assert_int_equal(read_text(text_of(text), true, 1, &batch, &error), -E2BIG);
    assert_string_equal(error.message, "JSON, line 1, byte 1: a datapoint is longer than 16777216 bytes");
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
        "JSON, line %zu, byte %zu: expected nothing but white space after the array, found 'x'", 2 * size - 15 + 1,
        2 * size + 14);
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
        assert_int_equal(json_points_open(&(struct json_points_options){0}, text_read, &source, &reader), 0);
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
    assert_int_equal(json_points_open(&options, text_read, &source, &reader), 0);
    assert_int_equal(json_points_read(reader, &batch, POINTS, &error), 1);
    assert_int_equal(batch.count, BATCH_SENDERS_MAX);
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

/* Random points of all kinds, in random chunks, read, printed, read again. */
static char *random_text(struct test_random *random, unsigned points, unsigned kinds)
{
    char *text = malloc(points * 100u + 10);
    assert_non_null(text);
    char *p = text + sprintf(text, "[");
    for (unsigned i = 0; i < points; i++) {
        p += sprintf(p, "%s{\"t\":%.*f,\"d\":", i == 0 ? "" : test_random_below(random, 9) ? "," : " , ",
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
        struct test_random random = {kinds};
        char *text = random_text(&random, 1000, kinds);
        struct batch batch;
        struct error error = {0};
        batch_init(&batch);
        assert_int_equal(read_text(text_of(text), true, UINT32_MAX, &batch, &error), 0);
        char *expected = print_batch(&batch);
        struct sink sink = {.buffer = collector.buffer, .capacity = sizeof(collector.buffer), .flush = collect,
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
        free(text);
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
        struct test_random random = {kinds};
        char *text = random_text(&random, 1000, kinds);
        struct batch batch;
        struct error error = {0};
        batch_init(&batch);
        assert_int_equal(read_text(text_of(text), true, UINT32_MAX, &batch, &error), 0);
        static uint8_t buffer[SINK_RESERVE_MAX];
        struct sink sink = {.buffer = buffer, .capacity = sizeof(buffer), .flush = refuse};
        assert_int_equal(json_points_print(&sink, &batch, true), -ENOSPC);
        free(text);
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

/* Where deviations.md wants another text than the vector: all digits of an integer, null written out, the keys'
 * order kept. */
static const char *deviation(const char *in)
{
    static const char *const cases[][2] = {
        {"9007199254740993", "9007199254740993"}, {"18014398509481985", "18014398509481985"},
        {"9223372036854775807", "9223372036854775807"}, {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"}, {"-9223372036854775808", "-9223372036854775808"},
        {"72057594037927936", "72057594037927936"}, {"null", "null"}, {"{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"},
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
    (void)snprintf(expected, sizeof(expected), as_time ? "{\"t\":%s,\"d\":1}" : "{\"t\":1,\"d\":%s}", expected_out);
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
        cmocka_unit_test(test_rest_rules),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_import_rules),
        cmocka_unit_test(test_null_can_be_refused),
        cmocka_unit_test(test_missing_times_are_marked),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_point_size_limit),
        cmocka_unit_test(test_long_white_space),
        cmocka_unit_test(test_line_and_offset),
        cmocka_unit_test(test_source_failure),
        cmocka_unit_test(test_sender_limits),
        cmocka_unit_test(test_full_batch_is_no_error),
        cmocka_unit_test(test_many_equal_keys),
        cmocka_unit_test(test_random_round_trip),
        cmocka_unit_test(test_print_in_pieces),
        cmocka_unit_test(test_print_to_a_failing_sink),
        cmocka_unit_test(test_not_finite_is_null),
        cmocka_unit_test(test_recorded_literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
