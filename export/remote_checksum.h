/* The checksum by which a remote import compares datapoints. */
#ifndef CONNECTORDB_REMOTE_CHECKSUM_H
#define CONNECTORDB_REMOTE_CHECKSUM_H

#include "batch.h"

#include <stdint.h>

/* Adds the times and values of the batch to the checksum of the datapoints before them (0 = none): the same
 * however the datapoints are cut into batches, and whatever the order of the keys in an object, which a
 * server of 0.3 sorts. Senders do not count. XXH3, chained by its seed. */
uint64_t remote_checksum(uint64_t sum, const struct batch *batch);

#endif
