/* The paths of a database: what the DB argument of every command names. */
#ifndef CONNECTORDB_DATABASE_PATHS_H
#define CONNECTORDB_DATABASE_PATHS_H

#include "configuration.h"
#include "error.h"

#include <limits.h>

extern const char DATABASE_CONFIGURATION_NAME[]; /* connectordb.conf */
extern const char DATABASE_PID_FILE_NAME[];      /* connectordb.pid */
extern const char DATABASE_LOG_FILE_NAME[];      /* connectordb.log, of a daemon */

struct database_paths {
    char directory[PATH_MAX];     /* absolute */
    char configuration[PATH_MAX]; /* its file; may be missing when it is the directory's own */
    bool configuration_optional;
};

/* argument: a database directory, or a configuration file in one (as ConnectorDB 0.3 takes it). -ENOENT,
 * -ENOTDIR: it is none. With common_options.as_owner the process becomes the owner of the directory. */
int database_paths_find(const char *argument, struct database_paths *ret_paths, struct error *ret_error);
/* Free with configuration_free. */
int database_paths_read_configuration(
    const struct database_paths *paths, struct configuration *ret_configuration, struct error *ret_error);
/* directory/name. -ENAMETOOLONG */
int path_join(const char *directory, const char *name, char path[PATH_MAX], struct error *ret_error);

/* connectordb.pid is for operators and service managers; no command reads it, because a killed server leaves
 * it behind (database_find_holder tells who serves the database). */
/* Replaces the file in one step. 0 or -errno. */
int pid_file_write(const struct database_paths *paths, struct error *ret_error);
/* Removes it. A file that is not there, or cannot be removed, is ignored. */
void pid_file_remove(const struct database_paths *paths);

#endif
