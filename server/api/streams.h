/* What devices.c and streams.c share. */
#ifndef CONNECTORDB_STREAMS_H
#define CONNECTORDB_STREAMS_H

#include "json_object.h"
#include "request.h"

/* Answers a request to create, from the JSON object in its body, what has this name in its path. A name that
 * can be none at all (space, '?', '/', '\') is refused. create gives the answer when it returns 0; -EPROTO: a
 * member is of the wrong type. */
void create_from_body(struct request *request, const char *name,
    int (*create)(struct request *request, const json_t *body, struct error *ret_error));

/* Takes the fields of a new stream out of an object and checks them; texts are borrowed from it, but
 * *ret_schema (also in ret_stream->schema) is malloc'ed. -EINVAL: a value is refused; -EPROTO: a member is of
 * the wrong type. */
int stream_from_object(const json_t *object, const char *name, struct stream *ret_stream, char **ret_schema,
    struct error *ret_error);

#endif
