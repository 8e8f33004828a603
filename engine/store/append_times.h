/* The times of a batch that is to be appended. */
#ifndef CONNECTORDB_APPEND_TIMES_H
#define CONNECTORDB_APPEND_TIMES_H

#include "batch.h"
#include "error.h"

/* Missing times (if the batch has any) aside: all finite and in order, the first one not before `previous`.
 */
int batch_check_times(const struct batch *batch, double previous, struct error *ret_error);
/* Gives missing times max(now, the point before), with STORE_APPEND_RESTAMP moves leading times that are not
 * later than `last`, and checks that the batch may follow a point at `last`. Times are written back. 0 or
 * -EINVAL. */
int batch_settle_times(struct batch *batch, double last, unsigned flags, struct error *ret_error);

#endif
