/* A growable run of bytes. Zero-initialise it; free it with buffer_free. Not shared between threads. */
#ifndef CONNECTORDB_BUFFER_H
#define CONNECTORDB_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* Makes room for `extra` bytes after size. 0, or -ENOMEM with the buffer unchanged. */
int buffer_reserve(struct buffer *buffer, size_t extra);
/* Appends a copy of the bytes. 0 or -ENOMEM. */
int buffer_append(struct buffer *buffer, const void *data, size_t size);
/* Frees the memory and zeroes the struct; accepts a zeroed one. */
void buffer_free(struct buffer *buffer);

#endif
