/* JSON with comments, for configuration files: removes comments before a JSON library parses the text, and
 * finds lines for error messages. */
#ifndef CONNECTORDB_JSON_COMMENTS_H
#define CONNECTORDB_JSON_COMMENTS_H

#include <stddef.h>

/* Overwrites comments outside strings (// to the end of the line, and C style) with spaces; line ends stay.
 * 0, or the line, from 1, of a comment that does not end. */
unsigned json_blank_comments(char *text, size_t size);

/* Returns the line, from 1, of the member with the path keys[0], keys[1], ... from the outermost object; if
 * there is none, of the deepest member on that path. The text is valid JSON without comments. */
unsigned json_line_of(const char *text, size_t size, const char *const *keys, size_t key_count);

#endif
