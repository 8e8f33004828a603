/* One sink, many ends: printers write into its buffer and know neither socket nor file.
 * A sink is used by one thread at a time. The first failure is kept: later calls return it again and
 * write nothing. */
#ifndef CONNECTORDB_SINK_H
#define CONNECTORDB_SINK_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* No reservation may ask for more; every sink's buffer holds at least this. */
enum { SINK_RESERVE_MAX = 4096 };

struct sink {
    uint8_t *buffer; /* owned by whoever made the sink */
    size_t used;
    size_t capacity;
    uint64_t total; /* bytes flushed so far, for progress and limits */
    int failed;     /* 0, or the -errno of the first failure */
    struct error error;
    /* Takes all of buffer[0..used) (it may swap the buffer for another one); 0 or -errno with *error set.
     * sink_flush sets used to 0 afterwards. */
    int (*flush)(struct sink *sink, struct error *ret_error);
    void *context;
};

/* Hands the buffered bytes on. 0 or -errno. */
int sink_flush(struct sink *sink);
/* Appends the bytes, flushing as often as needed. 0 or -errno. */
int sink_write(struct sink *sink, const void *data, size_t size);
/* The slow path of sink_reserve. */
uint8_t *sink_reserve_slow(struct sink *sink, size_t size);

/* A place for up to size <= SINK_RESERVE_MAX bytes, to be filled and then taken with sink_commit;
 * NULL when the sink has failed. */
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

/* A sink that counts and keeps everything in memory; for tests and small answers. The bytes are
 * sink->buffer[0..used). limit bounds them (then -EFBIG). Free with sink_memory_free. */
int sink_memory_init(struct sink *sink, size_t limit);
void sink_memory_free(struct sink *sink);

#endif
