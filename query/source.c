/* Iterators over points, for what is no function of one datapoint: filters, groups, and what looks ahead.
 *
 * A node that looks ahead and has several inputs (an operator, a call with arguments) gives each of them a
 * tap on one shared buffer, which keeps the datapoints between the slowest and the fastest of them. */
#include "run.h"
#include "transform.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *source_alloc(struct scope *scope, size_t size, int (*next)(struct source *, struct point *),
    void (*destroy)(struct source *))
{
    struct source *source = calloc(1, size);
    if (!source) {
        error_set(scope->run->error, ENOMEM, "out of memory for a script");
        return NULL;
    }
    source->next = next;
    source->free = destroy;
    source->run = scope->run;
    source->made_before = scope->made;
    scope->made = source;
    return source;
}

void scope_free(struct scope *scope)
{
    while (scope->made) {
        struct source *source = scope->made;
        scope->made = source->made_before;
        if (source->free)
            source->free(source);
        free(source);
    }
}

/* ---- a function of each point ---- */

struct function_source {
    struct source source;
    struct source *up;
    const struct instance *instance;
    const struct node *node;
};

static int function_next(struct source *source, struct point *out)
{
    struct function_source *self = (struct function_source *)source;
    struct point in;
    int r = self->up->next(self->up, &in);
    if (r <= 0)
        return r;
    r = evaluate(source->run, self->instance, self->node, &in, out);
    return r < 0 ? r : 1;
}

static struct source *function_source_new(
    struct scope *scope, const struct instance *instance, const struct node *node, struct source *up)
{
    struct function_source *self = source_alloc(scope, sizeof(*self), function_next, NULL);
    if (!self)
        return NULL;
    self->up = up;
    self->instance = instance;
    self->node = node;
    return &self->source;
}

/* ---- a shared buffer and its taps ---- */

enum { TAPS_MAX = ARGUMENTS_MAX + 1 };

struct shared {
    struct source source; /* for its memory only */
    struct source *up;
    struct kept *points; /* a ring */
    size_t capacity, first, count;
    uint64_t base; /* the number of points that came before points[first] */
    uint64_t positions[TAPS_MAX];
    unsigned taps;
    int end; /* what up has returned at its end: 0 or an error; 1 = not yet */
    struct error error;
};

static struct kept *shared_at(struct shared *shared, size_t i)
{
    return &shared->points[(shared->first + i) % shared->capacity];
}

static void shared_free(struct source *source)
{
    struct shared *shared = (struct shared *)source;
    for (size_t i = 0; i < shared->capacity; i++)
        kept_free(source->run, &shared->points[i]);
    arena_drop(source->run->arena, shared->capacity * sizeof(*shared->points));
    free(shared->points);
}

static int shared_grow(struct shared *shared)
{
    struct run *run = shared->source.run;
    size_t capacity = shared->capacity ? 2 * shared->capacity : 8;
    int r = arena_hold(run->arena, (capacity - shared->capacity) * sizeof(*shared->points), run->error);
    if (r < 0)
        return r;
    struct kept *points = calloc(capacity, sizeof(*points));
    if (!points) {
        arena_drop(run->arena, (capacity - shared->capacity) * sizeof(*shared->points));
        return error_set(run->error, ENOMEM, "out of memory for a script");
    }
    for (size_t i = 0; i < shared->capacity; i++)
        points[i] = *shared_at(shared, i);
    free(shared->points);
    shared->points = points;
    shared->capacity = capacity;
    shared->first = 0;
    return 0;
}

/* Gets one more point from up. 1, 0 or -errno, the same again at the end. */
static int shared_pull(struct shared *shared)
{
    struct run *run = shared->source.run;
    struct point point;
    if (shared->end != 1) {
        if (shared->end < 0)
            *run->error = shared->error;
        return shared->end;
    }
    int r = shared->count == shared->capacity ? shared_grow(shared) : 0;
    if (r == 0)
        r = shared->up->next(shared->up, &point);
    if (r == 1)
        r = keep(run, shared_at(shared, shared->count), &point) < 0 ? -run->error->code : 1;
    if (r == 1) {
        shared->count++;
        return 1;
    }
    shared->end = r;
    shared->error = *run->error;
    return r;
}

static void shared_drop(struct shared *shared)
{
    uint64_t slowest = UINT64_MAX;
    for (unsigned i = 0; i < shared->taps; i++)
        if (shared->positions[i] < slowest)
            slowest = shared->positions[i];
    while (shared->count > 0 &&
           shared->base + 1 < slowest) { /* the point behind the slowest tap may still be looked at */
        shared->first = (shared->first + 1) % shared->capacity;
        shared->count--;
        shared->base++;
    }
}

struct tap {
    struct source source;
    struct shared *shared;
    unsigned number;
};

static int tap_next(struct source *source, struct point *out)
{
    struct tap *tap = (struct tap *)source;
    struct shared *shared = tap->shared;
    uint64_t *position = &shared->positions[tap->number];
    while (*position >= shared->base + shared->count) {
        int r = shared_pull(shared);
        if (r <= 0)
            return r;
    }
    *out = shared_at(shared, (size_t)(*position - shared->base))->point;
    (*position)++;
    shared_drop(shared);
    return 1;
}

static struct shared *shared_new(struct scope *scope, struct source *up)
{
    struct shared *shared = source_alloc(scope, sizeof(*shared), NULL, shared_free);
    if (shared) {
        shared->up = up;
        shared->end = 1;
    }
    return shared;
}

static struct source *tap_new(struct scope *scope, struct shared *shared)
{
    CHECK(shared->taps < TAPS_MAX);
    struct tap *tap = source_alloc(scope, sizeof(*tap), tap_next, NULL);
    if (!tap)
        return NULL;
    tap->shared = shared;
    tap->number = shared->taps++;
    return &tap->source;
}

/* ---- operators of which an operand looks ahead ---- */

struct operator_source {
    struct source source;
    struct source *current, *operands[2];
    const struct node *node;
};

static int operator_next(struct source *source, struct point *out)
{
    struct operator_source *self = (struct operator_source *)source;
    struct point in, values[2] = {{.t = 0}, {.t = 0}};
    int r = self->current->next(self->current, &in);
    for (uint32_t i = 0; r == 1 && i < self->node->child_count; i++)
        r = self->operands[i]->next(self->operands[i], &values[i]);
    if (r <= 0)
        return r;
    *out = (struct point){.t = in.t};
    r = operate(source->run, self->node, &values[0].d, &values[1].d, &out->d);
    return r < 0 ? run_error(source->run, self->node, &in, r) : 1;
}

static struct source *operator_source_new(
    struct scope *scope, const struct instance *instance, const struct node *node, struct source *up)
{
    struct operator_source *self = source_alloc(scope, sizeof(*self), operator_next, NULL);
    struct shared *shared = self ? shared_new(scope, up) : NULL;
    if (!shared || !(self->current = tap_new(scope, shared)))
        return NULL;
    self->node = node;
    for (uint32_t i = 0; i < node->child_count; i++) {
        struct source *tap = tap_new(scope, shared);
        self->operands[i] = tap ? source_new(scope, instance, node->children[i], tap) : NULL;
        if (!self->operands[i])
            return NULL;
    }
    return &self->source;
}

/* ---- calls ---- */

struct call_source {
    struct source source;
    struct source *up;
    struct source
        *arguments[ARGUMENTS_MAX]; /* of those that look ahead, if any does; else they are evaluated */
    const struct instance *instance;
    const struct node *node;
    bool taps, ended;
};

static int call_arguments(struct call_source *self, const struct point *in, struct point *arguments)
{
    int r = 1;
    for (uint32_t i = 0; r == 1 && i < self->node->child_count; i++) {
        if (!is_evaluated_argument(self->node, i))
            continue;
        if (self->taps)
            r = self->arguments[i]->next(self->arguments[i], &arguments[i]);
        else
            r = evaluate(self->source.run, self->instance, self->node->children[i], in, &arguments[i]) < 0
                    ? -self->source.run->error->code
                    : 1;
    }
    return r;
}

static int call_next(struct source *source, struct point *out)
{
    struct call_source *self = (struct call_source *)source;
    struct point in, arguments[ARGUMENTS_MAX];
    while (!self->ended) {
        struct arena_mark mark = arena_mark(source->run->arena);
        int r = self->up->next(self->up, &in);
        if (r < 0)
            return r;
        if (r == 0) {
            self->ended = true;
            return call_finish(source->run, self->instance, self->node, out);
        }
        r = call_arguments(self, &in, arguments);
        if (r == 1)
            r = call_step(source->run, self->instance, self->node, &in, arguments, out);
        if (r != STEP_NONE)
            return r;
        arena_release(source->run->arena, mark);
    }
    return 0;
}

static struct source *call_source_new(
    struct scope *scope, const struct instance *instance, const struct node *node, struct source *up)
{
    struct call_source *self = source_alloc(scope, sizeof(*self), call_next, NULL);
    if (!self)
        return NULL;
    self->up = up;
    self->instance = instance;
    self->node = node;
    for (uint32_t i = 0; i < node->child_count; i++)
        self->taps = self->taps || (is_evaluated_argument(node, i) && node->children[i]->peek);
    if (!self->taps)
        return &self->source;
    struct shared *shared = shared_new(scope, up);
    if (!shared || !(self->up = tap_new(scope, shared)))
        return NULL;
    for (uint32_t i = 0; i < node->child_count; i++) {
        if (!is_evaluated_argument(node, i))
            continue;
        struct source *tap = tap_new(scope, shared);
        self->arguments[i] = tap ? source_new(scope, instance, node->children[i], tap) : NULL;
        if (!self->arguments[i])
            return NULL;
    }
    return &self->source;
}

/* ---- last, next: what is ahead ---- */

struct ahead_source {
    struct source source;
    struct source *up;
    struct kept *points; /* a ring: the current one and those ahead */
    size_t capacity, first, count;
    bool is_last;
    int end; /* as in struct shared */
    struct error error;
};

static void ahead_free(struct source *source)
{
    struct ahead_source *self = (struct ahead_source *)source;
    for (size_t i = 0; i < self->capacity; i++)
        kept_free(source->run, &self->points[i]);
    arena_drop(source->run->arena, self->capacity * sizeof(*self->points));
    free(self->points);
}

/* An error ahead counts as the end for now and is returned by the pull after. */
static void ahead_fill(struct ahead_source *self)
{
    struct run *run = self->source.run;
    struct point point;
    while (self->end == 1 && self->count < self->capacity) {
        int r = self->up->next(self->up, &point);
        if (r == 1 && keep(run, &self->points[(self->first + self->count) % self->capacity], &point) < 0)
            r = -run->error->code;
        if (r == 1) {
            self->count++;
            continue;
        }
        self->end = r;
        self->error = *run->error;
    }
}

static int ahead_next(struct source *source, struct point *out)
{
    struct ahead_source *self = (struct ahead_source *)source;
    if (self->count > 0) { /* the one that was current */
        self->first = (self->first + 1) % self->capacity;
        self->count--;
    }
    if (self->end < 0) {
        *source->run->error = self->error;
        return self->end;
    }
    ahead_fill(self);
    if (self->count == 0) {
        if (self->end < 0)
            *source->run->error = self->error;
        return self->end;
    }
    bool there = self->count == self->capacity;
    const struct point *current = &self->points[self->first].point;
    if (self->is_last)
        *out = (struct point){.t = current->t, .d = value_boolean(!there)};
    else if (there)
        *out = self->points[(self->first + self->capacity - 1) % self->capacity].point;
    else
        *out = (struct point){.t = current->t, .d = value_null()};
    return 1;
}

static struct source *ahead_source_new(struct scope *scope, const struct node *node, struct source *up)
{
    struct run *run = scope->run;
    bool is_last = node->transform->argument_count == 0;
    struct ahead_source *self = source_alloc(scope, sizeof(*self), ahead_next, ahead_free);
    if (!self)
        return NULL;
    size_t capacity = 1 + (is_last ? 1 : (size_t)argument_value(node, 0)->integer);
    if (arena_hold(run->arena, capacity * sizeof(*self->points), run->error) < 0)
        return NULL;
    self->points = calloc(capacity, sizeof(*self->points));
    if (!self->points) {
        arena_drop(run->arena, capacity * sizeof(*self->points));
        error_set(run->error, ENOMEM, "out of memory for a script");
        return NULL;
    }
    self->capacity = capacity;
    self->up = up;
    self->is_last = is_last;
    self->end = 1;
    return &self->source;
}

/* ---- any node ---- */

struct source *source_new(
    struct scope *scope, const struct instance *instance, const struct node *node, struct source *up)
{
    if (node->one_to_one && !node->peek)
        return function_source_new(scope, instance, node, up);
    if (node->kind == NODE_PIPE) {
        struct source *from = source_new(scope, instance, node->children[0], up);
        return from ? source_new(scope, instance, node->children[1], from) : NULL;
    }
    if (node->kind == NODE_CALL)
        return node->transform->flags & TRANSFORM_PEEKS ? ahead_source_new(scope, node, up)
                                                        : call_source_new(scope, instance, node, up);
    return operator_source_new(scope, instance, node, up);
}

/* ---- lists ---- */

struct list_source {
    struct source source;
    const struct point *points;
    size_t left;
};

static int list_next(struct source *source, struct point *out)
{
    struct list_source *self = (struct list_source *)source;
    if (self->left == 0)
        return 0;
    *out = *self->points++;
    self->left--;
    return 1;
}

int run_list(struct run *run, const struct node *root, const struct point *points, size_t count, bool first,
    struct point *out)
{
    struct instance instance = {0};
    struct scope scope = {.run = run};
    struct kept last = {0};
    int r = instance_init(run, root, &instance);
    struct list_source *list = r < 0 ? NULL : source_alloc(&scope, sizeof(*list), list_next, NULL);
    struct source *source = NULL;
    if (list) {
        list->points = points;
        list->left = count;
        source = source_new(&scope, &instance, root, &list->source);
    }
    r = source ? 1 : -run->error->code;
    struct point point;
    while (r == 1 && (r = source->next(source, &point)) == 1) {
        if (keep(run, &last, &point) < 0)
            r = -run->error->code;
        if (first)
            break;
    }
    if (r >= 0 && last.set) { /* into the arena: what it was kept in goes */
        *out = last.point;
        void *copy =
            last.point.d.kind >= VALUE_STRING ? arena_alloc(run->arena, last.point.d.size, run->error) : out;
        if (copy && copy != out)
            out->d.text = memcpy(copy, last.point.d.text, last.point.d.size);
        r = copy ? 1 : -run->error->code;
    } else if (r > 0) {
        r = 0;
    }
    kept_free(run, &last);
    scope_free(&scope);
    instance_free(run, &instance);
    return r;
}
