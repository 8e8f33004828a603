/* Transforms that run scripts of their own: ifelse, while, iwhile, map, imap, new. */
#include "run.h"
#include "transform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One use of a script argument, made when it is first needed. */
static int use_script(struct call *call, struct instance *instance, uint32_t argument)
{
    return instance->states ? 0 : instance_init(call->run, call->node->children[argument], instance);
}

static int run_script(struct call *call, struct instance *instance, uint32_t argument, const struct point *in,
    struct point *out)
{
    int r = use_script(call, instance, argument);
    return r < 0 ? r : evaluate(call->run, instance, instance->root, in, out);
}

/* ---- ifelse ---- */

struct branches {
    struct instance then, otherwise;
};

static void clear_branches(struct run *run, void *state)
{
    struct branches *branches = state;
    instance_free(run, &branches->then);
    instance_free(run, &branches->otherwise);
}

static int step_ifelse(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct branches *branches = call->state;
    bool condition;
    int r = value_to_boolean(&arguments[0].d, &condition, call->error);
    if (r == 0)
        r = condition ? run_script(call, &branches->then, 1, in, out)
                      : run_script(call, &branches->otherwise, 2, in, out);
    return r < 0 ? r : STEP_EMIT;
}

/* ---- while, iwhile ---- */

struct group {
    struct instance script;
    struct kept last;
    bool started;
};

static void clear_group(struct run *run, void *state)
{
    struct group *group = state;
    instance_free(run, &group->script);
    kept_free(run, &group->last);
}

/* Begins a new group where the condition fails; the first datapoint's does not count. *ret_ended: one has
 * ended before. */
static int group_step(struct call *call, const struct point *in, const struct point *arguments,
    struct point *out, bool *ret_ended)
{
    struct group *group = call->state;
    bool goes_on;
    int r = value_to_boolean(&arguments[0].d, &goes_on, call->error);
    if (r < 0)
        return r;
    *ret_ended = group->started && !goes_on;
    if (*ret_ended && group->script.states)
        instance_reset(call->run, &group->script);
    group->started = true;
    return run_script(call, &group->script, 1, in, out);
}

static int step_iwhile(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    bool ended;
    int r = group_step(call, in, arguments, out, &ended);
    return r < 0 ? r : STEP_EMIT;
}

/* A point for the caller in the arena: what it was kept in changes. */
static int copy_point(struct run *run, const struct point *point, struct point *out)
{
    *out = *point;
    if (point->d.kind < VALUE_STRING)
        return 0;
    void *copy = arena_alloc(run->arena, point->d.size, run->error);
    if (!copy)
        return -run->error->code;
    out->d.text = memcpy(copy, point->d.text, point->d.size);
    return 0;
}

static int step_while(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct group *group = call->state;
    struct point result;
    bool ended;
    int r = group_step(call, in, arguments, &result, &ended);
    if (r == 0 && ended)
        r = copy_point(call->run, &group->last.point, out);
    if (r == 0)
        r = keep(call->run, &group->last, &result);
    return r < 0 ? r : ended ? STEP_EMIT : STEP_NONE;
}

static int finish_while(struct call *call, struct point *out)
{
    struct group *group = call->state;
    if (!group->started)
        return STEP_NONE;
    group->started = false;
    *out = group->last.point;
    return STEP_EMIT;
}

/* ---- keys ---- */

/* A set of strings, each with a script and its last result. Open addressing; the hash has a secret of its
 * own, because keys come from outside. */
struct entry {
    char *key;
    uint32_t size;
    uint64_t hash;
    struct instance script;
    struct kept last;
};

struct keys {
    struct entry *entries; /* in order of arrival */
    uint32_t *slots;       /* 0 = empty, else 1 + number of the entry */
    uint32_t count, capacity, slot_count;
    uint64_t secret;
    size_t held;
    double last_t;
};

static void clear_keys(struct run *run, void *state)
{
    struct keys *keys = state;
    for (uint32_t i = 0; i < keys->count; i++) {
        free(keys->entries[i].key);
        instance_free(run, &keys->entries[i].script);
        kept_free(run, &keys->entries[i].last);
    }
    free(keys->entries);
    free(keys->slots);
    arena_drop(run->arena, keys->held);
}

/* FNV-1a (Fowler, Noll, Vo) from a secret start, finished as SplitMix64 is. */
static uint64_t hash_key(const struct keys *keys, const struct value *key)
{
    uint64_t hash = keys->secret;
    for (uint32_t i = 0; i < key->size; i++)
        hash = (hash ^ (uint8_t)key->text[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

static uint32_t *find_slot(const struct keys *keys, const struct value *key, uint64_t hash)
{
    for (uint64_t i = hash;; i++) {
        uint32_t *slot = &keys->slots[i & (keys->slot_count - 1)];
        const struct entry *entry = *slot ? &keys->entries[*slot - 1] : NULL;
        if (!entry || (entry->hash == hash && entry->size == key->size &&
                          memcmp(entry->key, key->text, key->size) == 0))
            return slot;
    }
}

static int keys_hold(struct call *call, struct keys *keys, size_t size)
{
    int r = arena_hold(call->run->arena, size, call->error);
    if (r == 0)
        keys->held += size;
    return r;
}

static int grow_keys(struct call *call, struct keys *keys)
{
    uint32_t capacity = keys->capacity ? 2 * keys->capacity : 16, slot_count = 2 * capacity;
    int r = keys_hold(call, keys,
        (capacity - keys->capacity) * sizeof(struct entry) +
            (slot_count - keys->slot_count) * sizeof(uint32_t));
    if (r < 0)
        return r;
    while (keys->secret == 0)
        if (getentropy(&keys->secret, sizeof(keys->secret)) < 0)
            keys->secret = (uint64_t)(uintptr_t)keys | 1;
    struct entry *entries = realloc(keys->entries, capacity * sizeof(*entries));
    if (entries)
        keys->entries = entries;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!entries || !slots) {
        free(slots);
        return error_set(call->error, ENOMEM, "out of memory for a script");
    }
    keys->capacity = capacity;
    free(keys->slots);
    keys->slots = slots;
    keys->slot_count = slot_count;
    for (uint32_t i = 0; i < keys->count; i++) {
        struct value key = value_string(entries[i].key, entries[i].size);
        *find_slot(keys, &key, entries[i].hash) = i + 1;
    }
    return 0;
}

/* The entry of the key, which is made if it is new (*ret_new). 0, -EINVAL over split_max, or -errno. */
static int take_entry(
    struct call *call, struct keys *keys, const struct value *key, struct entry **ret_entry, bool *ret_new)
{
    int r = keys->count == keys->capacity ? grow_keys(call, keys) : 0;
    if (r < 0)
        return r;
    uint64_t hash = hash_key(keys, key);
    uint32_t *slot = find_slot(keys, key, hash);
    *ret_new = *slot == 0;
    if (*slot == 0) {
        if (keys->count == call->run->limits->split_max)
            return error_set(
                call->error, EINVAL, "more than %u different keys", call->run->limits->split_max);
        r = keys_hold(call, keys, key->size + 16);
        char *copy = r < 0 ? NULL : malloc(key->size + 1);
        if (!copy)
            return r < 0 ? r : error_set(call->error, ENOMEM, "out of memory for a script");
        memcpy(copy, key->text, key->size);
        keys->entries[keys->count++] = (struct entry){.key = copy, .size = key->size, .hash = hash};
        *slot = keys->count;
    }
    *ret_entry = &keys->entries[*slot - 1];
    return 0;
}

static int step_new(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct value key;
    struct entry *entry;
    bool is_new = false;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &key, call->error);
    if (r == 0)
        r = take_entry(call, call->state, &key, &entry, &is_new);
    out->d = value_boolean(is_new);
    return r < 0 ? r : STEP_EMIT;
}

static int map_point(struct call *call, const struct point *in, const struct point *arguments)
{
    struct keys *keys = call->state;
    struct value key;
    struct entry *entry;
    struct point result;
    bool is_new;
    int r = value_to_string(&arguments[0].d, call->run->arena, &key, call->error);
    if (r == 0)
        r = take_entry(call, keys, &key, &entry, &is_new);
    if (r == 0)
        r = run_script(call, &entry->script, 1, in, &result);
    if (r == 0)
        r = keep(call->run, &entry->last, &result);
    keys->last_t = in->t;
    return r;
}

static int map_object(struct call *call, struct point *out)
{
    const struct keys *keys = call->state;
    struct value_builder *builder = run_take_builder(call->run);
    for (uint32_t i = 0; i < keys->count; i++) {
        builder_key(builder, keys->entries[i].key, keys->entries[i].size);
        builder_value(builder, &keys->entries[i].last.point.d);
    }
    int r = builder_end(builder, call->run->arena, &out->d, call->error);
    run_give_builder(call->run);
    out->t = keys->last_t;
    return r < 0 ? r : STEP_EMIT;
}

static int step_map(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)out;
    int r = map_point(call, in, arguments);
    return r < 0 ? r : STEP_NONE;
}

static int finish_map(struct call *call, struct point *out)
{
    const struct keys *keys = call->state;
    return keys->count > 0 ? map_object(call, out) : STEP_NONE;
}

static int step_imap(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    int r = map_point(call, in, arguments);
    return r < 0 ? r : map_object(call, out);
}

static const struct transform TRANSFORMS[] = {
    {.name = "ifelse",
        .flags = TRANSFORM_REFUSES_PEEK,
        .arguments = {{0, NULL}, {ARGUMENT_SCRIPT, NULL}, {ARGUMENT_SCRIPT | ARGUMENT_OPTIONAL, "$"}},
        .argument_count = 3,
        .state_bytes = sizeof(struct branches),
        .step = step_ifelse,
        .clear = clear_branches},
    {.name = "while",
        .flags = TRANSFORM_GROUPS | TRANSFORM_REFUSES_PEEK,
        .arguments = {{0, NULL}, {ARGUMENT_SCRIPT, NULL}},
        .argument_count = 2,
        .state_bytes = sizeof(struct group),
        .step = step_while,
        .finish = finish_while,
        .clear = clear_group},
    {.name = "iwhile",
        .flags = TRANSFORM_REFUSES_PEEK,
        .arguments = {{0, NULL}, {ARGUMENT_SCRIPT, NULL}},
        .argument_count = 2,
        .state_bytes = sizeof(struct group),
        .step = step_iwhile,
        .clear = clear_group},
    {.name = "map",
        .flags = TRANSFORM_FILTERS | TRANSFORM_REFUSES_PEEK,
        .arguments = {{0, NULL}, {ARGUMENT_SCRIPT, NULL}},
        .argument_count = 2,
        .state_bytes = sizeof(struct keys),
        .step = step_map,
        .finish = finish_map,
        .clear = clear_keys},
    {.name = "imap",
        .flags = TRANSFORM_REFUSES_PEEK,
        .arguments = {{0, NULL}, {ARGUMENT_SCRIPT, NULL}},
        .argument_count = 2,
        .state_bytes = sizeof(struct keys),
        .step = step_imap,
        .clear = clear_keys},
    {.name = "new", .state_bytes = sizeof(struct keys), .step = step_new, .clear = clear_keys},
};
const struct transform_list GROUP_TRANSFORMS = {TRANSFORMS, sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0])};
