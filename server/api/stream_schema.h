/* The JSON Schema of a stream: whether it is one, and whether datapoints conform to it. */
#ifndef CONNECTORDB_STREAM_SCHEMA_H
#define CONNECTORDB_STREAM_SCHEMA_H

#include "batch.h"
#include "request.h"

/* Whether the text can be a stream's schema; NULL and "" are {}. 403 with the reason when not. */
bool stream_schema_valid(const char *text, struct problem *problem);

/* Whether all points of the batch conform to the schema of the stream at the place. 403 when not, naming the
 * point, and when the schema does not compile (imports and older versions do not look); 413 when checking
 * takes too long. */
bool stream_schema_check(const struct request *request, const struct stream_place *place,
    const struct batch *batch, struct problem *problem);

#endif
