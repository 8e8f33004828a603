#include "http_buffers.h"

#include "check.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

void http_pool_init(struct http_pool *pool, const struct http_options *options)
{
    *pool = (struct http_pool){.options = options, .filled_file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    (void)pthread_mutex_init(&pool->lock, NULL);
}

static struct http_buffers *buffers_make(const struct http_options *options)
{
    void *pages =
        mmap(NULL, sizeof(struct http_buffers), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    struct http_buffers *buffers = pages;
    if (options->memory_open && !(buffers->memory = options->memory_open(options->context))) {
        (void)munmap(pages, sizeof(struct http_buffers));
        return NULL;
    }
    return buffers;
}

static void buffers_free(const struct http_options *options, struct http_buffers *buffers)
{
    if (options->memory_close)
        options->memory_close(options->context, buffers->memory);
    (void)munmap(buffers, sizeof(*buffers));
}

struct http_buffers *http_buffers_take(struct http_pool *pool)
{
    bool first = false;
    (void)pthread_mutex_lock(&pool->lock);
    struct http_buffers *buffers = pool->free;
    if (buffers) {
        pool->free = buffers->next;
        pool->free_count--;
        if (pool->free_count < pool->least_free)
            pool->least_free = pool->free_count;
    } else {
        first = pool->count++ == 0;
        pool->least_free = 0;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (first && pool->filled_file >= 0)
        (void)eventfd_write(pool->filled_file, 1);
    if (buffers)
        return buffers;
    buffers = buffers_make(pool->options);
    if (!buffers) {
        (void)pthread_mutex_lock(&pool->lock);
        pool->count--;
        (void)pthread_mutex_unlock(&pool->lock);
    }
    return buffers;
}

void http_buffers_give(struct http_pool *pool, struct http_buffers *buffers)
{
    if (!buffers)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    bool keep = pool->free_count < HTTP_BUFFERS_KEPT_MAX;
    if (keep) {
        buffers->next = pool->free;
        pool->free = buffers;
        pool->free_count++;
    } else {
        pool->count--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!keep)
        buffers_free(pool->options, buffers);
}

/* Takes the last `count` buffers off the free list: those that have waited longest. The pool's lock is held.
 */
static struct http_buffers *cut_tail(struct http_pool *pool, unsigned count)
{
    struct http_buffers **link = &pool->free;
    for (unsigned kept = pool->free_count - count; kept > 0; kept--)
        link = &(*link)->next;
    struct http_buffers *tail = *link;
    *link = NULL;
    pool->free_count -= count;
    pool->count -= count;
    return tail;
}

unsigned http_buffers_trim(struct http_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    unsigned count = pool->least_free;
    struct http_buffers *tail = cut_tail(pool, count);
    pool->least_free = pool->free_count;
    (void)pthread_mutex_unlock(&pool->lock);
    while (tail) {
        struct http_buffers *next = tail->next;
        buffers_free(pool->options, tail);
        tail = next;
    }
    return count;
}

unsigned http_buffers_count(struct http_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    unsigned count = pool->count;
    (void)pthread_mutex_unlock(&pool->lock);
    return count;
}

void http_pool_destroy(struct http_pool *pool)
{
    pool->least_free = pool->free_count;
    (void)http_buffers_trim(pool);
    CHECK(pool->count == 0);
    if (pool->filled_file >= 0)
        (void)close(pool->filled_file);
    (void)pthread_mutex_destroy(&pool->lock);
}

unsigned http_buffers_used(struct http_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    unsigned used = pool->count - pool->free_count;
    (void)pthread_mutex_unlock(&pool->lock);
    return used;
}
