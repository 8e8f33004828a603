/* Transforms: the table of them, and what each one does. */
#ifndef CONNECTORDB_QUERY_TRANSFORM_H
#define CONNECTORDB_QUERY_TRANSFORM_H

#include "node.h"

struct run;
struct instance;

enum { ARGUMENTS_MAX = 3 };

enum argument_flags {
    ARGUMENT_CONSTANT = 1, /* must be constant; its value is argument_value(...) */
    ARGUMENT_SCRIPT = 2,   /* a script that the transform runs itself ("hijacked") */
    ARGUMENT_OPTIONAL = 4,
};

struct argument {
    unsigned flags;
    const char *text; /* an optional one: the script it is when it is left out; NULL: it stays out */
};

enum transform_flags {
    TRANSFORM_FILTERS = 1, /* not one result for each datapoint */
    TRANSFORM_PEEKS = 2,
    TRANSFORM_REFUSES_PEEK = 4, /* its script arguments must not look ahead */
    TRANSFORM_TAKES_GROUPS = 8, /* its script arguments may be `while` */
    TRANSFORM_GROUPS = 16,      /* `while`: one result for each group, but where the last one counts */
    TRANSFORM_SELECTS = 32,     /* `if`: passes the datapoints for which its argument is true as they are */
    TRANSFORM_OF_TIMES = 64,    /* its column function needs the times */
    TRANSFORM_GIVES_BOOLEANS = 128, /* the results of its column function are booleans, as 0 and 1 */
};

/* A step's result. */
enum { STEP_NONE = 0, STEP_EMIT = 1 };

/* One call that is being executed. */
struct call {
    struct run *run;
    const struct node *node;
    void *state;         /* state_bytes, zeroed at the beginning of a sequence */
    struct error *error; /* never NULL */
};

struct transform {
    const char *name;
    unsigned flags;
    struct argument arguments[ARGUMENTS_MAX];
    uint32_t argument_count;
    size_t state_bytes;
    /* Checks the constant arguments and makes what step needs of them, in node->prepared. 0 or -errno. */
    int (*prepare)(struct node *node, struct arena *arena, struct error *ret_error);
    /* Frees what prepare made and the arena does not hold. */
    void (*forget)(struct node *node);
    /* One datapoint. in: the datapoint; arguments[i]: the result of argument i for it (not of constants and
     * scripts). STEP_EMIT with *out set (out has in's time and no value before), STEP_NONE, or -errno with
     * the error set. */
    int (*step)(struct call *call, const struct point *in, const struct point *arguments, struct point *out);
    /* The steps for `count` numbers, or booleans as 0 and 1, at once: none of them fails or filters. `times`
     * is set only with TRANSFORM_OF_TIMES. out: not `in`. NULL: there is no such form. */
    void (*column)(void *state, const double *in, const double *times, uint32_t count, double *out);
    /* The end of the sequence: may emit one more. */
    int (*finish)(struct call *call, struct point *out);
    /* Frees what the state owns; the state is zeroed afterwards. */
    void (*clear)(struct run *run, void *state);
};

const struct transform *transform_find(const char *name, size_t size);
const struct transform *transform_at(size_t i); /* NULL behind the last one */

/* The tables of the files. */
struct transform_list {
    const struct transform *transforms;
    size_t count;
};
extern const struct transform_list SIMPLE_TRANSFORMS, STATEFUL_TRANSFORMS, TEXT_TRANSFORMS, OBJECT_TRANSFORMS,
    GROUP_TRANSFORMS, TIME_TRANSFORMS;

/* d and $: without an argument they are no call at all. */
bool transform_is_identity(const struct transform *transform);
/* The value of a constant argument, NULL when it was left out. */
const struct value *argument_value(const struct node *node, uint32_t argument);

#endif
