/* Computes the value of a dataset's column at the time of a row. */
#ifndef CONNECTORDB_QUERY_INTERPOLATOR_H
#define CONNECTORDB_QUERY_INTERPOLATOR_H

#include "buffer.h"
#include "reader.h"

struct interpolator;

/* text: as struct dataset_element says. -EINVAL, -E2BIG as script_compile; -ENOMEM. */
int interpolator_open(const char *text, struct sequence points, const struct script_limits *limits,
    struct interpolator **ret_interpolator, struct error *ret_error);
void interpolator_close(struct interpolator *interpolator); /* accepts NULL */

/* Appends the value at `time` as msgpack; times never decrease. 1; 0: it is null (a null was appended);
 * -EINVAL: a value cannot be converted, or the script failed; -errno of the sequence. */
int interpolator_value(
    struct interpolator *interpolator, double time, struct buffer *value, struct error *ret_error);

#endif
