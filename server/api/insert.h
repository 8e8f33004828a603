/* Shared by inserts into one stream and into several: the target of datapoints, permissions, and refusals. */
#ifndef CONNECTORDB_INSERT_H
#define CONNECTORDB_INSERT_H

#include "json_points.h"
#include "request.h"

/* Everything that can be decided before datapoints are read: whether the request may write to the stream that
 * it names, and to which of its series. False: *problem is set. */
bool insert_allowed(const struct request *request, struct stream_place *ret_place, uint64_t *ret_series_id,
    struct problem *problem);

/* Checks datapoints against the stream's schema and limits and their times against the clock, and sets who
 * sent them. Those of an ephemeral stream are checked as the store would. flags: enum store_append_flags.
 * other_bytes: of values that the same request inserts into other streams of the device. False: *problem is
 * set. */
bool insert_check(const struct request *request, const struct stream_place *place, struct batch *batch,
    unsigned flags, uint64_t other_bytes, struct problem *problem);

/* Both return false with *problem set: which limit of a batch a read met; why reading datapoints failed with
 * the result r (a problem that the body has set stays). */
bool insert_limit_problem(enum json_limit limit, struct problem *problem);
bool insert_json_problem(int r, const struct error *error, struct problem *problem);

/* Returns false with *problem set: why the store refused the datapoints with the result r. */
bool insert_refused(const struct request *request, int r, const struct error *error, struct problem *problem);

#endif
