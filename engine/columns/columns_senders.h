/* Senders: a dictionary of the names that the points use and a code for each point (docs/FORMAT.md, section
 * 6.6). */
#ifndef CONNECTORDB_COLUMNS_SENDERS_H
#define CONNECTORDB_COLUMNS_SENDERS_H

#include "column_reader.h"
#include "columns_memory.h"

/* Appends nothing if the owner sent all of the points. 0 or -ENOMEM. */
int senders_encode(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out);
/* Sets the batch's senders and names. 0, -EBADMSG or -ENOMEM. */
int senders_decode(struct columns *columns, struct column_reader *reader, struct batch *batch, uint32_t count,
    struct error *ret_error);

#endif
