#include "run.h"
#include "script.h"

#include "msgpack_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The datapoints that come in. */
struct feed {
    struct source source;
    script_source read;
    void *context;
    const struct batch *batch;
    uint32_t at;
};

struct script_run {
    const struct script *script;
    struct run run;
    struct arena arena;
    struct error error;
    struct instance instance;
    struct scope scope;
    struct feed feed;
    struct source *root;
    struct batch results;
    struct buffer packed;
    int pending; /* an error that comes after the results of this call */
    bool ended;
};

static int feed_next(struct source *source, struct point *out)
{
    struct feed *feed = (struct feed *)source;
    while (!feed->batch || feed->at == feed->batch->count) {
        int r = feed->read(feed->context, &feed->batch, source->run->error);
        feed->at = 0;
        if (r < 0)
            return r;
        if (!feed->batch || feed->batch->count == 0)
            return 0;
    }
    *out = (struct point){.t = batch_time(feed->batch, feed->at),
        .d = value_of_batch(feed->batch, feed->at),
        .origin = feed->at + 1};
    feed->at++;
    return 1;
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
    run->feed =
        (struct feed){.source = {.next = feed_next, .run = &run->run}, .read = source, .context = context};
    run->scope.run = &run->run;
    if (instance_init(&run->run, script->root, &run->instance) == 0)
        run->root = source_new(&run->scope, &run->instance, script->root, &run->feed.source);
    if (!run->root) {
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
    instance_free(&run->run, &run->instance);
    run_free(&run->run);
    arena_free(&run->arena);
    batch_free(&run->results);
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

/* A datapoint that no transform has changed is copied as it is. Senders are dropped. */
static int push(struct script_run *run, const struct point *point)
{
    const struct batch *batch = run->feed.batch;
    if (!isfinite(point->t))
        return error_set(&run->error, EINVAL, "a result has no finite time");
    if (point->d.kind == VALUE_BOOLEAN)
        return batch_push_boolean(&run->results, point->t, point->d.boolean);
    if (point->d.kind == VALUE_INTEGER)
        return batch_push_integer(&run->results, point->t, point->d.integer);
    bool large = point->d.kind == VALUE_DOUBLE && fabs(point->d.real) >= 9007199254740992.0;
    if (point->origin > 0 && large && batch && !batch->has_senders &&
        batch_time(batch, point->origin - 1) == point->t)
        return batch_append(&run->results, batch, point->origin - 1, 1);
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

int script_run_next(struct script_run *run, const struct batch **ret_batch, struct error *ret_error)
{
    struct point point;
    batch_clear(&run->results);
    *ret_batch = NULL;
    int r = run->pending;
    while (r == 0 && !run->ended && run->results.count < SCRIPT_RESULTS_AT_ONCE) {
        run->error.code = 0;
        r = run->root->next(run->root, &point);
        if (r == 0)
            run->ended = true;
        if (r == 1)
            r = finish_push(run, push(run, &point));
        arena_reset(&run->arena);
    }
    run->pending = r < 0 ? r : 0;
    if (run->results.count > 0) {
        *ret_batch = &run->results;
        return 0;
    }
    return r < 0 ? error_set(ret_error, -r, "%s", run->error.message) : 0;
}

int script_run_reset(struct script_run *run, struct error *ret_error)
{
    scope_free(&run->scope);
    instance_reset(&run->run, &run->instance);
    arena_reset(&run->arena);
    run->feed.batch = NULL;
    run->feed.at = 0;
    run->pending = 0;
    run->ended = false;
    run->root = source_new(&run->scope, &run->instance, run->script->root, &run->feed.source);
    return run->root ? 0 : error_set(ret_error, ENOMEM, "out of memory for a script");
}
