/* Reservation: where an append goes. All of it is decided in one critical section of commit.c's lock: the
 * journal and the offset of its frames, the indexes and times of its points. What could fail later, memory
 * above all, is had here: once a group is on its way to the disk there is no way back. */
#include "append_times.h"
#include "clock.h"
#include "commit_private.h"

#include <errno.h>
#include <time.h>

enum {
    GROUP_BYTES_SOFT = 16 << 20, /* a group that holds this much takes no further frame */
};

/* ---- room ---- */

static bool is_points(const struct append *append)
{
    return append->pieces[0].batch;
}

int commit_dead_error(const struct commit *commit, struct error *ret_error)
{
    return error_set(ret_error, EIO,
        "%s; whether inserts that were under way are stored is unknown until the "
        "database is opened again",
        commit->dead_error.message);
}

int commit_wait_for_room(struct commit *commit, struct append *append, struct error *ret_error)
{
    uint64_t now = clock_monotonic_ns();
    if (append->deadline_ns == 0) {
        append->deadline_ns = now + (uint64_t)commit->options->wait_ms_max * 1000000u;
        commit->waited++;
    }
    if (now >= append->deadline_ns)
        return error_set(ret_error, EAGAIN,
            "the store cannot keep up at the moment (waited %u ms for a free journal); "
            "try again",
            commit->options->wait_ms_max);
    struct timespec deadline = {
        .tv_sec = (time_t)(append->deadline_ns / 1000000000u),
        .tv_nsec = (long)(append->deadline_ns % 1000000000u),
    };
    commit->waiting++;
    (void)pthread_cond_timedwait(&commit->room, &commit->lock, &deadline);
    commit->waiting--;
    return 0;
}

int commit_use_spare(struct commit *commit, struct error *ret_error)
{
    if (commit->spare) {
        commit->active->closed = true;
        journal_release(commit->active);
        commit->active = commit->spare;
        commit->spare = NULL;
        (void)pthread_cond_broadcast(&commit->room);
        commit->wake.call(commit->wake.context);
        return 0;
    }
    commit->spare_needed = true;
    commit->wake.call(commit->wake.context);
    int r = journals_check_space(&commit->spare_error, ret_error);
    return r < 0 ? r : 1;
}

/* The active journal has room for the append, but no blocks are allocated there yet: asks for them. 1 or what
 * is in the way. */
static int ask_for_blocks(struct commit *commit, const struct append *append, struct error *ret_error)
{
    uint64_t end = commit->active->reserved_end + append->size;
    if (commit->blocks_needed < end)
        commit->blocks_needed = end;
    commit->wake.call(commit->wake.context);
    int r = journals_check_space(&commit->blocks_error, ret_error);
    return r < 0 ? r : 1;
}

/* Whether the append fits into the active journal: 0 = it does; 1 = not yet, or *ret_rotated; negative: what
 * is in the way. */
static int find_journal(
    struct commit *commit, const struct append *append, bool *ret_rotated, struct error *ret_error)
{
    const struct journal *active = commit->active;
    if (active->file->size - active->reserved_end < append->size) {
        if (active->file->size - JOURNAL_HEADER_BYTES < append->size && commit->frame_needed < append->size)
            commit->frame_needed = append->size;
        int r = commit_use_spare(commit, ret_error);
        *ret_rotated = r == 0;
        return r < 0 ? r : 1;
    }
    return active->filled_end - active->reserved_end < append->size
               ? ask_for_blocks(commit, append, ret_error)
               : 0;
}

/* Makes sure that the append's frames fit into the filling group. 0 = they do; 1 = the lock was let go of,
 * look at everything again; negative: error. */
static int find_room(struct commit *commit, struct append *append, struct error *ret_error)
{
    struct group *group = commit->filling;
    bool wait = group->journal && group->journal != commit->active; /* the group of before a rotation */
    if (!wait) {
        bool rotated = false;
        int r = find_journal(commit, append, &rotated, ret_error);
        if (r < 0 || rotated)
            return r;
        wait = r > 0;
    }
    if (!wait && group->frame_count > 0 && group->size + append->size > GROUP_BYTES_SOFT)
        wait = true;
    if (wait) {
        int r = commit_wait_for_room(commit, append, ret_error);
        return r < 0 ? r : 1;
    }
    if (group_reserve_frames(group, append->count) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for the commit group");
    return 0;
}

/* ---- reserving ---- */

/* An eviction while the lock was let go of means that a journal has become a segment, and that what was read
 * from the segments before it may miss points: then it is read again. */
int commit_get_state(
    struct commit *commit, uint64_t series_id, struct series_state **ret_state, struct error *ret_error)
{
    while (!(*ret_state = states_find(commit->states, series_id))) {
        uint64_t generation = states_generation(commit->states);
        struct series_state loaded;
        (void)pthread_mutex_unlock(&commit->lock);
        int r = states_load(commit->files, series_id, &loaded, ret_error);
        (void)pthread_mutex_lock(&commit->lock);
        if (r < 0)
            return r;
        if (generation == states_generation(commit->states) && !states_find(commit->states, series_id) &&
            states_put(commit->states, series_id, &loaded) < 0)
            return error_set(ret_error, ENOMEM, "out of memory for a series' state");
    }
    return 0;
}

/* The states of all series that get points, see struct piece. */
static int get_states(struct commit *commit, struct append *append, struct error *ret_error)
{
    bool looked_up;
    do {
        looked_up = false;
        for (uint32_t i = 0; i < append->count; i++) {
            struct piece *piece = &append->pieces[i];
            piece->state = states_find(commit->states, piece->series_id);
            if (piece->state)
                continue;
            append->refused = i;
            looked_up = true; /* the lock was let go of: states that were found may be gone */
            int r = commit_get_state(commit, piece->series_id, &piece->state, ret_error);
            if (r < 0)
                return r;
        }
    } while (looked_up);
    return 0;
}

/* Whether all series take points now. */
static int check_states(struct append *append, struct error *ret_error)
{
    for (uint32_t i = 0; i < append->count; i++) {
        const struct piece *piece = &append->pieces[i];
        append->refused = i;
        if (piece->state->deleted)
            return error_set(
                ret_error, ENOENT, "series %llu was deleted", (unsigned long long)piece->series_id);
        if (piece->state->frozen)
            return error_set(ret_error, EAGAIN,
                "series %llu is being rewritten and takes no points meanwhile; try again",
                (unsigned long long)piece->series_id);
    }
    return 0;
}

static int settle_times(struct append *append, struct error *ret_error)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < append->count; i++) {
        const struct piece *piece = &append->pieces[i];
        append->refused = i;
        r = batch_settle_times(piece->batch, piece->state->time_last, append->flags, ret_error);
    }
    return r;
}

static void reserve_points(struct commit *commit, struct piece *piece, bool continues)
{
    struct batch *batch = piece->batch;
    struct series_state *state = piece->state;
    struct frame *frame = group_add_frame(commit->filling, commit->active, piece->size);
    commit->filling->batches[commit->filling->frame_count - 1] = batch;
    frame->kind = FRAME_POINTS;
    frame->continues = continues;
    frame->series_id = piece->series_id;
    frame->first_index = state->length;
    frame->count = batch->count;
    frame->time_first = batch_time(batch, 0);
    frame->time_last = batch_time(batch, batch->count - 1);
    state->length += batch->count;
    state->time_last = frame->time_last;
    state->logical_bytes += piece->logical_bytes;
    state->journal_id = commit->active->file->id;
    frame->logical_bytes = state->logical_bytes;
    commit->appended_points += batch->count;
    commit->appended_batches++;
    piece->frame = *frame;
}

static void reserve_tombstone(struct commit *commit, struct piece *piece)
{
    struct frame *frame = group_add_frame(commit->filling, commit->active, piece->size);
    frame->kind = FRAME_TOMBSTONE;
    frame->series_id = piece->series_id;
    struct series_state *state = states_find(commit->states, frame->series_id);
    state->deleted = true;
    state->frozen = false;
    state->journal_id = commit->active->file->id;
    piece->frame = *frame;
}

/* A deletion needs a state for each of its series: a reader that loads the state before the deletion is
 * published would consider the series live. The lock is held until the states say that it is deleted. */
static int reserve_states(struct commit *commit, const struct append *append)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < append->count; i++) {
        if (!states_find(commit->states, append->pieces[i].series_id))
            r = states_put(commit->states, append->pieces[i].series_id, &(struct series_state){0});
    }
    return r;
}

/* Reserves the memory that publishing will need. Without it the append is refused here: once it is written it
 * cannot be undone, and the journal would have to die. */
static int reserve_memory(struct commit *commit, const struct append *append, struct error *ret_error)
{
    enum frame_kind kind = is_points(append) ? FRAME_POINTS : FRAME_TOMBSTONE;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < append->count; i++)
        r = head_index_reserve(&commit->active->index, kind, append->pieces[i].series_id);
    if (kind == FRAME_TOMBSTONE) {
        if (r == 0)
            r = reserve_states(commit, append);
        if (r == 0)
            r = files_reserve_deleted(commit->files, append->count);
    }
    return r < 0
               ? error_set(ret_error, ENOMEM, "out of memory for the index of %s", commit->active->file->path)
               : 0;
}

int commit_reserve(
    struct commit *commit, struct append *append, struct group **ret_group, struct error *ret_error)
{
    bool points = is_points(append);
    int r;
    do {
        if (commit->dead)
            return commit_dead_error(commit, ret_error);
        if (points) {
            r = get_states(commit, append, ret_error);
            if (r == 0)
                r = check_states(append, ret_error);
            if (r < 0)
                return r;
        }
        r = find_room(commit, append, ret_error);
        if (r < 0)
            return r;
    } while (r > 0);
    if (points)
        r = settle_times(append, ret_error);
    if (r == 0)
        r = reserve_memory(commit, append, ret_error);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < append->count; i++) {
        if (points)
            reserve_points(commit, &append->pieces[i], i + 1 < append->count);
        else
            reserve_tombstone(commit, &append->pieces[i]);
    }
    atomic_fetch_add(&commit->filling->packing, 1);
    atomic_fetch_add(&commit->filling->references, 1);
    *ret_group = commit->filling;
    return 0;
}
