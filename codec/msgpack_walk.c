#include "msgpack_value.h"

#include "bytes.h"
#include "msgpack_head.h"
#include "number_internal.h"
#include "utf8.h"

#include <errno.h>
#include <math.h>

/* The bytes that follow the first byte of the types 0xc0..0xdf. */
enum payload { NOTHING, UNSIGNED, SIGNED, FLOAT64, LENGTH, REFUSED };

static const struct {
    uint8_t payload; /* enum payload */
    uint8_t type;    /* enum msgpack_type */
    uint8_t bytes;   /* of the number or length */
} TYPES[32] = {
    [0x00] = {NOTHING, MSGPACK_NULL, 0},
    [0x01] = {REFUSED, 0, 0},
    [0x02] = {NOTHING, MSGPACK_FALSE, 0},
    [0x03] = {NOTHING, MSGPACK_TRUE, 0},
    [0x04] = {REFUSED, 0, 0}, /* bin 8, 16, 32 */
    [0x05] = {REFUSED, 0, 0},
    [0x06] = {REFUSED, 0, 0},
    [0x07] = {REFUSED, 0, 0}, /* ext 8, 16, 32 */
    [0x08] = {REFUSED, 0, 0},
    [0x09] = {REFUSED, 0, 0},
    [0x0a] = {REFUSED, 0, 0}, /* float 32 */
    [0x0b] = {FLOAT64, MSGPACK_NUMBER, 8},
    [0x0c] = {UNSIGNED, MSGPACK_NUMBER, 1},
    [0x0d] = {UNSIGNED, MSGPACK_NUMBER, 2},
    [0x0e] = {UNSIGNED, MSGPACK_NUMBER, 4},
    [0x0f] = {UNSIGNED, MSGPACK_NUMBER, 8},
    [0x10] = {SIGNED, MSGPACK_NUMBER, 1},
    [0x11] = {SIGNED, MSGPACK_NUMBER, 2},
    [0x12] = {SIGNED, MSGPACK_NUMBER, 4},
    [0x13] = {SIGNED, MSGPACK_NUMBER, 8},
    [0x14] = {REFUSED, 0, 0}, /* fixext 1, 2, 4, 8, 16 */
    [0x15] = {REFUSED, 0, 0},
    [0x16] = {REFUSED, 0, 0},
    [0x17] = {REFUSED, 0, 0},
    [0x18] = {REFUSED, 0, 0},
    [0x19] = {LENGTH, MSGPACK_STRING, 1},
    [0x1a] = {LENGTH, MSGPACK_STRING, 2},
    [0x1b] = {LENGTH, MSGPACK_STRING, 4},
    [0x1c] = {LENGTH, MSGPACK_ARRAY, 2},
    [0x1d] = {LENGTH, MSGPACK_ARRAY, 4},
    [0x1e] = {LENGTH, MSGPACK_MAP, 2},
    [0x1f] = {LENGTH, MSGPACK_MAP, 4},
};

static uint64_t read_big_endian(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

static void head_integer(struct msgpack_head *head, int64_t value)
{
    head->type = MSGPACK_NUMBER;
    head->number = (struct number){.kind = NUMBER_DECIMAL, .integer = value};
}

/* The types whose first byte says it all. */
static bool read_fixed(uint8_t lead, struct msgpack_head *head)
{
    head->size = 1;
    if (lead < 0x80) {
        head_integer(head, lead);
    } else if (lead < 0x90) {
        head->type = MSGPACK_MAP;
        head->length = lead & 0x0f;
    } else if (lead < 0xa0) {
        head->type = MSGPACK_ARRAY;
        head->length = lead & 0x0f;
    } else if (lead < 0xc0) {
        head->type = MSGPACK_STRING;
        head->length = lead & 0x1f;
    } else if (lead >= 0xe0) {
        head_integer(head, (int8_t)lead);
    } else {
        return false;
    }
    return true;
}

static bool read_payload(enum payload payload, uint64_t value, unsigned bytes, struct msgpack_head *head)
{
    switch (payload) {
    case NOTHING:
        return true;
    case LENGTH:
        head->length = (uint32_t)value;
        return true;
    case UNSIGNED:
        if (value <= INT64_MAX)
            head_integer(head, (int64_t)value);
        else
            head->number = (struct number){.kind = NUMBER_UNSIGNED, .unsigned_integer = value};
        return true;
    case SIGNED:
        head_integer(head, (int64_t)(value << (64 - 8 * bytes)) >> (64 - 8 * bytes));
        return true;
    case FLOAT64:
        number_from_double(bits_double(value), &head->number);
        return isfinite(bits_double(value));
    case REFUSED:
        break;
    }
    return false;
}

bool msgpack_read_head(const uint8_t *p, const uint8_t *end, struct msgpack_head *ret_head)
{
    if (p == end)
        return false;
    if (read_fixed(*p, ret_head))
        return true;
    unsigned entry = *p - 0xc0u;
    unsigned bytes = TYPES[entry].bytes;
    if ((size_t)(end - p) < 1 + bytes)
        return false;
    ret_head->type = (enum msgpack_type)TYPES[entry].type;
    ret_head->size = 1 + bytes;
    return read_payload((enum payload)TYPES[entry].payload, read_big_endian(p + 1, bytes), bytes, ret_head);
}

int msgpack_validate(const uint8_t *data, size_t size, size_t *ret_size)
{
    const uint8_t *p = data;
    const uint8_t *end = data + size;
    struct {
        uint64_t left; /* values still to come, keys included */
        bool map;
    } open[VALUE_DEPTH_MAX + 1] = {{.left = 1}};
    unsigned depth = 0;
    for (;;) {
        while (open[depth].left == 0) {
            if (depth-- == 0) {
                *ret_size = (size_t)(p - data);
                return 0;
            }
        }
        struct msgpack_head head;
        if (!msgpack_read_head(p, end, &head))
            return -EBADMSG;
        bool is_key = open[depth].map && open[depth].left % 2 == 0;
        if (is_key && head.type != MSGPACK_STRING)
            return -EBADMSG;
        open[depth].left--;
        p += head.size;
        if (head.type == MSGPACK_STRING) {
            if ((size_t)(end - p) < head.length || !utf8_valid(p, head.length))
                return -EBADMSG;
            p += head.length;
        } else if (head.type == MSGPACK_ARRAY || head.type == MSGPACK_MAP) {
            if (depth == VALUE_DEPTH_MAX)
                return -EBADMSG;
            bool map = head.type == MSGPACK_MAP;
            depth++;
            open[depth].left = (uint64_t)head.length << map;
            open[depth].map = map;
        }
    }
}
