/* Numbers: tables of the tricky ones, and millions of random ones against the C library. */
#include "test.h"

#include "bytes.h"
#include "numbers.h"
#include "number.h"
#include "number_internal.h"

#include <inttypes.h>
#include <math.h>

enum { RANDOM_NUMBERS = 100000 }; /* CONNECTORDB_TEST_NUMBERS asks for more */

static uint64_t random_count(void)
{
    const char *wanted = getenv("CONNECTORDB_TEST_NUMBERS");
    return wanted ? strtoull(wanted, NULL, 10) : RANDOM_NUMBERS;
}

static struct number parse_all(const char *text)
{
    struct number number;
    bool overflow;
    size_t size = strlen(text);
    char *copy = malloc(size); /* no byte behind it: a sanitizer sees every read too far */
    assert_non_null(copy);
    memcpy(copy, text, size);
    const char *end = number_parse(copy, copy + size, &number, &overflow);
    if (!end)
        fail_msg("refused: %s", text);
    if (end != copy + size)
        fail_msg("%s: only %td bytes taken", text, end - copy);
    assert_false(overflow);
    free(copy);
    return number;
}

static void assert_same_double(const char *text, double got, double expected)
{
    if (double_bits(got) != double_bits(expected))
        fail_msg("%s: got %.17g, expected %.17g", text, got, expected);
}

static const char *print_number(char *out, const struct number *number)
{
    size_t size;
    if (number->kind == NUMBER_UNSIGNED)
        size = number_print_unsigned(out, number->unsigned_integer);
    else if (number->kind == NUMBER_DECIMAL)
        size = number_print_decimal(out, number->integer, number->exponent);
    else
        size = number_print_double(out, number->real);
    assert_true(size < NUMBER_TEXT_MAX);
    out[size] = '\0';
    return out;
}

/* What must come out of parsing and printing; kind and exponent of what is in between. */
static void test_literals(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
        enum number_kind kind;
        uint8_t exponent;
    } cases[] = {
        {"0", "0", NUMBER_DECIMAL, 0},
        {"-0", "-0", NUMBER_DOUBLE, 0},
        {"0.0", "0", NUMBER_DECIMAL, 0},
        {"-0.0e5", "-0", NUMBER_DOUBLE, 0},
        {"0e999999999999999999999", "0", NUMBER_DECIMAL, 0},
        {"5", "5", NUMBER_DECIMAL, 0},
        {"5.0", "5", NUMBER_DECIMAL, 0},
        {"5e0", "5", NUMBER_DECIMAL, 0},
        {"500e-2", "5", NUMBER_DECIMAL, 0},
        {"0.5e1", "5", NUMBER_DECIMAL, 0},
        {"5.00000000000000000000000000000000000000000", "5", NUMBER_DECIMAL, 0},
        {"2.50", "2.5", NUMBER_DECIMAL, 1},
        {"-2.50", "-2.5", NUMBER_DECIMAL, 1},
        {"20.51", "20.51", NUMBER_DECIMAL, 2},
        {"1E-2", "0.01", NUMBER_DECIMAL, 2},
        {"0.000001", "0.000001", NUMBER_DECIMAL, 6},
        {"0.0000001", "1e-7", NUMBER_DECIMAL, 7},
        {"9.99e-7", "9.99e-7", NUMBER_DECIMAL, 9},
        {"0.00001234", "0.00001234", NUMBER_DECIMAL, 8},
        {"1e-18", "1e-18", NUMBER_DECIMAL, 18},
        {"1e-19", "1e-19", NUMBER_DOUBLE, 0},
        {"1.5e-18", "1.5e-18", NUMBER_DOUBLE, 0},
        {"450359962737049.5", "450359962737049.5", NUMBER_DECIMAL, 1}, /* DECIMAL_INTEGER_MAX */
        {"450359962737049.6", "450359962737049.6", NUMBER_DOUBLE, 0},
        {"4503599627370495.5", "4503599627370495.5", NUMBER_DOUBLE, 0},
        {"4503599627370496.5", "4503599627370496", NUMBER_DECIMAL, 0}, /* rounds to an even integer */
        {"9007199254740991", "9007199254740991", NUMBER_DECIMAL, 0},
        {"9007199254740993", "9007199254740993", NUMBER_DECIMAL, 0},
        {"9007199254740993.0", "9007199254740993", NUMBER_DECIMAL, 0},
        {"9007199254740992.5", "9007199254740992", NUMBER_DECIMAL, 0}, /* rounds to an integer */
        {"0.9007199254740993e16", "9007199254740993", NUMBER_DECIMAL, 0},
        {"9223372036854775807", "9223372036854775807", NUMBER_DECIMAL, 0},
        {"9223372036854775808", "9223372036854775808", NUMBER_UNSIGNED, 0},
        {"18446744073709551615", "18446744073709551615", NUMBER_UNSIGNED, 0},
        {"1844674407370955161.5e1", "18446744073709551615", NUMBER_UNSIGNED, 0},
        {"18446744073709551616", "18446744073709552000", NUMBER_DOUBLE, 0},
        {"18446744073709551615.5", "18446744073709552000", NUMBER_DOUBLE, 0},
        {"-9223372036854775808", "-9223372036854775808", NUMBER_DECIMAL, 0},
        {"-9223372036854775809", "-9223372036854775808", NUMBER_DECIMAL, 0}, /* the double is that integer */
        {"-9223372036854777856", "-9223372036854778000", NUMBER_DOUBLE, 0},
        {"1e17", "100000000000000000", NUMBER_DECIMAL, 0},
        {"1e19", "10000000000000000000", NUMBER_UNSIGNED, 0},
        {"-1e19", "-10000000000000000000", NUMBER_DOUBLE, 0},
        {"1e20", "100000000000000000000", NUMBER_DOUBLE, 0},
        {"100000000000000000000", "100000000000000000000", NUMBER_DOUBLE, 0},
        {"999999999999999999999", "1e+21", NUMBER_DOUBLE, 0},
        {"1e21", "1e+21", NUMBER_DOUBLE, 0},
        {"1e22", "1e+22", NUMBER_DOUBLE, 0},
        {"1e23", "1e+23", NUMBER_DOUBLE, 0},
        {"123456789012345678901234567890", "1.2345678901234568e+29", NUMBER_DOUBLE, 0},
        {"0.1", "0.1", NUMBER_DECIMAL, 1},
        {"0.30000000000000004", "0.30000000000000004", NUMBER_DOUBLE, 0},
        {"3.141592653589793238", "3.141592653589793", NUMBER_DOUBLE, 0},
        {"1.7976931348623157e308", "1.7976931348623157e+308", NUMBER_DOUBLE, 0},
        {"5e-324", "5e-324", NUMBER_DOUBLE, 0},
        {"2.4703282292062327208e-324", "0", NUMBER_DECIMAL, 0}, /* under half of the smallest */
        {"2.4703282292062327209e-324", "5e-324", NUMBER_DOUBLE, 0},
        {"2.2250738585072014e-308", "2.2250738585072014e-308", NUMBER_DOUBLE, 0},
        {"2.2250738585072011e-308", "2.225073858507201e-308", NUMBER_DOUBLE, 0},
        {"1e-400", "0", NUMBER_DECIMAL, 0},
        {"-1e-400", "-0", NUMBER_DOUBLE, 0},
        {"1e-99999999999999999999", "0", NUMBER_DECIMAL, 0},
        {"33.333333333333336", "33.333333333333336", NUMBER_DOUBLE, 0},
        {"1400000000.12345678901", "1400000000.1234567", NUMBER_DOUBLE, 0},
        {"9e-7", "9e-7", NUMBER_DECIMAL, 7},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[NUMBER_TEXT_MAX];
        struct number number = parse_all(cases[i].in);
        if (strcmp(print_number(text, &number), cases[i].out) != 0)
            fail_msg("%s: printed %s, expected %s", cases[i].in, text, cases[i].out);
        if (number.kind != cases[i].kind || number.exponent != cases[i].exponent)
            fail_msg("%s: kind %d exponent %u", cases[i].in, (int)number.kind, number.exponent);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "-",
        "+1",
        ".5",
        "-.5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "1E-",
        "e5",
        "a",
        "-a",
        "Infinity",
        "NaN",
        "-Infinity",
        " 1",
        "--1",
        "1.e",
        "0.",
        "-0.",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct number number;
        bool overflow = true;
        if (number_parse(cases[i], cases[i] + strlen(cases[i]), &number, &overflow))
            fail_msg("accepted: '%s'", cases[i]);
        assert_false(overflow);
    }
}

static void test_overflow(void **state)
{
    (void)state;
    char digits[400];
    memset(digits, '9', sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = '\0';
    const char *const cases[] = {
        "1e400",
        "-1e400",
        "1e309",
        "1.7976931348623159e308",
        "1.797693134862315808e308",
        "1e99999999999999999999",
        "0.1e310",
        digits,
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct number number;
        bool overflow = false;
        assert_null(number_parse(cases[i], cases[i] + strlen(cases[i]), &number, &overflow));
        if (!overflow)
            fail_msg("no overflow: %s", cases[i]);
    }
    struct number number = parse_all("1.797693134862315807e308"); /* rounds down to the largest double */
    assert_true(number.real == 0x1.fffffffffffffp1023);
}

/* The number ends where its grammar ends, whatever follows. */
static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"01", 1},
        {"-01", 2},
        {"1,2", 1},
        {"1.5}", 3},
        {"1e5x", 3},
        {"12345678901234567890]", 20},
        {"1.2.3", 3},
        {"1e5.5", 3},
        {"0x10", 1},
        {"1-2", 1},
        {"12345678\xff", 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct number number;
        bool overflow;
        const char *end =
            number_parse(cases[i].text, cases[i].text + strlen(cases[i].text), &number, &overflow);
        if (!end || (size_t)(end - cases[i].text) != cases[i].size)
            fail_msg("%s", cases[i].text);
    }
}

static void check_against_strtod(const char *text)
{
    struct number number = parse_all(text);
    if (number.kind == NUMBER_DOUBLE || number.exponent > 0)
        assert_same_double(text, number_double(&number), strtod(text, NULL));
}

/* The exact midpoint between a double and the next larger one, in decimal: printf of glibc is exact. */
static void midpoint_text(char *text, size_t size, double value)
{
    long double middle = ((long double)value + (long double)nextafter(value, INFINITY)) / 2;
    (void)snprintf(text, size, "%.1100Lf", middle);
    char *last = text + strlen(text) - 1;
    while (*last == '0')
        last--;
    last[1] = '\0';
    if (*last == '.')
        last[0] = '\0';
}

static void test_halfway(void **state)
{
    (void)state;
    static const double values[] = {
        1.0,
        0.1,
        0x1.fffffffffffffp-1,
        9007199254740994.0,
        123456.789,
        1e-5,
        1e-300,
        5e-324,
        2.2250738585072014e-308,
        2.225073858507201e-308,
        1e22,
        1e23,
        1e300,
        0x1.ffffffffffffep1023,
        3e-320,
        0x1p-1074,
        0x1.0000000000001p0,
    };
    static char text[2000];
    static char longer[2100];
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        midpoint_text(text, sizeof(text), values[i]);
        check_against_strtod(text);
        bool has_point = strchr(text, '.') != NULL;
        /* a hair above, with the deciding digit far behind */
        (void)snprintf(longer, sizeof(longer), "%s%s%050d1", text, has_point ? "" : ".", 0);
        check_against_strtod(longer);
        /* a hair below */
        size_t last = strlen(text) - 1;
        text[last]--;
        (void)snprintf(longer, sizeof(longer), "%s%s999999999999", text, has_point ? "" : ".");
        if (text[last] >= '0')
            check_against_strtod(longer);
    }
}

static void test_long_digit_strings(void **state)
{
    (void)state;
    static char text[5000];
    static const int lengths[] = {18, 19, 20, 21, 37, 100, 767, 768, 769, 770, 771, 772, 1000, 4000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (int digit = 0; digit <= 9; digit++) {
            text[0] = '0';
            text[1] = '.';
            memset(text + 2, '0' + digit, (size_t)lengths[i]);
            (void)snprintf(text + 2 + lengths[i], 30, "1");
            check_against_strtod(text);
            (void)snprintf(text + 2 + lengths[i], 30, "7e-305");
            check_against_strtod(text);
        }
    }
    memset(text, '0', sizeof(text)); /* 0.000...(4000 zeros)...123e4003 */
    memcpy(text, "0.", 2);
    (void)snprintf(text + 4002, 30, "123e4003");
    struct number number = parse_all(text);
    assert_int_equal(number.kind, NUMBER_DECIMAL);
    assert_int_equal(number.integer, 123);
    text[0] = '1'; /* 10^4000 by digits, 1 by exponent */
    memset(text + 1, '0', 4000);
    (void)snprintf(text + 4001, 30, "e-4000");
    number = parse_all(text);
    assert_int_equal(number.integer, 1);
}

/* Every shape of text: digits before and after the point, exponents near the ends of the range. */
static void test_random_text(void **state)
{
    (void)state;
    struct test_random random = {1};
    char text[100];
    for (uint64_t i = random_count(); i-- > 0;) {
        size_t size = 0;
        uint64_t whole = 1 + test_random_below(&random, 22);
        uint64_t fraction = 1 + test_random_below(&random, 22);
        for (uint64_t j = 0; j < whole; j++)
            text[size++] = (char)('0' + test_random_below(&random, 9) + (j == 0));
        text[size++] = '.';
        for (uint64_t j = 0; j < fraction; j++)
            text[size++] = (char)('0' + test_random_below(&random, 10));
        text[size++] = (char)('1' + test_random_below(&random, 9));
        int exponent = (int)test_random_below(&random, 680) - 360;
        if (test_random_below(&random, 4) > 0)
            exponent = (int)test_random_below(&random, 60) - 30;
        (void)snprintf(text + size, sizeof(text) - size, "e%d", exponent);
        double expected = strtod(text, NULL);
        struct number number;
        bool overflow;
        if (!number_parse(text, text + strlen(text), &number, &overflow)) {
            if (!overflow || !isinf(expected))
                fail_msg("refused: %s", text);
        } else if (number.kind == NUMBER_DOUBLE || number.exponent > 0) {
            assert_same_double(text, number_double(&number), expected);
        } else if (number.kind == NUMBER_DECIMAL) {
            assert_same_double(text, (double)number.integer, expected);
        }
    }
}

/* The shortest %.*e that reads back: what our digits must be as short as, and as near as. */
static void check_shortest(double value)
{
    char text[NUMBER_TEXT_MAX];
    char reference[40];
    size_t size = number_print_double(text, value);
    assert_true(size <= 25);
    text[size] = '\0';
    assert_same_double(text, strtod(text, NULL), value);
    struct number number = parse_all(text);
    if (number.kind == NUMBER_DOUBLE)
        assert_same_double(text, number.real, value);

    int precision = 0;
    do
        (void)snprintf(reference, sizeof(reference), "%.*e", precision, value);
    while (double_bits(strtod(reference, NULL)) != double_bits(value) && precision++ < 17);
    int digits = 0;
    int zeros = 0;
    for (const char *p = text; *p && *p != 'e'; p++) {
        if (*p >= '1' && *p <= '9') {
            digits += zeros + 1;
            zeros = 0;
        } else if (*p == '0' && digits > 0) {
            zeros++;
        }
    }
    if (digits > precision + 1)
        fail_msg("%s has %d digits, %s suffices", text, digits, reference);
}

static void test_shortest_print(void **state)
{
    (void)state;
    static const double values[] = {
        5e-324,
        1e-323,
        0x1p-1022,
        0x0.fffffffffffffp-1022,
        0x1.fffffffffffffp1023,
        1e23,
        9007199254740992.0,
        9007199254740994.0,
        0x1p63,
        0x1p64,
        1e21,
        1e22,
        999999999999999900000.0,
        1e-6,
        9.999999999999999e-7,
        1e-5,
        0.3,
        2.0 / 3,
        1.0 / 3,
        4.35,
        0.1 + 0.2,
        1e15,
        1e16,
        123456789012345680.0,
        0x1p-44,
        1.1e-322,
        6.02214076e23,
        8.41e21,
        2.0 * 0x1p60,
        9.5367431640625e-7,
        4.940656458412465e-324,
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        check_shortest(values[i]);
        check_shortest(-values[i]);
    }
    for (int exponent = -1074; exponent <= 1023; exponent++) { /* the lower neighbour of a power is nearer */
        check_shortest(ldexp(1.0, exponent));
        check_shortest(nextafter(ldexp(1.0, exponent), INFINITY));
    }
}

static void test_random_doubles_round_trip(void **state)
{
    (void)state;
    struct test_random random = {2};
    for (uint64_t i = random_count(); i-- > 0;) {
        double value = bits_double(test_random_next(&random));
        if (!isfinite(value))
            continue;
        char text[40];
        size_t size = number_print_double(text, value);
        struct number number;
        bool overflow;
        assert_ptr_equal(number_parse(text, text + size, &number, &overflow), text + size);
        text[size] = '\0';
        if (number.kind != NUMBER_DECIMAL || number.exponent > 0) /* digits of an integer may say more */
            assert_same_double(text, number_double(&number), value);
        (void)snprintf(text, sizeof(text), "%.17g", value);
        assert_ptr_equal(number_parse(text, text + strlen(text), &number, &overflow), text + strlen(text));
        assert_same_double(text, number_double(&number), value);
        if (i % 16 == 0)
            check_shortest(value);
    }
}

/* decimal -> double -> text, and decimal -> text, are the same; and the double gives the decimal back. */
static void test_random_decimals(void **state)
{
    (void)state;
    struct test_random random = {3};
    for (uint64_t i = random_count(); i-- > 0;) {
        uint8_t exponent = (uint8_t)test_random_below(&random, DECIMAL_EXPONENT_MAX + 1);
        int64_t integer = (int64_t)(test_random_next(&random) >> (12 + test_random_below(&random, 52)));
        if (i % 2)
            integer = -integer;
        if (i % 5 == 0)
            integer -= integer % 100;
        double value = (double)integer / POWERS_OF_TEN[exponent];
        char text[NUMBER_TEXT_MAX];
        char expected[NUMBER_TEXT_MAX];
        size_t size = number_print_decimal(text, integer, exponent);
        size_t expected_size = number_print_double(expected, value + 0.0);
        text[size] = expected[expected_size] = '\0';
        if (integer != 0 && strcmp(text, expected) != 0)
            fail_msg("%" PRId64 " / 10^%u: %s, not %s", integer, exponent, text, expected);
        int64_t back = 0;
        if (integer != 0 && (!decimal_from_double(value, exponent, &back) || back != integer))
            fail_msg("%s: %" PRId64 " is not %" PRId64 " / 10^%u", expected, back, integer, exponent);
        assert_true(decimal_exponent(value + 0.0) >= 0 && decimal_exponent(value + 0.0) <= exponent);
    }
}

static void test_decimal_bounds(void **state)
{
    (void)state;
    int64_t integer;
    for (uint8_t exponent = 0; exponent <= DECIMAL_EXPONENT_MAX; exponent++) {
        for (int64_t below = 0; below < 1000; below++) { /* near the bound two roundings nearly meet */
            int64_t expected = DECIMAL_INTEGER_MAX - below;
            double value = (double)expected / POWERS_OF_TEN[exponent];
            assert_true(decimal_from_double(value, exponent, &integer));
            assert_int_equal(integer, expected);
            assert_true(decimal_from_double(-value, exponent, &integer));
            assert_int_equal(integer, -expected);
        }
    }
    assert_false(decimal_from_double((double)DECIMAL_INTEGER_MAX + 1, 0, &integer));
    assert_false(decimal_from_double(-0.0, 0, &integer));
    assert_false(decimal_from_double(NAN, 0, &integer));
    assert_false(decimal_from_double(INFINITY, 0, &integer));
    assert_false(decimal_from_double(0.1 + 0.2, 1, &integer));
    assert_int_equal(decimal_exponent(0), 0);
    assert_int_equal(decimal_exponent(-0.0), -1);
    assert_int_equal(decimal_exponent(20.51), 2);
    assert_int_equal(decimal_exponent(-1480000000.123), 3);
    assert_int_equal(decimal_exponent(1e-18), 18);
    assert_int_equal(decimal_exponent(1e-19), -1);
    assert_int_equal(decimal_exponent(0.1 + 0.2), -1);
    assert_int_equal(decimal_exponent(1e300), -1);
}

static void test_integers_print(void **state)
{
    (void)state;
    for (unsigned exponent = 0; exponent < 20; exponent++) {
        for (int below = -1; below <= 1; below++) {
            uint64_t value = INTEGER_POWERS_OF_TEN[exponent] + (uint64_t)(int64_t)below;
            char text[NUMBER_TEXT_MAX];
            char expected[NUMBER_TEXT_MAX];
            text[number_print_unsigned(text, value)] = '\0';
            (void)snprintf(expected, sizeof(expected), "%" PRIu64, value);
            assert_string_equal(text, expected);
            if (value > INT64_MAX)
                continue;
            text[number_print_decimal(text, -(int64_t)value, 0)] = '\0';
            (void)snprintf(expected, sizeof(expected), "%" PRId64, -(int64_t)value);
            assert_string_equal(text, expected);
        }
    }
    char text[NUMBER_TEXT_MAX];
    text[number_print_decimal(text, INT64_MIN, 0)] = '\0';
    assert_string_equal(text, "-9223372036854775808");
    text[number_print_decimal(text, 0, 18)] = '\0';
    assert_string_equal(text, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_halfway),
        cmocka_unit_test(test_long_digit_strings),
        cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_shortest_print),
        cmocka_unit_test(test_random_doubles_round_trip),
        cmocka_unit_test(test_random_decimals),
        cmocka_unit_test(test_decimal_bounds),
        cmocka_unit_test(test_integers_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
