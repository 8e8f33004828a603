/* JSON Schema: the official suite's cases when its package is installed, and tables of our own that always
 * run. */
#include "schema/compile.h"
#include "json_points.h"
#include "sanitizers.h"
#include "schema.h"
#include "test.h"
#include "uri.h"
#include "schema/value.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>

#define SUITE "/usr/share/json-schema-test-suite/tests/draft4"

/* ---- helpers ---- */

struct text {
    const char *at;
    size_t left;
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text *text = context;
    (void)ret_error;
    size_t count = text->left < size ? text->left : size;
    memcpy(buffer, text->at, count);
    text->at += count;
    text->left -= count;
    return (long)count;
}

/* The end of the JSON value at text. */
static const char *value_end(const char *text)
{
    int depth = 0;
    bool string = false;
    for (; *text && (string || depth > 0 || *text != ','); text++) {
        if (string && *text == '\\')
            text++;
        else if (*text == '"')
            string = !string;
        else if (!string)
            depth += (*text == '[' || *text == '{') - (*text == ']' || *text == '}');
    }
    return text;
}

/* A batch of the JSON values in `values`, separated by commas: `1,"a"`. */
static void batch_of(const char *values, struct batch *batch)
{
    struct error error = {0};
    struct json_points *reader;
    char *text = malloc(16 * strlen(values) + 64), *at = stpcpy(text, "[");
    for (const char *value = values, *end; *value; value = *end ? end + 1 : end) {
        end = value_end(value);
        at += sprintf(at, "%s{\"t\":1,\"d\":%.*s}", at[-1] == '[' && at - 1 == text ? "" : ",",
            (int)(end - value), value);
    }
    (void)strcpy(at, "]");
    struct text source = {text, strlen(text)};
    batch_init(batch);
    assert_int_equal(json_points_open(&(struct json_points_options){0}, read_text, &source, &reader), 0);
    int r = json_points_read(reader, batch, BATCH_POINTS_MAX, &error);
    if (r < 0)
        fail_msg("%s: %s", values, error.message);
    json_points_close(reader);
    free(text);
}

static struct schema *compile(const char *text)
{
    struct schema *schema;
    struct error error = {0};
    if (schema_compile(text, strlen(text), &schema, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return schema;
}

static int check_values(const struct schema *schema, const char *values, struct error *error)
{
    struct batch batch;
    batch_of(values, &batch);
    int r = schema_check(schema, &batch, error);
    batch_free(&batch);
    return r;
}

/* ---- the official suite ---- */

/* Cases that need another document: never loaded (refRemote.json as a whole). */
static unsigned run_group(const json_t *group, const char *file)
{
    char *text = json_dumps(json_object_get(group, "schema"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    struct schema *schema;
    struct error error = {0};
    size_t i;
    json_t *test;
    if (schema_compile(text, strlen(text), &schema, &error) < 0)
        fail_msg("%s, %s: %s", file, json_string_value(json_object_get(group, "description")), error.message);
    json_array_foreach(json_object_get(group, "tests"), i, test)
    {
        char *value = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        int r = check_values(schema, value, &error);
        bool valid = json_is_true(json_object_get(test, "valid"));
        if (valid ? r != 0 : r != -EINVAL)
            fail_msg("%s, %s, %s: %s is %d (%s)", file,
                json_string_value(json_object_get(group, "description")),
                json_string_value(json_object_get(test, "description")), value, r, error.message);
        free(value);
    }
    schema_free(schema);
    free(text);
    return (unsigned)i;
}

static unsigned run_file(const char *name)
{
    char *path = test_path(SUITE, "%s", name);
    json_error_t error;
    json_t *groups = json_load_file(path, 0, &error), *group;
    unsigned cases = 0;
    size_t i;
    if (!groups)
        fail_msg("%s: %s", path, error.text);
    json_array_foreach(groups, i, group) cases += run_group(group, name);
    json_decref(groups);
    free(path);
    return cases;
}

static void test_official_suite(void **state)
{
    unsigned cases = 0;
    struct dirent *entry;
    (void)state;
    DIR *folder = opendir(SUITE);
    if (!folder)
        test_skip("%s is not there (package json-schema-test-suite)", SUITE);
    while ((entry = readdir(folder))) {
        size_t size = strlen(entry->d_name);
        if (size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0 &&
            strcmp(entry->d_name, "refRemote.json") != 0)
            cases += run_file(entry->d_name);
    }
    closedir(folder);
    cases +=
        run_file("optional/format.json"); /* optional/zeroTerminatedFloats.json: 5.0 is an integer here */
    print_message("%u cases of the official suite\n", cases);
    assert_true(cases >= 250);
}

/* ---- values ---- */

struct value_case {
    const char *schema, *valid, *invalid; /* invalid: each value alone is refused; separated by \n */
};

static const struct value_case VALUE_CASES[] = {
    {"{}", "1,\"a\",null,{},[]", NULL},
    {"{\"type\":\"number\"}", "1,2.5,-3e300", "\"1\"\nnull\ntrue\n[1]"},
    {"{\"type\":\"integer\"}", "1,5.0,-7,18446744073709551615", "1.5\n\"1\""},
    {"{\"type\":\"boolean\"}", "true,false", "0\nnull\n\"true\""},
    {"{\"type\":[\"null\",\"string\"]}", "null,\"\"", "1\nfalse"},
    {"{\"minimum\":0,\"maximum\":10}", "0,10,\"x\"", "-1\n10.5\n-0.001"},
    {"{\"minimum\":0,\"exclusiveMinimum\":true}", "0.1,1", "0\n-1"},
    {"{\"maximum\":9007199254740993}", "9007199254740993,1.5", "9007199254740994\n1e300"},
    {"{\"multipleOf\":0.01}", "0.07,19.99,1e22,4.35", "0.001\n19.999"},
    {"{\"multipleOf\":3}", "9,-12,0,3000000000000000000", "1\n3000000000000000001\n1e-300"},
    {"{\"enum\":[1,\"a\",null,{\"b\":[2.50]}]}", "1,1.0,\"a\",null,{\"b\":[2.5]}",
        "2\n\"b\"\n{\"b\":[2]}\n{}"},
    {"{\"uniqueItems\":true}", "[1,2],[{\"a\":1,\"b\":2},{\"a\":1,\"b\":3}],[0,false],[[1],[2]]",
        "[1,1.0]\n[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]\n[[1],[1]]\n[0,-0.0]"},
    {"{\"minLength\":2,\"maxLength\":3}", "\"\\u00e4\\u00f6\",\"abc\",5",
        "\"a\"\n\"abcd\"\n\"\\ud83d\\ude00\""},
    {"{\"pattern\":\"^a.c$\"}", "\"abc\",\"a\\u00e4c\",7", "\"abcd\"\n\"abc\\n\"\nlast"},
    {"{\"properties\":{\"a\":{\"type\":\"number\"}},\"required\":[\"a\",\"b\"],\"additionalProperties\":"
     "false}",
        "", "{\"a\":1}\n{\"a\":\"x\",\"b\":1}\n{\"a\":1,\"b\":2,\"c\":3}"},
    {"{\"definitions\":{\"n\":{\"type\":\"number\"}},\"$ref\":\"#/definitions/n\"}", "1", "\"x\""},
    {"{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
        "{\"next\":{\"next\":{}}}", "{\"next\":{\"other\":1}}\n{\"next\":1}"},
    {"{\"definitions\":{\"x\":{\"id\":\"#here\",\"type\":\"string\"}},\"items\":{\"$ref\":\"#here\"}}",
        "[\"a\"]", "[1]"},
    {"{\"format\":\"email\"}", "\"a@b.c\",5", "\"x\"\n\"a@\"\n\"@b.c\""},
    {"{\"format\":\"date-time\"}", "\"2016-12-11T10:00:00Z\",\"2016-02-29t00:00:60.5+01:30\"",
        "\"2015-02-29T00:00:00Z\"\n\"2016-12-11\"\n\"2016-12-11T10:00:00\""},
    {"{\"format\":\"nobody knows\"}", "\"x\"", NULL},
    {"{\"$ref\":\"http://json-schema.org/draft-04/schema#\"}", "{\"type\":\"string\"}",
        "{\"type\":5}\n{\"minLength\":-1}"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(VALUE_CASES) / sizeof(VALUE_CASES[0]); i++) {
        const struct value_case *it = &VALUE_CASES[i];
        struct schema *schema = compile(it->schema);
        struct error error = {0};
        if (check_values(schema, it->valid, &error) != 0)
            fail_msg("%s refuses: %s", it->schema, error.message);
        char *values = it->invalid ? strdup(it->invalid) : NULL, *rest = values;
        for (char *value; (value = strsep(&rest, "\n"));)
            if (strcmp(value, "last") != 0 && check_values(schema, value, &error) != -EINVAL)
                fail_msg("%s accepts %s", it->schema, value);
        free(values);
        schema_free(schema);
    }
}

/* ---- messages ---- */

static const struct {
    const char *schema, *values, *message;
} MESSAGES[] = {
    {"{\"type\":\"number\"}", "1,\"x\"", "datapoint 1: d is a string, it must be a number"},
    {"{\"maximum\":100}", "1,2,120.5", "datapoint 2: d is 120.5, it must be at most 100"},
    {"{\"properties\":{\"a\":{\"items\":{\"type\":[\"null\",\"string\"]}}}}", "{\"a\":[null,5]}",
        "datapoint 0: d.a[1] is an integer, it must be a string or "
        "null"},
    {"{\"required\":[\"latitude\"]}", "{}", "datapoint 0: d lacks the member \"latitude\""},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":3}]}", "2",
        "datapoint 0: d conforms to none of the 2 schemas of "
        "\"anyOf\""},
};

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(MESSAGES) / sizeof(MESSAGES[0]); i++) {
        struct schema *schema = compile(MESSAGES[i].schema);
        struct error error = {0};
        assert_int_equal(check_values(schema, MESSAGES[i].values, &error), -EINVAL);
        assert_string_equal(error.message, MESSAGES[i].message);
        schema_free(schema);
    }
}

/* ---- schemas that are none ---- */

static const struct {
    const char *schema, *message; /* part of it */
} BAD_SCHEMAS[] = {
    {"", "not JSON"},
    {"zz", "not JSON: line 1"},
    {"5", "no JSON object"},
    {"[]", "no JSON object"},
    {"null", "no JSON object"},
    {"{\"type\":\"zork\"}", "\"type\": is none of"},
    {"{\"type\":5}", "\"type\""},
    {"{\"type\":[]}", "\"type\": is an empty array"},
    {"{\"properties\":{\"a\":{\"minimum\":\"1\"}}}", "in /properties/a: \"minimum\": is no number"},
    {"{\"properties\":{\"a/b\":{\"type\":1}}}", "in /properties/a~1b"},
    {"{\"anyOf\":[{},{\"maxLength\":-1}]}", "in /anyOf/1: \"maxLength\""},
    {"{\"exclusiveMinimum\":true}", "stands without \"minimum\""},
    {"{\"multipleOf\":0}", "not above 0"},
    {"{\"required\":[]}", "\"required\""},
    {"{\"required\":[1]}", "\"required\""},
    {"{\"enum\":[]}", "\"enum\""},
    {"{\"allOf\":[]}", "\"allOf\""},
    {"{\"not\":true}", "\"not\": is no schema"},
    {"{\"pattern\":\"(\"}", "byte 1 of the pattern"},
    {"{\"patternProperties\":{\"[\":{}}}", "of the pattern"},
    {"{\"dependencies\":{\"a\":5}}", "\"dependencies\""},
    {"{\"$ref\":\"http://example.com/x\"}", "never loaded"},
    {"{\"$ref\":\"#/definitions/nothing\"}", "leads to no schema"},
    {"{\"definitions\":{\"x\":{\"type\":\"zork\"}}}", "in /definitions/x"},
    {"{\"$ref\":\"#\"}", "without end"},
    {"{\"allOf\":[{\"anyOf\":[{\"$ref\":\"#\"}]}]}", "without end"},
    {"{\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},\"b\":{\"not\":{\"$ref\":\"#/definitions/"
     "a\"}}}}",
        "without end"},
    {"{\"a\":1,\"a\":2}", "not JSON"},
};

static void test_bad_schemas(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(BAD_SCHEMAS) / sizeof(BAD_SCHEMAS[0]); i++) {
        struct schema *schema;
        struct error error = {0};
        const char *text = BAD_SCHEMAS[i].schema;
        int r = schema_compile(text, strlen(text), &schema, &error);
        if (r != -EINVAL)
            fail_msg("%s: %d %s", text, r, error.message);
        if (!strstr(error.message, BAD_SCHEMAS[i].message))
            fail_msg("%s: the message is: %s", text, error.message);
    }
}

/* ---- limits ---- */

static char *nested(const char *open, const char *middle, const char *close, unsigned levels)
{
    char *text = calloc(1, levels * (strlen(open) + strlen(close)) + strlen(middle) + 1), *at = text;
    for (unsigned i = 0; i < levels; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, middle);
    for (unsigned i = 0; i < levels; i++)
        at = stpcpy(at, close);
    return text;
}

static void test_deep_schemas_are_refused(void **state)
{
    static const char *const OPENS[] = {"{\"not\":", "{\"items\":", "{\"x\":"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *text = nested(OPENS[i], "{}", "}", 1000);
        struct schema *schema;
        struct error error = {0};
        assert_int_equal(schema_compile(text, strlen(text), &schema, &error), -E2BIG);
        free(text);
    }
}

/* ---- a connection's stack ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES = 1 << 20 }; /* frames are several times as large */
#else
enum { STACK_BYTES = (100 - 32) << 10 }; /* 32 KiB for the functions around */
#endif

struct call {
    const char *schema, *value;
    int compiled, checked;
};

static void *run_call(void *argument)
{
    struct call *call = argument;
    struct schema *schema = NULL;
    struct error error = {0};
    call->compiled = schema_compile(call->schema, strlen(call->schema), &schema, &error);
    if (call->compiled == 0 && call->value)
        call->checked = check_values(schema, call->value, &error);
    schema_free(schema);
    return NULL;
}

static struct call call_on_small_stack(const char *schema, const char *value)
{
    struct call call = {.schema = schema, .value = value};
    pthread_attr_t attributes;
    pthread_t thread;
    (void)pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_call, &call), 0);
    (void)pthread_join(thread, NULL);
    (void)pthread_attr_destroy(&attributes);
    return call;
}

/* Before, 120 parentheses, 2000 brackets, or a value of 60 levels overran the stack. */
static void test_stacks_of_connections_suffice(void **state)
{
#ifdef MEMORY_SANITIZED
    test_skip("a sanitizer's stack frames are several times as large");
#endif
    static const char *const GROUPS[] = {"(", "(?:", "(?=", "(?<=", "(?>", "(a|"};
    static const char *const DEEP[] = {
        "{\"type\":[\"object\",\"string\"],\"properties\":{\"a\":{\"allOf\":[{\"anyOf\":[{\"$ref\":\"#\"}]}]}"
        "}}",
        "{\"dependencies\":{\"a\":{\"properties\":{\"a\":{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}}}"
        "},"
        "\"not\":{\"type\":\"string\"}}",
        "{\"patternProperties\":{\"a\":{\"oneOf\":[{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]},{"
        "\"type\":"
        "\"null\"}]}},\"not\":{\"pattern\":\"x\"}}",
    };
    char text[8192];
    (void)state;
    for (size_t i = 0; i < sizeof(GROUPS) / sizeof(GROUPS[0]); i++) {
        for (unsigned levels = 30; levels <= 240; levels += 210) {
            char *pattern = nested(GROUPS[i], "a", ")", levels);
            (void)snprintf(text, sizeof(text), "{\"pattern\":\"%s\"}", pattern);
            assert_int_equal(call_on_small_stack(text, NULL).compiled, levels > 30 ? -EINVAL : 0);
            free(pattern);
        }
    }
    char *brackets = nested("[", "1", "]", 2000);
    (void)snprintf(text, sizeof(text), "{\"x\":%s}", brackets);
    assert_int_equal(call_on_small_stack(text, NULL).compiled, -E2BIG);
    free(brackets);
    char *value = nested("{\"a\":", "\"x\"", "}", 63);
    for (size_t i = 0; i < sizeof(DEEP) / sizeof(DEEP[0]); i++) {
        struct call call = call_on_small_stack(DEEP[i], value);
        assert_int_equal(call.compiled, 0);
        assert_true(call.checked < 0);
    }
    free(value);
}

/* Before, 40000 ids and 15000 references to them took 8 s to compile. */
static void test_many_ids_are_refused(void **state)
{
    enum { ENTRY_BYTES = 32, TEXT_BYTES = ENTRY_BYTES * (SCHEMA_IDS_MAX + 2) };
    char *text = malloc(TEXT_BYTES);
    (void)state;
    for (int more = 0; more <= 1; more++) {
        struct schema *schema = NULL;
        struct error error = {0};
        char *at = text + sprintf(text, "{\"x\":[");
        for (int i = 0; i < SCHEMA_IDS_MAX + more; i++)
            at += sprintf(at, "%s{\"id\":\"#i%d\"}", i > 0 ? "," : "", i);
        (void)sprintf(at, "]}");
        assert_int_equal(schema_compile(text, strlen(text), &schema, &error), more ? -E2BIG : 0);
        schema_free(schema);
    }
    free(text);
}

/* Before, an allocation that ended within a block's header of the limit was the last one that was limited. */
static void test_compiled_memory_stays_limited(void **state)
{
    struct schema schema = {0};
    struct error error = {0};
    struct compiler compiler = {.schema = &schema, .error = &error};
    (void)state;
    for (size_t size = COMPILE_BYTES_MAX; size > 0; size /= 2) {
        (void)compiler_alloc(&compiler, size - 1);
        assert_in_range(compiler.bytes, 0, COMPILE_BYTES_MAX);
    }
    assert_null(compiler_alloc(&compiler, COMPILE_BYTES_MAX / 2));
    assert_int_equal(error.code, E2BIG);
    blocks_free(schema.blocks);
}

/* Each level doubles the work: 2^30 steps for one value. */
static void test_exponential_schemas_are_cut_off(void **state)
{
    char text[8192], *at = text + sprintf(text, "{\"definitions\":{\"s0\":{\"type\":\"string\"}");
    struct error error = {0};
    (void)state;
    for (int i = 1; i <= 10; i++)
        at += sprintf(at,
            ",\"s%d\":{\"anyOf\":[{\"allOf\":[{\"$ref\":\"#/definitions/s%d\"}]},{\"oneOf\":[{\"$ref\":\"#/"
            "definitions/s%d\"}]},"
            "{\"$ref\":\"#/definitions/s%d\"},{\"$ref\":\"#/definitions/s%d\"}]}",
            i, i - 1, i - 1, i - 1, i - 1);
    (void)sprintf(at, "},\"items\":{\"$ref\":\"#/definitions/s10\"}}");
    struct schema *schema = compile(text);
    assert_int_equal(check_values(schema, "[1]", &error), -E2BIG);
    assert_non_null(strstr(error.message, "steps"));
    assert_int_equal(check_values(schema, "[\"a\"]", &error), 0);
    schema_free(schema);
}

static void test_catastrophic_patterns_are_cut_off(void **state)
{
    struct error error = {0};
    (void)state;
    struct schema *schema = compile("{\"pattern\":\"^(a+)+$\"}");
    assert_int_equal(
        check_values(schema, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", &error), -E2BIG);
    assert_non_null(strstr(error.message, "pattern"));
    assert_int_equal(check_values(schema, "\"aaa\"", &error), 0);
    schema_free(schema);
}

static void test_large_arrays_of_equal_hashes_end(void **state)
{
    struct error error = {0};
    (void)state;
    struct schema *schema = compile("{\"uniqueItems\":true}");
    enum { ITEMS = 100000 };
    char *text = malloc(ITEMS * 8 + 8), *at = stpcpy(text, "[");
    for (int i = 0; i < ITEMS; i++)
        at += sprintf(at, "%d,", i);
    (void)strcpy(at, "0]");
    assert_int_equal(check_values(schema, text, &error), -EINVAL);
    (void)strcpy(at, "-1]");
    assert_int_equal(check_values(schema, text, &error), 0);
    free(text);
    schema_free(schema);
}

/* ---- columns ---- */

static void test_columns_and_values_agree(void **state)
{
    static const char *const SCHEMAS[] = {"{\"type\":\"number\"}", "{\"type\":\"integer\"}",
        "{\"type\":\"boolean\"}", "{\"minimum\":3}", "{\"multipleOf\":0.5}", "{\"enum\":[1,2.5,true]}",
        "{\"type\":\"string\"}", "{\"not\":{\"minimum\":3}}"};
    static const char *const COLUMNS[] = {
        "1,2,3", "1,2.5,7", "2.5,2.5", "true,true", "true,false", "0.1,3e-300", "18446744073709551615,1"};
    (void)state;
    for (size_t i = 0; i < sizeof(SCHEMAS) / sizeof(SCHEMAS[0]); i++) {
        struct schema *schema = compile(SCHEMAS[i]);
        for (size_t j = 0; j < sizeof(COLUMNS) / sizeof(COLUMNS[0]); j++) {
            char mixed[128];
            struct error error = {0};
            int r = check_values(schema, COLUMNS[j], &error);
            /* The same values as elements of arrays are msgpack. */
            char items[128];
            (void)snprintf(items, sizeof(items), "{\"items\":%s}", SCHEMAS[i]);
            struct schema *of_items = compile(items);
            (void)snprintf(mixed, sizeof(mixed), "[%s]", COLUMNS[j]);
            if (check_values(of_items, mixed, &error) != r)
                fail_msg("%s differs on %s", SCHEMAS[i], COLUMNS[j]);
            schema_free(of_items);
        }
        schema_free(schema);
    }
}

/* ---- URIs: RFC 3986, section 5.4 ---- */

static const struct {
    const char *reference, *result;
} REFERENCES[] = {
    {"g:h", "g:h"},
    {"g", "http://a/b/c/g"},
    {"./g", "http://a/b/c/g"},
    {"g/", "http://a/b/c/g/"},
    {"/g", "http://a/g"},
    {"//g", "http://g"},
    {"?y", "http://a/b/c/d;p?y"},
    {"g?y", "http://a/b/c/g?y"},
    {"#s", "http://a/b/c/d;p?q#s"},
    {"g#s", "http://a/b/c/g#s"},
    {"", "http://a/b/c/d;p?q"},
    {".", "http://a/b/c/"},
    {"..", "http://a/b/"},
    {"../g", "http://a/b/g"},
    {"../..", "http://a/"},
    {"../../g", "http://a/g"},
    {"../../../g", "http://a/g"},
    {"/./g", "http://a/g"},
    {"/../g", "http://a/g"},
    {"g.", "http://a/b/c/g."},
    {"..g", "http://a/b/c/..g"},
    {"./../g", "http://a/b/g"},
    {"g/./h", "http://a/b/c/g/h"},
    {"g/../h", "http://a/b/c/h"},
};

static void test_references_resolve(void **state)
{
    char uri[URI_BYTES_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(REFERENCES) / sizeof(REFERENCES[0]); i++) {
        assert_true(uri_resolve("http://a/b/c/d;p?q", REFERENCES[i].reference, uri));
        assert_string_equal(uri, REFERENCES[i].result);
    }
    char *text = nested("x", "", "", URI_BYTES_MAX);
    assert_false(uri_resolve("http://a/", text, uri));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_official_suite),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_deep_schemas_are_refused),
        cmocka_unit_test(test_stacks_of_connections_suffice),
        cmocka_unit_test(test_many_ids_are_refused),
        cmocka_unit_test(test_compiled_memory_stays_limited),
        cmocka_unit_test(test_exponential_schemas_are_cut_off),
        cmocka_unit_test(test_catastrophic_patterns_are_cut_off),
        cmocka_unit_test(test_large_arrays_of_equal_hashes_end),
        cmocka_unit_test(test_columns_and_values_agree),
        cmocka_unit_test(test_references_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
