/* The LOCK: never taken from anybody, waited for only while its holder is ending. Nothing here sleeps: what
 * "a pause" is, is the test's, and the holder lets go in one. */
#include "test.h"

#include "database.h"
#include "database_lock.h"
#include "lock_state.h"
#include "process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAUSES_MAX = 5 };

/* What the pauses do. */
struct waiting {
    unsigned pauses;
    unsigned let_go_at; /* the pause in which the holder lets go; 0 = in none */
    void (*let_go)(struct waiting *waiting);
    pid_t pid;  /* who is made to let go */
    int hold;   /* closing it asks for that, */
    int closed; /* and here comes a byte when it is done */
    const char *path;
    pid_t next; /* who takes it then */
    int next_hold;
};

static void count_pause(void *context)
{
    struct waiting *waiting = context;
    if (++waiting->pauses == waiting->let_go_at)
        waiting->let_go(waiting);
}

static struct lock_patience patience_of(struct waiting *waiting)
{
    return (struct lock_patience){.pauses_max = PAUSES_MAX, .pause = count_pause, .context = waiting};
}

/* ---- holders ---- */

enum manner {
    LIVES,     /* a process that took the lock and goes on */
    BEQUEATHS, /* one that took it and is gone; a child of it has the descriptor */
    LEAVES,    /* one whose main thread has ended */
};

struct pipes {
    int ready[2], hold[2], closed[2];
};

static void hold_and_end(int lock, const struct pipes *pipes)
{
    char byte = 'x';
    (void)close(pipes->hold[1]);
    if (write(pipes->ready[1], &byte, 1) != 1 || read(pipes->hold[0], &byte, 1) != 0)
        _exit(1);
    database_unlock(lock);
    if (write(pipes->closed[1], &byte, 1) != 1)
        _exit(1);
    _exit(0);
}

static struct {
    int lock;
    struct pipes pipes; /* a copy: the main thread's end writes over its stack */
} left;

static void *stay(void *unused)
{
    (void)unused;
    while (!process_is_ending(
        getpid())) /* until the main thread's end has begun; ThreadSanitizer cannot join that one */
        (void)sched_yield();
    hold_and_end(left.lock, &left.pipes);
    return NULL;
}

static void hold(const char *path, enum manner manner, const struct pipes *pipes)
{
    static const struct lock_patience none = {0};
    struct error error;
    int lock;
    if (lock_take(path, NULL, &none, &lock, &error) < 0)
        _exit(1);
    if (manner == BEQUEATHS && fork() != 0)
        _exit(0);
    if (manner == LEAVES) {
        pthread_t thread;
        left.lock = lock;
        left.pipes = *pipes;
        if (pthread_create(&thread, NULL, stay, NULL) != 0)
            _exit(1);
        pthread_exit(NULL);
    }
    hold_and_end(lock, pipes);
}

/* Returns the pid of the process that took it. */
static pid_t hold_elsewhere(const char *path, enum manner manner, int *ret_hold, int *ret_closed)
{
    struct pipes pipes;
    char byte;
    assert_int_equal(pipe2(pipes.ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(pipes.hold, O_CLOEXEC), 0);
    assert_int_equal(pipe2(pipes.closed, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        hold(path, manner, &pipes);
    (void)close(pipes.ready[1]);
    (void)close(pipes.hold[0]);
    (void)close(pipes.closed[1]);
    assert_int_equal(read(pipes.ready[0], &byte, 1), 1);
    (void)close(pipes.ready[0]);
    *ret_hold = pipes.hold[1];
    *ret_closed = pipes.closed[0];
    return pid;
}

static void end_holder(struct waiting *waiting)
{
    char byte;
    (void)close(waiting->hold);
    assert_int_equal(read(waiting->closed, &byte, 1), 1);
    (void)close(waiting->closed);
}

static void hand_over(struct waiting *waiting)
{
    int closed;
    end_holder(waiting);
    waiting->next = hold_elsewhere(waiting->path, LIVES, &waiting->next_hold, &closed);
    (void)close(closed);
}

static void continue_traced(struct waiting *waiting)
{
    int status;
    assert_int_equal(ptrace(PTRACE_CONT, waiting->pid, 0, 0), 0);
    assert_int_equal(waitpid(waiting->pid, &status, 0), waiting->pid);
    assert_true(WIFSIGNALED(status));
}

static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

/* ---- trying ---- */

static void assert_taken(const char *path, struct waiting *waiting)
{
    struct error error = {0};
    int lock = -1;
    struct lock_patience patience = patience_of(waiting);
    if (lock_take(path, NULL, &patience, &lock, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(lock_is_held(path), 1);
    database_unlock(lock);
    assert_int_equal(lock_is_held(path), 0);
}

static void assert_refused(const char *path, struct waiting *waiting, int code, const char *said)
{
    for (int takes = 0; takes < 2; takes++) {
        struct error error = {0};
        int lock = -1;
        struct lock_patience patience = patience_of(waiting);
        waiting->pauses = 0;
        int r = takes ? lock_take(path, NULL, &patience, &lock, &error) : lock_await(path, &patience, &error);
        assert_int_equal(r, -code);
        assert_int_equal(lock, -1);
        if (!strstr(error.message, said) || !strstr(error.message, path))
            fail_msg("'%s' expected in: %s", said, error.message);
        assert_int_equal(lock_is_held(path), 1);
    }
}

/* The record that a killed process left behind, whose pid another process has now. */
static void write_stranger(const char *path, pid_t stranger)
{
    char *file = test_path(path, "LOCK"), record[LOCK_RECORD_BYTES + 1];
    struct process_identity identity = process_self();
    identity.pid = stranger;
    identity.start_ticks++;
    lock_record(&identity, "start", record);
    test_file_write(file, record, LOCK_RECORD_BYTES);
    free(file);
}

static void assert_holder(const char *path, pid_t pid, enum database_holder_state state, const char *role)
{
    struct database_holder holder = {0};
    assert_int_equal(database_find_holder(path, &holder, NULL), 1);
    assert_int_equal(holder.pid, pid);
    assert_int_equal(holder.state, state);
    assert_string_equal(holder.role, role);
}

/* ---- tests ---- */

static void test_a_live_holder_is_not_waited_for(void **state)
{
    (void)state;
    char *path = test_directory_create(), said[64];
    struct waiting waiting = {0};
    waiting.pid = hold_elsewhere(path, LIVES, &waiting.hold, &waiting.closed);
    (void)snprintf(said, sizeof(said), "is in use by process %d", waiting.pid);
    assert_refused(path, &waiting, EBUSY, said);
    assert_int_equal(waiting.pauses, 0);
    end_holder(&waiting);
    reap_all();
    char *file = test_path(path, "LOCK"), *record = test_file_read(file, NULL),
         expected[LOCK_RECORD_BYTES + 1];
    lock_record(NULL, NULL, expected);
    assert_string_equal(record, expected);
    assert_taken(path, &waiting);
    write_stranger(path, getppid()); /* as a killed one leaves it, and another process has its pid now */
    assert_taken(path, &waiting);
    assert_int_equal(waiting.pauses, 0); /* what is written there is no lock */
    free(record);
    free(file);
    test_directory_remove(path);
}

/* A live one might be behind it. */
static void test_an_unknown_holder_is_not_waited_for(void **state)
{
    (void)state;
    static const char *const records[] = {"", "         0\n", "nonsense", "-5", "99999999999"};
    char *path = test_directory_create();
    char *file = test_path(path, "LOCK");
    struct waiting waiting = {0};
    (void)hold_elsewhere(path, BEQUEATHS, &waiting.hold, &waiting.closed);
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        test_file_write(file, records[i], strlen(records[i]));
        assert_refused(path, &waiting, EBUSY, "is in use by another process");
        assert_int_equal(waiting.pauses, 0);
    }
    end_holder(&waiting);
    reap_all();
    free(file);
    test_directory_remove(path);
}

/* Records that are held by a process that did not write them. What is said of it, and whether it is waited
 * for. */
static void test_records_and_what_they_prove(void **state)
{
    (void)state;
    static const struct {
        const char *name, *said;
        unsigned pauses;
        enum database_holder_state holder;
        bool start, boot, namespace; /* of this process, or changed */
        bool old;                    /* a pid alone */
    } cases[] = {
        {"all agrees", "is in use by process %d connectordb start", 0, DATABASE_HOLDER_KNOWN, true, true,
            true, false},
        {"another process has its pid", "process %d, which locked it, has ended", PAUSES_MAX,
            DATABASE_HOLDER_GONE, false, true, true, false},
        {"another machine or boot", "another container or machine (process %d there connectordb start)", 0,
            DATABASE_HOLDER_ELSEWHERE, true, false, true, false},
        {"another PID namespace", "another container or machine (process %d there connectordb start)", 0,
            DATABASE_HOLDER_ELSEWHERE, true, true, false, false},
        {"of an earlier version", "is in use by process %d", 0, DATABASE_HOLDER_UNKNOWN, true, true, true,
            true},
    };
    char *path = test_directory_create(), *file = test_path(path, "LOCK");
    struct waiting waiting = {0};
    (void)hold_elsewhere(path, LIVES, &waiting.hold, &waiting.closed);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char record[LOCK_RECORD_BYTES + 1], said[128];
        struct process_identity identity = process_self();
        identity.start_ticks += !cases[i].start;
        identity.pid_namespace += !cases[i].namespace;
        identity.boot_id[0] = cases[i].boot ? identity.boot_id[0] : 'x';
        lock_record(&identity, "start", record);
        if (cases[i].old)
            (void)snprintf(record, sizeof(record), "%10d\n", identity.pid);
        test_file_write(file, record, strlen(record));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(said, sizeof(said), cases[i].said, identity.pid);
#pragma GCC diagnostic pop
        print_message("%s\n", cases[i].name);
        assert_refused(path, &waiting, cases[i].pauses ? ETIMEDOUT : EBUSY, said);
        assert_int_equal(waiting.pauses, cases[i].pauses);
        assert_holder(path, identity.pid, cases[i].holder, cases[i].old ? "" : "start");
    }
    end_holder(&waiting);
    reap_all();
    struct database_holder holder;
    assert_int_equal(database_find_holder(path, &holder, NULL), 0);
    free(file);
    test_directory_remove(path);
}

/* Whoever took it is gone; the lock is not. */
static void test_a_lock_that_outlives_its_holder_is_not_broken(void **state)
{
    (void)state;
    char *path = test_directory_create(), said[64];
    struct waiting waiting = {0};
    pid_t pid = hold_elsewhere(path, BEQUEATHS, &waiting.hold, &waiting.closed);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(process_is_ending(pid));
    (void)snprintf(said, sizeof(said), "process %d, which locked it, has ended", pid);
    assert_refused(path, &waiting, ETIMEDOUT, said);
    assert_int_equal(waiting.pauses, PAUSES_MAX);
    waiting.pauses = 0;
    waiting.let_go_at = 3;
    waiting.let_go = end_holder;
    assert_taken(path, &waiting);
    assert_int_equal(waiting.pauses, 3);
    reap_all();
    test_directory_remove(path);
}

static void test_a_lock_that_changes_hands_is_live_again(void **state)
{
    (void)state;
    char *path = test_directory_create(), said[64];
    struct waiting waiting = {.let_go_at = 2, .let_go = hand_over, .path = path};
    struct lock_patience patience = patience_of(&waiting);
    struct error error = {0};
    int lock = -1;
    pid_t pid = hold_elsewhere(path, BEQUEATHS, &waiting.hold, &waiting.closed);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(lock_take(path, NULL, &patience, &lock, &error), -EBUSY);
    assert_int_equal(waiting.pauses, 2);
    (void)snprintf(said, sizeof(said), "is in use by process %d", waiting.next);
    assert_non_null(strstr(error.message, said));
    (void)close(waiting.next_hold);
    reap_all();
    test_directory_remove(path);
}

/* As a server whose main thread is done with while another still has to be stopped. */
static void test_a_holder_whose_main_thread_is_a_zombie(void **state)
{
    (void)state;
    char *path = test_directory_create();
    struct waiting waiting = {.let_go_at = 2, .let_go = end_holder};
    waiting.pid = hold_elsewhere(path, LEAVES, &waiting.hold, &waiting.closed);
    assert_true(process_is_ending(waiting.pid));
    assert_taken(path, &waiting);
    assert_int_equal(waiting.pauses, 2);
    reap_all();
    test_directory_remove(path);
}

/* kill -9, stopped in the kernel on its way out: still with all its locks. */
static void test_a_killed_holder_is_waited_for(void **state)
{
    (void)state;
    char *path = test_directory_create();
    struct waiting waiting = {.let_go_at = 2, .let_go = continue_traced};
    int status = 0;
    waiting.pid = hold_elsewhere(path, LIVES, &waiting.hold, &waiting.closed);
    assert_false(process_is_ending(waiting.pid));
    bool traced = ptrace(PTRACE_SEIZE, waiting.pid, 0, PTRACE_O_TRACEEXIT) == 0;
    assert_int_equal(kill(waiting.pid, SIGKILL), 0);
    if (traced)
        assert_int_equal(waitpid(waiting.pid, &status, 0), waiting.pid);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
        assert_true(process_is_ending(waiting.pid));
        assert_taken(path, &waiting);
        assert_int_equal(waiting.pauses, 2);
    } else {
        print_message("a process cannot be stopped on its way out here: nothing tested\n");
    }
    (void)close(waiting.hold);
    (void)close(waiting.closed);
    reap_all();
    test_directory_remove(path);
    if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8))
        skip();
}

static void test_processes(void **state)
{
    (void)state;
    int status;
    struct process_identity self = process_self();
    assert_int_equal(process_state(&self), PROCESS_RUNNING);
    self.start_ticks = 0; /* as where there is no /proc */
    assert_int_equal(process_state(&self), PROCESS_UNCERTAIN);
    assert_false(process_is_ending(getpid()));
    assert_false(process_is_ending(getppid()));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    assert_true(process_is_ending(pid)); /* a zombie */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(process_is_ending(pid)); /* nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_live_holder_is_not_waited_for),
        cmocka_unit_test(test_an_unknown_holder_is_not_waited_for),
        cmocka_unit_test(test_records_and_what_they_prove),
        cmocka_unit_test(test_a_lock_that_outlives_its_holder_is_not_broken),
        cmocka_unit_test(test_a_lock_that_changes_hands_is_live_again),
        cmocka_unit_test(test_a_holder_whose_main_thread_is_a_zombie),
        cmocka_unit_test(test_a_killed_holder_is_waited_for),
        cmocka_unit_test(test_processes),
    };
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* grandchildren are waited for here, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
