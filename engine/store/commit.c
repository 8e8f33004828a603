/* Group commit: appenders reserve a place in the filling group, pack their frame into it outside the lock, and one
 * of them, the leader, writes and syncs the whole group, publishes its frames and wakes the others. While group N
 * is on its way to the disk, group N+1 fills: the device's speed is the clock, there is no timer.
 * (DeWitt et al., "Implementation techniques for main memory database systems", SIGMOD 1984, section 5.2.)
 *
 * Why an acknowledged batch is on disk: `done` with result 0 is set only after io_write_sync returned 0 for a range
 * that includes the frame. Why order holds: first index and place in the journal are given in one critical
 * section, groups are written one after the other, and published in that order. commit_group.c has the groups' memory,
 * commit_states.c what is known of the series. */
#include "check.h"
#include "clock.h"
#include "futex.h"
#include "store_internal.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- life ---- */

int commit_init(struct store *store, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&commit->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&commit->room, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    for (unsigned i = 0; i < GROUP_POOL; i++) {
        commit->pool[i] = group_new(store->options.journal_bytes);
        if (!commit->pool[i])
            return error_set(ret_error, ENOMEM, "out of memory for the commit groups");
    }
    commit->filling = group_from_pool(commit);
    commit->filling->number = ++commit->group_number;
    return 0;
}

void commit_free(struct store *store)
{
    struct commit *commit = &store->commit;
    group_free(commit->filling);
    for (unsigned i = 0; i < GROUP_POOL; i++)
        group_free(commit->pool[i]);
    for (size_t i = 0; i < commit->states.capacity; i++)
        free(commit->states.entries[i].value);
    id_map_free(&commit->states);
    journal_release(commit->active);
    journal_release(commit->spare);
    (void)pthread_cond_destroy(&commit->room);
    (void)pthread_mutex_destroy(&commit->lock);
}

/* ---- room ---- */

struct request {
    enum frame_kind kind;
    const uint64_t *series_ids;
    uint32_t frames; /* 1 for points */
    size_t size;     /* of all frames */
    struct batch *batch;
    unsigned flags;
    uint64_t logical_bytes;
    uint64_t deadline_ns; /* 0 = has not waited yet */
};

static int dead_error(const struct store *store, struct error *ret_error)
{
    return error_set(ret_error, EIO, "%s; whether inserts that were under way are stored is unknown until the "
                                     "database is opened again", store->commit.dead_error.message);
}

/* Waits for room to change. 0 = look again; -EAGAIN = waited long enough. */
static int wait_for_room(struct store *store, struct request *request, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    uint64_t now = clock_monotonic_ns();
    if (request->deadline_ns == 0) {
        request->deadline_ns = now + (uint64_t)store->options.wait_ms_max * 1000000u;
        commit->waited++;
    }
    if (now >= request->deadline_ns)
        return error_set(ret_error, EAGAIN, "the store cannot keep up at the moment (waited %u ms for a free journal); "
                                            "try again", store->options.wait_ms_max);
    struct timespec deadline = {
        .tv_sec = (time_t)(request->deadline_ns / 1000000000u),
        .tv_nsec = (long)(request->deadline_ns % 1000000000u),
    };
    (void)pthread_cond_timedwait(&commit->room, &commit->lock, &deadline);
    return 0;
}

/* The active journal is full: goes on with the spare. 0 = rotated; 1 = there is no spare yet. */
static int rotate(struct store *store, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    if (commit->spare) {
        commit->active->closed = true;
        journal_release(commit->active);
        commit->active = commit->spare;
        commit->spare = NULL;
        (void)pthread_cond_broadcast(&commit->room);
        background_wake(store);
        return 0;
    }
    background_wake(store);
    int code = commit->prepare_error.code;
    if (error_is_no_space(code))
        return error_set(ret_error, code, "no space for the next journal, %s: %s", error_no_space_reason(code),
            commit->prepare_error.message);
    return 1;
}

/* Makes sure that the request's frames fit into the filling group. 0 = they do; 1 = the lock was let go of, look at
 * everything again; negative: error. */
static int find_room(struct store *store, struct request *request, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    struct group *group = commit->filling;
    bool wait = group->journal && group->journal != commit->active; /* the group of before a rotation */
    if (!wait && commit->active->file->size - commit->active->reserved_end < request->size) {
        int r = rotate(store, ret_error);
        if (r < 0)
            return r;
        if (r == 0)
            return 1;
        wait = true;
    }
    if (!wait && group->frame_count > 0 && group->size + request->size > GROUP_BYTES_SOFT)
        wait = true;
    if (wait) {
        int r = wait_for_room(store, request, ret_error);
        return r < 0 ? r : 1;
    }
    if (group_reserve_frames(group, request->frames) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for the commit group");
    return 0;
}

/* ---- reserving ---- */

static void reserve_points(struct store *store, struct request *request, struct series_state *state,
    struct frame *ret_frame)
{
    struct commit *commit = &store->commit;
    struct batch *batch = request->batch;
    struct frame *frame = group_add_frame(commit->filling, commit->active, request->size);
    commit->filling->batches[commit->filling->frame_count - 1] = batch;
    frame->kind = FRAME_POINTS;
    frame->series_id = request->series_ids[0];
    frame->first_index = state->length;
    frame->count = batch->count;
    frame->time_first = batch_time(batch, 0);
    frame->time_last = batch_time(batch, batch->count - 1);
    state->length += batch->count;
    state->time_last = frame->time_last;
    state->logical_bytes += request->logical_bytes;
    state->journal_id = commit->active->file->id;
    frame->logical_bytes = state->logical_bytes;
    commit->appended_points += batch->count;
    commit->appended_batches++;
    *ret_frame = *frame;
}

static void reserve_tombstones(struct store *store, const struct request *request, struct frame *ret_frame)
{
    struct commit *commit = &store->commit;
    for (uint32_t i = 0; i < request->frames; i++) {
        struct frame *frame = group_add_frame(commit->filling, commit->active, request->size / request->frames);
        frame->kind = FRAME_TOMBSTONE;
        frame->series_id = request->series_ids[i];
        struct series_state *state = id_map_get(&commit->states, frame->series_id);
        state->deleted = true;
        state->journal_id = commit->active->file->id;
        if (i == 0)
            *ret_frame = *frame;
    }
}

/* A deletion needs a state for each of its series: who loads one before the deletion is published would take the series for
 * alive. commit.lock is held until they say so. */
static int reserve_states(struct store *store, const struct request *request)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < request->frames; i++) {
        if (!id_map_get(&store->commit.states, request->series_ids[i]))
            r = commit_put_state(store, request->series_ids[i], &(struct series_state){0});
    }
    return r;
}

/* What publishing will need. A request that memory is short for is refused here: once it is written there is no way back, and the
 * journal would have to die. */
static int reserve_memory(struct store *store, const struct request *request, struct error *ret_error)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < request->frames; i++)
        r = head_index_reserve(&store->commit.active->index, request->kind, request->series_ids[i]);
    if (request->kind == FRAME_TOMBSTONE) {
        if (r == 0)
            r = reserve_states(store, request);
        if (r == 0)
            r = files_reserve_deleted(store->files, request->frames);
        for (uint32_t i = 0; r < 0 && i < request->frames; i++)
            commit_drop_unused_state(&store->commit, request->series_ids[i]);
    }
    return r < 0 ? error_set(ret_error, ENOMEM, "out of memory for the index of %s", store->commit.active->file->path) : 0;
}

/* Reserves the request's place; commit.lock is held. On success the group holds a reference for the caller and counts
 * it as packing. */
static int reserve(struct store *store, struct request *request, struct group **ret_group,
    struct frame *ret_frame, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    struct series_state *state = NULL;
    int r;
    do {
        if (commit->dead)
            return dead_error(store, ret_error);
        if (request->kind == FRAME_POINTS) {
            r = commit_get_state(store, request->series_ids[0], &state, ret_error);
            if (r < 0)
                return r;
            if (state->deleted)
                return error_set(ret_error, ENOENT, "series %llu was deleted",
                    (unsigned long long)request->series_ids[0]);
        }
        r = find_room(store, request, ret_error);
        if (r < 0)
            return r;
    } while (r > 0);
    if (request->kind == FRAME_POINTS)
        r = batch_settle_times(request->batch, state->time_last, request->flags, ret_error);
    if (r == 0)
        r = reserve_memory(store, request, ret_error);
    if (r < 0)
        return r;
    if (request->kind == FRAME_POINTS)
        reserve_points(store, request, state, ret_frame);
    else
        reserve_tombstones(store, request, ret_frame);
    atomic_fetch_add(&commit->filling->packing, 1);
    atomic_fetch_add(&commit->filling->references, 1);
    *ret_group = commit->filling;
    return 0;
}

/* ---- committing ---- */

static void tell_listener(struct store *store, const struct group *group)
{
    (void)pthread_mutex_lock(&store->listener_lock);
    for (uint32_t i = 0; store->listener && i < group->frame_count; i++) {
        const struct frame *frame = &group->frames[i];
        if (frame->kind == FRAME_POINTS)
            store->listener(store->listener_context, frame->series_id, frame->first_index, group->batches[i]);
    }
    (void)pthread_mutex_unlock(&store->listener_lock);
}

/* Makes a durable group visible. Only the thread with the committing token calls this. */
static int publish(struct store *store, struct group *group, bool synced)
{
    struct journal *journal = group->journal;
    for (uint32_t i = 0; i < group->frame_count; i++) {
        int r = head_index_add(&journal->index, &group->frames[i]);
        if (r == 0 && group->frames[i].kind == FRAME_TOMBSTONE)
            r = files_mark_deleted(store->files, group->frames[i].series_id);
        if (r < 0)
            return r;
    }
    files_publish(store->files, journal, group->offset + group->size);
    if (synced)
        atomic_store(&journal->synced_end, group->offset + group->size);
    tell_listener(store, group);
    return 0;
}

/* Without a sync per group, the end of a full journal may still be on its way when its successor gets frames: power
 * loss could then leave the successor's frames and a hole before them. So the first group of a journal waits until
 * its predecessor is on disk: what power loss costs is always the end of the log. */
static int sync_predecessor(struct store *store, const struct journal *journal, struct error *ret_error)
{
    struct version *version = files_version(store->files);
    uint32_t i = 0;
    while (i < version->journal_count && version->journals[i] != journal)
        i++;
    int r = 0;
    if (i > 0 && i < version->journal_count) { /* else it is sealed */
        struct journal *before = version->journals[i - 1];
        r = journal_sync(before, store->io, files_published_end(store->files, before), ret_error);
    }
    version_release(version);
    return r;
}

/* A deletion is synced whatever the setting: sealing and merging drop the series' points for good, and a tombstone that
 * power loss took back would leave the points that were not yet dropped with a hole before them. */
static bool needs_sync(const struct store *store, const struct group *group)
{
    bool sync = store->options.fsync == STORE_FSYNC_ALWAYS;
    for (uint32_t i = 0; i < group->frame_count && !sync; i++)
        sync = group->frames[i].kind == FRAME_TOMBSTONE;
    return sync;
}

static int write_group(struct store *store, struct group *group, struct error *ret_error)
{
    struct journal_file *file = group->journal->file;
    bool sync = needs_sync(store, group);
    int r = 0;
    if (store->options.fsync != STORE_FSYNC_ALWAYS && group->offset == JOURNAL_HEADER_BYTES)
        r = sync_predecessor(store, group->journal, ret_error);
    if (r < 0)
        return r;
    r = io_write_sync(store->io, file->file, file->path, group->data, group->size, group->offset, sync, ret_error);
    if (r < 0)
        return r;
    r = publish(store, group, sync);
    if (r < 0)
        return error_set(ret_error, ENOMEM, "out of memory for the index of %s", file->path);
    return 0;
}

void commit_die(struct store *store, const struct error *error)
{
    struct commit *commit = &store->commit;
    commit->dead = true;
    commit->dead_error = *error;
    (void)pthread_cond_broadcast(&commit->room);
    group_wake(commit->filling, INT_MAX);
}

/* Whether the filling group can go to the disk. commit.lock is held: no frame comes meanwhile, so that nothing is
 * packing stays true. */
static bool is_ready(const struct commit *commit)
{
    return !commit->committing && !commit->dead && commit->filling->frame_count > 0 &&
           atomic_load(&commit->filling->packing) == 0;
}

/* Makes an empty group the filling one. Returns the one that was, or NULL: memory is short, and one may have come
 * back by now. commit.lock is held, and let go of meanwhile in that case. */
static struct group *take_filling(struct store *store)
{
    struct commit *commit = &store->commit;
    struct group *group = commit->filling;
    struct group *next = group_from_pool(commit);
    if (!next)
        next = group_new(store->options.journal_bytes);
    if (!next) {
        (void)pthread_cond_wait(&commit->room, &commit->lock); /* a group comes back when its appenders are done */
        return NULL;
    }
    next->number = ++commit->group_number;
    commit->filling = next;
    (void)pthread_cond_broadcast(&commit->room);
    return group;
}

/* Commits the filling group. commit.lock is held at entry and exit, let go of meanwhile. May come back without
 * having done so when memory is short. */
static void lead(struct store *store)
{
    struct commit *commit = &store->commit;
    struct group *group = take_filling(store);
    if (!group)
        return;
    commit->committing = true;
    commit->commits++;
    commit->written_bytes += group->size;
    (void)pthread_mutex_unlock(&commit->lock);

    struct error error = {0};
    group->result = write_group(store, group, &error);

    (void)pthread_mutex_lock(&commit->lock);
    commit->committing = false;
    if (group->result < 0)
        commit_die(store, &error);
    if (group->journal->closed)
        background_wake(store);
    if (is_ready(commit))
        group_wake(commit->filling, 1); /* one of its appenders leads next */
    (void)pthread_mutex_unlock(&commit->lock);
    atomic_store(&group->done, true);
    group_wake(group, INT_MAX);
    group_release(store, group); /* the reference of having been the filling group */
    (void)pthread_mutex_lock(&commit->lock);
}

/* Leads the group if it is ready and nobody else does. Returns the state of `changes` to wait for a change of, taken
 * before anybody could miss it. 0 or, when the journal has died and the group will never be written, the error. */
static int try_to_lead(struct store *store, struct group *group, uint32_t *ret_seen, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    int r = 0;
    (void)pthread_mutex_lock(&commit->lock);
    while (!atomic_load(&group->done) && group == commit->filling && is_ready(commit))
        lead(store);
    /* Nobody will lead it. One that is under way is waited for: its batches are in use. */
    if (group == commit->filling && commit->dead) {
        r = dead_error(store, ret_error);
        group_wake(group, INT_MAX); /* who packed after the journal had died and was not the last waits for a change */
    }
    *ret_seen = atomic_load(&group->changes);
    (void)pthread_mutex_unlock(&commit->lock);
    return r;
}

/* The frame is packed: waits until its group is done, leading it if nobody else does. Drops the reference.
 * Who packs last tries to lead; if another group is under way then, its leader wakes one of this group's appenders.
 * Who is woken because the group is done needs no lock: many would stand in line for it. */
static int await_group(struct store *store, struct group *group, struct error *ret_error)
{
    uint32_t seen = atomic_load(&group->changes);
    int r = 0;
    if (atomic_fetch_sub(&group->packing, 1) == 1)
        r = try_to_lead(store, group, &seen, ret_error);
    while (r == 0 && !atomic_load(&group->done)) {
        futex_wait(&group->changes, seen);
        if (!atomic_load(&group->done))
            r = try_to_lead(store, group, &seen, ret_error);
    }
    if (r == 0 && group->result < 0) {
        (void)pthread_mutex_lock(&store->commit.lock);
        r = dead_error(store, ret_error);
        (void)pthread_mutex_unlock(&store->commit.lock);
    }
    group_release(store, group);
    return r;
}

static int run(struct store *store, struct request *request, struct frame *ret_frame, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    if (request->size > store->options.journal_bytes - JOURNAL_HEADER_BYTES)
        return error_set(ret_error, E2BIG, "a batch of %zu bytes does not fit into a journal of %llu bytes; insert fewer "
                                           "points at once", request->size, (unsigned long long)store->options.journal_bytes);
    uint64_t flight = atomic_fetch_add(&commit->flight_bytes, request->size) + request->size;
    if (flight > store->options.flight_bytes_max && flight != request->size) {
        atomic_fetch_sub(&commit->flight_bytes, request->size);
        return error_set(ret_error, EAGAIN, "too many inserts under way (%llu bytes); try again",
            (unsigned long long)flight);
    }
    struct group *group = NULL;
    struct frame frame;
    (void)pthread_mutex_lock(&commit->lock);
    int r = reserve(store, request, &group, &frame, ret_error);
    if (r == 0) {
        uint8_t *to = group->data + (frame.offset - group->offset);
        uint64_t nonce = group->journal->file->nonce;
        (void)pthread_mutex_unlock(&commit->lock);
        *ret_frame = frame;
        for (uint32_t i = 0; i < request->frames; i++) {
            frame.series_id = request->series_ids[i];
            frame_pack(to, nonce, &frame, request->batch);
            to += request->size / request->frames;
            frame.offset += request->size / request->frames;
        }
        r = await_group(store, group, ret_error);
    } else {
        if (request->kind == FRAME_POINTS)
            commit_drop_unused_state(commit, request->series_ids[0]);
        (void)pthread_mutex_unlock(&commit->lock);
    }
    atomic_fetch_sub(&commit->flight_bytes, request->size);
    return r;
}

/* ---- the door ---- */

int store_append(struct store *store, uint64_t series_id, struct batch *batch, unsigned flags,
    uint64_t *ret_first_index, struct error *ret_error)
{
    if (batch->count == 0)
        return 0;
    int r = batch_check_times(batch, -INFINITY, ret_error);
    if (r < 0)
        return r;
    struct request request = {
        .kind = FRAME_POINTS,
        .series_ids = &series_id,
        .frames = 1,
        .size = frame_bytes(batch),
        .batch = batch,
        .flags = flags,
        .logical_bytes = batch_logical_bytes(batch, 0, batch->count),
    };
    if (request.size == 0)
        return error_set(ret_error, E2BIG, "a batch of %u points is larger than %d bytes; insert fewer points at once",
            batch->count, FRAME_BYTES_MAX);
    struct frame frame;
    r = run(store, &request, &frame, ret_error);
    if (r == 0 && ret_first_index)
        *ret_first_index = frame.first_index;
    return r;
}

int store_delete_series(struct store *store, const uint64_t *series_ids, size_t count, struct error *ret_error)
{
    size_t each = frame_size(&(struct frame){.kind = FRAME_TOMBSTONE});
    size_t at_once = (JOURNAL_BYTES_MIN - JOURNAL_HEADER_BYTES) / each;
    for (size_t from = 0; from < count; from += at_once) {
        size_t part = count - from < at_once ? count - from : at_once;
        struct request request = {
            .kind = FRAME_TOMBSTONE,
            .series_ids = series_ids + from,
            .frames = (uint32_t)part,
            .size = part * each,
        };
        struct frame frame;
        int r = run(store, &request, &frame, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

void store_set_listener(struct store *store, store_listener listener, void *context)
{
    (void)pthread_mutex_lock(&store->listener_lock);
    store->listener = listener;
    store->listener_context = context;
    (void)pthread_mutex_unlock(&store->listener_lock);
}

/* ---- for the sealer ---- */

bool commit_wants_spare(struct store *store)
{
    (void)pthread_mutex_lock(&store->commit.lock);
    bool wants = !store->commit.spare && !store->commit.dead;
    (void)pthread_mutex_unlock(&store->commit.lock);
    return wants;
}

void commit_offer_spare(struct store *store, struct journal *spare, const struct error *prepare_error)
{
    struct commit *commit = &store->commit;
    (void)pthread_mutex_lock(&commit->lock);
    commit->prepare_error = prepare_error ? *prepare_error : (struct error){0};
    if (spare) {
        CHECK(!commit->spare);
        commit->spare = spare;
    }
    (void)pthread_cond_broadcast(&commit->room);
    (void)pthread_mutex_unlock(&commit->lock);
}

int commit_rotate(struct store *store, struct error *ret_error)
{
    struct commit *commit = &store->commit;
    struct request request = {0};
    int r = 0;
    (void)pthread_mutex_lock(&commit->lock);
    const struct journal *active = commit->active;
    while (r == 0 && commit->active == active && active->reserved_end > JOURNAL_HEADER_BYTES) {
        if (commit->dead)
            r = dead_error(store, ret_error);
        else
            r = rotate(store, ret_error);
        if (r == 1)
            r = wait_for_room(store, &request, ret_error);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    return r;
}
