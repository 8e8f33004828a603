/* Numeric scripts a column at a time: the same results as evaluate() gives point by point, bit for bit, with
 * the same states, so that both can be used by turns.
 *
 * A script has such a form when it is a pipeline of `if` and one-to-one expressions of numbers, operators and
 * the transforms that have a column function, and needs few columns. Over numbers and booleans none of them
 * can fail. */
#ifndef CONNECTORDB_QUERY_VECTORS_H
#define CONNECTORDB_QUERY_VECTORS_H

#include "run.h"

struct vectors;

/* *ret_vectors: NULL when the script has no such form, or a run may not hold the columns. root: the script
 * or the part of it that is to be evaluated; instance: with its states, must outlive the vectors. 0 or
 * -ENOMEM with the error set. */
int vectors_new(
    struct run *run, const struct instance *instance, const struct node *root, struct vectors **ret_vectors);
void vectors_free(struct run *run, struct vectors *vectors); /* accepts NULL */

/* The batch can be evaluated by columns: all its values are numbers, or all are booleans. */
bool vectors_take(const struct batch *batch);

/* Evaluates points [from, from + count) of such a batch, count <= SCRIPT_RESULTS_AT_ONCE. Returns the number
 * of results. */
uint32_t vectors_evaluate(struct vectors *vectors, const struct batch *batch, uint32_t from, uint32_t count);
/* Result i of the last evaluation. */
struct point vectors_point(const struct vectors *vectors, uint32_t i);
/* All results of the last evaluation in one batch, borrowed until the next one, as the batch that was
 * evaluated is; NULL: a result is NaN or infinite, which a column of numbers cannot hold. */
const struct batch *vectors_batch(struct vectors *vectors);

#endif
