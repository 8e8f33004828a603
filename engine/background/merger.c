/* The merger: keeps segments few by rewriting runs of neighbours in age into one, and gives back the space of
 * deleted series. Size-tiered: at least MERGE_RUN neighbours become one segment when that is MERGE_GAIN times
 * as large as the largest of them. So each rewriting puts a point into a segment that much larger, and of the
 * sizes that grow by this factor there are a dozen segments each at most; see docs/decisions/0008-merging.md
 * for both figures. A thread of its own at low priority; appending, sealing and reading never wait for it.
 * (O'Neil et al., "The log-structured merge-tree", Acta Informatica 1996; Dong et al., "Optimizing space
 * amplification in RocksDB", CIDR 2017, for its universal compaction.) */
#include "merger.h"

#include "segment_iterator.h"
#include "space.h"
#include "store_layout.h"

#include <errno.h>
#include <stdlib.h>

enum {
    MERGE_RUN = 12,      /* neighbours that are worth a merge */
    MERGE_GAIN = 4,      /* how much larger than its largest source a merged segment is at least */
    MERGE_RUN_MAX = 64,  /* segments read at once */
    SEGMENTS_MANY = 64,  /* when there are more, the cheapest run is merged, whatever is gained */
    MERGE_RUN_LEAST = 3, /* of that */
    TIER_FACTOR = 12,    /* size of a tier over the one below: for people who look */
    FULL_BLOCK_POINTS = BLOCK_POINTS_MAX * 3 / 4, /* a block this full is copied as it is */
    FULL_BLOCK_BYTES = 4 << 10, /* and so is one this large that others follow: it was full of long values */
    DELETED_PERCENT_MAX = 30,
};
#define TIER_BYTES_FIRST (UINT64_C(8) << 20)
#define MERGE_BYTES_MAX (UINT64_C(64) << 30) /* larger segments stay as they are */
#define MERGED_BYTES_MAX                                                                                     \
    (UINT64_C(192) << 30) /* sources of one merge, all told: well below what a segment can be */

struct merger {
    struct io *io;
    struct files *files;
    struct scratch_pool *scratch;
    atomic_bool stop;
    pthread_mutex_t lock;    /* one merge at a time; `damaged` of segments, and the fields below */
    uint64_t deleted_looked; /* sequence of deletions and segment count when nothing was left to reclaim */
    uint32_t segments_looked;
};

struct merger *merger_new(struct io *io, struct files *files, struct scratch_pool *scratch)
{
    struct merger *merger = calloc(1, sizeof(*merger));
    if (!merger)
        return NULL;
    merger->io = io;
    merger->files = files;
    merger->scratch = scratch;
    (void)pthread_mutex_init(&merger->lock, NULL);
    return merger;
}

void merger_free(struct merger *merger)
{
    if (!merger)
        return;
    (void)pthread_mutex_destroy(&merger->lock);
    free(merger);
}

void merger_stop(struct merger *merger)
{
    atomic_store(&merger->stop, true);
}

/* ---- planning ---- */

struct plan {
    struct version *version; /* holds the segments */
    uint32_t from, count;    /* segments of the version; count 0 = nothing to do */
    unsigned deleted;        /* percent of them that is left out at least */
};

/* One that cannot be read counts as too large to be rewritten. */
static uint64_t size_of(const struct version *version, uint32_t i)
{
    return version->segments[i]->damaged ? UINT64_MAX : segment_file_size(version->segments[i]->segment);
}

unsigned merger_tier(uint64_t segment_bytes)
{
    unsigned tier = 0;
    for (uint64_t limit = TIER_BYTES_FIRST; segment_bytes > limit && limit <= MERGE_BYTES_MAX;
         limit *= TIER_FACTOR)
        tier++;
    return tier;
}

/* Neighbours none of which is larger than one of them. */
struct run {
    uint32_t from, count;
    uint64_t largest, bytes;
};

/* The longest run that segment `largest` is the largest of; of too many, or too many bytes, the newest that
 * contain it. */
static struct run run_of(const uint64_t *sizes, uint32_t count, uint32_t largest)
{
    uint32_t from = largest, end = largest + 1;
    while (from > 0 && sizes[from - 1] <= sizes[largest])
        from--;
    while (end < count && sizes[end] <= sizes[largest])
        end++;
    if (end - from > MERGE_RUN_MAX) {
        uint32_t newest = end - MERGE_RUN_MAX;
        from = newest < largest ? newest : largest;
        end = from + MERGE_RUN_MAX;
    }
    struct run run = {.from = from, .count = end - from, .largest = sizes[largest]};
    for (uint32_t i = from; i < end; i++)
        run.bytes += sizes[i];
    for (; run.bytes > MERGED_BYTES_MAX && run.count > 1; run.count--) {
        run.bytes -= run.from < largest ? sizes[run.from] : sizes[run.from + run.count - 1];
        run.from += run.from < largest;
    }
    return run;
}

/* Fewest bytes written per segment removed. */
static bool is_cheaper(const struct run *run, const struct run *than)
{
    return (double)run->bytes / (run->count - 1) < (double)than->bytes / (than->count - 1);
}

bool merger_choose(const uint64_t *sizes, uint32_t count, uint32_t *ret_from, uint32_t *ret_count)
{
    struct run best = {0}, cheapest = {0};
    uint32_t mergeable = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (sizes[i] > MERGE_BYTES_MAX)
            continue;
        mergeable++;
        struct run run = run_of(sizes, count, i);
        if (run.count >= MERGE_RUN && run.bytes / MERGE_GAIN >= run.largest &&
            (best.count == 0 || run.largest < best.largest))
            best = run;
        if (run.count >= MERGE_RUN_LEAST && (cheapest.count == 0 || is_cheaper(&run, &cheapest)))
            cheapest = run;
    }
    if (best.count == 0 && mergeable > SEGMENTS_MANY)
        best = cheapest;
    *ret_from = best.from;
    *ret_count = best.count;
    return best.count > 0;
}

/* How much of a segment belongs to deleted series, in percent of its points. */
static unsigned deleted_percent(const struct segment *segment, const uint64_t *deleted, size_t count)
{
    uint64_t points = 0;
    for (size_t i = 0; i < count; i++) {
        struct segment_series found;
        if (segment_find(segment, deleted[i], &found, NULL) == 1)
            points += found.count;
    }
    uint64_t all = segment_point_count(segment);
    return all == 0 ? 0 : (unsigned)(points * 100 / all);
}

/* A segment of which too much is deleted, if any; looked for only when deletions or segments changed. Without
 * memory nothing is reclaimed now. */
static void plan_reclaim(struct merger *merger, struct plan *plan)
{
    const struct version *version = plan->version;
    uint64_t sequence = files_delete_sequence(merger->files);
    uint64_t *deleted;
    size_t count;
    if ((sequence == merger->deleted_looked && version->segment_count == merger->segments_looked) ||
        files_list_deleted(merger->files, sequence, &deleted, &count) < 0)
        return;
    for (uint32_t i = 0; plan->count == 0 && i < version->segment_count; i++) {
        unsigned percent = size_of(version, i) <= MERGE_BYTES_MAX
                               ? deleted_percent(version->segments[i]->segment, deleted, count)
                               : 0;
        if (percent > DELETED_PERCENT_MAX) {
            plan->from = i;
            plan->count = 1;
            plan->deleted = percent;
        }
    }
    if (plan->count == 0) {
        merger->deleted_looked = sequence;
        merger->segments_looked = version->segment_count;
    }
    free(deleted);
}

static int plan_merge(struct merger *merger, struct plan *ret_plan, struct error *ret_error)
{
    struct plan plan = {.version = files_version(merger->files)};
    uint64_t *sizes = calloc(plan.version->segment_count + 1, sizeof(*sizes));
    if (!sizes) {
        version_release(plan.version);
        return error_set(ret_error, ENOMEM, "out of memory for planning a merge");
    }
    for (uint32_t i = 0; i < plan.version->segment_count; i++)
        sizes[i] = size_of(plan.version, i);
    if (!merger_choose(sizes, plan.version->segment_count, &plan.from, &plan.count))
        plan_reclaim(merger, &plan);
    free(sizes);
    *ret_plan = plan;
    return 0;
}

/* ---- rewriting ---- */

struct merge {
    const struct merger *merger;
    struct segment_writer *writer;
    struct read_scratch *scratch;
    struct segment_iterator sources[MERGE_RUN_MAX]; /* in order of age */
    bool present[MERGE_RUN_MAX];
    uint32_t source_count;
    uint32_t reading; /* the source that was read last */
};

static bool is_full(const struct segment_series *series, uint32_t number, const struct segment_block *block)
{
    bool last = number + 1 == series->block_count;
    if (series->block_count == 1)
        return false;
    return block->count >= FULL_BLOCK_POINTS || (!last && block->size >= FULL_BLOCK_BYTES);
}

static int merge_block(
    struct merge *merge, const struct segment_iterator *source, uint32_t number, struct error *ret_error)
{
    const struct segment_series *series = &source->series;
    struct segment_block block;
    int r = segment_block(source->segment, series, number, &block, ret_error);
    if (r < 0)
        return r;
    if (is_full(series, number, &block)) {
        r = segment_writer_copy_block(merge->writer, source->segment, series, number, ret_error);
    } else {
        r = segment_read_block(source->segment, series, &block, merge->scratch->columns, false,
            &merge->scratch->slots[0].batch, ret_error);
        if (r == 0)
            r = segment_writer_append(merge->writer, &merge->scratch->slots[0].batch, ret_error);
    }
    segment_forget(source->segment, &block);
    return r;
}

/* The series of this id, from all sources that hold it. */
static int merge_series(struct merge *merge, uint64_t series_id, struct error *ret_error)
{
    bool begun = false;
    uint64_t expected = 0;
    if (files_is_deleted(merge->merger->files, series_id))
        return 0;
    for (uint32_t i = 0; i < merge->source_count; i++) {
        const struct segment_iterator *source = &merge->sources[i];
        if (!merge->present[i] || source->series.series_id != series_id)
            continue;
        int r = 0;
        merge->reading = i;
        if (!begun)
            r = segment_writer_series(merge->writer, series_id, source->series.first_index, 0, ret_error);
        else if (source->series.first_index != expected)
            r = error_set(ret_error, EBADMSG,
                "%s: series %llu begins at index %llu, expected %llu; see `connectordb check`",
                segment_path(source->segment), (unsigned long long)series_id,
                (unsigned long long)source->series.first_index, (unsigned long long)expected);
        begun = true;
        expected = source->series.first_index + source->series.count;
        for (uint32_t number = 0; r == 0 && number < source->series.block_count; number++)
            r = merge_block(merge, source, number, ret_error);
        if (r < 0)
            return r;
        segment_writer_set_logical_bytes(merge->writer, source->series.logical_bytes);
    }
    return 0;
}

static int advance(struct merge *merge, uint32_t i, struct error *ret_error)
{
    merge->reading = i;
    int r = segment_iterator_next(&merge->sources[i], ret_error);
    merge->present[i] = r == 1;
    return r < 0 ? r : 0;
}

static int merge_all(struct merge *merge, struct error *ret_error)
{
    for (uint32_t i = 0; i < merge->source_count; i++) {
        int r = advance(merge, i, ret_error);
        if (r < 0)
            return r;
    }
    for (;;) {
        uint64_t lowest = UINT64_MAX;
        bool any = false;
        for (uint32_t i = 0; i < merge->source_count; i++) {
            if (merge->present[i] && merge->sources[i].series.series_id <= lowest) {
                lowest = merge->sources[i].series.series_id;
                any = true;
            }
        }
        if (!any)
            return 0;
        if (atomic_load(&merge->merger->stop))
            return error_set(ret_error, ECANCELED, "the store is being closed");
        int r = merge_series(merge, lowest, ret_error);
        for (uint32_t i = 0; r == 0 && i < merge->source_count; i++) {
            if (merge->present[i] && merge->sources[i].series.series_id == lowest)
                r = advance(merge, i, ret_error);
        }
        if (r < 0)
            return r;
    }
}

/* Estimates the largest size of the merged segment. */
static uint64_t bytes_of(const struct plan *plan)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < plan->count; i++)
        bytes += size_of(plan->version, plan->from + i);
    return bytes / 100 * (100 - plan->deleted);
}

/* Writes the merged segment; *ret_file stays NULL when nothing is left of the run. A damaged source is left
 * alone from now on, so that the others do not pile up behind it; its blocks that are sound stay readable. */
static int write_merged(struct merger *merger, const struct plan *plan, uint64_t id,
    struct segment_file **ret_file, struct error *ret_damage, struct error *ret_error)
{
    *ret_file = NULL;
    char *path = store_segment_path(files_directory(merger->files), id);
    struct merge *merge = calloc(1, sizeof(*merge));
    int r = path && merge ? 0 : -ENOMEM;
    if (r == 0) {
        merge->merger = merger;
        merge->source_count = plan->count;
        for (uint32_t i = 0; i < plan->count; i++)
            segment_iterator_start(&merge->sources[i], plan->version->segments[plan->from + i]->segment);
        merge->scratch = scratch_take(merger->scratch);
        if (!merge->scratch)
            r = -ENOMEM;
    }
    if (r < 0)
        (void)error_set(ret_error, ENOMEM, "out of memory for merging");
    if (r == 0)
        r = space_check(files_directory(merger->files), bytes_of(plan), "merging segments", ret_error);
    if (r == 0)
        r = segment_writer_open(merger->io, path, id, &merge->writer, ret_error);
    if (r == 0) {
        r = merge_all(merge, ret_error);
        struct segment_file *file = plan->version->segments[plan->from + merge->reading];
        if (r == -EBADMSG || (r == -EIO && segment_is_faulted(file->segment))) {
            file->damaged = true;
            *ret_damage = *ret_error;
        }
    }
    if (r == 0 && segment_writer_points(merge->writer) > 0)
        r = segment_file_finish(
            merger->io, files_directory(merger->files), merge->writer, path, id, ret_file, ret_error);
    if (merge) {
        segment_writer_close(merge->writer);
        scratch_give(merger->scratch, merge->scratch);
    }
    free(merge);
    free(path);
    return r;
}

/* ---- publishing ---- */

static int publish_merged(
    struct merger *merger, const struct plan *plan, struct segment_file *file, struct error *ret_error)
{
    return files_apply(merger->files,
        &(struct files_edit){
            .remove_segments = plan->version->segments + plan->from,
            .remove_segment_count = plan->count,
            .add_segments = &file,
            .add_segment_count = file ? 1 : 0,
            .forget_tombstones = true,
        },
        NULL, ret_error);
}

int merger_merge_next(struct merger *merger, struct merge_result *ret_result, struct error *ret_error)
{
    struct merge_result result = {0};
    struct plan plan = {0};
    (void)pthread_mutex_lock(&merger->lock);
    int r = plan_merge(merger, &plan, ret_error);
    if (plan.count > 0) {
        struct segment_file *file;
        r = write_merged(merger, &plan, files_take_ids(merger->files, 1), &file, &result.damage, ret_error);
        uint64_t bytes =
            r == 0 && file ? segment_file_size(file->segment) : 0; /* of deleted series nothing is left */
        if (r == 0) {
            r = publish_merged(merger, &plan, file, ret_error);
            segment_file_release(file);
        }
        if (r == 0) {
            result.segments = plan.count;
            result.bytes = bytes;
            r = 1;
        }
    }
    version_release(plan.version);
    (void)pthread_mutex_unlock(&merger->lock);
    *ret_result = result;
    return r;
}
