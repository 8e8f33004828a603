/* A buffered output. Printers write to a sink and do not know whether a socket, a file or memory is behind
 * it. Used by one thread at a time. The first failure is kept: later calls return it and write nothing. */
#ifndef CONNECTORDB_SINK_H
#define CONNECTORDB_SINK_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The largest reservation, and the smallest capacity of a sink. */
enum { SINK_RESERVE_MAX = 4096 };

struct sink {
    uint8_t *buffer; /* owned by the creator of the sink */
    size_t used;
    size_t capacity;
    uint64_t total; /* bytes flushed so far, for progress and limits */
    int failed;     /* 0, or the -errno of the first failure */
    struct error error;
    /* Writes buffer[0..used), and may replace the buffer by another one. 0, or -errno with *ret_error set.
     * sink_flush sets used to 0 afterwards. */
    int (*flush)(struct sink *sink, struct error *ret_error);
    void *context;
};

/* Writes the buffered bytes. 0 or -errno. */
int sink_flush(struct sink *sink);
/* Appends the bytes; flushes when the buffer is full. 0 or -errno. */
int sink_write(struct sink *sink, const void *data, size_t size);
/* The slow path of sink_reserve. */
uint8_t *sink_reserve_slow(struct sink *sink, size_t size);

/* Returns memory for `size` <= SINK_RESERVE_MAX bytes; write to it, then append what was written with
 * sink_commit. NULL if the sink has failed. */
static inline uint8_t *sink_reserve(struct sink *sink, size_t size)
{
    if (sink->capacity - sink->used >= size && !sink->failed)
        return sink->buffer + sink->used;
    return sink_reserve_slow(sink, size);
}

static inline void sink_commit(struct sink *sink, size_t size)
{
    sink->used += size;
}

/* Initialises a sink that keeps everything in memory: sink->buffer[0..used). More than `limit` bytes fail
 * with -EFBIG. Free it with sink_memory_free. 0 or -ENOMEM. */
int sink_memory_init(struct sink *sink, size_t limit);
void sink_memory_free(struct sink *sink);

#endif
