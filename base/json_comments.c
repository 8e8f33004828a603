#include "json_comments.h"

#include <stdbool.h>
#include <string.h>

/* The index behind the string that starts at `at`. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"' && text[at] != '\n'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at < size ? at + 1 : size;
}

static size_t blank_line(char *text, size_t size, size_t at)
{
    while (at < size && text[at] != '\n')
        text[at++] = ' ';
    return at;
}

/* As blank_line for the other kind; `size + 1` when it does not end. */
static size_t blank_block(char *text, size_t size, size_t at)
{
    for (size_t end = at + 2; end + 1 < size; end++) {
        if (text[end] != '*' || text[end + 1] != '/')
            continue;
        for (; at < end + 2; at++) {
            if (text[at] != '\n')
                text[at] = ' ';
        }
        return at;
    }
    return size + 1;
}

unsigned json_blank_comments(char *text, size_t size)
{
    unsigned line = 1;
    for (size_t at = 0; at < size;) {
        size_t start = at;
        char next = at + 1 < size ? text[at + 1] : '\0';
        if (text[at] == '"')
            at = skip_string(text, size, at);
        else if (text[at] == '/' && next == '/')
            at = blank_line(text, size, at);
        else if (text[at] == '/' && next == '*')
            at = blank_block(text, size, at);
        else
            at++;
        if (at > size)
            return line;
        for (; start < at; start++)
            line += text[start] == '\n';
    }
    return 0;
}

/* ---- lines ---- */

/* Whether the string at `at`, in quotes, is followed by a colon: a key. */
static bool is_key(const char *text, size_t size, size_t end)
{
    while (end < size && strchr(" \t\r\n", text[end]))
        end++;
    return end < size && text[end] == ':';
}

unsigned json_line_of(const char *text, size_t size, const char *const *keys, size_t key_count)
{
    size_t found = 0, depth = 0; /* keys found; objects and arrays around */
    unsigned line = 1, line_found = 1;
    for (size_t at = 0; at < size && found < key_count;) {
        size_t start = at;
        at = text[at] == '"' ? skip_string(text, size, at) : at + 1;
        if (text[start] == '\n')
            line++;
        depth += text[start] == '{' || text[start] == '[';
        depth -= (text[start] == '}' || text[start] == ']') && depth > 0;
        if (depth < found + 1 && found > 0 && (text[start] == '}' || text[start] == ']'))
            break; /* the end of the object that should have the next key */
        size_t length = strlen(keys[found]);
        if (text[start] == '"' && depth == found + 1 && at - start == length + 2 &&
            memcmp(text + start + 1, keys[found], length) == 0 && is_key(text, size, at)) {
            found++;
            line_found = line;
        }
    }
    return line_found;
}
