/* Cursors: the points of one series at one moment, block by block. */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>

struct store_cursor {
    struct store_snapshot *snapshot;
    struct parts parts;
    uint32_t part;     /* the part that holds `position` */
    uint64_t position; /* index of the next point */
    uint64_t end;
    bool forget;
    uint32_t number; /* next block or frame of the part */
    bool number_known;
    const struct segment *prefetched; /* the last one whose blocks were */
    struct read_scratch *scratch;
    struct block_slot *slot; /* what was handed out last; NULL before the first */
    struct batch frame;      /* view of the large frame being handed out in slices */
    uint64_t frame_first;
    const struct part *lent; /* a journal's part: what was handed out last is in its file; NULL = it is not */
    struct batch slice;      /* what the caller looks at */
};

int store_cursor_open(struct store_snapshot *snapshot, uint64_t series_id, uint64_t from, uint64_t to,
    bool forget, struct store_cursor **ret_cursor, struct error *ret_error)
{
    struct store_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return error_set(ret_error, ENOMEM, "out of memory for a read");
    cursor->snapshot = snapshot;
    cursor->scratch = snapshot_scratch_take(snapshot);
    int r = cursor->scratch ? parts_find(snapshot, series_id, &cursor->parts, ret_error)
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
    snapshot_scratch_give(cursor->snapshot, cursor->scratch);
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

/* A range of many blocks is read ahead from its first one on; where it ends is only estimated. */
static void prefetch(
    const struct store_cursor *cursor, const struct part *part, const struct segment_block *block)
{
    enum { BLOCKS_FEW = 4, PREFETCH_BYTES_MAX = 4 << 20 };
    uint64_t end = cursor->end < part->end_index ? cursor->end : part->end_index;
    uint64_t blocks = (end - cursor->position) / block->count;
    if (blocks <= BLOCKS_FEW)
        return;
    uint64_t bytes = (blocks < PREFETCH_BYTES_MAX ? blocks : PREFETCH_BYTES_MAX) * block->size;
    segment_prefetch(part->segment, block->offset, bytes < PREFETCH_BYTES_MAX ? bytes : PREFETCH_BYTES_MAX);
}

/* Sets the slot to one that has the block: decoded before, or now. A scan decodes into one slot, so that the
 * others keep what they have. */
static int decode_block(struct store_cursor *cursor, const struct part *part,
    const struct segment_block *block, struct error *ret_error)
{
    struct block_slot *slot = scratch_find(cursor->scratch, part->segment, block->offset);
    if (slot) {
        cursor->slot = slot;
        return 0;
    }
    if (!cursor->slot)
        cursor->slot = scratch_oldest(cursor->scratch);
    slot = cursor->slot;
    slot->segment = NULL;
    int r = segment_read_block(
        part->segment, &part->series, block, cursor->scratch->columns, false, &slot->batch, ret_error);
    if (r == 0) {
        slot->segment = part->segment;
        slot->offset = block->offset;
    }
    return r;
}

static int next_from_segment(struct store_cursor *cursor, const struct part *part, struct error *ret_error)
{
    struct segment_block block;
    int r = 0;
    if (!cursor->number_known)
        r = segment_block_by_index(
            part->segment, &part->series, cursor->position, &cursor->number, ret_error);
    if (r == 0)
        r = segment_block(part->segment, &part->series, cursor->number, &block, ret_error);
    if (r == 0 && cursor->prefetched != part->segment) {
        cursor->prefetched = part->segment;
        prefetch(cursor, part, &block);
    }
    if (r == 0)
        r = decode_block(cursor, part, &block, ret_error);
    if (r < 0)
        return r;
    if (cursor->position < block.first_index || cursor->position >= block.first_index + block.count)
        return error_set(ret_error, EBADMSG,
            "%s: the block at offset %llu does not hold index %llu of series %llu",
            segment_path(part->segment), (unsigned long long)block.offset,
            (unsigned long long)cursor->position, (unsigned long long)part->series.series_id);
    hand_out(cursor, &cursor->slot->batch, block.first_index);
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
    if (!cursor->slot)
        cursor->slot = scratch_oldest(cursor->scratch);
    cursor->slot->segment = NULL;
    struct batch *batch = &cursor->slot->batch;
    uint64_t first = cursor->position;
    uint64_t position = first;
    batch_clear(batch);
    while (position < cursor->end && cursor->number < part->reference_count) {
        const struct frame_reference *reference = head_reference(part->head, cursor->number);
        uint64_t skip = position - reference->first_index;
        uint64_t count = reference->count - skip;
        if (batch->count > 0 && batch->count + count > BLOCK_POINTS_MAX)
            break;
        struct batch view;
        int r = part_read_frame(part, cursor->number, &view, ret_error);
        if (r < 0)
            return r;
        if (batch->count > 0 && batch->msgpack.size + view.msgpack.size > BLOCK_PAYLOAD_BYTES)
            break; /* the next call's: one value alone may be all that a batch can hold */
        if (batch->count == 0 && count > BLOCK_POINTS_MAX / 4) {
            cursor->frame = view;
            cursor->frame_first = reference->first_index;
            hand_out(cursor, &cursor->frame, cursor->frame_first);
            cursor->lent = part;
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
    return part_check_journal(part, ret_error); /* it was copied after it was verified */
}

static int next_from_journal(struct store_cursor *cursor, const struct part *part, struct error *ret_error)
{
    if (cursor->frame.count > 0 && cursor->position < cursor->frame_first + cursor->frame.count) {
        hand_out(cursor, &cursor->frame, cursor->frame_first);
        cursor->lent = part;
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
    if (cursor->lent) { /* its file may have been cut while the caller looked at it */
        int r = part_check_journal(cursor->lent, ret_error);
        if (r < 0)
            return r;
        cursor->lent = NULL;
    }
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
    int r = part->segment ? next_from_segment(cursor, part, ret_error)
                          : next_from_journal(cursor, part, ret_error);
    if (r == 0)
        *ret_batch = &cursor->slice;
    return r;
}
