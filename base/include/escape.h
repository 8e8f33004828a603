/* Escapes untrusted text for terminals and logs. */
#ifndef CONNECTORDB_ESCAPE_H
#define CONNECTORDB_ESCAPE_H

#include <stddef.h>

/* Copies `size` bytes of text to `to` and escapes as \xNN: control characters (C0, DEL, C1), characters that
 * hide or reorder text (U+2028 to U+202E, U+2066 to U+2069, U+FEFF), and bytes that are not UTF-8. Escaping
 * twice equals escaping once.
 * capacity  size of `to`, > 0, with the final zero; longer text is truncated, but never within a character
 *           or an escape
 * Returns the length of the result. */
size_t escape_text(char *to, size_t capacity, const char *text, size_t size);

#endif
