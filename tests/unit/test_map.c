#include "test.h"

#include "map.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 8 };

static char *directory;

static int setup(void **state)
{
    (void)state;
    directory = test_directory_create();
    return 0;
}

/* cmocka takes the signal for itself before every test. */
static void install(void)
{
    assert_int_equal(map_install_handler(NULL), 0);
}

static int teardown(void **state)
{
    (void)state;
    test_directory_remove(directory);
    return 0;
}

/* A file of `size` bytes, each its offset's page number + 1. */
static char *make_file(const char *name, size_t size)
{
    char *path = test_path(directory, "%s", name);
    uint8_t *data = malloc(size + 1);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i / PAGE + 1);
    test_file_write(path, data, size);
    free(data);
    return path;
}

static struct map *open_map(const char *path, uint64_t size)
{
    struct map *map = NULL;
    struct error error = {0};
    assert_int_equal(map_open(path, size, &map, &error), 0);
    return map;
}

static void maps_a_file(void **state)
{
    (void)state;
    char *path = make_file("plain", 10000);
    struct map *map = open_map(path, 0);
    assert_int_equal(map_size(map), 10000);
    assert_string_equal(map_path(map), path);
    assert_int_equal(map_data(map)[0], 1);
    assert_int_equal(map_data(map)[9999], 3);
    assert_false(map_faulted(map));
    map_close(map);
    map = open_map(path, 5000);
    assert_int_equal(map_size(map), 5000);
    map_close(map);
    map_close(NULL);
    free(path);
}

static void maps_an_empty_file(void **state)
{
    (void)state;
    char *path = make_file("empty", 0);
    struct map *map = open_map(path, 0);
    assert_int_equal(map_size(map), 0);
    assert_false(map_faulted(map));
    map_forget(map, 0, 0);
    map_close(map);
    free(path);
}

static void says_why_a_file_cannot_be_mapped(void **state)
{
    (void)state;
    struct map *map = NULL;
    struct error error = {0};
    char *path = make_file("short", 100);
    assert_int_equal(map_open(path, 101, &map, &error), -EBADMSG);
    assert_non_null(strstr(error.message, "expected 101 bytes, found 100"));
    assert_int_equal(map_open("/nonexistent/file", 0, &map, &error), -ENOENT);
    assert_non_null(strstr(error.message, "/nonexistent/file"));
    assert_int_equal(map_open(directory, 0, &map, &error), -ENODEV);
    assert_null(map);
    free(path);
}

static void a_cut_file_reads_as_zeros_and_is_flagged(void **state)
{
    (void)state;
    install();
    char *path = make_file("cut", PAGES * PAGE), *other_path = make_file("whole", PAGES * PAGE);
    struct map *map = open_map(path, 0), *other = open_map(other_path, 0);
    assert_int_equal(truncate(path, 2 * PAGE), 0);
    assert_int_equal(map_data(map)[2 * PAGE - 1], 2); /* still there */
    assert_false(map_faulted(map));
    assert_int_equal(map_data(map)[2 * PAGE], 0);
    assert_true(map_faulted(map));
    assert_int_equal(map_data(map)[PAGES * PAGE - 1], 0);
    assert_int_equal(map_data(map)[0], 1);
    assert_false(map_faulted(other));
    assert_int_equal(map_data(other)[3 * PAGE], 4);
    map_close(map);
    map_close(other);
    free(path);
    free(other_path);
}

/* A map that takes a faulted one's place in the table starts without its flag. */
static void the_flag_dies_with_its_map(void **state)
{
    (void)state;
    install();
    char *path = make_file("again", 2 * PAGE);
    for (int round = 0; round < 3; round++) {
        struct map *map = open_map(path, 0);
        assert_false(map_faulted(map));
        map_close(map);
        map = open_map(path, 0);
        assert_int_equal(truncate(path, 0), 0);
        assert_int_equal(map_data(map)[PAGE], 0);
        assert_true(map_faulted(map));
        map_close(map);
        free(path);
        path = make_file("again", 2 * PAGE);
    }
    free(path);
}

static void forgotten_pages_come_back(void **state)
{
    (void)state;
    char *path = make_file("forgotten", PAGES * PAGE);
    struct map *map = open_map(path, 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(map_data(map)[i * PAGE], i + 1);
    map_forget(map, 0, PAGES * PAGE);
    map_forget(map, 100, 10);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(map_data(map)[i * PAGE], i + 1);
    map_close(map);
    free(path);
}

/* Runs function in a child; returns what waitpid said. */
static int in_child(void (*function)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        function();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* A fault in memory that is no map of ours. */
static void fault_elsewhere(void)
{
    char *path = make_file("elsewhere", PAGE);
    signal(SIGBUS, SIG_DFL);
    install();
    int file = open(path, O_RDONLY);
    volatile const uint8_t *data = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    if (truncate(path, 0) == 0 && data != MAP_FAILED)
        (void)data[0];
}

static void others_faults_end_the_process(void **state)
{
    (void)state;
    int status = in_child(fault_elsewhere);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void raise_bus(void)
{
    signal(SIGBUS, SIG_DFL);
    install();
    raise(SIGBUS);
}

static void a_sent_signal_is_not_ours(void **state)
{
    (void)state;
    int status = in_child(raise_bus);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

/* ---- threads ---- */

enum { READERS = 2, ROUNDS = 100 };

static _Atomic bool stop;
static const char *churned_path;

static void *open_and_close(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop)) {
        struct map *map = NULL;
        if (map_open(churned_path, 0, &map, NULL) < 0)
            return (void *)1;
        if (map_data(map)[0] != 1 || map_faulted(map))
            return (void *)1;
        map_close(map);
    }
    return NULL;
}

/* Maps come and go in other threads while one faults: the flag goes to the right one. */
static void faults_while_maps_come_and_go(void **state)
{
    (void)state;
    install();
    pthread_t threads[READERS];
    char *path = make_file("churned", PAGES * PAGE);
    churned_path = path;
    atomic_store(&stop, false);
    for (int t = 0; t < READERS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, open_and_close, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        char *cut_path = make_file("cut-again", 2 * PAGE);
        struct map *map = open_map(cut_path, 0);
        assert_int_equal(truncate(cut_path, PAGE), 0);
        assert_int_equal(map_data(map)[PAGE + 5], 0);
        assert_true(map_faulted(map));
        map_close(map);
        free(cut_path);
    }
    atomic_store(&stop, true);
    for (int t = 0; t < READERS; t++) {
        void *result;
        assert_int_equal(pthread_join(threads[t], &result), 0);
        assert_null(result);
    }
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_a_file),
        cmocka_unit_test(maps_an_empty_file),
        cmocka_unit_test(says_why_a_file_cannot_be_mapped),
        cmocka_unit_test(a_cut_file_reads_as_zeros_and_is_flagged),
        cmocka_unit_test(the_flag_dies_with_its_map),
        cmocka_unit_test(forgotten_pages_come_back),
        cmocka_unit_test(others_faults_end_the_process),
        cmocka_unit_test(a_sent_signal_is_not_ours),
        cmocka_unit_test(faults_while_maps_come_and_go),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
