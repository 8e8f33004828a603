/* A batch: consecutive datapoints of one series, by columns. It is what the JSON reader fills, the store
 * appends, the cursor hands out and the printer prints.
 *
 * Values are in the first of three forms that holds all of them:
 *   VALUES_NUMBERS   numbers of one kind (numbers.h)
 *   VALUES_BOOLEANS  one byte a point, 0 or 1
 *   VALUES_MSGPACK   any JSON value as one msgpack value each, concatenated. Canonical: smallest encoding; a
 *                    number that is integral and exact as int64/uint64 (not -0) is an integer, every other
 *                    one float64; object keys are strings, unique, in the order in which they came
 *
 * batch_push_* convert to a more general form when needed, without loss: numbers and booleans to msgpack;
 * decimals to another exponent, to doubles or, where a large integer meets a fraction, to msgpack.
 *
 * Not shared between threads. Memory grows with the points, never per point; batch_clear keeps it for reuse.
 */
#ifndef CONNECTORDB_BATCH_H
#define CONNECTORDB_BATCH_H

#include "buffer.h"
#include "numbers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_form {
    VALUES_NONE = 0, /* an empty batch that has not decided yet */
    VALUES_NUMBERS = 1,
    VALUES_BOOLEANS = 2,
    VALUES_MSGPACK = 3,
};

enum {
    BATCH_POINTS_MAX = 16 << 20, /* points in one batch */
    BATCH_BYTES_MAX = 64 << 20,  /* msgpack bytes in one batch */
    SENDER_BYTES_MAX = 255,      /* one sender's name */
    BATCH_SENDERS_MAX = 65535,   /* distinct senders in one batch */
};

struct batch {
    uint32_t count;
    uint32_t capacity; /* points that the allocated columns hold; 0 in a borrowed view */

    struct numbers times; /* unix seconds. A missing time is NaN, see missing_times */
    bool missing_times;

    enum value_form form;
    struct numbers numbers; /* VALUES_NUMBERS */
    uint8_t *booleans;      /* VALUES_BOOLEANS */
    struct buffer msgpack;  /* VALUES_MSGPACK: the values, concatenated */
    uint32_t
        *msgpack_ends; /* VALUES_MSGPACK: value i is [batch_msgpack_offset(i), ends[i]) of msgpack.data */
    uint32_t msgpack_start; /* where value 0 starts: 0 but in a slice, which keeps the ends of the whole */

    bool has_senders;           /* false: the owner sent every point */
    uint16_t *senders;          /* per point: 0 = the owner, else 1 + index in sender_names */
    uint32_t sender_count;      /* distinct names */
    struct buffer sender_names; /* per name: one length byte, then its bytes */

    /* Kept by batch_set_last_sender to find names quickly. Code that fills in senders directly (after
     * batch_clear) does not touch it; such names are found by a linear search. */
    uint32_t sender_indexed;    /* how many names the index knows */
    uint32_t *sender_offsets;   /* where name i starts in sender_names */
    uint32_t *sender_slots;     /* hash table over the names: 0 = empty, else 1 + index */
    uint32_t sender_slot_count; /* a power of two */
    uint64_t sender_secret[2];  /* of the table's hash; drawn with its first slots */
};

/* Zeroes the struct: an empty, growable batch that owns nothing yet. */
void batch_init(struct batch *batch);
/* Frees what the batch owns (not for borrowed views) and zeroes it; accepts a zeroed one. */
void batch_free(struct batch *batch);
/* Empties it; keeps the memory. */
void batch_clear(struct batch *batch);
/* Makes room for `extra` more points. 0, -ENOMEM, or -E2BIG over BATCH_POINTS_MAX; the batch is unchanged
 * then. */
int batch_reserve(struct batch *batch, uint32_t extra);

/* Each push appends one point. 0, -ENOMEM or -E2BIG (points, bytes or senders); the batch is unchanged then.
 * time: finite, or NaN for "missing". sender: NULL or empty = the owner. */
int batch_push_double(struct batch *batch, double time, double value);
int batch_push_integer(struct batch *batch, double time, int64_t value);
int batch_push_boolean(struct batch *batch, double time, bool value);
/* One complete canonical msgpack value; a number or boolean is stored as such where the form allows. */
int batch_push_msgpack(struct batch *batch, double time, const uint8_t *value, size_t size);
/* Names the sender of the point pushed last. */
int batch_set_last_sender(struct batch *batch, const char *name, size_t size);
/* Makes `name` the sender of every point, whatever was there; NULL or size 0: the owner. 0, -ENOMEM or
 * -E2BIG; the batch has no senders then. */
int batch_set_senders(struct batch *batch, const char *name, size_t size);

/* Appends points [from, from + count) of another batch, widening where needed. 0, -ENOMEM, -E2BIG. */
int batch_append(struct batch *to, const struct batch *from_batch, uint32_t from, uint32_t count);

/* Sets *view to points [from, from + count) of batch, borrowing its memory (capacity 0; do not push or free).
 */
void batch_slice(const struct batch *batch, uint32_t from, uint32_t count, struct batch *view);

/* The time of point i in unix seconds; NaN when it is missing. */
static inline double batch_time(const struct batch *batch, uint32_t i)
{
    return numbers_double(&batch->times, i);
}

/* VALUES_MSGPACK: where value i starts in msgpack.data. */
static inline uint32_t batch_msgpack_offset(const struct batch *batch, uint32_t i)
{
    return i > 0 ? batch->msgpack_ends[i - 1] : batch->msgpack_start;
}

/* Value i in msgpack: writes numbers and booleans to scratch (9 bytes at least) and returns scratch, else
 * returns a pointer into the batch. *ret_size is its size. */
const uint8_t *batch_value(const struct batch *batch, uint32_t i, uint8_t scratch[9], size_t *ret_size);

/* The sender of point i: a pointer into the batch and its size; size 0 means the owner. */
const char *batch_sender(const struct batch *batch, uint32_t i, size_t *ret_size);

/* The sum of the msgpack sizes of the values of points [from, from + count): the series' logical bytes. */
uint64_t batch_logical_bytes(const struct batch *batch, uint32_t from, uint32_t count);

#endif
