/* Views of msgpack values that our own codec wrote: canonical, valid, no key twice. Nothing is copied. */
#ifndef CONNECTORDB_SCHEMA_VALUE_H
#define CONNECTORDB_SCHEMA_VALUE_H

#include "msgpack_head.h"

#include <stdbool.h>
#include <stdint.h>

struct value {
    enum msgpack_type type;
    uint32_t length;      /* bytes, elements or members; else 0 */
    struct number number; /* MSGPACK_NUMBER */
    const uint8_t *body;  /* behind the header: the string's bytes, the first element or the first key */
    const uint8_t *end;   /* of the memory that holds it */
};

/* Reads the value at p; CHECKs that there is one. */
struct value value_read(const uint8_t *p, const uint8_t *end);
/* Where the value ends. Time linear in its size. */
const uint8_t *value_skip(const struct value *value);
/* The member of an object; false: it has none of that name. */
bool value_find(const struct value *object, const char *key, size_t size, struct value *ret_member);

/* Equal as JSON Schema says: numbers by their value, objects whatever the order of their members. */
bool value_equal(const struct value *a, const struct value *b);
/* Equal values have equal hashes. */
uint64_t value_hash(const struct value *value);

/* -1, 0 or 1; exact. */
int number_compare(const struct number *a, const struct number *b);
bool number_is_integral(const struct number *number);
/* Whether the value is an integer times the divisor, both taken as the decimals that they print as. divisor >
 * 0. */
bool number_is_multiple(const struct number *number, const struct number *divisor);

#endif
