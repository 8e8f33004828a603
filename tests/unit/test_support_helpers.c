/* The helpers that other tests rely on. */
#include "test.h"

#include "check.h"

#include <sys/stat.h>

static void test_directories_come_and_go(void **state)
{
    (void)state;
    char *directory = test_directory_create();
    char *inner = test_path(directory, "in-%d", 1);
    assert_int_equal(mkdir(inner, 0700), 0);
    char *file = test_path(inner, "file");
    test_file_write(file, "a\0b", 3);
    size_t size;
    char *data = test_file_read(file, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "a\0b", 4);

    char *copy = strdup(directory);
    assert_non_null(copy);
    test_directory_remove(directory);
    struct stat status;
    assert_int_equal(stat(copy, &status), -1);
    assert_int_equal(errno, ENOENT);
    free(copy), free(data), free(file), free(inner);
}

static void check_truth(void *argument)
{
    CHECK(*(int *)argument == 1);
}

static void test_aborts_sees_only_aborts(void **state)
{
    (void)state;
    int one = 1, two = 2;
    assert_false(test_aborts(check_truth, &one));
    assert_true(test_aborts(check_truth, &two));
}

static void test_random_is_reproducible(void **state)
{
    (void)state;
    struct test_random a = {7}, b = {7}, c = {8};
    uint64_t first = test_random_next(&a);
    assert_int_equal(first, test_random_next(&b));
    assert_int_not_equal(first, test_random_next(&c));
    for (int i = 0; i < 1000; i++) {
        assert_in_range(test_random_below(&a, 10), 0, 9);
        double unit = test_random_unit(&a);
        assert_true(unit >= 0 && unit < 1);
    }
}

static void test_skip_leaves_the_test(void **state)
{
    (void)state;
    free(test_shared_path("a file that is never there")); /* and leaks nothing, says the address sanitizer */
    fail_msg("went on after a skip");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directories_come_and_go),
        cmocka_unit_test(test_aborts_sees_only_aborts),
        cmocka_unit_test(test_random_is_reproducible),
        cmocka_unit_test(test_skip_leaves_the_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
