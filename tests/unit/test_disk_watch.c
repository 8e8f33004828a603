/* When the log warns of a full disk. What the file system says of its free space is the test's. */
#include "test.h"

#include "disk_watch.h"
#include "log.h"

#include <sys/statvfs.h>

static unsigned long free_mebibytes, size_mebibytes = 100000;

int statvfs(const char *path, struct statvfs *status)
{
    (void)path;
    *status = (struct statvfs){.f_blocks = size_mebibytes, .f_bavail = free_mebibytes, .f_frsize = 1 << 20};
    return 0;
}

static void test_what_is_told(void **state)
{
    static const struct {
        unsigned long size, free;
        const char *said; /* NULL = nothing */
    } STEPS[] = {
        {100000, 90000, NULL}, {100000, 10001, NULL},
        {100000, 9990, "warn /db: the disk is nearly full: 9990 MiB (10.0 %) are free"},
        {100000, 9000, NULL},  /* told already */
        {100000, 11000, NULL}, /* not clear of the limit */
        {100000, 2900, "warn /db: the disk is almost full: 2900 MiB (2.9 %)"}, {100000, 4000, NULL},
        {100000, 6000, NULL}, /* still nearly full */
        {100000, 13000, "info /db: the disk has space again: 13000 MiB (13.0 %)"},
        {100000, 2000, "warn /db: the disk is almost full: 2000 MiB (2.0 %)"},
        {100000, 50000, "the disk has space again"},
        {1000, 200, "warn /db: the disk is almost full: 200 MiB (20.0 %)"}, /* of a small one */
        {1000, 500, "the disk has space again"}, {0, 0, NULL}, /* a file system that does not tell */
    };
    struct disk_watch watch = {0};
    char *directory = test_directory_create();
    char *path = test_path(directory, "log");
    uint64_t now_ns = 1;
    (void)state;
    for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
        (void)remove(path);
        assert_int_equal(log_open(path, LOG_INFO, NULL), 0);
        size_mebibytes = STEPS[i].size;
        free_mebibytes = STEPS[i].free;
        now_ns += DISK_WATCH_SECONDS * UINT64_C(1000000000);
        disk_watch_look(&watch, "/db", now_ns);
        disk_watch_look(&watch, "/db", now_ns + 1000); /* it is not looked at so soon again */
        size_t size;
        char *said = test_file_read(path, &size);
        if (STEPS[i].said ? !strstr(said, STEPS[i].said) : size > 0)
            fail_msg("step %zu: '%s'", i, said);
        free(said);
    }
    log_close();
    free(path);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
