/* Values while a script runs. 16 bytes; texts and containers are borrowed from an arena, a batch or the
 * program. */
#ifndef CONNECTORDB_QUERY_VALUE_H
#define CONNECTORDB_QUERY_VALUE_H

#include "arena.h"
#include "buffer.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind {
    VALUE_NULL,
    VALUE_BOOLEAN,
    VALUE_INTEGER, /* made by a transform: prints without an exponent */
    VALUE_DOUBLE,
    VALUE_STRING,
    VALUE_ARRAY,  /* msgpack */
    VALUE_OBJECT, /* msgpack */
};

struct value {
    uint8_t kind;
    bool stored;   /* a container of the datapoints themselves: integers in it are numbers like any other */
    uint32_t size; /* bytes of the string or the msgpack */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text;
        const uint8_t *packed;
    };
};

/* One datapoint on its way through a script. */
struct point {
    double t;
    struct value d;
    uint32_t origin; /* 1 + its place in the input batch, while d is what it was there; else 0 */
};

static inline struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}

static inline struct value value_boolean(bool boolean)
{
    return (struct value){.kind = VALUE_BOOLEAN, .boolean = boolean};
}

static inline struct value value_integer(int64_t integer)
{
    return (struct value){.kind = VALUE_INTEGER, .integer = integer};
}

static inline struct value value_double(double real)
{
    return (struct value){.kind = VALUE_DOUBLE, .real = real};
}

static inline struct value value_string(const char *text, size_t size)
{
    return (struct value){.kind = VALUE_STRING, .size = (uint32_t)size, .text = text};
}

/* ---- conversions (reference: "Data model"); 0 or -EINVAL with "Could not convert ... to ..." ---- */
int value_to_boolean(const struct value *value, bool *ret_boolean, struct error *ret_error);
int value_to_double(const struct value *value, double *ret_double, struct error *ret_error);
int value_to_integer(const struct value *value, int64_t *ret_integer, struct error *ret_error);
/* The text is borrowed from the value or made in the arena. Also -ENOMEM, -E2BIG of the arena. */
int value_to_string(
    const struct value *value, struct arena *arena, struct value *ret_string, struct error *ret_error);
/* True when the value counts as a number; no error text. */
bool value_is_numeric(const struct value *value, double *ret_double);

/* White space of Unicode at the beginning of the text: its bytes, or 0. */
size_t unicode_space(const char *text, size_t size);

/* Equality of ==; never fails. */
bool value_equals(const struct value *a, const struct value *b);

/* For messages: the value as JSON, cut to a length that fits one. */
void value_describe(const struct value *value, char *to, size_t size);

/* ---- containers ---- */
uint32_t value_length(const struct value *container); /* elements or members */
/* Visits the elements, or the members in their order (key: a string, else NULL). */
struct value_iterator {
    const uint8_t *at, *end;
    uint32_t left;
    bool object, stored;
};
void value_iterate(const struct value *container, struct value_iterator *iterator);
bool value_iterator_next(struct value_iterator *iterator, struct value *ret_key, struct value *ret_value);
/* d(k): member, element or byte. 0, or -EINVAL "Could not find ...". */
int value_access(const struct value *value, const struct value *key, struct arena *arena,
    struct value *ret_value, struct error *ret_error);
bool value_member(const struct value *object, const char *key, size_t size, struct value *ret_value);

/* Builds an object or array in a buffer: begin, then for each member a key and a value, then end. */
struct value_builder {
    struct buffer bytes;
    uint32_t count;
    int result; /* 0, or -ENOMEM from then on */
};
void builder_begin(struct value_builder *builder);
void builder_key(struct value_builder *builder, const char *key, size_t size);
/* Containers of datapoints are copied so that their numbers stay what they are. */
void builder_value(struct value_builder *builder, const struct value *value);
/* Copies the object into the arena. 0, -ENOMEM or -E2BIG. */
int builder_end(
    struct value_builder *builder, struct arena *arena, struct value *ret_object, struct error *ret_error);
void builder_free(struct value_builder *builder);

/* The value as canonical msgpack, as batches hold it, appended to the buffer. NaN and infinities become null.
 * 0 or -ENOMEM. */
int value_pack(const struct value *value, struct buffer *to);
/* A value of a batch. */
struct batch;
struct value value_of_batch(const struct batch *batch, uint32_t i);

#endif
