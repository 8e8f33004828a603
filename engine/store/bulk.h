/* Bulk load. The contracts are those of store_bulk_open and store_bulk_discard in store.h. */
#ifndef CONNECTORDB_BULK_H
#define CONNECTORDB_BULK_H

#include "files.h"
#include "store.h"
#include "wake.h"

/* io and files are borrowed until close; `wake` tells the merger of new segments. */
int bulk_open(struct io *io, struct files *files, struct wake wake, const char *name, bool resume,
    struct store_bulk **ret_bulk, struct error *ret_error);
int bulk_discard(struct io *io, struct files *files, const char *name, struct error *ret_error);

#endif
