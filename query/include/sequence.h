/* Sequences of datapoints that are pulled batch by batch, and what is made of several of them: a merge and a
 * dataset. Nothing is held but the batch of each sequence that is being read. One thread at a time. */
#ifndef CONNECTORDB_SEQUENCE_H
#define CONNECTORDB_SEQUENCE_H

#include "script.h"

#include <stdbool.h>

/* next(context, ...) gives the next datapoints, as script_source says. */
struct sequence {
    script_source next;
    void *context;
};

/* ---- merge ---- */

enum { MERGE_PARTS_MAX = 10 };

struct merge;

/* The datapoints of several sequences in order of time; of equal times, those of the earlier sequence first.
 * The sequences are not sorted themselves. parts: copied. 0 or -ENOMEM. */
int merge_open(const struct sequence *parts, size_t count, struct merge **ret_merge);
void merge_close(struct merge *merge); /* accepts NULL; closes no part */
/* A script_source; the context is the struct merge. */
int merge_next(void *merge, const struct batch **ret_batch, struct error *ret_error);

/* ---- datasets ---- */

enum { DATASET_ELEMENTS_MAX = 100 };

enum dataset_nil {
    DATASET_KEEP_NIL, /* a row whose value is null stays */
    DATASET_DROP_NIL, /* it is left out */
};

/* A column: what an interpolator makes of a sequence at the time of each row. */
struct dataset_element {
    const char *name;
    struct sequence points;
    const char *interpolator; /* before, after, closest, count, sum, mean; any other text is a script over the
                                 datapoints since the row before, whose last result counts */
    enum dataset_nil nil;
};

struct dataset_options {
    /* A row for each datapoint of `reference`, whose value is the column x; or, if its `next` is NULL, for
     * the times t1, t1 + dt, ... < t2. */
    struct sequence reference;
    double t1, t2, dt;
    const struct dataset_element *elements; /* borrowed until dataset_close */
    size_t element_count;                   /* at most DATASET_ELEMENTS_MAX */
    const struct script_limits *limits;     /* of script interpolators; NULL = defaults */
};

struct dataset;

/* -EINVAL, -E2BIG: an interpolator that is no script, as script_compile; -ENOMEM. */
int dataset_open(
    const struct dataset_options *options, struct dataset **ret_dataset, struct error *ret_error);
void dataset_close(struct dataset *dataset); /* accepts NULL */
/* A script_source; the context is the struct dataset. Gives the rows, each an object. -EINVAL: a value cannot
 * be converted, a script failed; the message names the column. */
int dataset_next(void *dataset, const struct batch **ret_batch, struct error *ret_error);

#endif
