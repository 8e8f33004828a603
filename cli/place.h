/* Where a database is: what the DB argument of every command names. */
#ifndef CONNECTORDB_PLACE_H
#define CONNECTORDB_PLACE_H

#include "configuration.h"
#include "error.h"

#include <limits.h>

extern const char PLACE_CONFIGURATION[]; /* connectordb.conf */
extern const char PLACE_PID_FILE[];      /* connectordb.pid */
extern const char PLACE_LOG_FILE[];      /* connectordb.log, of a daemon */

struct place {
    char directory[PATH_MAX];     /* absolute */
    char configuration[PATH_MAX]; /* its file; may be missing when it is the directory's own */
    bool configuration_optional;
};

/* argument: a database directory, or a configuration file in one (as ConnectorDB 0.3 takes it). -ENOENT,
 * -ENOTDIR: it is none. With common_options.as_owner the process becomes the owner of the directory. */
int place_find(const char *argument, struct place *ret_place, struct error *ret_error);
/* Free with configuration_free. */
int place_read_configuration(
    const struct place *place, struct configuration *ret_configuration, struct error *ret_error);
/* directory/name. -ENAMETOOLONG */
int place_path(const char *directory, const char *name, char path[PATH_MAX], struct error *ret_error);

/* connectordb.pid is for operators and service managers; no command reads it, because a killed server leaves
 * it behind (database_find_holder tells who serves the database). */
/* Replaces the file in one step. 0 or -errno. */
int place_write_pid(const struct place *place, struct error *ret_error);
void place_remove_pid(const struct place *place);

#endif
