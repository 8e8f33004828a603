#include "json_lines.h"

#include <stddef.h>
#include <string.h>

/* From the opening quote to behind the closing one. */
static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        at += *at == '\\' && at[1];
    return at + (*at == '"');
}

/* The next key `name` of the object that begins at `at`, right behind the quote; NULL when it has none. */
static const char *find_key(const char *at, const char *name, size_t size)
{
    unsigned depth = 0;
    for (; *at; at++) {
        if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (--depth == 0)
                return NULL;
        } else if (*at == '"') {
            const char *end = skip_string(at);
            const char *after = end + strspn(end, " \t\r\n");
            if (depth == 1 && *after == ':' && end == at + size + 2 && strncmp(at + 1, name, size) == 0)
                return at + 1;
            at = end - 1;
        }
    }
    return NULL;
}

unsigned json_key_line(const char *text, const char *key)
{
    const char *dot = strchr(key, '.');
    const char *start = text + strspn(text, " \t\r\n");
    size_t size = dot ? (size_t)(dot - key) : strlen(key);
    const char *found = *start == '{' ? find_key(start, key, size) : NULL;
    if (found && dot) {
        const char *value = found + size + 1;
        value += strspn(value, " \t\r\n:");
        found = *value == '{' ? find_key(value, dot + 1, strlen(dot + 1)) : NULL;
    }
    if (!found)
        return 0;
    unsigned line = 1;
    for (const char *at = text; at < found; at++)
        line += *at == '\n';
    return line;
}
