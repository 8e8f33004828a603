#include "walk.h"

struct state {
    const struct walk *walk;
    const struct user *user;
    const struct device *device;
    struct error *error;
};

static int visit_stream(void *context, const struct stream *stream)
{
    const struct state *state = context;
    const struct walk *walk = state->walk;
    if (!walk->stream || !filters_take(walk->filters, state->user->name, state->device->name, stream->name))
        return 0;
    return walk->stream(walk->context, state->user, state->device, stream, state->error);
}

static int visit_device(void *context, const struct device *device)
{
    struct state *state = context;
    const struct walk *walk = state->walk;
    if (!filters_take(walk->filters, state->user->name, device->name, NULL))
        return 0;
    int r = walk->device ? walk->device(walk->context, state->user, device, state->error) : 0;
    if (r < 0)
        return r;
    state->device = device;
    return catalog_each_stream(walk->snapshot->catalog, device->id, visit_stream, state, state->error);
}

static int visit_user(void *context, const struct user *user)
{
    struct state *state = context;
    const struct walk *walk = state->walk;
    if (!filters_take(walk->filters, user->name, NULL, NULL))
        return 0;
    int r = walk->user ? walk->user(walk->context, user, state->error) : 0;
    if (r < 0)
        return r;
    state->user = user;
    return catalog_each_device(walk->snapshot->catalog, user->id, visit_device, state, state->error);
}

int walk(const struct walk *walk, struct error *ret_error)
{
    struct state state = {.walk = walk, .error = ret_error};
    return catalog_each_user(walk->snapshot->catalog, visit_user, &state, ret_error);
}
