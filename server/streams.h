/* What devices.c and streams.c share. */
#ifndef CONNECTORDB_STREAMS_H
#define CONNECTORDB_STREAMS_H

#include "json_object.h"
#include "request.h"

/* A name in the path that can be none at all (space, '?', '/', '\'): answers 400 and returns false. */
bool name_passes(struct request *request, const char *name);

/* Takes the fields of a new stream out of an object and checks them; texts are borrowed from it, but
 * *ret_schema (also in ret_stream->schema) is malloc'ed. -EINVAL: a value is refused; -EPROTO: a member is of
 * the wrong type. */
int stream_from_object(const json_t *object, const char *name, struct stream *ret_stream, char **ret_schema,
    struct error *ret_error);

#endif
