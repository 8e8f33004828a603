#include "url.h"

#include <errno.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One character, escaped or not; moves *from behind it. -EINVAL: a broken escape or 0. */
static int next_character(const char **from, const char *end, bool plus)
{
    char c = *(*from)++;
    if (c == '+' && plus)
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (end - *from < 2)
        return -EINVAL;
    int high = hex_digit((*from)[0]), low = hex_digit((*from)[1]);
    if (high < 0 || low < 0 || (high == 0 && low == 0))
        return -EINVAL;
    *from += 2;
    return high * 16 + low;
}

static long decode(const char *from, const char *end, bool plus, char *to, size_t capacity)
{
    size_t used = 0;
    while (from < end) {
        int c = next_character(&from, end, plus);
        if (c < 0 || used + 1 >= capacity)
            return -EINVAL;
        to[used++] = (char)c;
    }
    if (used >= capacity)
        return -EINVAL;
    to[used] = '\0';
    return (long)used;
}

long url_decode(const char *from, bool plus, char *to, size_t capacity)
{
    return decode(from, from + strlen(from), plus, to, capacity);
}

int url_split(char *path, struct url_path *ret_path)
{
    *ret_path = (struct url_path){0};
    while (*path) {
        while (*path == '/')
            *path++ = '\0';
        char *segment = path;
        path = strchrnul(path, '/');
        size_t length = (size_t)(path - segment);
        if (length == 2 && segment[0] == '.' && segment[1] == '.')
            return -EINVAL;
        if (length == 0 || (length == 1 && segment[0] == '.'))
            continue;
        if (ret_path->count == URL_SEGMENTS_MAX)
            return -ENAMETOOLONG;
        ret_path->segments[ret_path->count++] = segment;
    }
    return 0;
}

int query_parse(const char *from, char *text, size_t capacity, struct query *ret_query)
{
    ret_query->count = 0;
    while (*from) {
        const char *end = strchrnul(from, '&');
        const char *middle = memchr(from, '=', (size_t)(end - from));
        if (!middle)
            middle = end;
        if (end > from) {
            if (ret_query->count == QUERY_PARAMETERS_MAX)
                return -EINVAL;
            long name = decode(from, middle, true, text, capacity);
            if (name < 0)
                return -EINVAL;
            char *value_text = text + name + 1;
            capacity -= (size_t)name + 1;
            long value = decode(middle < end ? middle + 1 : end, end, true, value_text, capacity);
            if (value < 0)
                return -EINVAL;
            ret_query->parameters[ret_query->count].name = text;
            ret_query->parameters[ret_query->count++].value = value_text;
            text = value_text + value + 1;
            capacity -= (size_t)value + 1;
        }
        from = *end ? end + 1 : end;
    }
    return 0;
}

const char *query_value(const struct query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->parameters[i].name, name) == 0)
            return query->parameters[i].value;
    }
    return "";
}

bool query_flag(const struct query *query, const char *name)
{
    static const char *const TRUE_TEXTS[] = {"1", "t", "T", "true", "TRUE", "True"};
    const char *value = query_value(query, name);
    for (size_t i = 0; i < sizeof(TRUE_TEXTS) / sizeof(TRUE_TEXTS[0]); i++) {
        if (strcmp(value, TRUE_TEXTS[i]) == 0)
            return true;
    }
    return false;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

long base64_decode(const char *from, char *to, size_t capacity)
{
    size_t length = strlen(from), used = 0;
    while (length > 0 && from[length - 1] == '=')
        length--;
    unsigned bits = 0, value = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = base64_digit(from[i]);
        if (digit < 0)
            return -EINVAL;
        value = (value << 6 | (unsigned)digit) & 0xffff;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (used + 1 >= capacity)
            return -EINVAL;
        to[used++] = (char)(value >> bits);
    }
    if (used >= capacity || bits >= 6)
        return -EINVAL;
    to[used] = '\0';
    return (long)used;
}
