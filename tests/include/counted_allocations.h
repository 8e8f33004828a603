/* Counts every call of malloc and its like in a test program, and can refuse one of them. It defines the
 * functions: include it in one file of the program. Where a sanitizer has the allocator there is nothing to
 * count: begin such a test with need_the_allocator(). */
#ifndef CONNECTORDB_COUNTED_ALLOCATIONS_H
#define CONNECTORDB_COUNTED_ALLOCATIONS_H

#include "sanitizers.h"
#include "test.h"

static unsigned long allocations;
static unsigned long refused_at; /* this one fails; 0 = none does */

static inline void need_the_allocator(void)
{
    refused_at = 0;
#ifdef MEMORY_SANITIZED
    test_skip("the sanitizer has the allocator");
#endif
}

#ifndef MEMORY_SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    return ++allocations == refused_at ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return ++allocations == refused_at ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return ++allocations == refused_at ? NULL : __libc_realloc(memory, size);
}
#endif

#endif
