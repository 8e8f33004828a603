/* Sorts any number of points by time in bounded memory, keeping the order of points of equal time: runs that
 * fit in memory are sorted and spilled to unlinked temporary files, then merged. Used by one thread. */
#ifndef CONNECTORDB_SORT_H
#define CONNECTORDB_SORT_H

#include "batch.h"
#include "error.h"

enum {
    SORT_RUN_POINTS = 128 << 10,
    SORT_RUN_BYTES = 4 << 20, /* of values that are no numbers */
    SORT_FAN_IN = 16,         /* runs merged at once */
};

struct sorter;

/* directory: where the runs are spilled; run_points: points of a run, 0 = SORT_RUN_POINTS. */
int sorter_open(
    const char *directory, uint32_t run_points, struct sorter **ret_sorter, struct error *ret_error);
int sorter_add(struct sorter *sorter, const struct batch *batch, struct error *ret_error);
/* After the last sorter_add: the points in order, some at a time, borrowed until the next call; NULL at the
 * end. */
int sorter_next(struct sorter *sorter, const struct batch **ret_batch, struct error *ret_error);
void sorter_close(struct sorter *sorter); /* accepts NULL */

#endif
