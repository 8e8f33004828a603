/* The bounded walker: what JSON has is accepted and printed, everything else refused, and no byte past the
 * end is read (each case lies in memory of its own size; a sanitizer watches). */
#include "test.h"

#include "msgpack_value.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static int validate_copy(const uint8_t *data, size_t size, size_t *ret_size)
{
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    int r = msgpack_validate(copy, size, ret_size);
    free(copy);
    return r;
}

static void test_valid_values(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const uint8_t *data;
        size_t size;
    } cases[] = {
        {"null", BYTES(0xc0)},
        {"false", BYTES(0xc2)},
        {"true", BYTES(0xc3)},
        {"0", BYTES(0x00)},
        {"127", BYTES(0x7f)},
        {"-1", BYTES(0xff)},
        {"-32", BYTES(0xe0)},
        {"128", BYTES(0xcc, 0x80)},
        {"65535", BYTES(0xcd, 0xff, 0xff)},
        {"4294967295", BYTES(0xce, 0xff, 0xff, 0xff, 0xff)},
        {"9223372036854775807", BYTES(0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
        {"18446744073709551615", BYTES(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
        {"-128", BYTES(0xd0, 0x80)},
        {"-32768", BYTES(0xd1, 0x80, 0x00)},
        {"-2147483648", BYTES(0xd2, 0x80, 0x00, 0x00, 0x00)},
        {"-9223372036854775808", BYTES(0xd3, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
        {"5", BYTES(0xd3, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05)},
        {"1.5", BYTES(0xcb, 0x3f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
        {"-0", BYTES(0xcb, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
        {"1e+21", BYTES(0xcb, 0x44, 0x4b, 0x1a, 0xe4, 0xd6, 0xe2, 0xef, 0x50)},
        {"\"\"", BYTES(0xa0)},
        {"\"a\"", BYTES(0xa1, 'a')},
        {"\"a\"", BYTES(0xd9, 0x01, 'a')},
        {"\"a\"", BYTES(0xda, 0x00, 0x01, 'a')},
        {"\"a\"", BYTES(0xdb, 0x00, 0x00, 0x00, 0x01, 'a')},
        {"\"\\u003c\\u003e\\u0026\\u2028\"", BYTES(0xa6, '<', '>', '&', 0xe2, 0x80, 0xa8)},
        {"[]", BYTES(0x90)},
        {"[]", BYTES(0xdc, 0x00, 0x00)},
        {"[1,[],2]", BYTES(0x93, 0x01, 0x90, 0x02)},
        {"[1,2]", BYTES(0xdd, 0x00, 0x00, 0x00, 0x02, 0x01, 0x02)},
        {"{}", BYTES(0x80)},
        {"{}", BYTES(0xdf, 0x00, 0x00, 0x00, 0x00)},
        {"{\"a\":1,\"b\":[{\"c\":null}]}",
            BYTES(0x82, 0xa1, 'a', 0x01, 0xa1, 'b', 0x91, 0x81, 0xa1, 'c', 0xc0)},
        {"{\"a\":{},\"b\":2}", BYTES(0xde, 0x00, 0x02, 0xa1, 'a', 0x80, 0xa1, 'b', 0x02)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = 0;
        if (validate_copy(cases[i].data, cases[i].size, &size) != 0 || size != cases[i].size)
            fail_msg("%s: case %zu refused, or %zu bytes", cases[i].text, i, size);
        for (size_t cut = 0; cut < cases[i].size; cut++) {
            if (validate_copy(cases[i].data, cut, &size) != -EBADMSG)
                fail_msg("%s: case %zu accepted with %zu bytes", cases[i].text, i, cut);
        }
        struct sink sink;
        assert_int_equal(sink_memory_init(&sink, 1000), 0);
        assert_int_equal(msgpack_print_json(&sink, cases[i].data, cases[i].size), 0);
        if (sink.used != strlen(cases[i].text) || memcmp(sink.buffer, cases[i].text, sink.used) != 0)
            fail_msg("%s: printed %.*s", cases[i].text, (int)sink.used, (const char *)sink.buffer);
        sink_memory_free(&sink);
    }
}

static void test_refused_values(void **state)
{
    (void)state;
    const struct {
        const char *what;
        const uint8_t *data;
        size_t size;
    } cases[] = {
        {"never used", BYTES(0xc1)},
        {"bin 8", BYTES(0xc4, 0x00)},
        {"bin 16", BYTES(0xc5, 0x00, 0x00)},
        {"bin 32", BYTES(0xc6, 0x00, 0x00, 0x00, 0x00)},
        {"ext 8", BYTES(0xc7, 0x00, 0x01)},
        {"ext 16", BYTES(0xc8, 0x00, 0x00, 0x01)},
        {"ext 32", BYTES(0xc9, 0x00, 0x00, 0x00, 0x00, 0x01)},
        {"float 32", BYTES(0xca, 0x3f, 0x80, 0x00, 0x00)},
        {"fixext 1", BYTES(0xd4, 0x01, 0x00)},
        {"fixext 16", BYTES(0xd8, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
        {"infinity", BYTES(0xcb, 0x7f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
        {"-infinity", BYTES(0xcb, 0xff, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
        {"NaN", BYTES(0xcb, 0x7f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
        {"overlong UTF-8", BYTES(0xa2, 0xc0, 0x80)},
        {"surrogate", BYTES(0xa3, 0xed, 0xa0, 0x80)},
        {"past U+10FFFF", BYTES(0xa4, 0xf4, 0x90, 0x80, 0x80)},
        {"cut sequence", BYTES(0xa2, 0xe6, 0x97)},
        {"lone continuation", BYTES(0xa1, 0x80)},
        {"key is a number", BYTES(0x81, 0x01, 0x01)},
        {"key is an array", BYTES(0x81, 0x90, 0x01)},
        {"second key is null", BYTES(0x82, 0xa0, 0x01, 0xc0, 0x01)},
        {"four billion values in five bytes", BYTES(0xdd, 0xff, 0xff, 0xff, 0xff)},
        {"four billion members", BYTES(0xdf, 0xff, 0xff, 0xff, 0xff, 0xa0)},
        {"four gigabytes of text", BYTES(0xdb, 0xff, 0xff, 0xff, 0xff, 'a')},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = 42;
        if (validate_copy(cases[i].data, cases[i].size, &size) != -EBADMSG)
            fail_msg("accepted: %s", cases[i].what);
        assert_int_equal(size, 42);
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (unsigned map = 0; map <= 1; map++) {
        for (unsigned depth = VALUE_DEPTH_MAX - 1; depth <= VALUE_DEPTH_MAX + 1; depth++) {
            uint8_t data[3 * (VALUE_DEPTH_MAX + 1) + 1];
            size_t size = 0;
            for (unsigned i = 0; i < depth; i++) {
                data[size++] = map ? 0x81 : 0x91;
                if (map)
                    data[size++] = 0xa0;
            }
            data[size++] = 0x07;
            size_t walked;
            int r = msgpack_validate(data, size, &walked);
            assert_int_equal(r, depth <= VALUE_DEPTH_MAX ? 0 : -EBADMSG);
            if (r < 0)
                continue;
            struct sink sink;
            assert_int_equal(sink_memory_init(&sink, 1000), 0);
            assert_int_equal(msgpack_print_json(&sink, data, size), 0);
            assert_int_equal(sink.used, depth * (map ? 5 : 2) + 1);
            sink_memory_free(&sink);
        }
    }
    static uint8_t deep[100000];
    memset(deep, 0x91, sizeof(deep));
    size_t walked;
    assert_int_equal(msgpack_validate(deep, sizeof(deep), &walked), -EBADMSG);
}

/* Only the first value counts; what follows is not looked at. */
static void test_first_value_only(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(msgpack_validate((const uint8_t[]){0x92, 0x01, 0x02, 0xc1, 0xc1}, 5, &size), 0);
    assert_int_equal(size, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_values),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_first_value_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
