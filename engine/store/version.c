#include "version.h"

#include <errno.h>
#include <stdlib.h>

/* ---- journals ---- */

struct journal *journal_new(struct journal_file *file, struct recycler *recycler)
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
    journal->recycler = recycler;
    journal->reserved_end = journal->published_end = JOURNAL_HEADER_BYTES;
    journal->filled_end = file->filled;
    atomic_init(&journal->synced_end, JOURNAL_HEADER_BYTES);
    return journal;
}

struct journal *journal_hold(struct journal *journal)
{
    atomic_fetch_add(&journal->references, 1);
    return journal;
}

void journal_release(struct journal *journal)
{
    if (!journal || atomic_fetch_sub(&journal->references, 1) > 1)
        return;
    if (atomic_load(&journal->obsolete) && journal->recycler)
        recycler_put(journal->recycler, journal->file->path, journal->filled_end == journal->file->size);
    journal_file_close(journal->file);
    head_index_free(&journal->index);
    (void)pthread_mutex_destroy(&journal->sync_lock);
    free(journal);
}

/* The lock is held. */
static int earlier_syncs(const struct journal *journal, struct error *ret_error)
{
    return journal->sync_failed ? error_set(ret_error, EIO, "%s: an earlier sync failed", journal->file->path)
                                : 0;
}

int journal_sync(struct journal *journal, struct io *io, uint64_t end, struct error *ret_error)
{
    (void)pthread_mutex_lock(&journal->sync_lock);
    int r = earlier_syncs(journal, ret_error);
    if (r == 0 && atomic_load(&journal->synced_end) < end) {
        r = io_sync_data(io, journal->file->file, journal->file->path, ret_error);
        if (r == 0)
            atomic_store(&journal->synced_end, end);
        journal->sync_failed = r < 0;
    }
    (void)pthread_mutex_unlock(&journal->sync_lock);
    return r;
}

int journal_fill(struct journal *journal, struct io *io, uint64_t from, uint64_t to, bool *ret_sync_failed,
    struct error *ret_error)
{
    bool synced = false;
    (void)pthread_mutex_lock(&journal->sync_lock);
    int r = journal_file_fill(io, journal->file, from, to, &synced, ret_error);
    *ret_sync_failed = r < 0 && synced;
    journal->sync_failed |= *ret_sync_failed;
    (void)pthread_mutex_unlock(&journal->sync_lock);
    return r;
}

int journal_check_syncs(struct journal *journal, struct error *ret_error)
{
    (void)pthread_mutex_lock(&journal->sync_lock);
    int r = earlier_syncs(journal, ret_error);
    (void)pthread_mutex_unlock(&journal->sync_lock);
    return r;
}

/* ---- segments ---- */

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

int segment_file_finish(struct io *io, const char *directory, struct segment_writer *writer, const char *path,
    uint64_t id, struct segment_file **ret_file, struct error *ret_error)
{
    struct segment *segment = NULL;
    struct segment_file *file = NULL;
    int r = segment_writer_finish(writer, ret_error);
    if (r == 0)
        r = io_sync_directory(io, directory, ret_error);
    if (r == 0)
        r = segment_open(path, id, &segment, ret_error);
    if (r == 0) {
        file = segment_file_new(io, segment);
        if (!file)
            r = error_set(ret_error, ENOMEM, "out of memory for a segment");
    }
    if (r < 0) {
        segment_close(segment);
        (void)io_unlink(io, path, NULL);
        return r;
    }
    *ret_file = file;
    return 0;
}

void segment_file_release(struct segment_file *file)
{
    if (!file || atomic_fetch_sub(&file->references, 1) > 1)
        return;
    if (atomic_load(&file->obsolete))
        (void)io_unlink(file->io, segment_path(file->segment), NULL);
    segment_close(file->segment);
    free(file);
}

/* ---- versions ---- */

struct version *version_new(uint32_t segments_max, uint32_t journals_max)
{
    struct version *version = calloc(1, sizeof(*version));
    if (!version)
        return NULL;
    atomic_init(&version->references, 1);
    version->segments = calloc((size_t)segments_max + 1, sizeof(struct segment_file *));
    version->journals = calloc((size_t)journals_max + 1, sizeof(struct journal *));
    if (!version->segments || !version->journals) {
        version_release(version);
        return NULL;
    }
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

void version_add_segment(struct version *version, struct segment_file *file)
{
    atomic_fetch_add(&file->references, 1);
    version->segments[version->segment_count++] = file;
}

void version_add_journal(struct version *version, struct journal *journal)
{
    version->journals[version->journal_count++] = journal_hold(journal);
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

bool version_holds(const struct version *version, uint64_t series_id)
{
    struct segment_series found;
    const struct head_series *series;
    if (version_find_segment(version, series_id, &found, NULL) != 0)
        return true; /* also when a segment cannot tell */
    for (uint32_t i = 0; i < version->journal_count; i++) {
        if (head_index_find(
                &version->journals[i]->index, series_id, version->journals[i]->file->size, &series) > 0)
            return true;
    }
    return false;
}
