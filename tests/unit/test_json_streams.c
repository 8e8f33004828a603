/* Texts with datapoints of several streams: both shapes, every chunk boundary, exact places of errors. */
#include "json_text.h"

#include "json_streams.h"

#include <stdio.h>

enum { PRINTED_BYTES = 4096 };

/* Appends "path=points;" to `printed`. */
static void print_stream(
    char printed[PRINTED_BYTES], const char *path, size_t size, const struct batch *batch)
{
    char *points = print_batch(batch);
    size_t used = strlen(printed);
    int length =
        snprintf(printed + used, PRINTED_BYTES - used, "%.*s=%s;", (int)size, size > 0 ? path : "", points);
    assert_true(length > 0 && (size_t)length < PRINTED_BYTES - used);
    free(points);
}

static int read_stream(
    struct json_streams *reader, struct batch *batch, uint32_t points_max, struct error *ret_error)
{
    int r;
    do {
        uint32_t before = batch->count;
        r = json_streams_read(reader, batch, points_max, ret_error);
        assert_true(batch->count - before <= points_max);
    } while (r == 1);
    return r;
}

/* Reads the whole text; a stream with an error is not printed. */
static int read_streams(
    struct text_source source, uint32_t points_max, char printed[PRINTED_BYTES], struct error *ret_error)
{
    struct json_streams *reader;
    struct batch batch;
    int r;
    batch_init(&batch);
    printed[0] = '\0';
    assert_int_equal(json_streams_open(text_source_read, &source, &reader), 0);
    do {
        const char *path;
        char name[JSON_STREAM_BYTES_MAX + 1];
        size_t size;
        r = json_streams_next(reader, &path, &size, ret_error);
        if (r != 1)
            break;
        memcpy(name, path, size); /* valid until the next call only */
        batch_clear(&batch);
        r = read_stream(reader, &batch, points_max, ret_error);
        if (r == 0)
            print_stream(printed, name, size, &batch);
    } while (r == 0);
    if (r < 0) { /* a failed reader stays failed */
        const char *path;
        size_t size;
        struct error again = {0};
        assert_int_equal(json_streams_next(reader, &path, &size, &again), r);
        assert_string_equal(again.message, ret_error->message);
    }
    json_streams_close(reader);
    batch_free(&batch);
    return r;
}

/* Whatever the chunks, the text gives the same answer, message and points. */
static void check(const char *text, int expected, const char *message, const char *wanted)
{
    size_t chunks_max = strlen(text) < 200 ? strlen(text) + 1 : 200;
    for (size_t chunk = 0; chunk <= chunks_max; chunk++) {
        struct text_source source = text_of(text);
        struct error error = {0};
        char printed[PRINTED_BYTES];
        source.chunk = chunk;
        assert_int_equal(read_streams(source, chunk % 3 ? 1 : UINT32_MAX, printed, &error), expected);
        if (message)
            assert_string_equal(error.message, message);
        assert_string_equal(printed, wanted);
    }
}

static void test_objects(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } CASES[] = {
        {"{}", ""},
        {" { } \n", ""},
        {"{\"a/b/c\":[]}", "a/b/c=;"},
        {"{\"a/b/c\":[{\"t\":1,\"d\":2}]}", "a/b/c={\"t\":1,\"d\":2};"},
        {"\xef\xbb\xbf{\"a/b/c\" : [ {\"t\":1,\"d\":2} , {\"t\":2,\"d\":\"x\"} ] , \"a/b/d\":[{\"d\":[]}]}\n",
            "a/b/c={\"t\":1,\"d\":2},{\"t\":2,\"d\":\"x\"};a/b/d={\"t\":null,\"d\":[]};"},
        {"{\"a/b/c\":[{\"t\":1,\"d\":2}],\"a/b/c\":[{\"t\":3,\"d\":4}]}",
            "a/b/c={\"t\":1,\"d\":2};a/b/c={\"t\":3,\"d\":4};"},
        {"{\"\\u0061/b\":[{\"t\":1,\"d\":2}],\"s\":[]}", "a/b={\"t\":1,\"d\":2};s=;"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check(CASES[i].text, 0, NULL, CASES[i].wanted);
}

static void test_lines(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } CASES[] = {
        {"{\"s\":\"a/b/c\",\"t\":1,\"d\":2}", "a/b/c={\"t\":1,\"d\":2};"},
        {"\n{\"t\":1,\"d\":2,\"s\":\"a/b/c\"}\r\n\n", "a/b/c={\"t\":1,\"d\":2};"},
        {"{\"s\":\"a/b/c\",\"t\":1,\"d\":2}\n{\"d\":4,\"s\":\"a/b/c\",\"t\":3}\n{\"s\":\"a/b/"
         "d\",\"d\":\"x\"}\n"
         "{\"s\":\"a/b/c\",\"t\":5,\"d\":{\"k\":[1]}}\n",
            "a/b/c={\"t\":1,\"d\":2},{\"t\":3,\"d\":4};a/b/d={\"t\":null,\"d\":\"x\"};"
            "a/b/c={\"t\":5,\"d\":{\"k\":[1]}};"},
        {"{\"s\":\"x\",\"t\":1,\"d\":2,\"o\":\"u/d\"}\n{\"S\":\"x\",\"T\":2,\"D\":true,\"unit\":\"C\"}",
            "x={\"t\":1,\"d\":2,\"o\":\"u/d\"},{\"t\":2,\"d\":true};"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check(CASES[i].text, 0, NULL, CASES[i].wanted);
}

static void test_errors_name_their_place(void **state)
{
    static const struct {
        const char *text;
        const char *message;
        const char *wanted;
    } CASES[] = {
        {"", "JSON, line 1, byte 0: the text ends too early", ""},
        {"[]",
            "JSON, line 1, byte 0: expected '{', the start of an object of streams or of a line with a "
            "datapoint, found '['",
            ""},
        {"{1", "JSON, line 1, byte 1: expected the path of a stream in double quotes, found '1'", ""},
        {"{\"a/b/c\" []}", "JSON, line 1, byte 9: expected ':' after the path of a stream, found '['", ""},
        {"{\"a/b/c\":{}}",
            "JSON, line 1, byte 9: expected '[', the start of an array of datapoints, found '{'", ""},
        {"{\"a/b/c\":null}",
            "JSON, line 1, byte 9: expected '[', the start of an array of datapoints, found 'n'", ""},
        {"{\"a/b/c\":[],\n\"a/b/d\":[{\"t\":x}]}",
            "JSON, line 2, byte 27: expected a number as \"t\", found 'x'", "a/b/c=;"},
        {"{\"a/b/c\":[]", "JSON, line 1, byte 11: the text ends too early", "a/b/c=;"},
        {"{\"a/b/c\":[] \"a\"",
            "JSON, line 1, byte 12: expected ',' or '}' after the datapoints of a stream, found '\"'",
            "a/b/c=;"},
        {"{\"a/b/c\":[],}",
            "JSON, line 1, byte 12: expected the path of a stream in double quotes, found '}'", "a/b/c=;"},
        {"{\"a/b/c\":[]} x",
            "JSON, line 1, byte 13: expected nothing but white space after the object, found 'x'", "a/b/c=;"},
        {"{\"t\":1,\"d\":2}", "JSON, line 1, byte 0: a datapoint without \"s\", the path of its stream", ""},
        {"{\"s\":\"a/b/c\",\"t\":1,\"d\":2}\n{\"s\":\"a/b/d\",\"t\":}",
            "JSON, line 2, byte 43: expected a number as \"t\", found '}'", ""},
        {"{\"s\":\"a/b/c\",\"t\":1,\"d\":2},",
            "JSON, line 1, byte 25: expected '{', the start of a line with a datapoint, found ','", ""},
        {"{\"s\":7,\"t\":1,\"d\":2}", "JSON, line 1, byte 5: expected a string as \"s\", found '7'", ""},
        {"{\"s\":\"a/b/c\",\"value\":1}",
            "JSON, line 1, byte 0: a datapoint without \"t\", \"d\" and \"o\": its other keys are unknown; "
            "the "
            "value belongs in \"d\"",
            ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check(CASES[i].text, -EBADMSG, CASES[i].message, CASES[i].wanted);
}

static void test_long_paths_are_refused(void **state)
{
    char path[JSON_STREAM_BYTES_MAX + 2], text[sizeof(path) + 64];
    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    path[1] = '/';
    path[sizeof(path) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"%s\":[]}", path);
    check(text, -E2BIG, "JSON, line 1, byte 1: the path of a stream is longer than 1024 bytes", "");
    (void)snprintf(text, sizeof(text), "{\"s\":\"%s\",\"d\":1}", path);
    check(text, -E2BIG, "JSON, line 1, byte 5: \"s\" is longer than 1024 bytes", "");
}

static void test_source_failure(void **state)
{
    static const char *const TEXTS[] = {"", "{", "{\"a/b\":[", "{\"a/b\":[]", "{\"s\":\"x\",\"d\":1}\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct text_source source = text_of(TEXTS[i]);
        struct error error = {0};
        char printed[PRINTED_BYTES];
        source.fails = -EIO;
        assert_int_equal(read_streams(source, 10, printed, &error), -EIO);
        assert_string_equal(error.message, "the line broke");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_errors_name_their_place),
        cmocka_unit_test(test_long_paths_are_refused),
        cmocka_unit_test(test_source_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
