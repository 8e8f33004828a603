/* Pushing points of any kind; the public batch_push_* and the JSON reader meet here. */
#ifndef CONNECTORDB_BATCH_INTERNAL_H
#define CONNECTORDB_BATCH_INTERNAL_H

#include "batch.h"
#include "number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum point_value_kind {
    POINT_NUMBER,
    POINT_BOOLEAN,
    POINT_MSGPACK, /* anything else: a string, an array, an object, null */
};

struct point_value {
    enum point_value_kind kind;
    bool boolean;
    struct number number;
    const uint8_t *msgpack; /* one canonical value, borrowed */
    size_t size;
};

/* time: NULL = missing. Returns as batch_push_double does. */
int batch_push_point(struct batch *batch, const struct number *time, const struct point_value *value);

/* Takes the last point away again. */
void batch_pop(struct batch *batch);

/* Writes value i of the batch, which holds `i` values already, without counting it. 0, -ENOMEM, -E2BIG. */
int batch_put_value(struct batch *batch, uint32_t i, const struct point_value *value);
void batch_put_time(struct batch *batch, uint32_t i, const struct number *time);
/* Names the sender of point i, which is counted already; size > 0. */
int batch_put_sender(struct batch *batch, uint32_t i, const char *name, size_t size);

/* Value i in its canonical form: an integer where it is one. */
void numbers_get_canonical(const struct numbers *numbers, uint32_t i, struct number *ret_number);

#endif
