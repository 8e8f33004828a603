/* SIGBUS-safe read-only mappings. When a page of a map cannot be read (I/O error, truncated file), the
 * handler maps a zero page over it and flags the map; readers look at map_faulted after they used the bytes
 * and throw away what they made of them. */
#ifndef CONNECTORDB_MAP_H
#define CONNECTORDB_MAP_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map; /* shared by threads */

/* Installs the SIGBUS handler of the process (faults outside our maps go to the previous handler). Call it
 * before threads start; again only if something else took the signal since: then it is installed over that.
 */
int map_install_handler(struct error *ret_error);
/* Maps the first `size` bytes of the file read-only and shared; size 0 = the file's size. 0 or -errno. */
int map_open(const char *path, uint64_t size, struct map **ret_map, struct error *ret_error);
/* Unmaps the file. No thread may be reading. Accepts NULL. */
void map_close(struct map *map);
/* The first byte, the size in bytes, and the path that it was opened with. Any thread. */
const uint8_t *map_data(const struct map *map);
uint64_t map_size(const struct map *map);
const char *map_path(const struct map *map);
/* Returns whether a page could not be read since the map was opened. Any thread. */
bool map_faulted(const struct map *map);
/* Tells the kernel how the map will be read. scattered: a page fault reads its page alone, and map_prefetch
 * asks for more. Otherwise, and at first, a fault reads ahead as the device is set to, which may be
 * megabytes. */
void map_expect(const struct map *map, bool scattered);
/* Has the kernel start to read [offset, offset + size) into memory; does not wait. */
void map_prefetch(const struct map *map, uint64_t offset, uint64_t size);
/* Tells the kernel that [offset, offset + size) need not stay in memory. */
void map_forget(const struct map *map, uint64_t offset, uint64_t size);

#endif
