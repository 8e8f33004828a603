#include "sink.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>

/* Memory sinks grow instead of flushing; their limit travels in context. */
static int memory_flush(struct sink *sink, struct error *ret_error)
{
    (void)sink;
    return error_set(ret_error, EFBIG, "memory sink: limit reached");
}

static int memory_grow(struct sink *sink, size_t size)
{
    size_t limit = (size_t)(uintptr_t)sink->context;
    size_t capacity = sink->capacity;
    while (capacity - sink->used < size)
        capacity *= 2;
    if (sink->used + size > limit)
        return error_set(&sink->error, EFBIG, "answer larger than %zu bytes", limit);
    uint8_t *buffer = realloc(sink->buffer, capacity);
    if (!buffer)
        return error_set(&sink->error, ENOMEM, "out of memory for %zu bytes", capacity);
    sink->buffer = buffer;
    sink->capacity = capacity;
    return 0;
}

int sink_memory_init(struct sink *sink, size_t limit)
{
    *sink = (struct sink){.flush = memory_flush, .context = (void *)(uintptr_t)limit};
    sink->buffer = malloc(SINK_RESERVE_MAX);
    if (!sink->buffer)
        return -ENOMEM;
    sink->capacity = SINK_RESERVE_MAX;
    return 0;
}

void sink_memory_free(struct sink *sink)
{
    free(sink->buffer);
    *sink = (struct sink){0};
}

int sink_flush(struct sink *sink)
{
    if (sink->failed)
        return sink->failed;
    if (sink->used == 0 || sink->flush == memory_flush)
        return 0;
    size_t used = sink->used;
    int r = sink->flush(sink, &sink->error);
    if (r < 0) {
        sink->failed = r;
        return r;
    }
    sink->total += used;
    sink->used = 0;
    return 0;
}

uint8_t *sink_reserve_slow(struct sink *sink, size_t size)
{
    CHECK(size <= SINK_RESERVE_MAX);
    if (sink->failed)
        return NULL;
    if (sink->flush == memory_flush) {
        int r = memory_grow(sink, size);
        if (r < 0) {
            sink->failed = r;
            return NULL;
        }
    } else if (sink_flush(sink) < 0) {
        return NULL;
    }
    return sink->buffer + sink->used;
}

int sink_write(struct sink *sink, const void *data, size_t size)
{
    const uint8_t *from = data;
    while (size > 0) {
        size_t part = sink->capacity - sink->used;
        if (part == 0) {
            if (!sink_reserve_slow(sink, 1))
                return sink->failed;
            part = sink->capacity - sink->used;
        }
        if (sink->failed)
            return sink->failed;
        if (part > size)
            part = size;
        memcpy(sink->buffer + sink->used, from, part);
        sink->used += part;
        from += part;
        size -= part;
    }
    return sink->failed;
}
