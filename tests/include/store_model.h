/* What the store's tests share: points in plain arrays as the model that a store is compared with, generators
 * of them, and helpers around a store's directory.
 *
 * A difference aborts with a message that says what, where and the seed: so these helpers work in every
 * thread and in child processes, where cmocka's assertions do not. */
#ifndef CONNECTORDB_STORE_MODEL_H
#define CONNECTORDB_STORE_MODEL_H

#include "test.h"

#include "batch.h"
#include "buffer.h"
#include "store.h"

/* Aborts with a printf-formatted message unless the condition holds. Any thread. */
#define REQUIRE(condition, ...)                                                                              \
    ((condition) ? (void)0 : require_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))
_Noreturn void require_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The seed of this run: $CONNECTORDB_SEED, else `fallback`. It is printed with every failed REQUIRE. */
uint64_t test_seed(uint64_t fallback);
/* A positive number from the environment, else `fallback`: how much work a test does. */
uint64_t test_parameter(const char *name, uint64_t fallback);

/* ---- points in plain arrays ---- */
struct points {
    uint64_t count, capacity;
    double *times;
    uint64_t *value_ends; /* value i is [ends[i - 1], ends[i]) of values: canonical msgpack */
    uint64_t *sender_ends;
    struct buffer values;
    struct buffer senders;
};

void points_free(struct points *points); /* zeroes it; accepts a zeroed one */
void points_clear(struct points *points);
void points_push(struct points *points, double time, const void *value, size_t value_size, const char *sender,
    size_t sender_size);
void points_append(struct points *to, const struct points *from, uint64_t first, uint64_t count);
const uint8_t *points_value(const struct points *points, uint64_t i, size_t *ret_size);
const char *points_sender(const struct points *points, uint64_t i, size_t *ret_size);
/* Of points [0, count). */
uint64_t points_logical_bytes(const struct points *points, uint64_t count);
/* How many of points [0, count) have a time <= time. */
uint64_t points_index_of_time(const struct points *points, uint64_t count, double time);

/* Canonical msgpack of a number, written without the codec. Returns its size, at most 9. */
size_t value_of_integer(uint8_t *to, int64_t value);
size_t value_of_unsigned(uint8_t *to, uint64_t value);
size_t value_of_double(uint8_t *to, double value);

/* Pushes points [first, first + count) onto the batch. narrow: through the function made for each kind of
 * value, else all as msgpack. */
void points_to_batch(
    const struct points *points, uint64_t first, uint64_t count, bool narrow, struct batch *batch);
/* Pushes all points of the batch onto `points`. */
void points_from_batch(struct points *points, const struct batch *batch);
/* The batch holds points [first, first + batch->count): equal bits of times, values and senders. */
void points_check_batch(
    const struct points *points, uint64_t first, const struct batch *batch, const char *what);

/* What values a series has. */
enum value_profile {
    PROFILE_STEPS,    /* small integers */
    PROFILE_DECIMALS, /* a walk with two decimals */
    PROFILE_INTEGERS, /* any int64 and some beyond */
    PROFILE_DOUBLES,  /* any finite double, -0 and the smallest among them */
    PROFILE_BOOLEANS,
    PROFILE_WORDS, /* few distinct strings */
    PROFILE_TEXTS, /* long distinct strings */
    PROFILE_OBJECTS,
    PROFILE_MIXED, /* any of the above and null from point to point */
    PROFILE_COUNT,
};
/* Pushes one value of the profile, at this time, without a sender or (senders) sometimes with one. */
void points_push_random(
    struct points *points, enum value_profile profile, double time, bool senders, struct test_random *random);
/* A time not before `after`: equal to it, or later by whole seconds, milliseconds or any small step. */
double random_time_after(double after, struct test_random *random);

/* ---- a store and its directory ---- */
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
