#include "escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Line and paragraph separators, marks that change the direction of writing, the byte order mark: they could
 * hide or reorder text. */
static bool is_invisible(uint32_t point)
{
    return (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

/* Length of the UTF-8 character that may be shown, or 0: escape its first byte. */
static size_t shown_length(const uint8_t *at, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0xa0, 0x800, 0x10000}; /* below 0xa0: C1 control characters */
    if (*at < 0x80)
        return *at >= 0x20 && *at != 0x7f;
    size_t length = *at >> 5 == 0x6 ? 2 : *at >> 4 == 0xe ? 3 : *at >> 3 == 0x1e ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t point = *at & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 0x2)
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    bool valid = point >= smallest[length] && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return valid && !is_invisible(point) ? length : 0;
}

size_t escape_text(char *to, size_t capacity, const char *text, size_t size)
{
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        char escaped[5];
        const char *piece = text + at;
        size_t length = shown_length((const uint8_t *)text + at, size - at);
        at += length ? length : 1;
        if (length == 0) {
            length = (size_t)snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned)(uint8_t)*piece);
            piece = escaped;
        }
        if (used + length >= capacity)
            break;
        memcpy(to + used, piece, length);
        used += length;
    }
    to[used] = '\0';
    return used;
}
