/* jansson in one block of memory: the block is large enough for every shape of document, and is bounded by
 * the text. */
#include "test.h"

#include "json_arena.h"

enum { REPEATS = 3000 };

/* before, REPEATS times `piece`, after */
static char *repeat(const char *before, const char *piece, const char *after)
{
    size_t size = strlen(piece);
    char *text = malloc(strlen(before) + REPEATS * size + strlen(after) + 1);
    assert_non_null(text);
    char *to = stpcpy(text, before);
    for (int i = 0; i < REPEATS; i++)
        to = stpcpy(to, piece);
    strcpy(to, after);
    return text;
}

static size_t load(const char *text, bool valid)
{
    struct json_arena arena = {0};
    json_error_t error;
    struct json_measure measure = json_measure(text, strlen(text));
    assert_int_equal(json_arena_open(&arena, strlen(text), &measure), 0);
    const json_t *document = json_arena_load(&arena, text, strlen(text), 0, &error);
    if (valid != (document != NULL))
        fail_msg("%.60s: %s", text, document ? "valid" : error.text);
    if (!valid)
        assert_int_not_equal(error.line, -1); /* which would mean that memory was not enough */
    size_t used = arena.used;
    assert_true(used <= arena.size);
    json_arena_close(&arena);
    return used;
}

static void test_any_shape_fits(void **state)
{
    static const struct {
        const char *before, *piece, *after;
        bool valid;
    } CASES[] = {
        {"{\"a\":[", "{},", "0]}", true},
        {"{\"a\":[", "[],", "0]}", true},
        {"{\"a\":[", "{\"\":0},", "0]}", true},
        {"{\"a\":[", "{\"a\":{}},", "0]}", true},
        {"{\"a\":[", "1,", "0]}", true},
        {"{\"a\":[", "1.5,", "0]}", true},
        {"{\"a\":[", "\"\",", "0]}", true},
        {"{\"a\":[", "\"\\u00e9\",", "0]}", true},
        {"{\"a\":[", "true,", "0]}", true},
        {"{\"a\":\"", "x", "\"}", true},
        {"{\"a\":\"", "\\u1234", "\"}", true},
        {"{\"", "k", "\":1}", true},
        {"{", "\"a\":1,", "\"b\":2}", true},
        {"{\"a\":", "[", "", false},
        {"{\"a\":[", "{},", "", false},
        {"{\"a\":[", "1 ", "]}", false},
        {"{\"a\":\"", "x", "", false},
        {"{\"a\":", "\x01", "", false},
        {"{\"a\":", "\xff", "", false},
        {"", "x", "", false},
        {"", "\"", "", false},
        {"", "[1,", "", false},
        {"", " ", "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char *text = repeat(CASES[i].before, CASES[i].piece, CASES[i].after);
        (void)load(text, CASES[i].valid);
        free(text);
    }
    (void)load("{}", true);
}

/* Objects of many different keys, whose hash tables grow. */
static void test_many_keys(void **state)
{
    (void)state;
    for (int count = 1; count < 20000; count = count * 3 / 2 + 1) {
        char *text = malloc((size_t)count * 16 + 16), *to = stpcpy(text, "{");
        for (int i = 0; i < count; i++)
            to += sprintf(to, "%s\"%d\":%d", i ? "," : "", i, i);
        strcpy(to, "}");
        (void)load(text, true);
        free(text);
    }
}

static void test_measure(void **state)
{
    static const struct {
        const char *text;
        size_t depth, values, longest;
    } CASES[] = {
        {"", 0, 0, 0},
        {"{}", 1, 1, 0},
        {"{\"a\":[1,2,{}]}", 3, 6, 3},
        {"{\"[[[\\\"[\": \"{{\"}", 1, 3, 8},
        {"[[[[", 4, 4, 0},
        {"]]]][", 1, 1, 0},
        {"\"abc", 0, 1, 4},
        {"\"abc\\", 0, 1, 5},
        {"true false\nnull", 0, 3, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct json_measure measure = json_measure(CASES[i].text, strlen(CASES[i].text));
        if (measure.depth != CASES[i].depth || measure.values != CASES[i].values ||
            measure.longest != CASES[i].longest)
            fail_msg("%s: depth %zu, %zu values, longest %zu", CASES[i].text, measure.depth, measure.values,
                measure.longest);
    }
}

/* Other users of jansson are not concerned. */
static void test_the_heap_goes_on(void **state)
{
    (void)state;
    (void)load("{\"a\":1}", true);
    json_t *document = json_loads("{\"b\":[1,2,3]}", 0, NULL);
    assert_non_null(document);
    assert_int_equal(json_array_size(json_object_get(document, "b")), 3);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_shape_fits),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_the_heap_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
