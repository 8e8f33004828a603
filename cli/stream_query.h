/* `connectordb query`: the datapoints of a range of a stream, or what a script makes of them, as JSON. */
#ifndef CONNECTORDB_STREAM_QUERY_H
#define CONNECTORDB_STREAM_QUERY_H

#include "database.h"
#include "error.h"
#include "points_output.h"
#include "range.h"
#include "sink.h"

#include <stdbool.h>

/* All texts are borrowed; NULL = not given. */
struct stream_query {
    const char *path; /* user/device/stream */
    bool downlink;
    enum points_format format;
    struct points_output_texts output; /* of CSV */
    const char *transform;
    const char *i1, *i2, *t1, *t2, *limit; /* as the REST API takes them; none of them: the whole stream */
};

/* The range that the texts name. 0; -EINVAL: one of them is no number. */
int stream_query_range(const struct stream_query *query, struct range *ret_range, struct error *ret_error);

/* Prints in the format; behind a JSON array stands a line feed. Reads at one moment, holds one batch. 0;
 * -ENOENT: there is no such stream; -EINVAL: a text is wrong, or the script fails; -E2BIG: the script is over
 * a limit; what the sink returned; -errno. Errors may come behind a part of the output. Any thread; blocks as
 * the sink does. */
int stream_query_print(
    struct database *database, const struct stream_query *query, struct sink *sink, struct error *ret_error);

#endif
