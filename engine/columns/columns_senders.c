#include "columns_senders.h"

#include "bytes.h"
#include "columns_u64s.h"

#include <errno.h>
#include <string.h>

/* Names of the batch that these points use get codes in the column, in order of appearance: codes[name], from
 * 1; 0 = unused. Sets the u64s to the codes. */
static uint32_t number_senders(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, uint16_t *codes)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t sender = batch->senders[from + i];
        if (sender != 0 && codes[sender] == 0)
            codes[sender] = (uint16_t)++used;
        columns->u64s[i] = codes[sender];
    }
    return used;
}

/* Finds the bytes of the names numbered above in one walk over the batch's names. */
static int put_names(struct columns *columns, const struct batch *batch, const uint16_t *codes, uint32_t used,
    struct buffer *out)
{
    const uint8_t *name = batch->sender_names.data;
    for (uint32_t sender = 1; sender <= batch->sender_count; sender++, name += 1 + name[0]) {
        if (codes[sender] != 0)
            columns->entries[codes[sender] - 1] = name;
    }
    if (buffer_reserve(out, VARINT_BYTES_MAX) < 0)
        return -ENOMEM;
    out->size = (size_t)(varint_put(out->data + out->size, used) - out->data);
    for (uint32_t i = 0; i < used; i++) {
        if (buffer_append(out, columns->entries[i], 1u + columns->entries[i][0]) < 0)
            return -ENOMEM;
    }
    return 0;
}

int senders_encode(
    struct columns *columns, const struct batch *batch, uint32_t from, uint32_t count, struct buffer *out)
{
    if (!batch->has_senders)
        return 0;
    size_t size = (batch->sender_count + 1u) * sizeof(uint16_t);
    columns->sender_codes.size = 0;
    if (buffer_reserve(&columns->sender_codes, size) < 0)
        return -ENOMEM;
    memset(columns->sender_codes.data, 0, size);
    uint16_t *codes = (uint16_t *)(void *)columns->sender_codes.data;
    uint32_t used = number_senders(columns, batch, from, count, codes);
    if (used == 0)
        return 0;
    if (buffer_reserve(out, 1) < 0)
        return -ENOMEM;
    out->data[out->size++] = COLUMN_SENDERS;
    int r = put_names(columns, batch, codes, used, out);
    return r < 0 ? r : u64s_encode(columns, columns->u64s, count, out);
}

static int read_names(
    struct column_reader *reader, struct batch *batch, uint64_t names, struct error *ret_error)
{
    batch->sender_names.size = 0;
    for (uint64_t i = 0; i < names; i++) {
        uint8_t size = 0;
        const uint8_t *name;
        struct column_reader peek = *reader;
        int r = column_read_byte(&peek, &size, ret_error);
        if (r == 0 && size == 0)
            r = error_set(ret_error, EBADMSG, "a sender without a name");
        if (r == 0)
            r = column_read_bytes(reader, 1 + (size_t)size, &name, ret_error);
        if (r == 0)
            r = buffer_append(&batch->sender_names, name, 1 + (size_t)size);
        if (r < 0)
            return r;
    }
    return 0;
}

int senders_decode(struct columns *columns, struct column_reader *reader, struct batch *batch, uint32_t count,
    struct error *ret_error)
{
    uint8_t tag;
    uint64_t names;
    int r = column_read_byte(reader, &tag, ret_error);
    if (r == 0 && tag != COLUMN_SENDERS)
        return error_set(ret_error, EBADMSG, "unknown form 0x%02x of senders", tag);
    if (r == 0)
        r = column_read_varint(reader, count, &names, ret_error);
    if (r == 0)
        r = read_names(reader, batch, names, ret_error);
    if (r == 0)
        r = u64s_decode(columns, reader, columns->u64s, count, ret_error);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        if (columns->u64s[i] > names)
            return error_set(ret_error, EBADMSG, "sender %llu of %llu", (unsigned long long)columns->u64s[i],
                (unsigned long long)names);
        batch->senders[i] = (uint16_t)columns->u64s[i];
    }
    if (r < 0)
        return r;
    batch->has_senders = true;
    batch->sender_count = (uint32_t)names;
    return 0;
}
