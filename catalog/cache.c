#include "cache.h"

#include "bytes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHE_WAYS = 4,     /* places an entry may be at */
    CACHE_STRIPES = 64, /* locks */
    CACHE_LINE_BYTES = 64,
};

struct entry {
    uint64_t generation; /* 0 = never used */
    uint64_t hash;
    uint32_t key_size;
    uint8_t bytes[]; /* value, then key */
};

struct stripe {
    _Alignas(CACHE_LINE_BYTES) pthread_mutex_t lock;
    uint32_t next_victim;
};

struct cache {
    struct stripe stripes[CACHE_STRIPES];
    atomic_uint_fast64_t generation;
    uint64_t seed;
    size_t set_count, entry_bytes, key_bytes_max, value_bytes;
    uint8_t *entries;
};

int cache_create(size_t entries, size_t key_bytes_max, size_t value_bytes, struct cache **ret_cache,
    struct error *ret_error)
{
    size_t sets = CACHE_STRIPES;
    while (sets * CACHE_WAYS < entries)
        sets *= 2;
    struct cache *cache = aligned_alloc(CACHE_LINE_BYTES, sizeof(*cache));
    if (!cache)
        return error_set(ret_error, ENOMEM, "out of memory for a cache");
    memset(cache, 0, sizeof(*cache));
    cache->set_count = sets;
    cache->key_bytes_max = key_bytes_max;
    cache->value_bytes = value_bytes;
    cache->entry_bytes = align_up(sizeof(struct entry) + value_bytes + key_bytes_max, 8);
    cache->entries =
        calloc(sets * CACHE_WAYS, cache->entry_bytes); /* pages that are never used cost nothing */
    atomic_init(&cache->generation, 1);
    if (!cache->entries || RAND_bytes((unsigned char *)&cache->seed, sizeof(cache->seed)) != 1) {
        free(cache->entries);
        free(cache);
        return error_set(ret_error, ENOMEM, "out of memory for a cache");
    }
    for (size_t i = 0; i < CACHE_STRIPES; i++)
        (void)pthread_mutex_init(&cache->stripes[i].lock, NULL);
    *ret_cache = cache;
    return 0;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < CACHE_STRIPES; i++)
        (void)pthread_mutex_destroy(&cache->stripes[i].lock);
    free(cache->entries);
    free(cache);
}

uint64_t cache_generation(struct cache *cache)
{
    return atomic_load_explicit(&cache->generation, memory_order_acquire);
}

void cache_outdate(struct cache *cache)
{
    (void)atomic_fetch_add_explicit(&cache->generation, 1, memory_order_acq_rel);
}

/* FNV-1a with a random start. Only keys that exist get in, so nobody can aim collisions at more than the
 * places of his own. */
static uint64_t hash_key(const struct cache *cache, const uint8_t *key, size_t key_size)
{
    uint64_t hash = cache->seed;
    for (size_t i = 0; i < key_size; i++)
        hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static struct entry *entry_at(struct cache *cache, uint64_t hash, unsigned way)
{
    size_t set = hash & (cache->set_count - 1);
    return (struct entry *)(void *)(cache->entries + (set * CACHE_WAYS + way) * cache->entry_bytes);
}

static struct entry *find(struct cache *cache, uint64_t hash, const void *key, size_t key_size)
{
    for (unsigned way = 0; way < CACHE_WAYS; way++) {
        struct entry *entry = entry_at(cache, hash, way);
        if (entry->generation != 0 && entry->hash == hash && entry->key_size == key_size &&
            CRYPTO_memcmp(entry->bytes + cache->value_bytes, key, key_size) == 0)
            return entry;
    }
    return NULL;
}

/* Where a new entry goes: an unused or outdated one, else each in turn. */
static struct entry *choose(struct cache *cache, struct stripe *stripe, uint64_t hash, uint64_t generation)
{
    for (unsigned way = 0; way < CACHE_WAYS; way++) {
        struct entry *entry = entry_at(cache, hash, way);
        if (entry->generation < generation)
            return entry;
    }
    return entry_at(cache, hash, stripe->next_victim++ % CACHE_WAYS);
}

bool cache_get(struct cache *cache, const void *key, size_t key_size, void *ret_value)
{
    uint64_t generation = cache_generation(cache);
    uint64_t hash = hash_key(cache, key, key_size);
    struct stripe *stripe = &cache->stripes[hash % CACHE_STRIPES];
    (void)pthread_mutex_lock(&stripe->lock);
    struct entry *entry = find(cache, hash, key, key_size);
    bool hit = entry && entry->generation == generation;
    if (hit)
        memcpy(ret_value, entry->bytes, cache->value_bytes);
    (void)pthread_mutex_unlock(&stripe->lock);
    return hit;
}

void cache_put(struct cache *cache, const void *key, size_t key_size, uint64_t generation, const void *value)
{
    if (key_size > cache->key_bytes_max)
        return;
    uint64_t hash = hash_key(cache, key, key_size);
    struct stripe *stripe = &cache->stripes[hash % CACHE_STRIPES];
    (void)pthread_mutex_lock(&stripe->lock);
    struct entry *entry = find(cache, hash, key, key_size);
    if (!entry)
        entry = choose(cache, stripe, hash, generation);
    if (entry->generation <= generation) { /* a slow reader must not replace what is newer */
        entry->generation = generation;
        entry->hash = hash;
        entry->key_size = (uint32_t)key_size;
        memcpy(entry->bytes, value, cache->value_bytes);
        memcpy(entry->bytes + cache->value_bytes, key, key_size);
    }
    (void)pthread_mutex_unlock(&stripe->lock);
}
