/* The store's life: create, open, close, statistics, reconciliation. */
#include "store_internal.h"

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool store_file_id(const char *name, const char *prefix, uint64_t *ret_id)
{
    size_t length = strlen(prefix);
    char *end;
    if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9')
        return false;
    errno = 0;
    *ret_id = strtoull(name + length, &end, 10);
    return errno == 0 && *end == 0;
}

/* A store is never overwritten, however damaged its manifest is. */
static int refuse_existing(const char *directory, struct error *ret_error)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, directory);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(ret_error, ENAMETOOLONG, "%s: path too long", directory);
    if (access(path, F_OK) == 0)
        return error_set(ret_error, EEXIST, "%s: there is a store already", path);
    return 0;
}

int store_create(const char *directory, struct io *io, struct error *ret_error)
{
    int refused = refuse_existing(directory, ret_error);
    if (refused < 0)
        return refused;
    struct io *own = NULL;
    if (!io) {
        int r = io_open_default(&own, ret_error);
        if (r < 0)
            return r;
        io = own;
    }
    struct manifest manifest = {.version = 1, .next_file_id = 1};
    int r = manifest_write(io, directory, &manifest, ret_error);
    io_close(own);
    return r;
}

static int take_options(struct store *store, const struct store_options *options, struct error *ret_error)
{
    struct store_options *own = &store->options;
    if (options)
        *own = *options;
    if (own->fsync_interval_ms == 0)
        own->fsync_interval_ms = 1000;
    if (own->journal_bytes == 0)
        own->journal_bytes = JOURNAL_BYTES_DEFAULT;
    if (own->journals_max == 0)
        own->journals_max = JOURNALS_MAX_DEFAULT;
    if (own->wait_ms_max == 0)
        own->wait_ms_max = WAIT_MS_DEFAULT;
    if (own->flight_bytes_max == 0)
        own->flight_bytes_max = FLIGHT_BYTES_DEFAULT;
    if (own->journal_bytes < JOURNAL_BYTES_MIN || own->journal_bytes > JOURNAL_BYTES_MAX ||
        own->journal_bytes % JOURNAL_HEADER_BYTES != 0)
        return error_set(ret_error, EINVAL, "journal_bytes is %llu; it must be a multiple of %d from %d to %d",
            (unsigned long long)own->journal_bytes, JOURNAL_HEADER_BYTES, JOURNAL_BYTES_MIN, JOURNAL_BYTES_MAX);
    if (own->journals_max < 2)
        return error_set(ret_error, EINVAL, "journals_max is %u; it must be at least 2", own->journals_max);
    if (own->no_threads && own->fsync == STORE_FSYNC_INTERVAL)
        return error_set(ret_error, EINVAL, "a store without threads cannot sync at intervals");
    store->io = own->io;
    if (!store->io) {
        store->io_owned = true;
        return io_open_default(&store->io, ret_error);
    }
    return 0;
}

static void init_locks(struct store *store)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&store->listener_lock, NULL);
    (void)pthread_mutex_init(&store->scratch.lock, NULL);
    (void)pthread_mutex_init(&store->background.lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->background.wake, &attributes);
    (void)pthread_cond_init(&store->background.done, &attributes);
    (void)pthread_cond_init(&store->background.merge_wake, &attributes);
    (void)pthread_mutex_init(&store->merge_lock, NULL);
    (void)pthread_condattr_destroy(&attributes);
}

static void store_free(struct store *store)
{
    commit_free(store);
    files_close(store->files);
    scratch_pool_free(&store->scratch);
    (void)pthread_cond_destroy(&store->background.wake);
    (void)pthread_cond_destroy(&store->background.done);
    (void)pthread_cond_destroy(&store->background.merge_wake);
    (void)pthread_mutex_destroy(&store->merge_lock);
    (void)pthread_mutex_destroy(&store->background.lock);
    (void)pthread_mutex_destroy(&store->listener_lock);
    if (store->io_owned)
        io_close(store->io);
    free(store->directory);
    free(store);
}

int store_open(const char *directory, const struct store_options *options, struct store **ret_store,
    struct error *ret_error)
{
    int r = map_install_handler(ret_error);
    if (r < 0)
        return r;
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return error_set(ret_error, ENOMEM, "out of memory");
    init_locks(store);
    r = take_options(store, options, ret_error);
    if (r == 0) {
        store->directory = strdup(directory);
        if (!store->directory)
            r = error_set(ret_error, ENOMEM, "out of memory");
    }
    int committing = commit_init(store, ret_error);
    if (r == 0)
        r = committing;
    if (r == 0)
        r = recover(store, ret_error);
    if (r == 0)
        r = background_start(store, ret_error);
    if (r < 0) {
        background_stop(store);
        store_free(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

/* Makes every journal durable to its end and says so in the manifest. */
static int record_clean_ends(struct store *store, struct error *ret_error)
{
    struct version *version = files_version(store->files);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < version->journal_count; i++)
        r = journal_sync(version->journals[i], store->io, files_published_end(store->files, version->journals[i]), ret_error);
    if (r == 0)
        r = files_apply(store->files, &(struct files_edit){
            .ended_journals = version->journals,
            .ended_journal_count = version->journal_count,
        }, NULL, ret_error);
    version_release(version);
    return r;
}

int store_close(struct store *store, struct error *ret_error)
{
    if (!store)
        return 0;
    background_stop(store);
    int r = 0;
    if (store->commit.dead)
        r = error_set(ret_error, EIO, "%s", store->commit.dead_error.message);
    else
        r = record_clean_ends(store, ret_error);
    store_free(store);
    return r;
}

const struct store_recovery *store_recovery(const struct store *store)
{
    return &store->recovery;
}

const char *store_io_name(const struct store *store)
{
    return io_name(store->io);
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    struct store_stats stats = {0};
    (void)pthread_mutex_lock(&store->commit.lock);
    stats.appended_points = store->commit.appended_points;
    stats.appended_batches = store->commit.appended_batches;
    stats.commits = store->commit.commits;
    stats.inserts_waited = store->commit.waited;
    stats.journal_bytes_written = store->commit.written_bytes;
    stats.journal_dead = store->commit.dead;
    (void)pthread_mutex_unlock(&store->commit.lock);
    struct version *version = files_version(store->files);
    stats.journal_count = version->journal_count;
    for (uint32_t i = 0; i < version->journal_count; i++)
        stats.journal_bytes_used += files_published_end(store->files, version->journals[i]) - JOURNAL_HEADER_BYTES;
    stats.segment_count = version->segment_count;
    for (uint32_t i = 0; i < version->segment_count; i++) {
        stats.segment_bytes += segment_file_size(version->segments[i]->segment);
        stats.segment_points += segment_point_count(version->segments[i]->segment);
    }
    version_release(version);
    stats.deleted_series = files_delete_sequence(store->files);
    (void)pthread_mutex_lock(&store->background.lock);
    stats.sealed_journals = store->background.sealed_journals;
    const struct error *errors[] = {&store->background.seal_error, &store->background.prepare_error, &store->background.merge_error,
        &store->background.damage_error};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]) && stats.background_error.code == 0; i++)
        stats.background_error = *errors[i];
    stats.merged_segments = store->background.merged_segments;
    stats.sealed_bytes_written = store->background.sealed_bytes;
    stats.merged_bytes_written = store->background.merged_bytes;
    (void)pthread_mutex_unlock(&store->background.lock);
    *ret_stats = stats;
}

/* ---- reconciliation ---- */

struct unknown {
    const uint64_t *known;
    size_t known_count;
    struct id_map ids; /* series that are in the store but not known */
    struct store *store;
};

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int note_unknown(struct unknown *unknown, uint64_t series_id)
{
    if (unknown->known_count > 0 &&
        bsearch(&series_id, unknown->known, unknown->known_count, sizeof(series_id), compare_ids))
        return 0;
    if (files_is_deleted(unknown->store->files, series_id))
        return 0;
    return id_map_put(&unknown->ids, series_id, unknown);
}

static int visit_series(void *context, const struct segment_series *series)
{
    return note_unknown(context, series->series_id);
}

static int gather_unknown(struct store *store, struct unknown *unknown, struct error *ret_error)
{
    struct version *version = files_version(store->files);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < version->segment_count; i++)
        r = segment_each_series(version->segments[i]->segment, visit_series, unknown, ret_error);
    for (uint32_t i = 0; r == 0 && i < version->journal_count; i++) {
        uint64_t *ids = NULL;
        size_t count = 0;
        r = head_index_series(&version->journals[i]->index, &ids, &count);
        for (size_t n = 0; r == 0 && n < count; n++)
            r = note_unknown(unknown, ids[n]);
        free(ids);
    }
    version_release(version);
    if (r == -ENOMEM)
        (void)error_set(ret_error, ENOMEM, "out of memory for the reconciliation of series");
    return r;
}

int store_retain_series(struct store *store, const uint64_t *known, size_t count, uint64_t *ret_deleted,
    struct error *ret_error)
{
    struct unknown unknown = {.known = known, .known_count = count, .store = store};
    int r = gather_unknown(store, &unknown, ret_error);
    uint64_t *ids = NULL;
    size_t id_count = 0;
    if (r == 0 && unknown.ids.count > 0) {
        ids = malloc(unknown.ids.count * sizeof(*ids));
        if (!ids)
            r = error_set(ret_error, ENOMEM, "out of memory for the reconciliation of series");
        for (size_t i = 0; ids && i < unknown.ids.capacity; i++) {
            if (unknown.ids.entries[i].value)
                ids[id_count++] = unknown.ids.entries[i].id;
        }
    }
    if (r == 0 && id_count > 0)
        r = store_delete_series(store, ids, id_count, ret_error);
    if (r == 0 && ret_deleted)
        *ret_deleted = id_count;
    free(ids);
    id_map_free(&unknown.ids);
    return r;
}
