#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>

#include <errno.h>
#include <stdlib.h>

struct pattern {
    pcre2_code *code;
};

struct pattern_memory {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

int pattern_compile(const char *text, size_t size, struct pattern **ret_pattern, struct error *ret_error)
{
    int code;
    PCRE2_SIZE offset;
    if (size > PATTERN_BYTES_MAX)
        return error_set(
            ret_error, E2BIG, "the pattern has %zu bytes, at most %d are allowed", size, PATTERN_BYTES_MAX);
    struct pattern *pattern = malloc(sizeof(*pattern));
    if (!pattern)
        return error_set(ret_error, ENOMEM, "out of memory for a pattern");
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        free(pattern);
        return error_set(ret_error, ENOMEM, "out of memory for a pattern");
    }
    (void)pcre2_set_parens_nest_limit(context, PATTERN_NEST_MAX);
    pattern->code = pcre2_compile((PCRE2_SPTR)text, size,
        PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (pattern->code) {
        *ret_pattern = pattern;
        return 0;
    }
    free(pattern);
    PCRE2_UCHAR message[128] = "";
    (void)pcre2_get_error_message(code, message, sizeof(message));
    return error_set(
        ret_error, EINVAL, "at byte %zu of the pattern: %s", (size_t)offset, (const char *)message);
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

size_t pattern_bytes(const struct pattern *pattern)
{
    size_t size = 0;
    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_SIZE, &size);
    return sizeof(*pattern) + size;
}

int pattern_memory_new(struct pattern_memory **ret_memory)
{
    struct pattern_memory *memory = malloc(sizeof(*memory));
    if (!memory)
        return -ENOMEM;
    memory->data = pcre2_match_data_create(1, NULL);
    memory->context = pcre2_match_context_create(NULL);
    if (!memory->data || !memory->context) {
        pattern_memory_free(memory);
        return -ENOMEM;
    }
    (void)pcre2_set_match_limit(memory->context, PATTERN_MATCH_LIMIT);
    (void)pcre2_set_depth_limit(memory->context, PATTERN_DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(memory->context, PATTERN_HEAP_KIB_LIMIT);
    *ret_memory = memory;
    return 0;
}

void pattern_memory_free(struct pattern_memory *memory)
{
    if (!memory)
        return;
    pcre2_match_data_free(memory->data);
    pcre2_match_context_free(memory->context);
    free(memory);
}

int pattern_search(
    const struct pattern *pattern, struct pattern_memory *memory, const char *text, size_t size)
{
    int r = pcre2_match(
        pattern->code, (PCRE2_SPTR)text, size, 0, PCRE2_NO_UTF_CHECK, memory->data, memory->context);
    if (r >= 0)
        return 1;
    return r == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}
