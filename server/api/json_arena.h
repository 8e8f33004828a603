/* jansson within bounds. Its documents cost up to a hundred times their text ("[{},{},...]"), and it does not
 * check all of its allocations (a string whose buffer cannot grow loses bytes, and is then read beyond its
 * end). So a text is measured first, and parsed into one block of memory that is large enough for whatever it
 * holds; the block is given back to the system as a whole. */
#ifndef CONNECTORDB_JSON_ARENA_H
#define CONNECTORDB_JSON_ARENA_H

#include <jansson.h>
#include <stddef.h>

/* The values in a text that may be JSON. */
struct json_measure {
    size_t depth;   /* the deepest nesting of arrays and objects */
    size_t values;  /* at most so many values and keys */
    size_t longest; /* token, in bytes */
};

/* Pure; needs no memory. */
struct json_measure json_measure(const char *text, size_t size);

/* The memory of one document. Zeroed: none. */
struct json_arena {
    unsigned char *memory;
    size_t size, used;
};

/* Makes room for the document of a text of this size and measure. Accepts a zeroed arena, or an open one,
 * whose document is freed and whose memory is used again if it is large enough. 0 or -ENOMEM. */
int json_arena_open(struct json_arena *arena, size_t size, const struct json_measure *measure);
/* Parses the text that the arena was made for, as json_loadb does with these flags. The document lives as
 * long as the arena: no json_decref. It may be read, not changed. */
const json_t *json_arena_load(
    struct json_arena *arena, const char *text, size_t size, size_t flags, json_error_t *ret_error);
/* Frees the document. Accepts a zeroed arena. */
void json_arena_close(struct json_arena *arena);

#endif
