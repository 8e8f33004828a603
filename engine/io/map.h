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
/* Accepts NULL. Nobody may be reading. */
void map_close(struct map *map);
const uint8_t *map_data(const struct map *map);
uint64_t map_size(const struct map *map);
const char *map_path(const struct map *map);
bool map_faulted(const struct map *map);
/* Scattered: a fault reads its page alone, and whoever wants more says so with map_prefetch. Otherwise, as at
 * first, the kernel reads around a fault as much as the device is set to, which may be megabytes. */
void map_expect(const struct map *map, bool scattered);
/* Has the kernel begin to read what of [offset, offset + size) is not in memory; does not wait. */
void map_prefetch(const struct map *map, uint64_t offset, uint64_t size);
/* Tells the kernel that [offset, offset + size) was read once and is not wanted in memory any more. */
void map_forget(const struct map *map, uint64_t offset, uint64_t size);

#endif
