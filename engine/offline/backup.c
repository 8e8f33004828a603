/* A consistent copy of a running store: segments never change, so they are linked where the file system
 * allows it; of each journal the published part is copied, and the copy's manifest calls it durable up to
 * there. */
#include "snapshot.h"
#include "store_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int new_file(struct io *io, const char *path, const void *data, uint64_t size, uint64_t file_size,
    struct error *ret_error)
{
    int file = io_open_file(io, path, O_WRONLY | O_CREAT | O_EXCL, 0600, ret_error);
    if (file < 0)
        return file;
    int r = io_write_all(io, file, path, data, size, 0, ret_error);
    if (r == 0 && file_size > size)
        r = io_truncate(io, file, path, file_size, ret_error);
    if (r == 0)
        r = io_sync(io, file, path, ret_error);
    (void)close(file);
    return r;
}

static int copy_segment(
    struct io *io, const struct segment *segment, const char *path, struct error *ret_error)
{
    if (link(segment_path(segment), path) == 0)
        return 0;
    if (errno == EEXIST)
        return error_set(ret_error, EEXIST, "%s: exists already", path);
    struct map *map; /* another file system, or one without links */
    int r = map_open(segment_path(segment), 0, &map, ret_error);
    if (r < 0)
        return r;
    r = new_file(io, path, map_data(map), map_size(map), 0, ret_error);
    if (r == 0 && map_faulted(map))
        r = error_set(ret_error, EIO, "%s: cannot be read", segment_path(segment));
    map_close(map);
    return r;
}

static int add_segments(struct io *io, const struct version *version, const char *directory,
    struct manifest *manifest, struct error *ret_error)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < version->segment_count; i++) {
        const struct segment *segment = version->segments[i]->segment;
        char *path = store_segment_path(directory, segment_id(segment));
        if (!path)
            return error_set(ret_error, ENOMEM, "out of memory for a backup");
        r = copy_segment(io, segment, path, ret_error);
        free(path);
        if (r == 0 && manifest_add_segment(manifest, (struct manifest_segment){
                                                         .id = segment_id(segment),
                                                         .size = segment_file_size(segment),
                                                         .checksum = segment_footer_checksum(segment),
                                                     }) < 0)
            r = error_set(ret_error, ENOMEM, "out of memory for a backup");
    }
    return r;
}

static int add_journals(struct io *io, const struct files_moment *moment, const char *directory,
    struct manifest *manifest, struct error *ret_error)
{
    const struct version *version = moment->version;
    const uint64_t *ends = moment->ends;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < version->journal_count; i++) {
        const struct journal_file *file = version->journals[i]->file;
        if (ends[i] <= JOURNAL_HEADER_BYTES)
            continue;
        char *path = store_journal_path(directory, file->id);
        if (!path)
            return error_set(ret_error, ENOMEM, "out of memory for a backup");
        r = new_file(io, path, map_data(file->map), ends[i], file->size, ret_error);
        free(path);
        if (r == 0 && map_faulted(file->map))
            r = error_set(ret_error, EIO, "%s: cannot be read", file->path);
        struct manifest_journal named = {.id = file->id, .clean_end = ends[i], .nonce = file->nonce};
        if (r == 0 && manifest_add_journal(manifest, named) < 0)
            r = error_set(ret_error, ENOMEM, "out of memory for a backup");
    }
    return r;
}

/* The series that were deleted at the moment of the snapshot. */
static int add_deletions(
    struct files *files, uint64_t sequence, struct manifest *manifest, struct error *ret_error)
{
    uint64_t *ids;
    size_t count;
    int r = files_list_deleted(files, sequence, &ids, &count);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = manifest_add_deleted(manifest, ids[i]);
    free(ids);
    return r < 0 ? error_set(ret_error, ENOMEM, "out of memory for a backup") : 0;
}

int store_snapshot_backup(struct store_snapshot *snapshot, const char *directory, struct error *ret_error)
{
    const struct files_moment *moment = snapshot->moment;
    struct manifest manifest = {.version = 1, .next_file_id = files_next_id(snapshot->files)};
    int r = add_deletions(snapshot->files, moment->sequence, &manifest, ret_error);
    if (r == 0)
        r = add_segments(snapshot->io, moment->version, directory, &manifest, ret_error);
    if (r == 0)
        r = add_journals(snapshot->io, moment, directory, &manifest, ret_error);
    if (r == 0)
        r = manifest_write(snapshot->io, directory, &manifest, ret_error);
    manifest_free(&manifest);
    return r;
}
