/* Shared by reading and inserting data. */
#ifndef CONNECTORDB_DATA_H
#define CONNECTORDB_DATA_H

#include "problem.h"
#include "request.h"

enum {
    BATCH_KEEP_POINTS = 4096, /* a thread's batch that grew beyond is freed after the request */
    BATCH_KEEP_BYTES = 256 << 10,
};

/* Where the stream of the path is, and the id of its device. status_missing: when it is not there or may not
 * be read. */
bool data_place(const struct request *request, int status_missing, struct stream_place *ret_place,
    struct problem *problem);

#endif
