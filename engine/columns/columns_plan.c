/* Choosing the smallest form of a run of u64s: for each transform the range of its residuals is measured
 * (whole and in miniblocks), which gives the exact size of the packed form; then patches and byte planes are
 * tried where they may beat it. Nothing here changes what the u64s are: arithmetic wraps at 64 bits both
 * ways. */
#include "columns_plan.h"

enum {
    LINEAR_POINTS_MIN = 16,     /* fewer points give no reliable slope */
    RADIX_TRIED_MAX = 100,      /* beyond, digits save nothing over bits */
    PATCH_WIDTH_MIN = 6,        /* average bits of a residual from which outliers are looked for */
    PLANES_WIDTH_MIN = 5,       /* the same for byte planes */
    PLANES_OVERHEAD_BYTES = 48, /* code tables and headers of one compressed plane */
    PLANES_GAIN = 10, /* planes are taken when they save one byte in about so many: they are slower */
};

static bool plan_is_wider(const struct plan *plan, unsigned bits)
{
    return plan->size >= (size_t)plan->count * bits / 8;
}

struct packing packing_choose(uint64_t range, uint32_t count)
{
    unsigned bits = bits_width(range);
    struct packing best = {.width = bits, .size = bits_bytes(count, bits)};
    for (unsigned width = bits > 6 ? bits - 7 : 0; width + 1 < bits; width++) {
        uint64_t radix = (range >> width) + 1;
        if (radix < RADIX_MIN || radix > RADIX_TRIED_MAX)
            continue;
        size_t size = bits_bytes(count, width) + radix_bytes(count, (unsigned)radix) + 1;
        if (size + size / 64 < best.size)
            best = (struct packing){width, (unsigned)radix, size};
    }
    if (best.radix != 0)
        best.size--; /* the radix byte is counted with the miniblock's header */
    return best;
}

static size_t miniblock_size(struct range range, int64_t min_before, uint32_t count)
{
    struct packing packing = packing_choose(range_size(range), count);
    return signed_size((uint64_t)range.min - (uint64_t)min_before) + 1 + (packing.radix != 0) + packing.size;
}

static struct range range_of(const uint64_t *residuals, uint32_t count)
{
    struct range range = {INT64_MAX, INT64_MIN};
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = (int64_t)residuals[i];
        range.min = value < range.min ? value : range.min;
        range.max = value > range.max ? value : range.max;
    }
    return range;
}

static struct range range_join(struct range a, struct range b)
{
    return (struct range){a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
}

/* Fills in ranges, split and size from transform, residuals and count. */
static void plan_measure(struct plan *plan)
{
    size_t split_size = 0;
    int64_t min_before = 0;
    plan->whole = (struct range){INT64_MAX, INT64_MIN};
    for (uint32_t start = 0, f = 0; start < plan->count; start += MINIBLOCK_POINTS, f++) {
        uint32_t count = miniblock_points(plan->count, start);
        plan->miniblocks[f] = range_of(plan->residuals + start, count);
        plan->whole = range_join(plan->whole, plan->miniblocks[f]);
        split_size += miniblock_size(plan->miniblocks[f], min_before, count);
        min_before = plan->miniblocks[f].min;
    }
    plan->size = plan->count == 0 ? 0 : miniblock_size(plan->whole, 0, plan->count);
    plan->split = split_size < plan->size;
    if (plan->split)
        plan->size = split_size;
    if (plan->transform == TRANSFORM_DELTA)
        plan->size += signed_size(plan->first);
    if (plan->transform == TRANSFORM_LINEAR)
        plan->size += signed_size(plan->slope) + (plan->fraction != 0 ? 2 : 0);
}

static void plan_none(struct plan *plan, const uint64_t *u64s, uint32_t count)
{
    *plan = (struct plan){.transform = TRANSFORM_NONE, .residuals = u64s, .count = count};
    plan_measure(plan);
}

static void plan_delta(struct plan *plan, const uint64_t *u64s, uint32_t count, uint64_t *residuals)
{
    *plan = (struct plan){
        .transform = TRANSFORM_DELTA, .residuals = residuals, .count = count - 1, .first = u64s[0]};
    for (uint32_t i = 1; i < count; i++)
        residuals[i - 1] = u64s[i] - u64s[i - 1];
    plan_measure(plan);
}

/* A round slope within reach of the measured one: clocks tick at round intervals, and a slope without error
 * gives the narrowest residuals. `error`: how far the measured slope may be off, from the spread of the
 * steps. */
static bool round_slope(double slope, double error, uint64_t *ret_slope)
{
    for (double unit = 1e9; unit >= 1; unit /= 10) {
        double quotient = slope / unit;
        if (!(quotient < 1e15 && quotient > -1e15))
            return false;
        double rounded = (double)(int64_t)(quotient + (quotient < 0 ? -0.5 : 0.5)) * unit;
        double off = rounded > slope ? rounded - slope : slope - rounded;
        if (off <= error && (rounded != 0 || unit == 1)) {
            *ret_slope = (uint64_t)(int64_t)rounded;
            return true;
        }
    }
    return false;
}

/* The slope through the means of both halves. The constant in `error`: the standard error of that slope is
 * 4 sigma / n^1.5; steps that spread over `range` have a sigma of about 0.15 range. */
static bool plan_slope(struct plan *plan, const uint64_t *u64s, uint32_t count, struct range steps)
{
    uint32_t half = count / 2;
    uint64_t difference = 0;
    for (uint32_t i = 0; i < half; i++)
        difference += u64s[half + i] - u64s[i];
    double n = count, slope = (double)(int64_t)difference / half / half;
    double error = 1.7 * (double)range_size(steps) / (n * __builtin_sqrt(n)) + 0.5 / n;
    if (!(slope < 1e15 && slope > -1e15))
        return false;
    if (round_slope(slope, error, &plan->slope))
        return true;
    int64_t floor = (int64_t)slope - (slope < 0);
    plan->slope = (uint64_t)floor;
    plan->fraction = (uint32_t)((slope - (double)floor) * (1 << LINEAR_FRACTION_BITS)) & 0xffff;
    return true;
}

static void plan_linear(
    struct plan *plan, const uint64_t *u64s, uint32_t count, uint64_t *residuals, struct range steps)
{
    *plan = (struct plan){
        .transform = TRANSFORM_LINEAR, .residuals = residuals, .count = count, .size = SIZE_MAX};
    if (count < LINEAR_POINTS_MIN || !plan_slope(plan, u64s, count, steps))
        return;
    for (uint32_t i = 0; i < count; i++)
        residuals[i] = u64s[i] - linear_at(plan->slope, plan->fraction, i);
    plan_measure(plan);
}

/* ---- patches: a few residuals far from all others are listed instead of widening their miniblock ---- */

static void sort_sample(int64_t *sample, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        int64_t value = sample[i];
        uint32_t j = i;
        for (; j > 0 && sample[j - 1] > value; j--)
            sample[j] = sample[j - 1];
        sample[j] = value;
    }
}

/* Where most residuals lie, judged by a sample: its middle 90 %, widened by as much again. */
static struct range usual_range(const struct plan *plan)
{
    int64_t sample[SAMPLE_POINTS];
    for (uint32_t i = 0; i < SAMPLE_POINTS; i++)
        sample[i] = (int64_t)plan->residuals[(uint64_t)i * plan->count / SAMPLE_POINTS];
    sort_sample(sample, SAMPLE_POINTS);
    int64_t low = sample[SAMPLE_POINTS / 20], high = sample[SAMPLE_POINTS - 1 - SAMPLE_POINTS / 20];
    uint64_t slack = range_size((struct range){low, high}) / 2 + 1;
    struct range usual = {(int64_t)((uint64_t)low - slack), (int64_t)((uint64_t)high + slack)};
    if (usual.min > low) /* wrapped */
        usual.min = INT64_MIN;
    if (usual.max < high)
        usual.max = INT64_MAX;
    return usual;
}

/* Turns the plan into one with patches if that is at least an eighth smaller. */
static void plan_patch(struct plan *plan)
{
    if (plan->count < SAMPLE_POINTS)
        return;
    struct range usual = usual_range(plan), inside = {INT64_MAX, INT64_MIN};
    uint32_t patches = 0, limit = plan->count / 8;
    size_t size = 2;
    if (usual.min <= plan->whole.min && usual.max >= plan->whole.max)
        return;
    for (uint32_t i = 0; i < plan->count && patches <= limit; i++) {
        int64_t residual = (int64_t)plan->residuals[i];
        if (residual < usual.min || residual > usual.max) {
            patches++;
            size += 2 + signed_size(plan->residuals[i]);
        } else {
            inside = range_join(inside, (struct range){residual, residual});
        }
    }
    if (patches == 0 || patches > limit)
        return;
    size += miniblock_size(inside, 0, plan->count);
    if (plan->transform == TRANSFORM_DELTA)
        size += signed_size(plan->first);
    if (size + size / 8 < plan->size) {
        plan->patch_count = patches;
        plan->whole = inside;
        plan->split = false;
        plan->size = size;
    }
}

/* ---- byte planes ---- */

/* The second term of the entropy makes up for what a small sample misses (Miller-Madow). */
double plane_entropy(const struct columns *columns, const struct plan *plan, uint64_t min, unsigned shift)
{
    uint16_t counts[256] = {0};
    uint32_t sampled = plan->count < ENTROPY_SAMPLE ? plan->count : ENTROPY_SAMPLE, distinct = 0;
    for (uint32_t i = 0; i < sampled; i++) {
        uint64_t value = plan->residuals[(uint64_t)i * plan->count / sampled] - min;
        counts[(value >> shift) & 0xff]++;
    }
    double saved = 0, n = sampled;
    for (unsigned b = 0; b < 256; b++) {
        distinct += counts[b] != 0;
        saved += columns->entropy_terms[counts[b]];
    }
    double entropy = (columns->entropy_terms[sampled] - saved) / n + (distinct - 1) / (2 * n * 0.6931);
    return entropy < 8 ? entropy : 8;
}

/* Estimates the size of the plan as byte planes. */
static size_t planes_estimate(const struct columns *columns, const struct plan *plan)
{
    uint64_t range = range_size(plan->whole);
    uint64_t min = (uint64_t)plan->whole.min;
    double size = 12;
    for (unsigned shift = 0; shift < bits_width(range); shift += 8) {
        double entropy = plane_entropy(columns, plan, min, shift);
        double raw = plan->count, packed = entropy / 8 * raw + PLANES_OVERHEAD_BYTES;
        size += packed < raw ? packed : raw;
    }
    return (size_t)size;
}

/* Decides for byte planes, and sets the plan's size to what they take then. */
static bool planes_pay(const struct columns *columns, struct plan *plan)
{
    if (plan->count < MINIBLOCK_POINTS / 2 || plan->patch_count != 0 ||
        !plan_is_wider(plan, PLANES_WIDTH_MIN))
        return false;
    size_t estimate = planes_estimate(columns, plan);
    if (estimate + estimate / PLANES_GAIN >= plan->size)
        return false;
    plan->size = estimate;
    return true;
}

/* ---- choosing ---- */

static void choose_smallest(struct choice *choice)
{
    choice->best = &choice->plans[0];
    for (unsigned p = 1; p < TRANSFORM_COUNT; p++) {
        if (choice->plans[p].size < choice->best->size)
            choice->best = &choice->plans[p];
    }
}

void u64s_choose(struct columns *columns, const uint64_t *u64s, uint32_t count, struct choice *choice)
{
    struct plan *plans = choice->plans;
    plan_none(&plans[TRANSFORM_NONE], u64s, count);
    plan_delta(&plans[TRANSFORM_DELTA], u64s, count, columns->residuals[0]);
    plan_linear(&plans[TRANSFORM_LINEAR], u64s, count, columns->residuals[1], plans[TRANSFORM_DELTA].whole);
    choice->base = (uint64_t)plans[TRANSFORM_NONE].whole.min;
    choose_smallest(choice);
    if (plan_is_wider(choice->best, PATCH_WIDTH_MIN)) {
        /* not of linear residuals: after an outlier the prediction is off anyway */
        plan_patch(&plans[TRANSFORM_NONE]);
        plan_patch(&plans[TRANSFORM_DELTA]);
        choose_smallest(choice);
    }
    choice->planes = planes_pay(columns, choice->best);
}
