#include "id_map.h"

#include <errno.h>
#include <stdlib.h>

/* Fibonacci hashing: ids are dense and ascending. */
static size_t home_of(const struct id_map *map, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (map->capacity - 1);
}

static struct id_map_entry *find(const struct id_map *map, uint64_t id)
{
    size_t slot = home_of(map, id);
    while (map->entries[slot].value && map->entries[slot].id != id)
        slot = (slot + 1) & (map->capacity - 1);
    return &map->entries[slot];
}

void *id_map_get(const struct id_map *map, uint64_t id)
{
    return map->count ? find(map, id)->value : NULL;
}

static int grow(struct id_map *map)
{
    struct id_map larger = {.capacity = map->capacity ? map->capacity * 2 : 16};
    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (!larger.entries)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].value)
            *find(&larger, map->entries[i].id) = map->entries[i];
    }
    larger.count = map->count;
    free(map->entries);
    *map = larger;
    return 0;
}

int id_map_reserve(struct id_map *map, size_t extra)
{
    int r = 0;
    while (r == 0 && (map->count + extra) * 4 > map->capacity * 3)
        r = grow(map);
    return r;
}

int id_map_put(struct id_map *map, uint64_t id, void *value)
{
    int r = id_map_reserve(map, 1);
    if (r < 0)
        return r;
    struct id_map_entry *entry = find(map, id);
    if (!entry->value)
        map->count++;
    *entry = (struct id_map_entry){.id = id, .value = value};
    return 0;
}

void *id_map_remove(struct id_map *map, uint64_t id)
{
    if (map->count == 0)
        return NULL;
    struct id_map_entry *entry = find(map, id);
    void *value = entry->value;
    if (!value)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(entry - map->entries);
    for (size_t next = (hole + 1) & mask; map->entries[next].value; next = (next + 1) & mask) {
        size_t home = home_of(map, map->entries[next].id);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            map->entries[hole] = map->entries[next];
            hole = next;
        }
    }
    map->entries[hole].value = NULL;
    map->count--;
    return value;
}

void id_map_free(struct id_map *map)
{
    free(map->entries);
    *map = (struct id_map){0};
}
