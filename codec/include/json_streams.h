/* JSON text with datapoints of several streams -> datapoints, streaming. Two shapes, told apart by the first
 * key, which in the first one is a path and has a '/':
 *   {"user/device/stream": [{"t":..,"d":..}, ...], ...}
 *   {"s":"user/device/stream","t":..,"d":..}            one datapoint a line (NDJSON)
 * Datapoints follow the rules of REST with refuse_null (json_points.h). A UTF-8 byte order mark may precede
 * the text. A stream may be named more than once. */
#ifndef CONNECTORDB_JSON_STREAMS_H
#define CONNECTORDB_JSON_STREAMS_H

#include "json_points.h"

enum { JSON_STREAM_BYTES_MAX = 1024 }; /* of a stream's path; what paths are valid is up to the caller */

struct json_streams; /* one text; used by one thread */

/* Starts a text. source and context are borrowed until json_streams_close. 0 or -ENOMEM. */
int json_streams_open(json_source source, void *context, struct json_streams **ret_reader);
/* Accepts NULL. */
void json_streams_close(struct json_streams *reader);

/* Goes to the next datapoints of one stream; those before must have been read to their end. 1 = *ret_path
 * (*ret_size bytes, not terminated, any UTF-8; valid until the next call) names their stream; 0 = the text
 * ended well; <0 = error, as of json_points_read. */
int json_streams_next(
    struct json_streams *reader, const char **ret_path, size_t *ret_size, struct error *ret_error);

/* Appends up to points_max of these datapoints to the batch. 1 = there may be more; 0 = that was all, go on
 * with json_streams_next; <0 = error, as of json_points_read. */
int json_streams_read(
    struct json_streams *reader, struct batch *batch, uint32_t points_max, struct error *ret_error);

/* After json_streams_read returned 1: which limit of the batch ended the read. */
enum json_limit json_streams_limit(const struct json_streams *reader);

#endif
