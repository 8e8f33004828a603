/* Where a key stands in the text of a JSON document, for messages. */
#ifndef CONNECTORDB_JSON_LINES_H
#define CONNECTORDB_JSON_LINES_H

/* The line, from 1, of the key "name" of the outermost object, or of "section.name" in the object that is the
 * value of "section". text: valid JSON with a NUL behind it, without comments. 0: it is not there as it is
 * written here (with escapes, or not at all). */
unsigned json_key_line(const char *text, const char *key);

#endif
