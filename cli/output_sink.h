/* Standard output as a sink, for commands that print much. */
#ifndef CONNECTORDB_OUTPUT_SINK_H
#define CONNECTORDB_OUTPUT_SINK_H

#include "error.h"
#include "sink.h"

/* Opens a sink whose text goes to standard output as it is (not escaped, see output.h). Interrupted as job.h
 * says, a write ends with -ECANCELED. 0 or -ENOMEM. */
int output_sink_open(struct sink *ret_sink, struct error *ret_error);
void output_sink_free(struct sink *sink); /* does not flush; accepts a zeroed one */

#endif
