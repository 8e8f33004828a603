/* The pool of what requests need while they are under way.
 *
 * Buffers that were given back are taken again, the last one first, so that few of them stay in the
 * processor's caches. http_buffers_trim frees those that nobody took since its last call. Their pages come
 * from mmap and return to the system at once. Any thread. */
#ifndef CONNECTORDB_HTTP_BUFFERS_H
#define CONNECTORDB_HTTP_BUFFERS_H

#include "http_head.h"

#include <pthread.h>

enum {
    HTTP_INPUT_BYTES = HTTP_REQUEST_BYTES_MAX + (4 << 10), /* a head, and some of what follows */
    HTTP_TAIL_ROOM = 16,        /* behind an answer: "\r\n0\r\n\r\n", the end of the last chunk */
    HTTP_BUFFERS_KEPT_MAX = 64, /* free ones */
};

struct http_buffers {
    struct http_buffers *next;
    void *memory; /* of the handler: see http_options */
    struct http_head head;
    char input[HTTP_INPUT_BYTES];
    char scratch[2][HTTP_REQUEST_BYTES_MAX];
    uint8_t answer[HTTP_HEAD_BYTES_MAX + HTTP_BUFFER_BYTES + HTTP_TAIL_ROOM];
};

struct http_pool {
    pthread_mutex_t lock; /* of all below; a leaf */
    struct http_buffers *free;
    unsigned free_count, least_free, count; /* least_free: the minimum of free_count since the last trim */
    int filled_file; /* an eventfd that is written when the pool is no longer empty; -1 = there is none */
    const struct http_options *options;
};

/* Makes an empty pool. options: borrowed. */
void http_pool_init(struct http_pool *pool, const struct http_options *options);
/* All buffers must have been given back. */
void http_pool_destroy(struct http_pool *pool);
/* NULL: out of memory. */
struct http_buffers *http_buffers_take(struct http_pool *pool);
/* Accepts NULL. */
void http_buffers_give(struct http_pool *pool, struct http_buffers *buffers);
/* Returns the number of buffers that it freed. */
unsigned http_buffers_trim(struct http_pool *pool);
/* The number of buffers, in use or kept. */
unsigned http_buffers_count(struct http_pool *pool);
/* Those that were taken and not given back. */
unsigned http_buffers_used(struct http_pool *pool);

#endif
