/* Users, devices and streams as JSON text, with the fields and in the order of ConnectorDB 0.3. */
#ifndef CONNECTORDB_JSON_OBJECT_H
#define CONNECTORDB_JSON_OBJECT_H

#include "catalog.h"
#include "permission.h"
#include "sink.h"

#include <stdbool.h>

/* All leave out what `access` does not show. Failures stay in the sink. */
void json_user(struct sink *sink, const struct user *user, enum access access);
void json_device(struct sink *sink, const struct device *device, enum access access);
/* device: the extra key of lists over all devices of a user; NULL leaves it out. */
void json_stream_in_list(struct sink *sink, const struct stream *stream, const char *device);
void json_stream(struct sink *sink, const struct stream *stream);

#endif
