#include "head.h"

#include <errno.h>
#include <stdlib.h>

/* Reference number n is in chunk c with (4^c - 1) / 3 <= n < (4^(c+1) - 1) / 3. */
static unsigned chunk_of(uint32_t number, uint32_t *ret_position)
{
    unsigned bits = 63u - (unsigned)__builtin_clzll((uint64_t)number * 3 + 1);
    unsigned chunk = bits / 2;
    *ret_position = number - (uint32_t)(((UINT64_C(1) << (2 * chunk)) - 1) / 3);
    return chunk;
}

static struct frame_reference *reference_at(const struct head_series *series, uint32_t number)
{
    if (number == 0)
        return (struct frame_reference *)&series->first;
    uint32_t position;
    unsigned chunk = chunk_of(number, &position);
    return &series->chunks[chunk - 1][position];
}

const struct frame_reference *head_reference(const struct head_series *series, uint32_t number)
{
    return reference_at(series, number);
}

int head_index_init(struct head_index *index)
{
    *index = (struct head_index){0};
    return -pthread_mutex_init(&index->lock, NULL);
}

void head_index_free(struct head_index *index)
{
    for (size_t i = 0; i < index->series.capacity; i++) {
        struct head_series *series = index->series.entries[i].value;
        if (!series)
            continue;
        for (unsigned c = 0; c < HEAD_CHUNKS - 1; c++)
            free(series->chunks[c]);
        free(series);
    }
    id_map_free(&index->series);
    free(index->tombstones);
    (void)pthread_mutex_destroy(&index->lock);
}

static int reserve_tombstone(struct head_index *index)
{
    if (index->tombstones_reserved == index->tombstone_capacity) {
        size_t capacity = index->tombstone_capacity ? index->tombstone_capacity * 2 : 16;
        uint64_t *grown = realloc(index->tombstones, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        index->tombstones = grown;
        index->tombstone_capacity = capacity;
    }
    index->tombstones_reserved++;
    return 0;
}

static int add_tombstone(struct head_index *index, uint64_t series_id)
{
    if (index->tombstone_count == index->tombstones_reserved && reserve_tombstone(index) < 0)
        return -ENOMEM;
    index->tombstones[index->tombstone_count++] = series_id;
    return 0;
}

static struct head_series *get_series(struct head_index *index, uint64_t series_id)
{
    struct head_series *series = id_map_get(&index->series, series_id);
    if (series)
        return series;
    series = calloc(1, sizeof(*series));
    if (!series)
        return NULL;
    series->series_id = series_id;
    if (id_map_put(&index->series, series_id, series) < 0) {
        free(series);
        return NULL;
    }
    return series;
}

static int reserve_reference(struct head_index *index, uint64_t series_id)
{
    struct head_series *series = get_series(index, series_id);
    if (!series)
        return -ENOMEM;
    if (series->reserved > 0) {
        uint32_t position;
        unsigned chunk = chunk_of(series->reserved, &position);
        if (position == 0 && !series->chunks[chunk - 1]) {
            series->chunks[chunk - 1] = malloc(sizeof(struct frame_reference) << (2 * chunk));
            if (!series->chunks[chunk - 1])
                return -ENOMEM;
        }
    }
    series->reserved++;
    return 0;
}

static int add_reference(struct head_index *index, const struct frame *frame)
{
    struct head_series *series = id_map_get(&index->series, frame->series_id);
    if (!series || series->count == series->reserved) {
        int r = reserve_reference(index, frame->series_id);
        if (r < 0)
            return r;
        series = id_map_get(&index->series, frame->series_id);
    }
    *reference_at(series, series->count) = (struct frame_reference){
        .first_index = frame->first_index,
        .time_last = frame->time_last,
        .logical_bytes = frame->logical_bytes,
        .offset_units = (uint32_t)(frame->offset / FRAME_ALIGNMENT),
        .count = frame->count,
    };
    series->count++;
    index->points += frame->count;
    return 0;
}

int head_index_reserve(struct head_index *index, enum frame_kind kind, uint64_t series_id)
{
    (void)pthread_mutex_lock(&index->lock);
    int r = kind == FRAME_TOMBSTONE ? reserve_tombstone(index) : reserve_reference(index, series_id);
    (void)pthread_mutex_unlock(&index->lock);
    return r;
}

int head_index_add(struct head_index *index, const struct frame *frame)
{
    (void)pthread_mutex_lock(&index->lock);
    int r =
        frame->kind == FRAME_TOMBSTONE ? add_tombstone(index, frame->series_id) : add_reference(index, frame);
    (void)pthread_mutex_unlock(&index->lock);
    return r;
}

uint32_t head_index_find(
    struct head_index *index, uint64_t series_id, uint64_t end, const struct head_series **ret_series)
{
    (void)pthread_mutex_lock(&index->lock);
    const struct head_series *series = id_map_get(&index->series, series_id);
    uint32_t count = series ? series->count : 0;
    (void)pthread_mutex_unlock(&index->lock);
    uint32_t low = 0;
    while (low < count) { /* references ascend by offset */
        uint32_t middle = low + (count - low) / 2;
        if (frame_reference_offset(reference_at(series, middle)) < end)
            low = middle + 1;
        else
            count = middle;
    }
    if (low > 0)
        *ret_series = series;
    return low;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int head_index_series(struct head_index *index, uint64_t **ret_ids, size_t *ret_count)
{
    (void)pthread_mutex_lock(&index->lock);
    uint64_t *ids = malloc((index->series.count + 1) * sizeof(*ids));
    size_t count = 0;
    for (size_t i = 0; ids && i < index->series.capacity; i++) {
        if (index->series.entries[i].value)
            ids[count++] = index->series.entries[i].id;
    }
    (void)pthread_mutex_unlock(&index->lock);
    if (!ids)
        return -ENOMEM;
    qsort(ids, count, sizeof(*ids), compare_ids);
    *ret_ids = ids;
    *ret_count = count;
    return 0;
}
