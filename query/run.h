/* A script that is being run. */
#ifndef CONNECTORDB_QUERY_RUN_H
#define CONNECTORDB_QUERY_RUN_H

#include "node.h"

#include <stdint.h>

/* The state of all calls of one script (or of one script argument): one use of it. */
struct instance {
    const struct node *root;
    void *states;
};

/* An iterator over points. */
struct source {
    /* 1 = *out is the next point, valid until the next call; 0 = the end; -errno with run->error set. */
    int (*next)(struct source *source, struct point *out);
    void (*free)(struct source *source);
    struct run *run;
    struct source *made_before; /* all sources of a scope */
};

/* Sources that are freed together. */
struct scope {
    struct run *run;
    struct source *made;
};

enum { BUILDERS_MAX = SCRIPT_HEIGHT_MAX + 8 };

struct run {
    const struct script_limits *limits;
    struct arena *arena;
    struct error *error;                         /* never NULL */
    struct value_builder builders[BUILDERS_MAX]; /* objects under construction, one inside the other */
    unsigned builder_count;
};

void run_init(struct run *run, const struct script_limits *limits, struct arena *arena, struct error *error);
void run_free(struct run *run);

/* A builder for one object; give it back in reverse order. */
struct value_builder *run_take_builder(struct run *run);
void run_give_builder(struct run *run);

/* 0, -ENOMEM or -E2BIG. */
int instance_init(struct run *run, const struct node *root, struct instance *ret_instance);
void instance_free(struct run *run, struct instance *instance);  /* accepts a zeroed one */
void instance_reset(struct run *run, struct instance *instance); /* as it was at the beginning */

/* The result of a one-to-one node that does not look ahead. 0 or -errno. */
int evaluate(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, struct point *out);
/* The value of a constant node. */
int evaluate_constant(
    const struct node *node, struct arena *arena, struct value *ret_value, struct error *ret_error);

/* The pieces of it that sources need as well. */
int operate(struct run *run, const struct node *node, const struct value *a, const struct value *b,
    struct value *ret_value);
int call_step(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, const struct point *arguments, struct point *out);
int call_finish(struct run *run, const struct instance *instance, const struct node *node, struct point *out);
bool is_evaluated_argument(const struct node *call, uint32_t i);
int run_error(struct run *run, const struct node *node, const struct point *in, int r);

/* `while`, alone or at the end of a pipeline: no result for each datapoint, but one for each group. */
bool node_is_group(const struct node *node);

/* The node's results over what comes from `up`. NULL with the error set. */
struct source *source_new(
    struct scope *scope, const struct instance *instance, const struct node *node, struct source *up);
void scope_free(struct scope *scope);

/* Runs a fresh copy of the script over a list: the first or the last result. 1, 0 (none) or -errno. */
int run_list(struct run *run, const struct node *root, const struct point *points, size_t count, bool first,
    struct point *out);

/* A point whose text or container has been copied. Zero-initialise it. */
struct kept {
    struct point point;
    struct buffer bytes;
    size_t held;
    bool set;
};
int keep(struct run *run, struct kept *kept, const struct point *point); /* 0, -ENOMEM, -E2BIG */
void kept_free(struct run *run, struct kept *kept);

#endif
