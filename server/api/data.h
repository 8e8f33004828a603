/* What reading and inserting data share. */
#ifndef CONNECTORDB_DATA_H
#define CONNECTORDB_DATA_H

#include "request.h"

enum {
    BATCH_KEEP_POINTS = 4096, /* a thread's batch that grew beyond is freed after the request */
    BATCH_KEEP_BYTES = 256 << 10,
};

/* Where the stream of the path is, and the id of its device in ret_place. -ENOENT: it is not there, or may
 * not be read. */
int data_place(const struct request *request, struct stream_place *ret_place, struct error *ret_error);

#endif
