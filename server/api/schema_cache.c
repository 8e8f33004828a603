#include "schema_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_BYTES = 8 << 10 }; /* what an entry counts beside its schema; it bounds their number as well */

void schema_cache_init(struct schema_cache *cache, size_t bytes_max)
{
    *cache = (struct schema_cache){.bytes_max = bytes_max};
    (void)pthread_mutex_init(&cache->lock, NULL);
}

void cached_schema_release(struct cached_schema *entry)
{
    if (!entry || atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) > 1)
        return;
    schema_free(entry->schema);
    free(entry);
}

/* ---- under the lock ---- */

static struct cached_schema **slot_of(struct schema_cache *cache, const uint8_t digest[SCHEMA_DIGEST_BYTES])
{
    uint32_t hash;
    memcpy(&hash, digest, sizeof(hash));
    return &cache->slots[hash % SCHEMA_CACHE_SLOTS];
}

static void list_add(struct schema_cache *cache, struct cached_schema *entry)
{
    entry->older = cache->newest;
    entry->newer = NULL;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void list_remove(struct schema_cache *cache, struct cached_schema *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

/* With a reference for the caller. */
static struct cached_schema *find(struct schema_cache *cache, const uint8_t digest[SCHEMA_DIGEST_BYTES])
{
    struct cached_schema *entry = *slot_of(cache, digest);
    while (entry && memcmp(entry->digest, digest, SCHEMA_DIGEST_BYTES) != 0)
        entry = entry->next_in_slot;
    if (!entry)
        return NULL;
    list_remove(cache, entry);
    list_add(cache, entry);
    (void)atomic_fetch_add_explicit(&entry->references, 1, memory_order_relaxed);
    return entry;
}

static void drop(struct schema_cache *cache, struct cached_schema *entry)
{
    struct cached_schema **link = slot_of(cache, entry->digest);
    while (*link != entry)
        link = &(*link)->next_in_slot;
    *link = entry->next_in_slot;
    list_remove(cache, entry);
    cache->bytes -= entry->bytes;
    cached_schema_release(entry);
}

static void keep(struct schema_cache *cache, struct cached_schema *entry)
{
    struct cached_schema **slot = slot_of(cache, entry->digest);
    entry->next_in_slot = *slot;
    *slot = entry;
    list_add(cache, entry);
    cache->bytes += entry->bytes;
    (void)atomic_fetch_add_explicit(&entry->references, 1, memory_order_relaxed);
    while (cache->bytes > cache->bytes_max)
        drop(cache, cache->oldest);
}

/* ---- */

struct cached_schema *schema_cache_find(struct schema_cache *cache, const uint8_t digest[SCHEMA_DIGEST_BYTES])
{
    (void)pthread_mutex_lock(&cache->lock);
    struct cached_schema *entry = find(cache, digest);
    (void)pthread_mutex_unlock(&cache->lock);
    return entry;
}

static int compile(const char *text, struct cached_schema **ret_entry)
{
    struct cached_schema *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    int r = schema_digest(text, entry->digest);
    if (r == 0)
        r = schema_compile(text, strlen(text), &entry->schema, &entry->error);
    if (r == -ENOMEM) {
        free(entry);
        return r;
    }
    atomic_init(&entry->references, 1);
    entry->bytes = ENTRY_BYTES + (entry->schema ? schema_bytes(entry->schema) : 0);
    *ret_entry = entry;
    return 0;
}

int schema_cache_add(struct schema_cache *cache, const char *text, struct cached_schema **ret_entry)
{
    struct cached_schema *entry;
    int r = compile(text, &entry); /* without the lock: it can take long */
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&cache->lock);
    struct cached_schema *other = find(cache, entry->digest); /* compiled by another thread meanwhile */
    if (!other && entry->bytes <= cache->bytes_max)
        keep(cache, entry);
    (void)pthread_mutex_unlock(&cache->lock);
    if (other)
        cached_schema_release(entry);
    *ret_entry = other ? other : entry;
    return 0;
}

void schema_cache_destroy(struct schema_cache *cache)
{
    while (cache->oldest)
        drop(cache, cache->oldest);
    (void)pthread_mutex_destroy(&cache->lock);
}

size_t schema_cache_bytes(struct schema_cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    size_t bytes = cache->bytes;
    (void)pthread_mutex_unlock(&cache->lock);
    return bytes;
}
