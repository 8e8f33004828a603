/* Datapoints as text in one of several formats, streamed. */
#ifndef CONNECTORDB_POINTS_TEXT_H
#define CONNECTORDB_POINTS_TEXT_H

#include "batch.h"
#include "sink.h"

#include <stdbool.h>

enum points_format {
    POINTS_JSON,   /* [{"t":1,"d":5},...], as json_points_print */
    POINTS_NDJSON, /* the same objects, one on each line */
    POINTS_CSV,    /* RFC 4180 with a header: t,d or t,d,o; lines end in CR LF */
};

/* In CSV, numbers, true and false are as in JSON. null is an empty field. A text is always in quotes, so that
 * "5" is not 5. An array or object is its JSON text in quotes. Senders are left out unless `senders` is set.
 */
struct points_text {
    enum points_format format;
    bool senders;     /* CSV has the column o */
    uint64_t printed; /* datapoints so far */
};

/* Each returns 0 or -errno of the sink, which keeps its first failure. */
int points_text_begin(struct sink *sink, const struct points_text *text);
int points_text_print(struct sink *sink, struct points_text *text, const struct batch *batch);
int points_text_end(struct sink *sink, const struct points_text *text);

#endif
