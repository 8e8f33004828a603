/* Recovery: what an open does with the journals that it finds. recover.c explains how. */
#ifndef CONNECTORDB_RECOVER_H
#define CONNECTORDB_RECOVER_H

#include "files.h"
#include "states.h"
#include "store.h"

/* Makes everything that survived durable and known: to the journals' indexes, the states, the deleted series;
 * cuts the end of the log, and moves what the manifest does not name to trash. One thread, right after
 * files_open. 0 with a reference to the new, active journal and *ret_recovery; -EBADMSG corruption; -ENOSPC
 * and kin; -errno: then the store on disk is as it was. */
int recover(const struct store_options *options, struct io *io, struct files *files, struct states *states,
    struct journal **ret_active, struct store_recovery *ret_recovery, struct error *ret_error);

/* The same without any change on the disk, for a store that is only read: the journals stay as they are, and
 * what a power loss has torn off their end is not there. There is no active journal. */
int recover_in_memory(const struct store_options *options, struct io *io, struct files *files,
    struct states *states, struct store_recovery *ret_recovery, struct error *ret_error);

#endif
