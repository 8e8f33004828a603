/* PipeScript: `SCRIPT \n POINTS`. Whatever the script, compiling and running end within their limits, and the
 * results do not depend on how the datapoints come in pieces. */
#include "check.h"
#include "batch_equal.h"
#include "json_points.h"
#include "script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    const uint8_t *at;
    size_t left;
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text *text = context;
    (void)ret_error;
    size_t count = text->left < size ? text->left : size;
    if (count > 0)
        memcpy(buffer, text->at, count);
    text->at += count;
    text->left -= count;
    return (long)count;
}

static void read_points(struct batch *points, const uint8_t *data, size_t size)
{
    struct json_points *reader;
    struct text text = {data, size};
    batch_init(points);
    CHECK(json_points_open(&(struct json_points_options){.import = true}, read_text, &text, &reader) == 0);
    (void)json_points_read(reader, points, 200, NULL);
    json_points_close(reader);
}

struct feed {
    const struct batch *points;
    struct batch slice;
    uint32_t at, piece;
};

static int next_piece(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct feed *feed = context;
    uint32_t left = feed->points->count - feed->at, count = left < feed->piece ? left : feed->piece;
    (void)ret_error;
    batch_slice(feed->points, feed->at, count, &feed->slice);
    *ret_batch = count > 0 ? &feed->slice : NULL;
    feed->at += count;
    return 0;
}

/* All results in one batch, and how the run ended. */
static int run_all(
    const struct script *script, const struct batch *points, uint32_t piece, struct batch *results)
{
    struct feed feed = {.points = points, .piece = piece};
    struct script_run *run;
    struct error error = {0};
    const struct batch *batch;
    int r = script_run_open(script, next_piece, &feed, &run);
    batch_init(results);
    if (r < 0)
        return r;
    while ((r = script_run_next(run, &batch, &error)) == 0 && batch)
        if (batch_append(results, batch, 0, batch->count) < 0)
            break;
    CHECK(r == 0 || error.message[0]);
    script_run_close(run);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    struct script *script;
    struct batch points, whole, pieces;
    struct error error = {0};
    struct script_limits limits = {.split_max = 100, .string_max = 1000, .bytes_max = 1 << 20};
    if (!line)
        return 0;
    int r = script_compile((const char *)data, (size_t)(line - data), &limits, &script, &error);
    if (r < 0) {
        CHECK((r == -EINVAL || r == -E2BIG) && error.message[0]);
        return 0;
    }
    read_points(&points, line + 1, (size_t)(data + size - line - 1));
    r = run_all(script, &points, 1000, &whole);
    int other = run_all(script, &points, 1, &pieces);
    if (!memmem(data, (size_t)(line - data), "rand", 4)) {
        CHECK(r == other && whole.count == pieces.count);
        CHECK(batch_equal(&whole, &pieces));
    }
    batch_free(&whole);
    batch_free(&pieces);
    batch_free(&points);
    script_free(script);
    return 0;
}
