/* What an insert must know of its series: where it ends. States of series with points in journals are in memory; the
 * others are read from the segments when one is needed, and dropped when their journal has become a segment. */
#include "store_internal.h"

#include <errno.h>
#include <stdlib.h>

int commit_put_state(struct store *store, uint64_t series_id, const struct series_state *state)
{
    struct commit *commit = &store->commit;
    struct series_state *known = id_map_get(&commit->states, series_id);
    if (!known) {
        known = malloc(sizeof(*known));
        if (!known)
            return -ENOMEM;
        if (id_map_put(&commit->states, series_id, known) < 0) {
            free(known);
            return -ENOMEM;
        }
    }
    *known = *state;
    return 0;
}

static int load_state(struct store *store, uint64_t series_id, struct series_state *ret_state,
    struct error *ret_error)
{
    *ret_state = (struct series_state){.deleted = files_is_deleted(store->files, series_id)};
    struct version *version = files_version(store->files);
    struct segment_series found;
    int r = version_find_segment(version, series_id, &found, ret_error);
    if (r == 1) {
        ret_state->length = found.first_index + found.count;
        ret_state->time_last = found.time_last;
        ret_state->logical_bytes = found.logical_bytes;
    }
    version_release(version);
    return r < 0 ? r : 0;
}

/* While the state is loaded an eviction may come by: a journal has become a segment, and what was read from the segments
 * before it may miss points. Then it is read again. */
int commit_get_state(struct store *store, uint64_t series_id, struct series_state **ret_state,
    struct error *ret_error)
{
    struct commit *commit = &store->commit;
    for (;;) {
        *ret_state = id_map_get(&commit->states, series_id);
        if (*ret_state)
            return 0;
        uint64_t generation = commit->state_generation;
        struct series_state loaded;
        (void)pthread_mutex_unlock(&commit->lock);
        int r = load_state(store, series_id, &loaded, ret_error);
        (void)pthread_mutex_lock(&commit->lock);
        if (r < 0)
            return r;
        if (generation != commit->state_generation || id_map_get(&commit->states, series_id))
            continue;
        if (commit_put_state(store, series_id, &loaded) < 0)
            return error_set(ret_error, ENOMEM, "out of memory for a series' state");
    }
}

/* Drops what the sealed journal was the last to reserve in. commit.lock is taken for a few at a time: with many
 * series, inserts must not wait for all of them. */
static void evict_ids(struct commit *commit, const uint64_t *ids, size_t count, uint64_t sealed_id)
{
    for (size_t from = 0; from < count; from += EVICT_AT_ONCE) {
        size_t to = count - from > EVICT_AT_ONCE ? from + EVICT_AT_ONCE : count;
        (void)pthread_mutex_lock(&commit->lock);
        commit->state_generation++;
        for (size_t i = from; i < to; i++) {
            const struct series_state *state = id_map_get(&commit->states, ids[i]);
            if (state && state->journal_id <= sealed_id)
                free(id_map_remove(&commit->states, ids[i]));
        }
        (void)pthread_mutex_unlock(&commit->lock);
    }
}

void commit_evict(struct store *store, struct journal *journal)
{
    uint64_t *ids;
    size_t count;
    /* A state that stays because memory is short is true all the same. */
    if (head_index_series(&journal->index, &ids, &count) == 0) {
        evict_ids(&store->commit, ids, count, journal->file->id);
        free(ids);
    }
    evict_ids(&store->commit, journal->index.tombstones, journal->index.tombstone_count, journal->file->id);
}

void commit_drop_unused_state(struct commit *commit, uint64_t series_id)
{
    const struct series_state *state = id_map_get(&commit->states, series_id);
    if (state && state->journal_id == 0)
        free(id_map_remove(&commit->states, series_id));
}
