/* Transforms of the datapoint's time in a time zone. */
#include "run.h"
#include "transform.h"
#include "zone.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The zone of a call. */
struct prepared {
    struct zone *zone;
    int64_t epoch;  /* 1970-01-01 00:00 there */
    int64_t monday; /* 1970-01-05 00:00 there */
};

static int prepare_zone(struct node *node, struct arena *arena, struct error *ret_error)
{
    struct value name;
    char text[80];
    int r = value_to_string(&node->children[0]->value, arena, &name, ret_error);
    if (r < 0)
        return r;
    if (name.size >= sizeof(text) || memchr(name.text, '\0', name.size))
        return error_set(ret_error, EINVAL, "this is not the name of a time zone");
    memcpy(text, name.text, name.size);
    text[name.size] = '\0';
    struct prepared *prepared = calloc(1, sizeof(*prepared));
    if (!prepared)
        return error_set(ret_error, ENOMEM, "out of memory for a script");
    r = zone_load(text, &prepared->zone, ret_error);
    if (r < 0) {
        free(prepared);
        return r;
    }
    prepared->epoch = zone_midnight(prepared->zone, 1970, 1, 1);
    prepared->monday = zone_midnight(prepared->zone, 1970, 1, 5);
    node->prepared = prepared;
    return 0;
}

static void forget_zone(struct node *node)
{
    struct prepared *prepared = node->prepared;
    zone_free(prepared->zone);
    free(prepared);
}

static int64_t whole_seconds(double t)
{
    return fabs(t) < 1e15 ? (int64_t)floor(t) : 0;
}

static struct civil civil_of(const struct call *call, const struct point *in)
{
    const struct prepared *prepared = call->node->prepared;
    return zone_civil(prepared->zone, whole_seconds(in->t));
}

/* Whole units that have gone by since a moment, toward zero. */
static int elapsed(struct point *out, double t, int64_t since, double unit)
{
    double units = trunc((t - (double)since) / unit);
    out->d = value_integer(fabs(units) < 1e15 ? (int64_t)units : 0);
    return STEP_EMIT;
}

static int step_hour(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return elapsed(out, in->t, ((const struct prepared *)call->node->prepared)->epoch, 3600);
}

static int step_day(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return elapsed(out, in->t, ((const struct prepared *)call->node->prepared)->epoch, 86400);
}

static int step_week(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    return elapsed(out, in->t, ((const struct prepared *)call->node->prepared)->monday, 7 * 86400);
}

static int step_month(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct civil civil = civil_of(call, in);
    (void)arguments;
    out->d = value_integer(12 * (civil.year - 1970) + civil.month);
    return STEP_EMIT;
}

static int step_year(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    out->d = value_integer(civil_of(call, in).year);
    return STEP_EMIT;
}

static int step_dayhour(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    out->d = value_integer(civil_of(call, in).hour);
    return STEP_EMIT;
}

static int step_monthday(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    out->d = value_integer(civil_of(call, in).day);
    return STEP_EMIT;
}

static int step_yearday(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    (void)arguments;
    out->d = value_integer(civil_of(call, in).day_of_year);
    return STEP_EMIT;
}

static int step_weekday(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    static const char *const NAMES[] = {
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const char *name = NAMES[civil_of(call, in).day_of_week];
    (void)arguments;
    out->d = value_string(name, strlen(name));
    return STEP_EMIT;
}

static int step_yearmonth(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    static const char *const NAMES[] = {"January", "February", "March", "April", "May", "June", "July",
        "August", "September", "October", "November", "December"};
    const char *name = NAMES[civil_of(call, in).month - 1];
    (void)arguments;
    out->d = value_string(name, strlen(name));
    return STEP_EMIT;
}

#define ZONED(name_, step_)                                                                                  \
    {                                                                                                        \
        .name = name_, .arguments = {{ARGUMENT_CONSTANT | ARGUMENT_OPTIONAL, "\"Local\""}},                  \
        .argument_count = 1, .prepare = prepare_zone, .forget = forget_zone, .step = step_                   \
    }
static const struct transform TRANSFORMS[] = {
    ZONED("hour", step_hour),
    ZONED("day", step_day),
    ZONED("week", step_week),
    ZONED("month", step_month),
    ZONED("year", step_year),
    ZONED("dayhour", step_dayhour),
    ZONED("monthday", step_monthday),
    ZONED("yearday", step_yearday),
    ZONED("weekday", step_weekday),
    ZONED("yearmonth", step_yearmonth),
};
const struct transform_list TIME_TRANSFORMS = {TRANSFORMS, sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0])};
