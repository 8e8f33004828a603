/* Users, devices and streams as the REST API has them. */
#ifndef CONNECTORDB_REMOTE_OBJECT_H
#define CONNECTORDB_REMOTE_OBJECT_H

#include "fields.h"
#include "remote_http.h"

/* "/crud/U/D/S" and what follows ("", "?q=ls", "/data?..."); device and stream may be NULL. Names need no
 * encoding. -ENAMETOOLONG. */
int remote_path(char path[REMOTE_URL_BYTES_MAX], const char *user, const char *device, const char *stream,
    const char *rest, struct error *ret_error);

/* Asks whether there is a ConnectorDB and who the account is there: "user/device" in `name`. Waits for a
 * server that is busy, not for one that is away. -EACCES: the log-in is refused, or none was given. */
int remote_who(struct remote_http *http, char name[PATH_BYTES_MAX + 1], struct error *ret_error);

/* Fills the zeroed object from an answer: what is missing is empty or the field's default. where: for
 * messages. -EPROTO: it is no such object. Free with fields_free, also on failure. */
int remote_object_read(const struct object_kind *kind, const json_t *json, void *object, const char *where,
    struct error *ret_error);

/* The fields that a client may set, as a body: of a new object, or only those that differ from `old`
 * (may be NULL). An empty object when there are none; NULL: no memory. */
json_t *remote_object_body(const struct object_kind *kind, const void *object, const void *old);

#endif
