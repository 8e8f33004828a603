#include "sort.h"

#include "json_points.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A run is spilled as the JSON text of its points: it comes back bit for bit, and needs no format of its own.
 */

enum {
    LEVELS_MAX = 16, /* SORT_FAN_IN ^ 16 runs: more than any file has */
    RUNS_MAX = LEVELS_MAX * SORT_FAN_IN,
    TEXT_BUFFER_BYTES = 64 << 10,
    BATCH_POINTS = 1024, /* read and handed out at a time */
};

struct run {
    int file;
    unsigned level; /* 0: spilled from memory; n: merged from runs of level n - 1 */
};

/* Reads a run's points while it is merged. */
struct run_reader {
    int file;
    off_t offset;
    struct json_points *json;
    struct batch batch;
    uint32_t next; /* in the batch; == count: the run is used up */
};

struct merge {
    struct run_reader readers[SORT_FAN_IN];
    size_t count;
};

struct sorter {
    const char *directory;
    uint32_t run_points;
    struct batch run;          /* what is not spilled */
    uint32_t *order;           /* of the points of `run`, once sorted */
    double *times;             /* of `run`, to compare */
    uint32_t next;             /* in `order` */
    bool reading;              /* sorter_next was called */
    struct run runs[RUNS_MAX]; /* in the order of their points in the source; levels never ascend */
    size_t run_count;
    struct merge merge;
    struct batch out;
    uint8_t text[TEXT_BUFFER_BYTES];
};

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ENOMEM, "out of memory while sorting");
}

/* ---- the run in memory ---- */

static int compare(const void *a, const void *b, void *argument)
{
    const double *times = argument;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (times[i] != times[j])
        return times[i] < times[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static void sort_run(struct sorter *sorter)
{
    uint32_t count = sorter->run.count;
    for (uint32_t i = 0; i < count; i++) {
        sorter->times[i] = batch_time(&sorter->run, i);
        sorter->order[i] = i;
    }
    if (count > 0)
        qsort_r(sorter->order, count, sizeof(*sorter->order), compare, sorter->times);
    sorter->next = 0;
}

/* Puts the next points of the sorted run into `out`. */
static int take_sorted(struct sorter *sorter, struct error *ret_error)
{
    batch_clear(&sorter->out);
    while (sorter->next < sorter->run.count && sorter->out.count < BATCH_POINTS) {
        int r = batch_append(&sorter->out, &sorter->run, sorter->order[sorter->next], 1);
        if (r == -E2BIG && sorter->out.count > 0)
            break;
        if (r < 0)
            return no_memory(ret_error);
        sorter->next++;
    }
    return 0;
}

/* ---- spilling ---- */

static int open_spill(const char *directory, struct error *ret_error)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/sort-XXXXXX", directory);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(ret_error, ENAMETOOLONG, "%s: the path is too long", directory);
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0)
        return error_set(
            ret_error, errno, "%s: cannot make a temporary file: %s", path, strerrordesc_np(errno));
    (void)unlink(path); /* it lives until it is closed; a kill leaves nothing behind */
    return file;
}

static int flush_spill(struct sink *sink, struct error *ret_error)
{
    const int *file = sink->context;
    for (size_t done = 0; done < sink->used;) {
        ssize_t written = write(*file, sink->buffer + done, sink->used - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set(
                ret_error, errno, "cannot write a temporary file while sorting: %s", strerrordesc_np(errno));
        done += (size_t)written;
    }
    return 0;
}

/* Writes what `take` puts into sorter->out, until it puts nothing, to a new run. */
static int write_run(struct sorter *sorter, int (*take)(struct sorter *sorter, struct error *ret_error),
    struct run *ret_run, struct error *ret_error)
{
    int file = open_spill(sorter->directory, ret_error);
    if (file < 0)
        return file;
    struct sink sink = {
        .buffer = sorter->text, .capacity = sizeof(sorter->text), .flush = flush_spill, .context = &file};
    bool first = true;
    (void)sink_write(&sink, "[", 1);
    int r;
    while ((r = take(sorter, ret_error)) == 0 && sorter->out.count > 0) {
        if (json_points_print(&sink, &sorter->out, first) < 0)
            break;
        first = false;
    }
    (void)sink_write(&sink, "]", 1);
    if (r == 0 && sink_flush(&sink) < 0)
        r = error_set(ret_error, -sink.failed, "%s", sink.error.message);
    if (r < 0)
        (void)close(file);
    else
        *ret_run = (struct run){.file = file};
    return r;
}

/* ---- merging ---- */

static long read_spill(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct run_reader *reader = context;
    for (;;) {
        ssize_t got = pread(reader->file, buffer, size, reader->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(
                ret_error, errno, "cannot read a temporary file while sorting: %s", strerrordesc_np(errno));
        reader->offset += got;
        return got;
    }
}

static int refill(struct run_reader *reader, struct error *ret_error)
{
    batch_clear(&reader->batch);
    reader->next = 0;
    int r = 1;
    while (r == 1 && reader->batch.count == 0)
        r = json_points_read(reader->json, &reader->batch, BATCH_POINTS, ret_error);
    return r < 0 ? r : 0;
}

static void merge_end(struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) {
        json_points_close(merge->readers[i].json);
        batch_free(&merge->readers[i].batch);
    }
    *merge = (struct merge){0};
}

static int merge_begin(struct merge *merge, const struct run *runs, size_t count, struct error *ret_error)
{
    static const struct json_points_options options = {.import = true};
    *merge = (struct merge){0};
    for (; merge->count < count; merge->count++) {
        struct run_reader *reader = &merge->readers[merge->count];
        reader->file = runs[merge->count].file;
        batch_init(&reader->batch);
        int r = json_points_open(&options, read_spill, reader, &reader->json);
        if (r < 0)
            return no_memory(ret_error);
        r = refill(reader, ret_error);
        if (r < 0) {
            merge->count++; /* so that merge_end frees it */
            return r;
        }
    }
    return 0;
}

/* The reader with the earliest point, of equal ones the first: runs are in the order of the source. NULL at
 * the end. */
static struct run_reader *merge_earliest(struct merge *merge)
{
    struct run_reader *earliest = NULL;
    double earliest_time = 0;
    for (size_t i = 0; i < merge->count; i++) {
        struct run_reader *reader = &merge->readers[i];
        if (reader->next == reader->batch.count)
            continue;
        double time = batch_time(&reader->batch, reader->next);
        if (!earliest || time < earliest_time) {
            earliest = reader;
            earliest_time = time;
        }
    }
    return earliest;
}

/* Puts the next merged points into `out`. */
static int take_merged(struct sorter *sorter, struct error *ret_error)
{
    struct run_reader *reader;
    batch_clear(&sorter->out);
    while (sorter->out.count < BATCH_POINTS && (reader = merge_earliest(&sorter->merge))) {
        int r = batch_append(&sorter->out, &reader->batch, reader->next, 1);
        if (r == -E2BIG && sorter->out.count > 0)
            break;
        if (r < 0)
            return no_memory(ret_error);
        if (++reader->next == reader->batch.count) {
            r = refill(reader, ret_error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Replaces the last `count` runs by one. */
static int merge_last(struct sorter *sorter, size_t count, struct error *ret_error)
{
    struct run *runs = &sorter->runs[sorter->run_count - count];
    struct run merged;
    int r = merge_begin(&sorter->merge, runs, count, ret_error);
    if (r == 0)
        r = write_run(sorter, take_merged, &merged, ret_error);
    merge_end(&sorter->merge);
    if (r < 0)
        return r;
    merged.level = runs[0].level + 1;
    for (size_t i = 0; i < count; i++)
        (void)close(runs[i].file);
    runs[0] = merged;
    sorter->run_count -= count - 1;
    return 0;
}

/* Spills the run in memory, then merges runs of one level as soon as there are enough of them. */
static int spill(struct sorter *sorter, struct error *ret_error)
{
    if (sorter->run_count == RUNS_MAX)
        return error_set(ret_error, E2BIG, "too many points to sort");
    sort_run(sorter);
    int r = write_run(sorter, take_sorted, &sorter->runs[sorter->run_count], ret_error);
    if (r < 0)
        return r;
    sorter->run_count++;
    batch_clear(&sorter->run);
    while (r == 0 && sorter->run_count >= SORT_FAN_IN &&
           sorter->runs[sorter->run_count - SORT_FAN_IN].level == sorter->runs[sorter->run_count - 1].level)
        r = merge_last(sorter, SORT_FAN_IN, ret_error);
    return r;
}

/* ---- the door ---- */

int sorter_open(
    const char *directory, uint32_t run_points, struct sorter **ret_sorter, struct error *ret_error)
{
    struct sorter *sorter = calloc(1, sizeof(*sorter));
    if (!sorter)
        return no_memory(ret_error);
    sorter->directory = directory;
    sorter->run_points = run_points ? run_points : SORT_RUN_POINTS;
    batch_init(&sorter->run);
    batch_init(&sorter->out);
    sorter->order = malloc(sorter->run_points * sizeof(*sorter->order));
    sorter->times = malloc(sorter->run_points * sizeof(*sorter->times));
    if (!sorter->order || !sorter->times) {
        sorter_close(sorter);
        return no_memory(ret_error);
    }
    *ret_sorter = sorter;
    return 0;
}

void sorter_close(struct sorter *sorter)
{
    if (!sorter)
        return;
    merge_end(&sorter->merge);
    for (size_t i = 0; i < sorter->run_count; i++)
        (void)close(sorter->runs[i].file);
    batch_free(&sorter->run);
    batch_free(&sorter->out);
    free(sorter->order);
    free(sorter->times);
    free(sorter);
}

int sorter_add(struct sorter *sorter, const struct batch *batch, struct error *ret_error)
{
    for (uint32_t done = 0; done < batch->count;) {
        bool full = sorter->run.count == sorter->run_points || sorter->run.msgpack.size >= SORT_RUN_BYTES;
        uint32_t count = sorter->run_points - sorter->run.count;
        if (count > batch->count - done)
            count = batch->count - done;
        int r = full ? -E2BIG : batch_append(&sorter->run, batch, done, count);
        if (r == -ENOMEM)
            return no_memory(ret_error);
        if (r == 0) {
            done += count;
            continue;
        }
        /* An empty run takes any batch, so that this ends. */
        r = spill(sorter, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Brings the runs down to what one merge takes; a source that fits in memory was never spilled. */
static int begin_reading(struct sorter *sorter, struct error *ret_error)
{
    sorter->reading = true;
    if (sorter->run_count == 0) {
        sort_run(sorter);
        return 0;
    }
    int r = sorter->run.count > 0 ? spill(sorter, ret_error) : 0;
    while (r == 0 && sorter->run_count > SORT_FAN_IN)
        r = merge_last(sorter, SORT_FAN_IN, ret_error);
    return r < 0 ? r : merge_begin(&sorter->merge, sorter->runs, sorter->run_count, ret_error);
}

int sorter_next(struct sorter *sorter, const struct batch **ret_batch, struct error *ret_error)
{
    int r = sorter->reading ? 0 : begin_reading(sorter, ret_error);
    if (r == 0)
        r = sorter->run_count == 0 ? take_sorted(sorter, ret_error) : take_merged(sorter, ret_error);
    if (r == 0)
        *ret_batch = sorter->out.count > 0 ? &sorter->out : NULL;
    return r;
}
