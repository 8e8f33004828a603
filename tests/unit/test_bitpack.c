#include "test.h"

#include "bitpack.h"

enum { VALUES_MAX = 4096 };

static const uint32_t COUNTS[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, 4095, 4096};
enum { COUNTS_COUNT = sizeof(COUNTS) / sizeof(COUNTS[0]) };

static void fill(uint64_t *values, uint32_t count, uint64_t max, uint64_t seed)
{
    struct test_random random = {seed};
    for (uint32_t i = 0; i < count; i++)
        values[i] = max == UINT64_MAX ? test_random_next(&random) : test_random_below(&random, max + 1);
    if (count > 1) {
        values[0] = max;
        values[count - 1] = max;
    }
}

/* The bytes end exactly where an allocation ends, so that a sanitizer sees a read past them. */
static void check_bits(uint32_t count, unsigned width, size_t behind)
{
    static uint64_t values[VALUES_MAX], unpacked[VALUES_MAX];
    size_t size = bits_bytes(count, width);
    uint8_t *room = malloc(size + BITPACK_SLACK_BYTES), *exact = malloc(size + behind + 1);
    assert_true(room && exact);
    fill(values, count, bits_mask(width), count * 65 + width);
    assert_ptr_equal(bits_pack(room, values, count, width), room + size);
    memcpy(exact + 1, room, size); /* odd addresses too */
    memset(exact + 1 + size, 0xff, behind);
    memset(unpacked, 0x55, sizeof(unpacked));
    bits_unpack(exact + 1, exact + 1 + size + behind, unpacked, count, width);
    assert_memory_equal(values, unpacked, count * sizeof(values[0]));
    free(room);
    free(exact);
}

static void every_width_comes_back(void **state)
{
    (void)state;
    for (unsigned width = 0; width <= 64; width++) {
        for (unsigned c = 0; c < COUNTS_COUNT; c++) {
            check_bits(COUNTS[c], width, 0);
            check_bits(COUNTS[c], width, 3);
            check_bits(COUNTS[c], width, 100);
        }
    }
}

static void bits_are_in_the_documented_order(void **state)
{
    (void)state;
    const uint64_t values[] = {1, 2, 3, 4, 5, 6, 7, 0, 5};
    const uint8_t expected[] = {0xd1, 0x58, 0x1f, 0x05}; /* 3 bits each, least significant first */
    uint8_t packed[sizeof(expected) + BITPACK_SLACK_BYTES];
    assert_ptr_equal(bits_pack(packed, values, 9, 3), packed + sizeof(expected));
    assert_memory_equal(packed, expected, sizeof(expected));
}

static void high_bits_are_cut(void **state)
{
    (void)state;
    const uint64_t values[] = {0xfff1, 0xfff2, 0xfff3};
    uint64_t unpacked[3];
    uint8_t packed[2 + BITPACK_SLACK_BYTES];
    bits_pack(packed, values, 3, 4);
    bits_unpack(packed, packed + 2, unpacked, 3, 4);
    assert_int_equal(unpacked[0], 1);
    assert_int_equal(unpacked[1], 2);
    assert_int_equal(unpacked[2], 3);
}

static void check_radix(uint32_t count, unsigned radix, unsigned shift)
{
    static uint64_t values[VALUES_MAX], low[VALUES_MAX];
    size_t size = radix_bytes(count, radix);
    uint8_t *packed = malloc(size + 1);
    assert_non_null(packed);
    fill(values, count, ((uint64_t)radix << shift) - 1, count * 257 + radix);
    assert_ptr_equal(radix_pack(packed, values, count, shift, radix), packed + size);
    for (uint32_t i = 0; i < count; i++)
        low[i] = values[i] & bits_mask(shift);
    radix_unpack_add(packed, low, count, shift, radix);
    assert_memory_equal(values, low, count * sizeof(values[0]));
    free(packed);
}

static void every_radix_comes_back(void **state)
{
    (void)state;
    for (unsigned radix = RADIX_MIN; radix <= RADIX_MAX; radix++) {
        for (unsigned c = 0; c < COUNTS_COUNT; c++) {
            check_radix(COUNTS[c], radix, 0);
            check_radix(COUNTS[c], radix, radix % 50);
        }
    }
}

/* All digits at their largest: the fraction is as close to 1 as it gets. */
static void largest_and_smallest_digits_come_back(void **state)
{
    (void)state;
    for (unsigned radix = RADIX_MIN; radix <= RADIX_MAX; radix++) {
        uint64_t values[64], back[64];
        uint8_t packed[64 * 8];
        for (unsigned pattern = 0; pattern < 4; pattern++) {
            for (unsigned i = 0; i < 64; i++) {
                values[i] = pattern == 0 ? radix - 1 : pattern == 1 ? 0 : (i + pattern) % 2 ? radix - 1 : 0;
                back[i] = 0;
            }
            radix_pack(packed, values, 64, 0, radix);
            radix_unpack_add(packed, back, 64, 0, radix);
            assert_memory_equal(values, back, sizeof(values));
        }
    }
}

static void digits_of_a_word_are_as_many_as_fit(void **state)
{
    (void)state;
    for (unsigned radix = RADIX_MIN; radix <= RADIX_MAX; radix++) {
        unsigned digits = 0;
        for (uint64_t power = 1; !__builtin_mul_overflow(power, (uint64_t)radix, &power);)
            digits++;
        assert_int_equal(radix_digits(radix), digits);
    }
}

static void damaged_words_give_digits_in_range(void **state)
{
    (void)state;
    struct test_random random = {7};
    for (unsigned radix = RADIX_MIN; radix <= RADIX_MAX; radix++) {
        uint64_t word = test_random_next(&random), values[64] = {0};
        uint8_t packed[8 * 8];
        for (unsigned i = 0; i < 8; i++)
            memcpy(packed + 8 * i, &word, 8);
        radix_unpack_add(
            packed, values, 8 * radix_digits(radix) < 64 ? 8 * radix_digits(radix) : 64, 0, radix);
        for (unsigned i = 0; i < 64; i++)
            assert_true(values[i] < radix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_comes_back),
        cmocka_unit_test(bits_are_in_the_documented_order),
        cmocka_unit_test(high_bits_are_cut),
        cmocka_unit_test(every_radix_comes_back),
        cmocka_unit_test(largest_and_smallest_digits_come_back),
        cmocka_unit_test(digits_of_a_word_are_as_many_as_fit),
        cmocka_unit_test(damaged_words_give_digits_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
