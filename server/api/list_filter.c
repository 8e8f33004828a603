#include "list_filter.h"

#include <string.h>

static bool is_true(const struct query *query, const char *name)
{
    return strcmp(query_value(query, name), "true") == 0;
}

struct list_filter list_filter_parse(const struct query *query)
{
    return (struct list_filter){
        .only_public = is_true(query, "public"),
        .only_visible = is_true(query, "visible"),
        .only_downlink = is_true(query, "downlink"),
    };
}

bool list_filter_device(const struct list_filter *filter, const struct device *device)
{
    return (!filter->only_public || device->is_public) && (!filter->only_visible || device->visible);
}

bool list_filter_stream(const struct list_filter *filter, const struct stream *stream)
{
    return !filter->only_downlink || stream->downlink;
}
