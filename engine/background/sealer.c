/* The background thread: turns closed journals into segments and keeps a spare journal ready, so that appenders
 * never wait for either while it keeps up. */
#include "check.h"
#include "clock.h"
#include "store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

void background_wake(struct store *store)
{
    (void)pthread_mutex_lock(&store->background.lock);
    store->background.work = true;
    (void)pthread_cond_signal(&store->background.wake);
    (void)pthread_mutex_unlock(&store->background.lock);
}

/* ---- the spare journal ---- */

/* Prepares a journal file and names it in the manifest and the version. */
static int make_journal(struct store *store, struct journal **ret_journal, struct error *ret_error)
{
    struct recycler *recycler = files_recycler(store->files);
    struct journal_file *file = NULL;
    int r = journal_file_prepare(store->io, store->directory, files_take_ids(store->files, 1), store->options.journal_bytes,
        recycler_take(recycler), &file, ret_error);
    recycler_done(recycler);
    if (r < 0)
        return r;
    struct journal *journal = journal_new(file, recycler);
    if (!journal) {
        (void)store->io->operations->unlink(store->io, file->path);
        journal_file_close(file);
        return error_set(ret_error, ENOMEM, "out of memory for a journal");
    }
    r = files_apply(store->files, &(struct files_edit){.add_journals = &journal, .add_journal_count = 1}, NULL, ret_error);
    if (r < 0) {
        journal_release(journal);
        return r;
    }
    *ret_journal = journal;
    return 0;
}

void background_note(struct store *store, struct error *noted, const struct error *error)
{
    (void)pthread_mutex_lock(&store->background.lock);
    bool news = error->code != 0 && error->code != noted->code;
    *noted = *error;
    (void)pthread_mutex_unlock(&store->background.lock);
    if (news && store->options.complain)
        store->options.complain(store->options.complain_context, error);
}

/* 1 = prepared one, 0 = none is wanted, or what failed. */
static int prepare_spare(struct store *store, struct error *ret_error)
{
    struct version *version = files_version(store->files);
    uint32_t live = version->journal_count;
    version_release(version);
    if (!commit_wants_spare(store) || live >= store->options.journals_max)
        return 0;
    struct journal *journal = NULL;
    int r = make_journal(store, &journal, ret_error);
    background_note(store, &store->background.prepare_error, r == 0 ? &(struct error){0} : ret_error);
    commit_offer_spare(store, r == 0 ? journal : NULL, r == 0 ? NULL : ret_error);
    return r < 0 ? r : 1;
}

/* ---- sealing ---- */

/* The oldest journal that is closed and whose frames are all published, with a reference; or NULL. */
static struct journal *next_to_seal(struct store *store)
{
    struct journal *found = NULL;
    struct version *version = files_version(store->files);
    (void)pthread_mutex_lock(&store->commit.lock);
    if (version->journal_count > 0) {
        struct journal *oldest = version->journals[0];
        if (oldest->closed && files_published_end(store->files, oldest) == oldest->reserved_end)
            found = journal_hold(oldest);
    }
    (void)pthread_mutex_unlock(&store->commit.lock);
    version_release(version);
    return found;
}

/* A failed sync kills the journal, whoever called it. */
static int sync_or_die(struct store *store, struct journal *journal, uint64_t end, struct error *ret_error)
{
    struct error error = {0};
    int r = journal_sync(journal, store->io, end, &error);
    if (r < 0) {
        (void)pthread_mutex_lock(&store->commit.lock);
        if (!store->commit.dead)
            commit_die(store, &error);
        (void)pthread_mutex_unlock(&store->commit.lock);
        (void)error_set(ret_error, error.code, "%s", error.message);
    }
    return r;
}

/* Records in the manifest that everything in the journal is durable up to its end: recovery then takes any damage
 * below it for what it is, and need not copy the file. */
static int record_end(struct store *store, struct journal *journal, struct error *ret_error)
{
    int r = sync_or_die(store, journal, journal->reserved_end, ret_error);
    if (r < 0 || journal->clean_end == journal->reserved_end)
        return r;
    return files_apply(store->files, &(struct files_edit){.ended_journals = &journal, .ended_journal_count = 1}, NULL, ret_error);
}

static int seal_frame(struct journal *journal, const struct frame_reference *reference,
    struct segment_writer *writer, struct error *ret_error)
{
    const uint8_t *image = map_data(journal->file->map);
    uint64_t offset = (uint64_t)reference->place * 8;
    struct frame frame;
    struct batch view;
    if (frame_parse(image, journal->file->size, offset, journal->file->nonce, true, &frame) != 1 ||
        map_faulted(journal->file->map))
        return error_set(ret_error, EBADMSG, "%s: offset %llu: the frame does not have the checksum it was written with",
            journal->file->path, (unsigned long long)offset);
    int r = frame_view(image, &frame, false, &view, ret_error);
    if (r < 0)
        return r;
    return segment_writer_append(writer, &view, ret_error);
}

static int seal_series(struct journal *journal, uint64_t series_id, struct segment_writer *writer,
    struct error *ret_error)
{
    const struct head_series *series;
    uint32_t count = head_index_find(&journal->index, series_id, UINT64_MAX, &series);
    for (uint32_t i = 0; i < count; i++) {
        const struct frame_reference *reference = head_reference(series, i);
        if (i == 0) {
            const uint8_t *image = map_data(journal->file->map);
            struct frame frame;
            struct batch view;
            uint64_t before = reference->logical_bytes;
            if (frame_parse(image, journal->file->size, (uint64_t)reference->place * 8, journal->file->nonce, true, &frame) == 1 &&
                frame_view(image, &frame, false, &view, NULL) == 0)
                before -= batch_logical_bytes(&view, 0, view.count);
            int r = segment_writer_series(writer, series_id, reference->first_index, before, ret_error);
            if (r < 0)
                return r;
        }
        int r = seal_frame(journal, reference, writer, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_segment(struct store *store, struct journal *journal, struct segment_writer *writer,
    struct error *ret_error)
{
    uint64_t *ids;
    size_t count;
    if (head_index_series(&journal->index, &ids, &count) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for sealing %s", journal->file->path);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!files_is_deleted(store->files, ids[i]))
            r = seal_series(journal, ids[i], writer, ret_error);
    }
    free(ids);
    if (r == 0 && map_faulted(journal->file->map)) /* frames were verified before they were copied */
        r = error_set(ret_error, EIO, "%s: cannot be read: I/O error, or the file was cut", journal->file->path);
    return r;
}

/* Writes the journal's points as segment `id`; *ret_file stays NULL when there are none. */
static int make_segment(struct store *store, struct journal *journal, uint64_t id,
    struct segment_file **ret_file, struct error *ret_error)
{
    struct segment_writer *writer = NULL;
    *ret_file = NULL;
    char *path = files_path(store->files, "segment-%llu", id);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for sealing");
    int r = segment_writer_open(store->io, path, id, &writer, ret_error);
    if (r == 0)
        r = write_segment(store, journal, writer, ret_error);
    if (r == 0 && segment_writer_points(writer) > 0)
        r = segment_file_finish(store->io, store->directory, writer, path, id, ret_file, ret_error);
    segment_writer_close(writer);
    free(path);
    return r;
}

/* The manifest names the segment instead of the journal, and remembers those of its tombstones that are still needed. */
static int replace_journal(struct store *store, struct journal *journal, struct segment_file *file, struct error *ret_error)
{
    return files_apply(store->files, &(struct files_edit){
        .remove_journals = &journal,
        .remove_journal_count = 1,
        .add_segments = &file,
        .add_segment_count = file ? 1 : 0,
        .tombstones = journal->index.tombstones,
        .tombstone_count = journal->index.tombstone_count,
    }, NULL, ret_error);
}

static int seal(struct store *store, struct journal *journal, struct error *ret_error)
{
    int r = record_end(store, journal, ret_error);
    if (r < 0)
        return r;
    struct segment_file *file;
    r = make_segment(store, journal, files_take_ids(store->files, 1), &file, ret_error);
    if (r < 0)
        return r;
    r = replace_journal(store, journal, file, ret_error);
    if (r == 0) {
        (void)pthread_mutex_lock(&store->background.lock);
        store->background.sealed_journals++;
        store->background.sealed_bytes += file ? segment_file_size(file->segment) : 0;
        (void)pthread_mutex_unlock(&store->background.lock);
        commit_evict(store, journal);
    }
    segment_file_release(file);
    return r;
}

/* Seals one journal if one is due. 1 = did, 0 = nothing to do. */
static int seal_next(struct store *store, struct error *ret_error)
{
    struct journal *journal = next_to_seal(store);
    if (!journal)
        return 0;
    int r = seal(store, journal, ret_error);
    journal_release(journal);
    background_note(store, &store->background.seal_error, r == 0 ? &(struct error){0} : ret_error);
    (void)pthread_mutex_lock(&store->background.lock);
    (void)pthread_cond_broadcast(&store->background.done);
    (void)pthread_mutex_unlock(&store->background.lock);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&store->commit.lock);
    (void)pthread_cond_broadcast(&store->commit.room);
    (void)pthread_mutex_unlock(&store->commit.lock);
    merger_wake(store);
    return 1;
}

/* A point in time on the monotonic clock, for pthread_cond_timedwait. */
static struct timespec in_ms(uint32_t ms)
{
    uint64_t at = clock_monotonic_ns() + (uint64_t)ms * 1000000u;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
}

bool background_wait(struct background *background, bool *wanted, pthread_cond_t *wake, bool failed, uint32_t retry_ms)
{
    struct timespec retry = in_ms(retry_ms);
    bool timed_out = false;
    (void)pthread_mutex_lock(&background->lock);
    while (!background->stop && !*wanted && !timed_out) {
        if (failed)
            timed_out = pthread_cond_timedwait(wake, &background->lock, &retry) == ETIMEDOUT;
        else
            (void)pthread_cond_wait(wake, &background->lock);
    }
    *wanted = false;
    bool go_on = !background->stop;
    (void)pthread_mutex_unlock(&background->lock);
    return go_on;
}

static void *work(void *argument)
{
    struct store *store = argument;
    struct background *background = &store->background;
    bool failed = false;
    while (background_wait(background, &background->work, &background->wake, failed, RETRY_MS)) {
        struct error error = {0};
        failed = prepare_spare(store, &error) < 0;
        int r;
        while ((r = seal_next(store, &error)) == 1)
            failed = prepare_spare(store, &error) < 0;
        failed = failed || r < 0;
    }
    return NULL;
}

int store_work(struct store *store, struct error *ret_error)
{
    CHECK(store->options.no_threads);
    struct error error = {0};
    int r = prepare_spare(store, &error);
    if (r == 0)
        r = seal_next(store, &error);
    if (r == 0) {
        r = merge_next(store, &error);
        background_note(store, &store->background.merge_error, r < 0 ? &error : &(struct error){0});
    }
    if (r < 0 && ret_error)
        *ret_error = error;
    return r;
}

/* Seals what is closed on the caller's thread. */
static int seal_all(struct store *store, struct error *ret_error)
{
    struct error error = {0};
    int r;
    do
        r = seal_next(store, &error);
    while (r == 1);
    if (r < 0 && ret_error)
        *ret_error = error;
    return r;
}

/* STORE_FSYNC_INTERVAL: syncs the active journal every so often. */
static void *sync_at_intervals(void *argument)
{
    struct store *store = argument;
    struct background *background = &store->background;
    for (;;) {
        struct timespec next = in_ms(store->options.fsync_interval_ms);
        (void)pthread_mutex_lock(&background->lock);
        int r = 0;
        while (!background->stop && r != ETIMEDOUT)
            r = pthread_cond_timedwait(&background->done, &background->lock, &next);
        bool stop = background->stop;
        (void)pthread_mutex_unlock(&background->lock);
        if (stop)
            return NULL;
        (void)pthread_mutex_lock(&store->commit.lock);
        struct journal *journal = journal_hold(store->commit.active);
        (void)pthread_mutex_unlock(&store->commit.lock);
        (void)sync_or_die(store, journal, files_published_end(store->files, journal), NULL);
        journal_release(journal);
    }
}

int background_start(struct store *store, struct error *ret_error)
{
    struct background *background = &store->background;
    if (store->options.no_threads)
        return 0;
    background->work = background->merge = true; /* before there is a thread that writes them under the lock */
    int code = pthread_create(&background->thread, NULL, work, store);
    background->started = code == 0;
    if (code == 0 && store->options.fsync == STORE_FSYNC_INTERVAL) {
        code = pthread_create(&background->sync_thread, NULL, sync_at_intervals, store);
        background->sync_started = code == 0;
    }
    if (code == 0) {
        code = pthread_create(&background->merge_thread, NULL, merger_work, store);
        background->merge_started = code == 0;
    }
    if (code != 0)
        return error_set(ret_error, code, "cannot start a thread for the store");
    return 0;
}

void background_stop(struct store *store)
{
    struct background *background = &store->background;
    (void)pthread_mutex_lock(&background->lock);
    background->stop = true;
    (void)pthread_cond_broadcast(&background->wake);
    (void)pthread_cond_broadcast(&background->done);
    (void)pthread_cond_broadcast(&background->merge_wake);
    (void)pthread_mutex_unlock(&background->lock);
    if (background->merge_started)
        (void)pthread_join(background->merge_thread, NULL);
    if (background->started)
        (void)pthread_join(background->thread, NULL);
    if (background->sync_started)
        (void)pthread_join(background->sync_thread, NULL);
    background->started = background->sync_started = background->merge_started = false;
}

static bool has_closed_journal(struct store *store)
{
    struct version *version = files_version(store->files);
    (void)pthread_mutex_lock(&store->commit.lock);
    bool closed = version->journal_count > 0 && version->journals[0]->closed;
    (void)pthread_mutex_unlock(&store->commit.lock);
    version_release(version);
    return closed;
}

/* What was closed when the journal died may hold frames that never became valid: nobody seals it. */
static int check_alive(struct store *store, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    (void)pthread_mutex_lock(&commit->lock);
    int r = commit->dead ? error_set(ret_error, EIO, "%s", commit->dead_error.message) : 0;
    (void)pthread_mutex_unlock(&commit->lock);
    return r;
}

int store_seal(struct store *store, bool active, struct error *ret_error)
{
    if (active) {
        int r = commit_rotate(store, ret_error);
        if (r < 0)
            return r;
    }
    if (store->options.no_threads)
        return seal_all(store, ret_error);
    struct background *background = &store->background;
    (void)pthread_mutex_lock(&background->lock);
    background->seal_error = (struct error){0};
    int r = 0;
    for (;;) {
        uint64_t sealed = background->sealed_journals;
        (void)pthread_mutex_unlock(&background->lock);
        bool closed = has_closed_journal(store);
        if (closed)
            r = check_alive(store, ret_error);
        if (closed && r == 0)
            background_wake(store);
        (void)pthread_mutex_lock(&background->lock);
        if (!closed || r < 0)
            break;
        if (background->seal_error.code) {
            r = -background->seal_error.code;
            if (ret_error)
                *ret_error = background->seal_error;
            break;
        }
        if (sealed == background->sealed_journals) {
            struct timespec look_again = in_ms(RETRY_MS);
            (void)pthread_cond_timedwait(&background->done, &background->lock, &look_again);
        }
    }
    (void)pthread_mutex_unlock(&background->lock);
    return r;
}
