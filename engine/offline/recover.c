/* Recovery: from a directory to a running store. Nothing is served before it is durable, an old journal is
 * never appended to: the end of the log is copied into a new, synced journal, and appending goes on there.
 * (What the page cache shows of a file whose sync failed or never came need not be on disk.) Journals that
 * the manifest calls durable to their end are kept as they are and wait for the sealer. */
#include "recover.h"

#include "bytes.h"
#include "clock.h"
#include "growth.h"
#include "space.h"
#include "store_layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    COPY_BUFFER_BYTES = 4 << 20,
    COPY_BYTES_MAX = 1 << 20, /* a clean log longer than this is sealed, not copied: an open writes little */
};

struct recovery {
    const struct store_options *options;
    struct io *io;
    struct files *files;
    struct states *states;
    struct version *version; /* what the manifest names */
    struct journal_scan *scans;
    uint32_t kept;          /* how many of its journals stay as they are, the oldest ones */
    struct journal **fresh; /* what the others are copied to */
    uint32_t fresh_count, fresh_capacity;
    struct store_recovery result;
};

/* ---- trash ---- */

static int make_trash(struct recovery *recovery, struct error *ret_error)
{
    char *path = store_path(files_directory(recovery->files), TRASH_NAME);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory");
    struct error error;
    int r = io_make_directory(recovery->io, path, 0700, &error);
    if (r == -EEXIST)
        r = 0;
    if (r < 0)
        (void)error_set(ret_error, error.code, "%s", error.message);
    free(path);
    return r;
}

static bool is_named(const struct version *version, const char *name)
{
    uint64_t id;
    if (strcmp(name, MANIFEST_NAME) == 0 || strcmp(name, TRASH_NAME) == 0 ||
        strcmp(name, RECYCLED_NAME) == 0 || store_name_is_import(name))
        return true;
    bool is_journal = store_name_is_journal(name, &id);
    for (uint32_t i = 0; is_journal && i < version->journal_count; i++) {
        if (version->journals[i]->file->id == id)
            return true;
    }
    bool is_segment = store_name_is_segment(name, &id);
    for (uint32_t i = 0; is_segment && i < version->segment_count; i++) {
        if (segment_id(version->segments[i]->segment) == id)
            return true;
    }
    return false;
}

static int trash_file(struct recovery *recovery, const char *name, struct error *ret_error)
{
    int r = make_trash(recovery, ret_error);
    if (r < 0)
        return r;
    char *from = store_path(files_directory(recovery->files), name);
    char *to =
        store_trash_path(files_directory(recovery->files), name, files_manifest_version(recovery->files));
    if (from && to)
        r = io_rename(recovery->io, from, to, ret_error);
    else
        r = error_set(ret_error, ENOMEM, "out of memory");
    free(from);
    free(to);
    recovery->result.trashed_files++;
    return r;
}

/* Moves what the manifest does not name into trash: an interrupted segment, a spare journal, a foreign file.
 */
static int trash_unnamed(struct recovery *recovery, struct error *ret_error)
{
    DIR *directory = opendir(files_directory(recovery->files));
    if (!directory)
        return error_set(ret_error, errno, "%s: %s", files_directory(recovery->files), strerror(errno));
    int r = 0;
    const struct dirent *entry;
    while (r == 0 && (entry = readdir(directory))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_named(recovery->version, name))
            r = trash_file(recovery, name, ret_error);
    }
    (void)closedir(directory);
    return r;
}

/* Keeps a copy of the bytes that are cut off a journal's end. */
static int trash_tail(struct recovery *recovery, const struct journal_file *file,
    const struct journal_scan *scan, struct error *ret_error)
{
    if (scan->torn_bytes == 0)
        return 0;
    int r = make_trash(recovery, ret_error);
    if (r < 0)
        return r;
    char *path = store_trash_tail_path(
        files_directory(recovery->files), file->id, scan->end, files_manifest_version(recovery->files));
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory");
    int copy = io_open_file(recovery->io, path, O_WRONLY | O_CREAT | O_TRUNC, 0600, ret_error);
    r = copy < 0 ? copy
                 : io_write_all(recovery->io, copy, path, map_data(file->map) + scan->end, scan->torn_bytes,
                       0, ret_error);
    if (r == 0)
        r = io_sync(recovery->io, copy, path, ret_error);
    if (copy >= 0)
        (void)close(copy);
    free(path);
    recovery->result.torn_bytes += scan->torn_bytes;
    return r;
}

/* ---- what is there ---- */

/* One frame of a journal becomes known: to its journal's index, to the series' state, to the deletions. */
static int take_frame(
    struct recovery *recovery, struct journal *journal, const struct frame *frame, struct error *ret_error)
{
    int r = head_index_add(&journal->index, frame);
    if (r == 0 && frame->kind == FRAME_TOMBSTONE) {
        r = files_mark_deleted(recovery->files, frame->series_id);
        struct series_state *state = states_find(recovery->states, frame->series_id);
        if (state)
            state->deleted = true;
    } else if (r == 0) {
        const struct series_state *before = states_find(recovery->states, frame->series_id);
        if (before && before->length != frame->first_index)
            return error_set(ret_error, EBADMSG,
                "%s: offset %llu: series %llu goes on at index %llu, expected %llu; see "
                "`connectordb repair`",
                journal->file->path, (unsigned long long)frame->offset, (unsigned long long)frame->series_id,
                (unsigned long long)frame->first_index, (unsigned long long)before->length);
        r = states_put(recovery->states, frame->series_id,
            &(struct series_state){
                .length = frame->first_index + frame->count,
                .time_last = frame->time_last,
                .logical_bytes = frame->logical_bytes,
                .journal_id = journal->file->id,
                .deleted = before && before->deleted,
            });
    }
    return r < 0 ? error_set(ret_error, ENOMEM, "out of memory for the index of %s", journal->file->path) : 0;
}

struct visit {
    struct recovery *recovery;
    struct journal *journal;
    struct error *error;
};

static int visit_frame(void *context, const struct frame *frame)
{
    struct visit *visit = context;
    return take_frame(visit->recovery, visit->journal, frame, visit->error);
}

static int scan_journals(struct recovery *recovery, struct error *ret_error)
{
    for (uint32_t i = 0; i < recovery->version->journal_count; i++) {
        struct journal *journal = recovery->version->journals[i];
        struct visit visit = {.recovery = recovery, .journal = journal, .error = ret_error};
        int r = journal_file_scan(
            journal->file, journal->clean_end, visit_frame, &visit, &recovery->scans[i], ret_error);
        if (r < 0)
            return r;
        journal->reserved_end = recovery->scans[i].end;
        files_publish(recovery->files, journal, recovery->scans[i].end);
        recovery->result.frames += recovery->scans[i].frames;
        recovery->result.points += recovery->scans[i].points;
        recovery->result.clean = recovery->result.clean && journal->clean_end != 0;
    }
    recovery->result.journal_count = recovery->version->journal_count;
    return 0;
}

/* How many of the oldest journals may stay as they are: all before the first whose end is not known to be
 * durable. But what a clean close left in small ones is copied together rather than made into tiny segments.
 */
static uint32_t count_kept(const struct recovery *recovery)
{
    uint32_t kept = 0;
    while (kept < recovery->version->journal_count && recovery->version->journals[kept]->clean_end != 0)
        kept++;
    uint64_t bytes = 0;
    if (kept < recovery->version->journal_count)
        return kept;
    while (kept > 0) {
        bytes += recovery->scans[kept - 1].end - JOURNAL_HEADER_BYTES;
        if (bytes > (recovery->options->journal_bytes - JOURNAL_HEADER_BYTES) / 2 || bytes > COPY_BYTES_MAX)
            break;
        kept--;
    }
    return kept;
}

/* ---- copying the end of the log ---- */

struct copy {
    struct recovery *recovery;
    struct journal *to; /* the journal being filled, or NULL */
    uint8_t *buffer;
    size_t used;
    uint64_t written; /* file offset of buffer[0] */
    struct error *error;
    const struct journal *from;
    uint64_t size; /* of the journals to copy to */
};

static int copy_flush(struct copy *copy, bool sync)
{
    struct journal_file *file = copy->to->file;
    int r = io_write_sync(copy->recovery->io, file->file, file->path, copy->buffer, copy->used, copy->written,
        sync, copy->error);
    copy->written += copy->used;
    copy->used = 0;
    return r;
}

/* Ends the journal being filled: all of it durable. */
static int copy_end(struct copy *copy)
{
    if (!copy->to)
        return 0;
    int r = copy_flush(copy, true);
    copy->to->reserved_end = copy->written;
    uint64_t filled_end = align_up(copy->written, JOURNAL_HEADER_BYTES);
    if (copy->to->filled_end < filled_end) /* what was copied took blocks */
        copy->to->filled_end = filled_end;
    files_publish(copy->recovery->files, copy->to, copy->written);
    atomic_store(&copy->to->synced_end, copy->written);
    return r;
}

/* Takes the file over, also when memory is short: then NULL. */
static struct journal *add_fresh(struct recovery *recovery, struct journal_file *file)
{
    if (recovery->fresh_count == recovery->fresh_capacity) {
        uint32_t capacity = recovery->fresh_capacity ? recovery->fresh_capacity * 2 : 16;
        struct journal **fresh = realloc(recovery->fresh, capacity * sizeof(struct journal *));
        if (fresh) {
            recovery->fresh = fresh;
            recovery->fresh_capacity = capacity;
        }
    }
    struct journal *journal = recovery->fresh_count < recovery->fresh_capacity
                                  ? journal_new(file, files_recycler(recovery->files))
                                  : NULL;
    if (journal)
        recovery->fresh[recovery->fresh_count++] = journal;
    else
        journal_file_close(file);
    return journal;
}

static int copy_begin(struct copy *copy, size_t frame_bytes_needed)
{
    struct recovery *recovery = copy->recovery;
    int r = copy_end(copy);
    if (r < 0)
        return r;
    if (copy->to)
        copy->to->closed = true;
    uint64_t size = copy->size;
    if (size < frame_bytes_needed + JOURNAL_HEADER_BYTES)
        size = align_up(frame_bytes_needed + JOURNAL_HEADER_BYTES, JOURNAL_HEADER_BYTES);
    struct journal_file *file;
    bool partly = size < recovery->options->journal_bytes;
    r = growth_prepare(recovery->options, recovery->io, recovery->files, size, frame_bytes_needed, partly,
        &file, copy->error);
    if (r < 0)
        return r;
    copy->to = add_fresh(recovery, file);
    copy->written = JOURNAL_HEADER_BYTES;
    return copy->to ? 0 : error_set(copy->error, ENOMEM, "out of memory for a journal");
}

static int copy_frame(void *context, const struct frame *old)
{
    struct copy *copy = context;
    size_t size = frame_size(old);
    struct batch view = {0};
    if (old->kind == FRAME_POINTS) {
        int r = frame_view(map_data(copy->from->file->map), old, true, &view, copy->error);
        if (r < 0)
            return r;
    }
    uint64_t end = copy->to ? copy->written + copy->used : 0;
    if (!copy->to || copy->to->file->size - end < size) {
        int r = copy_begin(copy, size);
        if (r < 0)
            return r;
    }
    if (copy->used > 0 && copy->used + size > COPY_BUFFER_BYTES) {
        int r = copy_flush(copy, false);
        if (r < 0)
            return r;
    }
    struct frame frame = *old;
    frame.group = 0;
    frame.continues =
        false; /* the unit is whole, and nothing of the copy counts before all of it is synced */
    frame.synced_to = JOURNAL_HEADER_BYTES;
    frame.offset = copy->written + copy->used;
    uint8_t *to = copy->buffer + copy->used;
    uint8_t *large = NULL;
    if (size > COPY_BUFFER_BYTES) { /* the buffer is empty now; this one frame goes by itself */
        to = large = malloc(size);
        if (!large)
            return error_set(copy->error, ENOMEM, "out of memory for a frame of %zu bytes", size);
    }
    frame_pack(to, copy->to->file->nonce, &frame, old->kind == FRAME_POINTS ? &view : NULL);
    int r = 0;
    if (large) {
        r = io_write_all(copy->recovery->io, copy->to->file->file, copy->to->file->path, large, size,
            copy->written, copy->error);
        copy->written += size;
        free(large);
    } else {
        copy->used += size;
    }
    if (r == 0 && head_index_add(&copy->to->index, &frame) < 0)
        r = error_set(copy->error, ENOMEM, "out of memory for the index of %s", copy->to->file->path);
    struct series_state *state = states_find(copy->recovery->states, frame.series_id);
    if (state)
        state->journal_id = copy->to->file->id;
    return r;
}

/* Blocks for the first inserts. */
static int allocate_ahead(struct copy *copy)
{
    struct journal *journal = copy->to;
    uint64_t to = align_up(journal->reserved_end + GROWTH_FILL_BYTES, JOURNAL_HEADER_BYTES);
    bool synced;
    if (to > journal->file->size)
        to = journal->file->size;
    if (journal->filled_end - journal->reserved_end >= GROWTH_FILL_BYTES / 2 || journal->filled_end >= to)
        return 0;
    int r =
        journal_file_fill(copy->recovery->io, journal->file, journal->filled_end, to, &synced, copy->error);
    if (r == 0)
        journal->filled_end = to;
    return r;
}

/* Bytes of frames in all journals. */
static uint64_t log_bytes(const struct recovery *recovery)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < recovery->version->journal_count; i++)
        bytes += recovery->scans[i].end - JOURNAL_HEADER_BYTES;
    return bytes;
}

static int copy_journals(struct recovery *recovery, struct error *ret_error)
{
    struct copy copy = {.recovery = recovery,
        .error = ret_error,
        .size = growth_open_size(recovery->options, log_bytes(recovery))};
    copy.buffer = malloc(COPY_BUFFER_BYTES);
    if (!copy.buffer)
        return error_set(ret_error, ENOMEM, "out of memory for recovery");
    int r = 0;
    for (uint32_t i = recovery->kept; r == 0 && i < recovery->version->journal_count; i++) {
        struct journal_scan scan;
        copy.from = recovery->version->journals[i];
        r = trash_tail(recovery, copy.from->file, &recovery->scans[i], ret_error);
        if (r == 0 && recovery->scans[i].frames > 0)
            r = journal_file_scan(copy.from->file, copy.from->clean_end, copy_frame, &copy, &scan, ret_error);
    }
    if (r == 0 && !copy.to)
        r = copy_begin(&copy, 0);
    if (r == 0)
        r = copy_end(&copy);
    if (r == 0)
        r = allocate_ahead(&copy);
    free(copy.buffer);
    return r;
}

/* ---- putting it together ---- */

/* The manifest names the new journals instead of those that were copied. Without that it is as if the open
 * had not been tried. */
static int name_journals(struct recovery *recovery, struct error *ret_error)
{
    for (uint32_t i = 0; i < recovery->fresh_count; i++) {
        if (recovery->fresh[i]->closed)
            recovery->fresh[i]->clean_end = recovery->fresh[i]->reserved_end;
    }
    return files_apply(recovery->files,
        &(struct files_edit){
            .add_journals = recovery->fresh,
            .add_journal_count = recovery->fresh_count,
            .remove_journals = recovery->version->journals + recovery->kept,
            .remove_journal_count = recovery->version->journal_count - recovery->kept,
        },
        NULL, ret_error);
}

static int assemble(struct recovery *recovery, struct error *ret_error)
{
    int r = trash_unnamed(recovery, ret_error);
    if (r == 0)
        r = scan_journals(recovery, ret_error);
    if (r < 0)
        return r;
    recovery->kept = count_kept(recovery);
    uint64_t copied = 0;
    for (uint32_t i = recovery->kept; i < recovery->version->journal_count; i++)
        copied += recovery->scans[i].end - JOURNAL_HEADER_BYTES + recovery->scans[i].torn_bytes;
    uint64_t needed = growth_open_space(recovery->options, recovery->files, log_bytes(recovery), copied);
    r = space_check(files_directory(recovery->files), needed, "opening the store", ret_error);
    if (r == 0)
        r = copy_journals(recovery, ret_error);
    if (r == 0) {
        r = name_journals(recovery, ret_error);
    } else {
        for (uint32_t i = 0; i < recovery->fresh_count; i++)
            atomic_store(&recovery->fresh[i]->obsolete, true);
    }
    if (error_is_no_space(-r))
        (void)error_prefix(ret_error,
            "no space to open the store: its journals need %llu free bytes (the folder %s/trash, if there is "
            "one, holds nothing in use and may be removed)",
            (unsigned long long)needed, files_directory(recovery->files));
    return r;
}

int recover(const struct store_options *options, struct io *io, struct files *files, struct states *states,
    struct journal **ret_active, struct store_recovery *ret_recovery, struct error *ret_error)
{
    uint64_t begun = clock_monotonic_ns();
    struct recovery recovery = {
        .options = options, .io = io, .files = files, .states = states, .version = files_version(files)};
    recovery.result.clean = true;
    recovery.scans = calloc((size_t)recovery.version->journal_count + 1, sizeof(struct journal_scan));
    int r = recovery.scans ? assemble(&recovery, ret_error)
                           : error_set(ret_error, ENOMEM, "out of memory for recovery");
    if (r == 0) {
        *ret_active = journal_hold(recovery.fresh[recovery.fresh_count - 1]);
        *ret_recovery = recovery.result;
        ret_recovery->seconds = (double)(clock_monotonic_ns() - begun) / 1e9;
    }
    for (uint32_t i = 0; i < recovery.fresh_count; i++)
        journal_release(recovery.fresh[i]);
    version_release(recovery.version);
    free(recovery.scans);
    free(recovery.fresh);
    return r;
}

int recover_in_memory(const struct store_options *options, struct io *io, struct files *files,
    struct states *states, struct store_recovery *ret_recovery, struct error *ret_error)
{
    uint64_t begun = clock_monotonic_ns();
    struct recovery recovery = {
        .options = options, .io = io, .files = files, .states = states, .version = files_version(files)};
    recovery.result.clean = true;
    recovery.scans = calloc((size_t)recovery.version->journal_count + 1, sizeof(struct journal_scan));
    int r = recovery.scans ? scan_journals(&recovery, ret_error)
                           : error_set(ret_error, ENOMEM, "out of memory for recovery");
    for (uint32_t i = 0; r == 0 && i < recovery.version->journal_count; i++)
        recovery.result.torn_bytes += recovery.scans[i].torn_bytes;
    if (r == 0) {
        *ret_recovery = recovery.result;
        ret_recovery->seconds = (double)(clock_monotonic_ns() - begun) / 1e9;
    }
    version_release(recovery.version);
    free(recovery.scans);
    return r;
}
