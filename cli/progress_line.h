/* How long work shows itself: one line that is written over on a terminal, a plain line now and then
 * elsewhere. */
#ifndef CONNECTORDB_PROGRESS_LINE_H
#define CONNECTORDB_PROGRESS_LINE_H

#include "export.h"

#include <stdbool.h>

enum { PROGRESS_PLAIN_SECONDS = 5 };

struct progress_line {
    bool terminal;
    bool shown;          /* a line stands on the terminal */
    double last_seconds; /* of the last plain line */
};

/* Finds out whether standard error is a terminal. */
void progress_line_init(struct progress_line *line);
/* A progress callback; context: the progress_line. */
void progress_line_show(void *context, const struct progress *progress);
/* Takes the line off the terminal. */
void progress_line_clear(struct progress_line *line);
/* "imported 1 user, 7 devices, 17 streams: 153,715 points, 5.1 MB in 0.1 s (1.5 M points/s)" */
void progress_line_summary(const char *verb, const struct transfer_result *result);

#endif
