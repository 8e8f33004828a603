/* Group commit: appenders reserve room in the filling group, pack their frame into it outside the lock, and
 * one of them, the leader, writes and syncs the whole group, publishes its frames and wakes the others. While
 * group N is on its way to the disk, group N+1 fills: the device's speed is the clock, there is no timer.
 * (DeWitt et al., "Implementation techniques for main memory database systems", SIGMOD 1984, section 5.2.)
 *
 * Why an acknowledged batch is on disk: `done` with result 0 is set only after io_write_sync returned 0 for a
 * range that includes the frame, and no sync of the same file by another thread had failed by then. Why order
 * holds: first index and offset in the journal are given in one critical section, groups are written one
 * after the other, and published in that order. commit_group.c has the groups' memory, states.c what is known
 * of the series. */
#include "append_times.h"
#include "check.h"
#include "clock.h"
#include "commit_private.h"
#include "futex.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    EVICT_AT_ONCE = 1024,  /* states removed in one critical section */
    ROOM_BYTES_MIN = 4096, /* with less room in the journal, inserts need more of it */
};

/* ---- life ---- */

int commit_new(const struct store_options *options, struct io *io, struct files *files, struct wake wake,
    struct states *states, struct journal *active, struct commit **ret_commit, struct error *ret_error)
{
    struct commit *commit = calloc(1, sizeof(*commit));
    if (!commit) {
        states_free(states);
        journal_release(active);
        return error_set(ret_error, ENOMEM, "out of memory for the commit");
    }
    *commit = (struct commit){
        .options = options, .io = io, .files = files, .wake = wake, .states = states, .active = active};
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&commit->lock, NULL);
    (void)pthread_mutex_init(&commit->listener_lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&commit->room, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    for (unsigned i = 0; i < GROUP_POOL; i++) {
        commit->pool[i] = group_new(options->journal_bytes);
        if (!commit->pool[i]) {
            commit_free(commit);
            return error_set(ret_error, ENOMEM, "out of memory for the commit groups");
        }
    }
    commit->filling = group_pool_take(commit->pool);
    commit->filling->number = ++commit->group_number;
    *ret_commit = commit;
    return 0;
}

void commit_free(struct commit *commit)
{
    if (!commit)
        return;
    group_free(commit->filling);
    for (unsigned i = 0; i < GROUP_POOL; i++)
        group_free(commit->pool[i]);
    states_free(commit->states);
    journal_release(commit->active);
    journal_release(commit->spare);
    (void)pthread_cond_destroy(&commit->room);
    (void)pthread_mutex_destroy(&commit->listener_lock);
    (void)pthread_mutex_destroy(&commit->lock);
    free(commit);
}

/* ---- committing ---- */

static void tell_listener(struct commit *commit, const struct group *group)
{
    (void)pthread_mutex_lock(&commit->listener_lock);
    for (uint32_t i = 0; commit->listener && i < group->frame_count; i++) {
        const struct frame *frame = &group->frames[i];
        if (frame->kind == FRAME_POINTS)
            commit->listener(
                commit->listener_context, frame->series_id, frame->first_index, group->batches[i]);
    }
    (void)pthread_mutex_unlock(&commit->listener_lock);
}

/* Makes a durable group visible. Only the thread with the committing token calls this. */
static int publish(struct commit *commit, struct group *group, bool synced)
{
    struct journal *journal = group->journal;
    for (uint32_t i = 0; i < group->frame_count; i++) {
        int r = head_index_add(&journal->index, &group->frames[i]);
        if (r == 0 && group->frames[i].kind == FRAME_TOMBSTONE)
            r = files_mark_deleted(commit->files, group->frames[i].series_id);
        if (r < 0)
            return r;
    }
    files_publish(commit->files, journal, group->offset + group->size);
    if (synced)
        atomic_store(&journal->synced_end, group->offset + group->size);
    tell_listener(commit, group);
    return 0;
}

/* Without a sync per group, the end of a full journal may still be on its way when its successor gets frames:
 * power loss could then leave the successor's frames and a hole before them. So the first group of a journal
 * waits until its predecessor is on disk: what power loss costs is always the end of the log. */
static int sync_predecessor(struct commit *commit, const struct journal *journal, struct error *ret_error)
{
    struct version *version = files_version(commit->files);
    uint32_t i = 0;
    while (i < version->journal_count && version->journals[i] != journal)
        i++;
    int r = 0;
    if (i > 0 && i < version->journal_count) { /* else it is sealed */
        struct journal *before = version->journals[i - 1];
        r = journal_sync(before, commit->io, files_published_end(commit->files, before), ret_error);
    }
    version_release(version);
    return r;
}

/* A deletion is synced whatever the setting: sealing and merging drop the series' points for good, and a
 * tombstone that power loss took back would leave the points that were not yet dropped with a hole before
 * them. */
static bool needs_sync(const struct commit *commit, const struct group *group)
{
    bool sync = commit->options->fsync == STORE_FSYNC_ALWAYS;
    for (uint32_t i = 0; i < group->frame_count && !sync; i++)
        sync = group->frames[i].kind == FRAME_TOMBSTONE;
    return sync;
}

/* *ret_sync_ns: how long it took until the group was durable, as far as the setting asks. */
static int write_group(
    struct commit *commit, struct group *group, uint64_t *ret_sync_ns, struct error *ret_error)
{
    struct journal_file *file = group->journal->file;
    bool sync = needs_sync(commit, group);
    int r = 0;
    if (commit->options->fsync != STORE_FSYNC_ALWAYS && group->offset == JOURNAL_HEADER_BYTES)
        r = sync_predecessor(commit, group->journal, ret_error);
    if (r < 0)
        return r;
    uint64_t started_ns = clock_monotonic_ns();
    r = io_write_sync(
        commit->io, file->file, file->path, group->data, group->size, group->offset, sync, ret_error);
    *ret_sync_ns = clock_monotonic_ns() - started_ns;
    if (r == 0 && sync)
        r = journal_check_syncs(group->journal, ret_error);
    if (r < 0)
        return r;
    r = publish(commit, group, sync);
    if (r < 0)
        return error_set(ret_error, ENOMEM, "out of memory for the index of %s", file->path);
    return 0;
}

/* The lock is held. */
static void die(struct commit *commit, const struct error *error)
{
    commit->dead = true;
    commit->dead_error = *error;
    (void)pthread_cond_broadcast(&commit->room);
    group_wake(commit->filling, INT_MAX);
}

/* Whether the filling group can go to the disk. the lock is held: no frame comes meanwhile, so that nothing
 * is packing stays true. */
static bool is_ready(const struct commit *commit)
{
    return !commit->committing && !commit->dead && commit->filling->frame_count > 0 &&
           atomic_load(&commit->filling->packing) == 0;
}

/* Lets go of a reference; the last one puts the group back into the pool. Takes the lock. */
static void release_group(struct commit *commit, struct group *group)
{
    if (atomic_fetch_sub(&group->references, 1) > 1)
        return;
    group_clear(group);
    (void)pthread_mutex_lock(&commit->lock);
    bool pooled = group_pool_put(commit->pool, group);
    if (pooled)
        (void)pthread_cond_broadcast(&commit->room);
    (void)pthread_mutex_unlock(&commit->lock);
    if (!pooled)
        group_free(group);
}

/* Makes an empty group the filling one. Returns the one that was, or NULL: memory is short, and one may have
 * come back by now. the lock is held, and let go of meanwhile in that case. */
static struct group *take_filling(struct commit *commit)
{
    struct group *group = commit->filling;
    struct group *next = group_pool_take(commit->pool);
    if (!next)
        next = group_new(commit->options->journal_bytes);
    if (!next) {
        (void)pthread_cond_wait(
            &commit->room, &commit->lock); /* a group comes back when its appenders are done */
        return NULL;
    }
    next->number = ++commit->group_number;
    commit->filling = next;
    (void)pthread_cond_broadcast(&commit->room);
    return group;
}

/* Commits the filling group. the lock is held at entry and exit, let go of meanwhile. May come back without
 * having done so when memory is short. */
static void lead(struct commit *commit)
{
    struct group *group = take_filling(commit);
    if (!group)
        return;
    commit->committing = true;
    commit->commits++;
    commit->written_bytes += group->size;
    (void)pthread_mutex_unlock(&commit->lock);

    struct error error = {0};
    uint64_t sync_ns = 0;
    group->result = write_group(commit, group, &sync_ns, &error);

    (void)pthread_mutex_lock(&commit->lock);
    latencies_add(&commit->sync, sync_ns);
    commit->committing = false;
    if (group->result < 0)
        die(commit, &error);
    else
        commit->written_number = group->number;
    if (commit->freezing > 0)
        (void)pthread_cond_broadcast(&commit->room);
    if (journals_need_work(commit) || group->journal->closed)
        commit->wake.call(commit->wake.context);
    if (commit->options->fsync == STORE_FSYNC_INTERVAL && commit->wake.written)
        commit->wake.written(commit->wake.context);
    if (is_ready(commit))
        group_wake(commit->filling, 1); /* one of its appenders leads next */
    (void)pthread_mutex_unlock(&commit->lock);
    atomic_store(&group->done, true);
    group_wake(group, INT_MAX);
    release_group(commit, group); /* the reference of having been the filling group */
    (void)pthread_mutex_lock(&commit->lock);
}

/* Leads the group if it is ready and nobody else does. Returns the state of `changes` to wait for a change
 * of, taken before anybody could miss it. 0 or, when the journal has died and the group will never be
 * written, the error. */
static int try_to_lead(
    struct commit *commit, struct group *group, uint32_t *ret_seen, struct error *ret_error)
{
    int r = 0;
    (void)pthread_mutex_lock(&commit->lock);
    while (!atomic_load(&group->done) && group == commit->filling && is_ready(commit))
        lead(commit);
    /* No appender will lead this group. A group that is being written is still waited for, because its
     * batches are in use. */
    if (group == commit->filling && commit->dead) {
        r = commit_dead_error(commit, ret_error);
        group_wake(group,
            INT_MAX); /* who packed after the journal had died and was not the last waits for a change */
    }
    *ret_seen = atomic_load(&group->changes);
    (void)pthread_mutex_unlock(&commit->lock);
    return r;
}

/* The frame is packed: waits until its group is done, leading it if nobody else does. Drops the reference.
 * The appender that packs last tries to lead; if another group is under way then, its leader wakes one of
 * this group's appenders. Who is woken because the group is done needs no lock: many would stand in line for
 * it. */
static int await_group(struct commit *commit, struct group *group, struct error *ret_error)
{
    uint32_t seen = atomic_load(&group->changes);
    int r = 0;
    if (atomic_fetch_sub(&group->packing, 1) == 1)
        r = try_to_lead(commit, group, &seen, ret_error);
    while (r == 0 && !atomic_load(&group->done)) {
        futex_wait(&group->changes, seen);
        if (!atomic_load(&group->done))
            r = try_to_lead(commit, group, &seen, ret_error);
    }
    if (r == 0 && group->result < 0) {
        (void)pthread_mutex_lock(&commit->lock);
        r = commit_dead_error(commit, ret_error);
        (void)pthread_mutex_unlock(&commit->lock);
    }
    release_group(commit, group);
    return r;
}

/* Packs the frames of the append into its group, outside the lock. */
static void pack(const struct append *append, struct group *group)
{
    for (uint32_t i = 0; i < append->count; i++) {
        struct piece *piece = &append->pieces[i];
        uint8_t *to = group->data + (piece->frame.offset - group->offset);
        frame_pack(to, group->journal->file->nonce, &piece->frame, piece->batch);
    }
}

static int insert(struct commit *commit, struct append *append, struct error *ret_error)
{
    if (append->size > commit->options->journal_bytes - JOURNAL_HEADER_BYTES)
        return error_set(ret_error, E2BIG,
            "a batch of %zu bytes does not fit into a journal of %llu bytes; insert fewer "
            "points at once",
            append->size, (unsigned long long)commit->options->journal_bytes);
    uint64_t flight = atomic_fetch_add(&commit->flight_bytes, append->size) + append->size;
    if (flight > commit->options->flight_bytes_max && flight != append->size) {
        atomic_fetch_sub(&commit->flight_bytes, append->size);
        return error_set(ret_error, EAGAIN, "too many inserts under way (%llu bytes); try again",
            (unsigned long long)flight);
    }
    struct group *group = NULL;
    (void)pthread_mutex_lock(&commit->lock);
    int r = commit_reserve(commit, append, &group, ret_error);
    if (r == 0) {
        (void)pthread_mutex_unlock(&commit->lock);
        pack(append, group);
        r = await_group(commit, group, ret_error);
    } else {
        for (uint32_t i = 0; i < append->count; i++)
            states_remove_unused(commit->states, append->pieces[i].series_id);
        (void)pthread_mutex_unlock(&commit->lock);
    }
    atomic_fetch_sub(&commit->flight_bytes, append->size);
    return r;
}

static int run(struct commit *commit, struct append *append, struct error *ret_error)
{
    int r = insert(commit, append, ret_error);
    if (r == -EAGAIN)
        atomic_fetch_add(&commit->refused_busy, 1);
    else if (r == -EIO)
        atomic_fetch_add(&commit->refused_dead, 1);
    else if (r < 0 && error_is_no_space(-r))
        atomic_fetch_add(&commit->refused_no_space, 1);
    return r;
}

/* ---- the door ---- */

/* Sets up the piece for a batch that is not empty. */
static int prepare_piece(
    uint64_t series_id, struct batch *batch, struct piece *ret_piece, struct error *ret_error)
{
    int r = batch_check_times(batch, -INFINITY, ret_error);
    if (r < 0)
        return r;
    *ret_piece = (struct piece){
        .series_id = series_id,
        .batch = batch,
        .size = frame_bytes(batch),
        .logical_bytes = batch_logical_bytes(batch, 0, batch->count),
    };
    if (ret_piece->size == 0)
        return error_set(ret_error, E2BIG,
            "a batch of %u points is larger than %d bytes; insert fewer points at once", batch->count,
            FRAME_BYTES_MAX);
    return 0;
}

int commit_append(struct commit *commit, uint64_t series_id, struct batch *batch, unsigned flags,
    uint64_t *ret_first_index, struct error *ret_error)
{
    if (batch->count == 0)
        return 0;
    struct piece piece;
    int r = prepare_piece(series_id, batch, &piece, ret_error);
    if (r < 0)
        return r;
    struct append append = {.pieces = &piece, .count = 1, .size = piece.size, .flags = flags};
    r = run(commit, &append, ret_error);
    if (r == 0 && ret_first_index)
        *ret_first_index = piece.frame.first_index;
    return r;
}

int commit_append_many(struct commit *commit, struct store_part *parts, uint32_t count, unsigned flags,
    uint32_t *ret_refused, struct error *ret_error)
{
    if (count == 0)
        return 0;
    CHECK(count <= STORE_PARTS_MAX);
    struct append append = {.count = count, .flags = flags};
    append.pieces = malloc(count * sizeof(*append.pieces));
    if (!append.pieces)
        return error_set(ret_error, ENOMEM, "out of memory for an insert into %u series", count);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        CHECK(parts[i].batch->count > 0 && (i == 0 || parts[i].series_id > parts[i - 1].series_id));
        append.refused = i;
        r = prepare_piece(parts[i].series_id, parts[i].batch, &append.pieces[i], ret_error);
        append.size += r == 0 ? append.pieces[i].size : 0;
    }
    if (r == 0)
        r = run(commit, &append, ret_error);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        parts[i].first_index = append.pieces[i].frame.first_index;
    if (r < 0 && ret_refused)
        *ret_refused = append.refused;
    free(append.pieces);
    return r;
}

static int delete_some(
    struct commit *commit, const uint64_t *series_ids, uint32_t count, struct error *ret_error)
{
    size_t each = frame_size(&(struct frame){.kind = FRAME_TOMBSTONE});
    struct append append = {.count = count, .size = count * each};
    append.pieces = malloc(count * sizeof(*append.pieces));
    if (!append.pieces)
        return error_set(ret_error, ENOMEM, "out of memory for the deletion of %u series", count);
    for (uint32_t i = 0; i < count; i++)
        append.pieces[i] = (struct piece){.series_id = series_ids[i], .size = each};
    int r = run(commit, &append, ret_error);
    free(append.pieces);
    return r;
}

int commit_delete_series(
    struct commit *commit, const uint64_t *series_ids, size_t count, struct error *ret_error)
{
    size_t at_once =
        (JOURNAL_BYTES_MIN - JOURNAL_HEADER_BYTES) / frame_size(&(struct frame){.kind = FRAME_TOMBSTONE});
    int r = 0;
    for (size_t from = 0; r == 0 && from < count; from += at_once) {
        size_t part = count - from < at_once ? count - from : at_once;
        r = delete_some(commit, series_ids + from, (uint32_t)part, ret_error);
    }
    return r;
}

/* The lock is held. Groups are written in the order of their numbers: waits for the last one that may hold
 * frames by now. Their appenders write them. */
static int await_reserved(struct commit *commit, struct error *ret_error)
{
    uint64_t number =
        commit->filling->frame_count > 0 ? commit->filling->number : commit->filling->number - 1;
    commit->freezing++;
    while (commit->written_number < number && !commit->dead)
        (void)pthread_cond_wait(&commit->room, &commit->lock);
    commit->freezing--;
    return commit->written_number < number ? commit_dead_error(commit, ret_error) : 0;
}

/* Later reservations see the mark under the same lock; earlier ones are published when this returns. */
int commit_freeze_series(struct commit *commit, uint64_t series_id, struct error *ret_error)
{
    struct series_state *state;
    unsigned long long id = series_id;
    (void)pthread_mutex_lock(&commit->lock);
    int r = commit_get_state(commit, series_id, &state, ret_error);
    if (r == 0 && state->deleted)
        r = error_set(ret_error, ENOENT, "series %llu was deleted", id);
    else if (r == 0 && state->frozen)
        r = error_set(ret_error, EBUSY, "series %llu is being rewritten already", id);
    if (r < 0) {
        states_remove_unused(commit->states, series_id);
    } else {
        state->frozen = true;
        r = await_reserved(commit, ret_error);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    if (r < 0 && r != -EBUSY && r != -ENOENT)
        commit_unfreeze_series(commit, series_id);
    return r;
}

void commit_unfreeze_series(struct commit *commit, uint64_t series_id)
{
    (void)pthread_mutex_lock(&commit->lock);
    struct series_state *state = states_find(commit->states, series_id);
    if (state) {
        state->frozen = false;
        states_remove_unused(commit->states, series_id);
    }
    (void)pthread_mutex_unlock(&commit->lock);
}

void commit_set_listener(struct commit *commit, store_listener listener, void *context)
{
    (void)pthread_mutex_lock(&commit->listener_lock);
    commit->listener = listener;
    commit->listener_context = context;
    (void)pthread_mutex_unlock(&commit->listener_lock);
}

/* ---- for the background ---- */

int commit_rotate(struct commit *commit, struct error *ret_error)
{
    struct append append = {0};
    int r = 0;
    (void)pthread_mutex_lock(&commit->lock);
    const struct journal *active = commit->active;
    while (r == 0 && commit->active == active && active->reserved_end > JOURNAL_HEADER_BYTES) {
        if (commit->dead)
            r = commit_dead_error(commit, ret_error);
        else
            r = commit_use_spare(commit, ret_error);
        if (r == 1)
            r = commit_wait_for_room(commit, &append, ret_error);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    return r;
}

bool commit_is_closed(struct commit *commit, const struct journal *journal, uint64_t *ret_end)
{
    (void)pthread_mutex_lock(&commit->lock);
    bool closed = journal->closed;
    *ret_end = journal->reserved_end;
    (void)pthread_mutex_unlock(&commit->lock);
    return closed;
}

struct journal *commit_active(struct commit *commit)
{
    (void)pthread_mutex_lock(&commit->lock);
    struct journal *active = journal_hold(commit->active);
    (void)pthread_mutex_unlock(&commit->lock);
    return active;
}

/* The lock is taken for a few at a time: with many series, inserts must not wait for all of them. */
static void evict(struct commit *commit, const uint64_t *ids, size_t count, uint64_t sealed_id)
{
    for (size_t from = 0; from < count; from += EVICT_AT_ONCE) {
        size_t part = count - from < EVICT_AT_ONCE ? count - from : EVICT_AT_ONCE;
        (void)pthread_mutex_lock(&commit->lock);
        states_evict(commit->states, ids + from, part, sealed_id);
        (void)pthread_mutex_unlock(&commit->lock);
    }
}

void commit_sealed(struct commit *commit, struct journal *journal)
{
    uint64_t *ids;
    size_t count;
    /* A state that stays because memory is short is true all the same. */
    if (head_index_series(&journal->index, &ids, &count) == 0) {
        evict(commit, ids, count, journal->file->id);
        free(ids);
    }
    evict(commit, journal->index.tombstones, journal->index.tombstone_count, journal->file->id);
    (void)pthread_mutex_lock(&commit->lock);
    (void)pthread_cond_broadcast(&commit->room);
    (void)pthread_mutex_unlock(&commit->lock);
}

void commit_kill(struct commit *commit, const struct error *error)
{
    (void)pthread_mutex_lock(&commit->lock);
    if (!commit->dead)
        die(commit, error);
    (void)pthread_mutex_unlock(&commit->lock);
}

int commit_check_alive(struct commit *commit, struct error *ret_error)
{
    (void)pthread_mutex_lock(&commit->lock);
    int r = commit->dead ? error_set(ret_error, EIO, "%s", commit->dead_error.message) : 0;
    (void)pthread_mutex_unlock(&commit->lock);
    return r;
}

void commit_get_stats(struct commit *commit, struct store_stats *stats)
{
    (void)pthread_mutex_lock(&commit->lock);
    stats->appended_points = commit->appended_points;
    stats->appended_batches = commit->appended_batches;
    stats->commits = commit->commits;
    stats->inserts_waited = commit->waited;
    stats->journal_bytes_written = commit->written_bytes;
    stats->journal_dead = commit->dead;
    (void)pthread_mutex_unlock(&commit->lock);
}

/* The lock is held. Whether the next insert finds room, or may hope for it. */
static void check_ready(struct commit *commit, struct error *ret_error)
{
    const struct journal *active = commit->active;
    bool full = active->filled_end - active->reserved_end < ROOM_BYTES_MIN;
    bool has_blocks = active->filled_end == active->file->size;
    if (commit->dead)
        (void)commit_dead_error(commit, ret_error);
    else if (commit->blocks_needed > 0 || (full && !has_blocks))
        (void)journals_check_space(&commit->blocks_error, ret_error);
    else if (commit->frame_needed > 0 || commit->spare_needed || full)
        (void)journals_check_space(&commit->spare_error, ret_error);
}

void commit_get_metrics(struct commit *commit, struct store_metrics *metrics)
{
    (void)pthread_mutex_lock(&commit->lock);
    metrics->commit_sync = commit->sync;
    metrics->inserts_waiting = commit->waiting;
    check_ready(commit, &metrics->unready);
    (void)pthread_mutex_unlock(&commit->lock);
    metrics->refused_busy = atomic_load(&commit->refused_busy);
    metrics->refused_no_space = atomic_load(&commit->refused_no_space);
    metrics->refused_dead = atomic_load(&commit->refused_dead);
    metrics->flight_bytes = atomic_load(&commit->flight_bytes);
}
