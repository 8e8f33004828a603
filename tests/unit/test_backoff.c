/* Growing intervals between failed attempts, against a clock that the test moves. */
#include "test.h"

#include "backoff.h"

static const uint64_t ms = 1000000;

static void intervals_double_up_to_the_limit(void **state)
{
    (void)state;
    static const uint32_t expected[] = {500, 1000, 2000, 4000, 8000, 10000, 10000};
    struct backoff backoff = {.first_ms = 500, .most_ms = 10000};
    uint64_t now = 12345 * ms;
    assert_true(backoff_is_due(&backoff, now));
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        backoff_note(&backoff, true, now);
        assert_int_equal(backoff.due_ns, now + expected[i] * ms);
        assert_false(backoff_is_due(&backoff, now + expected[i] * ms - 1));
        now += expected[i] * ms;
        assert_true(backoff_is_due(&backoff, now));
    }
}

static void success_begins_anew(void **state)
{
    (void)state;
    struct backoff backoff = {.first_ms = 500, .most_ms = 10000};
    for (int i = 0; i < 4; i++)
        backoff_note(&backoff, true, 0);
    backoff_note(&backoff, false, 0);
    assert_true(backoff_is_due(&backoff, 0));
    backoff_note(&backoff, true, 0);
    assert_int_equal(backoff.due_ns, 500 * ms);
}

static void a_skipped_interval_goes_on_growing(void **state)
{
    (void)state;
    struct backoff backoff = {.first_ms = 500, .most_ms = 10000};
    backoff_note(&backoff, true, 0);
    backoff_skip(&backoff);
    assert_true(backoff_is_due(&backoff, 0));
    backoff_note(&backoff, true, 0);
    assert_int_equal(backoff.due_ns, 1000 * ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_double_up_to_the_limit),
        cmocka_unit_test(success_begins_anew),
        cmocka_unit_test(a_skipped_interval_goes_on_growing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
