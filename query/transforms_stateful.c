/* Transforms that keep a datapoint, and those that look ahead. */
#include "run.h"
#include "transform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- last, next: source.c executes them ---- */

static int prepare_next(struct node *node, struct arena *arena, struct error *ret_error)
{
    int64_t count;
    (void)arena;
    int r = value_to_integer(&node->children[0]->value, &count, ret_error);
    if (r < 0)
        return r;
    if (count < 1)
        return error_set(ret_error, EINVAL, "must look at least one datapoint ahead");
    if (count > node->owner->limits.peek_max)
        return error_set(
            ret_error, EINVAL, "cannot look more than %u datapoints ahead", node->owner->limits.peek_max);
    node->children[0]->value = value_integer(count);
    return 0;
}

/* ---- changed ---- */

static void clear_kept(struct run *run, void *state)
{
    kept_free(run, state);
}

static int step_changed(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct kept *previous = call->state;
    struct value null = value_null();
    (void)arguments;
    out->d = value_boolean(!value_equals(&in->d, previous->set ? &previous->point.d : &null));
    int r = keep(call->run, previous, in);
    return r < 0 ? r : STEP_EMIT;
}

/* ---- max, min ---- */

struct extreme {
    struct kept best;
    double weight;
};

static void clear_extreme(struct run *run, void *state)
{
    kept_free(run, &((struct extreme *)state)->best);
}

static int step_extreme(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out, double sign)
{
    struct extreme *extreme = call->state;
    double weight;
    int r = value_to_double(&arguments[0].d, &weight, call->error);
    if (r < 0)
        return r;
    if (!extreme->best.set || weight * sign > extreme->weight * sign) {
        r = keep(call->run, &extreme->best, in);
        if (r < 0)
            return r;
        extreme->weight = weight;
    }
    *out = extreme->best.point;
    return STEP_EMIT;
}

static int step_max(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    return step_extreme(call, in, arguments, out, 1);
}

static int step_min(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    return step_extreme(call, in, arguments, out, -1);
}

/* ---- remember ---- */

static int step_remember(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct kept *stored = call->state;
    bool replace;
    (void)in;
    int r = value_to_boolean(&arguments[0].d, &replace, call->error);
    if (r == 0 && (replace || !stored->set))
        r = keep(call->run, stored, &arguments[1]);
    if (r < 0)
        return r;
    *out = stored->point;
    return STEP_EMIT;
}

/* ---- ttrue, tfalse: for how long something holds ---- */

struct span {
    bool started, more;
    double from, last;
};

static int step_span(struct call *call, const struct point *in, struct point *out, bool wanted)
{
    struct span *span = call->state;
    bool value;
    int r = value_to_boolean(&in->d, &value, call->error);
    if (r < 0)
        return r;
    value = value == wanted;
    if (span->started) {
        span->more = true;
        span->last = in->t;
    }
    if (!span->started && value) {
        *span = (struct span){.started = true, .from = in->t};
        return STEP_NONE;
    }
    if (!span->started || value)
        return STEP_NONE;
    out->d = value_double(in->t - span->from);
    *span = (struct span){0};
    return STEP_EMIT;
}

static int step_ttrue(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return step_span(call, in, out, true);
}

static int step_tfalse(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return step_span(call, in, out, false);
}

static int finish_span(struct call *call, struct point *out)
{
    struct span *span = call->state;
    if (!span->started || !span->more)
        return STEP_NONE;
    *out = (struct point){.t = span->last, .d = value_double(span->last - span->from)};
    *span = (struct span){0};
    return STEP_EMIT;
}

#define DATAPOINT "$"
static const struct transform TRANSFORMS[] = {
    {.name = "last", .flags = TRANSFORM_PEEKS},
    {.name = "next",
        .flags = TRANSFORM_PEEKS,
        .arguments = {{ARGUMENT_CONSTANT | ARGUMENT_OPTIONAL, "1"}},
        .argument_count = 1,
        .prepare = prepare_next},
    {.name = "changed", .state_bytes = sizeof(struct kept), .step = step_changed, .clear = clear_kept},
    {.name = "max",
        .arguments = {{ARGUMENT_OPTIONAL, DATAPOINT}},
        .argument_count = 1,
        .state_bytes = sizeof(struct extreme),
        .step = step_max,
        .clear = clear_extreme},
    {.name = "min",
        .arguments = {{ARGUMENT_OPTIONAL, DATAPOINT}},
        .argument_count = 1,
        .state_bytes = sizeof(struct extreme),
        .step = step_min,
        .clear = clear_extreme},
    {.name = "remember",
        .arguments = {{0, NULL}, {ARGUMENT_OPTIONAL, DATAPOINT}},
        .argument_count = 2,
        .state_bytes = sizeof(struct kept),
        .step = step_remember,
        .clear = clear_kept},
    {.name = "ttrue",
        .flags = TRANSFORM_FILTERS,
        .state_bytes = sizeof(struct span),
        .step = step_ttrue,
        .finish = finish_span},
    {.name = "tfalse",
        .flags = TRANSFORM_FILTERS,
        .state_bytes = sizeof(struct span),
        .step = step_tfalse,
        .finish = finish_span},
};
const struct transform_list STATEFUL_TRANSFORMS = {TRANSFORMS, sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0])};
