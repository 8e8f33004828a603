/* Descriptors that a process inherits. What the program does with them is in e2e_process.py; here is the way
 * for old kernels. */
#include "test.h"

#include "inherited.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 20, LAST = 60 };

/* In a child: opens every third number, closes from `first` on, and says whether just those are left that are
 * below. */
static void check_closing(void (*close_from)(int first), int first)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int number = FIRST; number <= LAST; number += 3) {
            if (dup2(STDOUT_FILENO, number) < 0)
                _exit(1);
        }
        close_from(first);
        for (int number = FIRST; number <= LAST; number++) {
            bool open = fcntl(number, F_GETFD) >= 0;
            if (open != (number < first && (number - FIRST) % 3 == 0))
                _exit(2);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_closing_descriptors(void **state)
{
    (void)state;
    static const int firsts[] = {FIRST, FIRST + 1, 30, LAST, LAST + 1};
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        check_closing(close_descriptors_from, firsts[i]);
        check_closing(close_descriptors_one_by_one, firsts[i]);
    }
}

static void test_ignored_signals(void **state)
{
    (void)state;
    assert_false(signal_is_ignored(SIGUSR1));
    assert_true(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    assert_true(signal_is_ignored(SIGUSR1));
    assert_true(signal(SIGUSR1, SIG_DFL) != SIG_ERR);
    assert_false(signal_is_ignored(SIGUSR1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closing_descriptors),
        cmocka_unit_test(test_ignored_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
