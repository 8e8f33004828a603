/* Users, devices and streams as JSON text, with the fields of the REST API. */
#ifndef CONNECTORDB_JSON_OBJECT_H
#define CONNECTORDB_JSON_OBJECT_H

#include "fields.h"
#include "sink.h"

#include <stdint.h>

/* readable: bits of the fields that may be seen (field_bit). Failures stay in the sink. */

/* In order of name; what may not be seen is left out. */
void json_print_object(
    struct sink *sink, const struct object_kind *kind, const void *object, uint32_t readable);
/* In the order of the table; what may not be seen is "" or false. */
void json_print_blanked(
    struct sink *sink, const struct object_kind *kind, const void *object, uint32_t readable);
/* As json_print_object. device: the extra key of lists over all devices of a user; NULL leaves it out. */
void json_print_stream_in_list(
    struct sink *sink, const struct stream *stream, const char *device, uint32_t readable);

#endif
