/* The permissions of a running server: the built-in ones, or those of a file, which are read again when the
 * file changes and says "watch": true. */
#ifndef CONNECTORDB_PERMISSIONS_FILE_H
#define CONNECTORDB_PERMISSIONS_FILE_H

#include "access.h"

struct permissions_file;

enum { PERMISSIONS_VERSIONS_MAX = 1000 }; /* read by one server; then it has to be started again */

/* path: "default" or a file, as of permissions_load. Starts a thread when the file is to be watched. A change
 * that cannot be read or is wrong goes to the log, and what was valid before stays. 0 or -errno. */
int permissions_file_open(const char *path, struct permissions_file **ret_file, struct error *ret_error);
/* Reads the file again, whether it is watched or not; does nothing with the built-in permissions. Any thread.
 */
void permissions_file_reload(struct permissions_file *file);
/* Joins the thread and frees all versions. Accepts NULL. */
void permissions_file_close(struct permissions_file *file);

/* The current version. Valid until permissions_file_close: requests under way go on with the one that they
 * began with. Any thread; does not block. */
const struct permissions *permissions_file_current(struct permissions_file *file);

#endif
