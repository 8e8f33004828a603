/* Versions: the list of files that make up the data at one moment. Readers hold a version; a file that no version
 * names any more is unlinked (or recycled) when its last holder lets go. */
#include "check.h"
#include "store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct journal *journal_new(struct journal_file *file)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    if (!journal)
        return NULL;
    if (head_index_init(&journal->index) < 0) {
        free(journal);
        return NULL;
    }
    atomic_init(&journal->references, 1);
    (void)pthread_mutex_init(&journal->sync_lock, NULL);
    journal->file = file;
    journal->reserved_end = journal->published_end = JOURNAL_HEADER_BYTES;
    atomic_init(&journal->synced_end, JOURNAL_HEADER_BYTES);
    return journal;
}

struct journal *journal_hold(struct journal *journal)
{
    atomic_fetch_add(&journal->references, 1);
    return journal;
}

/* Keeps one obsolete journal's file, under a name of its own, for the next preparation; a second one is unlinked, also while the
 * first one, taken, still has that name. */
static void recycle(struct store *store, const struct journal *journal)
{
    struct io *io = store->io;
    char *path = store_path(store, RECYCLED_NAME, 0);
    (void)pthread_mutex_lock(&store->recycle_lock);
    if (path && !store->recycle_path && !store->recycle_taken && io->operations->rename(io, journal->file->path, path) == 0) {
        store->recycle_path = path;
        path = NULL;
    } else {
        (void)io->operations->unlink(io, journal->file->path);
    }
    (void)pthread_mutex_unlock(&store->recycle_lock);
    free(path);
}

char *recycle_take(struct store *store)
{
    (void)pthread_mutex_lock(&store->recycle_lock);
    char *path = store->recycle_path;
    store->recycle_path = NULL;
    store->recycle_taken = path != NULL;
    (void)pthread_mutex_unlock(&store->recycle_lock);
    return path;
}

void recycle_done(struct store *store, char *path)
{
    (void)pthread_mutex_lock(&store->recycle_lock);
    store->recycle_taken = false;
    (void)pthread_mutex_unlock(&store->recycle_lock);
    free(path);
}

void journal_release(struct journal *journal)
{
    if (!journal || atomic_fetch_sub(&journal->references, 1) > 1)
        return;
    if (atomic_load(&journal->obsolete) && journal->recycle_to)
        recycle(journal->recycle_to, journal);
    journal_file_close(journal->file);
    head_index_free(&journal->index);
    (void)pthread_mutex_destroy(&journal->sync_lock);
    free(journal);
}

int journal_sync(struct store *store, struct journal *journal, uint64_t end, struct error *ret_error)
{
    int r = 0;
    (void)pthread_mutex_lock(&journal->sync_lock);
    if (journal->sync_failed) {
        r = error_set(ret_error, EIO, "%s: an earlier sync failed", journal->file->path);
    } else if (atomic_load(&journal->synced_end) < end) {
        r = store->io->operations->sync_data(store->io, journal->file->file);
        if (r == 0)
            atomic_store(&journal->synced_end, end);
        else
            r = error_set(ret_error, -r, "%s: sync failed", journal->file->path);
        journal->sync_failed = r < 0;
    }
    (void)pthread_mutex_unlock(&journal->sync_lock);
    return r;
}

struct segment_file *segment_file_new(struct io *io, struct segment *segment)
{
    struct segment_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    atomic_init(&file->references, 1);
    file->segment = segment;
    file->io = io;
    return file;
}

void segment_file_release(struct segment_file *file)
{
    if (!file || atomic_fetch_sub(&file->references, 1) > 1)
        return;
    if (atomic_load(&file->obsolete))
        (void)file->io->operations->unlink(file->io, segment_path(file->segment));
    segment_close(file->segment);
    free(file);
}

static struct version *version_new(uint32_t segments_max, uint32_t journals_max)
{
    struct version *version = calloc(1, sizeof(*version));
    if (!version)
        return NULL;
    atomic_init(&version->references, 1);
    version->segments = calloc(segments_max + 1, sizeof(struct segment_file *));
    version->journals = calloc(journals_max + 1, sizeof(struct journal *));
    if (!version->segments || !version->journals) {
        version_release(version);
        return NULL;
    }
    return version;
}

struct version *version_current(struct store *store)
{
    (void)pthread_mutex_lock(&store->version_lock);
    struct version *version = store->version;
    atomic_fetch_add(&version->references, 1);
    (void)pthread_mutex_unlock(&store->version_lock);
    return version;
}

void version_release(struct version *version)
{
    if (!version || atomic_fetch_sub(&version->references, 1) > 1)
        return;
    for (uint32_t i = 0; i < version->segment_count; i++)
        segment_file_release(version->segments[i]);
    for (uint32_t i = 0; i < version->journal_count; i++)
        journal_release(version->journals[i]);
    free(version->segments);
    free(version->journals);
    free(version);
}

static void version_add_segment(struct version *version, struct segment_file *file)
{
    atomic_fetch_add(&file->references, 1);
    version->segments[version->segment_count++] = file;
}

int version_init(struct store *store, struct segment_file **segments, uint32_t segment_count,
    struct journal **journals, uint32_t journal_count)
{
    struct version *version = version_new(segment_count, journal_count);
    if (!version)
        return -ENOMEM;
    for (uint32_t i = 0; i < segment_count; i++)
        version_add_segment(version, segments[i]);
    for (uint32_t i = 0; i < journal_count; i++)
        version->journals[version->journal_count++] = journal_hold(journals[i]);
    store->version = version;
    return 0;
}

static bool is_removed(const struct version_edit *edit, const struct segment_file *file)
{
    for (uint32_t i = 0; i < edit->remove_segment_count; i++) {
        if (edit->remove_segments[i] == file)
            return true;
    }
    return false;
}

/* Added segments stand where removed ones stood, else they are the newest. */
static void edit_segments(struct version *version, const struct version *old, const struct version_edit *edit)
{
    bool added = false;
    for (uint32_t i = 0; i <= old->segment_count; i++) {
        bool removed = i < old->segment_count && is_removed(edit, old->segments[i]);
        if (!added && (removed || i == old->segment_count)) {
            for (uint32_t n = 0; n < edit->add_segment_count; n++)
                version_add_segment(version, edit->add_segments[n]);
            added = true;
        }
        if (removed)
            atomic_store(&old->segments[i]->obsolete, true);
        else if (i < old->segment_count)
            version_add_segment(version, old->segments[i]);
    }
}

/* Makes a new version current in one step. 0 or -ENOMEM (nothing changed). */
static int version_apply(struct store *store, const struct version_edit *edit)
{
    (void)pthread_mutex_lock(&store->version_lock);
    struct version *old = store->version;
    struct version *version =
        version_new(old->segment_count + edit->add_segment_count, old->journal_count + 1);
    if (!version) {
        (void)pthread_mutex_unlock(&store->version_lock);
        return -ENOMEM;
    }
    edit_segments(version, old, edit);
    for (uint32_t i = 0; i < old->journal_count; i++) {
        if (old->journals[i] == edit->remove_journal)
            atomic_store(&old->journals[i]->obsolete, true);
        else
            version->journals[version->journal_count++] = journal_hold(old->journals[i]);
    }
    if (edit->add_journal)
        version->journals[version->journal_count++] = journal_hold(edit->add_journal);
    store->version = version;
    (void)pthread_mutex_unlock(&store->version_lock);
    version_release(old);
    return 0;
}

void version_apply_surely(struct store *store, const struct version_edit *edit)
{
    while (version_apply(store, edit) < 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

int version_find_segment(const struct version *version, uint64_t series_id, struct segment_series *ret_series,
    struct error *ret_error)
{
    for (uint32_t i = version->segment_count; i-- > 0;) {
        int r = segment_find(version->segments[i]->segment, series_id, ret_series, ret_error);
        if (r != 0)
            return r;
    }
    return 0;
}

bool version_holds(const struct version *version, const struct journal *except, uint64_t series_id)
{
    struct segment_series found;
    const struct head_series *series;
    if (version_find_segment(version, series_id, &found, NULL) != 0)
        return true; /* also when a segment cannot tell */
    for (uint32_t i = 0; i < version->journal_count; i++) {
        if (version->journals[i] != except &&
            head_index_find(&version->journals[i]->index, series_id, UINT64_MAX, &series) > 0)
            return true;
    }
    return false;
}

bool store_is_deleted(struct store *store, uint64_t series_id, uint64_t sequence)
{
    (void)pthread_mutex_lock(&store->version_lock);
    uint64_t deleted = (uint64_t)(uintptr_t)id_map_get(&store->deleted, series_id);
    (void)pthread_mutex_unlock(&store->version_lock);
    return deleted != 0 && deleted <= sequence + 1;
}

int store_reserve_deleted(struct store *store, size_t count)
{
    (void)pthread_mutex_lock(&store->version_lock);
    int r = id_map_reserve(&store->deleted, store->deleting + count);
    if (r == 0)
        store->deleting += count;
    (void)pthread_mutex_unlock(&store->version_lock);
    return r;
}

int store_mark_deleted(struct store *store, uint64_t series_id)
{
    (void)pthread_mutex_lock(&store->version_lock);
    int r = 0;
    if (store->deleting > 0)
        store->deleting--;
    if (!id_map_get(&store->deleted, series_id)) {
        uint64_t sequence = store->delete_sequence + 1;
        r = id_map_put(&store->deleted, series_id, (void *)(uintptr_t)(sequence + 1));
        if (r == 0)
            store->delete_sequence = sequence;
    }
    (void)pthread_mutex_unlock(&store->version_lock);
    return r;
}
