/* Verifies a store directory that nobody has open: every checksum and every invariant that spans files. Reads
 * only. */
#include "id_map.h"
#include "journal_file.h"
#include "manifest.h"
#include "segment.h"
#include "store.h"
#include "store_layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const char *directory;
    void (*found)(void *context, const char *message);
    void *context;
    int findings;
    struct manifest manifest;
    struct id_map ends;    /* series id -> struct end */
    struct id_map deleted; /* series id -> non-NULL */
};

/* Where a series ends so far, going through the files from old to new. */
struct end {
    uint64_t length;
    double time_last;
    uint64_t logical_bytes;
};

__attribute__((format(printf, 2, 3))) static void report(struct check *check, const char *format, ...)
{
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    check->findings++;
    if (check->found)
        check->found(check->context, message);
}

static void pass_on(void *context, const char *message)
{
    report(context, "%s", message);
}

/* A run of points [first_index, first_index + count) of a series follows what was before. */
static int follow(struct check *check, const char *path, uint64_t series_id, uint64_t first_index,
    double time_first, const struct end *next)
{
    if (id_map_get(&check->deleted, series_id))
        return 0;
    struct end *end = id_map_get(&check->ends, series_id);
    if (!end) {
        end = calloc(1, sizeof(*end));
        if (!end)
            return -ENOMEM;
        if (id_map_put(&check->ends, series_id, end) < 0) {
            free(end);
            return -ENOMEM;
        }
    }
    if (first_index != end->length)
        report(check, "%s: series %llu goes on at index %llu, expected %llu", path,
            (unsigned long long)series_id, (unsigned long long)first_index, (unsigned long long)end->length);
    if (end->length > 0 && time_first < end->time_last)
        report(check, "%s: series %llu goes on at time %.17g, before its last time %.17g", path,
            (unsigned long long)series_id, time_first, end->time_last);
    if (next->logical_bytes < end->logical_bytes)
        report(check, "%s: series %llu has %llu logical bytes, fewer than before (%llu)", path,
            (unsigned long long)series_id, (unsigned long long)next->logical_bytes,
            (unsigned long long)end->logical_bytes);
    *end = *next;
    return 0;
}

/* ---- segments ---- */

struct in_segment {
    struct check *check;
    const char *path;
};

static int follow_segment(void *context, const struct segment_series *series)
{
    struct in_segment *in = context;
    struct end next = {
        .length = series->first_index + series->count,
        .time_last = series->time_last,
        .logical_bytes = series->logical_bytes,
    };
    return follow(in->check, in->path, series->series_id, series->first_index, series->time_first, &next);
}

static int check_segment(struct check *check, const struct manifest_segment *named, struct error *ret_error)
{
    struct segment *segment;
    struct error error = {0};
    char *path = store_segment_path(check->directory, named->id);
    if (!path)
        return -ENOMEM;
    int r = segment_open(path, named->id, &segment, &error);
    if (r < 0) {
        report(check, "%s", error.message);
        free(path);
        return 0;
    }
    if (segment_file_size(segment) != named->size || segment_footer_checksum(segment) != named->checksum)
        report(check, "%s: is not the file the manifest names (size or footer checksum differ)", path);
    r = segment_check(segment, pass_on, check, ret_error);
    if (r >= 0)
        r = segment_each_series(
            segment, follow_segment, &(struct in_segment){.check = check, .path = path}, &error);
    if (r == -EBADMSG || r == -EIO) { /* a finding: the rest of the database is still to be looked at */
        report(check, "%s", error.message);
        r = 0;
    }
    segment_close(segment);
    free(path);
    return r < 0 ? r : 0;
}

/* ---- journals ---- */

struct in_journal {
    struct check *check;
    const struct journal_file *file;
    bool deletions; /* first pass: only what was deleted */
};

static int follow_journal(void *context, const struct frame *frame)
{
    struct in_journal *in = context;
    if (frame->kind == FRAME_TOMBSTONE)
        return in->deletions ? id_map_put(&in->check->deleted, frame->series_id, in->check) : 0;
    if (in->deletions)
        return 0;
    struct batch view;
    struct error error = {0};
    if (frame_view(map_data(in->file->map), frame, true, &view, &error) < 0) {
        report(in->check, "%s: offset %llu: %s", in->file->path, (unsigned long long)frame->offset,
            error.message);
        return 0;
    }
    const struct end *before = id_map_get(&in->check->ends, frame->series_id);
    uint64_t expected = (before ? before->logical_bytes : 0) + batch_logical_bytes(&view, 0, view.count);
    bool deleted = id_map_get(&in->check->deleted, frame->series_id) != NULL;
    if (!deleted && frame->logical_bytes != expected)
        report(in->check, "%s: offset %llu: series %llu has %llu logical bytes, expected %llu",
            in->file->path, (unsigned long long)frame->offset, (unsigned long long)frame->series_id,
            (unsigned long long)frame->logical_bytes, (unsigned long long)expected);
    if (batch_time(&view, 0) != frame->time_first || batch_time(&view, view.count - 1) != frame->time_last)
        report(in->check, "%s: offset %llu: the frame's times are not those of its points", in->file->path,
            (unsigned long long)frame->offset);
    struct end next = {
        .length = frame->first_index + frame->count,
        .time_last = frame->time_last,
        .logical_bytes = frame->logical_bytes,
    };
    return follow(in->check, in->file->path, frame->series_id, frame->first_index, frame->time_first, &next);
}

static int check_journal(
    struct check *check, const struct manifest_journal *named, bool deletions, struct error *ret_error)
{
    struct journal_file *file;
    struct error error = {0};
    int r = journal_file_open(check->directory, named->id, &file, &error);
    if (r == 0) {
        if (file->nonce != named->nonce && !deletions)
            report(check, "%s: is not the file the manifest names (nonce %016llx, expected %016llx)",
                file->path, (unsigned long long)file->nonce, (unsigned long long)named->nonce);
        struct in_journal in = {.check = check, .file = file, .deletions = deletions};
        struct journal_scan scan;
        r = journal_file_scan(file, named->clean_end, follow_journal, &in, &scan, &error);
        journal_file_close(file);
    }
    if (r == -ENOMEM) {
        *ret_error = error;
        return r;
    }
    if (r < 0 && !deletions)
        report(check, "%s", error.message);
    return 0;
}

int store_check(const char *directory, void (*found)(void *context, const char *message), void *context,
    struct error *ret_error)
{
    struct check check = {.directory = directory, .found = found, .context = context};
    struct error error = {0};
    int r = map_install_handler(ret_error);
    if (r < 0)
        return r;
    r = manifest_read(directory, &check.manifest, &error);
    if (r < 0) {
        report(&check, "%s", error.message);
        return check.findings;
    }
    for (uint64_t i = 0; r == 0 && i < check.manifest.deleted_count; i++)
        r = id_map_put(&check.deleted, check.manifest.deleted[i], &check);
    for (uint32_t i = 0; r == 0 && i < check.manifest.journal_count; i++)
        r = check_journal(&check, &check.manifest.journals[i], true, &error);
    for (uint32_t i = 0; r == 0 && i < check.manifest.segment_count; i++)
        r = check_segment(&check, &check.manifest.segments[i], &error);
    for (uint32_t i = 0; r == 0 && i < check.manifest.journal_count; i++)
        r = check_journal(&check, &check.manifest.journals[i], false, &error);
    for (size_t i = 0; i < check.ends.capacity; i++)
        free(check.ends.entries[i].value);
    id_map_free(&check.ends);
    id_map_free(&check.deleted);
    manifest_free(&check.manifest);
    if (r < 0)
        return error_set(ret_error, -r, "%s: check could not be completed: %s", directory,
            error.code ? error.message : strerror(-r));
    return check.findings;
}
