/* Helpers around a store and its directory that abort when something fails or differs. */
#ifndef CONNECTORDB_STORE_HELPERS_H
#define CONNECTORDB_STORE_HELPERS_H

#include "points.h"

#include "store.h"

/* As test_directory_create, in memory (/dev/shm) unless $TMPDIR says where: for tests that sync very often.
 */
char *test_directory_create_fast(void);
/* Copies all files and directories of `from` into the existing, empty directory `to`. */
void test_directory_copy(const char *from, const char *to);
/* A hash of all names, sizes, modification times and bytes below the directory. */
uint64_t test_directory_hash(const char *directory);

/* store_create and store_open that must succeed. */
void test_store_create(const char *directory);
struct store *test_store_open(const char *directory, const struct store_options *options);
void test_store_close(struct store *store);
/* store_check that must find nothing. */
void test_store_check(const char *directory);
/* The series in the snapshot is exactly points [0, length): its description and every point. */
void test_series_equal(
    struct store_snapshot *snapshot, uint64_t series_id, const struct points *points, uint64_t length);
/* Points [from, to) of the series, clipped to length, are those of the model. */
void test_range_equal(struct store_snapshot *snapshot, uint64_t series_id, const struct points *points,
    uint64_t length, uint64_t from, uint64_t to);
/* All points of the series, appended to `points`. 0 or the first error of the store. */
int test_series_read(
    struct store_snapshot *snapshot, uint64_t series_id, struct points *points, struct error *ret_error);

#endif
