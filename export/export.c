#include "export.h"

#include "buffer.h"
#include "description.h"
#include "file_writer.h"
#include "filter.h"
#include "json_points.h"
#include "layout.h"
#include "meter.h"
#include "pool.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BUFFER_BYTES = 64 << 10 }; /* a worker's printing buffer: stays in the processor's cache */

struct export
{
    const char *directory;
    struct database_snapshot snapshot;
    struct filters filters;
    struct meter meter;
    struct pool *pool;
    struct transfer_result counts;
    uint8_t *buffers[POOL_THREADS_MAX]; /* TEXT_BUFFER_BYTES, made by the worker that uses it */
};

/* What a worker does at once: the folder of one stream. */
struct job {
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1], stream[NAME_BYTES_MAX + 1];
    uint64_t series_id, downlink_series_id;
    bool downlink;
    struct sink description; /* in memory */
};

/* ---- files and directories ---- */

static int make_directory(const char *path, struct error *ret_error)
{
    if (mkdir(path, LAYOUT_DESCRIPTION_MODE) < 0)
        return error_set(ret_error, errno, "%s: cannot make the directory: %s", path, strerrordesc_np(errno));
    return 0;
}

static int sync_directory(const char *path, struct error *ret_error)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = file < 0 || fsync(file) < 0 ? -errno : 0;
    if (file >= 0)
        (void)close(file);
    if (r < 0)
        return error_set(ret_error, -r, "%s: cannot sync the directory: %s", path, strerrordesc_np(-r));
    return 0;
}

static int sync_parent(const char *path, struct error *ret_error)
{
    char parent[PATH_MAX];
    int r = layout_path(parent, path, NULL, NULL, NULL, "..", ret_error);
    return r < 0 ? r : sync_directory(parent, ret_error);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

/* Removes the folder that this export made. */
static void remove_folder(const char *path)
{
    enum { OPEN_DIRECTORIES_MAX = 8 };
    (void)nftw(path, remove_entry, OPEN_DIRECTORIES_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int flush_to_file(struct sink *sink, struct error *ret_error)
{
    return file_writer_append(sink->context, sink->buffer, sink->used, ret_error);
}

/* Flushes the sink over the writer and syncs the file; the writer is closed in any case. r: what happened so
 * far. */
static int finish_file(struct file_writer *writer, struct sink *sink, int r, struct error *ret_error)
{
    if (r == 0 && sink_flush(sink) < 0)
        r = error_set(ret_error, -sink->failed, "%s", sink->error.message);
    if (r == 0)
        r = file_writer_finish(writer, ret_error);
    file_writer_close(writer);
    return r;
}

/* ---- descriptions ---- */

static int write_description(const char *path, const struct sink *text, struct error *ret_error)
{
    struct file_writer *writer;
    int r = file_writer_open(NULL, path, LAYOUT_DESCRIPTION_MODE, &writer, ret_error);
    if (r < 0)
        return r;
    r = file_writer_append(writer, text->buffer, text->used, ret_error);
    if (r == 0)
        r = file_writer_finish(writer, ret_error);
    file_writer_close(writer);
    return r;
}

static int describe_folder(struct sink *sink, const void *object)
{
    (void)object;
    return description_print_folder(sink);
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
        r = write_description(path, &text, ret_error);
    sink_memory_free(&text);
    return r;
}

/* ---- data files, by the workers ---- */

static int print_series(
    struct export *export, struct sink *sink, struct store_cursor *cursor, struct error *ret_error)
{
    bool first = true;
    uint64_t counted = 0; /* bytes the meter knows of */
    (void)sink_write(sink, "[", 1);
    for (;;) {
        const struct batch *batch;
        int r = meter_check_cancelled(&export->meter, ret_error);
        if (r == 0)
            r = store_cursor_next(cursor, &batch, ret_error);
        if (r < 0)
            return r;
        if (!batch)
            break;
        if (json_points_print(sink, batch, first) < 0)
            return error_set(ret_error, -sink->failed, "%s", sink->error.message);
        first = false;
        uint64_t bytes = sink->total + sink->used;
        meter_add(&export->meter, batch->count, bytes - counted);
        counted = bytes;
    }
    if (sink_write(sink, "]", 1) < 0)
        return error_set(ret_error, -sink->failed, "%s", sink->error.message);
    meter_add(&export->meter, 0, sink->total + sink->used - counted);
    return 0;
}

static int write_series(
    struct export *export, uint8_t *buffer, const char *path, uint64_t series_id, struct error *ret_error)
{
    struct file_writer *writer;
    int r = file_writer_open(NULL, path, LAYOUT_DATA_MODE, &writer, ret_error);
    if (r < 0)
        return r;
    struct sink sink = {
        .buffer = buffer, .capacity = TEXT_BUFFER_BYTES, .flush = flush_to_file, .context = writer};
    struct store_cursor *cursor = NULL;
    r = store_cursor_open(export->snapshot.store, series_id, 0, UINT64_MAX, true, &cursor, ret_error);
    if (r == 0)
        r = print_series(export, &sink, cursor, ret_error);
    store_cursor_close(cursor);
    return finish_file(writer, &sink, r, ret_error);
}

static int run_job(void *context, unsigned worker, void *argument, struct error *ret_error)
{
    struct export *export = context;
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
        r = write_description(path, &job->description, ret_error);
    if (r == 0)
        r = layout_path(path, directory, job->user, job->device, job->stream, LAYOUT_DATA, ret_error);
    if (r == 0)
        r = write_series(export, export->buffers[worker], path, job->series_id, ret_error);
    if (r == 0 && job->downlink) {
        r = layout_path(path, directory, job->user, job->device, job->stream, LAYOUT_DOWNLINK, ret_error);
        if (r == 0)
            r = write_series(export, export->buffers[worker], path, job->downlink_series_id, ret_error);
    }
    if (r == 0)
        r = layout_path(path, directory, job->user, job->device, job->stream, NULL, ret_error);
    if (r == 0)
        r = sync_directory(path, ret_error);
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
    struct export *export = context;
    (void)user, (void)ret_error;
    export->counts.users++;
    return 0;
}

static int count_device(
    void *context, const struct user *user, const struct device *device, struct error *ret_error)
{
    struct export *export = context;
    (void)user, (void)device, (void)ret_error;
    export->counts.devices++;
    return 0;
}

static int count_stream(void *context, const struct user *user, const struct device *device,
    const struct stream *stream, struct error *ret_error)
{
    struct export *export = context;
    const uint64_t series[] = {stream->series_id, stream->downlink_series_id};
    (void)user, (void)device;
    export->counts.streams++;
    for (size_t i = 0; i < (stream->downlink ? 2 : 1); i++) {
        struct store_series found;
        int r = store_snapshot_series(export->snapshot.store, series[i], &found, ret_error);
        if (r < 0)
            return r;
        export->counts.points += found.length;
    }
    return 0;
}

static int export_user(void *context, const struct user *user, struct error *ret_error)
{
    struct export *export = context;
    char path[PATH_MAX];
    int r = layout_path(path, export->directory, user->name, NULL, NULL, NULL, ret_error);
    if (r == 0)
        r = make_directory(path, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, user->name, NULL, NULL, LAYOUT_USER, ret_error);
    return r < 0 ? r : print_and_write(path, describe_user, user, ret_error);
}

static int export_device(
    void *context, const struct user *user, const struct device *device, struct error *ret_error)
{
    struct export *export = context;
    char path[PATH_MAX];
    int r = layout_path(path, export->directory, user->name, device->name, NULL, NULL, ret_error);
    if (r == 0)
        r = make_directory(path, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, user->name, device->name, NULL, LAYOUT_DEVICE, ret_error);
    return r < 0 ? r : print_and_write(path, describe_device, device, ret_error);
}

/* Makes the stream's folder and leaves the rest to the workers. */
static int export_stream(void *context, const struct user *user, const struct device *device,
    const struct stream *stream, struct error *ret_error)
{
    struct export *export = context;
    char path[PATH_MAX];
    int r = meter_check_cancelled(&export->meter, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, user->name, device->name, stream->name, NULL, ret_error);
    if (r == 0)
        r = make_directory(path, ret_error);
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

static int sync_user(void *context, const struct user *user, struct error *ret_error)
{
    const struct export *export = context;
    char path[PATH_MAX];
    int r = layout_path(path, export->directory, user->name, NULL, NULL, NULL, ret_error);
    return r < 0 ? r : sync_directory(path, ret_error);
}

static int sync_device(
    void *context, const struct user *user, const struct device *device, struct error *ret_error)
{
    const struct export *export = context;
    char path[PATH_MAX];
    int r = layout_path(path, export->directory, user->name, device->name, NULL, NULL, ret_error);
    return r < 0 ? r : sync_directory(path, ret_error);
}

/* ---- the whole ---- */

static int count_all(struct export *export, struct error *ret_error)
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

static int write_all(struct export *export, struct error *ret_error)
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

/* Names that a directory holds are durable when the directory is synced; the streams' own were synced by the
 * workers. connectordb.json, written last, says that the folder is complete. */
static int seal_folder(struct export *export, struct error *ret_error)
{
    const struct walk sync = {&export->snapshot, &export->filters, sync_user, sync_device, NULL, export};
    char path[PATH_MAX];
    int r = walk(&sync, ret_error);
    if (r == 0)
        r = sync_directory(export->directory, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r == 0)
        r = print_and_write(path, describe_folder, NULL, ret_error);
    if (r == 0)
        r = sync_directory(export->directory, ret_error);
    return r < 0 ? r : sync_parent(export->directory, ret_error);
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

int export_database(struct database *database, const char *directory, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error)
{
    struct export export = {.directory = directory};
    bool created = false;
    meter_init(&export.meter, options);
    int r = filters_init(&export.filters, options->filters, options->filter_count, ret_error);
    if (r < 0)
        return r;
    r = database_snapshot_open(database, &export.snapshot, ret_error);
    if (r < 0)
        goto end;
    r = count_all(&export, ret_error);
    if (r == 0)
        r = create_folder(directory, ret_error);
    if (r < 0)
        goto close;
    created = true;
    r = meter_start(&export.meter, ret_error);
    if (r == 0)
        r = write_all(&export, ret_error);
    if (r == 0)
        r = seal_folder(&export, ret_error);
    meter_stop(&export.meter);
close:
    database_snapshot_close(&export.snapshot);
end:
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        free(export.buffers[i]);
    filters_free(&export.filters);
    if (r < 0 && created)
        remove_folder(directory);
    if (r < 0)
        return r;
    export.counts.bytes = atomic_load(&export.meter.bytes);
    export.counts.seconds = meter_seconds(&export.meter);
    *ret_result = export.counts;
    return 0;
}
