#include "test.h"

#include "bytes.h"
#include "checksum.h"
#include "journal_file.h"
#include "journal_format.h"
#include "journal_sample.h"

#include <unistd.h>

static void push_text(struct batch *batch, double time, const char *text)
{
    uint8_t value[64];
    size_t size = strlen(text);
    assert_true(size < 32);
    value[0] = (uint8_t)(0xa0 | size);
    memcpy(value + 1, text, size);
    assert_int_equal(batch_push_msgpack(batch, time, value, size + 1), 0);
}

static void set_sender(struct batch *batch, const char *name)
{
    assert_int_equal(batch_set_last_sender(batch, name, strlen(name)), 0);
}

static void fill_mixed(struct batch *batch)
{
    static const uint8_t OBJECT[] = {
        0x82, 0xa1, 'x', 0x01, 0xa1, 'y', 0x93, 0xc0, 0xc3, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0};
    push_text(batch, 1480000010.5, "rain");
    assert_int_equal(batch_push_msgpack(batch, 1480000010.5, OBJECT, sizeof(OBJECT)), 0);
    set_sender(batch, "alice/phone");
    push_text(batch, 1480000011, "");
    set_sender(batch, "bob/user");
    assert_int_equal(batch_push_integer(batch, 1480000012, 7), 0);
    set_sender(batch, "alice/phone");
    assert_int_equal(batch_push_boolean(batch, 1480000012, false), 0);
}

static void fill(unsigned number, struct batch *batch)
{
    switch (number) {
    case 0: /* what a thermometer sends */
        assert_int_equal(batch_push_double(batch, 1480000000, 20.5), 0);
        break;
    case 1:
        for (int i = 0; i < 5; i++)
            assert_int_equal(batch_push_boolean(batch, 1480000000 + i, i % 2), 0);
        break;
    case 2: /* doubles that are no short decimals, times too */
        assert_int_equal(batch_push_double(batch, 1480000000.1234567, 0x1.921fb54442d18p+1), 0);
        assert_int_equal(batch_push_double(batch, 0x1.60e8e0000123p+30, -0.0), 0);
        assert_int_equal(batch_push_double(batch, 0x1.60e8e0000123p+30, 1e300), 0);
        break;
    case 3:
        fill_mixed(batch);
        break;
    case 4: /* larger than a sector, senders beside numbers */
        for (int i = 0; i < 40; i++)
            assert_int_equal(batch_push_double(batch, 1480000020 + i, (i * 37 % 100) / 100.0), 0);
        set_sender(batch, "carol/laptop");
        break;
    case 6:
        assert_int_equal(batch_push_integer(batch, 0, INT64_MAX), 0);
        assert_int_equal(batch_push_integer(batch, 0, INT64_MIN), 0);
        break;
    case 7:
        push_text(batch, 1480000060, "one");
        break;
    default:
        assert_int_equal(batch_push_integer(batch, -5.25, (int64_t)number), 0);
    }
}

void sample_frame(unsigned number, struct frame *ret_frame, struct batch *ret_batch)
{
    assert_true(number < SAMPLE_FRAMES);
    batch_init(ret_batch);
    if (number == 5) {
        *ret_frame = (struct frame){.kind = FRAME_TOMBSTONE, .series_id = 3};
        return;
    }
    fill(number, ret_batch);
    *ret_frame = (struct frame){
        .kind = FRAME_POINTS,
        .series_id = 1 + number % 4,
        .first_index = number / 4 * 10,
        .count = ret_batch->count,
        .logical_bytes = 1000 * number + batch_logical_bytes(ret_batch, 0, ret_batch->count),
    };
}

void sample_set_nonce(struct journal_file *journal, uint64_t nonce)
{
    uint8_t page[JOURNAL_HEADER_BYTES];
    const size_t checked_from = offsetof(struct journal_header, version);
    memcpy(page, map_data(journal->map), sizeof(page));
    store_u64(page + offsetof(struct journal_header, nonce), nonce);
    store_u64(page + offsetof(struct journal_header, checksum),
        checksum(page + checked_from, sizeof(page) - checked_from, 0));
    assert_int_equal(pwrite(journal->file, page, sizeof(page), 0), sizeof(page));
    journal->nonce = nonce;
}

struct journal_file *sample_journal(struct io *io, const char *directory, const char *recycle)
{
    struct journal_file *journal;
    struct error error = {0};
    if (journal_file_prepare(
            io, directory, SAMPLE_JOURNAL_ID, SAMPLE_JOURNAL_BYTES, recycle, &journal, &error) < 0)
        fail_msg("%s", error.message);
    sample_set_nonce(journal, SAMPLE_NONCE);
    return journal;
}

uint8_t *sample_pack(unsigned number, uint64_t nonce, struct frame *frame)
{
    struct batch batch;
    struct frame sample;
    sample_frame(number, &sample, &batch);
    sample.offset = frame->offset;
    sample.group = frame->group;
    sample.synced_to = frame->synced_to;
    sample.continues = frame->continues;
    const struct batch *points = sample.kind == FRAME_POINTS ? &batch : NULL;
    size_t size = frame_bytes(points);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    frame_pack(bytes, nonce, &sample, points);
    assert_int_equal(frame_size(&sample), size);
    batch_free(&batch);
    *frame = sample;
    return bytes;
}

/* Packs and writes the sample frame; returns where it ends. */
static uint64_t write_frame(const struct journal_file *journal, unsigned number, struct frame *frame)
{
    uint8_t *bytes = sample_pack(number, journal->nonce, frame);
    size_t size = frame_size(frame);
    assert_int_equal(pwrite(journal->file, bytes, size, (off_t)frame->offset), size);
    free(bytes);
    return frame->offset + size;
}

void sample_append(
    struct journal_file *journal, uint64_t from, unsigned count, bool one_group, uint64_t *ends)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t offset = i ? ends[i - 1] : from;
        struct frame frame = {
            .offset = offset, .group = one_group ? 1 : 1 + i, .synced_to = one_group ? from : offset};
        ends[i] = write_frame(journal, i, &frame);
    }
}

void sample_append_unit(struct journal_file *journal, uint64_t from, unsigned count, uint64_t *ends)
{
    for (unsigned i = 0; i < count; i++) {
        struct frame frame = {
            .offset = i ? ends[i - 1] : from, .group = 10, .synced_to = from, .continues = i + 1 < count};
        ends[i] = write_frame(journal, i, &frame);
    }
}

/* ---- dump ---- */

static void dump_number(FILE *to, const struct numbers *numbers, uint32_t i)
{
    if (numbers->kind == NUMBERS_AS_DECIMALS)
        fprintf(to, "%llde-%u", (long long)numbers->integers[i], numbers->exponent);
    else
        fprintf(to, "f%016llx", (unsigned long long)numbers->u64s[i]);
}

static void dump_value(FILE *to, const struct batch *view, uint32_t i)
{
    if (view->form == VALUES_NUMBERS) {
        dump_number(to, &view->numbers, i);
    } else if (view->form == VALUES_BOOLEANS) {
        fputs(view->booleans[i] ? "true" : "false", to);
    } else {
        fputs("msgpack ", to);
        for (uint32_t at = batch_msgpack_offset(view, i); at < view->msgpack_ends[i]; at++)
            fprintf(to, "%02x", view->msgpack.data[at]);
    }
}

void sample_dump_frame(FILE *to, const struct frame *frame, const struct batch *view)
{
    fprintf(to,
        "frame offset %llu kind %s series %llu first %llu count %u payload %u group %llu synced %llu logical "
        "%llu "
        "times %016llx %016llx%s\n",
        (unsigned long long)frame->offset, frame->kind == FRAME_POINTS ? "points" : "tombstone",
        (unsigned long long)frame->series_id, (unsigned long long)frame->first_index, frame->count,
        frame->payload_bytes, (unsigned long long)frame->group, (unsigned long long)frame->synced_to,
        (unsigned long long)frame->logical_bytes, (unsigned long long)double_bits(frame->time_first),
        (unsigned long long)double_bits(frame->time_last), frame->continues ? " continues" : "");
    for (uint32_t i = 0; i < frame->count; i++) {
        size_t size;
        const char *sender = batch_sender(view, i, &size);
        fprintf(to, "  %llu time ", (unsigned long long)frame->first_index + i);
        dump_number(to, &view->times, i);
        fputs(" value ", to);
        dump_value(to, view, i);
        if (size > 0)
            fprintf(to, " sender %.*s", (int)size, sender);
        fputc('\n', to);
    }
}
