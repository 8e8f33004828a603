/* How often logins may be guessed, with a clock of the test's own. */
#include "test.h"

#include "limiter.h"

#include <pthread.h>
#include <stdatomic.h>

static const uint64_t second_ns = UINT64_C(1000000000);
static const uint64_t start_ns = UINT64_C(77000000000);

static struct limiter *make(uint32_t address_guesses, uint32_t account_guesses)
{
    struct limiter_options options = {.address_guesses = address_guesses,
        .account_guesses = account_guesses,
        .address_interval_ns = second_ns,
        .account_interval_ns = 10 * second_ns};
    struct limiter *limiter;
    struct error error = {0};
    assert_int_equal(limiter_create(&options, &limiter, &error), 0);
    return limiter;
}

/* 0, or how long to wait. */
static uint64_t guess(
    struct limiter *limiter, const char *address, const char *account, uint64_t now_ns, enum verdict verdict)
{
    struct guess guess;
    uint64_t wait_ns = limiter_guess(limiter, address, account, now_ns, &guess);
    if (wait_ns == 0)
        limiter_judged(limiter, &guess, verdict, now_ns);
    return wait_ns;
}

static void test_an_address_has_so_many_guesses(void **state)
{
    (void)state;
    struct limiter *limiter = make(5, 0);
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.1", start_ns), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(guess(limiter, "10.0.0.1", NULL, start_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.1", NULL, start_ns, GUESS_WRONG), second_ns);
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.1", start_ns), second_ns); /* a right one waits too */
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.2", start_ns), 0);
    assert_int_equal(guess(limiter, "10.0.0.2", NULL, start_ns, GUESS_WRONG), 0);
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.1", start_ns + second_ns - 1), 1);
    assert_int_equal(
        guess(limiter, "10.0.0.1", NULL, start_ns + second_ns, GUESS_WRONG), 0); /* one has come back */
    assert_int_equal(guess(limiter, "10.0.0.1", NULL, start_ns + second_ns, GUESS_WRONG), second_ns);
    uint64_t later_ns = start_ns + 1000 * second_ns; /* not more than five */
    for (int i = 0; i < 5; i++)
        assert_int_equal(guess(limiter, "10.0.0.1", NULL, later_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.1", NULL, later_ns, GUESS_WRONG), second_ns);
    limiter_free(limiter);
}

static void test_right_and_undecided_guesses_cost_nothing(void **state)
{
    (void)state;
    struct limiter *limiter = make(2, 2);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(guess(limiter, "10.0.0.1", "ann", start_ns, GUESS_RIGHT), 0);
        assert_int_equal(guess(limiter, "10.0.0.2", "bob", start_ns, GUESS_UNDECIDED), 0);
    }
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.1", start_ns), 0);
    limiter_free(limiter);
}

static void test_what_is_one_address(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool same;
    } cases[] = {
        {"10.0.0.1", "10.0.0.2", false},
        {"10.0.0.1", "::ffff:10.0.0.1", true},
        {"::ffff:10.0.0.1", "::ffff:10.0.0.2", false},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"fe80::1%eth0", "fe80::2", true},
        {"::1", "127.0.0.1", false},
        {"no address", "none either", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct limiter *limiter = make(1, 0);
        assert_int_equal(guess(limiter, cases[i].first, NULL, start_ns, GUESS_WRONG), 0);
        if ((limiter_wait_ns(limiter, cases[i].second, start_ns) > 0) != cases[i].same)
            fail_msg("%s and %s", cases[i].first, cases[i].second);
        limiter_free(limiter);
    }
}

static void test_an_account_has_so_many_guesses_from_everywhere(void **state)
{
    (void)state;
    struct limiter *limiter = make(100, 3);
    assert_int_equal(guess(limiter, "10.0.0.9", "ANN", start_ns, GUESS_RIGHT), 0); /* its owner */
    assert_int_equal(guess(limiter, "10.0.0.1", "ann", start_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.2", "Ann", start_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.3", "ann", start_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.4", "ann", start_ns, GUESS_WRONG), 10 * second_ns);
    assert_int_equal(guess(limiter, "10.0.0.4", "bob", start_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.4", NULL, start_ns, GUESS_WRONG), 0);
    /* from where it logged in before, the owner is not locked out; guesses from there count for the address
     */
    assert_int_equal(guess(limiter, "10.0.0.9", "ann", start_ns, GUESS_RIGHT), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(guess(limiter, "10.0.0.9", "ann", start_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.9", "ann", start_ns, GUESS_WRONG), second_ns);
    uint64_t much_later_ns = start_ns + (LIMITER_TRUST_DAYS + 1) * 86400 * second_ns;
    for (int i = 0; i < 3; i++)
        assert_int_equal(guess(limiter, "10.0.0.1", "ann", much_later_ns, GUESS_WRONG), 0);
    assert_int_equal(guess(limiter, "10.0.0.9", "ann", much_later_ns, GUESS_WRONG), 10 * second_ns);
    limiter_free(limiter);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct limiter *limiter = make(0, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(guess(limiter, "10.0.0.1", "ann", start_ns, GUESS_WRONG), 0);
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.1", start_ns), 0);
    limiter_free(limiter);
}

/* Whoever has to wait is kept, however many others come with a guess each. */
static void test_the_table_is_bounded(void **state)
{
    (void)state;
    struct limiter *limiter = make(5, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(guess(limiter, "10.0.0.1", NULL, start_ns, GUESS_WRONG), 0);
    char address[32];
    for (unsigned i = 0; i < 10 * LIMITER_BUCKETS; i++) {
        (void)snprintf(address, sizeof(address), "11.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(guess(limiter, address, NULL, start_ns, GUESS_WRONG), 0);
    }
    assert_int_equal(limiter_wait_ns(limiter, "10.0.0.1", start_ns), second_ns);
    limiter_free(limiter);
}

/* ---- many at once ---- */

enum { THREADS = 16, ROUNDS = 200 };

struct crowd {
    struct limiter *limiter;
    atomic_uint judged;
};

static void *guess_wrong(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < ROUNDS; i++) {
        if (guess(crowd->limiter, "10.0.0.1", "ann", start_ns, GUESS_WRONG) == 0)
            atomic_fetch_add(&crowd->judged, 1);
    }
    return NULL;
}

static void *guess_right(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < ROUNDS; i++) {
        if (guess(crowd->limiter, "10.0.0.1", NULL, start_ns, GUESS_RIGHT) == 0)
            atomic_fetch_add(&crowd->judged, 1);
    }
    return NULL;
}

static unsigned run_crowd(struct limiter *limiter, void *(*run)(void *context))
{
    struct crowd crowd = {.limiter = limiter};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    return atomic_load(&crowd.judged);
}

static void test_many_at_once_guess_no_more_than_one(void **state)
{
    (void)state;
    struct limiter *limiter = make(7, 100);
    assert_int_equal(run_crowd(limiter, guess_wrong), 7);
    limiter_free(limiter);
    limiter = make(100, 7);
    assert_int_equal(run_crowd(limiter, guess_wrong), 7);
    limiter_free(limiter);
}

static void test_right_ones_do_not_refuse_each_other(void **state)
{
    (void)state;
    struct limiter *limiter = make(2, 2);
    assert_int_equal(run_crowd(limiter, guess_right), THREADS * ROUNDS);
    limiter_free(limiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_has_so_many_guesses),
        cmocka_unit_test(test_right_and_undecided_guesses_cost_nothing),
        cmocka_unit_test(test_what_is_one_address),
        cmocka_unit_test(test_an_account_has_so_many_guesses_from_everywhere),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_the_table_is_bounded),
        cmocka_unit_test(test_many_at_once_guess_no_more_than_one),
        cmocka_unit_test(test_right_ones_do_not_refuse_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
