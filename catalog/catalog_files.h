/* The catalog's files as files. Private. */
#ifndef CONNECTORDB_CATALOG_FILES_H
#define CONNECTORDB_CATALOG_FILES_H

#include "error.h"

/* Suffix of the file that catalog_repair finishes beside the catalog before it replaces the catalog. */
#define CATALOG_REPAIRED ".repaired"

/* Copies a file to a new one, mode 0600, not synced. */
int catalog_file_copy(const char *from, const char *to, struct error *ret_error);
/* An empty file that must be new, made by us and not by SQLite for its mode, 0600: keys and password hashes
 * will be in there. */
int catalog_file_create(const char *path, struct error *ret_error);
/* Ends the making of such a file: syncs it and its name if result is 0; removes it if anything failed.
 * Returns result, or what failed. */
int catalog_file_finish(const char *path, int result, struct error *ret_error);
int catalog_file_sync(const char *path, struct error *ret_error);
/* The directory that holds the file. */
int catalog_file_sync_parent(const char *path, struct error *ret_error);
/* -EBADMSG when a repair of this catalog stopped before its last steps: the file, without its log, is not
 * what it was. */
int catalog_file_refuse_unfinished(const char *path, struct error *ret_error);

/* Whether a killed process left a log beside the file that belongs to its contents. 1, 0 or -errno. */
int catalog_file_has_log(const char *path, struct error *ret_error);
/* file:PATH + parameters, for SQLITE_OPEN_URI; malloc'ed, NULL = no memory. */
char *catalog_file_uri(const char *path, const char *parameters);

/* A copy of the file and its log in a directory of its own in $TMPDIR: to read both through SQLite, which
 * writes the log back. */
struct catalog_copy;
int catalog_copy_make(const char *path, struct catalog_copy **ret_copy, struct error *ret_error);
const char *catalog_copy_path(const struct catalog_copy *copy);
void catalog_copy_remove(struct catalog_copy *copy); /* accepts NULL */

#endif
