/* Reading: snapshots, and cursors over one series. A series is a row of parts, each of which continues the one
 * before: what segments hold of it, oldest first, then what journals hold of it. */
#include "check.h"
#include "store_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- working memory, reused from read to read ---- */

struct read_scratch *scratch_take(struct store *store)
{
    struct scratch_pool *pool = &store->scratch;
    (void)pthread_mutex_lock(&pool->lock);
    struct read_scratch *scratch = pool->first;
    if (scratch) {
        pool->first = scratch->next;
        pool->count--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (scratch)
        return scratch;
    scratch = calloc(1, sizeof(*scratch));
    if (!scratch)
        return NULL;
    if (columns_open(&scratch->columns) < 0) {
        free(scratch);
        return NULL;
    }
    batch_init(&scratch->batch);
    return scratch;
}

static void scratch_free(struct read_scratch *scratch)
{
    columns_close(scratch->columns);
    batch_free(&scratch->batch);
    free(scratch);
}

void scratch_give(struct store *store, struct read_scratch *scratch)
{
    if (!scratch)
        return;
    struct scratch_pool *pool = &store->scratch;
    bool keep = scratch->batch.msgpack.capacity <= SCRATCH_BYTES_KEPT && scratch->batch.capacity <= 2 * BLOCK_POINTS_MAX;
    (void)pthread_mutex_lock(&pool->lock);
    keep = keep && pool->count < SCRATCH_POOL;
    if (keep) {
        scratch->next = pool->first;
        pool->first = scratch;
        pool->count++;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!keep)
        scratch_free(scratch);
}

void scratch_pool_free(struct scratch_pool *pool)
{
    while (pool->first) {
        struct read_scratch *scratch = pool->first;
        pool->first = scratch->next;
        scratch_free(scratch);
    }
    (void)pthread_mutex_destroy(&pool->lock);
}

/* ---- snapshots ---- */

struct store_snapshot {
    struct store *store;
    struct version *version;
    uint64_t sequence; /* of deletions */
    uint64_t ends[];   /* published end of each journal */
};

int store_snapshot_open(struct store *store, struct store_snapshot **ret_snapshot, struct error *ret_error)
{
    (void)pthread_mutex_lock(&store->version_lock);
    struct version *version = store->version;
    struct store_snapshot *snapshot = malloc(sizeof(*snapshot) + version->journal_count * sizeof(uint64_t));
    if (snapshot) {
        atomic_fetch_add(&version->references, 1);
        snapshot->store = store;
        snapshot->version = version;
        snapshot->sequence = store->delete_sequence;
        for (uint32_t i = 0; i < version->journal_count; i++)
            snapshot->ends[i] = version->journals[i]->published_end;
    }
    (void)pthread_mutex_unlock(&store->version_lock);
    if (!snapshot)
        return error_set(ret_error, ENOMEM, "out of memory for a snapshot");
    *ret_snapshot = snapshot;
    return 0;
}

void store_snapshot_close(struct store_snapshot *snapshot)
{
    if (!snapshot)
        return;
    version_release(snapshot->version);
    free(snapshot);
}

int store_snapshot_backup(struct store_snapshot *snapshot, const char *directory, struct error *ret_error)
{
    return store_write_backup(snapshot->store, snapshot->version, snapshot->ends, snapshot->sequence, directory, ret_error);
}

/* ---- parts ---- */

struct part {
    struct segment *segment; /* NULL: the part is in a journal */
    struct segment_series series;
    struct journal *journal;
    const struct head_series *head;
    uint32_t reference_count;
    uint64_t first_index;
    uint64_t end_index;
    double time_last;
    uint64_t logical_bytes;
};

struct parts {
    struct part *list;
    uint32_t count;
};

static void add_segment_part(struct parts *parts, struct segment *segment, const struct segment_series *series)
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

static void add_journal_part(struct parts *parts, struct journal *journal, const struct head_series *head,
    uint32_t reference_count)
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
            return error_set(ret_error, EBADMSG, "%s: series %llu begins at index %llu, expected %llu; see `connectordb check`",
                part->segment ? segment_path(part->segment) : part->journal->file->path, (unsigned long long)series_id,
                (unsigned long long)part->first_index, (unsigned long long)expected);
        expected = part->end_index;
    }
    return 0;
}

/* Where the series is, in order. Free parts->list. */
static int find_parts(struct store_snapshot *snapshot, uint64_t series_id, struct parts *ret_parts,
    struct error *ret_error)
{
    struct version *version = snapshot->version;
    struct parts parts = {0};
    *ret_parts = parts;
    if (store_is_deleted(snapshot->store, series_id, snapshot->sequence))
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
        uint32_t count = head_index_find(&version->journals[i]->index, series_id, snapshot->ends[i], &head);
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

static int read_frame(const struct part *part, uint32_t number, struct batch *ret_view, struct error *ret_error)
{
    const struct journal_file *file = part->journal->file;
    const uint8_t *image = map_data(file->map);
    uint64_t offset = (uint64_t)head_reference(part->head, number)->place * 8;
    struct frame frame;
    int r = frame_parse(image, file->size, offset, file->nonce, true, &frame);
    if (r != 1 || map_faulted(file->map))
        return error_set(ret_error, EBADMSG, "%s: offset %llu: the frame of series %llu does not have the checksum it was "
                                             "written with", file->path, (unsigned long long)offset,
            (unsigned long long)part->head->series_id);
    return frame_view(image, &frame, false, ret_view, ret_error);
}

static int time_of_first(struct store_snapshot *snapshot, const struct part *part, double *ret_time,
    struct error *ret_error)
{
    (void)snapshot;
    if (part->segment) {
        *ret_time = part->series.time_first;
        return 0;
    }
    struct batch view;
    int r = read_frame(part, 0, &view, ret_error);
    if (r == 0)
        *ret_time = batch_time(&view, 0);
    return r;
}

int store_snapshot_series(struct store_snapshot *snapshot, uint64_t series_id, struct store_series *ret_series,
    struct error *ret_error)
{
    struct parts parts;
    int r = find_parts(snapshot, series_id, &parts, ret_error);
    if (r < 0)
        return r;
    struct store_series series = {0};
    if (parts.count > 0) {
        const struct part *last = &parts.list[parts.count - 1];
        series.length = last->end_index;
        series.time_last = last->time_last;
        series.logical_bytes = last->logical_bytes;
        r = time_of_first(snapshot, &parts.list[0], &series.time_first, ret_error);
    }
    free(parts.list);
    if (r == 0)
        *ret_series = series;
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

static int index_in_segment(struct store *store, const struct part *part, double time, uint64_t *ret_index,
    struct error *ret_error)
{
    struct segment_block block;
    uint32_t number;
    struct read_scratch *scratch = scratch_take(store);
    if (!scratch)
        return error_set(ret_error, ENOMEM, "out of memory for a read");
    int r = segment_block_after_time(part->segment, &part->series, time, &number, ret_error);
    if (r == 0)
        r = segment_block(part->segment, &part->series, number, &block, ret_error);
    if (r == 0)
        r = segment_read_block(part->segment, &part->series, &block, scratch->columns, true, &scratch->batch, ret_error);
    if (r == 0)
        *ret_index = block.first_index + count_until(&scratch->batch, time);
    scratch_give(store, scratch);
    return r;
}

static int index_in_journal(const struct part *part, double time, uint64_t *ret_index, struct error *ret_error)
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
    int r = read_frame(part, low, &view, ret_error);
    if (r == 0)
        *ret_index = head_reference(part->head, low)->first_index + count_until(&view, time);
    return r;
}

int store_snapshot_index_of_time(struct store_snapshot *snapshot, uint64_t series_id, double time,
    uint64_t *ret_index, struct error *ret_error)
{
    struct parts parts;
    int r = find_parts(snapshot, series_id, &parts, ret_error);
    if (r < 0)
        return r;
    uint32_t i = 0;
    while (i < parts.count && parts.list[i].time_last <= time)
        i++;
    if (i == parts.count)
        *ret_index = parts.count > 0 ? parts.list[parts.count - 1].end_index : 0;
    else if (parts.list[i].segment)
        r = index_in_segment(snapshot->store, &parts.list[i], time, ret_index, ret_error);
    else
        r = index_in_journal(&parts.list[i], time, ret_index, ret_error);
    free(parts.list);
    return r;
}

/* ---- cursors ---- */

struct store_cursor {
    struct store *store;
    struct parts parts;
    uint32_t part;       /* the part that holds `position` */
    uint64_t position;   /* index of the next point */
    uint64_t end;
    bool forget;
    uint32_t number;     /* next block or frame of the part */
    bool number_known;
    struct read_scratch *scratch;
    struct batch frame;  /* view of the large frame being handed out in slices */
    uint64_t frame_first;
    struct batch slice;  /* what the caller looks at */
};

int store_cursor_open(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to, bool forget,
    struct store_cursor **ret_cursor, struct error *ret_error)
{
    struct store_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return error_set(ret_error, ENOMEM, "out of memory for a read");
    cursor->store = snapshot->store;
    cursor->scratch = scratch_take(snapshot->store);
    int r = cursor->scratch ? find_parts(snapshot, series_id, &cursor->parts, ret_error)
                            : error_set(ret_error, ENOMEM, "out of memory for a read");
    if (r < 0) {
        store_cursor_close(cursor);
        return r;
    }
    uint64_t length = cursor->parts.count > 0 ? cursor->parts.list[cursor->parts.count - 1].end_index : 0;
    cursor->position = from;
    cursor->end = to < length ? to : length;
    cursor->forget = forget;
    *ret_cursor = cursor;
    return 0;
}

void store_cursor_close(struct store_cursor *cursor)
{
    if (!cursor)
        return;
    scratch_give(cursor->store, cursor->scratch);
    free(cursor->parts.list);
    free(cursor);
}

/* Hands out points of `batch`, whose first point has index first_index, from the cursor's position on. */
static void hand_out(struct store_cursor *cursor, const struct batch *batch, uint64_t first_index)
{
    uint64_t from = cursor->position - first_index;
    uint64_t count = batch->count - from;
    if (count > cursor->end - cursor->position)
        count = cursor->end - cursor->position;
    if (count > BLOCK_POINTS_MAX)
        count = BLOCK_POINTS_MAX;
    batch_slice(batch, (uint32_t)from, (uint32_t)count, &cursor->slice);
    cursor->position += count;
}

static int next_from_segment(struct store_cursor *cursor, const struct part *part, struct error *ret_error)
{
    struct segment_block block;
    int r = 0;
    if (!cursor->number_known)
        r = segment_block_by_index(part->segment, &part->series, cursor->position, &cursor->number, ret_error);
    if (r == 0)
        r = segment_block(part->segment, &part->series, cursor->number, &block, ret_error);
    if (r == 0)
        r = segment_read_block(part->segment, &part->series, &block, cursor->scratch->columns, false, &cursor->scratch->batch,
            ret_error);
    if (r < 0)
        return r;
    if (cursor->position < block.first_index || cursor->position >= block.first_index + block.count)
        return error_set(ret_error, EBADMSG, "%s: the block at offset %llu does not hold index %llu of series %llu",
            segment_path(part->segment), (unsigned long long)block.offset, (unsigned long long)cursor->position,
            (unsigned long long)part->series.series_id);
    hand_out(cursor, &cursor->scratch->batch, block.first_index);
    cursor->number++;
    cursor->number_known = true;
    if (cursor->forget)
        segment_forget(part->segment, &block);
    return 0;
}

static uint32_t frame_of_index(const struct part *part, uint64_t index)
{
    uint32_t low = 0, high = part->reference_count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (head_reference(part->head, middle)->first_index <= index)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Small frames are gathered into one batch; large ones are handed out in slices of themselves. */
static int gather_frames(struct store_cursor *cursor, const struct part *part, struct error *ret_error)
{
    struct batch *batch = &cursor->scratch->batch;
    uint64_t first = cursor->position;
    uint64_t position = first;
    batch_clear(batch);
    while (position < cursor->end && cursor->number < part->reference_count) {
        const struct frame_reference *reference = head_reference(part->head, cursor->number);
        uint64_t skip = position - reference->first_index;
        uint64_t count = reference->count - skip;
        if (batch->count > 0 && (batch->count + count > BLOCK_POINTS_MAX || batch->msgpack.size > BLOCK_PAYLOAD_BYTES))
            break;
        struct batch view;
        int r = read_frame(part, cursor->number, &view, ret_error);
        if (r < 0)
            return r;
        if (batch->count == 0 && count > BLOCK_POINTS_MAX / 4) {
            cursor->frame = view;
            cursor->frame_first = reference->first_index;
            hand_out(cursor, &cursor->frame, cursor->frame_first);
            cursor->number++;
            return 0;
        }
        r = batch_append(batch, &view, (uint32_t)skip, (uint32_t)count);
        if (r < 0)
            return error_set(ret_error, -r, "out of memory for a read");
        position += count;
        cursor->number++;
    }
    hand_out(cursor, batch, first);
    return 0;
}

static int next_from_journal(struct store_cursor *cursor, const struct part *part, struct error *ret_error)
{
    if (cursor->frame.count > 0 && cursor->position < cursor->frame_first + cursor->frame.count) {
        hand_out(cursor, &cursor->frame, cursor->frame_first);
        return 0;
    }
    cursor->frame.count = 0;
    if (!cursor->number_known) {
        cursor->number = frame_of_index(part, cursor->position);
        cursor->number_known = true;
    }
    return gather_frames(cursor, part, ret_error);
}

int store_cursor_next(struct store_cursor *cursor, const struct batch **ret_batch, struct error *ret_error)
{
    if (cursor->position >= cursor->end) {
        *ret_batch = NULL;
        return 0;
    }
    while (cursor->position >= cursor->parts.list[cursor->part].end_index) {
        cursor->part++;
        cursor->number_known = false;
    }
    const struct part *part = &cursor->parts.list[cursor->part];
    if (cursor->number_known == false && cursor->position == part->first_index) {
        cursor->number = 0;
        cursor->number_known = true;
    }
    int r = part->segment ? next_from_segment(cursor, part, ret_error) : next_from_journal(cursor, part, ret_error);
    if (r == 0)
        *ret_batch = &cursor->slice;
    return r;
}
