/* Syncs directories. All code that needs durable file names calls this. */
#ifndef CONNECTORDB_DIRECTORY_SYNC_H
#define CONNECTORDB_DIRECTORY_SYNC_H

/* Syncs the directory `path` with fsync: names created, renamed or removed in it before are durable when it
 * returns 0. Some file systems (CIFS, vboxsf, some on FUSE) do not support fsync of a directory and fail with
 * EINVAL or ENOTSUP. There is no alternative, so this counts as success, and the notice is called once.
 * 0 or -errno. Any thread. Blocks for a device flush. */
int directory_sync(const char *path);

/* Sets the notice for file systems that do not support fsync of a directory. It is called at most once per
 * process, with the first such path; immediately if there was one before. NULL = none, the default. Call it
 * before other threads sync. */
void directory_sync_set_notice(void (*tell)(const char *path));

#endif
