#include "test.h"

#include "bytes.h"

static void test_varint_round_trip(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        size_t size;
    } cases[] = {
        {0, 1},
        {1, 1},
        {0x7f, 1},
        {0x80, 2},
        {0x3fff, 2},
        {0x4000, 3},
        {UINT32_MAX, 5},
        {UINT64_C(1) << 62, 9},
        {UINT64_C(1) << 63, 10},
        {UINT64_MAX, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[VARINT_BYTES_MAX];
        const uint8_t *end = varint_put(bytes, cases[i].value);
        assert_int_equal(end - bytes, cases[i].size);
        uint64_t value = ~cases[i].value;
        assert_ptr_equal(varint_get(bytes, end, &value), end);
        assert_int_equal(value, cases[i].value);
        assert_null(varint_get(bytes, end - 1, &value)); /* cut off */
    }
}

static void test_varint_refuses_damage(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[12];
        size_t size;
    } cases[] = {
        {"nothing", {0}, 0},
        {"never ends", {0x80, 0x80}, 2},
        {"over 64 bits", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10},
        {"eleven bytes", {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 11},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 42;
        if (varint_get(cases[i].bytes, cases[i].bytes + cases[i].size, &value))
            fail_msg("accepted: %s", cases[i].what);
        assert_int_equal(value, 42);
    }
}

static void test_zigzag_keeps_small_values_small(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        uint64_t encoded;
    } cases[] = {
        {0, 0},
        {-1, 1},
        {1, 2},
        {-2, 3},
        {INT64_MAX, UINT64_MAX - 1},
        {INT64_MIN, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(zigzag_encode(cases[i].value), cases[i].encoded);
        assert_int_equal(zigzag_decode(cases[i].encoded), cases[i].value);
    }
}

static void test_loads_and_stores_at_odd_addresses(void **state)
{
    (void)state;
    uint8_t bytes[16] = {0};
    store_u64(bytes + 1, UINT64_C(0x0807060504030201));
    for (uint8_t i = 0; i < 8; i++)
        assert_int_equal(bytes[1 + i], i + 1);
    assert_int_equal(load_u64(bytes + 1), UINT64_C(0x0807060504030201));
    assert_int_equal(load_u32(bytes + 2), 0x05040302);
    assert_int_equal(load_u16(bytes + 3), 0x0403);
    store_f64(bytes + 3, -0.0);
    assert_int_equal(double_bits(load_f64(bytes + 3)), UINT64_C(1) << 63);
}

static void test_align_up(void **state)
{
    (void)state;
    assert_int_equal(align_up(0, 8), 0);
    assert_int_equal(align_up(1, 8), 8);
    assert_int_equal(align_up(8, 8), 8);
    assert_int_equal(align_up(4097, 4096), 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varint_round_trip),
        cmocka_unit_test(test_varint_refuses_damage),
        cmocka_unit_test(test_zigzag_keeps_small_values_small),
        cmocka_unit_test(test_loads_and_stores_at_odd_addresses),
        cmocka_unit_test(test_align_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
