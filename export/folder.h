/* Making the files and directories of a new export folder, and removing it again. */
#ifndef CONNECTORDB_FOLDER_H
#define CONNECTORDB_FOLDER_H

#include "error.h"

/* With the mode of an export's directories; not synced. */
int folder_make_directory(const char *path, struct error *ret_error);
/* fsyncs a file. */
int folder_sync_file(const char *path, struct error *ret_error);
/* directory_sync with a message. */
int folder_sync_directory(const char *path, struct error *ret_error);
/* Removes a folder that this process made, with all in it, as far as that is possible; follows no links. What
 * makes it complete goes first, durably: a crash in between leaves no folder that looks complete. */
void folder_remove(const char *path);

#endif
