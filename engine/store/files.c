/* One owner of the set of files, as RocksDB's VersionSet::LogAndApply: a change is prepared beside what is
 * current, written, and made current by swapping two pointers, so that there is nothing to undo. */
#include "files.h"
#include "store_layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct files {
    struct io *io;
    char *directory;
    struct recycler recycler;

    pthread_mutex_t apply_lock; /* one change at a time; taken before `lock`. The fields below: */
    struct manifest
        manifest; /* as last written successfully, but for the number of the version, which counts attempts */
    struct version *in_doubt; /* versions whose manifest may come back after a power loss; a list */

    pthread_mutex_t
        lock; /* innermost but for heads, recycler and journal syncs. The fields below, and published ends: */
    struct version *version; /* changes under both locks */
    uint64_t next_id;
    uint64_t delete_sequence;
    struct id_map deleted; /* series id -> sequence number of its deletion, as a pointer */
    size_t deleting;       /* deletions under way that `deleted` has memory for */
};

/* ---- opening ---- */

static int open_segment(struct files *files, const struct manifest_segment *named, struct error *ret_error)
{
    struct segment *segment = NULL;
    char *path = store_segment_path(files->directory, named->id);
    int r = path ? segment_open(path, named->id, &segment, ret_error)
                 : error_set(ret_error, ENOMEM, "out of memory");
    if (r == 0 &&
        (segment_file_size(segment) != named->size || segment_footer_checksum(segment) != named->checksum)) {
        r = error_set(ret_error, EBADMSG,
            "%s: is not the file the manifest names: expected %llu bytes with footer checksum "
            "%016llx, found %llu bytes with %016llx; see `connectordb repair`",
            path, (unsigned long long)named->size, (unsigned long long)named->checksum,
            (unsigned long long)segment_file_size(segment),
            (unsigned long long)segment_footer_checksum(segment));
    }
    struct segment_file *file = r == 0 ? segment_file_new(files->io, segment) : NULL;
    if (r == 0 && !file)
        r = error_set(ret_error, ENOMEM, "out of memory for a segment");
    if (r == 0)
        version_add_segment(files->version, file);
    else
        segment_close(segment);
    segment_file_release(file);
    free(path);
    return r;
}

static int open_journal(struct files *files, const struct manifest_journal *named, struct error *ret_error)
{
    struct journal_file *file;
    int r = journal_file_open(files->directory, named->id, &file, ret_error);
    if (r < 0)
        return r;
    if (file->nonce != named->nonce)
        r = error_set(ret_error, EBADMSG,
            "%s: is not the file the manifest names: expected nonce %016llx, found %016llx; "
            "see `connectordb repair`",
            file->path, (unsigned long long)named->nonce, (unsigned long long)file->nonce);
    struct journal *journal = r == 0 ? journal_new(file, &files->recycler) : NULL;
    if (!journal) {
        journal_file_close(file);
        return r < 0 ? r : error_set(ret_error, ENOMEM, "out of memory for a journal");
    }
    journal->closed = true;
    journal->clean_end = named->clean_end;
    atomic_store(&journal->synced_end, named->clean_end);
    version_add_journal(files->version, journal);
    journal_release(journal);
    return 0;
}

static int open_named(struct files *files, struct error *ret_error)
{
    const struct manifest *manifest = &files->manifest;
    int r = 0;
    files->next_id = manifest->next_file_id;
    files->version = version_new(manifest->segment_count, manifest->journal_count);
    if (!files->version)
        r = -ENOMEM;
    for (uint64_t i = 0; r == 0 && i < manifest->deleted_count; i++)
        r = files_mark_deleted(files, manifest->deleted[i]);
    if (r < 0)
        return error_set(ret_error, ENOMEM, "out of memory for the list of files");
    for (uint32_t i = 0; r == 0 && i < manifest->segment_count; i++)
        r = open_segment(files, &manifest->segments[i], ret_error);
    for (uint32_t i = 0; r == 0 && i < manifest->journal_count; i++)
        r = open_journal(files, &manifest->journals[i], ret_error);
    return r;
}

int files_open(struct io *io, const char *directory, struct files **ret_files, struct error *ret_error)
{
    struct files *files = calloc(1, sizeof(*files));
    if (!files)
        return error_set(ret_error, ENOMEM, "out of memory");
    (void)pthread_mutex_init(&files->apply_lock, NULL);
    (void)pthread_mutex_init(&files->lock, NULL);
    files->io = io;
    files->directory = strdup(directory);
    int r = recycler_init(&files->recycler, io, directory);
    if (r < 0 || !files->directory)
        r = error_set(ret_error, ENOMEM, "out of memory");
    if (r == 0)
        r = manifest_read(directory, &files->manifest, ret_error);
    if (r == 0)
        r = open_named(files, ret_error);
    if (r < 0) {
        files_close(files);
        return r;
    }
    *ret_files = files;
    return 0;
}

/* Files in doubt stay on disk: the next open finds out which manifest is in force. */
static void release_in_doubt(struct files *files)
{
    while (files->in_doubt) {
        struct version *version = files->in_doubt;
        files->in_doubt = version->next;
        version_release(version);
    }
}

void files_close(struct files *files)
{
    if (!files)
        return;
    release_in_doubt(files);
    version_release(files->version);
    manifest_free(&files->manifest);
    id_map_free(&files->deleted);
    recycler_free(&files->recycler);
    (void)pthread_mutex_destroy(&files->apply_lock);
    (void)pthread_mutex_destroy(&files->lock);
    free(files->directory);
    free(files);
}

/* ---- names ---- */

const char *files_directory(const struct files *files)
{
    return files->directory;
}

struct recycler *files_recycler(struct files *files)
{
    return &files->recycler;
}

uint64_t files_take_ids(struct files *files, uint64_t count)
{
    (void)pthread_mutex_lock(&files->lock);
    uint64_t first = files->next_id;
    files->next_id += count;
    (void)pthread_mutex_unlock(&files->lock);
    return first;
}

uint64_t files_next_id(struct files *files)
{
    return files_take_ids(files, 0);
}

uint64_t files_manifest_version(struct files *files)
{
    (void)pthread_mutex_lock(&files->apply_lock);
    uint64_t version = files->manifest.version;
    (void)pthread_mutex_unlock(&files->apply_lock);
    return version;
}

/* ---- changing the set ---- */

static bool has_segment(struct segment_file *const *segments, uint32_t count, const struct segment_file *file)
{
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i] == file)
            return true;
    }
    return false;
}

static bool has_journal(struct journal *const *journals, uint32_t count, const struct journal *journal)
{
    for (uint32_t i = 0; i < count; i++) {
        if (journals[i] == journal)
            return true;
    }
    return false;
}

/* NULL = no memory. */
static struct version *edit_version(const struct version *old, const struct files_edit *edit)
{
    struct version *version = version_new(
        old->segment_count + edit->add_segment_count, old->journal_count + edit->add_journal_count);
    if (!version)
        return NULL;
    bool added = false;
    for (uint32_t i = 0; i <= old->segment_count; i++) {
        bool end = i == old->segment_count;
        bool removed =
            !end && has_segment(edit->remove_segments, edit->remove_segment_count, old->segments[i]);
        for (uint32_t n = 0; !added && (removed || end) && n < edit->add_segment_count; n++)
            version_add_segment(version, edit->add_segments[n]);
        added = added || removed;
        if (!removed && !end)
            version_add_segment(version, old->segments[i]);
    }
    for (uint32_t i = 0; i < old->journal_count; i++) {
        if (!has_journal(edit->remove_journals, edit->remove_journal_count, old->journals[i]))
            version_add_journal(version, old->journals[i]);
    }
    for (uint32_t i = 0; i < edit->add_journal_count; i++)
        version_add_journal(version, edit->add_journals[i]);
    return version;
}

static void forget_tombstones(struct manifest *manifest, const struct version *version)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < manifest->deleted_count; i++) {
        if (version_holds(version, manifest->deleted[i]))
            manifest->deleted[kept++] = manifest->deleted[i];
    }
    manifest->deleted_count = kept;
}

/* The manifest that names the version's files. 0 or -ENOMEM; manifest_free in either case. */
static int describe(struct files *files, const struct version *version, const struct files_edit *edit,
    struct manifest *ret_manifest)
{
    int r = manifest_copy(&files->manifest, ret_manifest);
    ret_manifest->next_file_id = files_next_id(files);
    ret_manifest->journal_count = ret_manifest->segment_count = 0;
    for (uint32_t i = 0; r == 0 && i < version->journal_count; i++) {
        struct journal *journal = version->journals[i];
        bool ended = has_journal(edit->ended_journals, edit->ended_journal_count, journal);
        r = manifest_add_journal(
            ret_manifest, (struct manifest_journal){
                              .id = journal->file->id,
                              .clean_end = ended ? files_published_end(files, journal) : journal->clean_end,
                              .nonce = journal->file->nonce,
                          });
    }
    for (uint32_t i = 0; r == 0 && i < version->segment_count; i++) {
        const struct segment *segment = version->segments[i]->segment;
        r = manifest_add_segment(ret_manifest, (struct manifest_segment){
                                                   .id = segment_id(segment),
                                                   .size = segment_file_size(segment),
                                                   .checksum = segment_footer_checksum(segment),
                                               });
    }
    for (size_t i = 0; r == 0 && i < edit->tombstone_count; i++) {
        if (version_holds(version, edit->tombstones[i]))
            r = manifest_add_deleted(ret_manifest, edit->tombstones[i]);
    }
    if (r == 0 && edit->forget_tombstones)
        forget_tombstones(ret_manifest, version);
    return r;
}

/* Files in `from` that are not in `kept` are no longer named by any manifest. */
static void retire(const struct version *from, const struct version *kept)
{
    for (uint32_t i = 0; i < from->segment_count; i++) {
        if (!has_segment(kept->segments, kept->segment_count, from->segments[i]))
            atomic_store(&from->segments[i]->obsolete, true);
    }
    for (uint32_t i = 0; i < from->journal_count; i++) {
        if (!has_journal(kept->journals, kept->journal_count, from->journals[i]))
            atomic_store(&from->journals[i]->obsolete, true);
    }
}

/* The new manifest is durable: it settles also which one is in force when earlier ones were in doubt. */
static void make_current(struct files *files, struct version *version, struct manifest *manifest)
{
    struct version *old = files->version;
    for (uint32_t i = 0; i < version->journal_count; i++) {
        if (version->journals[i]->clean_end !=
            manifest->journals[i].clean_end) /* its sealer may be reading it */
            version->journals[i]->clean_end = manifest->journals[i].clean_end;
    }
    retire(old, version);
    for (const struct version *doubtful = files->in_doubt; doubtful; doubtful = doubtful->next)
        retire(doubtful, version);
    struct manifest old_manifest = files->manifest;
    files->manifest = *manifest;
    *manifest = old_manifest;
    (void)pthread_mutex_lock(&files->lock);
    files->version = version;
    (void)pthread_mutex_unlock(&files->lock);
    release_in_doubt(files);
    version_release(old);
}

int files_apply(struct files *files, const struct files_edit *edit, enum files_outcome *ret_outcome,
    struct error *ret_error)
{
    enum files_outcome outcome = FILES_REFUSED;
    struct manifest manifest = {0};
    bool in_doubt = false;
    (void)pthread_mutex_lock(&files->apply_lock);
    struct version *version = edit_version(files->version, edit);
    int r = version ? describe(files, version, edit, &manifest) : -ENOMEM;
    if (r < 0) {
        r = error_set(ret_error, ENOMEM, "out of memory for the list of files");
    } else {
        manifest.version = ++files->manifest.version;
        r = manifest_write_result(files->io, files->directory, &manifest, &in_doubt, ret_error);
    }
    if (r == 0) {
        outcome = FILES_APPLIED;
        make_current(files, version, &manifest);
    } else if (in_doubt) {
        outcome = FILES_IN_DOUBT;
        version->next = files->in_doubt;
        files->in_doubt = version;
    } else {
        if (version && !edit->keep_refused)
            retire(version, files->version);
        version_release(version);
    }
    (void)pthread_mutex_unlock(&files->apply_lock);
    manifest_free(&manifest);
    if (ret_outcome)
        *ret_outcome = outcome;
    return r;
}

/* ---- reading it ---- */

struct version *files_version(struct files *files)
{
    (void)pthread_mutex_lock(&files->lock);
    struct version *version = files->version;
    atomic_fetch_add(&version->references, 1);
    (void)pthread_mutex_unlock(&files->lock);
    return version;
}

struct files_moment *files_moment_take(struct files *files)
{
    (void)pthread_mutex_lock(&files->lock);
    struct version *version = files->version;
    struct files_moment *moment = malloc(sizeof(*moment) + version->journal_count * sizeof(uint64_t));
    if (moment) {
        atomic_fetch_add(&version->references, 1);
        moment->version = version;
        moment->sequence = files->delete_sequence;
        for (uint32_t i = 0; i < version->journal_count; i++)
            moment->ends[i] = version->journals[i]->published_end;
    }
    (void)pthread_mutex_unlock(&files->lock);
    return moment;
}

void files_moment_free(struct files_moment *moment)
{
    if (!moment)
        return;
    version_release(moment->version);
    free(moment);
}

void files_publish(struct files *files, struct journal *journal, uint64_t end)
{
    (void)pthread_mutex_lock(&files->lock);
    journal->published_end = end;
    (void)pthread_mutex_unlock(&files->lock);
}

uint64_t files_published_end(struct files *files, const struct journal *journal)
{
    (void)pthread_mutex_lock(&files->lock);
    uint64_t end = journal->published_end;
    (void)pthread_mutex_unlock(&files->lock);
    return end;
}

/* ---- deleted series ---- */

bool files_was_deleted(struct files *files, uint64_t series_id, uint64_t sequence)
{
    (void)pthread_mutex_lock(&files->lock);
    uint64_t deleted = (uint64_t)(uintptr_t)id_map_get(&files->deleted, series_id);
    (void)pthread_mutex_unlock(&files->lock);
    return deleted != 0 && deleted <= sequence;
}

bool files_is_deleted(struct files *files, uint64_t series_id)
{
    return files_was_deleted(files, series_id, UINT64_MAX);
}

int files_reserve_deleted(struct files *files, size_t count)
{
    (void)pthread_mutex_lock(&files->lock);
    int r = id_map_reserve(&files->deleted, files->deleting + count);
    if (r == 0)
        files->deleting += count;
    (void)pthread_mutex_unlock(&files->lock);
    return r;
}

int files_mark_deleted(struct files *files, uint64_t series_id)
{
    (void)pthread_mutex_lock(&files->lock);
    int r = 0;
    if (files->deleting > 0)
        files->deleting--;
    if (!id_map_get(&files->deleted, series_id)) {
        r = id_map_put(&files->deleted, series_id, (void *)(uintptr_t)(files->delete_sequence + 1));
        if (r == 0)
            files->delete_sequence++;
    }
    (void)pthread_mutex_unlock(&files->lock);
    return r;
}

uint64_t files_delete_sequence(struct files *files)
{
    (void)pthread_mutex_lock(&files->lock);
    uint64_t sequence = files->delete_sequence;
    (void)pthread_mutex_unlock(&files->lock);
    return sequence;
}

int files_list_deleted(struct files *files, uint64_t sequence, uint64_t **ret_ids, size_t *ret_count)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&files->lock);
    uint64_t *ids = malloc((files->deleted.count + 1) * sizeof(*ids));
    for (size_t i = 0; ids && i < files->deleted.capacity; i++) {
        uint64_t deleted = (uint64_t)(uintptr_t)files->deleted.entries[i].value;
        if (deleted != 0 && deleted <= sequence)
            ids[count++] = files->deleted.entries[i].id;
    }
    (void)pthread_mutex_unlock(&files->lock);
    *ret_ids = ids;
    *ret_count = count;
    return ids ? 0 : -ENOMEM;
}
