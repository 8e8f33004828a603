/* Booleans, one byte each in memory: a constant or a bitmap (docs/FORMAT.md, section 6.4). */
#ifndef CONNECTORDB_COLUMNS_BOOLEANS_H
#define CONNECTORDB_COLUMNS_BOOLEANS_H

#include "column_reader.h"
#include "columns_memory.h"

/* 0 or -ENOMEM. */
int booleans_encode(struct columns *columns, const uint8_t *booleans, uint32_t count, struct buffer *out);
/* 0 or -EBADMSG. */
int booleans_decode(struct columns *columns, struct column_reader *reader, uint8_t *booleans, uint32_t count,
    struct error *ret_error);

#endif
