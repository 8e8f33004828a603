/* A database directory: names in it, and how one is built. Private. */
#ifndef CONNECTORDB_DATABASE_FILES_H
#define CONNECTORDB_DATABASE_FILES_H

#include "error.h"

#include <stddef.h>

#define DATABASE_CONFIGURATION "connectordb.conf"
#define DATABASE_CATALOG "catalog.sqlite"
#define DATABASE_LOCK "LOCK"
#define DATABASE_DATA "data"

/* directory/name, malloc'ed, or NULL. */
char *database_file(const char *directory, const char *name);
/* A new file in `directory`, synced. */
int database_write_file(
    const char *directory, const char *name, const void *bytes, size_t size, struct error *ret_error);
int database_sync_directory(const char *path, struct error *ret_error);

/* Makes the directory `path` (-EEXIST when it exists) as a whole or not at all: fill puts files, and
 * directories of files, all synced, into a directory beside it that is renamed in the end, or removed when
 * fill fails. */
int database_build(const char *path,
    int (*fill)(void *context, const char *directory, struct error *ret_error), void *context,
    struct error *ret_error);

#endif
