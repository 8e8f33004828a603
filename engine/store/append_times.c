/* The times of a batch on its way into the store: checked, stamped where they are missing, moved where asked.
 */
#include "clock.h"
#include "append_times.h"
#include "store.h"

#include <errno.h>
#include <math.h>

static void times_to_doubles(struct batch *batch)
{
    if (batch->times.kind == NUMBERS_AS_DOUBLES)
        return;
    for (uint32_t i = 0; i < batch->count; i++)
        batch->times.doubles[i] = numbers_double(&batch->times, i);
    batch->times.kind = NUMBERS_AS_DOUBLES;
    batch->times.exponent = 0;
}

static int order_error(uint32_t point, double time, double before, struct error *ret_error)
{
    return error_set(ret_error, EINVAL, "times must not decrease: point %u has t=%.17g after t=%.17g", point,
        time, before);
}

int batch_check_times(const struct batch *batch, double previous, struct error *ret_error)
{
    double before = previous;
    if (batch->times.kind == NUMBERS_AS_DECIMALS && batch->count > 0) {
        const int64_t *integers = batch->times.integers;
        for (uint32_t i = 1; i < batch->count; i++) {
            if (integers[i] < integers[i - 1])
                return order_error(i, batch_time(batch, i), batch_time(batch, i - 1), ret_error);
        }
        if (batch_time(batch, 0) < previous)
            return order_error(0, batch_time(batch, 0), previous, ret_error);
        return 0;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        double time = batch->times.doubles[i];
        if (isnan(time) && batch->missing_times)
            continue;
        if (!isfinite(time))
            return error_set(ret_error, EINVAL, "point %u has a time that is no finite number", i);
        if (time < before)
            return order_error(i, time, before, ret_error);
        before = time;
    }
    return 0;
}

static int stamp_missing(struct batch *batch, double last, struct error *ret_error)
{
    times_to_doubles(batch);
    double now = clock_now_seconds();
    double before = last > now ? last : now;
    double latest = -INFINITY;
    for (uint32_t i = 0; i < batch->count; i++) {
        double *time = &batch->times.doubles[i];
        if (isnan(*time))
            *time = latest > before ? latest : before;
        else if (*time < latest)
            return order_error(i, *time, latest, ret_error);
        latest = *time;
    }
    batch->missing_times = false;
    return 0;
}

/* PUT: leading points that are not later than the series' last one move to it, or just behind it. */
static void restamp(struct batch *batch, double last)
{
    if (batch_time(batch, 0) >= last)
        return;
    times_to_doubles(batch);
    double limit = last == floor(last) ? last + 0.00001 : last;
    for (uint32_t i = 0; i < batch->count && batch->times.doubles[i] <= limit; i++)
        batch->times.doubles[i] = limit;
}

int batch_settle_times(struct batch *batch, double last, unsigned flags, struct error *ret_error)
{
    if (batch->missing_times) {
        int r = stamp_missing(batch, last, ret_error);
        if (r < 0)
            return r;
    }
    if (flags & STORE_APPEND_RESTAMP)
        restamp(batch, last);
    if (batch_time(batch, 0) < last)
        return error_set(ret_error, EINVAL,
            "Greater timestamp already exists for this stream: first time %.17g, "
            "last stored time %.17g",
            batch_time(batch, 0), last);
    return 0;
}
