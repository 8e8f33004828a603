#include "states.h"

#include <errno.h>
#include <stdlib.h>

struct states {
    struct id_map map;
    uint64_t generation;
};

struct states *states_new(void)
{
    return calloc(1, sizeof(struct states));
}

void states_free(struct states *states)
{
    if (!states)
        return;
    for (size_t i = 0; i < states->map.capacity; i++)
        free(states->map.entries[i].value);
    id_map_free(&states->map);
    free(states);
}

struct series_state *states_find(const struct states *states, uint64_t series_id)
{
    return id_map_get(&states->map, series_id);
}

int states_put(struct states *states, uint64_t series_id, const struct series_state *state)
{
    struct series_state *known = states_find(states, series_id);
    if (!known) {
        known = malloc(sizeof(*known));
        if (!known)
            return -ENOMEM;
        if (id_map_put(&states->map, series_id, known) < 0) {
            free(known);
            return -ENOMEM;
        }
    }
    *known = *state;
    return 0;
}

void states_remove_unused(struct states *states, uint64_t series_id)
{
    const struct series_state *state = states_find(states, series_id);
    if (state && state->journal_id == 0 && !state->frozen)
        free(id_map_remove(&states->map, series_id));
}

void states_evict(struct states *states, const uint64_t *series_ids, size_t count, uint64_t journal_id)
{
    states->generation++;
    for (size_t i = 0; i < count; i++) {
        struct series_state *state = states_find(states, series_ids[i]);
        if (!state || state->journal_id > journal_id)
            continue;
        if (state->frozen)
            state->journal_id = 0;
        else
            free(id_map_remove(&states->map, series_ids[i]));
    }
}

uint64_t states_generation(const struct states *states)
{
    return states->generation;
}

int states_load(
    struct files *files, uint64_t series_id, struct series_state *ret_state, struct error *ret_error)
{
    *ret_state = (struct series_state){.deleted = files_is_deleted(files, series_id)};
    struct version *version = files_version(files);
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
