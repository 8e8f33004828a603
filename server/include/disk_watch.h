/* Warns in the log before the disk is full. */
#ifndef CONNECTORDB_DISK_WATCH_H
#define CONNECTORDB_DISK_WATCH_H

#include <stdatomic.h>
#include <stdint.h>

enum { DISK_WATCH_SECONDS = 60 };

/* All zeros: nothing is known yet. */
struct disk_watch {
    _Atomic uint64_t due_ns; /* when it is looked at again */
    _Atomic unsigned level;  /* that was told: 0 = there is space, 1 = it is nearly full, 2 = almost full */
};

/* Looks at the free space of the file system of `path`, once in DISK_WATCH_SECONDS, and logs when less than
 * 10 % are free, when less than 3 % or 256 MiB are, and when there is space again. Called by the threads of
 * requests: what does not get any needs no space, and no thread wakes for it. Any thread; blocks for statvfs
 * now and then.
 * now_ns  clock_monotonic_ns() */
void disk_watch_look(struct disk_watch *watch, const char *path, uint64_t now_ns);

#endif
