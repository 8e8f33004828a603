/* Msgpack values: a dictionary of the distinct ones and a code for each point, or one after the other
 * (docs/FORMAT.md, section 6.5). Values that are all numbers of one kind or all booleans are stored as
 * such. */
#ifndef CONNECTORDB_COLUMNS_VALUES_H
#define CONNECTORDB_COLUMNS_VALUES_H

#include "column_reader.h"
#include "columns_memory.h"

/* The batch's form is VALUES_MSGPACK. 0 or -ENOMEM. */
int values_encode(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out);
/* Sets the batch's msgpack; every value is validated. 0, -EBADMSG or -ENOMEM. */
int values_decode(struct columns *columns, struct column_reader *reader, struct batch *batch, uint32_t count,
    struct error *ret_error);

#endif
