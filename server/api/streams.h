/* What devices.c and streams.c share. */
#ifndef CONNECTORDB_STREAMS_H
#define CONNECTORDB_STREAMS_H

#include "body.h"
#include "request.h"

/* A name that can be none at all (empty, with a space, '?', '/', '\\') is refused with 400. */
bool name_passes(const char *name, struct problem *problem);

/* Takes the fields of a new stream out of an object and checks them. Texts are borrowed from it, except the schema, which is
 * malloc'ed. 400 for a member of a wrong type, 403 for a value that is refused. */
bool stream_take(const json_t *object, const char *name, struct stream *ret_stream, struct problem *problem);

#endif
