/* A growable array of bytes. Initialise it with zeros, free it with buffer_free. Used by one thread at a
 * time. */
#ifndef CONNECTORDB_BUFFER_H
#define CONNECTORDB_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* Reserves memory for `extra` bytes after the first `size`. 0; -ENOMEM, the buffer is unchanged. */
int buffer_reserve(struct buffer *buffer, size_t extra);
/* Appends a copy of the bytes. 0; -ENOMEM, the buffer is unchanged. */
int buffer_append(struct buffer *buffer, const void *data, size_t size);
/* Frees the memory and sets all fields to zero. Accepts a zeroed buffer. */
void buffer_free(struct buffer *buffer);

#endif
