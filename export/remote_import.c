/* Import over the REST API. The main thread makes users, devices and streams; workers insert the datapoints
 * of one stream each, as the device that owns it. How far a stream has come is its length on the server: a
 * request whose outcome is unknown, and an import that is resumed, ask for it. */
#include "remote_object.h"

#include "description.h"
#include "filter.h"
#include "json_points.h"
#include "layout.h"
#include "meter.h"
#include "pool.h"
#include "remote_checksum.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    APIKEY_BYTES_MAX = 255,
    INSERT_POINTS_FIRST = 256,
    INSERT_POINTS_MOST = 200000,
    INSERT_BYTES = 2 << 20,      /* of a body, aimed at */
    INSERT_BYTES_MOST = 8 << 20, /* a larger one is sent in halves: 0.3 takes 10 MiB */
    KEYED_STREAMS_MAX = 20000,   /* with more, inserts have no Idempotency-Key: a server remembers 75,000 */
};

struct importer {
    const char *directory;
    const struct remote_options *options;
    struct filters filters;
    struct meter meter;
    struct pool *pool;
    struct remote_http http;                          /* of the main thread */
    struct remote_http connections[POOL_THREADS_MAX]; /* of the workers, opened by them */
    struct transfer_result counts;
    uint64_t streams_skipped;
    atomic_uint_fast64_t senders_lost;
};

struct job {
    char user[NAME_BYTES_MAX + 1], device[NAME_BYTES_MAX + 1], stream[NAME_BYTES_MAX + 1];
    char apikey[APIKEY_BYTES_MAX + 1];      /* of the device */
    char user_apikey[APIKEY_BYTES_MAX + 1]; /* of the device `user`, which may write downlinks */
    bool downlink;                          /* there is a file of it */
};

/* ---- one series ---- */

struct series {
    struct importer *import;
    struct remote_http *http;
    const struct job *job;
    bool downlink;
    char path[PATH_MAX]; /* of the data file */
    int file;
    struct json_points *reader;
    struct batch batch;
    uint64_t stored;   /* datapoints that the server has */
    uint64_t checksum; /* of the datapoints from the first one on, see remote_checksum */
    uint64_t metered;
    size_t insert_bytes; /* of a body, aimed at: less than INSERT_BYTES where the server takes less */
};

static long read_file(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct series *series = context;
    ssize_t got = read(series->file, buffer, size);
    return got < 0 ? error_set(ret_error, errno, "%s: %s", series->path, strerrordesc_np(errno)) : got;
}

static int read_points(struct series *series, uint32_t most, struct error *ret_error)
{
    batch_clear(&series->batch);
    int r = json_points_read(series->reader, &series->batch, most, ret_error);
    if (r < 0)
        return error_prefix(ret_error, "%s", series->path);
    if (series->batch.has_senders) {
        uint64_t lost = 0;
        for (uint32_t i = 0; i < series->batch.count; i++)
            lost += series->batch.senders[i] != 0;
        (void)atomic_fetch_add(&series->import->senders_lost, lost);
        (void)batch_set_senders(&series->batch, NULL, 0);
    }
    series->checksum = remote_checksum(series->checksum, &series->batch);
    return r;
}

static void meter_points(struct series *series, uint64_t points)
{
    uint64_t bytes = json_points_offset(series->reader);
    meter_add(&series->import->meter, points, bytes - series->metered);
    series->metered = bytes;
}

/* ---- what the server has ---- */

static int data_path(
    const struct series *series, char path[REMOTE_URL_BYTES_MAX], const char *query, struct error *ret_error)
{
    char rest[160];
    const char *downlink = series->downlink ? "downlink=true" : "";
    (void)snprintf(rest, sizeof(rest), "/data%s%s%s%s", *query || *downlink ? "?" : "", query,
        *query && *downlink ? "&" : "", downlink);
    return remote_path(path, series->job->user, series->job->device, series->job->stream, rest, ret_error);
}

static int get_length(struct series *series, uint64_t *ret_length, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    int r = data_path(series, path, "q=length", ret_error);
    return r < 0 ? r : remote_get_number(series->http, path, ret_length, ret_error);
}

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

/* Adds the datapoints [from, to) of the server to a checksum. *ret_bytes: of the answer. */
static int add_stored(struct series *series, uint64_t from, uint64_t to, uint64_t *sum, size_t *ret_bytes,
    struct error *ret_error)
{
    static const struct json_points_options OPTIONS = {.import = true};
    char path[REMOTE_URL_BYTES_MAX], query[96];
    struct answer answer = {.http = series->http};
    struct json_points *reader;
    struct batch batch;
    (void)snprintf(query, sizeof(query), "i1=%llu&i2=%llu", (unsigned long long)from, (unsigned long long)to);
    int r = data_path(series, path, query, ret_error);
    if (r == 0)
        r = remote_get(series->http, path, ret_error);
    if (r < 0)
        return r;
    if (json_points_open(&OPTIONS, read_answer, &answer, &reader) < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    batch_init(&batch);
    do {
        batch_clear(&batch);
        r = json_points_read(reader, &batch, INSERT_POINTS_FIRST * 16, ret_error);
        *sum = remote_checksum(*sum, &batch);
    } while (r == 1);
    batch_free(&batch);
    json_points_close(reader);
    *ret_bytes = series->http->answer.size;
    return r < 0 ? error_prefix(ret_error, "%s", series->http->url) : 0;
}

/* How many points make a request of about `aim` bytes, from the points and bytes of the last one. */
static uint32_t next_count(size_t aim, uint64_t points, size_t bytes)
{
    double next = (double)aim / ((double)(bytes + 1) / (double)points), most = 8 * (double)points;
    next = next < most ? next : most;
    if (next < 1)
        return 1;
    return next < INSERT_POINTS_MOST ? (uint32_t)next : INSERT_POINTS_MOST;
}

/* Reads back all datapoints and compares. */
static int verify(struct series *series, struct error *ret_error)
{
    uint64_t sum = 0;
    uint32_t count = INSERT_POINTS_FIRST;
    int r = 0;
    for (uint64_t from = 0; r == 0 && from < series->stored;) {
        uint64_t to = series->stored - from < count ? series->stored : from + count;
        size_t bytes = 0;
        r = meter_check_cancelled(&series->import->meter, ret_error);
        if (r == 0)
            r = add_stored(series, from, to, &sum, &bytes, ret_error);
        if (r == -E2BIG && to - from > 1) {
            count = (uint32_t)((to - from) / 8 + 1);
            r = 0;
            continue;
        }
        count = next_count(INSERT_BYTES, to - from, bytes);
        from = to;
    }
    if (r == 0 && sum != series->checksum)
        r = error_set(ret_error, EBADMSG,
            "%s: the datapoints that the server has for %s/%s/%s are not those of this file", series->path,
            series->job->user, series->job->device, series->job->stream);
    return r;
}

/* ---- inserting ---- */

/* Sends the body until its outcome is known. 0; -EFBIG: the server takes no body of this size. */
static int post(struct series *series, const struct sink *body, uint32_t count, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX], key[96];
    const struct importer *import = series->import;
    bool keyed = import->meter.streams_total <= KEYED_STREAMS_MAX;
    (void)snprintf(key, sizeof(key), "import-%016llx-%llu",
        (unsigned long long)XXH3_64bits_withSeed(body->buffer, body->used, series->stored),
        (unsigned long long)series->stored);
    const struct remote_request request = {.method = "POST",
        .path = path,
        .body = body->buffer,
        .body_bytes = body->used,
        .idempotency_key = keyed ? key : NULL};
    int r = data_path(series, path, "", ret_error);
    for (unsigned attempt = 1; r == 0; attempt++) {
        long status = 0;
        uint64_t length;
        r = remote_send(series->http, &request, &status, ret_error);
        if (r == 0 && status == 200)
            return 0;
        if (r == 0)
            r = remote_refused(series->http, "POST", status, ret_error);
        bool unknown = r == -ECONNABORTED || (r == -EPROTO && status >= 500);
        if ((!unknown && r != -ECONNREFUSED && r != -EBUSY) || !remote_wait(series->http, attempt))
            return r;
        r = get_length(series, &length, ret_error);
        if (r == 0 && length == series->stored + count)
            return 0;
        if (r == 0 && length != series->stored)
            return error_set(ret_error, EBADMSG,
                "%s: somebody else inserts into the stream (it has %llu datapoints, %llu were expected)",
                series->http->url, (unsigned long long)length, (unsigned long long)series->stored);
    }
    return r;
}

/* Inserts the points of the batch, in halves where the server takes no body of that size. *ret_bytes: grows
 * by those of the bodies that arrived. */
static int insert(
    struct series *series, const struct batch *batch, size_t *ret_bytes, struct error *ret_error)
{
    struct sink body;
    if (sink_memory_init(&body, REMOTE_ANSWER_BYTES_MAX) < 0)
        return error_set(ret_error, ENOMEM, "out of memory");
    (void)sink_write(&body, "[", 1);
    (void)json_points_print(&body, batch, true);
    int r = sink_write(&body, "]", 1);
    if ((r < 0 || body.used > INSERT_BYTES_MOST) && batch->count > 1)
        r = -EFBIG;
    else if (r < 0)
        r = error_set(ret_error, -r, "%s: %s", series->path, body.error.message);
    else
        r = post(series, &body, batch->count, ret_error);
    size_t bytes = body.used;
    sink_memory_free(&body);
    if (r == 0) {
        *ret_bytes += bytes;
        series->stored += batch->count;
        meter_points(series, batch->count);
    }
    if (r != -EFBIG || batch->count == 1)
        return r;
    if (bytes / 2 < series->insert_bytes)
        series->insert_bytes = bytes / 2 + 1; /* of the requests that follow */
    struct batch half;
    batch_slice(batch, 0, batch->count / 2, &half);
    r = insert(series, &half, ret_bytes, ret_error);
    batch_slice(batch, batch->count / 2, batch->count - batch->count / 2, &half);
    return r < 0 ? r : insert(series, &half, ret_bytes, ret_error);
}

/* Reads over what the server has already, and compares the last of it. 0 or 1 as json_points_read. */
static int skip_stored(struct series *series, struct error *ret_error)
{
    uint64_t left = series->stored, theirs = 0, ours = 0;
    size_t bytes;
    int r = 1;
    while (r == 1 && left > 0) {
        r = read_points(series, left < INSERT_POINTS_MOST ? (uint32_t)left : INSERT_POINTS_MOST, ret_error);
        left -= series->batch.count;
    }
    if (r < 0)
        return r;
    if (left > 0)
        return error_set(ret_error, EBADMSG, "%s: the server has %llu datapoints more than this file",
            series->path, (unsigned long long)left);
    if (series->stored > 0) {
        struct batch last;
        meter_points(series, series->stored);
        batch_slice(&series->batch, series->batch.count - 1, 1, &last);
        ours = remote_checksum(0, &last);
        int got = add_stored(series, series->stored - 1, series->stored, &theirs, &bytes, ret_error);
        if (got < 0)
            return got;
    }
    return ours == theirs ? r
                          : error_set(ret_error, EBADMSG,
                                "%s: datapoint %llu is another one than the last that the server has for "
                                "%s/%s/%s: it cannot be gone on with",
                                series->path, (unsigned long long)series->stored, series->job->user,
                                series->job->device, series->job->stream);
}

static int insert_all(struct series *series, struct error *ret_error)
{
    uint32_t count = INSERT_POINTS_FIRST;
    int r = skip_stored(series, ret_error);
    for (bool more = r == 1; r >= 0 && more; more = r == 1) {
        size_t bytes = 0;
        int done = meter_check_cancelled(&series->import->meter, ret_error);
        r = done < 0 ? done : read_points(series, count, ret_error);
        if (r < 0 || series->batch.count == 0)
            break;
        done = insert(series, &series->batch, &bytes, ret_error);
        if (done < 0)
            return done;
        count = next_count(series->insert_bytes, series->batch.count, bytes);
    }
    return r < 0 ? r : 0;
}

static int import_series(struct series *series, const char *name, struct error *ret_error)
{
    static const struct json_points_options OPTIONS = {.import = true};
    uint64_t length = 0;
    const struct job *job = series->job;
    int r = layout_path(
        series->path, series->import->directory, job->user, job->device, job->stream, name, ret_error);
    if (r < 0)
        return r;
    series->file = open(series->path, O_RDONLY | O_CLOEXEC);
    if (series->file < 0)
        return error_set(ret_error, errno, "%s: %s", series->path, strerrordesc_np(errno));
    if (json_points_open(&OPTIONS, read_file, series, &series->reader) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory");
    batch_init(&series->batch);
    if (r == 0)
        r = get_length(series, &series->stored, ret_error);
    if (r == 0)
        r = insert_all(series, ret_error);
    if (r == 0)
        r = get_length(series, &length, ret_error);
    if (r == 0 && length != series->stored)
        r = error_set(ret_error, EBADMSG, "%s: the server has %llu datapoints of it instead of %llu",
            series->path, (unsigned long long)length, (unsigned long long)series->stored);
    if (r == 0 && !series->import->options->skip_verify)
        r = verify(series, ret_error);
    json_points_close(series->reader);
    batch_free(&series->batch);
    (void)close(series->file);
    return r;
}

static int run_job(void *context, unsigned worker, void *argument, struct error *ret_error)
{
    struct importer *import = context;
    const struct job *job = argument;
    struct remote_http *http = &import->connections[worker];
    struct series data = {.import = import, .http = http, .job = job, .insert_bytes = INSERT_BYTES};
    struct series downlink = data;
    int r = http->curl ? 0 : remote_http_open(import->options, http, ret_error);
    http->apikey = job->apikey;
    downlink.downlink = true;
    meter_set_current(&import->meter, job->user, job->device, job->stream);
    if (r == 0)
        r = import_series(&data, LAYOUT_DATA, ret_error);
    http->apikey = job->user_apikey;
    if (r == 0 && job->downlink)
        r = import_series(&downlink, LAYOUT_DOWNLINK, ret_error);
    if (r == 0)
        meter_add_stream(&import->meter);
    http->apikey = NULL;
    return r;
}

/* ---- users, devices, streams ---- */

/* Gets the object of the path. 1; 0: there is none, or none that the account may see. */
static int find(struct importer *import, const char *path, json_t **ret_json, struct error *ret_error)
{
    struct error error = {0};
    int r = remote_get_json(&import->http, path, ret_json, &error);
    if (r == 0)
        return 1;
    return r == -ENOENT ? 0 : error_set(ret_error, -r, "%s", error.message);
}

/* Sends the object with that method. body: its reference is taken; NULL = no memory. */
static int send_object(
    struct importer *import, const char *method, const char *path, json_t *body, struct error *ret_error)
{
    long status = 0;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!text)
        return error_set(ret_error, ENOMEM, "out of memory");
    const struct remote_request request = {
        .method = method, .path = path, .body = text, .body_bytes = strlen(text)};
    int r;
    unsigned attempt = 1;
    do {
        r = remote_send(&import->http, &request, &status, ret_error);
        if (r == 0 && status != 200)
            r = remote_refused(&import->http, method, status, ret_error);
    } while ((r == -EBUSY || r == -ECONNREFUSED) && remote_wait(&import->http, attempt++));
    free(text);
    return r;
}

/* 1: the import is resumed, and there is such an object. */
static int find_resumed(struct importer *import, const char *path, struct error *ret_error)
{
    json_t *found = NULL;
    int r = import->options->transfer.resume ? find(import, path, &found, ret_error) : 0;
    json_decref(found);
    return r;
}

/* Makes the object, unless a resumed import finds it. */
static int make(struct importer *import, const struct object_kind *kind, const void *object, const char *path,
    const char *password, struct error *ret_error)
{
    int r = find_resumed(import, path, ret_error);
    if (r != 0)
        return r < 0 ? r : 0;
    json_t *body = remote_object_body(kind, object, NULL);
    if (body && password && json_object_set_new(body, "password", json_string(password)) < 0) {
        json_decref(body);
        body = NULL;
    }
    r = send_object(import, "POST", path, body, ret_error);
    if (r == -EEXIST && find_resumed(import, path, NULL) > 0)
        return 0; /* a last request of the interrupted import made it meanwhile */
    if (r != -EEXIST || kind != &DEVICE_KIND)
        return r;
    body = remote_object_body(kind, object, NULL); /* its key is another device's: it gets a new one */
    if (body)
        (void)json_object_del(body, "apikey");
    return send_object(import, "POST", path, body, ret_error);
}

/* Of a device that the server made: sets what differs, as far as the account may; the role or all but the
 * role. The role comes last: with that of the folder the device may not write downlinks any more. */
static int adapt(struct importer *import, const struct device *device, const char *path, bool role,
    struct error *ret_error)
{
    struct device old = {0};
    json_t *json = NULL;
    const char *key;
    json_t *value;
    int r = remote_get_json(&import->http, path, &json, ret_error);
    if (r == 0)
        r = remote_object_read(&DEVICE_KIND, json, &old, import->http.url, ret_error);
    json_decref(json);
    json_t *changes = r == 0 ? remote_object_body(&DEVICE_KIND, device, &old) : NULL;
    json_object_foreach(changes, key, value)
    {
        if (r == 0 && role == (strcmp(key, "role") == 0) &&
            !(strcmp(key, "apikey") == 0 && json_string_length(value) == 0)) {
            r = send_object(import, "PUT", path, json_pack("{s:O}", key, value), ret_error);
            if (r == -EPROTO || r == -EEXIST)
                r = 0; /* a field that it may not write, a key that is taken */
        }
    }
    json_decref(changes);
    fields_free(&DEVICE_KIND, &old);
    return r;
}

static int get_apikey(
    struct importer *import, const char *path, char apikey[APIKEY_BYTES_MAX + 1], struct error *ret_error)
{
    json_t *json = NULL;
    int r = remote_get_json(&import->http, path, &json, ret_error);
    if (r < 0)
        return r;
    const char *text = json_string_value(json_object_get(json, "apikey"));
    if (!text || !*text || strlen(text) > APIKEY_BYTES_MAX)
        r = error_set(ret_error, EACCES,
            "%s: the account may not read the API key of the device, without which no data can be inserted: "
            "use an administrator's account",
            import->http.url);
    else
        (void)snprintf(apikey, APIKEY_BYTES_MAX + 1, "%s", text);
    json_decref(json);
    return r;
}

static int import_stream(struct importer *import, const char *user, const char *device,
    const struct job *keys, const struct tree_stream *tree, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    struct job job = *keys;
    int r = remote_path(path, user, device, tree->stream.name, "", ret_error);
    if (r == 0)
        r = make(import, &STREAM_KIND, &tree->stream, path, NULL, ret_error);
    if (r < 0)
        return r;
    (void)snprintf(job.user, sizeof(job.user), "%s", user);
    (void)snprintf(job.device, sizeof(job.device), "%s", device);
    (void)snprintf(job.stream, sizeof(job.stream), "%s", tree->stream.name);
    job.downlink = tree->stream.downlink && tree->downlink.bytes > 0;
    import->counts.streams++;
    return pool_submit(import->pool, &job);
}

static int import_device(
    struct importer *import, const char *user, const struct tree_device *tree, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    struct job keys = {0};
    const char *name = tree->device.name;
    if (strcmp(name, "meta") == 0) {
        import->streams_skipped += tree->stream_count;
        return 0;
    }
    int r = remote_path(path, user, name, NULL, "", ret_error);
    if (r == 0)
        r = strcmp(name, "user") == 0 ? adapt(import, &tree->device, path, false, ret_error)
                                      : make(import, &DEVICE_KIND, &tree->device, path, NULL, ret_error);
    if (r == 0 && tree->stream_count > 0)
        r = get_apikey(import, path, keys.apikey, ret_error);
    if (r == 0 && tree->stream_count > 0)
        r = remote_path(path, user, "user", NULL, "", ret_error);
    if (r == 0 && tree->stream_count > 0)
        r = get_apikey(import, path, keys.user_apikey, ret_error);
    for (size_t i = 0; r == 0 && i < tree->stream_count; i++)
        r = import_stream(import, user, name, &keys, &tree->streams[i], ret_error);
    import->counts.devices += r == 0;
    return r;
}

static int import_user(struct importer *import, const char *name, unsigned version, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    struct tree_user tree;
    int r = tree_read_user(import->directory, name, version, false, &import->filters, &tree, ret_error);
    if (r < 0)
        return r;
    r = remote_path(path, name, NULL, NULL, "", ret_error);
    if (r == 0)
        r = make(import, &USER_KIND, &tree.user, path, name, ret_error);
    /* The device `user` first: it may get another key, which downlinks of the others need. */
    for (int others = 0; others < 2; others++) {
        for (size_t i = 0; r == 0 && i < tree.device_count; i++) {
            if ((strcmp(tree.devices[i].device.name, "user") != 0) == others)
                r = import_device(import, name, &tree.devices[i], ret_error);
        }
    }
    import->counts.users += r == 0;
    tree_user_free(&tree);
    return r;
}

/* The role of the user's device, after all data was inserted. */
static int set_role(struct importer *import, const char *name, unsigned version, struct error *ret_error)
{
    char path[REMOTE_URL_BYTES_MAX];
    struct tree_user tree;
    int r = tree_read_user(import->directory, name, version, false, &import->filters, &tree, ret_error);
    if (r < 0)
        return r;
    r = remote_path(path, name, "user", NULL, "", ret_error);
    for (size_t i = 0; r == 0 && i < tree.device_count; i++) {
        if (strcmp(tree.devices[i].device.name, "user") == 0)
            r = adapt(import, &tree.devices[i].device, path, true, ret_error);
    }
    tree_user_free(&tree);
    return r;
}

/* ---- the folder ---- */

struct names {
    char **names;
    size_t count;
};

/* Before anything is made: no user is there, all descriptions can be read; counts what there is. */
static int look_ahead(
    struct importer *import, const struct names *names, unsigned version, struct error *ret_error)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < names->count; i++) {
        char path[REMOTE_URL_BYTES_MAX];
        struct tree_user tree;
        json_t *found = NULL;
        r = remote_path(path, names->names[i], NULL, NULL, "", ret_error);
        if (r == 0 && !import->options->transfer.resume)
            r = find(import, path, &found, ret_error);
        json_decref(found);
        if (r > 0)
            return error_set(ret_error, EEXIST,
                "%s: there is such a user already; --resume goes on with an import that was interrupted",
                import->http.url);
        if (r == 0)
            r = tree_read_user(
                import->directory, names->names[i], version, false, &import->filters, &tree, ret_error);
        if (r < 0)
            return r;
        for (size_t d = 0; d < tree.device_count; d++) {
            for (size_t s = 0; s < tree.devices[d].stream_count; s++) {
                import->meter.streams_total++;
                import->meter.bytes_total += tree.devices[d].streams[s].data.bytes;
            }
        }
        tree_user_free(&tree);
    }
    return r;
}

static int run_import(struct importer *import, struct names *names, struct error *ret_error)
{
    const struct pool_work work = {.job_bytes = sizeof(struct job), .run = run_job, .context = import};
    char path[PATH_MAX], who[PATH_BYTES_MAX + 1];
    unsigned version;
    struct error error = {0};
    int r = layout_path(path, import->directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r == 0)
        r = description_read_folder(path, &version, ret_error);
    if (r == 0)
        r = tree_user_names(import->directory, &import->filters, &names->names, &names->count, ret_error);
    if (r == 0)
        r = remote_who(&import->http, who, ret_error);
    if (r == 0)
        r = look_ahead(import, names, version, ret_error);
    if (r == 0)
        r = filters_check_used(&import->filters, import->directory, ret_error);
    if (r == 0)
        r = pool_start(&work, import->options->transfer.threads, &import->pool, ret_error);
    if (r < 0)
        return r;
    r = meter_start(&import->meter, &error);
    for (size_t i = 0; r == 0 && i < names->count; i++)
        r = import_user(import, names->names[i], version, &error);
    int finished = pool_finish(import->pool, r < 0, ret_error);
    if (finished < 0 && finished != -ECANCELED)
        return finished; /* the reason why the jobs were not taken any more */
    if (r < 0)
        return error_set(ret_error, error.code ? error.code : -r, "%s", error.message);
    for (size_t i = 0; finished == 0 && i < names->count; i++)
        finished = set_role(import, names->names[i], version, ret_error);
    return finished;
}

int remote_import(const char *directory, const struct remote_options *options,
    struct remote_result *ret_result, struct error *ret_error)
{
    struct names names = {0};
    struct importer *import = calloc(1, sizeof(*import));
    if (!import)
        return error_set(ret_error, ENOMEM, "out of memory");
    import->directory = directory;
    import->options = options;
    meter_init(&import->meter, &options->transfer);
    int r =
        filters_init(&import->filters, options->transfer.filters, options->transfer.filter_count, ret_error);
    if (r == 0)
        r = remote_http_open(options, &import->http, ret_error);
    if (r == 0)
        r = run_import(import, &names, ret_error);
    meter_stop(&import->meter);
    *ret_result = (struct remote_result){.transfer = import->counts,
        .streams_skipped = import->streams_skipped,
        .senders_lost = atomic_load(&import->senders_lost)};
    ret_result->transfer.points = atomic_load(&import->meter.points);
    ret_result->transfer.bytes = atomic_load(&import->meter.bytes);
    ret_result->transfer.seconds = meter_seconds(&import->meter);
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        remote_http_close(&import->connections[i]);
    remote_http_close(&import->http);
    tree_names_free(names.names, names.count);
    filters_free(&import->filters);
    free(import);
    return r;
}
