/* Calls back when files have changed: they were written, or replaced by a rename or by another link. */
#ifndef CONNECTORDB_FILE_WATCH_H
#define CONNECTORDB_FILE_WATCH_H

#include <stddef.h>
#include <stdint.h>

enum { FILE_WATCH_PATHS_MAX = 4 };

struct file_watch;

/* Watches the files by way of their directories, for editors write a new file and rename it. Each path has a
 * '/'. settle_ms  how long no further change must come before the callback: files that belong together change
 * one after the other changed    called on a thread of the watch, never twice at once 0 or -errno (inotify is
 * not there, a directory is missing, limits). */
int file_watch_start(const char *const *paths, size_t count, uint32_t settle_ms,
    void (*changed)(void *context), void *context, struct file_watch **ret_watch);
/* After the return no callback is running. Accepts NULL. */
void file_watch_stop(struct file_watch *watch);

#endif
