#include "load.h"

#include "json_points.h"
#include "number.h"
#include "sort.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOAD_POINTS = 4096 }; /* read and staged at a time: a block */

uint64_t load_tag(const char *path, const struct tree_file *file)
{
    /* FNV-1a */
    const uint64_t prime = UINT64_C(0x100000001b3);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = path; *c; c++)
        hash = (hash ^ (uint8_t)*c) * prime;
    const uint64_t numbers[] = {file->bytes, (uint64_t)file->changed_ns};
    for (size_t i = 0; i < sizeof(numbers); i++)
        hash = (hash ^ (uint8_t)(numbers[i / 8] >> (i % 8 * 8))) * prime;
    return hash;
}

/* ---- the source ---- */

struct source {
    const char *path;
    int file;
};

static long read_source(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct source *source = context;
    for (;;) {
        ssize_t got = read(source->file, buffer, size);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return error_set(ret_error, errno, "cannot read: %s", strerrordesc_np(errno));
    }
}

static int source_open(
    struct source *source, const char *path, struct json_points **ret_reader, struct error *ret_error)
{
    static const struct json_points_options options = {.import = true};
    source->path = path;
    source->file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->file < 0)
        return error_set(ret_error, errno, "%s: cannot open: %s", path, strerrordesc_np(errno));
    (void)posix_fadvise(source->file, 0, 0, POSIX_FADV_SEQUENTIAL); /* only advice */
    int r = json_points_open(&options, read_source, source, ret_reader);
    if (r < 0) {
        (void)close(source->file);
        return error_set(ret_error, -r, "%s: out of memory", path);
    }
    return 0;
}

static void source_close(struct source *source, struct json_points *reader)
{
    json_points_close(reader);
    (void)close(source->file);
}

static int check_unchanged(
    const struct source *source, const struct tree_file *expected, struct error *ret_error)
{
    struct stat status;
    if (fstat(source->file, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", source->path, strerrordesc_np(errno));
    int64_t changed_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    if ((uint64_t)status.st_size != expected->bytes || changed_ns != expected->changed_ns)
        return error_set(ret_error, EBADMSG, "%s changed while it was imported", source->path);
    return 0;
}

/* ---- order ---- */

/* The first point of the batch that is earlier than the one before it (`last`: of the batch's first); count
 * if none. */
static uint32_t first_unordered(const struct batch *batch, double last)
{
    const struct numbers *times = &batch->times;
    uint32_t i = 1;
    if (batch->count == 0 || batch_time(batch, 0) < last)
        return 0;
    if (times->kind == NUMBERS_AS_DECIMALS) {
        while (i < batch->count && times->integers[i] >= times->integers[i - 1])
            i++;
    } else {
        while (i < batch->count && times->doubles[i] >= times->doubles[i - 1])
            i++;
    }
    return i;
}

/* Reads the file once more to say in which line point `index` is. */
static int report_unordered(
    const char *path, uint64_t index, double before, double time, struct error *ret_error)
{
    char time_text[NUMBER_TEXT_MAX + 1], before_text[NUMBER_TEXT_MAX + 1];
    struct json_points *reader;
    struct source source;
    struct batch batch;
    uint64_t line = 0;
    int r = source_open(&source, path, &reader, ret_error);
    if (r < 0)
        return r;
    batch_init(&batch);
    for (uint64_t i = 0; i <= index; i++) {
        batch_clear(&batch);
        if (json_points_read(reader, &batch, 1, NULL) < 0)
            break;
        line = json_points_line(reader);
    }
    batch_free(&batch);
    source_close(&source, reader);
    time_text[number_print_double(time_text, time)] = '\0';
    before_text[number_print_double(before_text, before)] = '\0';
    return error_set(ret_error, EBADMSG,
        "%s: line %llu: datapoint %llu has time %s, the one before it %s; --sort accepts unordered data",
        path, (unsigned long long)line, (unsigned long long)index, time_text, before_text);
}

/* ---- loading ---- */

/* Where points of one file go. */
struct target {
    struct loader *loader;
    uint64_t series_id, tag;
    bool begun;
};

static int stage(struct target *target, const struct batch *batch, struct error *ret_error)
{
    struct loader *loader = target->loader;
    int r = 0;
    if (batch->count == 0)
        return 0;
    if (!loader->writer)
        r = store_bulk_writer_open(loader->bulk, &loader->writer, ret_error);
    if (r == 0 && !target->begun)
        r = store_bulk_series(loader->writer, target->series_id, target->tag, ret_error);
    if (r < 0)
        return r;
    target->begun = true;
    return store_bulk_append(loader->writer, batch, ret_error);
}

/* Calls `take` with all points of the file, LOAD_POINTS at a time. Counted: whether the meter hears of them.
 */
static int each_batch(struct loader *loader, const char *path, const struct tree_file *expected, bool counted,
    int (*take)(void *context, const struct batch *batch, struct error *ret_error), void *context,
    struct error *ret_error)
{
    struct json_points *reader;
    struct source source;
    int r = source_open(&source, path, &reader, ret_error);
    if (r < 0)
        return r;
    uint64_t offset = 0;
    int more = 1;
    while (r == 0 && more == 1) {
        batch_clear(&loader->batch);
        more = json_points_read(reader, &loader->batch, LOAD_POINTS, ret_error);
        r = more < 0 ? error_prefix(ret_error, "%s", path) : meter_check_cancelled(loader->meter, ret_error);
        if (r == 0)
            r = take(context, &loader->batch, ret_error);
        if (counted)
            meter_add(loader->meter, loader->batch.count, json_points_offset(reader) - offset);
        offset = json_points_offset(reader);
    }
    if (r == 0)
        r = check_unchanged(&source, expected, ret_error);
    source_close(&source, reader);
    return r;
}

/* Loads a file that should be in order. */
struct ordered {
    struct target target;
    const char *path;
    uint64_t count; /* points so far */
    double last;
    bool stage;     /* false: only look at the order */
    bool unordered; /* what the look found */
};

static int take_ordered(void *context, const struct batch *batch, struct error *ret_error)
{
    struct ordered *ordered = context;
    if (batch->count == 0)
        return 0;
    uint32_t bad = first_unordered(batch, ordered->last);
    if (bad < batch->count && !ordered->stage) {
        ordered->unordered = true;
        return -ECANCELED; /* seen enough */
    }
    if (bad < batch->count)
        return report_unordered(ordered->path, ordered->count + bad,
            bad > 0 ? batch_time(batch, bad - 1) : ordered->last, batch_time(batch, bad), ret_error);
    ordered->count += batch->count;
    ordered->last = batch_time(batch, batch->count - 1);
    return ordered->stage ? stage(&ordered->target, batch, ret_error) : 0;
}

static int take_unordered(void *context, const struct batch *batch, struct error *ret_error)
{
    return sorter_add(context, batch, ret_error);
}

static int load_sorted(struct loader *loader, const char *path, const struct tree_file *expected,
    struct target *target, struct error *ret_error)
{
    struct sorter *sorter;
    const struct batch *batch = NULL;
    int r = sorter_open(loader->spill_directory, 0, &sorter, ret_error);
    if (r < 0)
        return r;
    r = each_batch(loader, path, expected, true, take_unordered, sorter, ret_error);
    do {
        if (r == 0)
            r = meter_check_cancelled(loader->meter, ret_error);
        if (r == 0)
            r = sorter_next(sorter, &batch, ret_error);
        if (r == 0 && batch)
            r = stage(target, batch, ret_error);
    } while (r == 0 && batch);
    sorter_close(sorter);
    return r;
}

int load_file(struct loader *loader, const char *path, const struct tree_file *expected, uint64_t series_id,
    struct error *ret_error)
{
    struct target target = {.loader = loader, .series_id = series_id, .tag = load_tag(path, expected)};
    struct ordered ordered = {.target = target, .path = path, .last = -INFINITY, .stage = true};
    if (loader->sort) {
        /* A first look spares files in order the detour over the disk. */
        struct ordered look = {.path = path, .last = -INFINITY};
        int r = each_batch(loader, path, expected, false, take_ordered, &look, ret_error);
        if (look.unordered)
            return load_sorted(loader, path, expected, &target, ret_error);
        if (r < 0)
            return r;
    }
    return each_batch(loader, path, expected, true, take_ordered, &ordered, ret_error);
}

int loader_finish(struct loader *loader, struct error *ret_error)
{
    return loader->writer ? store_bulk_writer_finish(loader->writer, ret_error) : 0;
}

void loader_free(struct loader *loader)
{
    store_bulk_writer_close(loader->writer);
    batch_free(&loader->batch);
    loader->writer = NULL;
}
