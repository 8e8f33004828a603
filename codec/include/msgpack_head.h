/* Reading one msgpack header. */
#ifndef CONNECTORDB_MSGPACK_HEAD_H
#define CONNECTORDB_MSGPACK_HEAD_H

#include "number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum msgpack_type {
    MSGPACK_NULL,
    MSGPACK_FALSE,
    MSGPACK_TRUE,
    MSGPACK_NUMBER,
    MSGPACK_STRING, /* length bytes follow */
    MSGPACK_ARRAY,  /* length values follow */
    MSGPACK_MAP,    /* length pairs of values follow */
};

struct msgpack_head {
    enum msgpack_type type;
    uint32_t length;
    struct number number;
    size_t size; /* of the header; of the whole value for null, booleans and numbers */
};

/* Reads the header at p. false: cut off, or a type that JSON has not. A string's bytes may lie past end. */
bool msgpack_read_head(const uint8_t *p, const uint8_t *end, struct msgpack_head *ret_head);

#endif
