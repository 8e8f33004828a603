/* Commit groups: where frames gather on their way to the journal. A group is used again and again, from a
 * pool: the memory for its frames is mapped once and what a usual group needs of it stays. */
#include "commit_private.h"
#include "futex.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { GROUP_BYTES_HOT = 2 << 20 }; /* memory that a pooled group keeps */

struct group *group_new(size_t capacity)
{
    struct group *group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    group->data =
        mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (group->data == MAP_FAILED) {
        free(group);
        return NULL;
    }
    group->capacity = capacity;
    atomic_init(&group->references, 1);
    return group;
}

void group_free(struct group *group)
{
    if (!group)
        return;
    journal_release(group->journal);
    (void)munmap(group->data, group->capacity);
    free(group->frames);
    free(group->batches);
    free(group);
}

void group_clear(struct group *group)
{
    journal_release(group->journal);
    group->journal = NULL;
    if (group->size > GROUP_BYTES_HOT)
        (void)madvise(group->data + GROUP_BYTES_HOT, group->capacity - GROUP_BYTES_HOT, MADV_DONTNEED);
    group->size = 0;
    group->frame_count = 0;
    group->result = 0;
    atomic_store(&group->done, false);
}

bool group_pool_put(struct group **pool, struct group *group)
{
    for (unsigned i = 0; i < GROUP_POOL; i++) {
        if (!pool[i]) {
            pool[i] = group;
            return true;
        }
    }
    return false;
}

struct group *group_pool_take(struct group **pool)
{
    for (unsigned i = 0; i < GROUP_POOL; i++) {
        struct group *group = pool[i];
        if (group) {
            pool[i] = NULL;
            atomic_store(&group->references, 1);
            return group;
        }
    }
    return NULL;
}

int group_reserve_frames(struct group *group, uint32_t extra)
{
    if (group->frame_capacity - group->frame_count >= extra)
        return 0;
    uint32_t capacity = group->frame_capacity ? group->frame_capacity : 64;
    while (capacity - group->frame_count < extra)
        capacity *= 2;
    struct frame *frames = realloc(group->frames, capacity * sizeof(*frames));
    if (!frames)
        return -ENOMEM;
    group->frames = frames;
    const struct batch **batches = realloc(group->batches, capacity * sizeof(*batches));
    if (!batches)
        return -ENOMEM;
    group->batches = batches;
    group->frame_capacity = capacity;
    return 0;
}

struct frame *group_add_frame(struct group *group, struct journal *journal, uint64_t size)
{
    if (!group->journal) {
        group->journal = journal_hold(journal);
        group->offset = journal->reserved_end;
    }
    struct frame *frame = &group->frames[group->frame_count];
    *frame = (struct frame){
        .group = group->number,
        .synced_to = atomic_load(&journal->synced_end),
        .offset = journal->reserved_end,
    };
    journal->reserved_end += size;
    group->size += size;
    group->batches[group->frame_count++] = NULL;
    return frame;
}

void group_wake(struct group *group, int count)
{
    atomic_fetch_add(&group->changes, 1);
    futex_wake(&group->changes, count);
}
