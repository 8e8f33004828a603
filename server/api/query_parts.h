/* The streams that a query reads: from a JSON object to a sequence of datapoints. All of one query read the
 * same moment of the store. */
#ifndef CONNECTORDB_QUERY_PARTS_H
#define CONNECTORDB_QUERY_PARTS_H

#include "body.h"
#include "problem.h"
#include "request.h"
#include "sequence.h"
#include "store.h"

enum { QUERY_STREAMS_MAX = 128 }; /* in one query; each is some 100 KiB of memory */

/* The fields of a stream query; texts are borrowed from the body. */
struct stream_query {
    const char *stream, *transform; /* "" = none */
    int64_t i1, i2, limit;
    double t1, t2;
    uint64_t last; /* not in JSON: instead of a range, so many points at the end; 0 = no */
};

/* The range of an element of a dataset that names none: from ten datapoints before the first one after `t1`
 * on; all of the stream when t1 is 0. NULL: a query without a range reads all of the stream. */
struct query_start {
    double t1;
};

struct query_part; /* a stream, or a merge of several */

struct query_parts {
    const struct request *request;
    struct store_snapshot *snapshot;
    struct query_part *parts; /* the newest first */
    size_t stream_count;
};

/* Takes the members of a stream query out of the object. False: *problem is set (400). */
bool stream_query_read(const json_t *object, struct stream_query *ret_query, struct problem *problem);

/* Both give a sequence that lives until query_parts_close. False: *problem is set (403: no such stream, a
 * wrong range or script, too many streams). start: may be NULL. */
bool query_parts_stream(struct query_parts *parts, const struct stream_query *query,
    const struct query_start *start, struct sequence *ret_sequence, struct problem *problem);
/* array: of stream queries. */
bool query_parts_merge(struct query_parts *parts, const json_t *array, const struct query_start *start,
    struct sequence *ret_sequence, struct problem *problem);
/* The index of the first point of the stream that was opened last, before its script. */
uint64_t query_parts_first_index(const struct query_parts *parts);
/* Frees them; accepts zeroed ones. */
void query_parts_close(struct query_parts *parts);

/* The members that all values have. */
struct query_columns {
    const char *names[DATASET_ELEMENTS_MAX + 1];
    size_t count;
};

/* Sends the datapoints in the format that the request asks for.
 * columns             of CSV, unless the request names others; NULL = the values in one column
 * without_zero_times  JSON leaves "t" out when it is 0
 * False: *problem is set, nothing was sent. */
bool query_answer(struct request *request, struct sequence sequence, const struct query_columns *columns,
    bool without_zero_times, struct problem *problem);
/* Ends an answer whose printing had the result r: what went wrong after the first byte cuts it off, what went
 * wrong before is a problem. As query_answer. */
bool query_answered(struct request *request, int r, const struct error *error, struct problem *problem);

#endif
