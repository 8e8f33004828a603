/* JSON text <-> datapoints, streaming. A text is an array [{"t":..,"d":..,"o":..}, ...] with any white space;
 * a UTF-8 byte order mark may precede it. */
#ifndef CONNECTORDB_JSON_POINTS_H
#define CONNECTORDB_JSON_POINTS_H

#include "batch.h"
#include "error.h"
#include "sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_WINDOW_BYTES = 256 << 10,   /* read ahead */
    JSON_POINT_BYTES_MAX = 16 << 20, /* text of one datapoint over REST; the window never grows past this */
    /* The same of an import: what came in over REST goes out with up to six bytes for one ('<' is \u003c). */
    JSON_POINT_IMPORT_BYTES_MAX = 8 * JSON_POINT_BYTES_MAX,
};

struct json_points_options {
    /* false (REST): key names match without case, unknown keys are ignored (but a point that has no other
     * keys is an error), `null` is an empty array or skipped point, a missing, null or 0 time is "missing"
     * (NaN), a missing d is null. true (import): exact keys, an unknown key or a missing t is an error that
     * names it, missing d is null. */
    bool import;
    /* REST only: null where the array or a datapoint belongs is an error after all. */
    bool refuse_null;
};

/* Where the text comes from: fills at most size bytes, returns how many, 0 at the end, or -errno with
 * *ret_error set. Blocking is up to it. */
typedef long (*json_source)(void *context, void *buffer, size_t size, struct error *ret_error);

struct json_points; /* one text; used by one thread */

/* Starts a text. source and context are borrowed until json_points_close. 0 or -ENOMEM. */
int json_points_open(const struct json_points_options *options, json_source source, void *context,
    struct json_points **ret_reader);
/* Frees the reader. Accepts NULL. */
void json_points_close(struct json_points *reader);

/* Appends up to points_max further points to the batch. 1 = there may be more; 0 = the text ended well
 * (nothing but white space follows the array); <0 = error: -EBADMSG bad text, -E2BIG a limit, -ENOMEM, or
 * what the source returned; the message names what, the line (from 1), the byte offset (from 0). Points
 * before the error stay in the batch; a point is appended whole or not at all. */
int json_points_read(
    struct json_points *reader, struct batch *batch, uint32_t points_max, struct error *ret_error);

/* After a 1: which limit of the batch ended the read, when it was not points_max. */
enum json_limit {
    JSON_LIMIT_NONE = 0,
    JSON_LIMIT_POINTS,  /* BATCH_POINTS_MAX */
    JSON_LIMIT_BYTES,   /* BATCH_BYTES_MAX of values */
    JSON_LIMIT_SENDERS, /* BATCH_SENDERS_MAX different senders */
};
enum json_limit json_points_limit(const struct json_points *reader);

/* Where the reader is: the line and byte offset of the point that was appended last. */
uint64_t json_points_line(const struct json_points *reader);
/* Bytes of text consumed so far. */
uint64_t json_points_offset(const struct json_points *reader);

/* Prints the points of a batch joined by ',' (a ',' also before the first one unless `first`), in the text of
 * ConnectorDB: {"t":1,"d":5,"o":"user/device"}, t and d always, o only for foreign senders. 0 or -errno of
 * sink. */
int json_points_print(struct sink *sink, const struct batch *batch, bool first);

/* One JSON string in quotes with ConnectorDB's escapes; text is valid UTF-8. */
int json_print_string(struct sink *sink, const char *text, size_t size);

#endif
