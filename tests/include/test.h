/* What every C test includes: cmocka with the headers it needs, and a few helpers. A helper that cannot do
 * its work fails the running test, so callers need not check. Only for the thread that runs the test. */
#ifndef CONNECTORDB_TEST_H
#define CONNECTORDB_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEST_PATH_BYTES = 4096 };

/* Creates an empty directory under $TMPDIR (/tmp without). Pass the path to test_directory_remove. */
char *test_directory_create(void);
/* Removes the directory and everything in it, without following symbolic links; frees the path. */
void test_directory_remove(char *path);

/* "directory/name" with a printf-formatted name, malloc'ed: free it. */
char *test_path(const char *directory, const char *name_format, ...) __attribute__((format(printf, 2, 3)));

/* A whole file, malloc'ed, with a 0 byte behind it that *ret_size (may be NULL) does not count: free it. */
char *test_file_read(const char *path, size_t *ret_size);
/* Creates or replaces the file. */
void test_file_write(const char *path, const void *data, size_t size);

/* Skips the running test and says why. Does not return. */
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Path of something in the shared folder (recorded exports, vectors), malloc'ed: free it; skips the test when
 * it is not there. */
char *test_shared_path(const char *relative);
/* The same for a whole file, as test_file_read. */
char *test_shared_read(const char *relative, size_t *ret_size);

/* Runs function(argument) in a forked child; true when it died of abort(), as CHECK does. */
bool test_aborts(void (*function)(void *argument), void *argument);

/* A reproducible random sequence (SplitMix64): any seed is good, two seeds are unrelated. */
struct test_random {
    uint64_t state;
};
uint64_t test_random_next(struct test_random *random);
/* Uniform in [0, bound); bound > 0. */
uint64_t test_random_below(struct test_random *random, uint64_t bound);
/* Uniform in [0, 1). */
double test_random_unit(struct test_random *random);

#endif
