#include "columns_values.h"

#include "bytes.h"
#include "checksum.h"
#include "columns_booleans.h"
#include "columns_bytes.h"
#include "columns_numbers.h"
#include "columns_u64s.h"
#include "msgpack_value.h"

#include <errno.h>

enum {
    VALUES_LEVEL = 1,
    VALUES_WORTH = 20,      /* compressed when that saves one byte in so many */
    DICTIONARY_PROBE = 256, /* points after which it must be clear that values repeat */
};

/* ---- retyping ---- */

static bool is_number(uint8_t head)
{
    return head <= 0x7f || head >= 0xe0 || (head >= 0xcb && head <= 0xd3);
}

static bool is_boolean(uint8_t head)
{
    return head == 0xc2 || head == 0xc3;
}

/* Points of a mixed batch may all be numbers or all booleans here: then they take that form. 1 = in
 * columns->retyped, 0 = they do not fit one. */
static int retype(struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count)
{
    struct batch *to = &columns->retyped;
    const uint8_t *data = batch->msgpack.data;
    bool numbers = is_number(data[batch_msgpack_offset(batch, from)]);
    for (uint32_t i = from; i < from + count; i++) {
        uint8_t head = data[batch_msgpack_offset(batch, i)];
        if (numbers ? !is_number(head) : !is_boolean(head))
            return 0;
    }
    batch_clear(to);
    for (uint32_t i = from; i < from + count; i++) {
        uint32_t start = batch_msgpack_offset(batch, i);
        int r = batch_push_msgpack(to, 0, data + start, batch->msgpack_ends[i] - start);
        if (r < 0)
            return r;
        if (to->form == VALUES_MSGPACK)
            return 0;
    }
    return 1;
}

/* ---- dictionary ---- */

struct dictionary {
    uint32_t count;
    size_t bytes;
};

static bool slot_holds(const struct columns *columns, const struct dictionary_slot *slot, uint32_t hash,
    const uint8_t *value, uint32_t size)
{
    uint32_t index = slot->entry - 1;
    return slot->hash == hash && columns->entry_sizes[index] == size &&
           memcmp(columns->entries[index], value, size) == 0;
}

/* The index of the value, added if new; DICTIONARY_ENTRIES_MAX when it has no room. */
static uint32_t dictionary_index(
    struct columns *columns, struct dictionary *dictionary, const uint8_t *value, uint32_t size)
{
    uint32_t hash = (uint32_t)checksum(value, size, 0), s = hash % DICTIONARY_SLOTS;
    for (; columns->slots[s].entry != 0; s = (s + 1) % DICTIONARY_SLOTS) {
        if (slot_holds(columns, &columns->slots[s], hash, value, size))
            return columns->slots[s].entry - 1;
    }
    uint32_t index = dictionary->count;
    if (index == DICTIONARY_ENTRIES_MAX)
        return index;
    columns->slots[s] = (struct dictionary_slot){index + 1, hash};
    columns->entries[index] = value;
    columns->entry_sizes[index] = size;
    dictionary->count++;
    dictionary->bytes += size;
    return index;
}

/* Sets columns->u64s to the codes. false when values repeat too little. */
static bool dictionary_build(struct columns *columns, const struct batch *batch, uint32_t from,
    uint32_t count, struct dictionary *dictionary)
{
    *dictionary = (struct dictionary){0};
    memset(columns->slots, 0, sizeof(columns->slots));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t start = batch_msgpack_offset(batch, from + i);
        uint32_t size = batch->msgpack_ends[from + i] - start;
        uint32_t index = dictionary_index(columns, dictionary, batch->msgpack.data + start, size);
        if (index == DICTIONARY_ENTRIES_MAX || (i == DICTIONARY_PROBE && dictionary->count > i / 2))
            return false;
        columns->u64s[i] = index;
    }
    return dictionary->count <= count / 2;
}

static int dictionary_encode(
    struct columns *columns, uint32_t count, const struct dictionary *dictionary, struct buffer *out)
{
    columns->bytes.size = 0;
    if (buffer_reserve(&columns->bytes, dictionary->bytes) < 0 ||
        buffer_reserve(out, 1 + VARINT_BYTES_MAX) < 0)
        return -ENOMEM;
    out->data[out->size++] = COLUMN_DICTIONARY;
    out->size = (size_t)(varint_put(out->data + out->size, dictionary->count) - out->data);
    int r = u64s_encode(columns, columns->u64s, count, out);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < dictionary->count; i++) {
        memcpy(columns->bytes.data + columns->bytes.size, columns->entries[i], columns->entry_sizes[i]);
        columns->bytes.size += columns->entry_sizes[i];
        columns->u64s[i] = columns->entry_sizes[i];
    }
    r = u64s_encode(columns, columns->u64s, dictionary->count, out);
    if (r < 0)
        return r;
    return bytes_encode(columns, columns->bytes.data, columns->bytes.size, VALUES_LEVEL, VALUES_WORTH, out);
}

/* ---- encoding ---- */

static int plain_encode(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out)
{
    uint32_t start = batch_msgpack_offset(batch, from), last = start;
    for (uint32_t i = 0; i < count; i++) {
        columns->u64s[i] = batch->msgpack_ends[from + i] - last;
        last = batch->msgpack_ends[from + i];
    }
    if (buffer_reserve(out, 1) < 0)
        return -ENOMEM;
    out->data[out->size++] = COLUMN_VALUES;
    int r = u64s_encode(columns, columns->u64s, count, out);
    if (r < 0)
        return r;
    return bytes_encode(columns, batch->msgpack.data + start, last - start, VALUES_LEVEL, VALUES_WORTH, out);
}

int values_encode(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out)
{
    struct dictionary dictionary;
    int r = retype(columns, batch, from, count);
    if (r < 0)
        return r;
    if (r > 0 && columns->retyped.form == VALUES_NUMBERS)
        return numbers_encode(columns, &columns->retyped.numbers, 0, count, out);
    if (r > 0)
        return booleans_encode(columns, columns->retyped.booleans, count, out);
    if (count > 1 && dictionary_build(columns, batch, from, count, &dictionary))
        return dictionary_encode(columns, count, &dictionary, out);
    return plain_encode(columns, batch, from, count, out);
}

/* ---- decoding ---- */

/* Reads sizes of values; sets ends[i] and *ret_total. */
static int read_sizes(struct columns *columns, struct column_reader *reader, uint32_t *ends, uint32_t count,
    size_t *ret_total, struct error *ret_error)
{
    uint64_t total = 0;
    int r = u64s_decode(columns, reader, columns->u64s, count, ret_error);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        uint64_t size = columns->u64s[i];
        if (size == 0 || size > COLUMN_BYTES_MAX - total)
            return error_set(ret_error, EBADMSG, "a value of %llu bytes after %llu", (unsigned long long)size,
                (unsigned long long)total);
        total += size;
        ends[i] = (uint32_t)total;
    }
    *ret_total = (size_t)total;
    return r;
}

static int validate(const uint8_t *data, const uint32_t *ends, uint32_t count, struct error *ret_error)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < count; start = ends[i++]) {
        size_t size;
        if (msgpack_validate(data + start, ends[i] - start, &size) < 0 || size != ends[i] - start)
            return error_set(ret_error, EBADMSG, "value %u of the column is no msgpack value of %u bytes", i,
                ends[i] - start);
    }
    return 0;
}

/* Reads sizes and bytes of `count` values into the buffer (emptied first). */
static int read_values(struct columns *columns, struct column_reader *reader, struct buffer *bytes,
    uint32_t *ends, uint32_t count, struct error *ret_error)
{
    size_t total;
    int r = read_sizes(columns, reader, ends, count, &total, ret_error);
    if (r < 0)
        return r;
    bytes->size = 0;
    if (buffer_reserve(bytes, total) < 0)
        return -ENOMEM;
    r = bytes_decode(columns, reader, bytes->data, total, ret_error);
    if (r < 0)
        return r;
    bytes->size = total;
    return validate(bytes->data, ends, count, ret_error);
}

/* Sets each point's value to the entry that its code (columns->scaled) names. */
static int expand(
    struct columns *columns, struct batch *batch, uint32_t count, uint32_t entries, struct error *ret_error)
{
    const uint32_t *ends = columns->entry_ends;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t code = columns->scaled[i];
        if (code >= entries)
            return error_set(
                ret_error, EBADMSG, "entry %llu of a dictionary of %u", (unsigned long long)code, entries);
        total += ends[code] - (code > 0 ? ends[code - 1] : 0);
        if (total > COLUMN_BYTES_MAX)
            return error_set(ret_error, EBADMSG, "a column of over %d bytes", COLUMN_BYTES_MAX);
        batch->msgpack_ends[i] = (uint32_t)total;
    }
    batch->msgpack.size = 0;
    if (buffer_reserve(&batch->msgpack, (size_t)total) < 0)
        return -ENOMEM;
    uint8_t *to = batch->msgpack.data;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t code = columns->scaled[i];
        uint32_t start = code > 0 ? ends[code - 1] : 0, size = ends[code] - start;
        memcpy(to, columns->bytes.data + start, size);
        to += size;
    }
    batch->msgpack.size = (size_t)total;
    return 0;
}

static int dictionary_decode(struct columns *columns, struct column_reader *reader, struct batch *batch,
    uint32_t count, struct error *ret_error)
{
    uint64_t entries;
    int r = column_read_varint(reader, count, &entries, ret_error);
    if (r == 0 && entries == 0)
        return error_set(ret_error, EBADMSG, "an empty dictionary");
    if (r == 0)
        r = u64s_decode(columns, reader, columns->scaled, count, ret_error);
    if (r == 0)
        r = read_values(columns, reader, &columns->bytes, columns->entry_ends, (uint32_t)entries, ret_error);
    if (r == 0)
        r = expand(columns, batch, count, (uint32_t)entries, ret_error);
    return r;
}

int values_decode(struct columns *columns, struct column_reader *reader, struct batch *batch, uint32_t count,
    struct error *ret_error)
{
    uint8_t tag;
    int r = column_read_byte(reader, &tag, ret_error);
    if (r < 0)
        return r;
    batch->msgpack_start = 0;
    if (tag == COLUMN_DICTIONARY)
        return dictionary_decode(columns, reader, batch, count, ret_error);
    if (tag == COLUMN_VALUES)
        return read_values(columns, reader, &batch->msgpack, batch->msgpack_ends, count, ret_error);
    return error_set(ret_error, EBADMSG, "unknown form 0x%02x of values", tag);
}
