/* Export over the REST API. The main thread lists users, devices and streams and writes their descriptions;
 * workers fetch the datapoints of one stream each, in ranges by index of a size that suits the answer.
 *
 * A data file is written under another name, DATA.part, until it is complete. A resumed export reads that
 * file up to its last whole datapoint and goes on behind it. */
#include "remote_object.h"

#include "description.h"
#include "file.h"
#include "filter.h"
#include "folder.h"
#include "json_points.h"
#include "layout.h"
#include "meter.h"
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OUTPUT_BYTES = 256 << 10,
    RANGE_POINTS_FIRST = 1000,
    RANGE_POINTS_MOST = 1000000,
    RANGE_BYTES = 4 << 20, /* of an answer, aimed at */
    READ_POINTS = 4096,
};

struct exporter {
    const char *directory;
    const struct remote_options *options;
    struct filters filters;
    struct meter meter;
    struct pool *pool;
    struct remote_http http;                          /* of the main thread */
    struct remote_http connections[POOL_THREADS_MAX]; /* of the workers, opened by them */
    struct transfer_result counts;
};

struct job {
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1], stream[NAME_BYTES_MAX + 1];
    bool downlink; /* the stream has one */
};

/* ---- a data file ---- */

struct data_file {
    char path[PATH_MAX], part[PATH_MAX];
    int file;
    struct sink sink;
    uint64_t points;  /* in it */
    uint64_t metered; /* bytes that the meter knows of */
};

static int flush_to_file(struct sink *sink, struct error *ret_error)
{
    struct data_file *data = sink->context;
    for (size_t done = 0; done < sink->used;) {
        ssize_t wrote = write(data->file, sink->buffer + done, sink->used - done);
        if (wrote < 0 && errno != EINTR)
            return error_set(ret_error, errno, "%s: %s", data->part, strerrordesc_np(errno));
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

static long read_part(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct data_file *data = context;
    ssize_t got = read(data->file, buffer, size);
    return got < 0 ? error_set(ret_error, errno, "%s: %s", data->part, strerrordesc_np(errno)) : got;
}

/* Counts the whole datapoints of a file that an interrupted export left, and cuts off what is behind them. */
static int keep_whole_points(struct data_file *data, struct error *ret_error)
{
    static const struct json_points_options OPTIONS = {.import = true};
    struct json_points *reader;
    struct batch batch;
    struct error error = {0};
    uint64_t end = 0;
    int r = json_points_open(&OPTIONS, read_part, data, &reader);
    if (r < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    batch_init(&batch);
    do {
        batch_clear(&batch);
        r = json_points_read(reader, &batch, READ_POINTS, &error);
        data->points += batch.count;
        if (batch.count > 0)
            end = json_points_offset(reader);
    } while (r == 1);
    batch_free(&batch);
    json_points_close(reader);
    if (r < 0 && r != -EBADMSG) /* -EBADMSG: the text ends within a datapoint, as it will */
        return error_set(ret_error, -r, "%s", error.message);
    char last = ',';
    while (end > 0 && data->points > 0 && last == ',') /* behind the last datapoint there may be its comma */
        if (pread(data->file, &last, 1, (off_t)end - 1) != 1 || last == ',')
            end--;
    if (last != '}')
        data->points = end = 0;
    if (ftruncate(data->file, (off_t)end) < 0 || lseek(data->file, 0, SEEK_END) < 0)
        return error_set(ret_error, errno, "%s: %s", data->part, strerrordesc_np(errno));
    return 0;
}

/* 1: it is complete already. */
static int data_file_open(struct exporter *export, const struct job *job, const char *name,
    struct data_file *data, struct error *ret_error)
{
    struct stat status;
    *data = (struct data_file){.file = -1};
    int r = layout_path(data->path, export->directory, job->user, job->device, job->stream, name, ret_error);
    if (r < 0)
        return r;
    if (snprintf(data->part, PATH_MAX, "%s.part", data->path) >= PATH_MAX)
        return error_set(ret_error, ENAMETOOLONG, "%s.part: the path is too long", data->path);
    if (lstat(data->path, &status) == 0)
        return 1;
    data->file = open(data->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LAYOUT_DATA_MODE);
    if (data->file < 0)
        return error_set(ret_error, errno, "%s: %s", data->part, strerrordesc_np(errno));
    r = keep_whole_points(data, ret_error);
    if (r < 0)
        return r;
    data->sink = (struct sink){
        .buffer = malloc(OUTPUT_BYTES), .capacity = OUTPUT_BYTES, .flush = flush_to_file, .context = data};
    if (!data->sink.buffer)
        return error_set(ret_error, ENOMEM, "out of memory");
    return data->points == 0 ? sink_write(&data->sink, "[", 1) : 0;
}

static int data_file_finish(struct data_file *data, struct error *ret_error)
{
    int r = sink_write(&data->sink, "]", 1);
    if (r == 0)
        r = sink_flush(&data->sink);
    if (r < 0)
        return error_set(ret_error, -r, "%s", data->sink.error.message);
    if (rename(data->part, data->path) < 0)
        return error_set(ret_error, errno, "%s: %s", data->path, strerrordesc_np(errno));
    return 0;
}

static void data_file_close(struct data_file *data)
{
    if (data->sink.buffer)
        (void)sink_flush(&data->sink); /* what was fetched serves a resumed export */
    free(data->sink.buffer);
    if (data->file >= 0)
        (void)close(data->file);
}

/* ---- datapoints ---- */

struct answer {
    const struct remote_http *http;
    size_t read;
};

static long read_answer(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct answer *answer = context;
    size_t left = answer->http->answer.size - answer->read;
    (void)ret_error;
    size = size < left ? size : left;
    memcpy(buffer, answer->http->answer.data + answer->read, size);
    answer->read += size;
    return (long)size;
}

/* Copies the datapoints of the answer, `expected` of them. */
static int take_points(struct exporter *export, struct data_file *data, struct remote_http *http,
    uint64_t expected, struct error *ret_error)
{
    static const struct json_points_options OPTIONS = {.import = true};
    struct answer answer = {.http = http};
    struct json_points *reader;
    struct batch batch;
    uint64_t count = 0;
    if (json_points_open(&OPTIONS, read_answer, &answer, &reader) < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    batch_init(&batch);
    int r, printed = 0;
    do {
        batch_clear(&batch);
        r = json_points_read(reader, &batch, READ_POINTS, ret_error);
        if (r >= 0 && batch.count > 0)
            printed = json_points_print(&data->sink, &batch, data->points == 0);
        data->points += batch.count;
        count += batch.count;
        uint64_t bytes = data->sink.total + data->sink.used;
        meter_add(&export->meter, batch.count, bytes - data->metered);
        data->metered = bytes;
    } while (r == 1 && printed == 0);
    batch_free(&batch);
    json_points_close(reader);
    if (printed < 0)
        return error_set(ret_error, -printed, "%s", data->sink.error.message);
    if (r < 0)
        return error_prefix(ret_error, "%s", http->url);
    return count == expected ? 0
                             : error_set(ret_error, EPROTO,
                                   "%s: %llu datapoints came, %llu were asked for: was the stream cut?",
                                   http->url, (unsigned long long)count, (unsigned long long)expected);
}

static uint64_t next_range(uint64_t points, size_t answer_bytes)
{
    double bytes_each = (double)answer_bytes / (double)points;
    double next = bytes_each > 0 ? RANGE_BYTES / bytes_each : RANGE_POINTS_MOST;
    double most = 8 * (double)points; /* the points to come may be larger */
    next = next < most ? next : most;
    if (next < 1)
        return 1;
    return next < RANGE_POINTS_MOST ? (uint64_t)next : RANGE_POINTS_MOST;
}

static int fetch(struct exporter *export, struct remote_http *http, const struct job *job, bool downlink,
    struct data_file *data, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX], rest[128];
    uint64_t length, range = RANGE_POINTS_FIRST;
    (void)snprintf(rest, sizeof(rest), "/data?q=length%s", downlink ? "&downlink=true" : "");
    int r = remote_path(path, job->user, job->device, job->stream, rest, ret_error);
    if (r == 0)
        r = remote_get_number(http, path, &length, ret_error);
    if (r == 0 && length < data->points)
        return error_set(ret_error, EPROTO,
            "%s: there are %llu datapoints now, but %llu in %s: the stream was cut. Remove that file",
            http->url, (unsigned long long)length, (unsigned long long)data->points, data->part);
    while (r == 0 && data->points < length) {
        uint64_t from = data->points, count = length - from < range ? length - from : range;
        (void)snprintf(rest, sizeof(rest), "/data?i1=%llu&i2=%llu%s", (unsigned long long)from,
            (unsigned long long)(from + count), downlink ? "&downlink=true" : "");
        r = meter_check_cancelled(&export->meter, ret_error);
        if (r == 0)
            r = remote_path(path, job->user, job->device, job->stream, rest, ret_error);
        if (r == 0)
            r = remote_get(http, path, ret_error);
        if (r == -E2BIG && count > 1) {
            range = count / 8 + 1;
            r = 0;
            continue;
        }
        if (r == 0)
            r = take_points(export, data, http, count, ret_error);
        range = next_range(count, http->answer.size);
    }
    return r;
}

static int export_series(struct exporter *export, struct remote_http *http, const struct job *job,
    const char *name, bool downlink, struct error *ret_error)
{
    struct data_file data;
    int r = data_file_open(export, job, name, &data, ret_error);
    if (r == 0)
        r = fetch(export, http, job, downlink, &data, ret_error);
    if (r == 0)
        r = data_file_finish(&data, ret_error);
    data_file_close(&data);
    return r < 0 ? r : 0;
}

static int run_job(void *context, unsigned worker, void *argument, struct error *ret_error)
{
    struct exporter *export = context;
    const struct job *job = argument;
    struct remote_http *http = &export->connections[worker];
    int r = http->curl ? 0 : remote_http_open(export->options, http, ret_error);
    meter_set_current(&export->meter, job->user, job->device, job->stream);
    if (r == 0)
        r = export_series(export, http, job, LAYOUT_DATA, false, ret_error);
    if (r == 0 && job->downlink)
        r = export_series(export, http, job, LAYOUT_DOWNLINK, true, ret_error);
    if (r == 0)
        meter_add_stream(&export->meter);
    return r;
}

/* ---- descriptions ---- */

static int make_directory(const char *path, struct error *ret_error)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return 0; /* of the export that is resumed */
    return folder_make_directory(path, ret_error);
}

static int write_description(struct exporter *export, const struct object_kind *kind, const void *object,
    const char *user, const char *device, const char *stream, struct error *ret_error)
{
    char path[PATH_MAX];
    struct sink text;
    const char *name = kind == &USER_KIND     ? LAYOUT_USER
                       : kind == &DEVICE_KIND ? LAYOUT_DEVICE
                                              : LAYOUT_STREAM;
    int r = layout_path(path, export->directory, user, device, stream, NULL, ret_error);
    if (r == 0)
        r = make_directory(path, ret_error);
    if (r == 0)
        r = layout_path(path, export->directory, user, device, stream, name, ret_error);
    if (r < 0)
        return r;
    if (sink_memory_init(&text, DESCRIPTION_BYTES_MAX) < 0)
        return error_set(ret_error, ENOMEM, "%s: out of memory", path);
    r = kind == &USER_KIND     ? description_print_user(&text, object)
        : kind == &DEVICE_KIND ? description_print_device(&text, object)
                               : description_print_stream(&text, object);
    (void)unlink(path);
    r = r < 0 ? error_set(ret_error, -r, "%s: %s", path, text.error.message)
              : file_write_new(path, LAYOUT_DESCRIPTION_MODE, text.buffer, text.used, false, ret_error);
    sink_memory_free(&text);
    return r;
}

/* ---- walking ---- */

static bool name_fits(const char *name)
{
    return *name && strlen(name) <= NAME_BYTES_MAX && !strchr(name, '/') && *name != '.';
}

static int export_stream(struct exporter *export, const char *user, const char *device, const json_t *json,
    struct error *ret_error)
{
    struct stream stream = {0};
    struct job job = {0};
    int r = remote_object_read(&STREAM_KIND, json, &stream, export->http.url, ret_error);
    if (r == 0 && !name_fits(stream.name))
        r = error_set(ret_error, EPROTO, "%s: a stream has the name '%.100s'", export->http.url, stream.name);
    if (r == 0 && filters_take(&export->filters, user, device, stream.name)) {
        r = write_description(export, &STREAM_KIND, &stream, user, device, stream.name, ret_error);
        (void)snprintf(job.user, sizeof(job.user), "%s", user);
        (void)snprintf(job.device, sizeof(job.device), "%s", device);
        (void)snprintf(job.stream, sizeof(job.stream), "%s", stream.name);
        job.downlink = stream.downlink;
        if (r == 0)
            r = pool_submit(export->pool, &job);
        export->counts.streams++;
    }
    fields_free(&STREAM_KIND, &stream);
    return r;
}

/* Gets the list of path?q=ls and calls `each` for its elements. */
static int export_list(struct exporter *export, const char *user, const char *device,
    int (*each)(struct exporter *export, const char *user, const char *device, const json_t *json,
        struct error *ret_error),
    struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    json_t *list = NULL, *element;
    size_t i;
    int r = remote_path(path, user, device, NULL, "?q=ls", ret_error);
    if (r == 0)
        r = remote_get_json(&export->http, path, &list, ret_error);
    if (r == 0 && !json_is_array(list))
        r = error_set(ret_error, EPROTO, "%s: the answer is no list", export->http.url);
    json_array_foreach(list, i, element)
    {
        if (r == 0)
            r = each(export, user, device, element, ret_error);
    }
    json_decref(list);
    return r;
}

static int export_device(struct exporter *export, const char *user, const char *unused, const json_t *json,
    struct error *ret_error)
{
    struct device device = {0};
    (void)unused;
    int r = remote_object_read(&DEVICE_KIND, json, &device, export->http.url, ret_error);
    if (r == 0 && !name_fits(device.name))
        r = error_set(ret_error, EPROTO, "%s: a device has the name '%.100s'", export->http.url, device.name);
    if (r == 0 && filters_take(&export->filters, user, device.name, NULL)) {
        r = write_description(export, &DEVICE_KIND, &device, user, device.name, NULL, ret_error);
        export->counts.devices++;
        if (r == 0)
            r = export_list(export, user, device.name, export_stream, ret_error);
    }
    fields_free(&DEVICE_KIND, &device);
    return r;
}

static int export_user(struct exporter *export, const char *name, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    struct user user = {0};
    json_t *json = NULL;
    int r = remote_path(path, name, NULL, NULL, "", ret_error);
    if (r == 0)
        r = remote_get_json(&export->http, path, &json, ret_error);
    if (r == 0)
        r = remote_object_read(&USER_KIND, json, &user, export->http.url, ret_error);
    if (r == 0)
        r = write_description(export, &USER_KIND, &user, name, NULL, NULL, ret_error);
    export->counts.users++;
    if (r == 0)
        r = export_list(export, name, NULL, export_device, ret_error);
    json_decref(json);
    fields_free(&USER_KIND, &user);
    return r;
}

/* All users, or the account's own where it may not list them. */
static int export_users(struct exporter *export, const char *own, struct error *ret_error)
{
    json_t *list = NULL, *element;
    size_t i;
    bool found = false;
    int r = remote_get_json(&export->http, "/crud/?q=ls", &list, NULL);
    if (r < 0 && r != -ENOENT && r != -EPROTO)
        return remote_get_json(&export->http, "/crud/?q=ls", &list, ret_error);
    r = 0;
    json_array_foreach(list, i, element)
    {
        const char *name = json_string_value(json_object_get(element, "name"));
        if (r == 0 && name && name_fits(name) && filters_take(&export->filters, name, NULL, NULL))
            r = export_user(export, name, ret_error);
        found = true;
    }
    json_decref(list);
    if (r == 0 && !found && filters_take(&export->filters, own, NULL, NULL))
        r = export_user(export, own, ret_error);
    return r == 0 ? filters_check_used(&export->filters, export->options->url, ret_error) : r;
}

/* ---- the folder ---- */

static int create_folder(struct exporter *export, struct error *ret_error)
{
    char path[PATH_MAX];
    struct stat status;
    int r = layout_path(path, export->directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r < 0)
        return r;
    if (mkdir(export->directory, LAYOUT_DESCRIPTION_MODE) == 0)
        return 0;
    if (errno != EEXIST)
        return error_set(
            ret_error, errno, "%s: cannot make the directory: %s", export->directory, strerrordesc_np(errno));
    if (stat(path, &status) == 0)
        return error_set(ret_error, EEXIST, "%s is a complete export already", export->directory);
    if (!export->options->transfer.resume)
        return error_set(ret_error, EEXIST,
            "%s is there already: --resume goes on with an export that was interrupted", export->directory);
    return 0;
}

static int seal_folder(struct exporter *export, struct error *ret_error)
{
    char path[PATH_MAX];
    struct sink text;
    int file = open(export->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || syncfs(file) < 0) {
        int code = errno;
        if (file >= 0)
            (void)close(file);
        return error_set(ret_error, code, "%s: cannot sync: %s", export->directory, strerrordesc_np(code));
    }
    (void)close(file);
    int r = layout_path(path, export->directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r == 0 && sink_memory_init(&text, DESCRIPTION_BYTES_MAX) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory");
    if (r < 0)
        return r;
    r = description_print_folder(&text, LAYOUT_VERSION_PYTHON);
    if (r == 0)
        r = file_write_new(path, LAYOUT_DESCRIPTION_MODE, text.buffer, text.used, true, ret_error);
    sink_memory_free(&text);
    return r < 0 ? r : folder_sync_directory(export->directory, ret_error);
}

static int run_export(struct exporter *export, struct error *ret_error)
{
    const struct pool_work work = {.job_bytes = sizeof(struct job), .run = run_job, .context = export};
    const struct transfer_options *transfer = &export->options->transfer;
    char who[PATH_BYTES_MAX + 1];
    struct error error = {0};
    int r = remote_who(&export->http, who, ret_error);
    if (r == 0)
        r = create_folder(export, ret_error);
    if (r == 0)
        r = pool_start(&work, transfer->threads, &export->pool, ret_error);
    if (r < 0)
        return r;
    r = meter_start(&export->meter, ret_error);
    if (r == 0) {
        *strchr(who, '/') = '\0';
        r = export_users(export, who, &error);
    }
    int finished = pool_finish(export->pool, r < 0, ret_error);
    if (finished < 0 && finished != -ECANCELED)
        r = finished; /* the reason why the jobs were not taken any more */
    else if (r < 0)
        r = error_set(ret_error, error.code ? error.code : -r, "%s", error.message);
    else
        r = finished;
    return r == 0 ? seal_folder(export, ret_error) : r;
}

int remote_export(const char *directory, const struct remote_options *options,
    struct remote_result *ret_result, struct error *ret_error)
{
    struct exporter *export = calloc(1, sizeof(*export));
    if (!export)
        return error_set(ret_error, ENOMEM, "out of memory");
    export->directory = directory;
    export->options = options;
    meter_init(&export->meter, &options->transfer);
    int r =
        filters_init(&export->filters, options->transfer.filters, options->transfer.filter_count, ret_error);
    if (r == 0)
        r = remote_http_open(options, &export->http, ret_error);
    if (r == 0)
        r = run_export(export, ret_error);
    meter_stop(&export->meter);
    *ret_result = (struct remote_result){.transfer = export->counts};
    ret_result->transfer.points = atomic_load(&export->meter.points);
    ret_result->transfer.bytes = atomic_load(&export->meter.bytes);
    ret_result->transfer.seconds = meter_seconds(&export->meter);
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        remote_http_close(&export->connections[i]);
    remote_http_close(&export->http);
    filters_free(&export->filters);
    free(export);
    return r;
}
