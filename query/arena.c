#include "arena.h"

#include <errno.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 16 << 10, ALIGNMENT = 8 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    uint64_t data[];
};

void arena_init(struct arena *arena, uint64_t held_max)
{
    *arena = (struct arena){.held_max = held_max};
}

int arena_hold(struct arena *arena, size_t size, struct error *ret_error)
{
    if (size > arena->held_max - arena->held)
        return error_set(ret_error, E2BIG, "the script needs more than %llu bytes of memory",
            (unsigned long long)arena->held_max);
    arena->held += size;
    return 0;
}

void arena_drop(struct arena *arena, size_t size)
{
    arena->held -= size;
}

static int add_block(struct arena *arena, size_t size, struct error *ret_error)
{
    if (size < BLOCK_BYTES)
        size = BLOCK_BYTES;
    int r = arena_hold(arena, sizeof(struct arena_block) + size, ret_error);
    if (r < 0)
        return r;
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (!block) {
        arena_drop(arena, sizeof(*block) + size);
        return error_set(ret_error, ENOMEM, "out of memory for a script");
    }
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used = 0;
    return 0;
}

void *arena_alloc(struct arena *arena, size_t size, struct error *ret_error)
{
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if ((!arena->blocks || arena->blocks->size - arena->used < size) && add_block(arena, size, ret_error) < 0)
        return NULL;
    void *memory = (char *)arena->blocks->data + arena->used;
    arena->used += size;
    return memory;
}

static void free_blocks(struct arena *arena, struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        arena_drop(arena, sizeof(*block) + block->size);
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *arena)
{
    if (!arena->blocks)
        return;
    free_blocks(arena, arena->blocks->next);
    arena->blocks->next = NULL;
    arena->used = 0;
    if (arena->blocks->size > BLOCK_BYTES) {
        free_blocks(arena, arena->blocks);
        arena->blocks = NULL;
    }
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->blocks, arena->used};
}

void arena_release(struct arena *arena, struct arena_mark mark)
{
    while (arena->blocks != mark.block) {
        struct arena_block *block = arena->blocks;
        if (!block->next && !mark.block) { /* the first block may stay */
            arena->used = 0;
            return;
        }
        arena->blocks = block->next;
        arena_drop(arena, sizeof(*block) + block->size);
        free(block);
    }
    arena->used = mark.used;
}

void arena_free(struct arena *arena)
{
    free_blocks(arena, arena->blocks);
    arena->blocks = NULL;
}
