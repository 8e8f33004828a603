/* One frame of the journal: a batch's columns as they are in memory, behind two checksummed headers. Packing
 * and viewing copy or borrow whole columns; nothing is converted per point. */
#include "frame.h"

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "journal_format.h"
#include "msgpack_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where the columns of a payload are, relative to its start. 64-bit: the sums of untrusted sizes cannot
 * overflow. */
struct layout {
    uint64_t times;
    uint64_t values; /* numbers, booleans or the ends of msgpack values */
    uint64_t msgpack;
    uint64_t names;
    uint64_t senders;
    uint64_t end;
};

static uint64_t padded(uint64_t size)
{
    return (size + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
}

static uint64_t value_bytes(uint8_t form, uint64_t count)
{
    switch (form) {
    case VALUES_NUMBERS:
        return count * sizeof(uint64_t);
    case VALUES_BOOLEANS:
        return count;
    default:
        return count * sizeof(uint32_t);
    }
}

static struct layout lay_out(const struct payload_header *header, uint64_t count)
{
    struct layout layout;
    layout.times = sizeof(*header);
    layout.values = layout.times + count * sizeof(uint64_t);
    layout.msgpack = layout.values + padded(value_bytes(header->form, count));
    layout.names = layout.msgpack + padded(header->msgpack_bytes);
    layout.senders = layout.names + padded(header->sender_bytes);
    layout.end = layout.senders + (header->has_senders ? padded(count * sizeof(uint16_t)) : 0);
    return layout;
}

/* ---- packing ---- */

static struct payload_header describe_batch(const struct batch *batch)
{
    struct payload_header header = {
        .time_kind = (uint8_t)batch->times.kind,
        .time_exponent = batch->times.exponent,
        .form = (uint8_t)batch->form,
    };
    if (batch->form == VALUES_NUMBERS) {
        header.number_kind = (uint8_t)batch->numbers.kind;
        header.number_exponent = batch->numbers.exponent;
    } else if (batch->form == VALUES_MSGPACK) {
        header.msgpack_bytes = batch->msgpack_ends[batch->count - 1] - batch->msgpack_start;
    }
    if (batch->has_senders) {
        header.has_senders = 1;
        header.sender_count = batch->sender_count;
        header.sender_bytes = (uint32_t)batch->sender_names.size;
    }
    return header;
}

size_t frame_bytes(const struct batch *batch)
{
    uint64_t size = sizeof(struct frame_header);
    if (batch) {
        CHECK(batch->count > 0);
        struct payload_header header = describe_batch(batch);
        size += lay_out(&header, batch->count).end;
    }
    return size <= FRAME_BYTES_MAX ? (size_t)size : 0;
}

/* Copies a column and pads it with zeros to the next one. */
static void put_column(uint8_t *payload, uint64_t offset, uint64_t next, const void *data, size_t size)
{
    if (size > 0)
        memcpy(payload + offset, data, size);
    memset(payload + offset + size, 0, (size_t)(next - offset) - size);
}

/* A slice of a batch keeps the ends of the whole: on disk they count from the slice's first value. */
static void put_ends(uint8_t *payload, const struct layout *layout, const struct batch *batch)
{
    size_t size = batch->count * sizeof(uint32_t);
    put_column(payload, layout->values, layout->msgpack, batch->msgpack_ends, size);
    if (batch->msgpack_start == 0)
        return;
    for (uint32_t i = 0; i < batch->count; i++)
        store_u32(
            payload + layout->values + i * sizeof(uint32_t), batch->msgpack_ends[i] - batch->msgpack_start);
}

static void put_values(uint8_t *payload, const struct layout *layout, const struct batch *batch)
{
    switch (batch->form) {
    case VALUES_NUMBERS:
        put_column(
            payload, layout->values, layout->msgpack, batch->numbers.u64s, batch->count * sizeof(uint64_t));
        break;
    case VALUES_BOOLEANS:
        put_column(payload, layout->values, layout->msgpack, batch->booleans, batch->count);
        break;
    case VALUES_MSGPACK:
        put_ends(payload, layout, batch);
        put_column(payload, layout->msgpack, layout->names, batch->msgpack.data + batch->msgpack_start,
            batch->msgpack_ends[batch->count - 1] - batch->msgpack_start);
        break;
    case VALUES_NONE:
        CHECK(false);
    }
}

void frame_pack_payload(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch)
{
    uint8_t *payload = to + sizeof(struct frame_header);
    frame->payload_bytes = 0;
    if (batch) {
        CHECK(frame->kind == FRAME_POINTS && frame->count == batch->count && !batch->missing_times);
        struct payload_header header = describe_batch(batch);
        struct layout layout = lay_out(&header, batch->count);
        CHECK(sizeof(struct frame_header) + layout.end <= FRAME_BYTES_MAX);
        memcpy(payload, &header, sizeof(header));
        memcpy(payload + layout.times, batch->times.u64s, batch->count * sizeof(uint64_t));
        put_values(payload, &layout, batch);
        if (batch->has_senders) {
            put_column(payload, layout.names, layout.senders, batch->sender_names.data, header.sender_bytes);
            put_column(payload, layout.senders, layout.end, batch->senders, batch->count * sizeof(uint16_t));
        }
        frame->payload_bytes = (uint32_t)layout.end;
        frame->time_first = batch_time(batch, 0);
        frame->time_last = batch_time(batch, batch->count - 1);
    } else {
        CHECK(frame->kind == FRAME_TOMBSTONE && frame->count == 0);
    }
    store_u64(
        to + offsetof(struct frame_header, payload_checksum), checksum(payload, frame->payload_bytes, nonce));
}

void frame_pack_header(uint8_t *to, uint64_t nonce, const struct frame *frame)
{
    CHECK(frame->offset % FRAME_ALIGNMENT == 0 && frame->synced_to <= frame->offset);
    struct frame_header header = {
        .payload_checksum = load_u64(to + offsetof(struct frame_header, payload_checksum)),
        .magic = FRAME_MAGIC,
        .kind = (uint16_t)frame->kind,
        .flags = frame->continues ? FRAME_FLAG_CONTINUES : 0,
        .series_id = frame->series_id,
        .first_index = frame->first_index,
        .count = frame->count,
        .payload_bytes = frame->payload_bytes,
        .group = frame->group,
        .synced_to = frame->synced_to,
        .logical_bytes = frame->logical_bytes,
        .time_first = frame->time_first,
        .time_last = frame->time_last,
    };
    header.header_checksum = checksum((const uint8_t *)&header + sizeof(header.header_checksum),
        sizeof(header) - sizeof(header.header_checksum), frame_seed(nonce, frame->offset));
    memcpy(to, &header, sizeof(header));
}

void frame_pack(uint8_t *to, uint64_t nonce, struct frame *frame, const struct batch *batch)
{
    frame_pack_payload(to, nonce, frame, batch);
    frame_pack_header(to, nonce, frame);
}

size_t frame_size(const struct frame *frame)
{
    return sizeof(struct frame_header) + frame->payload_bytes;
}

/* ---- parsing ---- */

static uint64_t header_checksum(const struct frame_header *header, uint64_t nonce, uint64_t offset)
{
    return checksum((const uint8_t *)header + sizeof(header->header_checksum),
        sizeof(*header) - sizeof(header->header_checksum), frame_seed(nonce, offset));
}

static bool header_fits(const struct frame_header *header, uint64_t size, uint64_t offset)
{
    uint64_t room = size - offset - sizeof(*header);
    if (header->payload_bytes > room || header->payload_bytes % FRAME_ALIGNMENT != 0 ||
        header->payload_bytes > FRAME_BYTES_MAX - sizeof(*header) || header->synced_to > offset ||
        (header->flags & ~FRAME_FLAGS_KNOWN))
        return false;
    if (header->kind == FRAME_TOMBSTONE)
        return header->count == 0 && header->payload_bytes == 0;
    return header->kind == FRAME_POINTS && header->count > 0 && header->count <= BATCH_POINTS_MAX &&
           header->first_index <= UINT64_MAX - header->count;
}

int frame_parse_header(
    const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, struct frame *ret_frame)
{
    struct frame_header header;
    if (offset % FRAME_ALIGNMENT != 0 || offset > size || size - offset < sizeof(header))
        return 0;
    memcpy(&header, image + offset, sizeof(header));
    if (header.magic != FRAME_MAGIC || header.header_checksum != header_checksum(&header, nonce, offset) ||
        !header_fits(&header, size, offset))
        return 0;
    *ret_frame = (struct frame){
        .kind = (enum frame_kind)header.kind,
        .continues = header.flags & FRAME_FLAG_CONTINUES,
        .series_id = header.series_id,
        .first_index = header.first_index,
        .count = header.count,
        .payload_bytes = header.payload_bytes,
        .group = header.group,
        .synced_to = header.synced_to,
        .offset = offset,
        .logical_bytes = header.logical_bytes,
        .time_first = header.time_first,
        .time_last = header.time_last,
    };
    return 1;
}

int frame_parse(const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, bool verify_payload,
    struct frame *ret_frame)
{
    struct frame frame;
    if (!frame_parse_header(image, size, offset, nonce, &frame))
        return 0;
    if (verify_payload) {
        const uint8_t *at = image + offset;
        uint64_t expected = load_u64(at + offsetof(struct frame_header, payload_checksum));
        if (checksum(at + sizeof(struct frame_header), frame.payload_bytes, nonce) != expected)
            return 0;
    }
    *ret_frame = frame;
    return 1;
}

void frame_describe(
    const uint8_t *image, uint64_t size, uint64_t offset, uint64_t nonce, char *text, size_t text_size)
{
    struct frame_header header;
    struct frame frame;
    if (offset > size || size - offset < sizeof(header)) {
        (void)snprintf(text, text_size, "the end of the file");
        return;
    }
    memcpy(&header, image + offset, sizeof(header));
    uint64_t of_header = header_checksum(&header, nonce, offset);
    if (header.magic != FRAME_MAGIC)
        (void)snprintf(
            text, text_size, "frame magic %08x, expected %08x", header.magic, (unsigned)FRAME_MAGIC);
    else if (header.header_checksum != of_header)
        (void)snprintf(text, text_size, "header checksum %016llx, expected %016llx",
            (unsigned long long)of_header, (unsigned long long)header.header_checksum);
    else if (!frame_parse_header(image, size, offset, nonce, &frame))
        (void)snprintf(text, text_size,
            "a frame header of kind %u, flags %u, %u points, %u payload bytes, synced to %llu", header.kind,
            header.flags, header.count, header.payload_bytes, (unsigned long long)header.synced_to);
    else
        (void)snprintf(text, text_size, "payload checksum %016llx, expected %016llx",
            (unsigned long long)checksum(image + offset + sizeof(header), frame.payload_bytes, nonce),
            (unsigned long long)header.payload_checksum);
}

/* ---- viewing ---- */

static int bad(struct error *ret_error, const struct frame *frame, const char *what)
{
    return error_set(ret_error, EBADMSG, "journal frame at offset %llu (series %llu, %u points): %s",
        (unsigned long long)frame->offset, (unsigned long long)frame->series_id, frame->count, what);
}

static bool numbers_kind_valid(uint8_t kind, uint8_t exponent)
{
    return (kind == NUMBERS_AS_DECIMALS && exponent <= DECIMAL_EXPONENT_MAX) ||
           (kind == NUMBERS_AS_DOUBLES && exponent == 0);
}

/* The header's fields make sense and the columns fill the payload exactly. */
static const char *header_wrong(
    const struct payload_header *header, const struct frame *frame, struct layout *ret_layout)
{
    static const uint8_t zeros[sizeof(header->reserved)];
    if (memcmp(header->reserved, zeros, sizeof(zeros)) != 0 || header->reserved2 != 0)
        return "reserved bytes are not 0";
    if (!numbers_kind_valid(header->time_kind, header->time_exponent))
        return "unknown kind of times";
    if (header->form < VALUES_NUMBERS || header->form > VALUES_MSGPACK)
        return "unknown form of values";
    if (header->form == VALUES_NUMBERS ? !numbers_kind_valid(header->number_kind, header->number_exponent)
                                       : header->number_kind || header->number_exponent)
        return "unknown kind of numbers";
    if ((header->form == VALUES_MSGPACK) != (header->msgpack_bytes > 0))
        return "msgpack bytes do not fit the form of values";
    if (header->has_senders > 1 || header->sender_count > BATCH_SENDERS_MAX ||
        (!header->has_senders && (header->sender_count || header->sender_bytes)))
        return "senders make no sense";
    *ret_layout = lay_out(header, frame->count);
    if (ret_layout->end != frame->payload_bytes)
        return "columns do not fill the payload";
    return NULL;
}

static const char *numbers_wrong(const struct numbers *numbers, uint32_t count)
{
    /* No branch in the loop: `wrong` gathers, so that the compiler can use vectors. */
    bool wrong = false;
    if (numbers->kind == NUMBERS_AS_DOUBLES) {
        for (uint32_t i = 0; i < count; i++)
            wrong |= !isfinite(numbers->doubles[i]);
        return wrong ? "a number is not finite" : NULL;
    }
    if (numbers->exponent == 0)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        wrong |= (uint64_t)numbers->integers[i] + (uint64_t)DECIMAL_INTEGER_MAX >
                 2 * (uint64_t)DECIMAL_INTEGER_MAX;
    return wrong ? "a decimal is out of range" : NULL;
}

static const char *times_wrong(const struct batch *view, const struct frame *frame)
{
    const char *wrong = numbers_wrong(&view->times, view->count);
    if (wrong)
        return wrong;
    bool decrease = false;
    if (view->times.kind == NUMBERS_AS_DECIMALS) {
        for (uint32_t i = 1; i < view->count; i++)
            decrease |= view->times.integers[i] < view->times.integers[i - 1];
    } else {
        for (uint32_t i = 1; i < view->count; i++)
            decrease |= view->times.doubles[i] < view->times.doubles[i - 1];
    }
    if (decrease)
        return "times decrease";
    if (double_bits(batch_time(view, 0)) != double_bits(frame->time_first) ||
        double_bits(batch_time(view, view->count - 1)) != double_bits(frame->time_last))
        return "times differ from the frame's header";
    return NULL;
}

static const char *ends_wrong(const struct batch *view)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t end = view->msgpack_ends[i];
        if (end <= start || end > view->msgpack.size)
            return "the end of a value is out of order";
        start = end;
    }
    return start == view->msgpack.size ? NULL : "bytes after the last value";
}

static const char *senders_wrong(const struct batch *view)
{
    size_t names = 0;
    size_t at = 0;
    for (; at < view->sender_names.size && view->sender_names.data[at] > 0; names++)
        at += 1u + view->sender_names.data[at];
    if (at != view->sender_names.size || names != view->sender_count)
        return "the table of senders is broken";
    for (uint32_t i = 0; i < view->count; i++) {
        if (view->senders[i] > view->sender_count)
            return "a sender is not in the table";
    }
    return NULL;
}

static const char *values_wrong(const struct batch *view)
{
    bool wrong = false;
    if (view->form == VALUES_NUMBERS)
        return numbers_wrong(&view->numbers, view->count);
    if (view->form == VALUES_BOOLEANS) {
        for (uint32_t i = 0; i < view->count; i++)
            wrong |= view->booleans[i] > 1;
        return wrong ? "a boolean is neither 0 nor 1" : NULL;
    }
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t start = batch_msgpack_offset(view, i);
        size_t size = view->msgpack_ends[i] - start;
        size_t found;
        if (msgpack_validate(view->msgpack.data + start, size, &found) < 0 || found != size)
            return "a value is not valid msgpack";
    }
    return NULL;
}

/* Points the view's columns into the payload. A batch has no const members; a borrowed one is only read. */
static void borrow(const struct payload_header *header, const struct layout *layout, const uint8_t *payload,
    uint32_t count, struct batch *view)
{
    uint8_t *base = (uint8_t *)(uintptr_t)payload;
    view->count = count;
    view->times = (struct numbers){.kind = (enum numbers_kind)header->time_kind,
        .exponent = header->time_exponent,
        .u64s = (uint64_t *)(void *)(base + layout->times)};
    view->form = (enum value_form)header->form;
    if (view->form == VALUES_NUMBERS) {
        view->numbers = (struct numbers){.kind = (enum numbers_kind)header->number_kind,
            .exponent = header->number_exponent,
            .u64s = (uint64_t *)(void *)(base + layout->values)};
    } else if (view->form == VALUES_BOOLEANS) {
        view->booleans = base + layout->values;
    } else {
        view->msgpack_ends = (uint32_t *)(void *)(base + layout->values);
        view->msgpack = (struct buffer){.data = base + layout->msgpack, .size = header->msgpack_bytes};
    }
    if (header->has_senders) {
        view->has_senders = true;
        view->sender_count = header->sender_count;
        view->sender_names = (struct buffer){.data = base + layout->names, .size = header->sender_bytes};
        view->senders = (uint16_t *)(void *)(base + layout->senders);
    }
}

int frame_view(const uint8_t *image, const struct frame *frame, bool untrusted, struct batch *view,
    struct error *ret_error)
{
    CHECK(frame->kind == FRAME_POINTS && (uintptr_t)image % FRAME_ALIGNMENT == 0);
    const uint8_t *payload = image + frame->offset + sizeof(struct frame_header);
    struct payload_header header;
    struct layout layout;
    struct batch points = {0};
    if (frame->payload_bytes < sizeof(header))
        return bad(ret_error, frame, "the payload is too short");
    memcpy(&header, payload, sizeof(header));
    const char *wrong = header_wrong(&header, frame, &layout);
    if (wrong)
        return bad(ret_error, frame, wrong);
    borrow(&header, &layout, payload, frame->count, &points);
    /* What keeps a reader within the payload is checked always, the rest only where no checksum of ours
     * vouches. */
    if (points.form == VALUES_MSGPACK)
        wrong = ends_wrong(&points);
    if (!wrong && points.has_senders)
        wrong = senders_wrong(&points);
    if (!wrong && untrusted)
        wrong = times_wrong(&points, frame);
    if (!wrong && untrusted)
        wrong = values_wrong(&points);
    if (wrong)
        return bad(ret_error, frame, wrong);
    *view = points;
    return 0;
}
