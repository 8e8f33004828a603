/* A hash map from 64-bit ids to pointers: open addressing, linear probing, backward-shift deletion (Knuth,
 * TAOCP vol. 3, 6.4, algorithm R). Not synchronised. Zero-initialise it. */
#ifndef CONNECTORDB_ID_MAP_H
#define CONNECTORDB_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

struct id_map_entry {
    uint64_t id;
    void *value; /* NULL = free slot */
};

struct id_map {
    struct id_map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* The value, or NULL. */
void *id_map_get(const struct id_map *map, uint64_t id);
/* Puts or replaces; value is not NULL. 0 or -ENOMEM (unchanged). */
int id_map_put(struct id_map *map, uint64_t id, void *value);
/* Makes room for `extra` more ids, so that putting them cannot fail. 0 or -ENOMEM (unchanged). */
int id_map_reserve(struct id_map *map, size_t extra);
/* Takes it out and returns its value, or NULL. */
void *id_map_remove(struct id_map *map, uint64_t id);
/* Frees the table, not the values, and zeroes the map. */
void id_map_free(struct id_map *map);
/* Visits all entries: `for (size_t i = 0; i < map->capacity; i++) if (map->entries[i].value)`. */

#endif
