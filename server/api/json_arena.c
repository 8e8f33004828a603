#include "json_arena.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 16,
    VALUE_BYTES = 384,      /* an empty object takes most: itself and its first hash table */
    STRING_COPIES = 3,      /* a key is there twice, plus rounding up */
    TOKEN_BUFFER_TIMES = 4, /* the buffer of a token doubles, and no block is used again */
    FIXED_BYTES = 4096,
};

/* ---- measure ---- */

static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at < size ? at + 1 : size;
}

static size_t skip_word(const char *text, size_t size, size_t at)
{
    while (at < size && !strchr(" \t\r\n\"{}[]:,", text[at]))
        at++;
    return at;
}

struct json_measure json_measure(const char *text, size_t size)
{
    struct json_measure measure = {0};
    size_t depth = 0;
    for (size_t at = 0; at < size;) {
        size_t start = at;
        char c = text[at++];
        switch (c) {
        case '{':
        case '[':
            measure.values++;
            if (++depth > measure.depth)
                measure.depth = depth;
            continue;
        case '}':
        case ']':
            depth -= depth > 0;
            continue;
        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case ':':
        case ',':
            continue;
        default:
            break;
        }
        at = c == '"' ? skip_string(text, size, start) : skip_word(text, size, at);
        measure.values++;
        if (at - start > measure.longest)
            measure.longest = at - start;
    }
    return measure;
}

/* ---- jansson's memory ---- */

static _Thread_local struct json_arena *loading; /* what this thread parses into; NULL: the heap */

static void *take(size_t size)
{
    if (!loading)
        return malloc(size);
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded < size || rounded > loading->size - loading->used)
        return NULL;
    void *block = loading->memory + loading->used;
    loading->used += rounded;
    return block;
}

static void give(void *block)
{
    if (!loading)
        free(block);
}

static void set_functions(void)
{
    json_set_alloc_funcs(take, give);
}

int json_arena_open(struct json_arena *arena, size_t size, const struct json_measure *measure)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_functions);
    size_t bytes = FIXED_BYTES + measure->values * VALUE_BYTES + size * STRING_COPIES +
                   measure->longest * TOKEN_BUFFER_TIMES;
    arena->used = 0;
    if (bytes <= arena->size)
        return 0;
    json_arena_close(arena);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    *arena = (struct json_arena){.memory = memory, .size = bytes};
    return 0;
}

const json_t *json_arena_load(
    struct json_arena *arena, const char *text, size_t size, size_t flags, json_error_t *ret_error)
{
    loading = arena;
    const json_t *document = json_loadb(text, size, flags, ret_error);
    loading = NULL;
    return document;
}

void json_arena_close(struct json_arena *arena)
{
    if (arena->memory)
        (void)munmap(arena->memory, arena->size);
    *arena = (struct json_arena){0};
}
