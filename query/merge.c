#include "sequence.h"

#include "reader.h"

#include <errno.h>
#include <stdlib.h>

struct merge {
    struct reader readers[MERGE_PARTS_MAX];
    size_t count;
    struct batch results;
    int pending; /* an error that comes after the results before it */
    struct error error;
};

int merge_open(const struct sequence *parts, size_t count, struct merge **ret_merge)
{
    struct merge *merge = calloc(1, sizeof(*merge));
    if (!merge)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        merge->readers[i].source = parts[i];
    merge->count = count;
    batch_init(&merge->results);
    *ret_merge = merge;
    return 0;
}

void merge_close(struct merge *merge)
{
    if (!merge)
        return;
    batch_free(&merge->results);
    free(merge);
}

/* The reader whose point comes next, and the time up to which it goes before all others. 1, 0 at the end,
 * -errno. */
static int find_next(struct merge *merge, size_t *ret_reader, double *ret_limit, bool *ret_limit_included)
{
    double first = 0, second = 0, time;
    size_t found = SIZE_MAX, other = SIZE_MAX;
    for (size_t i = 0; i < merge->count; i++) {
        int r = reader_peek(&merge->readers[i], &time, &merge->error);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (found == SIZE_MAX || time < first) {
            second = first;
            other = found;
            first = time;
            found = i;
        } else if (other == SIZE_MAX || time < second) {
            second = time;
            other = i;
        }
    }
    if (found == SIZE_MAX)
        return 0;
    *ret_reader = found;
    *ret_limit = other == SIZE_MAX ? INFINITY : second;
    *ret_limit_included = found < other;
    return 1;
}

static int take_run(struct merge *merge, struct reader *reader, double limit, bool included)
{
    uint32_t most = SCRIPT_RESULTS_AT_ONCE - merge->results.count, count = 1;
    uint32_t left = reader->batch->count - reader->at;
    while (count < left && count < most) {
        double time = batch_time(reader->batch, reader->at + count);
        if (time > limit || (time == limit && !included))
            break;
        count++;
    }
    int r = batch_append(&merge->results, reader->batch, reader->at, count);
    if (r == -E2BIG && merge->results.count > 0)
        return 1; /* full: it goes on with the next batch */
    if (r < 0)
        return error_set(&merge->error, -r, "out of memory for a merge");
    reader->at += count;
    return 0;
}

int merge_next(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct merge *merge = context;
    int r = merge->pending;
    batch_clear(&merge->results);
    while (r == 0 && merge->results.count < SCRIPT_RESULTS_AT_ONCE) {
        size_t reader = 0;
        double limit = 0;
        bool included = false;
        r = find_next(merge, &reader, &limit, &included);
        if (r <= 0)
            break;
        r = take_run(merge, &merge->readers[reader], limit, included);
    }
    if (merge->results.has_senders) /* as a script does */
        (void)batch_set_senders(&merge->results, NULL, 0);
    merge->pending = r < 0 ? r : 0;
    *ret_batch = merge->results.count > 0 ? &merge->results : NULL;
    return *ret_batch || r >= 0 ? 0 : error_set(ret_error, -r, "%s", merge->error.message);
}
