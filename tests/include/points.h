/* Points in plain arrays: what the tests of the store compare with, and generators of random points.
 *
 * A difference aborts with a message that says what, where and the seed: so these functions work in every
 * thread and in child processes, where cmocka's assertions do not. */
#ifndef CONNECTORDB_POINTS_H
#define CONNECTORDB_POINTS_H

#include "test.h"

#include "batch.h"
#include "buffer.h"

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
void points_truncate(struct points *points, uint64_t count); /* keeps the first ones */
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

#endif
