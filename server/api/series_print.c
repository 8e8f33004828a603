#include "series_print.h"
#include "series_aggregate.h"

#include <errno.h>

static int next_stored(void *cursor, const struct batch **ret_batch, struct error *ret_error)
{
    *ret_batch = NULL; /* of an empty range, which has no cursor */
    return cursor ? store_cursor_next(cursor, ret_batch, ret_error) : 0;
}

static int print_stored(
    struct sink *sink, struct store_cursor *cursor, struct points_text *text, struct error *ret_error)
{
    const struct batch *batch;
    int r;
    while ((r = next_stored(cursor, &batch, ret_error)) == 0 && batch) {
        r = points_text_print(sink, text, batch);
        if (r < 0)
            break;
    }
    return r;
}

static int print_results(struct sink *sink, struct store_cursor *cursor, const struct script *script,
    uint64_t limit, struct points_text *text, struct error *ret_error)
{
    struct script_run *run = NULL;
    const struct batch *batch;
    struct batch part;
    uint64_t count = 0;
    int r = script_run_open(script, next_stored, cursor, &run);
    if (r < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a script");
    while ((limit == 0 || count < limit) && (r = script_run_next(run, &batch, ret_error)) == 0 && batch) {
        uint64_t left = limit > 0 ? limit - count : batch->count;
        batch_slice(batch, 0, left < batch->count ? (uint32_t)left : batch->count, &part);
        r = points_text_print(sink, text, &part);
        if (r < 0)
            break;
        count += part.count;
    }
    script_run_close(run);
    return r;
}

static int print_value(struct sink *sink, struct store_cursor *cursor, const struct series_aggregate *known,
    struct points_text *text, struct error *ret_error)
{
    const struct batch *last;
    struct batch result;
    int r = next_stored(cursor, &last, ret_error);
    if (r < 0 || !last)
        return r;
    batch_init(&result);
    r = known->integral ? batch_push_integer(&result, batch_time(last, 0), (int64_t)known->value)
                        : batch_push_double(&result, batch_time(last, 0), known->value);
    r = r < 0 ? error_set(ret_error, -r, "out of memory for a result")
              : points_text_print(sink, text, &result);
    batch_free(&result);
    return r;
}

int series_print(struct sink *sink, const struct series_range *range, const struct script *script,
    uint64_t limit, struct points_text *text, struct error *ret_error)
{
    struct store_cursor *cursor = NULL;
    struct series_range read = *range;
    struct series_aggregate known = {0};
    int r = script ? series_aggregate(&read, script_question(script), &known, ret_error) : 0;
    if (r == 0 && read.from < read.to)
        r = store_cursor_open(read.snapshot, read.series_id, read.from, read.to, false, &cursor, ret_error);
    if (r == 0 && known.found)
        r = print_value(sink, cursor, &known, text, ret_error);
    else if (r == 0)
        r = script ? print_results(sink, cursor, script, limit, text, ret_error)
                   : print_stored(sink, cursor, text, ret_error);
    store_cursor_close(cursor);
    return r;
}
