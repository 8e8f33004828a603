/* The checksum of a remote import: equal for equal datapoints, however they are written, and for no others.
 */
#include "remote_checksum.h"

#include "json_text.h"

static uint64_t checksum_of(const char *text, uint64_t sum)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    if (read_text(text_of(text), true, UINT32_MAX, &batch, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    sum = remote_checksum(sum, &batch);
    batch_free(&batch);
    return sum;
}

static void test_equal_datapoints(void **state)
{
    static const char *const PAIRS[][2] = {
        {"[{\"t\":1,\"d\":{\"a\":1,\"b\":[2,{\"x\":3,\"y\":4}]}}]",
            "[{\"d\":{\"b\":[2,{\"y\":4,\"x\":3}],\"a\":1},\"t\":1}]"},
        {"[{\"t\":1,\"d\":1}]", "[{\"t\":1.0,\"d\":1.0}]"},
        {"[{\"t\":1,\"d\":0.1}]", "[{\"t\":1,\"d\":1e-1,\"o\":\"ann/phone\"}]"},
        {"[{\"t\":1,\"d\":\"\\u00e9\"}]", "[{\"t\":1,\"d\":\"\xc3\xa9\"}]"},
        {"[]", "[]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
        if (checksum_of(PAIRS[i][0], 0) != checksum_of(PAIRS[i][1], 0))
            fail_msg("%s and %s differ", PAIRS[i][0], PAIRS[i][1]);
    }
}

/* No two of these are the same datapoints. */
static void test_different_datapoints(void **state)
{
    static const char *const TEXTS[] = {
        "[]",
        "[{\"t\":1,\"d\":1}]",
        "[{\"t\":2,\"d\":1}]",
        "[{\"t\":1,\"d\":2}]",
        "[{\"t\":1,\"d\":\"1\"}]",
        "[{\"t\":1,\"d\":true}]",
        "[{\"t\":1,\"d\":false}]",
        "[{\"t\":1,\"d\":null}]",
        "[{\"t\":1,\"d\":\"\"}]",
        "[{\"t\":1,\"d\":[]}]",
        "[{\"t\":1,\"d\":{}}]",
        "[{\"t\":1,\"d\":[[]]}]",
        "[{\"t\":1,\"d\":[1,2]}]",
        "[{\"t\":1,\"d\":[2,1]}]",
        "[{\"t\":1,\"d\":[[1],2]}]",
        "[{\"t\":1,\"d\":[[1,2]]}]",
        "[{\"t\":1,\"d\":{\"a\":1,\"b\":2}}]",
        "[{\"t\":1,\"d\":{\"a\":2,\"b\":1}}]",
        "[{\"t\":1,\"d\":{\"a\":{\"b\":2}}}]",
        "[{\"t\":1,\"d\":{\"b\":{\"a\":2}}}]",
        "[{\"t\":1,\"d\":{\"a\":[1,2]}}]",
        "[{\"t\":1,\"d\":1},{\"t\":1,\"d\":2}]",
        "[{\"t\":1,\"d\":2},{\"t\":1,\"d\":1}]",
        "[{\"t\":1,\"d\":1},{\"t\":1,\"d\":1}]",
    };
    enum { COUNT = sizeof(TEXTS) / sizeof(TEXTS[0]) };
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < i; j++) {
            if (checksum_of(TEXTS[i], 0) == checksum_of(TEXTS[j], 0))
                fail_msg("%s and %s have the same checksum", TEXTS[i], TEXTS[j]);
        }
    }
}

/* However the datapoints are cut into batches: numbers alone have another form than beside other values. */
static void test_batches(void **state)
{
    static const char ALL[] =
        "[{\"t\":1,\"d\":1},{\"t\":2,\"d\":-0.5},{\"t\":3,\"d\":true},{\"t\":4,\"d\":\"x\"},"
        "{\"t\":5,\"d\":18446744073709551615},{\"t\":6,\"d\":1e300}]";
    static const char *const PARTS[] = {"[{\"t\":1,\"d\":1},{\"t\":2,\"d\":-0.5}]", "[{\"t\":3,\"d\":true}]",
        "[{\"t\":4,\"d\":\"x\"}]", "[{\"t\":5,\"d\":18446744073709551615}]", "[{\"t\":6,\"d\":1e300}]"};
    uint64_t sum = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++)
        sum = checksum_of(PARTS[i], sum);
    assert_int_equal(sum, checksum_of(ALL, 0));
}

static void test_deep_values(void **state)
{
    char text[256] = "[{\"t\":1,\"d\":", *end = text + strlen(text);
    (void)state;
    memset(end, '[', 64); /* as deep as values may be */
    memset(end + 64, ']', 64);
    strcpy(end + 128, "}]");
    assert_int_not_equal(checksum_of(text, 0), checksum_of("[{\"t\":1,\"d\":[]}]", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_datapoints),
        cmocka_unit_test(test_different_datapoints),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_deep_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
