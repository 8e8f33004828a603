/* Prints what is in a store directory's files, with recovery's own readers. */
#include "check.h"
#include "journal_file.h"
#include "manifest.h"
#include "merger.h"
#include "segment.h"
#include "store.h"
#include "store_layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct inspect {
    const char *directory;
    void (*line)(void *context, const char *text);
    void *context;
};

__attribute__((format(printf, 2, 3))) static void print(
    const struct inspect *inspect, const char *format, ...)
{
    char text[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    inspect->line(inspect->context, text);
}

static int inspect_manifest(const struct inspect *inspect, struct error *ret_error)
{
    char name[STORE_NAME_BYTES];
    struct manifest manifest;
    int r = manifest_read(inspect->directory, &manifest, ret_error);
    if (r < 0)
        return r;
    print(inspect, "manifest version %llu, next file id %llu", (unsigned long long)manifest.version,
        (unsigned long long)manifest.next_file_id);
    for (uint32_t i = 0; i < manifest.journal_count; i++) {
        const struct manifest_journal *journal = &manifest.journals[i];
        if (journal->clean_end)
            print(inspect, "  %s, durable to its end at %llu", store_journal_name(name, journal->id),
                (unsigned long long)journal->clean_end);
        else
            print(inspect, "  %s, in use", store_journal_name(name, journal->id));
    }
    for (uint32_t i = 0; i < manifest.segment_count; i++)
        print(inspect, "  %s, %llu bytes, footer checksum %016llx",
            store_segment_name(name, manifest.segments[i].id), (unsigned long long)manifest.segments[i].size,
            (unsigned long long)manifest.segments[i].checksum);
    for (uint64_t i = 0; i < manifest.deleted_count; i++)
        print(inspect, "  deleted series %llu", (unsigned long long)manifest.deleted[i]);
    manifest_free(&manifest);
    return 0;
}

static int print_frame(void *context, const struct frame *frame)
{
    const struct inspect *inspect = context;
    if (frame->kind == FRAME_TOMBSTONE)
        print(inspect, "  %10llu  series %llu deleted (group %llu)", (unsigned long long)frame->offset,
            (unsigned long long)frame->series_id, (unsigned long long)frame->group);
    else
        print(inspect,
            "  %10llu  series %llu, points %llu..%llu, t %.17g..%.17g, %u bytes (group %llu, synced to "
            "%llu%s)",
            (unsigned long long)frame->offset, (unsigned long long)frame->series_id,
            (unsigned long long)frame->first_index,
            (unsigned long long)(frame->first_index + frame->count - 1), frame->time_first, frame->time_last,
            frame->payload_bytes, (unsigned long long)frame->group, (unsigned long long)frame->synced_to,
            frame->continues ? "; the unit continues" : "");
    return 0;
}

static int skip_frame(void *context, const struct frame *frame)
{
    (void)context;
    (void)frame;
    return 0;
}

static int inspect_journal(const struct inspect *inspect, uint64_t id, bool frames, struct error *ret_error)
{
    struct journal_file *file;
    struct journal_scan scan = {0};
    int r = journal_file_open(inspect->directory, id, &file, ret_error);
    if (r < 0)
        return r;
    char name[STORE_NAME_BYTES];
    print(inspect, "%s: %llu bytes, nonce %016llx", store_journal_name(name, id),
        (unsigned long long)file->size, (unsigned long long)file->nonce);
    struct inspect copy = *inspect;
    int (*visit)(void *, const struct frame *) = frames ? print_frame : skip_frame;
    r = journal_file_scan(file, 0, visit, &copy, &scan, ret_error);
    if (r == 0)
        print(inspect, "  %llu frames with %llu points end at %llu%s", (unsigned long long)scan.frames,
            (unsigned long long)scan.points, (unsigned long long)scan.end,
            scan.torn_bytes ? "; something unfinished follows" : "");
    journal_file_close(file);
    return r;
}

struct in_segment {
    const struct inspect *inspect;
    const struct segment *segment;
};

static int print_series(void *context, const struct segment_series *series)
{
    const struct in_segment *in = context;
    print(in->inspect,
        "  series %llu: points %llu..%llu in %u blocks, t %.17g..%.17g, %llu logical bytes up to here",
        (unsigned long long)series->series_id, (unsigned long long)series->first_index,
        (unsigned long long)(series->first_index + series->count - 1), series->block_count,
        series->time_first, series->time_last, (unsigned long long)series->logical_bytes);
    return 0;
}

static int open_segment(
    const struct inspect *inspect, uint64_t id, struct segment **ret_segment, struct error *ret_error)
{
    char *path = store_segment_path(inspect->directory, id);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory");
    int r = segment_open(path, id, ret_segment, ret_error);
    free(path);
    return r;
}

static double bytes_a_point(uint64_t bytes, uint64_t points)
{
    return points ? (double)bytes / (double)points : 0.0;
}

static void print_segment(const struct inspect *inspect, uint64_t id, const struct segment *segment)
{
    uint64_t points = segment_point_count(segment), bytes = segment_file_size(segment);
    char name[STORE_NAME_BYTES];
    print(inspect, "%s: tier %u, %llu bytes, %llu series, %llu points, %.3f bytes a point",
        store_segment_name(name, id), merger_tier(bytes), (unsigned long long)bytes,
        (unsigned long long)segment_series_count(segment), (unsigned long long)points,
        bytes_a_point(bytes, points));
}

static int inspect_segment(const struct inspect *inspect, uint64_t id, struct error *ret_error)
{
    struct segment *segment;
    int r = open_segment(inspect, id, &segment, ret_error);
    if (r < 0)
        return r;
    print_segment(inspect, id, segment);
    struct in_segment in = {.inspect = inspect, .segment = segment};
    r = segment_each_series(segment, print_series, &in, ret_error);
    segment_close(segment);
    return r;
}

/* ---- the whole store ---- */

enum { TIERS_MAX = 8 };

struct totals {
    uint64_t segments, segment_bytes, segment_points, journals;
    uint64_t of_tier[TIERS_MAX];
};

static int add_segment(
    const struct inspect *inspect, uint64_t id, struct totals *totals, struct error *ret_error)
{
    struct segment *segment;
    int r = open_segment(inspect, id, &segment, ret_error);
    if (r < 0)
        return r;
    print_segment(inspect, id, segment);
    unsigned tier = merger_tier(segment_file_size(segment));
    CHECK(tier < TIERS_MAX);
    totals->of_tier[tier]++;
    totals->segments++;
    totals->segment_bytes += segment_file_size(segment);
    totals->segment_points += segment_point_count(segment);
    segment_close(segment);
    return 0;
}

static void print_totals(const struct inspect *inspect, const struct totals *totals)
{
    char tiers[TIERS_MAX * 32] = "";
    size_t size = 0;
    for (unsigned tier = 0; tier < TIERS_MAX; tier++) {
        if (totals->of_tier[tier])
            size += (size_t)snprintf(tiers + size, sizeof(tiers) - size, "%s%llu of tier %u",
                size ? ", " : " (", (unsigned long long)totals->of_tier[tier], tier);
    }
    print(inspect,
        "in all: %llu segment%s%s%s with %llu bytes, %llu points, %.3f bytes a point; %llu journal%s",
        (unsigned long long)totals->segments, totals->segments == 1 ? "" : "s", tiers, size ? ")" : "",
        (unsigned long long)totals->segment_bytes, (unsigned long long)totals->segment_points,
        bytes_a_point(totals->segment_bytes, totals->segment_points), (unsigned long long)totals->journals,
        totals->journals == 1 ? "" : "s");
}

/* Segments stand in the manifest by age, the oldest first: a dozen neighbours of one tier are what the merger
 * will make one of. */
static int inspect_all(const struct inspect *inspect, struct error *ret_error)
{
    struct manifest manifest;
    struct totals totals = {0};
    int r = inspect_manifest(inspect, ret_error);
    if (r < 0)
        return r;
    r = manifest_read(inspect->directory, &manifest, ret_error);
    if (r < 0)
        return r;
    int first = 0;
    for (uint32_t i = 0; i < manifest.segment_count + manifest.journal_count; i++) {
        struct error error = {0};
        if (i < manifest.segment_count)
            r = add_segment(inspect, manifest.segments[i].id, &totals, &error);
        else
            r = inspect_journal(inspect, manifest.journals[i - manifest.segment_count].id, false, &error);
        if (r < 0) { /* go on with the other files; the first failure is the result */
            print(inspect, "%s", error.message);
            if (first == 0 && ret_error)
                *ret_error = error;
            first = first ? first : r;
        }
    }
    totals.journals = manifest.journal_count;
    print_totals(inspect, &totals);
    manifest_free(&manifest);
    return first;
}

int store_inspect(const char *directory, const char *file, void (*line)(void *context, const char *text),
    void *context, struct error *ret_error)
{
    struct inspect inspect = {.directory = directory, .line = line, .context = context};
    uint64_t id;
    int r = map_install_handler(ret_error);
    if (r < 0)
        return r;
    if (!file)
        return inspect_all(&inspect, ret_error);
    if (strcmp(file, MANIFEST_NAME) == 0)
        return inspect_manifest(&inspect, ret_error);
    if (store_name_is_journal(file, &id))
        return inspect_journal(&inspect, id, true, ret_error);
    if (store_name_is_segment(file, &id))
        return inspect_segment(&inspect, id, ret_error);
    return error_set(
        ret_error, EINVAL, "'%s' is no file of a store; give MANIFEST, journal-N or segment-N", file);
}
