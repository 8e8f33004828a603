/* A journal's frames from outside. The first byte of an input chooses how the rest is read:
 *   'i'  as the file behind the header page: parsed at every offset and scanned, checksums as they come
 *   'f'  the same after the checksums of whatever has a frame's magic were made right
 *   'p'  one frame, header and payload, whose checksums are made right and lengths fitted: reaches the
 *        structure checks
 * Nothing is read outside; what a distrusting reader takes is valid to the last value and packs again to the
 * same points; and a scan visits whole units only. */
#include "batch.h"
#include "batch_equal.h"
#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "journal_file.h"
#include "journal_format.h"
#include "msgpack_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BODY_BYTES_MAX = JOURNAL_BYTES_MIN - JOURNAL_HEADER_BYTES };
#define NONCE UINT64_C(0x0123456789abcdef)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fix_header(uint8_t *at, uint64_t offset)
{
    store_u64(at, checksum(at + 8, sizeof(struct frame_header) - 8, frame_seed(NONCE, offset)));
}

/* Touches every byte that a view hands out: also a trusting reader is within the frame, whatever the numbers
 * are. */
static void touch_points(const struct batch *view)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        size_t size = 0;
        const char *sender = batch_sender(view, i, &size);
        for (size_t at = 0; at < size; at++)
            sum += (uint8_t)sender[at];
        sum += view->times.u64s[i];
        if (view->form == VALUES_NUMBERS)
            sum += view->numbers.u64s[i];
        else if (view->form == VALUES_BOOLEANS)
            sum += view->booleans[i];
        if (view->form != VALUES_MSGPACK)
            continue;
        for (uint32_t at = batch_msgpack_offset(view, i); at < view->msgpack_ends[i]; at++)
            sum += view->msgpack.data[at];
    }
    __asm__ volatile("" : : "r"(sum)); /* or the compiler would leave out the reads */
}

/* Reads all that a reader of the points may read. */
static void read_points(const struct batch *view)
{
    struct sink sink;
    uint8_t scratch[9];
    CHECK(sink_memory_init(&sink, SIZE_MAX) == 0);
    for (uint32_t i = 0; i < view->count; i++) {
        size_t value_size, sender_size;
        const uint8_t *value = batch_value(view, i, scratch, &value_size);
        const char *sender = batch_sender(view, i, &sender_size);
        CHECK(isfinite(batch_time(view, i)) && (i == 0 || batch_time(view, i) >= batch_time(view, i - 1)));
        CHECK(msgpack_print_json(&sink, value, value_size) == 0);
        if (sender_size > 0)
            CHECK(sink_write(&sink, sender, sender_size) == 0);
        sink.used = 0;
    }
    sink_memory_free(&sink);
}

/* What was taken packs to a frame that has the same points. */
static void pack_again(const struct frame *frame, const struct batch *view)
{
    struct frame again = *frame;
    struct batch view_again;
    size_t size = frame_bytes(view);
    CHECK(size == frame_size(frame));
    again.offset = 0;
    again.synced_to = 0;
    uint8_t *bytes = malloc(size);
    CHECK(bytes);
    frame_pack(bytes, NONCE, &again, view);
    CHECK(frame_parse(bytes, size, 0, NONCE, true, &again) == 1);
    CHECK(frame_view(bytes, &again, true, &view_again, NULL) == 0);
    CHECK(batch_equal(view, &view_again));
    free(bytes);
}

static void view_frame(const uint8_t *image, const struct frame *frame)
{
    struct batch trusted, view;
    struct error error;
    if (frame->kind != FRAME_POINTS)
        return;
    int trusting = frame_view(image, frame, false, &trusted, &error);
    int distrusting = frame_view(image, frame, true, &view, &error);
    CHECK(distrusting == 0 || distrusting == -EBADMSG);
    CHECK(trusting == 0 || distrusting < 0);
    if (trusting == 0)
        touch_points(&trusted);
    if (distrusting == 0) {
        read_points(&view);
        pack_again(frame, &view);
    }
}

struct visit {
    const struct journal_file *journal;
    bool in_unit;         /* the frame before continues ... */
    uint64_t group, next; /* ... with this group, at this offset */
};

static int visit_frame(void *context, const struct frame *frame)
{
    struct visit *visit = context;
    CHECK(!visit->in_unit || (frame->group == visit->group && frame->offset == visit->next));
    visit->in_unit = frame->continues;
    visit->group = frame->group;
    visit->next = frame->offset + frame_size(frame);
    view_frame(map_data(visit->journal->map), frame);
    return 0;
}

/* One journal file in memory, used by all runs. */
static struct journal_file *scratch_journal(void)
{
    static struct journal_file journal = {.id = 1, .nonce = NONCE, .size = JOURNAL_BYTES_MIN, .file = -1};
    if (journal.file < 0) {
        char path[64];
        journal.file = memfd_create("journal", MFD_CLOEXEC);
        CHECK(journal.file >= 0 && ftruncate(journal.file, JOURNAL_BYTES_MIN) == 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", journal.file);
        CHECK(map_open(path, JOURNAL_BYTES_MIN, &journal.map, NULL) == 0);
        journal.path = strdup(path);
        CHECK(journal.path);
    }
    return &journal;
}

static void scan(const uint8_t *body, size_t size)
{
    static uint8_t padded[BODY_BYTES_MAX];
    struct journal_file *journal = scratch_journal();
    struct journal_scan found;
    struct error error;
    memset(padded, 0, sizeof(padded));
    memcpy(padded, body, size);
    CHECK(pwrite(journal->file, padded, sizeof(padded), JOURNAL_HEADER_BYTES) == (ssize_t)sizeof(padded));
    struct visit visit = {.journal = journal};
    int r = journal_file_scan(journal, 0, visit_frame, &visit, &found, &error);
    CHECK(r == 0 || r == -EBADMSG);
    CHECK(!visit.in_unit);
    if (r == 0) {
        CHECK(found.end >= JOURNAL_HEADER_BYTES && found.end <= journal->size &&
              found.torn_bytes <= journal->size - found.end);
        if (found.end > JOURNAL_HEADER_BYTES)
            CHECK(journal_file_scan(journal, found.end, visit_frame, &visit, &found, &error) == 0);
    }
}

static void read_image(uint8_t *image, uint64_t size, bool fix)
{
    for (uint64_t at = 0; fix && at + sizeof(struct frame_header) <= size; at += FRAME_ALIGNMENT) {
        if (load_u32(image + at + offsetof(struct frame_header, magic)) != FRAME_MAGIC)
            continue;
        uint32_t payload = load_u32(image + at + offsetof(struct frame_header, payload_bytes));
        if (payload <= size - at - sizeof(struct frame_header))
            store_u64(image + at + 8, checksum(image + at + sizeof(struct frame_header), payload, NONCE));
        fix_header(image + at, JOURNAL_HEADER_BYTES + at);
    }
    for (uint64_t at = 0; at <= size; at++) {
        struct frame frame;
        (void)frame_parse(image, size, at, NONCE, true, &frame);
    }
    scan(image, (size_t)size);
}

static void read_frame(uint8_t *image, uint64_t size)
{
    struct frame frame;
    if (size < sizeof(struct frame_header))
        return;
    size -= (size - sizeof(struct frame_header)) % FRAME_ALIGNMENT;
    uint32_t payload = (uint32_t)(size - sizeof(struct frame_header));
    store_u32(image + offsetof(struct frame_header, magic), FRAME_MAGIC);
    store_u32(image + offsetof(struct frame_header, payload_bytes), payload);
    store_u64(image + offsetof(struct frame_header, synced_to), 0);
    store_u64(image + 8, checksum(image + sizeof(struct frame_header), payload, NONCE));
    fix_header(image, 0);
    if (frame_parse(image, size, 0, NONCE, true, &frame))
        view_frame(image, &frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size - 1 > BODY_BYTES_MAX)
        return 0;
    /* An allocation of its own, exactly as large: a sanitizer sees a read past the end. */
    uint8_t *image = malloc(size > 1 ? size - 1 : 1);
    CHECK(image);
    memcpy(image, data + 1, size - 1);
    if (data[0] == 'p')
        read_frame(image, size - 1);
    else
        read_image(image, size - 1, data[0] == 'f');
    free(image);
    return 0;
}
