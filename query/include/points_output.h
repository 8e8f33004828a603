/* How datapoints are printed, as a request or a command line says it. */
#ifndef CONNECTORDB_POINTS_OUTPUT_H
#define CONNECTORDB_POINTS_OUTPUT_H

#include "error.h"
#include "points_text.h"

enum { OUTPUT_COLUMNS_MAX = 256, OUTPUT_COLUMNS_BYTES_MAX = 16 << 10 };

/* Each is borrowed for the call; NULL or "" = not given. Only CSV takes them. */
struct points_output_texts {
    const char *time;    /* "unix" (the default) or "rfc3339" */
    const char *tz;      /* of rfc3339: as zone_load takes it; UTC if it is not given */
    const char *columns; /* names of members, with commas between them */
};

struct points_output {
    struct points_text text; /* for points_text_begin and so on; points into this struct: do not copy it */
    struct zone *zone;
    char *names;
    const char *columns[OUTPUT_COLUMNS_MAX];
};

/* Sets text from the format, senders and the texts. To be closed also after a failure. 0; -EINVAL: a text is
 * wrong, or does not go with the format; -ENOMEM. May read a file of tzdata. */
int points_output_open(enum points_format format, bool senders, const struct points_output_texts *texts,
    struct points_output *ret_output, struct error *ret_error);
void points_output_close(struct points_output *output);

#endif
