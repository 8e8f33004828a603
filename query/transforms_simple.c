/* Transforms of numbers and times that need little state. */
#include "run.h"
#include "transform.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- without state ---- */

static int step_access(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    int r = value_access(&in->d, argument_value(call->node, 0), call->run->arena, &out->d, call->error);
    return r < 0 ? r : STEP_EMIT;
}

static int step_if(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    bool pass;
    int r = value_to_boolean(&arguments[0].d, &pass, call->error);
    *out = *in;
    return r < 0 ? r : pass ? STEP_EMIT : STEP_NONE;
}

static int step_time(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)call;
    (void)arguments;
    out->d = value_double(in->t);
    return STEP_EMIT;
}

static int prepare_number(struct node *node, struct arena *arena, struct error *ret_error)
{
    double number;
    (void)arena;
    int r = value_to_double(&node->children[0]->value, &number, ret_error);
    if (r == 0)
        node->children[0]->value = value_double(number);
    return r;
}

static int step_tshift(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    *out = *in;
    out->t += argument_value(call->node, 0)->real;
    return STEP_EMIT;
}

static int step_length(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)call;
    (void)arguments;
    uint32_t length = in->d.kind >= VALUE_ARRAY    ? value_length(&in->d)
                      : in->d.kind == VALUE_STRING ? in->d.size
                                                   : 0;
    out->d = value_integer(length);
    return STEP_EMIT;
}

static int prepare_bucket(struct node *node, struct arena *arena, struct error *ret_error)
{
    (void)arena;
    for (int i = 0; i < 2; i++) {
        double number;
        int r = value_to_double(&node->children[i]->value, &number, ret_error);
        if (r < 0)
            return r;
        node->children[i]->value = value_double(number);
    }
    return 0;
}

static int step_bucket(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    double number, size = argument_value(call->node, 0)->real, start = argument_value(call->node, 1)->real;
    struct value low, high;
    int r = value_to_double(&in->d, &number, call->error);
    double bucket = floor((number - start) / size);
    struct value ends[] = {value_double(start + bucket * size), value_double(start + (bucket + 1) * size)};
    if (r == 0)
        r = value_to_string(&ends[0], call->run->arena, &low, call->error);
    if (r == 0)
        r = value_to_string(&ends[1], call->run->arena, &high, call->error);
    if (r < 0)
        return r;
    char *text = arena_alloc(call->run->arena, (size_t)low.size + high.size + 3, call->error);
    if (!text)
        return -call->error->code;
    size_t at = 0;
    text[at++] = '[';
    memcpy(text + at, low.text, low.size);
    at += low.size;
    text[at++] = ',';
    memcpy(text + at, high.text, high.size);
    at += high.size;
    text[at++] = ')';
    out->d = value_string(text, at);
    return STEP_EMIT;
}

static int step_distance(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    static const char *const NAMES[] = {"latitude", "longitude"};
    const double radians = M_PI / 180, radius = 6371000;
    double place[2], target[] = {argument_value(call->node, 0)->real, argument_value(call->node, 1)->real};
    (void)arguments;
    for (int i = 0; i < 2; i++) {
        struct value member;
        if (in->d.kind != VALUE_OBJECT || !value_member(&in->d, NAMES[i], strlen(NAMES[i]), &member))
            return error_set(call->error, EINVAL, "could not find %s", NAMES[i]);
        int r = value_to_double(&member, &place[i], call->error);
        if (r < 0)
            return r;
    }
    double latitudes = (target[0] - place[0]) * radians / 2,
           longitudes = (target[1] - place[1]) * radians / 2;
    double a = sin(latitudes) * sin(latitudes) +
               cos(place[0] * radians) * cos(target[0] * radians) * sin(longitudes) * sin(longitudes);
    out->d = value_double(radius * 2 * atan2(sqrt(a), sqrt(1 - a)));
    return STEP_EMIT;
}

/* ---- running numbers ---- */

static int step_count(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    int64_t *count = call->state;
    (void)in;
    (void)arguments;
    out->d = value_integer(++*count);
    return STEP_EMIT;
}

static int step_index(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    int64_t *count = call->state;
    (void)in;
    (void)arguments;
    out->d = value_integer((*count)++);
    return STEP_EMIT;
}

struct total {
    double sum;
    int64_t count;
};

static int step_sum(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct total *total = call->state;
    double number;
    (void)arguments;
    int r = value_to_double(&in->d, &number, call->error);
    if (r < 0)
        return r;
    total->sum += number;
    out->d = value_double(total->sum);
    return STEP_EMIT;
}

static int step_mean(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct total *total = call->state;
    int r = step_sum(call, in, arguments, out);
    if (r < 0)
        return r;
    total->count++;
    out->d = value_double(total->sum / (double)total->count);
    return STEP_EMIT;
}

struct flag {
    bool set, value;
};

static int step_first(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct flag *seen = call->state;
    (void)in;
    (void)arguments;
    out->d = value_boolean(!seen->set);
    seen->set = true;
    return STEP_EMIT;
}

static int step_alltrue(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct flag *failed = call->state;
    bool value;
    (void)arguments;
    int r = value_to_boolean(&in->d, &value, call->error);
    if (r < 0)
        return r;
    failed->set = failed->set || !value;
    out->d = value_boolean(!failed->set);
    return STEP_EMIT;
}

static int step_anytrue(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct flag *found = call->state;
    bool value;
    (void)arguments;
    int r = value_to_boolean(&in->d, &value, call->error);
    if (r < 0)
        return r;
    found->set = found->set || value;
    out->d = value_boolean(found->set);
    return STEP_EMIT;
}

struct previous_time {
    bool set;
    double t;
};

static int step_dt(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct previous_time *previous = call->state;
    (void)arguments;
    out->d = value_double(previous->set ? in->t - previous->t : 0);
    *previous = (struct previous_time){true, in->t};
    return STEP_EMIT;
}

/* xorshift64* (Marsaglia 2003, Vigna 2016), begun anew from the clock and the state's address. */
static int step_rand(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    uint64_t *state = call->state;
    (void)in;
    (void)arguments;
    if (*state == 0)
        while (getentropy(state, sizeof(*state)) < 0 || *state == 0)
            *state = (uint64_t)(uintptr_t)state | 1;
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    out->d = value_double((double)(*state * 0x2545f4914f6cdd1du >> 11) * 0x1p-53);
    return STEP_EMIT;
}

/* ---- the same a column at a time: what the steps do, with numbers and booleans ---- */

static void column_time(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    (void)state;
    (void)in;
    memcpy(out, times, count * sizeof(*out));
}

static void column_count(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    int64_t *before = state;
    (void)in;
    (void)times;
    for (uint32_t i = 0; i < count; i++)
        out[i] = (double)(*before + 1 + i);
    *before += count;
}

static void column_index(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    int64_t *before = state;
    (void)in;
    (void)times;
    for (uint32_t i = 0; i < count; i++)
        out[i] = (double)(*before + i);
    *before += count;
}

static void column_sum(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    struct total *total = state;
    double sum = total->sum;
    (void)times;
    for (uint32_t i = 0; i < count; i++) {
        sum += in[i];
        out[i] = sum;
    }
    total->sum = sum;
}

static void column_mean(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    struct total *total = state;
    column_sum(state, in, times, count, out);
    for (uint32_t i = 0; i < count; i++)
        out[i] /= (double)(total->count + 1 + i);
    total->count += count;
}

static void column_first(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    struct flag *seen = state;
    (void)in;
    (void)times;
    for (uint32_t i = 0; i < count; i++)
        out[i] = i == 0 && !seen->set;
    seen->set = seen->set || count > 0;
}

static void column_alltrue(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    struct flag *failed = state;
    (void)times;
    for (uint32_t i = 0; i < count; i++) {
        failed->set = failed->set || !(in[i] > 0);
        out[i] = !failed->set;
    }
}

static void column_anytrue(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    struct flag *found = state;
    (void)times;
    for (uint32_t i = 0; i < count; i++) {
        found->set = found->set || in[i] > 0;
        out[i] = found->set;
    }
}

static void column_dt(void *state, const double *in, const double *times, uint32_t count, double *out)
{
    struct previous_time *previous = state;
    (void)in;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = previous->set ? times[i] - previous->t : 0;
        *previous = (struct previous_time){true, times[i]};
    }
}

static const struct transform TRANSFORMS[] = {
    {.name = "d",
        .arguments = {{ARGUMENT_CONSTANT | ARGUMENT_OPTIONAL, NULL}},
        .argument_count = 1,
        .step = step_access},
    {.name = "$",
        .arguments = {{ARGUMENT_CONSTANT | ARGUMENT_OPTIONAL, NULL}},
        .argument_count = 1,
        .step = step_access},
    {.name = "if",
        .flags = TRANSFORM_FILTERS | TRANSFORM_SELECTS,
        .arguments = {{0, NULL}},
        .argument_count = 1,
        .step = step_if},
    {.name = "t", .flags = TRANSFORM_OF_TIMES, .step = step_time, .column = column_time},
    {.name = "tshift",
        .arguments = {{ARGUMENT_CONSTANT, NULL}},
        .argument_count = 1,
        .prepare = prepare_number,
        .step = step_tshift},
    {.name = "length", .step = step_length},
    {.name = "bucket",
        .arguments = {{ARGUMENT_CONSTANT | ARGUMENT_OPTIONAL, "10"},
            {ARGUMENT_CONSTANT | ARGUMENT_OPTIONAL, "0"}},
        .argument_count = 2,
        .prepare = prepare_bucket,
        .step = step_bucket},
    {.name = "distance",
        .arguments = {{ARGUMENT_CONSTANT, NULL}, {ARGUMENT_CONSTANT, NULL}},
        .argument_count = 2,
        .prepare = prepare_bucket,
        .step = step_distance},
    {.name = "count", .state_bytes = sizeof(int64_t), .step = step_count, .column = column_count},
    {.name = "i", .state_bytes = sizeof(int64_t), .step = step_index, .column = column_index},
    {.name = "sum", .state_bytes = sizeof(struct total), .step = step_sum, .column = column_sum},
    {.name = "mean", .state_bytes = sizeof(struct total), .step = step_mean, .column = column_mean},
    {.name = "first",
        .flags = TRANSFORM_GIVES_BOOLEANS,
        .state_bytes = sizeof(struct flag),
        .step = step_first,
        .column = column_first},
    {.name = "alltrue",
        .flags = TRANSFORM_GIVES_BOOLEANS,
        .state_bytes = sizeof(struct flag),
        .step = step_alltrue,
        .column = column_alltrue},
    {.name = "anytrue",
        .flags = TRANSFORM_GIVES_BOOLEANS,
        .state_bytes = sizeof(struct flag),
        .step = step_anytrue,
        .column = column_anytrue},
    {.name = "dt",
        .flags = TRANSFORM_OF_TIMES,
        .state_bytes = sizeof(struct previous_time),
        .step = step_dt,
        .column = column_dt},
    {.name = "rand", .state_bytes = sizeof(uint64_t), .step = step_rand},
};
const struct transform_list SIMPLE_TRANSFORMS = {TRANSFORMS, sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0])};
