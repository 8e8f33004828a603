#include "run.h"
#include "script.h"
#include "transform.h"
#include "vectors.h"

#include "msgpack_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The datapoints that come in. */
struct feed {
    struct source source;
    script_source read;
    void *context;
    const struct batch *batch;
    uint32_t at;
    uint64_t points;     /* of all batches so far */
    uint64_t begun_ns;   /* the thread's processor time when the run began */
    uint64_t allowed_ns; /* by the limits, for the points so far */
};

enum {
    CPU_NS_PER_POINT = 10000, /* beside the limit's own; ordinary scripts take a hundredth of it */
    POINTS_PER_CHECK = 256,
};

struct script_run {
    const struct script *script;
    struct run run;
    struct arena arena;
    struct error error;
    struct instance instance;
    struct scope scope;
    struct feed feed;
    struct source *root;     /* the results, or those before a final `if last` */
    struct vectors *vectors; /* the same by columns; NULL: there is no such form */
    struct batch results;
    struct buffer packed;
    int pending; /* an error that comes after the results of this call */
    bool ended;
    bool only_last;      /* the script ends with `if last` */
    struct kept last;    /* the result so far of one that does */
    struct batch digits; /* of its value, if a double cannot hold them; else empty */
};

static uint64_t thread_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* A script whose work grows with the square of the points (an object that grows, copied for each of them)
 * would keep its thread busy for hours. */
static int check_time(const struct feed *feed)
{
    if (thread_ns() - feed->begun_ns <= feed->allowed_ns)
        return 0;
    return error_set(feed->source.run->error, E2BIG,
        "the script takes too long: over %llu ms of processor time for %llu datapoints",
        (unsigned long long)(feed->allowed_ns / 1000000), (unsigned long long)feed->points);
}

/* Has a point at feed->at. 1; 0 at the end; -errno. */
static int feed_fill(struct feed *feed)
{
    while (!feed->batch || feed->at == feed->batch->count) {
        int r = feed->read(feed->context, &feed->batch, feed->source.run->error);
        feed->at = 0;
        if (r < 0)
            return r;
        if (!feed->batch || feed->batch->count == 0)
            return 0;
        feed->points += feed->batch->count;
        feed->allowed_ns += (uint64_t)feed->batch->count * CPU_NS_PER_POINT;
    }
    return feed->at % POINTS_PER_CHECK == 0 && check_time(feed) < 0 ? -E2BIG : 1;
}

static int feed_next(struct source *source, struct point *out)
{
    struct feed *feed = (struct feed *)source;
    int r = feed_fill(feed);
    if (r <= 0)
        return r;
    *out = (struct point){.t = batch_time(feed->batch, feed->at),
        .d = value_of_batch(feed->batch, feed->at),
        .origin = feed->at + 1};
    feed->at++;
    return 1;
}

/* A final `if last` needs no look ahead: what comes before it is run to its end. Returns that; NULL: the
 * script does not end so. */
static const struct node *before_last(const struct node *root)
{
    static const struct node EVERY_POINT = {.kind = NODE_IDENTITY, .one_to_one = true};
    const struct node *end = root->kind == NODE_PIPE ? root->children[1] : root;
    if (end->kind != NODE_CALL || !(end->transform->flags & TRANSFORM_SELECTS))
        return NULL;
    const struct node *condition = end->children[0];
    if (condition->kind != NODE_CALL || !(condition->transform->flags & TRANSFORM_PEEKS) ||
        condition->transform->argument_count > 0)
        return NULL;
    return root == end ? &EVERY_POINT : root->children[0];
}

static bool is_call_of(const struct node *node, const char *name)
{
    return node->kind == NODE_CALL && strcmp(node->transform->name, name) == 0;
}

enum script_question script_question(const struct script *script)
{
    static const struct {
        const char *name;
        enum script_question question;
    } QUESTIONS[] = {{"count", SCRIPT_ASKS_COUNT}, {"sum", SCRIPT_ASKS_SUM}, {"mean", SCRIPT_ASKS_MEAN},
        {"min", SCRIPT_ASKS_MIN}, {"max", SCRIPT_ASKS_MAX}};
    const struct node *root = script->root, *before = before_last(root);
    if (is_call_of(root, "if") && is_call_of(root->children[0], "first"))
        return SCRIPT_ASKS_FIRST;
    if (!before)
        return SCRIPT_ASKS_MORE;
    if (before->kind == NODE_IDENTITY)
        return SCRIPT_ASKS_LAST;
    for (size_t i = 0; i < sizeof(QUESTIONS) / sizeof(QUESTIONS[0]); i++)
        if (is_call_of(before, QUESTIONS[i].name) &&
            (before->child_count == 0 || before->children[0]->kind == NODE_IDENTITY))
            return QUESTIONS[i].question;
    return SCRIPT_ASKS_MORE;
}

static int open_root(struct script_run *run)
{
    const struct node *root = before_last(run->script->root);
    run->only_last = root != NULL;
    root = root ? root : run->script->root;
    run->root = source_new(&run->scope, &run->instance, root, &run->feed.source);
    if (!run->root)
        return -ENOMEM;
    return run->vectors ? 0 : vectors_new(&run->run, &run->instance, root, &run->vectors);
}

int script_run_open(
    const struct script *script, script_source source, void *context, struct script_run **ret_run)
{
    struct script_run *run = calloc(1, sizeof(*run));
    if (!run)
        return -ENOMEM;
    run->script = script;
    arena_init(&run->arena, script->limits.bytes_max);
    run_init(&run->run, &script->limits, &run->arena, &run->error);
    batch_init(&run->results);
    batch_init(&run->digits);
    run->feed = (struct feed){.source = {.next = feed_next, .run = &run->run},
        .read = source,
        .context = context,
        .begun_ns = thread_ns(),
        .allowed_ns = script->limits.cpu_ms * UINT64_C(1000000)};
    run->scope.run = &run->run;
    if (instance_init(&run->run, script->root, &run->instance) < 0 || open_root(run) < 0) {
        script_run_close(run);
        return -ENOMEM;
    }
    *ret_run = run;
    return 0;
}

void script_run_close(struct script_run *run)
{
    if (!run)
        return;
    scope_free(&run->scope);
    vectors_free(&run->run, run->vectors);
    kept_free(&run->run, &run->last);
    instance_free(&run->run, &run->instance);
    run_free(&run->run);
    arena_free(&run->arena);
    batch_free(&run->results);
    batch_free(&run->digits);
    buffer_free(&run->packed);
    free(run);
}

/* ---- results ---- */

static int push_packed(struct script_run *run, const struct point *point)
{
    size_t size;
    run->packed.size = 0;
    if (value_pack(&point->d, &run->packed) < 0)
        return -ENOMEM;
    if (point->d.kind >= VALUE_ARRAY && msgpack_validate(run->packed.data, run->packed.size, &size) < 0)
        return error_set(&run->error, EINVAL, "a result is nested more than %d levels deep, or is not UTF-8",
            VALUE_DEPTH_MAX);
    return batch_push_msgpack(&run->results, point->t, run->packed.data, run->packed.size);
}

/* A datapoint that no transform has changed keeps the digits of its integers beyond 2^53. */
static bool has_more_digits(const struct script_run *run, const struct point *point)
{
    const struct batch *batch = run->feed.batch;
    return point->origin > 0 && point->d.kind == VALUE_DOUBLE && fabs(point->d.real) >= 9007199254740992.0 &&
           batch && batch_time(batch, point->origin - 1) == point->t;
}

static int append_digits(struct script_run *run, const struct point *point, struct batch *to)
{
    struct batch one;
    batch_slice(run->feed.batch, point->origin - 1, 1, &one);
    one.has_senders = false; /* they are dropped */
    return batch_append(to, &one, 0, 1);
}

static int push(struct script_run *run, const struct point *point)
{
    if (!isfinite(point->t))
        return error_set(&run->error, EINVAL, "a result has no finite time");
    if (point->d.kind == VALUE_BOOLEAN)
        return batch_push_boolean(&run->results, point->t, point->d.boolean);
    if (point->d.kind == VALUE_INTEGER)
        return batch_push_integer(&run->results, point->t, point->d.integer);
    if (has_more_digits(run, point))
        return append_digits(run, point, &run->results);
    if (point->d.kind == VALUE_DOUBLE && isfinite(point->d.real))
        return batch_push_double(&run->results, point->t, point->d.real);
    return push_packed(run, point);
}

static int finish_push(struct script_run *run, int r)
{
    if (r < 0 && run->error.code == 0)
        error_set(&run->error, -r, r == -E2BIG ? "a result is too large" : "out of memory for a script");
    return r;
}

/* Evaluates the next points by columns. 1: there are *ret_count results; 0: the next point is nothing for
 * columns; at the end run->ended is set. -errno. */
static int evaluate_columns(struct script_run *run, uint32_t *ret_count)
{
    struct feed *feed = &run->feed;
    *ret_count = 0;
    if (!run->vectors)
        return 0;
    int r = feed_fill(feed);
    if (r <= 0) {
        run->ended = r == 0;
        return r < 0 ? r : 1;
    }
    if (!vectors_take(feed->batch))
        return 0;
    uint32_t left = feed->batch->count - feed->at,
             count = left < SCRIPT_RESULTS_AT_ONCE ? left : SCRIPT_RESULTS_AT_ONCE;
    *ret_count = vectors_evaluate(run->vectors, feed->batch, feed->at, count);
    feed->at += count;
    return 1;
}

/* Hands the results of columns out. */
static int take_columns(struct script_run *run, uint32_t count, const struct batch **ret_batch)
{
    *ret_batch = vectors_batch(run->vectors);
    for (uint32_t i = 0; !*ret_batch && i < count; i++) {
        struct point point = vectors_point(run->vectors, i);
        int r = finish_push(run, push(run, &point));
        if (r < 0)
            return r;
    }
    return 0;
}

static int next_results(struct script_run *run, const struct batch **ret_batch)
{
    struct point point;
    uint32_t count;
    int r = 0;
    while (r == 0 && !run->ended && run->results.count < SCRIPT_RESULTS_AT_ONCE) {
        run->error.code = 0;
        r = run->results.count == 0 ? evaluate_columns(run, &count) : 0;
        if (r < 0)
            return r;
        if (r == 1 && count > 0)
            return take_columns(run, count, ret_batch);
        if (r == 0) {
            r = run->root->next(run->root, &point);
            run->ended = r == 0;
            if (r == 1)
                r = finish_push(run, push(run, &point));
        } else {
            r = 0;
        }
        arena_reset(&run->arena);
    }
    return r;
}

/* ---- only the last result ---- */

static int keep_last(struct script_run *run, const struct point *point)
{
    batch_clear(&run->digits);
    if (has_more_digits(run, point)) {
        int r = finish_push(run, append_digits(run, point, &run->digits));
        if (r < 0)
            return r;
    }
    return keep(&run->run, &run->last, point);
}

static int next_last(struct script_run *run)
{
    struct point point;
    uint32_t count;
    int r = 0;
    while (r == 0 && !run->ended) {
        run->error.code = 0;
        r = evaluate_columns(run, &count);
        if (r == 1 && count > 0)
            point = vectors_point(run->vectors, count - 1);
        if (r == 0) {
            count = 1;
            r = run->root->next(run->root, &point);
            run->ended = r == 0;
        }
        if (r == 1)
            r = count > 0 ? keep_last(run, &point) : 0;
        arena_reset(&run->arena);
    }
    if (run->last.set) { /* also before an error */
        run->last.set = false;
        struct error error = run->error;
        int pushed = run->digits.count > 0 ? batch_append(&run->results, &run->digits, 0, 1)
                                           : push(run, &run->last.point);
        if (r == 0)
            return finish_push(run, pushed);
        run->error = error;
    }
    return r;
}

int script_run_next(struct script_run *run, const struct batch **ret_batch, struct error *ret_error)
{
    batch_clear(&run->results);
    *ret_batch = NULL;
    int r = run->pending;
    if (r == 0 && !run->ended)
        r = run->only_last ? next_last(run) : next_results(run, ret_batch);
    run->pending = r < 0 ? r : 0;
    if (run->results.count > 0)
        *ret_batch = &run->results;
    return r == 0 || *ret_batch ? 0 : error_set(ret_error, -r, "%s", run->error.message);
}

int script_run_reset(struct script_run *run, struct error *ret_error)
{
    scope_free(&run->scope);
    instance_reset(&run->run, &run->instance);
    kept_free(&run->run, &run->last);
    batch_clear(&run->digits);
    arena_reset(&run->arena);
    run->feed.batch = NULL;
    run->feed.at = 0;
    run->pending = 0;
    run->ended = false;
    return open_root(run) == 0 ? 0 : error_set(ret_error, ENOMEM, "out of memory for a script");
}
