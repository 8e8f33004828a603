/* Reads a sequence point by point. */
#ifndef CONNECTORDB_QUERY_READER_H
#define CONNECTORDB_QUERY_READER_H

#include "sequence.h"

#include <math.h>

/* Zeroed but for `source`. */
struct reader {
    struct sequence source;
    const struct batch *batch; /* borrowed from the source */
    uint32_t at;               /* the next point in it */
    bool ended;
};

/* The time of the next point, which is at reader->at of reader->batch. 1; 0 at the end; -errno of the source.
 */
static inline int reader_peek(struct reader *reader, double *ret_time, struct error *ret_error)
{
    while (!reader->ended && (!reader->batch || reader->at == reader->batch->count)) {
        int r = reader->source.next(reader->source.context, &reader->batch, ret_error);
        reader->at = 0;
        if (r < 0)
            return r;
        reader->ended = !reader->batch || reader->batch->count == 0;
    }
    if (reader->ended)
        return 0;
    *ret_time = batch_time(reader->batch, reader->at);
    return 1;
}

#endif
