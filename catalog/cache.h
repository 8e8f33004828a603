/* A bounded map from short keys to small values of one size, for the request path. Any thread; a hit takes
 * one striped lock for some tens of nanoseconds and allocates nothing.
 *
 * Entries are never removed but outdated: each carries the generation it was read under, and a hit needs the
 * current one. Whoever looks something up takes the generation *before* reading the truth; whoever changes
 * the truth raises it *after* the change is visible and before it returns. So an entry that was read before a
 * change can be put after it, but never hit. */
#ifndef CONNECTORDB_CACHE_H
#define CONNECTORDB_CACHE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

/* entries: rounded up to a power of two. Keys longer than key_bytes_max are never kept. */
int cache_create(size_t entries, size_t key_bytes_max, size_t value_bytes, struct cache **ret_cache,
    struct error *ret_error);
void cache_free(struct cache *cache); /* accepts NULL */
uint64_t cache_generation(struct cache *cache);
void cache_outdate(struct cache *cache);
/* Copies the value out. The comparison takes the same time wherever the keys differ. */
bool cache_get(struct cache *cache, const void *key, size_t key_size, void *ret_value);
void cache_put(struct cache *cache, const void *key, size_t key_size, uint64_t generation, const void *value);

#endif
