/* In which format an answer has its datapoints. */
#ifndef CONNECTORDB_POINTS_FORMAT_H
#define CONNECTORDB_POINTS_FORMAT_H

#include "points_output.h"
#include "request.h"

/* By `format` in the query (json, ndjson, csv), else by Accept (application/x-ndjson, text/csv), else JSON;
 * with `time`, `tz` and `columns` of CSV. To be closed also after a failure (points_output_close). False,
 * with 400 in *problem: another format, or a parameter is wrong. */
bool points_format_find(
    const struct request *request, bool senders, struct points_output *ret_output, struct problem *problem);
enum http_content points_format_content(enum points_format format);

#endif
