/* Datapoints as text in one of several formats, streamed. */
#ifndef CONNECTORDB_POINTS_TEXT_H
#define CONNECTORDB_POINTS_TEXT_H

#include "batch.h"
#include "sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum points_format {
    POINTS_JSON,   /* [{"t":1,"d":5},...], as json_points_print */
    POINTS_NDJSON, /* the same objects, one on each line */
    POINTS_CSV,    /* RFC 4180 with a header: t,d or t,d,o or t,columns; lines end in CR LF */
};

/* In CSV, numbers, true and false are as in JSON. null is an empty field. A text is always in quotes, so that
 * "5" is not 5. An array or object is its JSON text in quotes. Senders are left out unless `senders` is set.
 */
struct points_text {
    enum points_format format;
    bool senders; /* CSV has the column o */
    /* CSV has a column for each of these members of objects instead of d. It is empty where the value has no
     * such member. */
    const char *const *columns;
    size_t column_count;
    /* CSV has times as RFC 3339 with the offset that this returns, in seconds east of UTC, for a unix time.
     * NULL: unix seconds. A time outside of the years 0 to 9999 stays unix seconds. */
    int32_t (*utc_offset)(const void *zone, int64_t seconds);
    const void *zone;
    uint64_t printed; /* datapoints so far */
};

/* Each returns 0 or -errno of the sink, which keeps its first failure. */
int points_text_begin(struct sink *sink, const struct points_text *text);
int points_text_print(struct sink *sink, struct points_text *text, const struct batch *batch);
int points_text_end(struct sink *sink, const struct points_text *text);

#endif
