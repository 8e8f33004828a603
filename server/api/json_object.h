/* Users, devices and streams as JSON: out with the reference's fields and order, in from the small bodies of
 * create requests. */
#ifndef CONNECTORDB_JSON_OBJECT_H
#define CONNECTORDB_JSON_OBJECT_H

#include "catalog.h"
#include "permission.h"
#include "request.h"
#include "sink.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* All leave out what `access` does not show. Failures stay in the sink. */
void json_user(struct sink *sink, const struct user *user, enum access access);
void json_device(struct sink *sink, const struct device *device, enum access access);
/* device: the extra key of lists over all devices of a user; NULL leaves it out. */
void json_stream_in_list(struct sink *sink, const struct stream *stream, const char *device);
void json_stream(struct sink *sink, const struct stream *stream);

/* A member of an object to read. */
struct member {
    const char *name;
    enum { MEMBER_TEXT, MEMBER_BOOLEAN, MEMBER_OBJECT } type;
    void *to; /* const char **, bool *, json_t **: unchanged when the member is absent or null */
};

/* Reads the request's body as one JSON object. On failure the answer has been given (400, 413, ...) and NULL
 * is returned; otherwise free with json_decref. */
json_t *json_body(struct request *request);
/* Takes the members out of the object: keys match without case, unknown ones are ignored, the last of several
 * counts. Texts are borrowed. 0, or -EINVAL naming the member of a wrong type. */
int json_members(const json_t *object, const struct member *members, size_t count, struct error *ret_error);

/* The deepest nesting of arrays and objects in a text that may be JSON. The parser uses the stack for each
 * level. Pure. */
size_t json_depth(const char *text, size_t size);

#endif
