/* A database in this process, when no server runs on it: open, work, close. */
#ifndef CONNECTORDB_OPEN_HERE_H
#define CONNECTORDB_OPEN_HERE_H

#include "database.h"
#include "database_paths.h"
#include "error.h"

#include <stdbool.h>

/* Opens the database with its configuration, calls `work` and closes it.
 * role    what holds the database meanwhile, for messages of other commands: "query"
 * writes  else it is opened for reading
 * Returns what work returned; if that is 0, the error of closing. Blocks. */
int with_database_here(const struct database_paths *paths, const char *role, bool writes,
    int (*work)(struct database *database, void *context, struct error *ret_error), void *context,
    struct error *ret_error);

#endif
