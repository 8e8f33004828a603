/* One-to-one nodes that do not look ahead: a function of the datapoint and of the state of their calls. */
#include "run.h"
#include "transform.h"

#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- runs ---- */

void run_init(struct run *run, const struct script_limits *limits, struct arena *arena, struct error *error)
{
    memset(run, 0, sizeof(*run));
    run->limits = limits;
    run->arena = arena;
    run->error = error;
}

void run_free(struct run *run)
{
    for (unsigned i = 0; i < BUILDERS_MAX; i++)
        builder_free(&run->builders[i]);
}

struct value_builder *run_take_builder(struct run *run)
{
    CHECK(run->builder_count < BUILDERS_MAX);
    struct value_builder *builder = &run->builders[run->builder_count++];
    builder_begin(builder);
    return builder;
}

void run_give_builder(struct run *run)
{
    run->builder_count--;
}

int keep(struct run *run, struct kept *kept, const struct point *point)
{
    bool bytes = point->d.kind >= VALUE_STRING;
    size_t size = bytes ? point->d.size : 0;
    if (size > kept->bytes.capacity) {
        struct buffer grown = {0};
        if (buffer_reserve(&grown, size) < 0)
            return error_set(run->error, ENOMEM, "out of memory for a script");
        size_t more = grown.capacity - kept->bytes.capacity; /* which may be more than was asked for */
        int r = arena_hold(run->arena, more, run->error);
        if (r < 0) {
            buffer_free(&grown);
            return r;
        }
        kept->held += more;
        if (size > 0) /* the point may be the one that is kept already */
            memcpy(grown.data, point->d.text, size);
        buffer_free(&kept->bytes);
        kept->bytes = grown;
    } else if (size > 0) {
        memmove(kept->bytes.data, point->d.text, size);
    }
    kept->point = *point;
    kept->point.origin = 0;
    if (bytes)
        kept->point.d.text = size > 0 ? (const char *)kept->bytes.data : ""; /* never NULL */
    kept->set = true;
    return 0;
}

void kept_free(struct run *run, struct kept *kept)
{
    arena_drop(run->arena, kept->held);
    buffer_free(&kept->bytes);
    *kept = (struct kept){0};
}

/* ---- instances ---- */

int instance_init(struct run *run, const struct node *root, struct instance *ret_instance)
{
    int r = arena_hold(run->arena, root->state_bytes + 32, run->error);
    if (r < 0)
        return r;
    void *states = calloc(1, root->state_bytes + 16);
    if (!states) {
        arena_drop(run->arena, root->state_bytes + 32);
        return error_set(run->error, ENOMEM, "out of memory for a script");
    }
    *ret_instance = (struct instance){root, states};
    return 0;
}

static void *state_of(const struct instance *instance, const struct node *call)
{
    return (char *)instance->states + call->state;
}

static void clear_states(struct run *run, const struct instance *instance, const struct node *node)
{
    if (node->kind == NODE_CALL && node->transform->state_bytes > 0) {
        void *state = state_of(instance, node);
        if (node->transform->clear)
            node->transform->clear(run, state);
        memset(state, 0, node->transform->state_bytes);
    }
    for (uint32_t i = 0; i < node->child_count; i++)
        if (node->children[i] &&
            !(node->kind == NODE_CALL && (node->transform->arguments[i].flags & ARGUMENT_SCRIPT)))
            clear_states(run, instance, node->children[i]);
}

void instance_reset(struct run *run, struct instance *instance)
{
    clear_states(run, instance, instance->root);
}

void instance_free(struct run *run, struct instance *instance)
{
    if (!instance->states)
        return;
    clear_states(run, instance, instance->root);
    arena_drop(run->arena, instance->root->state_bytes + 32);
    free(instance->states);
    instance->states = NULL;
}

/* ---- operators ---- */

static int not_numbers(struct run *run, const char *what, const struct value *a, const struct value *b)
{
    char x[64], y[64];
    value_describe(a, x, sizeof(x));
    value_describe(b, y, sizeof(y));
    return error_set(run->error, EINVAL, "%s needs numbers, not %s and %s", what, x, y);
}

static int add_strings(struct run *run, const struct value *a, const struct value *b, struct value *ret_value)
{
    size_t size = (size_t)a->size + b->size;
    if (size > run->limits->string_max)
        return error_set(run->error, E2BIG, "a string of more than %u bytes", run->limits->string_max);
    char *text = arena_alloc(run->arena, size, run->error);
    if (!text)
        return -run->error->code;
    memcpy(text, a->text, a->size);
    memcpy(text + a->size, b->text, b->size);
    *ret_value = value_string(text, size);
    return 0;
}

static double compute(enum node_kind kind, double x, double y)
{
    switch (kind) {
    case NODE_ADD:
        return x + y;
    case NODE_SUBTRACT:
        return x - y;
    case NODE_MULTIPLY:
        return x * y;
    case NODE_DIVIDE:
        return x / y;
    case NODE_MODULO:
        return fmod(x, y);
    default:
        return pow(x, y);
    }
}

static int arithmetic(struct run *run, const struct node *node, const struct value *a, const struct value *b,
    struct value *ret_value)
{
    double x, y;
    if (value_is_numeric(a, &x) && value_is_numeric(b, &y)) {
        *ret_value = value_double(compute(node->kind, x, y));
        return 0;
    }
    if (node->kind == NODE_ADD && a->kind == VALUE_STRING && b->kind == VALUE_STRING)
        return add_strings(run, a, b, ret_value);
    return not_numbers(run, node_name(node), a, b);
}

static int compare(struct run *run, const struct node *node, const struct value *a, const struct value *b,
    struct value *ret_value)
{
    double x, y;
    bool result;
    if (node->kind == NODE_EQUAL || node->kind == NODE_NOT_EQUAL) {
        *ret_value = value_boolean(value_equals(a, b) == (node->kind == NODE_EQUAL));
        return 0;
    }
    if (!value_is_numeric(a, &x) || !value_is_numeric(b, &y))
        return not_numbers(run, node_name(node), a, b);
    if (node->kind == NODE_LESS)
        result = x < y;
    else if (node->kind == NODE_LESS_EQUAL)
        result = x <= y;
    else if (node->kind == NODE_GREATER)
        result = x > y;
    else
        result = x >= y;
    *ret_value = value_boolean(result);
    return 0;
}

static int logic(struct run *run, const struct node *node, const struct value *a, const struct value *b,
    struct value *ret_value)
{
    bool x, y;
    int r = value_to_boolean(a, &x, run->error);
    if (r == 0)
        r = value_to_boolean(b, &y, run->error);
    if (r == 0)
        *ret_value = value_boolean(node->kind == NODE_AND ? x && y : x || y);
    return r;
}

int operate(struct run *run, const struct node *node, const struct value *a, const struct value *b,
    struct value *ret_value)
{
    bool flag;
    double real;
    int r;
    switch (node->kind) {
    case NODE_NOT:
        r = value_to_boolean(a, &flag, run->error);
        *ret_value = value_boolean(!(r == 0 && flag));
        return r;
    case NODE_NEGATE:
        if (a->kind == VALUE_BOOLEAN) {
            *ret_value = value_boolean(!a->boolean);
            return 0;
        }
        r = value_to_double(a, &real, run->error);
        if (r == 0)
            *ret_value = value_double(-real);
        return r;
    case NODE_AND:
    case NODE_OR:
        return logic(run, node, a, b, ret_value);
    case NODE_LESS:
    case NODE_LESS_EQUAL:
    case NODE_GREATER:
    case NODE_GREATER_EQUAL:
    case NODE_EQUAL:
    case NODE_NOT_EQUAL:
        return compare(run, node, a, b, ret_value);
    default:
        return arithmetic(run, node, a, b, ret_value);
    }
}

const char *node_name(const struct node *node)
{
    static const char *const NAMES[] = {[NODE_CONSTANT] = "a literal",
        [NODE_IDENTITY] = "d",
        [NODE_PIPE] = ":",
        [NODE_OBJECT] = "{}",
        [NODE_NOT] = "not",
        [NODE_NEGATE] = "-",
        [NODE_AND] = "and",
        [NODE_OR] = "or",
        [NODE_LESS] = "<",
        [NODE_LESS_EQUAL] = "<=",
        [NODE_GREATER] = ">",
        [NODE_GREATER_EQUAL] = ">=",
        [NODE_EQUAL] = "==",
        [NODE_NOT_EQUAL] = "!=",
        [NODE_ADD] = "+",
        [NODE_SUBTRACT] = "-",
        [NODE_MULTIPLY] = "*",
        [NODE_DIVIDE] = "/",
        [NODE_MODULO] = "%",
        [NODE_POWER] = "^"};
    return node->kind == NODE_CALL ? node->transform->name : NAMES[node->kind];
}

/* ---- evaluation ---- */

/* Names the node and the datapoint in an error that has just been set; only once, at the innermost node. */
int run_error(struct run *run, const struct node *node, const struct point *in, int r)
{
    if (r == -EINVAL)
        error_prefix(run->error, "%s at t = %.17g", node_name(node), in->t);
    return r;
}

static int evaluate_object(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, struct point *out)
{
    struct value_builder *builder = run_take_builder(run);
    struct point member;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < node->child_count; i++) {
        r = evaluate(run, instance, node->children[i], in, &member);
        builder_key(builder, node->keys[i].text, node->keys[i].size);
        if (r == 0)
            builder_value(builder, &member.d);
    }
    if (r == 0)
        r = builder_end(builder, run->arena, &out->d, run->error);
    run_give_builder(run);
    return r;
}

int call_step(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, const struct point *arguments, struct point *out)
{
    struct call call = {.run = run, .node = node, .state = state_of(instance, node), .error = run->error};
    *out = (struct point){.t = in->t};
    int r = node->transform->step(&call, in, arguments, out);
    return r < 0 ? run_error(run, node, in, r) : r;
}

int call_finish(struct run *run, const struct instance *instance, const struct node *node, struct point *out)
{
    struct call call = {.run = run, .node = node, .state = state_of(instance, node), .error = run->error};
    *out = (struct point){.t = 0};
    return node->transform->finish ? node->transform->finish(&call, out) : STEP_NONE;
}

bool is_evaluated_argument(const struct node *call, uint32_t i)
{
    return call->children[i] &&
           !(call->transform->arguments[i].flags & (ARGUMENT_CONSTANT | ARGUMENT_SCRIPT));
}

static int evaluate_call(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, struct point *out)
{
    struct point arguments[ARGUMENTS_MAX];
    for (uint32_t i = 0; i < node->child_count; i++) {
        if (!is_evaluated_argument(node, i))
            continue;
        int r = evaluate(run, instance, node->children[i], in, &arguments[i]);
        if (r < 0)
            return r;
    }
    int r = call_step(run, instance, node, in, arguments, out);
    return r < 0 ? r : 0;
}

static int evaluate_operator(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, struct point *out)
{
    struct point a, b = {.t = 0};
    int r = evaluate(run, instance, node->children[0], in, &a);
    if (r == 0 && node->child_count > 1)
        r = evaluate(run, instance, node->children[1], in, &b);
    if (r < 0)
        return r;
    if (node->kind >= NODE_ADD && a.d.kind == VALUE_DOUBLE && b.d.kind == VALUE_DOUBLE) {
        out->d = value_double(compute(node->kind, a.d.real, b.d.real));
        return 0;
    }
    r = operate(run, node, &a.d, &b.d, &out->d);
    return r < 0 ? run_error(run, node, in, r) : 0;
}

int evaluate(struct run *run, const struct instance *instance, const struct node *node,
    const struct point *in, struct point *out)
{
    struct point between;
    int r;
    switch (node->kind) {
    case NODE_IDENTITY:
        *out = *in;
        return 0;
    case NODE_CONSTANT:
        *out = (struct point){.t = in->t, .d = node->value};
        return 0;
    case NODE_PIPE:
        r = evaluate(run, instance, node->children[0], in, &between);
        return r < 0 ? r : evaluate(run, instance, node->children[1], &between, out);
    case NODE_CALL:
        return evaluate_call(run, instance, node, in, out);
    case NODE_OBJECT:
        *out = (struct point){.t = in->t};
        return evaluate_object(run, instance, node, in, out);
    default:
        *out = (struct point){.t = in->t};
        return evaluate_operator(run, instance, node, in, out);
    }
}

int evaluate_constant(
    const struct node *node, struct arena *arena, struct value *ret_value, struct error *ret_error)
{
    struct run *run = malloc(sizeof(*run));
    struct point in = {.t = 0}, out;
    if (!run)
        return error_set(ret_error, ENOMEM, "out of memory for a script");
    run_init(run, &node->owner->limits, arena, ret_error);
    int r = evaluate(run, &(struct instance){node, NULL}, node, &in, &out);
    run_free(run);
    free(run);
    if (r == 0)
        *ret_value = out.d;
    return r;
}

bool node_is_group(const struct node *node)
{
    if (node->kind == NODE_CALL)
        return node->transform->flags & TRANSFORM_GROUPS;
    if (node->kind != NODE_PIPE)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (!node->children[i]->one_to_one && !node_is_group(node->children[i]))
            return false;
    return !node->one_to_one;
}

const struct value *argument_value(const struct node *node, uint32_t argument)
{
    return node->children[argument] ? &node->children[argument]->value : NULL;
}
