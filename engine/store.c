/* The store: composes its parts, and is the door to them. */
#include "store_private.h"

#include "bulk.h"
#include "map.h"
#include "recover.h"
#include "snapshot.h"
#include "store_layout.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    JOURNALS_MAX_DEFAULT = 4,
    WAIT_MS_DEFAULT = 5000,
    FLIGHT_BYTES_DEFAULT = 128 << 20,
};

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
        return error_set(ret_error, EINVAL,
            "journal_bytes is %llu; it must be a multiple of %d from %d to %d",
            (unsigned long long)own->journal_bytes, JOURNAL_HEADER_BYTES, JOURNAL_BYTES_MIN,
            JOURNAL_BYTES_MAX);
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

static void store_free(struct store *store)
{
    background_free(store->background);
    commit_free(store->commit);
    files_close(store->files);
    scratch_pool_free(store->scratch);
    if (store->io_owned)
        io_close(store->io);
    free(store);
}

static int open_parts(struct store *store, const char *directory, struct error *ret_error)
{
    struct states *states = states_new();
    struct journal *active = NULL;
    store->scratch = scratch_pool_new();
    store->background = background_new(&store->options);
    int r = states && store->scratch && store->background
                ? 0
                : error_set(ret_error, ENOMEM, "out of memory for a store");
    if (r == 0)
        r = files_open(store->io, directory, &store->files, ret_error);
    if (r == 0 && store->options.read_only) {
        r = recover_in_memory(&store->options, store->io, store->files, states, &store->recovery, ret_error);
        states_free(states);
        return r;
    }
    if (r == 0)
        r = recover(&store->options, store->io, store->files, states, &active, &store->recovery, ret_error);
    if (r < 0) {
        states_free(states);
        return r;
    }
    r = commit_new(&store->options, store->io, store->files,
        (struct wake){background_wake_sealer, store->background, background_wake_syncer}, states, active,
        &store->commit, ret_error);
    if (r == 0)
        r = background_start(
            store->background, store->io, store->files, store->commit, store->scratch, ret_error);
    return r;
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
    r = take_options(store, options, ret_error);
    if (r == 0)
        r = open_parts(store, directory, ret_error);
    if (r < 0) {
        if (store->background)
            background_stop(store->background);
        store_free(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

/* Makes every journal durable to its end and says so in the manifest. Empty ones are not named any more: a
 * database at rest needs none, and the next open can recycle the file. */
static int record_clean_ends(struct store *store, struct error *ret_error)
{
    struct version *version = files_version(store->files);
    struct files_edit edit = {
        .ended_journals = version->journals, .ended_journal_count = version->journal_count};
    struct journal **empty = malloc((version->journal_count + 1) * sizeof(*empty));
    int r = empty ? 0 : error_set(ret_error, ENOMEM, "out of memory for the list of files");
    for (uint32_t i = 0; r == 0 && i < version->journal_count; i++) {
        uint64_t end = files_published_end(store->files, version->journals[i]);
        r = journal_sync(version->journals[i], store->io, end, ret_error);
        if (end == JOURNAL_HEADER_BYTES)
            empty[edit.remove_journal_count++] = version->journals[i];
    }
    edit.remove_journals = empty;
    if (r == 0)
        r = files_apply(store->files, &edit, NULL, ret_error);
    version_release(version);
    free(empty);
    return r;
}

int store_close(struct store *store, struct error *ret_error)
{
    if (!store)
        return 0;
    if (!store->commit) {
        store_free(store);
        return 0;
    }
    background_stop(store->background);
    int r = commit_check_alive(store->commit, ret_error);
    if (r == 0)
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
    if (store->commit)
        commit_get_stats(store->commit, &stats);
    background_get_stats(store->background, &stats);
    struct version *version = files_version(store->files);
    stats.journal_count = version->journal_count;
    for (uint32_t i = 0; i < version->journal_count; i++)
        stats.journal_bytes_used +=
            files_published_end(store->files, version->journals[i]) - JOURNAL_HEADER_BYTES;
    stats.segment_count = version->segment_count;
    for (uint32_t i = 0; i < version->segment_count; i++) {
        stats.segment_bytes += segment_file_size(version->segments[i]->segment);
        stats.segment_points += segment_point_count(version->segments[i]->segment);
    }
    version_release(version);
    stats.deleted_series = files_delete_sequence(store->files);
    *ret_stats = stats;
}

static void count_journals(struct store *store, struct store_metrics *metrics)
{
    struct version *version = files_version(store->files);
    for (uint32_t i = 0; i < version->journal_count; i++) {
        uint64_t end;
        metrics->journal_bytes += version->journals[i]->file->size;
        metrics->journals_closed += commit_is_closed(store->commit, version->journals[i], &end);
    }
    version_release(version);
}

void store_get_metrics(struct store *store, struct store_metrics *ret_metrics)
{
    struct store_metrics metrics = {.journals_max = store->options.journals_max};
    store_get_stats(store, &metrics.stats);
    background_get_metrics(store->background, &metrics);
    if (store->commit) {
        commit_get_metrics(store->commit, &metrics);
        count_journals(store, &metrics);
        if (!metrics.unready.code && metrics.inserts_waiting > 0 &&
            metrics.stats.journal_count >= metrics.journals_max)
            (void)error_set(&metrics.unready, EAGAIN, "inserts wait: %u full journals are not sealed yet",
                metrics.journals_closed);
    } else {
        (void)error_set(&metrics.unready, EROFS, "the store is open for reading only");
    }
    *ret_metrics = metrics;
}

/* ---- the door to the parts ---- */

static int check_writable(const struct store *store, struct error *ret_error)
{
    return store->commit ? 0 : error_set(ret_error, EROFS, "the store is open for reading only");
}

int store_append_many(struct store *store, struct store_part *parts, uint32_t count, unsigned flags,
    uint32_t *ret_refused, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : commit_append_many(store->commit, parts, count, flags, ret_refused, ret_error);
}

int store_append(struct store *store, uint64_t series_id, struct batch *batch, unsigned flags,
    uint64_t *ret_first_index, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : commit_append(store->commit, series_id, batch, flags, ret_first_index, ret_error);
}

int store_delete_series(
    struct store *store, const uint64_t *series_ids, size_t count, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : commit_delete_series(store->commit, series_ids, count, ret_error);
}

int store_freeze_series(struct store *store, uint64_t series_id, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : commit_freeze_series(store->commit, series_id, ret_error);
}

void store_unfreeze_series(struct store *store, uint64_t series_id)
{
    if (store->commit) /* else nothing can be frozen */
        commit_unfreeze_series(store->commit, series_id);
}

void store_set_listener(struct store *store, store_listener listener, void *context)
{
    if (store->commit) /* else there is nothing to hear */
        commit_set_listener(store->commit, listener, context);
}

int store_snapshot_open(struct store *store, struct store_snapshot **ret_snapshot, struct error *ret_error)
{
    return snapshot_open(store->io, store->files, store->scratch, ret_snapshot, ret_error);
}

int store_bulk_open(
    struct store *store, const char *name, bool resume, struct store_bulk **ret_bulk, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r
                 : bulk_open(store->io, store->files,
                       (struct wake){background_wake_merger, store->background, NULL}, name, resume, ret_bulk,
                       ret_error);
}

int store_bulk_discard(struct store *store, const char *name, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : bulk_discard(store->io, store->files, name, ret_error);
}

int store_seal(struct store *store, bool active, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : background_seal(store->background, active, ret_error);
}

int store_merge(struct store *store, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : background_merge(store->background, ret_error);
}

int store_work(struct store *store, struct error *ret_error)
{
    int r = check_writable(store, ret_error);
    return r < 0 ? r : background_work(store->background, ret_error);
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

int store_retain_series(
    struct store *store, const uint64_t *known, size_t count, uint64_t *ret_deleted, struct error *ret_error)
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
