/* Transforms of objects. */
#include "run.h"
#include "transform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int need_object(struct call *call, const struct point *in)
{
    char text[80];
    if (in->d.kind == VALUE_OBJECT)
        return 0;
    value_describe(&in->d, text, sizeof(text));
    return error_set(call->error, EINVAL, "needs an object, not %s", text);
}

/* ---- set, del ---- */

static int prepare_key(struct node *node, struct arena *arena, struct error *ret_error)
{
    return value_to_string(&node->children[0]->value, arena, &node->children[0]->value, ret_error);
}

/* The object without the key, then with it if there is a value. */
static int rebuild(struct call *call, const struct point *in, const struct value *value, struct point *out)
{
    const struct value *key = argument_value(call->node, 0);
    struct value_iterator iterator;
    struct value name, member;
    bool placed = false;
    int r = need_object(call, in);
    if (r < 0)
        return r;
    struct value_builder *builder = run_take_builder(call->run);
    value_iterate(&in->d, &iterator);
    while (value_iterator_next(&iterator, &name, &member)) {
        bool same = name.size == key->size && memcmp(name.text, key->text, key->size) == 0;
        if (same && !value)
            continue;
        builder_key(builder, name.text, name.size);
        builder_value(builder, same ? value : &member);
        placed = placed || same;
    }
    if (value && !placed) {
        builder_key(builder, key->text, key->size);
        builder_value(builder, value);
    }
    r = builder_end(builder, call->run->arena, &out->d, call->error);
    run_give_builder(call->run);
    return r < 0 ? r : STEP_EMIT;
}

static int step_set(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    return rebuild(call, in, &arguments[1].d, out);
}

static int step_del(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return rebuild(call, in, NULL, out);
}

/* ---- percent ---- */

static int step_percent(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct value_iterator iterator;
    struct value name, member;
    double number, sum = 0;
    (void)arguments;
    int r = need_object(call, in);
    if (r == 0) {
        value_iterate(&in->d, &iterator);
        while (r == 0 && value_iterator_next(&iterator, &name, &member)) {
            r = value_to_double(&member, &number, call->error);
            if (r == 0 && number > 0)
                sum += number;
        }
    }
    if (r < 0)
        return r;
    struct value_builder *builder = run_take_builder(call->run);
    value_iterate(&in->d, &iterator);
    while (value_iterator_next(&iterator, &name, &member)) {
        (void)value_is_numeric(&member, &number);
        struct value share = value_double(number > 0 ? number / sum : 0);
        builder_key(builder, name.text, name.size);
        builder_value(builder, &share);
    }
    r = builder_end(builder, call->run->arena, &out->d, call->error);
    run_give_builder(call->run);
    return r < 0 ? r : STEP_EMIT;
}

/* ---- apply, filter: a fresh copy of the script for each value ---- */

static int run_on_member(
    struct call *call, uint32_t script, const struct point *in, const struct value *member, struct point *out)
{
    struct point point = {.t = in->t, .d = *member};
    int r = run_list(call->run, call->node->children[script], &point, 1, true, out);
    if (r == 0)
        *out = (struct point){.t = in->t, .d = value_null()};
    return r < 0 ? r : 0;
}

static int step_apply(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct value_iterator iterator;
    struct value name, member;
    struct point result;
    (void)arguments;
    int r = need_object(call, in);
    if (r < 0)
        return r;
    struct value_builder *builder = run_take_builder(call->run);
    value_iterate(&in->d, &iterator);
    while (r == 0 && value_iterator_next(&iterator, &name, &member)) {
        r = run_on_member(call, 0, in, &member, &result);
        builder_key(builder, name.text, name.size);
        if (r == 0)
            builder_value(builder, &result.d);
    }
    if (r == 0)
        r = builder_end(builder, call->run->arena, &out->d, call->error);
    run_give_builder(call->run);
    return r < 0 ? r : STEP_EMIT;
}

static int step_filter(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct value_iterator iterator;
    struct value name, member;
    struct point result;
    (void)arguments;
    int r = need_object(call, in);
    if (r < 0)
        return r;
    struct value_builder *builder = run_take_builder(call->run);
    value_iterate(&in->d, &iterator);
    while (r == 0 && value_iterator_next(&iterator, &name, &member)) {
        bool drop = false;
        r = run_on_member(call, 0, in, &member, &result);
        if (r == 0)
            r = value_to_boolean(&result.d, &drop, call->error);
        if (r == 0 && !drop) {
            builder_key(builder, name.text, name.size);
            builder_value(builder, &member);
        }
    }
    if (r == 0)
        r = builder_end(builder, call->run->arena, &out->d, call->error);
    run_give_builder(call->run);
    return r < 0 ? r : STEP_EMIT;
}

/* ---- members in an order ---- */

struct ranked {
    struct value name, member;
    double weight;
};

static int compare_names(const struct value *a, const struct value *b)
{
    uint32_t size = a->size < b->size ? a->size : b->size;
    int r = memcmp(a->text, b->text, size);
    return r != 0 ? r : (a->size > b->size) - (a->size < b->size);
}

static int by_name(const void *a, const void *b)
{
    return compare_names(&((const struct ranked *)a)->name, &((const struct ranked *)b)->name);
}

static int by_weight_down(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->weight, y = ((const struct ranked *)b)->weight;
    return x == y ? by_name(a, b) : x < y ? 1 : -1;
}

static int by_weight_up(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->weight, y = ((const struct ranked *)b)->weight;
    return x == y ? by_name(a, b) : x > y ? 1 : -1;
}

/* The members in the arena; NULL with the error set. */
static struct ranked *list_members(struct call *call, const struct value *object, uint32_t *ret_count)
{
    struct value_iterator iterator;
    uint32_t length = value_length(object), count = 0;
    struct ranked *members = arena_alloc(call->run->arena, (length + 1) * sizeof(*members), call->error);
    if (!members)
        return NULL;
    value_iterate(object, &iterator);
    while (value_iterator_next(&iterator, &members[count].name, &members[count].member))
        members[count++].weight = 0;
    *ret_count = count;
    return members;
}

/* The values as one sequence, in order of their names. */
static int step_reduce(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    uint32_t count;
    (void)arguments;
    int r = need_object(call, in);
    struct ranked *members = r < 0 ? NULL : list_members(call, &in->d, &count);
    struct point *points =
        members ? arena_alloc(call->run->arena, (count + 1) * sizeof(*points), call->error) : NULL;
    if (!points)
        return -call->error->code;
    qsort(members, count, sizeof(*members), by_name);
    for (uint32_t i = 0; i < count; i++)
        points[i] = (struct point){.t = in->t, .d = members[i].member};
    r = run_list(call->run, call->node->children[0], points, count, false, out);
    if (r == 0)
        *out = (struct point){.t = in->t, .d = value_null()};
    return r < 0 ? r : STEP_EMIT;
}

static int prepare_top(struct node *node, struct arena *arena, struct error *ret_error)
{
    int64_t count;
    (void)arena;
    int r = value_to_integer(&node->children[0]->value, &count, ret_error);
    if (r == 0)
        node->children[0]->value = value_integer(count);
    return r;
}

static int rank(
    struct call *call, const struct point *in, struct point *out, int (*compare)(const void *, const void *))
{
    uint32_t count;
    int64_t wanted = argument_value(call->node, 0)->integer;
    struct point result;
    int r = need_object(call, in);
    struct ranked *members = r < 0 ? NULL : list_members(call, &in->d, &count);
    if (!members)
        return -call->error->code;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        r = run_on_member(call, 1, in, &members[i].member, &result);
        if (r == 0)
            r = value_to_double(&result.d, &members[i].weight, call->error);
    }
    if (r < 0)
        return r;
    qsort(members, count, sizeof(*members), compare);
    struct value_builder *builder = run_take_builder(call->run);
    for (uint32_t i = 0; i < count && (int64_t)i < wanted; i++) {
        builder_key(builder, members[i].name.text, members[i].name.size);
        builder_value(builder, &members[i].member);
    }
    r = builder_end(builder, call->run->arena, &out->d, call->error);
    run_give_builder(call->run);
    return r < 0 ? r : STEP_EMIT;
}

static int step_top(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return rank(call, in, out, by_weight_down);
}

static int step_bottom(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return rank(call, in, out, by_weight_up);
}

static const struct transform TRANSFORMS[] = {
    {.name = "set",
        .arguments = {{ARGUMENT_CONSTANT, NULL}, {0, NULL}},
        .argument_count = 2,
        .prepare = prepare_key,
        .step = step_set},
    {.name = "del",
        .arguments = {{ARGUMENT_CONSTANT, NULL}},
        .argument_count = 1,
        .prepare = prepare_key,
        .step = step_del},
    {.name = "percent", .step = step_percent},
    {.name = "apply",
        .flags = TRANSFORM_TAKES_GROUPS,
        .arguments = {{ARGUMENT_SCRIPT, NULL}},
        .argument_count = 1,
        .step = step_apply},
    {.name = "filter", .arguments = {{ARGUMENT_SCRIPT, NULL}}, .argument_count = 1, .step = step_filter},
    {.name = "reduce",
        .flags = TRANSFORM_TAKES_GROUPS,
        .arguments = {{ARGUMENT_SCRIPT, NULL}},
        .argument_count = 1,
        .step = step_reduce},
    {.name = "top",
        .arguments = {{ARGUMENT_CONSTANT, NULL}, {ARGUMENT_SCRIPT | ARGUMENT_OPTIONAL, "$"}},
        .argument_count = 2,
        .prepare = prepare_top,
        .step = step_top},
    {.name = "bottom",
        .arguments = {{ARGUMENT_CONSTANT, NULL}, {ARGUMENT_SCRIPT | ARGUMENT_OPTIONAL, "$"}},
        .argument_count = 2,
        .prepare = prepare_top,
        .step = step_bottom},
};
const struct transform_list OBJECT_TRANSFORMS = {TRANSFORMS, sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0])};
