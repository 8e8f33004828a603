/* Which elements of a list are wanted: ?public=true, downlink=true, visible=true. */
#ifndef CONNECTORDB_LIST_FILTER_H
#define CONNECTORDB_LIST_FILTER_H

#include "catalog.h"
#include "url.h"

#include <stdbool.h>

struct list_filter {
    bool only_public, only_visible; /* of devices */
    bool only_downlink;             /* of streams */
};

/* Only the word "true" counts, as in ConnectorDB 0.3. */
struct list_filter list_filter_parse(const struct query *query);
bool list_filter_device(const struct list_filter *filter, const struct device *device);
bool list_filter_stream(const struct list_filter *filter, const struct stream *stream);

#endif
