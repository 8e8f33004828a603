/* Snapshots: one moment of the whole store, and what is asked of a series at that moment. */
#include "snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- life ---- */

int snapshot_open(struct io *io, struct files *files, struct scratch_pool *scratch,
    struct store_snapshot **ret_snapshot, struct error *ret_error)
{
    struct store_snapshot *snapshot = malloc(sizeof(*snapshot));
    struct files_moment *moment = snapshot ? files_moment_take(files) : NULL;
    if (!moment) {
        free(snapshot);
        return error_set(ret_error, ENOMEM, "out of memory for a snapshot");
    }
    *snapshot = (struct store_snapshot){.io = io, .files = files, .scratch = scratch, .moment = moment};
    *ret_snapshot = snapshot;
    return 0;
}

void store_snapshot_close(struct store_snapshot *snapshot)
{
    if (!snapshot)
        return;
    scratch_give(snapshot->scratch, atomic_load(&snapshot->kept));
    files_moment_free(snapshot->moment);
    free(snapshot);
}

struct read_scratch *snapshot_scratch_take(struct store_snapshot *snapshot)
{
    struct read_scratch *scratch = atomic_exchange(&snapshot->kept, NULL);
    return scratch ? scratch : scratch_take(snapshot->scratch);
}

void snapshot_scratch_give(struct store_snapshot *snapshot, struct read_scratch *scratch)
{
    if (!scratch)
        return;
    scratch_trim(scratch);
    scratch_give(snapshot->scratch, atomic_exchange(&snapshot->kept, scratch));
}

/* ---- parts ---- */

static void add_segment_part(
    struct parts *parts, struct segment *segment, const struct segment_series *series)
{
    parts->list[parts->count++] = (struct part){
        .segment = segment,
        .series = *series,
        .first_index = series->first_index,
        .end_index = series->first_index + series->count,
        .time_last = series->time_last,
        .logical_bytes = series->logical_bytes,
    };
}

static void add_journal_part(
    struct parts *parts, struct journal *journal, const struct head_series *head, uint32_t reference_count)
{
    const struct frame_reference *last = head_reference(head, reference_count - 1);
    parts->list[parts->count++] = (struct part){
        .journal = journal,
        .head = head,
        .reference_count = reference_count,
        .first_index = head_reference(head, 0)->first_index,
        .end_index = last->first_index + last->count,
        .time_last = last->time_last,
        .logical_bytes = last->logical_bytes,
    };
}

static int check_parts(const struct parts *parts, uint64_t series_id, struct error *ret_error)
{
    uint64_t expected = 0;
    for (uint32_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->list[i];
        if (part->first_index != expected)
            return error_set(ret_error, EBADMSG,
                "%s: series %llu begins at index %llu, expected %llu; see `connectordb check`",
                part->segment ? segment_path(part->segment) : part->journal->file->path,
                (unsigned long long)series_id, (unsigned long long)part->first_index,
                (unsigned long long)expected);
        expected = part->end_index;
    }
    return 0;
}

int parts_find(
    struct store_snapshot *snapshot, uint64_t series_id, struct parts *ret_parts, struct error *ret_error)
{
    const struct version *version = snapshot->moment->version;
    struct parts parts = {0};
    *ret_parts = parts;
    if (files_was_deleted(snapshot->files, series_id, snapshot->moment->sequence))
        return 0;
    parts.list = malloc((version->segment_count + version->journal_count + 1) * sizeof(*parts.list));
    if (!parts.list)
        return error_set(ret_error, ENOMEM, "out of memory for a read");
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < version->segment_count; i++) {
        struct segment_series found;
        r = segment_find(version->segments[i]->segment, series_id, &found, ret_error);
        if (r == 1)
            add_segment_part(&parts, version->segments[i]->segment, &found);
    }
    for (uint32_t i = 0; r >= 0 && i < version->journal_count; i++) {
        const struct head_series *head;
        uint32_t count =
            head_index_find(&version->journals[i]->index, series_id, snapshot->moment->ends[i], &head);
        if (count > 0)
            add_journal_part(&parts, version->journals[i], head, count);
    }
    if (r >= 0)
        r = check_parts(&parts, series_id, ret_error);
    if (r < 0) {
        free(parts.list);
        return r;
    }
    *ret_parts = parts;
    return 0;
}

int part_check_journal(const struct part *part, struct error *ret_error)
{
    const struct journal_file *file = part->journal->file;
    return map_faulted(file->map)
               ? error_set(ret_error, EIO, "%s: cannot be read: I/O error, or the file was cut", file->path)
               : 0;
}

int part_read_frame(const struct part *part, uint32_t number, struct batch *ret_view, struct error *ret_error)
{
    uint64_t offset = frame_reference_offset(head_reference(part->head, number));
    return journal_read_points(part->journal->file, part->head->series_id, offset, ret_view, ret_error);
}

static int time_of_first(const struct part *part, double *ret_time, struct error *ret_error)
{
    if (part->segment) {
        *ret_time = part->series.time_first;
        return 0;
    }
    struct batch view;
    int r = part_read_frame(part, 0, &view, ret_error);
    if (r < 0)
        return r;
    *ret_time = batch_time(&view, 0);
    return part_check_journal(part, ret_error);
}

int store_snapshot_series(struct store_snapshot *snapshot, uint64_t series_id,
    struct store_series *ret_series, struct error *ret_error)
{
    struct parts parts;
    int r = parts_find(snapshot, series_id, &parts, ret_error);
    if (r < 0)
        return r;
    struct store_series series = {0};
    if (parts.count > 0) {
        const struct part *last = &parts.list[parts.count - 1];
        series.length = last->end_index;
        series.time_last = last->time_last;
        series.logical_bytes = last->logical_bytes;
        r = time_of_first(&parts.list[0], &series.time_first, ret_error);
    }
    free(parts.list);
    if (r == 0)
        *ret_series = series;
    return r;
}

int store_snapshot_series_bytes(
    struct store_snapshot *snapshot, uint64_t series_id, uint64_t *ret_bytes, struct error *ret_error)
{
    struct parts parts;
    uint64_t bytes = 0;
    int r = parts_find(snapshot, series_id, &parts, ret_error);
    for (uint32_t i = 0; r == 0 && i < parts.count; i++) {
        const struct part *part = &parts.list[i];
        if (part->segment) {
            bytes += part->series.block_size;
            continue;
        }
        for (uint32_t number = 0; r == 0 && number < part->reference_count; number++) {
            uint64_t size;
            uint64_t offset = frame_reference_offset(head_reference(part->head, number));
            r = journal_frame_bytes(part->journal->file, offset, &size, ret_error);
            bytes += r == 0 ? size : 0;
        }
        if (r == 0)
            r = part_check_journal(part, ret_error);
    }
    free(parts.list);
    if (r == 0)
        *ret_bytes = bytes;
    return r;
}

/* ---- by time ---- */

/* How many of the batch's points have a time <= `time`. */
static uint32_t count_until(const struct batch *batch, double time)
{
    uint32_t low = 0, high = batch->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (batch_time(batch, middle) <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int index_in_segment(struct store_snapshot *snapshot, const struct part *part, double time,
    uint64_t *ret_index, struct error *ret_error)
{
    struct segment_block block;
    uint32_t number;
    struct read_scratch *scratch = snapshot_scratch_take(snapshot);
    struct block_slot *slot = NULL;
    if (!scratch)
        return error_set(ret_error, ENOMEM, "out of memory for a read");
    int r = segment_block_after_time(part->segment, &part->series, time, &number, ret_error);
    if (r == 0)
        r = segment_block(part->segment, &part->series, number, &block, ret_error);
    if (r == 0)
        slot = scratch_find(scratch, part->segment, block.offset);
    if (r == 0 && !slot) {
        slot = scratch_oldest(scratch);
        r = segment_read_block(
            part->segment, &part->series, &block, scratch->columns, true, &slot->batch, ret_error);
    }
    if (r == 0)
        *ret_index = block.first_index + count_until(&slot->batch, time);
    snapshot_scratch_give(snapshot, scratch);
    return r;
}

static int index_in_journal(
    const struct part *part, double time, uint64_t *ret_index, struct error *ret_error)
{
    uint32_t low = 0, high = part->reference_count - 1; /* the last one has time_last > time */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (head_reference(part->head, middle)->time_last > time)
            high = middle;
        else
            low = middle + 1;
    }
    struct batch view;
    int r = part_read_frame(part, low, &view, ret_error);
    uint64_t index = head_reference(part->head, low)->first_index;
    if (r == 0)
        index += count_until(&view, time);
    if (r == 0)
        r = part_check_journal(part, ret_error);
    if (r == 0)
        *ret_index = index;
    return r;
}

int store_snapshot_index_of_time(struct store_snapshot *snapshot, uint64_t series_id, double time,
    uint64_t *ret_index, struct error *ret_error)
{
    struct parts parts;
    int r = parts_find(snapshot, series_id, &parts, ret_error);
    if (r < 0)
        return r;
    uint32_t i = 0;
    while (i < parts.count && parts.list[i].time_last <= time)
        i++;
    if (i == parts.count)
        *ret_index = parts.count > 0 ? parts.list[parts.count - 1].end_index : 0;
    else if (parts.list[i].segment)
        r = index_in_segment(snapshot, &parts.list[i], time, ret_index, ret_error);
    else
        r = index_in_journal(&parts.list[i], time, ret_index, ret_error);
    free(parts.list);
    return r;
}
