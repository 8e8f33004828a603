#include "export.h"

#include "buffer.h"
#include "description.h"
#include "export_tail.h"
#include "file.h"
#include "file_writer.h"
#include "filter.h"
#include "folder.h"
#include "layout.h"
#include "meter.h"
#include "points_text.h"
#include "pool.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BUFFER_BYTES = 64 << 10 }; /* a worker's printing buffer: stays in the processor's cache */

struct exporter {
    const char *directory;
    int folder_file; /* of the directory, opened before anything was written: see seal_folder */
    struct database_snapshot snapshot; /* of the caller */
    const struct export_tail *tail;    /* NULL = everything */
    bool csv;                          /* instead of JSON, and nothing that logs in */
    struct filters filters;
    struct meter meter;
    struct pool *pool;
    struct transfer_result counts;
    uint8_t *buffers[POOL_THREADS_MAX]; /* TEXT_BUFFER_BYTES, made by the worker that uses it */
};

/* One unit of a worker's work: the folder of one stream. */
struct job {
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1], stream[NAME_BYTES_MAX + 1];
    uint64_t series_id, downlink_series_id;
    bool downlink;
    struct sink description; /* in memory */
};

/* ---- descriptions ---- */

static int describe_folder(struct sink *sink, const void *object)
{
    (void)object;
    return description_print_folder(sink, LAYOUT_VERSION);
}

static int describe_user(struct sink *sink, const void *object)
{
    return description_print_user(sink, object);
}

static int describe_device(struct sink *sink, const void *object)
{
    return description_print_device(sink, object);
}

static int print_and_write(const char *path, int (*print)(struct sink *sink, const void *object),
    const void *object, struct error *ret_error)
{
    struct sink text;
    int r = sink_memory_init(&text, DESCRIPTION_BYTES_MAX);
    if (r < 0)
        return error_set(ret_error, -r, "%s: out of memory", path);
    r = print(&text, object);
    if (r < 0)
        r = error_set(ret_error, -r, "%s: %s", path, text.error.message);
    else
        r = file_write_new(path, LAYOUT_DESCRIPTION_MODE, text.buffer, text.used, false, ret_error);
    sink_memory_free(&text);
    return r;
}

/* ---- data files, by the workers ---- */

/* Where a data file's text goes: a file writer once it is longer than the sink's buffer. */
struct data_file {
    const char *path;
    struct file_writer *writer;
};

static int flush_to_file(struct sink *sink, struct error *ret_error)
{
    struct data_file *file = sink->context;
    int r = 0;
    if (!file->writer)
        r = file_writer_open(NULL, file->path, LAYOUT_DATA_MODE, &file->writer, ret_error);
    return r < 0 ? r : file_writer_append(file->writer, sink->buffer, sink->used, ret_error);
}

static int finish_file(struct data_file *file, struct sink *sink, struct error *ret_error)
{
    if (!file->writer)
        return file_write_new(file->path, LAYOUT_DATA_MODE, sink->buffer, sink->used, false, ret_error);
    if (sink_flush(sink) < 0)
        return error_set(ret_error, -sink->failed, "%s", sink->error.message);
    return file_writer_finish(file->writer, ret_error);
}

static int print_series(
    struct exporter *export, struct sink *sink, struct store_cursor *cursor, struct error *ret_error)
{
    struct points_text text = {.format = export->csv ? POINTS_CSV : POINTS_JSON, .senders = export->csv};
    uint64_t counted = 0; /* bytes the meter knows of */
    (void)points_text_begin(sink, &text);
    for (;;) {
        const struct batch *batch;
        int r = meter_check_cancelled(&export->meter, ret_error);
        if (r == 0)
            r = store_cursor_next(cursor, &batch, ret_error);
        if (r < 0)
            return r;
        if (!batch)
            break;
        if (points_text_print(sink, &text, batch) < 0)
            return error_set(ret_error, -sink->failed, "%s", sink->error.message);
        uint64_t bytes = sink->total + sink->used;
        meter_add(&export->meter, batch->count, bytes - counted);
        counted = bytes;
    }
    if (points_text_end(sink, &text) < 0)
        return error_set(ret_error, -sink->failed, "%s", sink->error.message);
    meter_add(&export->meter, 0, sink->total + sink->used - counted);
    return 0;
}

/* Which points of the series the export takes: [*ret_from, *ret_to). */
static void range_of(const struct exporter *export, uint64_t series_id, uint64_t *ret_from, uint64_t *ret_to)
{
    const struct export_tail *tail = export->tail;
    *ret_from = tail && tail->series_id == series_id ? tail->from : 0;
    *ret_to = tail && tail->series_id != series_id ? 0 : UINT64_MAX;
}

static int write_series(
    struct exporter *export, uint8_t *buffer, const char *path, uint64_t series_id, struct error *ret_error)
{
    struct data_file file = {.path = path};
    struct sink sink = {
        .buffer = buffer, .capacity = TEXT_BUFFER_BYTES, .flush = flush_to_file, .context = &file};
    struct store_cursor *cursor = NULL;
    uint64_t from, to;
    range_of(export, series_id, &from, &to);
    int r = store_cursor_open(export->snapshot.store, series_id, from, to, true, &cursor, ret_error);
    if (r == 0)
        r = print_series(export, &sink, cursor, ret_error);
    store_cursor_close(cursor);
    if (r == 0)
        r = finish_file(&file, &sink, ret_error);
    file_writer_close(file.writer);
    return r;
}

static int run_job(void *context, unsigned worker, void *argument, struct error *ret_error)
{
    struct exporter *export = context;
    struct job *job = argument;
    char path[PATH_MAX];
    const char *directory = export->directory;
    int r = 0;
    if (!export->buffers[worker]) {
        export->buffers[worker] = malloc(TEXT_BUFFER_BYTES);
        if (!export->buffers[worker])
            r = error_set(ret_error, ENOMEM, "out of memory");
    }
    meter_set_current(&export->meter, job->user, job->device, job->stream);
    if (r == 0)
        r = layout_path(path, directory, job->user, job->device, job->stream, LAYOUT_STREAM, ret_error);
    if (r == 0)
        r = file_write_new(
            path, LAYOUT_DESCRIPTION_MODE, job->description.buffer, job->description.used, false, ret_error);
    if (r == 0)
        r = layout_path(path, directory, job->user, job->device, job->stream,
            export->csv ? LAYOUT_DATA_CSV : LAYOUT_DATA, ret_error);
    if (r == 0)
        r = write_series(export, export->buffers[worker], path, job->series_id, ret_error);
    if (r == 0 && job->downlink) {
        r = layout_path(path, directory, job->user, job->device, job->stream,
            export->csv ? LAYOUT_DOWNLINK_CSV : LAYOUT_DOWNLINK, ret_error);
        if (r == 0)
            r = write_series(export, export->buffers[worker], path, job->downlink_series_id, ret_error);
    }
    if (r == 0)
        meter_add_stream(&export->meter);
    sink_memory_free(&job->description);
    return r;
}

static void drop_job(void *argument)
{
    struct job *job = argument;
    sink_memory_free(&job->description);
}

/* ---- the walks ---- */

static int count_user(void *context, const struct user *user, struct error *ret_error)
{
    struct exporter *export = context;
    (void)user, (void)ret_error;
    export->counts.users++;
    return 0;
}

static int count_device(
    void *context, const struct user *user, const struct device *device, struct error *ret_error)
{
    struct exporter *export = context;
    (void)user, (void)device, (void)ret_error;
    export->counts.devices++;
    return 0;
}

static int count_stream(void *context, const struct user *user, const struct device *device,
    const struct stream *stream, struct error *ret_error)
{
    struct exporter *export = context;
    const uint64_t series[] = {stream->series_id, stream->downlink_series_id};
    (void)user, (void)device;
    export->counts.streams++;
    for (size_t i = 0; i < (stream->downlink ? 2 : 1); i++) {
        struct store_series found;
        uint64_t from, to;
        int r = store_snapshot_series(export->snapshot.store, series[i], &found, ret_error);
        if (r < 0)
            return r;
        range_of(export, series[i], &from, &to);
        to = to < found.length ? to : found.length;
        export->counts.points += to > from ? to - from : 0;
    }
    return 0;
}

static int export_user(void *context, const struct user *user, struct error *ret_error)
{
    struct exporter *export = context;
    char path[PATH_MAX];
    int r = layout_path(path, export->directory, user->name, NULL, NULL, NULL, ret_error);
    if (r == 0)
        r = folder_make_directory(path, ret_error);
    if (r < 0 || export->csv)
        return r;
    r = layout_path(path, export->directory, user->name, NULL, NULL, LAYOUT_USER, ret_error);
    return r < 0 ? r : print_and_write(path, describe_user, user, ret_error);
}

static int export_device(
    void *context, const struct user *user, const struct device *device, struct error *ret_error)
{
    struct exporter *export = context;
    char path[PATH_MAX];
    int r = layout_path(path, export->directory, user->name, device->name, NULL, NULL, ret_error);
    if (r == 0)
        r = folder_make_directory(path, ret_error);
    if (r < 0 || export->csv)
        return r;
    r = layout_path(path, export->directory, user->name, device->name, NULL, LAYOUT_DEVICE, ret_error);
    return r < 0 ? r : print_and_write(path, describe_device, device, ret_error);
}

/* Makes the stream's folder and leaves the rest to the workers. */
static int export_stream(void *context, const struct user *user, const struct device *device,
    const struct stream *stream, struct error *ret_error)
{
    struct exporter *export = context;
    char path[PATH_MAX];
    int r = meter_check_cancelled(&export->meter, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, user->name, device->name, stream->name, NULL, ret_error);
    if (r == 0)
        r = folder_make_directory(path, ret_error);
    if (r < 0)
        return r;
    struct job job = {.series_id = stream->series_id,
        .downlink_series_id = stream->downlink_series_id,
        .downlink = stream->downlink};
    strcpy(job.user, user->name); /* the catalog's names are valid, and so short enough */
    strcpy(job.device, device->name);
    strcpy(job.stream, stream->name);
    r = sink_memory_init(&job.description, DESCRIPTION_BYTES_MAX);
    if (r < 0)
        return error_set(ret_error, -r, "%s: out of memory", path);
    if (description_print_stream(&job.description, stream) < 0) {
        r = error_set(ret_error, -job.description.failed, "%s: %s", path, job.description.error.message);
        drop_job(&job);
        return r;
    }
    return pool_submit(export->pool, &job);
}

/* ---- the whole ---- */

static int count_all(struct exporter *export, struct error *ret_error)
{
    const struct walk count = {
        &export->snapshot, &export->filters, count_user, count_device, count_stream, export};
    int r = walk(&count, ret_error);
    if (r == 0)
        r = filters_check_used(&export->filters, "the database", ret_error);
    export->meter.points_total = export->counts.points;
    export->meter.streams_total = export->counts.streams;
    return r;
}

static int write_all(struct exporter *export, struct error *ret_error)
{
    const struct pool_work work = {
        .job_bytes = sizeof(struct job), .run = run_job, .drop = drop_job, .context = export};
    int r = pool_start(&work, export->meter.options->threads, &export->pool, ret_error);
    if (r < 0)
        return r;
    const struct walk write = {
        &export->snapshot, &export->filters, export_user, export_device, export_stream, export};
    r = walk(&write, ret_error);
    struct error pool_error;
    int finished = pool_finish(export->pool, r < 0, &pool_error);
    if (finished < 0 && (r == 0 || r == -ECANCELED)) /* a worker failed; the walk only noticed */
        r = error_set(ret_error, pool_error.code, "%s", pool_error.message);
    return r;
}

/* Writes connectordb.json, which is there complete or not at all. */
static int write_folder_file(const struct exporter *export, struct error *ret_error)
{
    char path[PATH_MAX], new_path[PATH_MAX];
    int r = layout_path(path, export->directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r == 0)
        r = layout_path(new_path, export->directory, NULL, NULL, NULL, LAYOUT_FOLDER_NEW, ret_error);
    if (r == 0)
        r = print_and_write(new_path, describe_folder, NULL, ret_error);
    if (r == 0)
        r = folder_sync_file(new_path, ret_error);
    if (r == 0 && rename(new_path, path) < 0)
        r = error_set(ret_error, errno, "%s: cannot make: %s", path, strerrordesc_np(errno));
    return r;
}

/* Makes everything durable, then says so with connectordb.json (not of CSV). Small
 * files and directories are synced by one syncfs instead of one flush each: with thousands of streams that is
 * seconds instead of minutes. It reports any failed write since folder_file was opened (Linux 5.8 and later).
 */
static int seal_folder(struct exporter *export, struct error *ret_error)
{
    char path[PATH_MAX];
    if (syncfs(export->folder_file) < 0)
        return error_set(ret_error, errno, "%s: cannot sync: %s", export->directory, strerrordesc_np(errno));
    int r = export->csv ? 0 : write_folder_file(export, ret_error);
    if (r == 0)
        r = folder_sync_directory(export->directory, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, NULL, NULL, NULL, "..", ret_error);
    return r < 0 ? r : folder_sync_directory(path, ret_error);
}

static int open_folder(struct exporter *export, struct error *ret_error)
{
    export->folder_file = open(export->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (export->folder_file < 0)
        return error_set(ret_error, errno, "%s: %s", export->directory, strerrordesc_np(errno));
    return 0;
}

static int create_folder(const char *directory, struct error *ret_error)
{
    char information[PATH_MAX];
    struct stat status;
    if (mkdir(directory, LAYOUT_DESCRIPTION_MODE) == 0)
        return 0;
    if (errno != EEXIST)
        return error_set(
            ret_error, errno, "%s: cannot make the directory: %s", directory, strerrordesc_np(errno));
    int r = layout_path(information, directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r < 0)
        return r;
    bool complete = stat(information, &status) == 0;
    return error_set(ret_error, EEXIST, "%s exists: an export goes into a new folder%s", directory,
        complete ? "" : " (if an interrupted export left it, remove it first)");
}

/* Exports what the filters take of the exporter's snapshot. */
static int run_export(struct exporter *export, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error)
{
    const char *directory = export->directory;
    bool created = false;
    meter_init(&export->meter, options);
    int r = filters_init(&export->filters, options->filters, options->filter_count, ret_error);
    if (r < 0)
        return r;
    r = count_all(export, ret_error);
    if (r == 0)
        r = create_folder(directory, ret_error);
    if (r < 0)
        goto end;
    created = true;
    r = open_folder(export, ret_error);
    if (r == 0)
        r = meter_start(&export->meter, ret_error);
    if (r == 0)
        r = write_all(export, ret_error);
    if (r == 0)
        r = seal_folder(export, ret_error);
    meter_stop(&export->meter);
end:
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        free(export->buffers[i]);
    if (export->folder_file >= 0)
        (void)close(export->folder_file);
    filters_free(&export->filters);
    if (r < 0 && created)
        folder_remove(directory);
    if (r < 0)
        return r;
    export->counts.bytes = atomic_load(&export->meter.bytes);
    export->counts.seconds = meter_seconds(&export->meter);
    *ret_result = export->counts;
    return 0;
}

int export_database(struct database *database, const char *directory, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error)
{
    struct exporter export = {.directory = directory, .folder_file = -1, .csv = options->csv};
    int r = database_snapshot_open(database, &export.snapshot, ret_error);
    if (r < 0)
        return r;
    r = run_export(&export, options, ret_result, ret_error);
    database_snapshot_close(&export.snapshot);
    return r;
}

int export_tail(const struct database_snapshot *snapshot, const struct export_tail *tail,
    const char *directory, const struct transfer_options *options, struct error *ret_error)
{
    struct exporter export = {.directory = directory, .folder_file = -1, .snapshot = *snapshot, .tail = tail};
    struct transfer_result result;
    return run_export(&export, options, &result, ret_error);
}
