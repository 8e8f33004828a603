/* The senders of a batch: every distinct name once, found again through a hash table. */
#include "batch.h"

#include "batch_internal.h"
#include "check.h"
#include "wide.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SENDER_SLOTS_MIN = 16 };

/* Names come from clients, who may look for many of one hash: each batch has its secret. Multiplying and
 * folding both halves of the product spreads every bit of a word over all of the next. */
static uint32_t name_hash(const struct batch *batch, const char *name, size_t size)
{
    uint64_t hash = batch->sender_secret[0] ^ size;
    while (size > 0) {
        uint64_t word = 0;
        size_t part = size < sizeof(word) ? size : sizeof(word);
        memcpy(&word, name, part);
        uint128 product = (uint128)(hash ^ word) * (batch->sender_secret[1] | 1);
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
        name += part;
        size -= part;
    }
    return (uint32_t)hash;
}

static const uint8_t *name_at(const struct batch *batch, uint32_t number)
{
    if (number < batch->sender_indexed)
        return batch->sender_names.data + batch->sender_offsets[number];
    const uint8_t *name = batch->sender_names.data;
    while (number-- > 0)
        name += 1 + *name;
    return name;
}

const char *batch_sender(const struct batch *batch, uint32_t i, size_t *ret_size)
{
    if (!batch->has_senders || batch->senders[i] == 0) {
        *ret_size = 0;
        return "";
    }
    const uint8_t *name = name_at(batch, batch->senders[i] - 1u);
    *ret_size = *name;
    return (const char *)name + 1;
}

/* The slot that holds the name, or the empty one where it belongs. */
static uint32_t *find_slot(const struct batch *batch, const char *name, size_t size)
{
    uint32_t mask = batch->sender_slot_count - 1;
    for (uint32_t i = name_hash(batch, name, size) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &batch->sender_slots[i];
        if (*slot == 0)
            return slot;
        const uint8_t *known = batch->sender_names.data + batch->sender_offsets[*slot - 1];
        if (*known == size && memcmp(known + 1, name, size) == 0)
            return slot;
    }
}

/* Makes room for twice the names and one more. */
static int grow_index(struct batch *batch)
{
    uint32_t slot_count = batch->sender_slot_count ? batch->sender_slot_count : SENDER_SLOTS_MIN;
    while (slot_count < 2 * (batch->sender_count + 1))
        slot_count *= 2;
    if (slot_count == batch->sender_slot_count)
        return 0;
    uint32_t *offsets = realloc(batch->sender_offsets, slot_count / 2 * sizeof(*offsets));
    if (!offsets)
        return -ENOMEM;
    batch->sender_offsets = offsets;
    uint32_t *slots = realloc(batch->sender_slots, slot_count * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    if (batch->sender_slot_count == 0)
        arc4random_buf(batch->sender_secret, sizeof(batch->sender_secret));
    batch->sender_slots = slots;
    batch->sender_slot_count = slot_count;
    batch->sender_indexed = 0;
    return 0;
}

/* Makes the index know all names: after it grew, after batch_clear, and when somebody else filled names in.
 */
static int index_names(struct batch *batch)
{
    int r = grow_index(batch);
    if (r < 0)
        return r;
    if (batch->sender_indexed > 0 && batch->sender_indexed == batch->sender_count)
        return 0;
    memset(batch->sender_slots, 0, batch->sender_slot_count * sizeof(*batch->sender_slots));
    uint32_t offset = 0;
    for (uint32_t i = 0; i < batch->sender_count; i++) {
        const uint8_t *name = batch->sender_names.data + offset;
        batch->sender_offsets[i] = offset;
        *find_slot(batch, (const char *)name + 1, *name) = i + 1;
        offset += 1u + *name;
    }
    batch->sender_indexed = batch->sender_count;
    return 0;
}

static int add_name(struct batch *batch, const char *name, size_t size, uint32_t *slot)
{
    if (batch->sender_count == BATCH_SENDERS_MAX)
        return -E2BIG;
    int r = buffer_reserve(&batch->sender_names, 1 + size);
    if (r < 0)
        return r;
    struct buffer *names = &batch->sender_names;
    batch->sender_offsets[batch->sender_count] = (uint32_t)names->size;
    names->data[names->size] = (uint8_t)size;
    memcpy(names->data + names->size + 1, name, size);
    names->size += 1 + size;
    *slot = ++batch->sender_count;
    batch->sender_indexed = batch->sender_count;
    return 0;
}

int batch_put_sender(struct batch *batch, uint32_t i, const char *name, size_t size)
{
    if (size > SENDER_BYTES_MAX)
        return -E2BIG;
    int r = index_names(batch);
    if (r < 0)
        return r;
    uint32_t *slot = find_slot(batch, name, size);
    if (*slot == 0)
        r = add_name(batch, name, size, slot);
    if (r < 0)
        return r;
    if (!batch->has_senders)
        memset(batch->senders, 0, batch->count * sizeof(*batch->senders));
    batch->has_senders = true;
    batch->senders[i] = (uint16_t)*slot;
    return 0;
}

int batch_set_last_sender(struct batch *batch, const char *name, size_t size)
{
    CHECK(batch->count > 0 && batch->capacity > 0);
    if (size > 0)
        return batch_put_sender(batch, batch->count - 1, name, size);
    if (batch->has_senders)
        batch->senders[batch->count - 1] = 0;
    return 0;
}

int batch_set_senders(struct batch *batch, const char *name, size_t size)
{
    batch->has_senders = false;
    batch->sender_count = 0;
    batch->sender_indexed = 0;
    batch->sender_names.size = 0;
    if (size == 0 || batch->count == 0)
        return 0;
    int r = batch_put_sender(batch, 0, name, size);
    for (uint32_t i = 1; r == 0 && i < batch->count; i++)
        batch->senders[i] = batch->senders[0];
    return r;
}
