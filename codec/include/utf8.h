/* UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF. */
#ifndef CONNECTORDB_UTF8_H
#define CONNECTORDB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_BYTES_MAX = 4 };

/* The length of the sequence that starts at p: 1..4; 0: it is wrong; -1: right so far, but cut off by end. */
int utf8_sequence(const uint8_t *p, const uint8_t *end);

/* All of the text is valid. */
bool utf8_valid(const uint8_t *text, size_t size);

/* Writes the code point, at most 0x10ffff, to out; returns its length. */
size_t utf8_put(uint8_t *out, uint32_t code_point);

#endif
