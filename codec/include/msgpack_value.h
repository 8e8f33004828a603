/* A bounded, allocation-free reader of msgpack values: for bytes that come from disk or outside. */
#ifndef CONNECTORDB_MSGPACK_VALUE_H
#define CONNECTORDB_MSGPACK_VALUE_H

#include "sink.h"

#include <stddef.h>
#include <stdint.h>

enum { VALUE_DEPTH_MAX = 64 };

/* Walks one value at data; *ret_size is its size. 0, or -EBADMSG: cut off, deeper than VALUE_DEPTH_MAX, not
 * UTF-8, a key that is no string, or a type that JSON has not (bin, ext, non-finite float, float32). Reads no
 * byte past data + size, allocates nothing, takes time linear in the value's size whatever its headers claim.
 */
int msgpack_validate(const uint8_t *data, size_t size, size_t *ret_size);

/* Prints the value (validated before) as JSON, as ConnectorDB 0.3 writes it: < > & U+2028 U+2029 escaped. */
int msgpack_print_json(struct sink *sink, const uint8_t *data, size_t size);

#endif
