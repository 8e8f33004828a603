/* Text from outside made safe to show in a terminal or a line of a log. */
#ifndef CONNECTORDB_ESCAPE_H
#define CONNECTORDB_ESCAPE_H

#include <stddef.h>

/* Copies `size` bytes of text into `to` with a 0 at the end, cut to `capacity` bytes (> 0) in all: control
 * characters (C0, DEL, C1), invisible ones that hide or reorder text (U+2028 to U+202E, U+2066 to U+2069,
 * U+FEFF) and bytes that are not UTF-8 as \xNN, everything else as it is: a second call changes nothing. Nothing
 * is cut within a character or an escape. Returns the length of what was written. */
size_t escape_text(char *to, size_t capacity, const char *text, size_t size);

#endif
