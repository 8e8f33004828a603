/* Datapoints from a text: a JSON array, one JSON object on each line, or CSV. Which of them it is shows its
 * first character: '[', '{', or any other one. */
#ifndef CONNECTORDB_POINTS_INPUT_H
#define CONNECTORDB_POINTS_INPUT_H

#include "batch.h"
#include "error.h"

enum {
    CSV_COLUMNS_MAX = 256,
    CSV_ROW_BYTES_MAX = 1 << 20,
};

struct points_input; /* one text; used by one thread */

/* CSV (RFC 4180, also with bare line feeds): the first row names the columns. The first one named t, time or
 * timestamp has the times, in unix seconds or as RFC 3339; one named o has the senders. What is left is the
 * value: of one column itself, of several an object of the columns. A field without quotes that is a JSON
 * number, true, false or null is that; an empty one is null; any other one is a string.
 *
 * file: a descriptor, borrowed. name: of the text, for messages; borrowed. 0 or -ENOMEM. */
int points_input_open(int file, const char *name, struct points_input **ret_input, struct error *ret_error);
void points_input_close(struct points_input *input); /* accepts NULL */

/* A script_source; the context is the struct points_input. -EBADMSG: the text is wrong, the message has the
 * line; -E2BIG: a point, a row or a count is over its limit; -ENOMEM; -errno of read. */
int points_input_next(void *input, const struct batch **ret_batch, struct error *ret_error);

#endif
