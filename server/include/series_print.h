/* Datapoints of a series, or what a script makes of them, as text. */
#ifndef CONNECTORDB_SERIES_PRINT_H
#define CONNECTORDB_SERIES_PRINT_H

#include "points_text.h"
#include "script.h"
#include "sink.h"
#include "store.h"

/* Points [from, to) of a series at one moment. */
struct series_range {
    struct store_snapshot *snapshot;
    uint64_t series_id;
    uint64_t from, to;
};

/* Prints datapoints in the format of `text`, without its beginning and end. script: NULL = the points as they
 * are. limit: of the results of a script, 0 = all. Nothing is held but a batch. What the index of the store
 * knows is not read from the points (series_aggregate.h). 0; -EINVAL, -E2BIG: the script fails
 * (script_run_next); -ENOMEM; -errno of the store and the sink. Blocks as both do. */
int series_print(struct sink *sink, const struct series_range *range, const struct script *script,
    uint64_t limit, struct points_text *text, struct error *ret_error);

#endif
