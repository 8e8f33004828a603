/* What bodies under way may hold together, and that an account leaves a share for others. */
#include "test.h"

#include "body_budget.h"

#include <errno.h>
#include <pthread.h>

enum { MIB = 1 << 20, THREADS = 8 };

static void test_size(void **state)
{
    struct body_budget budget;
    (void)state;
    body_budget_init(&budget, 100);
    assert_int_equal(budget.bytes_max, BODY_BUDGET_BYTES);
    body_budget_destroy(&budget);
    body_budget_init(&budget, 100 * MIB); /* one body of the largest size always fits */
    assert_int_equal(budget.bytes_max, 200 * MIB);
    assert_true(budget.account_bytes_max >= 100 * MIB);
    body_budget_destroy(&budget);
}

static void test_shares(void **state)
{
    struct body_budget budget;
    struct body_share first = {.account = 1}, second = {.account = 1}, other = {.account = 2},
                      none = {.account = 3};
    (void)state;
    body_budget_init(&budget, 0); /* 64 MiB, 48 of them for one account */
    assert_int_equal(body_budget_take(&budget, &first, 40 * MIB), 0);
    assert_int_equal(body_budget_take(&budget, &second, 9 * MIB), -EDQUOT);
    assert_int_equal(second.bytes, 0);
    assert_int_equal(body_budget_take(&budget, &second, 8 * MIB), 0);
    assert_int_equal(body_budget_take(&budget, &second, 8 * MIB + 1), -EDQUOT);
    assert_int_equal(second.bytes, 8 * MIB);
    assert_int_equal(body_budget_ask(&budget, 1, 1), -EDQUOT);
    assert_int_equal(body_budget_ask(&budget, 2, 16 * MIB), 0);
    assert_int_equal(body_budget_take(&budget, &other, 17 * MIB), -EBUSY);
    assert_int_equal(body_budget_take(&budget, &other, 10 * MIB), 0);
    assert_int_equal(body_budget_take(&budget, &other, 16 * MIB), 0); /* it grows */
    assert_int_equal(body_budget_take(&budget, &none, 1), -EBUSY);
    body_budget_give(&budget, &none);
    body_budget_give(&budget, &first);
    assert_int_equal(budget.bytes, 24 * MIB);
    assert_int_equal(body_budget_take(&budget, &none, 40 * MIB), 0);
    body_budget_give(&budget, &second);
    body_budget_give(&budget, &other);
    body_budget_give(&budget, &none);
    body_budget_give(&budget, &none);
    assert_int_equal(budget.bytes, 0);
    assert_null(budget.shares);
    body_budget_destroy(&budget);
}

static void *take_and_give(void *context)
{
    struct body_budget *budget = context;
    for (int i = 0; i < 2000; i++) {
        struct body_share share = {.account = i % 3};
        for (uint64_t bytes = MIB; bytes <= 16 * MIB; bytes *= 2)
            (void)body_budget_take(budget, &share, bytes);
        body_budget_give(budget, &share);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct body_budget budget;
    pthread_t threads[THREADS];
    (void)state;
    body_budget_init(&budget, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &budget), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(budget.bytes, 0);
    assert_null(budget.shares);
    body_budget_destroy(&budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
