/* How many bytes of values a stream and the streams of a device may have together, by the role of the user
 * who owns them. */
#ifndef CONNECTORDB_DATA_LIMITS_H
#define CONNECTORDB_DATA_LIMITS_H

#include "batch.h"
#include "request.h"

/* Whether the batch still fits, with other_bytes of values that the same request adds to other streams of the
 * device: values count as their msgpack bytes, downlinks count as well. 403 when it does not. Inserts under
 * way at the same time do not see each other, so that a limit can be exceeded by theirs. Where the role has
 * no limits nothing is looked up. */
bool data_limits_pass(const struct request *request, const struct stream_place *place,
    const struct batch *batch, uint64_t other_bytes, struct problem *problem);

#endif
