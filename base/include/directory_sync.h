/* Making the names in a directory durable. The one place of the program that syncs a directory. */
#ifndef CONNECTORDB_DIRECTORY_SYNC_H
#define CONNECTORDB_DIRECTORY_SYNC_H

/* fsyncs the directory `path`: names that were created, renamed or removed in it before are durable when it returns 0.
 * Some file systems (CIFS, vboxsf, some FUSE ones) do not support fsync of a directory and answer EINVAL or ENOTSUP: there is no
 * other call to make, so that is 0, too, and is told once. Blocks for a device flush. 0 or -errno. Any thread. */
int directory_sync(const char *path);

/* Sets who is told, once in the life of the process, that the file system of `path` does not support it; at once when that has
 * happened before (path is then the one it happened with). Before any other thread syncs a directory. NULL = nobody, the default. */
void directory_sync_set_notice(void (*tell)(const char *path));

#endif
