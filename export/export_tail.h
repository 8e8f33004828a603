/* The end of one series as an export folder. */
#ifndef CONNECTORDB_EXPORT_TAIL_H
#define CONNECTORDB_EXPORT_TAIL_H

#include "export.h"

struct export_tail {
    uint64_t series_id; /* all other series are written empty */
    uint64_t from;      /* index of the first point */
};

/* As export_database, of a snapshot that the caller keeps open. options->filters name what the folder
 * describes. */
int export_tail(const struct database_snapshot *snapshot, const struct export_tail *tail,
    const char *directory, const struct transfer_options *options, struct error *ret_error);

#endif
