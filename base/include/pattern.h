/* Regular expressions through PCRE2 (the only file that knows it is pattern.c). */
#ifndef CONNECTORDB_PATTERN_H
#define CONNECTORDB_PATTERN_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PATTERN_BYTES_MAX = 4096,
    PATTERN_NEST_MAX =
        30, /* parentheses in parentheses: PCRE2's compiler takes 1 KiB of the stack for each */
    PATTERN_MATCH_LIMIT = 100000, /* steps of one match; PCRE2's match_limit */
    PATTERN_DEPTH_LIMIT = 1000,
    PATTERN_HEAP_KIB_LIMIT = 1024,
};

struct pattern;
struct pattern_memory; /* what a match works in; for one thread at a time */

/* 0; -EINVAL with PCRE2's message and the offset; -E2BIG too long; -ENOMEM. */
int pattern_compile(const char *text, size_t size, struct pattern **ret_pattern, struct error *ret_error);
void pattern_free(struct pattern *pattern);          /* accepts NULL */
size_t pattern_bytes(const struct pattern *pattern); /* its memory */

int pattern_memory_new(struct pattern_memory **ret_memory); /* 0 or -ENOMEM */
void pattern_memory_free(struct pattern_memory *memory);    /* accepts NULL */

/* Searches the text (valid UTF-8). 1 = found; 0 = not; -E2BIG = over a limit. */
int pattern_search(
    const struct pattern *pattern, struct pattern_memory *memory, const char *text, size_t size);

#endif
