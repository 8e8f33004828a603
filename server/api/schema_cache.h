/* The compiled schemas of streams, found by the digest of their text: streams with the same schema share one,
 * and a stream whose schema changes asks for another. Bounded by bytes; what was not used for the longest
 * time goes first. Any thread. */
#ifndef CONNECTORDB_SCHEMA_CACHE_H
#define CONNECTORDB_SCHEMA_CACHE_H

#include "catalog.h"
#include "schema.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SCHEMA_CACHE_BYTES = 32 << 20,
    SCHEMA_CACHE_SLOTS = 1024,
};

/* Shared and unchanging; freed when the last user releases it and the cache has dropped it. */
struct cached_schema {
    struct schema *schema; /* NULL: the text does not compile */
    struct error error;    /* why not */

    uint8_t digest[SCHEMA_DIGEST_BYTES]; /* the rest belongs to the cache */
    size_t bytes;
    atomic_uint references;
    struct cached_schema *next_in_slot, *newer, *older;
};

struct schema_cache {
    pthread_mutex_t lock;
    size_t bytes, bytes_max;
    struct cached_schema *newest, *oldest;
    struct cached_schema *slots[SCHEMA_CACHE_SLOTS];
};

/* Makes an empty cache of at most bytes_max of compiled schemas. */
void schema_cache_init(struct schema_cache *cache, size_t bytes_max);
/* No entry may be in use any more. */
void schema_cache_destroy(struct schema_cache *cache);

/* The memory of what it holds. */
size_t schema_cache_bytes(struct schema_cache *cache);
/* The schema whose text has the digest, or NULL. To be released. */
struct cached_schema *schema_cache_find(
    struct schema_cache *cache, const uint8_t digest[SCHEMA_DIGEST_BYTES]);
/* Compiles the text and keeps the result, also that it does not compile. To be released. -ENOMEM. */
int schema_cache_add(struct schema_cache *cache, const char *text, struct cached_schema **ret_entry);
void cached_schema_release(struct cached_schema *entry); /* accepts NULL */

#endif
