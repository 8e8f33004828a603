#include "sealer.h"

#include "growth.h"
#include "space.h"
#include "store_layout.h"

#include <errno.h>
#include <stdlib.h>

enum { MANIFEST_SPACE = 64 << 10 };

/* ---- the spare journal, and blocks of the active one ---- */

/* Prepares a journal file and names it in the manifest and the version. */
static int make_journal(struct sealer *sealer, const struct journal_wish *wish, struct journal **ret_journal,
    struct error *ret_error)
{
    struct journal_file *file = NULL;
    int r = growth_prepare(
        sealer->options, sealer->io, sealer->files, wish->size, wish->needed, false, &file, ret_error);
    if (r < 0)
        return r;
    struct journal *journal = journal_new(file, files_recycler(sealer->files));
    if (!journal) {
        (void)io_unlink(sealer->io, file->path, NULL);
        journal_file_close(file);
        return error_set(ret_error, ENOMEM, "out of memory for a journal");
    }
    r = files_apply(sealer->files, &(struct files_edit){.add_journals = &journal, .add_journal_count = 1},
        NULL, ret_error);
    if (r < 0) {
        journal_release(journal);
        return r;
    }
    *ret_journal = journal;
    return 0;
}

int sealer_prepare_spare(struct sealer *sealer, struct error *ret_error)
{
    struct version *version = files_version(sealer->files);
    uint32_t live = version->journal_count;
    version_release(version);
    struct journal_wish wish;
    if (!commit_wants_spare(sealer->commit, &wish) || live >= sealer->options->journals_max)
        return 0;
    if (!wish.soon && !growth_is_cheap(sealer->options, sealer->files, wish.size))
        return 0;
    struct journal *journal = NULL;
    int r = make_journal(sealer, &wish, &journal, ret_error);
    commit_offer_spare(sealer->commit, journal, r == 0 ? NULL : ret_error);
    return r < 0 ? r : 1;
}

int sealer_allocate_blocks(struct sealer *sealer, struct error *ret_error)
{
    uint64_t from, to;
    int did = 0;
    for (struct journal *journal; (journal = commit_wants_blocks(sealer->commit, &from, &to)); did = 1) {
        bool sync_failed = false;
        int r = space_check(files_directory(sealer->files), to - from, "the journal", ret_error);
        if (r == 0)
            r = journal_fill(journal, sealer->io, from, to, &sync_failed, ret_error);
        if (sync_failed)
            commit_kill(sealer->commit, ret_error);
        commit_offer_blocks(sealer->commit, journal, to, r < 0 ? ret_error : NULL);
        journal_release(journal);
        if (r < 0)
            return r;
    }
    return did;
}

/* ---- sealing ---- */

/* The oldest journal that is closed and whose frames are all published, with a reference; or NULL. */
static struct journal *next_to_seal(struct sealer *sealer)
{
    struct journal *found = NULL;
    uint64_t end;
    struct version *version = files_version(sealer->files);
    if (version->journal_count > 0 && commit_is_closed(sealer->commit, version->journals[0], &end) &&
        files_published_end(sealer->files, version->journals[0]) == end)
        found = journal_hold(version->journals[0]);
    version_release(version);
    return found;
}

/* A failed sync kills the journal, whoever called it. */
static int sync_or_kill(struct sealer *sealer, struct journal *journal, uint64_t end, struct error *ret_error)
{
    struct error error = {0};
    int r = journal_sync(journal, sealer->io, end, &error);
    if (r < 0) {
        commit_kill(sealer->commit, &error);
        (void)error_set(ret_error, error.code, "%s", error.message);
    }
    return r;
}

/* Records in the manifest that everything in the journal is durable up to its end: recovery then takes any
 * damage below it for what it is, and need not copy the file. */
static int record_end(struct sealer *sealer, struct journal *journal, struct error *ret_error)
{
    int r = sync_or_kill(sealer, journal, journal->reserved_end, ret_error);
    if (r < 0 || journal->clean_end == journal->reserved_end)
        return r;
    return files_apply(sealer->files,
        &(struct files_edit){.ended_journals = &journal, .ended_journal_count = 1}, NULL, ret_error);
}

static int seal_series(
    struct journal *journal, uint64_t series_id, struct segment_writer *writer, struct error *ret_error)
{
    const struct head_series *series;
    uint32_t count = head_index_find(&journal->index, series_id, journal->file->size, &series);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const struct frame_reference *reference = head_reference(series, i);
        struct batch view;
        r = journal_read_points(
            journal->file, series_id, frame_reference_offset(reference), &view, ret_error);
        if (r == 0 && i == 0) {
            uint64_t before = reference->logical_bytes - batch_logical_bytes(&view, 0, view.count);
            r = segment_writer_series(writer, series_id, reference->first_index, before, ret_error);
        }
        if (r == 0)
            r = segment_writer_append(writer, &view, ret_error);
    }
    return r;
}

static int write_segment(
    struct sealer *sealer, struct journal *journal, struct segment_writer *writer, struct error *ret_error)
{
    uint64_t *ids;
    size_t count;
    if (head_index_series(&journal->index, &ids, &count) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for sealing %s", journal->file->path);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!files_is_deleted(sealer->files, ids[i]))
            r = seal_series(journal, ids[i], writer, ret_error);
    }
    free(ids);
    if (r == 0 && map_faulted(journal->file->map)) /* frames were verified before they were copied */
        r = error_set(
            ret_error, EIO, "%s: cannot be read: I/O error, or the file was cut", journal->file->path);
    return r;
}

/* Writes the journal's points as segment `id`; *ret_file stays NULL when there are none. */
static int make_segment(struct sealer *sealer, struct journal *journal, uint64_t id,
    struct segment_file **ret_file, struct error *ret_error)
{
    struct segment_writer *writer = NULL;
    *ret_file = NULL;
    char *path = store_segment_path(files_directory(sealer->files), id);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for sealing");
    int r = space_check(files_directory(sealer->files), sealer->seal_bytes, "sealing a journal", ret_error);
    if (r == 0)
        r = segment_writer_open(sealer->io, path, id, &writer, ret_error);
    if (r == 0)
        r = write_segment(sealer, journal, writer, ret_error);
    if (r == 0 && segment_writer_points(writer) > 0)
        r = segment_file_finish(
            sealer->io, files_directory(sealer->files), writer, path, id, ret_file, ret_error);
    if (writer)
        sealer->seal_bytes = error_is_no_space(-r) ? segment_writer_size(writer) : 0;
    segment_writer_close(writer);
    free(path);
    return r;
}

/* The manifest names the segment instead of the journal, and remembers those of its tombstones that are still
 * needed. */
static int replace_journal(
    struct sealer *sealer, struct journal *journal, struct segment_file *file, struct error *ret_error)
{
    return files_apply(sealer->files,
        &(struct files_edit){
            .remove_journals = &journal,
            .remove_journal_count = 1,
            .add_segments = &file,
            .add_segment_count = file ? 1 : 0,
            .tombstones = journal->index.tombstones,
            .tombstone_count = journal->index.tombstone_count,
        },
        NULL, ret_error);
}

static int seal(struct sealer *sealer, struct journal *journal, uint64_t *ret_bytes, struct error *ret_error)
{
    int r = record_end(sealer, journal, ret_error);
    if (r < 0)
        return r;
    struct segment_file *file;
    r = make_segment(sealer, journal, files_take_ids(sealer->files, 1), &file, ret_error);
    if (r < 0)
        return r;
    *ret_bytes = file ? segment_file_size(file->segment) : 0;
    r = replace_journal(sealer, journal, file, ret_error);
    if (r == 0)
        commit_sealed(sealer->commit, journal);
    else if (error_is_no_space(-r)) /* there was none for the manifest */
        sealer->seal_bytes = *ret_bytes + MANIFEST_SPACE;
    segment_file_release(file);
    return r;
}

int sealer_seal_next(struct sealer *sealer, uint64_t *ret_bytes, struct error *ret_error)
{
    struct journal *journal = next_to_seal(sealer);
    if (!journal)
        return 0;
    int r = seal(sealer, journal, ret_bytes, ret_error);
    journal_release(journal);
    return r < 0 ? r : 1;
}

bool sealer_is_due(struct sealer *sealer)
{
    uint64_t end;
    struct version *version = files_version(sealer->files);
    bool due = version->journal_count > 0 && commit_is_closed(sealer->commit, version->journals[0], &end);
    version_release(version);
    return due;
}

int sealer_sync_active(struct sealer *sealer, struct error *ret_error)
{
    struct journal *journal = commit_active(sealer->commit);
    int r = sync_or_kill(sealer, journal, files_published_end(sealer->files, journal), ret_error);
    journal_release(journal);
    return r;
}
