#include "export.h"

#include "claims.h"
#include "description.h"
#include "filter.h"
#include "layout.h"
#include "load.h"
#include "meter.h"
#include "pool.h"
#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGING_NAME_BYTES = NAME_BYTES_MAX + 3 }; /* "u-" and the user's name */

struct import {
    struct database *database;
    const struct transfer_options *options;
    char directory[PATH_MAX]; /* absolute: it is part of what tells sources apart */
    unsigned version;
    struct filters filters;
    struct meter meter;
    char **names; /* of the users to import, sorted */
    size_t name_count;
    struct claims emails, keys;
    struct transfer_result counts;
};

/* ---- before anything is written ---- */

static void staging_name(const char *user, char to[STAGING_NAME_BYTES])
{
    (void)snprintf(to, STAGING_NAME_BYTES, "u-%s", user);
}

static int discard_staging(const struct import *import, const char *user, struct error *ret_error)
{
    char staging[STAGING_NAME_BYTES];
    staging_name(user, staging);
    return store_bulk_discard(import->database->store, staging, ret_error);
}

/* Refuses users that are there; with --resume they are what an earlier import finished, and dropped from the
 * list. It may have been killed before it could remove what it had staged of the last one. */
static int check_names(struct import *import, struct error *ret_error)
{
    size_t kept = 0;
    int r = 0;
    for (size_t i = 0; i < import->name_count; i++) {
        char *name = import->names[i];
        struct user user;
        int found = r < 0 ? r : catalog_user_by_name(import->database->catalog, name, &user, ret_error);
        if (found == 0)
            user_free(&user);
        if (found == 0 && import->options->resume) {
            import->counts.users_skipped++;
            filters_skip_user(&import->filters, name);
            r = discard_staging(import, name, ret_error);
            free(name);
            continue;
        }
        if (found == 0)
            r = error_set(ret_error, EEXIST, "user %s exists already: nothing was imported", name);
        else if (found != -ENOENT)
            r = found;
        import->names[kept++] = name;
    }
    import->name_count = kept;
    return r;
}

static uint64_t count_files(const struct tree_user *user)
{
    uint64_t count = 0;
    for (size_t i = 0; i < user->device_count; i++) {
        const struct tree_device *device = &user->devices[i];
        for (size_t k = 0; k < device->stream_count; k++)
            count += device->streams[k].stream.downlink ? 2 : 1;
    }
    return count;
}

static int reserve_series(struct import *import, uint64_t count, uint64_t *ret_first, struct error *ret_error)
{
    return count > 0 ? catalog_reserve_series(import->database->catalog, count, ret_first, ret_error) : 0;
}

/* Writes the user with all below it into the catalog: for good, or (commit false) only to learn whether it
 * can be. */
static int write_rows(
    struct import *import, const struct tree_user *user, bool commit, struct error *ret_error)
{
    struct catalog_import *rows;
    char path[PATH_MAX];
    int r = layout_path(path, import->directory, user->user.name, NULL, NULL, LAYOUT_USER, ret_error);
    if (r < 0)
        return r;
    r = catalog_import_begin(import->database->catalog, &user->user, &rows, ret_error);
    if (r < 0)
        return error_prefix(ret_error, "%s", path);
    for (size_t i = 0; i < user->device_count && r == 0; i++) {
        const struct tree_device *device = &user->devices[i];
        r = catalog_import_device(rows, &device->device, ret_error);
        if (r < 0)
            (void)error_prefix(ret_error, "%s/%s/%s/%s", import->directory, user->user.name,
                device->device.name, LAYOUT_DEVICE);
        for (size_t k = 0; k < device->stream_count && r == 0; k++) {
            const struct stream *stream = &device->streams[k].stream;
            r = catalog_import_stream(rows, stream, ret_error);
            if (r < 0)
                (void)error_prefix(ret_error, "%s/%s/%s/%s/%s", import->directory, user->user.name,
                    device->device.name, stream->name, LAYOUT_STREAM);
        }
    }
    if (r == 0 && commit)
        return catalog_import_commit(rows, ret_error);
    catalog_import_rollback(rows);
    return r;
}

/* Gives every series of the user an id of its own, in the order of the folder. */
static int number_series(struct import *import, struct tree_user *user, struct error *ret_error)
{
    uint64_t next = 0;
    int r = reserve_series(import, count_files(user), &next, ret_error);
    for (size_t i = 0; i < user->device_count && r == 0; i++) {
        struct tree_device *device = &user->devices[i];
        for (size_t k = 0; k < device->stream_count; k++) {
            struct stream *stream = &device->streams[k].stream;
            stream->series_id = next++;
            stream->downlink_series_id = stream->downlink ? next++ : 0;
        }
    }
    return r;
}

/* Values that must be unique in the whole folder; the catalog compares them with the database. */
static int claim_user(struct import *import, const struct tree_user *user, struct error *ret_error)
{
    char path[PATH_MAX];
    const char *name = user->user.name;
    int r = layout_path(path, import->directory, name, NULL, NULL, LAYOUT_USER, ret_error);
    if (r == 0)
        r = claims_add(&import->emails, user->user.email, path, ret_error);
    for (size_t i = 0; i < user->device_count && r == 0; i++) {
        const struct device *device = &user->devices[i].device;
        r = layout_path(path, import->directory, name, device->name, NULL, LAYOUT_DEVICE, ret_error);
        if (r == 0)
            r = claims_add(&import->keys, device->apikey, path, ret_error);
    }
    return r;
}

static void count_totals(struct import *import, const struct tree_user *user)
{
    for (size_t i = 0; i < user->device_count; i++) {
        const struct tree_device *device = &user->devices[i];
        import->meter.streams_total += device->stream_count;
        for (size_t k = 0; k < device->stream_count; k++)
            import->meter.bytes_total += device->streams[k].data.bytes + device->streams[k].downlink.bytes;
    }
}

/* Reads the user's descriptions. A version 1 folder has no password: it becomes the user's name. */
static int read_user(
    struct import *import, const char *name, struct tree_user *ret_user, struct error *ret_error)
{
    struct tree_user user;
    int r = tree_read_user(import->directory, name, import->version, import->options->skip_meta,
        &import->filters, &user, ret_error);
    if (r < 0)
        return r;
    if (!*user.user.password)
        r = user_set_password(&user.user, name, ret_error);
    if (r < 0)
        tree_user_free(&user);
    else
        *ret_user = user;
    return r;
}

/* Looks at all descriptions of all users, so that what can be refused is refused before years of data were
 * read. */
static int check_users(struct import *import, struct error *ret_error)
{
    int r = check_names(import, ret_error);
    for (size_t i = 0; i < import->name_count && r == 0; i++) {
        struct tree_user user;
        r = meter_check_cancelled(&import->meter, ret_error);
        if (r == 0)
            r = read_user(import, import->names[i], &user, ret_error);
        if (r < 0)
            break;
        r = claim_user(import, &user, ret_error);
        if (r == 0)
            r = number_series(import, &user, ret_error);
        if (r == 0)
            r = write_rows(import, &user, false, ret_error);
        count_totals(import, &user);
        tree_user_free(&user);
    }
    if (r == 0)
        r = claims_check(&import->emails, "email", ret_error);
    if (r == 0)
        r = claims_check(&import->keys, "apikey", ret_error);
    claims_free(&import->emails);
    claims_free(&import->keys);
    return r == 0 ? filters_check_used(&import->filters, import->directory, ret_error) : r;
}

/* ---- data ---- */

/* One data file and the series it becomes. */
struct job {
    const char *user, *device, *stream, *file_name;
    const struct tree_file *file;
    uint64_t *series_id;
};

struct jobs {
    struct import *import;
    struct job *jobs;
    size_t count;
    struct loader loaders[POOL_THREADS_MAX];
};

static int compare_jobs(const void *a, const void *b)
{
    const struct job *first = a, *second = b;
    if (first->file->bytes != second->file->bytes)
        return first->file->bytes > second->file->bytes ? -1 : 1;
    return 0;
}

/* Big files first, so that the threads end together. Ids ascend in the order of work, as the store's writers
 * want them. */
static int list_jobs(
    struct import *import, struct tree_user *user, struct jobs *jobs, struct error *ret_error)
{
    uint64_t next;
    jobs->jobs = calloc(count_files(user) + 1, sizeof(*jobs->jobs));
    if (!jobs->jobs)
        return error_set(ret_error, ENOMEM, "out of memory");
    for (size_t i = 0; i < user->device_count; i++) {
        struct tree_device *device = &user->devices[i];
        for (size_t k = 0; k < device->stream_count; k++) {
            struct tree_stream *stream = &device->streams[k];
            const struct job job = {user->user.name, device->device.name, stream->stream.name, LAYOUT_DATA,
                &stream->data, &stream->stream.series_id};
            jobs->jobs[jobs->count++] = job;
            if (!stream->stream.downlink)
                continue;
            jobs->jobs[jobs->count] = job;
            jobs->jobs[jobs->count].file_name = LAYOUT_DOWNLINK;
            jobs->jobs[jobs->count].file = &stream->downlink;
            jobs->jobs[jobs->count++].series_id = &stream->stream.downlink_series_id;
        }
    }
    qsort(jobs->jobs, jobs->count, sizeof(*jobs->jobs), compare_jobs);
    int r = reserve_series(import, jobs->count, &next, ret_error);
    for (size_t i = 0; i < jobs->count && r == 0; i++)
        *jobs->jobs[i].series_id = next++;
    return r;
}

static int job_path(
    const struct jobs *jobs, const struct job *job, char path[PATH_MAX], struct error *ret_error)
{
    return layout_path(
        path, jobs->import->directory, job->user, job->device, job->stream, job->file_name, ret_error);
}

static void count_job(const struct jobs *jobs, const struct job *job)
{
    if (job->file_name == LAYOUT_DATA) /* a stream's other file does not make it two */
        meter_add_stream(&jobs->import->meter);
}

static int run_job(void *context, unsigned worker, void *argument, struct error *ret_error)
{
    struct jobs *jobs = context;
    const struct job *job = argument;
    char path[PATH_MAX];
    int r = job_path(jobs, job, path, ret_error);
    if (r < 0)
        return r;
    meter_set_current(&jobs->import->meter, job->user, job->device, job->stream);
    r = load_file(&jobs->loaders[worker], path, job->file, *job->series_id, ret_error);
    if (r == 0)
        count_job(jobs, job);
    return r;
}

static int finish_worker(void *context, unsigned worker, struct error *ret_error)
{
    struct jobs *jobs = context;
    return loader_finish(&jobs->loaders[worker], ret_error);
}

/* Whether an earlier, killed import staged the file completely; then it is not read again. */
static int find_staged(
    struct jobs *jobs, struct store_bulk *bulk, const struct job *job, struct error *ret_error)
{
    char path[PATH_MAX];
    uint64_t points;
    int r = job_path(jobs, job, path, ret_error);
    if (r < 0)
        return r;
    if (!store_bulk_find(bulk, load_tag(path, job->file), job->series_id, &points))
        return 0;
    meter_add(&jobs->import->meter, points, job->file->bytes);
    count_job(jobs, job);
    return 1;
}

static int submit_jobs(struct jobs *jobs, struct store_bulk *bulk, struct pool *pool, struct error *ret_error)
{
    int r = 0;
    for (size_t i = 0; i < jobs->count && r >= 0; i++) {
        struct job *job = &jobs->jobs[i];
        r = meter_check_cancelled(&jobs->import->meter, ret_error);
        if (r == 0)
            r = find_staged(jobs, bulk, job, ret_error);
        if (r == 0)
            r = pool_submit(pool, job);
    }
    return r < 0 ? r : 0;
}

static int stage_data(struct jobs *jobs, struct store_bulk *bulk, struct error *ret_error)
{
    struct import *import = jobs->import;
    const struct pool_work work = {
        .job_bytes = sizeof(struct job), .run = run_job, .finish = finish_worker, .context = jobs};
    struct pool *pool;
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        jobs->loaders[i] = (struct loader){.bulk = bulk,
            .meter = &import->meter,
            .spill_directory = store_bulk_directory(bulk),
            .sort = import->options->sort};
    int r = pool_start(&work, import->options->threads, &pool, ret_error);
    if (r < 0)
        return r;
    struct error pool_error;
    r = submit_jobs(jobs, bulk, pool, ret_error);
    int finished = pool_finish(pool, r < 0, &pool_error);
    if (finished < 0 && (r == 0 || r == -ECANCELED)) /* a worker failed; the queue only noticed */
        r = error_set(ret_error, pool_error.code, "%s", pool_error.message);
    for (unsigned i = 0; i < POOL_THREADS_MAX; i++)
        loader_free(&jobs->loaders[i]);
    return r;
}

/* ---- one user ---- */

static int open_staging(
    struct import *import, const char *name, struct store_bulk **ret_bulk, struct error *ret_error)
{
    char staging[STAGING_NAME_BYTES];
    int r = import->options->restart ? discard_staging(import, name, ret_error) : 0;
    if (r < 0)
        return r;
    staging_name(name, staging);
    r = store_bulk_open(import->database->store, staging, import->options->resume, ret_bulk, ret_error);
    if (r == -EEXIST)
        return error_set(ret_error, EEXIST,
            "an earlier import of user %s was interrupted: add --resume to go on with it, or --restart to "
            "throw "
            "away what it had read",
            name);
    return r;
}

/* Segments first: nobody can name them yet. Then the rows, the moment when the user is there. */
static int publish(struct import *import, const struct tree_user *user, const struct jobs *jobs,
    struct store_bulk *bulk, struct error *ret_error)
{
    int r = bulk ? store_bulk_publish(bulk, ret_error) : 0;
    if (r < 0)
        return r;
    r = write_rows(import, user, true, ret_error);
    if (r == 0)
        return 0;
    for (size_t i = 0; i < jobs->count; i++) {
        /* Series that cannot be deleted here are deleted when the database is opened next. */
        (void)store_delete_series(import->database->store, jobs->jobs[i].series_id, 1, NULL);
    }
    return r;
}

/* What a failed import leaves: a cancelled one can be resumed, and so can one that was asked to be resumable;
 * bad data is read anew after it was mended. */
static bool keep_staging(const struct import *import, int r)
{
    return r == -ECANCELED || import->options->resume;
}

static int import_user(struct import *import, const char *name, struct error *ret_error)
{
    struct tree_user user;
    struct jobs jobs = {.import = import};
    struct store_bulk *bulk = NULL;
    int r = read_user(import, name, &user, ret_error);
    if (r < 0)
        return r;
    r = list_jobs(import, &user, &jobs, ret_error);
    if (r == 0 && jobs.count > 0)
        r = open_staging(import, name, &bulk, ret_error);
    if (r == 0 && bulk)
        r = stage_data(&jobs, bulk, ret_error);
    if (r == 0)
        r = publish(import, &user, &jobs, bulk, ret_error);
    store_bulk_close(bulk, r < 0 && keep_staging(import, r));
    if (r == 0) {
        import->counts.users++;
        import->counts.devices += user.device_count;
        for (size_t i = 0; i < user.device_count; i++)
            import->counts.streams += user.devices[i].stream_count;
    }
    free(jobs.jobs);
    tree_user_free(&user);
    return r;
}

/* ---- the whole ---- */

static int prepare(struct import *import, const char *directory, struct error *ret_error)
{
    char path[PATH_MAX];
    if (!realpath(directory, import->directory))
        return error_set(ret_error, errno, "%s: %s", directory, strerrordesc_np(errno));
    int r = layout_path(path, import->directory, NULL, NULL, NULL, LAYOUT_FOLDER, ret_error);
    if (r == 0)
        r = description_read_folder(path, &import->version, ret_error);
    if (r == 0)
        r = filters_init(
            &import->filters, import->options->filters, import->options->filter_count, ret_error);
    if (r == 0)
        r = tree_user_names(
            import->directory, &import->filters, &import->names, &import->name_count, ret_error);
    return r == 0 ? check_users(import, ret_error) : r;
}

/* Says what a failed import leaves. */
static int explain(const struct import *import, int r, struct error *ret_error)
{
    char message[ERROR_MESSAGE_BYTES];
    if (!ret_error)
        return r;
    if (r == -ECANCELED)
        (void)error_set(ret_error, ECANCELED,
            "cancelled: import again with --resume to go on, or with --restart to begin anew");
    if (import->counts.users == 0)
        return r;
    memcpy(message, ret_error->message, sizeof(message));
    return error_set(ret_error, -r, "%s (%llu of %zu users are imported completely)", message,
        (unsigned long long)import->counts.users, import->name_count);
}

int import_database(struct database *database, const char *directory, const struct transfer_options *options,
    struct transfer_result *ret_result, struct error *ret_error)
{
    struct import *import = calloc(1, sizeof(*import));
    if (!import)
        return error_set(ret_error, ENOMEM, "out of memory");
    import->database = database;
    import->options = options;
    meter_init(&import->meter, options);
    int r = prepare(import, directory, ret_error);
    if (r == 0)
        r = meter_start(&import->meter, ret_error);
    for (size_t i = 0; i < import->name_count && r == 0; i++)
        r = import_user(import, import->names[i], ret_error);
    meter_stop(&import->meter);
    if (r == 0) {
        import->counts.points = atomic_load(&import->meter.points);
        import->counts.bytes = atomic_load(&import->meter.bytes);
        import->counts.seconds = meter_seconds(&import->meter);
        *ret_result = import->counts;
    } else {
        r = explain(import, r, ret_error);
    }
    tree_names_free(import->names, import->name_count);
    filters_free(&import->filters);
    free(import);
    return r;
}
