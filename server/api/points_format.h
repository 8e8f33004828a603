/* In which format an answer has its datapoints. */
#ifndef CONNECTORDB_POINTS_FORMAT_H
#define CONNECTORDB_POINTS_FORMAT_H

#include "points_text.h"
#include "request.h"

/* By `format` in the query (json, ndjson, csv), else by Accept (application/x-ndjson, text/csv), else JSON.
 * False, with 400 in *problem: another format. */
bool points_format_find(
    const struct request *request, enum points_format *ret_format, struct problem *problem);
enum http_content points_format_content(enum points_format format);

#endif
