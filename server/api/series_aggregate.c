#include "series_aggregate.h"

#include <math.h>

enum {
    PROBE_POINTS = 4096,  /* tell whether more of them are worth a look */
    NARROW_POINTS = 8192, /* few enough to be read */
};

/* Every partial sum of the numbers is an integer that a double holds exactly, in whatever order. */
static bool sums_are_exact(const struct store_aggregate *aggregate)
{
    double largest = fmax(fabs(aggregate->min), fabs(aggregate->max));
    return aggregate->exact && aggregate->exponent == 0 && largest < 0x1p53 &&
           (int128)largest * aggregate->points < (int128)1 << 53;
}

static int aggregate_of(const struct series_range *range, uint64_t from, uint64_t to,
    struct store_aggregate *ret_aggregate, struct error *ret_error)
{
    return store_snapshot_aggregate(range->snapshot, range->series_id, from, to, ret_aggregate, ret_error);
}

/* Halves the range until few points are left, among them the first one with the extreme value. */
static int narrow_to_extreme(
    struct series_range *range, const struct store_aggregate *all, bool max, struct error *ret_error)
{
    while (range->to - range->from > NARROW_POINTS) {
        struct store_aggregate half;
        uint64_t middle = range->from + (range->to - range->from) / 2;
        int r = aggregate_of(range, range->from, middle, &half, ret_error);
        if (r < 0)
            return r;
        if (max ? half.max == all->max : half.min == all->min)
            range->to = middle;
        else
            range->from = middle;
    }
    return 0;
}

static void know(struct series_range *range, bool integral, double value, struct series_aggregate *ret_known)
{
    *ret_known = (struct series_aggregate){.found = true, .integral = integral, .value = value};
    range->from = range->to - 1;
}

static int ask(struct series_range *range, enum script_question question, struct series_aggregate *ret_known,
    struct error *ret_error)
{
    bool sum = question == SCRIPT_ASKS_SUM || question == SCRIPT_ASKS_MEAN;
    uint64_t count = range->to - range->from;
    struct store_aggregate aggregate;
    for (uint64_t points = PROBE_POINTS;; points = count) {
        points = points < count ? points : count;
        int r = aggregate_of(range, range->from, range->from + points, &aggregate, ret_error);
        if (r < 0)
            return r;
        if (aggregate.points != points || aggregate.numbers != points || (sum && !sums_are_exact(&aggregate)))
            return 0;
        if (points == count)
            break;
    }
    if (!sum)
        return narrow_to_extreme(range, &aggregate, question == SCRIPT_ASKS_MAX, ret_error);
    double total = (double)aggregate.sum;
    know(range, false, question == SCRIPT_ASKS_MEAN ? total / (double)count : total, ret_known);
    return 0;
}

int series_aggregate(struct series_range *range, enum script_question question,
    struct series_aggregate *ret_known, struct error *ret_error)
{
    *ret_known = (struct series_aggregate){0};
    if (range->from >= range->to)
        return 0;
    switch (question) {
    case SCRIPT_ASKS_MORE:
        return 0;
    case SCRIPT_ASKS_FIRST:
        range->to = range->from + 1;
        return 0;
    case SCRIPT_ASKS_LAST:
        range->from = range->to - 1;
        return 0;
    case SCRIPT_ASKS_COUNT:
        know(range, true, (double)(range->to - range->from), ret_known);
        return 0;
    default:
        return ask(range, question, ret_known, ret_error);
    }
}
