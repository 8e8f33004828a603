/* JSON with comments: configuration files. The text is parsed by a JSON library afterwards; this finds comments, and lines for messages. */
#ifndef CONNECTORDB_JSON_COMMENTS_H
#define CONNECTORDB_JSON_COMMENTS_H

#include <stddef.h>

/* Turns comments outside strings (// to the end of the line, and C style) into blanks, in place; line ends stay. 0, or the line where a
 * comment begins that does not end. */
unsigned json_blank_comments(char *text, size_t size);

/* The line, from 1, of the member that keys[0], keys[1], ... lead to from the outermost object, or of the last one of them that is there.
 * The text is valid JSON without comments. */
unsigned json_line_of(const char *text, size_t size, const char *const *keys, size_t key_count);

#endif
