/* The UTF-8 byte order mark (bytes ef bb bf), which some editors put before a text. */
#ifndef CONNECTORDB_BYTE_ORDER_MARK_H
#define CONNECTORDB_BYTE_ORDER_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { BYTE_ORDER_MARK_BYTES = 3 };

static inline bool is_byte_order_mark(const char *text, size_t size)
{
    return size >= BYTE_ORDER_MARK_BYTES && memcmp(text, "\xef\xbb\xbf", BYTE_ORDER_MARK_BYTES) == 0;
}

/* Returns the number of bytes to skip at the start of a text: 3 if it starts with a byte order mark, else
 * 0. */
static inline size_t byte_order_mark_bytes(const char *text, size_t size)
{
    return is_byte_order_mark(text, size) ? BYTE_ORDER_MARK_BYTES : 0;
}

/* Returns whether a byte order mark is the reason why a parser stopped after `position` bytes; for error
 * messages. */
static inline bool byte_order_mark_near(const char *text, size_t size, size_t position)
{
    size_t from = position > BYTE_ORDER_MARK_BYTES ? position - BYTE_ORDER_MARK_BYTES : 0;
    for (size_t at = from; at <= position && at < size; at++) {
        if (is_byte_order_mark(text + at, size - at))
            return true;
    }
    return false;
}

#define BYTE_ORDER_MARK_MISPLACED                                                                            \
    ": a UTF-8 byte order mark (bytes ef bb bf) is allowed only at the start of the file"

#endif
