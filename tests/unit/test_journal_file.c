/* The journal's file: frames there and back, what frame_view refuses, preparing, opening, scanning. Damage by
 * bits and torn writes is in fault/test_journal_damage.c. */
#include "test.h"
#include "batch_equal.h"

#include "bytes.h"
#include "checksum.h"
#include "io_fault.h"
#include "journal_file.h"
#include "journal_format.h"
#include "journal_sample.h"

#include <sys/stat.h>
#include <unistd.h>

enum { ALL_CALLS = 0xff };

struct fixture {
    int (*open)(struct io **ret_io, struct error *ret_error);
    char *directory;
    struct io *io;
};

static int setup(void **state)
{
    struct fixture *fixture = *state;
    fixture->directory = test_directory_create();
    struct io_fault_plan plan = {.calls = ALL_CALLS};
    struct io *inner;
    if (fixture->open(&inner, NULL) < 0 &&
        io_open_posix(&inner, NULL) < 0) /* test_io tells of a missing io_uring */
        return -1;
    return io_open_fault(inner, &plan, &fixture->io);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    io_close(fixture->io);
    test_directory_remove(fixture->directory);
    return 0;
}

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* ---- frames ---- */

static const uint64_t OFFSET = 4096 + 40;

/* An image with one frame at OFFSET; exactly as large as needed. */
static uint8_t *image_with(const struct batch *batch, uint64_t *ret_size, struct frame *ret_frame)
{
    *ret_size = OFFSET + frame_bytes(batch);
    uint8_t *image = calloc(1, *ret_size);
    assert_non_null(image);
    *ret_frame = (struct frame){.kind = batch ? FRAME_POINTS : FRAME_TOMBSTONE,
        .series_id = 42,
        .first_index = 1000,
        .count = batch ? batch->count : 0,
        .group = 5,
        .synced_to = 4096,
        .offset = OFFSET,
        .logical_bytes = 99};
    frame_pack(image + OFFSET, SAMPLE_NONCE, ret_frame, batch);
    return image;
}

static void assert_round_trip(const struct batch *batch)
{
    uint64_t size;
    struct frame packed, parsed;
    struct batch view;
    uint8_t *image = image_with(batch, &size, &packed);
    assert_int_equal(frame_parse(image, size, OFFSET, SAMPLE_NONCE, true, &parsed), 1);
    assert_int_equal(parsed.kind, packed.kind);
    assert_int_equal(parsed.series_id, 42);
    assert_int_equal(parsed.first_index, 1000);
    assert_int_equal(parsed.count, batch ? batch->count : 0);
    assert_int_equal(parsed.payload_bytes, packed.payload_bytes);
    assert_int_equal(parsed.group, 5);
    assert_int_equal(parsed.synced_to, 4096);
    assert_int_equal(parsed.offset, OFFSET);
    assert_int_equal(parsed.logical_bytes, 99);
    assert_int_equal(OFFSET + frame_size(&parsed), size);
    if (batch) {
        assert_true(parsed.time_first == batch_time(batch, 0));
        assert_true(parsed.time_last == batch_time(batch, batch->count - 1));
        for (int untrusted = 0; untrusted < 2; untrusted++) {
            assert_int_equal(frame_view(image, &parsed, untrusted, &view, NULL), 0);
            assert_true(batch_equal(&view, batch));
            assert_int_equal(view.capacity, 0);
            assert_true(view.times.u64s > (uint64_t *)(void *)image &&
                        view.times.u64s < (uint64_t *)(void *)(image + size));
        }
    }
    free(image);
}

static void all_samples_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SAMPLE_FRAMES; i++) {
        struct batch batch;
        struct frame frame;
        sample_frame(i, &frame, &batch);
        assert_round_trip(frame.kind == FRAME_POINTS ? &batch : NULL);
        batch_free(&batch);
    }
}

static void slices_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SAMPLE_FRAMES; i++) {
        struct batch batch, slice;
        struct frame frame;
        sample_frame(i, &frame, &batch);
        for (uint32_t from = 0; from < batch.count && batch.count <= 5; from++) {
            for (uint32_t count = 1; count <= batch.count - from; count++) {
                batch_slice(&batch, from, count, &slice);
                assert_round_trip(&slice);
            }
        }
        batch_free(&batch);
    }
}

static void single_number_is_small(void **state)
{
    (void)state;
    struct batch batch;
    struct frame frame;
    sample_frame(0, &frame, &batch);
    assert_int_equal(frame_bytes(&batch), 128);
    assert_int_equal(frame_bytes(NULL), 88);
    batch_free(&batch);
}

static void too_large_a_batch_has_no_size(void **state)
{
    (void)state;
    int64_t one = 1; /* frame_bytes reads no number */
    struct batch batch = {.count = (FRAME_BYTES_MAX - 88 - 24) / 16,
        .form = VALUES_NUMBERS,
        .times = {.kind = NUMBERS_AS_DECIMALS, .integers = &one},
        .numbers = {.kind = NUMBERS_AS_DECIMALS, .integers = &one}};
    assert_int_equal(frame_bytes(&batch), FRAME_BYTES_MAX);
    batch.count++;
    assert_int_equal(frame_bytes(&batch), 0);
}

static void two_steps_equal_one(void **state)
{
    (void)state;
    struct batch batch;
    struct frame frame;
    uint64_t size;
    sample_frame(3, &frame, &batch);
    uint8_t *image = image_with(&batch, &size, &frame);
    uint8_t *again = malloc(frame_bytes(&batch));
    struct frame unplaced = {.kind = FRAME_POINTS, .count = batch.count};
    frame_pack_payload(again, SAMPLE_NONCE, &unplaced, &batch);
    assert_int_equal(unplaced.payload_bytes, frame.payload_bytes);
    frame_pack_header(again, SAMPLE_NONCE, &frame);
    assert_memory_equal(again, image + OFFSET, frame_bytes(&batch));
    free(again);
    free(image);
    batch_free(&batch);
}

static void parse_takes_nothing_else(void **state)
{
    (void)state;
    struct batch batch;
    struct frame frame, parsed;
    uint64_t size;
    sample_frame(2, &frame, &batch);
    uint8_t *image = image_with(&batch, &size, &frame);
    assert_int_equal(frame_parse(image, size, OFFSET, SAMPLE_NONCE + 1, false, &parsed), 0);
    for (uint64_t offset = 0; offset < size + 200; offset++)
        assert_int_equal(frame_parse(image, size, offset, SAMPLE_NONCE, false, &parsed), offset == OFFSET);
    for (uint64_t cut = 0; cut < size; cut++)
        assert_int_equal(frame_parse(image, cut, OFFSET, SAMPLE_NONCE, false, &parsed), 0);
    assert_int_equal(frame_parse(image, size, UINT64_MAX - 7, SAMPLE_NONCE, true, &parsed), 0);
    /* Moved to another place, with its checksums as they were. */
    uint8_t *moved = calloc(1, size + 8);
    memcpy(moved + OFFSET + 8, image + OFFSET, size - OFFSET);
    assert_int_equal(frame_parse(moved, size + 8, OFFSET + 8, SAMPLE_NONCE, true, &parsed), 0);
    free(moved);
    /* The payload is looked at only when asked for. */
    image[size - 1] ^= 1;
    assert_int_equal(frame_parse(image, size, OFFSET, SAMPLE_NONCE, false, &parsed), 1);
    assert_int_equal(frame_parse(image, size, OFFSET, SAMPLE_NONCE, true, &parsed), 0);
    free(image);
    batch_free(&batch);
}

/* ---- frames that checksum right and make no sense ---- */

static void fix_checksums(uint8_t *at, uint64_t offset)
{
    uint32_t payload_bytes = load_u32(at + offsetof(struct frame_header, payload_bytes));
    store_u64(at + 8, checksum(at + 88, payload_bytes, SAMPLE_NONCE));
    store_u64(at, checksum(at + 8, 80, frame_seed(SAMPLE_NONCE, offset)));
}

static void nonsense_headers_are_no_frames(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at;
        size_t size;
        uint64_t value;
    } CASES[] = {
        {"other magic", 16, 4, 0x4d415247},
        {"kind 0", 20, 4, 0},
        {"kind 3", 20, 2, 3},
        {"unknown flag", 22, 2, 2},
        {"tombstone with points", 20, 4, 2},
        {"no points", 40, 4, 0},
        {"too many points", 40, 4, (16 << 20) + 1},
        {"indexes wrap", 32, 8, UINT64_MAX},
        {"payload not a multiple of 8", 44, 4, 41},
        {"payload past the end", 44, 4, 48},
        {"payload of 4 GB", 44, 4, UINT32_MAX - 7},
        {"synced to behind itself", 56, 8, 4096 + 48},
    };
    struct batch batch;
    struct frame frame, parsed;
    sample_frame(0, &frame, &batch);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint64_t size;
        uint8_t *image = image_with(&batch, &size, &frame);
        memcpy(image + OFFSET + CASES[i].at, &CASES[i].value, CASES[i].size);
        store_u64(image + OFFSET, checksum(image + OFFSET + 8, 80, frame_seed(SAMPLE_NONCE, OFFSET)));
        if (frame_parse(image, size, OFFSET, SAMPLE_NONCE, false, &parsed) != 0)
            fail_msg("%s was taken", CASES[i].what);
        free(image);
    }
    batch_free(&batch);
}

enum reader { TRUSTING = 1, DISTRUSTING = 2, BOTH = 3 };

struct nonsense {
    const char *what;
    unsigned sample;
    size_t at; /* in the payload */
    size_t size;
    uint64_t value;
    enum reader refused_by;
};

static const struct nonsense NONSENSE[] = {
    {"time kind 0", 0, 0, 1, 0, BOTH},
    {"time kind 3", 0, 0, 1, 3, BOTH},
    {"time exponent 19", 0, 1, 1, 19, BOTH},
    {"exponent of doubles", 2, 1, 1, 1, BOTH},
    {"form 0", 0, 2, 1, 0, BOTH},
    {"form 4", 0, 2, 1, 4, BOTH},
    {"numbers as booleans", 0, 2, 1, 2, BOTH},
    {"number kind 0", 0, 3, 1, 0, BOTH},
    {"number kind 3", 0, 3, 1, 3, BOTH},
    {"number kind of booleans", 1, 3, 1, 1, BOTH},
    {"number exponent 19", 0, 4, 1, 19, BOTH},
    {"number exponent of msgpack", 3, 4, 1, 1, BOTH},
    {"senders 2", 0, 5, 1, 2, BOTH},
    {"senders without room for them", 0, 5, 1, 1, BOTH},
    {"reserved byte", 0, 6, 1, 1, BOTH},
    {"reserved byte 2", 0, 7, 1, 1, BOTH},
    {"reserved word", 0, 20, 4, 1, BOTH},
    {"msgpack bytes beside numbers", 0, 8, 4, 8, BOTH},
    {"no msgpack bytes", 7, 8, 4, 0, BOTH},
    {"a word of msgpack bytes too many", 7, 8, 4, 12, BOTH},
    {"4 GB of msgpack", 7, 8, 4, UINT32_MAX, BOTH},
    {"sender names without senders", 0, 12, 4, 1, BOTH},
    {"sender bytes without senders", 0, 16, 4, 8, BOTH},
    {"65536 senders", 3, 12, 4, 65536, BOTH},
    {"a sender too many", 3, 12, 4, 3, BOTH},
    {"a sender too few", 3, 12, 4, 1, BOTH},
    {"4 GB of sender names", 3, 16, 4, UINT32_MAX, BOTH},
    {"time not a number", 2, 24, 8, 0x7ff8000000000000, DISTRUSTING},
    {"time infinite", 2, 24, 8, 0xfff0000000000000, DISTRUSTING},
    {"time before the one before", 2, 32, 8, 0, DISTRUSTING},
    {"decimal time before the one before", 1, 32, 8, 1, DISTRUSTING},
    {"first time unlike the header's", 1, 24, 8, 1, DISTRUSTING},
    {"last time unlike the header's", 1, 24 + 32, 8, 1480000005, DISTRUSTING},
    {"number not a number", 2, 48, 8, 0x7ff8000000000000, DISTRUSTING},
    {"decimal too large", 0, 32, 8, UINT64_C(1) << 52, DISTRUSTING},
    {"decimal too small", 0, 32, 8, -(UINT64_C(1) << 52), DISTRUSTING},
    {"boolean 2", 1, 24 + 40, 1, 2, DISTRUSTING},
    {"end of a value at 0", 3, 24 + 40, 4, 0, BOTH},
    {"end of a value before the one before", 3, 24 + 44, 4, 4, BOTH},
    {"end of a value behind the bytes", 3, 24 + 56, 4, 1000, BOTH},
    {"end of a value 4 GB on", 3, 24 + 56, 4, UINT32_MAX, BOTH},
    {"bytes after the last value", 7, 32, 4, 3, BOTH},
    {"a value cut by its end", 3, 24 + 40, 4, 4, DISTRUSTING},
    {"a value msgpack has not", 3, 24 + 40 + 24, 1, 0xc1, DISTRUSTING},
    {"a string that is not UTF-8", 3, 24 + 40 + 24 + 1, 1, 0xff, DISTRUSTING},
};

static void nonsense_payloads_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(NONSENSE) / sizeof(NONSENSE[0]); i++) {
        const struct nonsense *nonsense = &NONSENSE[i];
        struct batch batch, view;
        struct frame frame, parsed;
        struct error error = {0};
        uint64_t size;
        sample_frame(nonsense->sample, &frame, &batch);
        uint8_t *image = image_with(&batch, &size, &frame);
        assert_true(OFFSET + 88 + nonsense->at + nonsense->size <= size);
        memcpy(image + OFFSET + 88 + nonsense->at, &nonsense->value, nonsense->size);
        fix_checksums(image + OFFSET, OFFSET);
        assert_int_equal(frame_parse(image, size, OFFSET, SAMPLE_NONCE, true, &parsed), 1);
        int distrusting = frame_view(image, &parsed, true, &view, &error);
        if (distrusting != -EBADMSG)
            fail_msg("%s was taken", nonsense->what);
        assert_non_null(strstr(error.message, "4136"));
        int trusting = frame_view(image, &parsed, false, &view, NULL);
        if (trusting != (nonsense->refused_by & TRUSTING ? -EBADMSG : 0))
            fail_msg("%s: a trusting reader returns %d", nonsense->what, trusting);
        free(image);
        batch_free(&batch);
    }
}

static void nonsense_senders_are_refused(void **state)
{
    (void)state;
    struct batch batch, view;
    struct frame frame;
    uint64_t size;
    sample_frame(3, &frame, &batch);
    uint8_t *image = image_with(&batch, &size, &frame);
    uint8_t *end = image + size;
    /* names: 11 "alice/phone" 8 "bob/user" (21 bytes, padded to 24), then 5 senders padded to 16 bytes */
    uint8_t *senders = end - 16, *names = senders - 24;
    assert_int_equal(frame_view(image, &frame, false, &view, NULL), 0);
    assert_int_equal(names[0], 11);
    store_u16(senders + 8, 3);
    assert_int_equal(frame_view(image, &frame, false, &view, NULL), -EBADMSG);
    store_u16(senders + 8, 0);
    static const uint8_t LENGTHS[] = {0, 10, 12, 20, 21, 255};
    for (size_t i = 0; i < sizeof(LENGTHS); i++) {
        names[0] = LENGTHS[i];
        assert_int_equal(frame_view(image, &frame, false, &view, NULL), -EBADMSG);
    }
    free(image);
    batch_free(&batch);
}

static void short_payload_is_refused(void **state)
{
    (void)state;
    uint8_t *image = calloc(1, OFFSET + 88 + 16);
    struct frame frame = {.kind = FRAME_POINTS, .count = 1, .offset = OFFSET};
    struct batch view;
    for (frame.payload_bytes = 0; frame.payload_bytes <= 16; frame.payload_bytes += 8)
        assert_int_equal(frame_view(image, &frame, false, &view, NULL), -EBADMSG);
    free(image);
}

static void pack_behind_synced(void *argument)
{
    uint8_t bytes[88];
    struct frame frame = {.kind = FRAME_TOMBSTONE, .offset = 4096, .synced_to = 4104};
    (void)argument;
    frame_pack(bytes, 1, &frame, NULL);
}

static void pack_checks_its_caller(void **state)
{
    (void)state;
    assert_true(test_aborts(pack_behind_synced, NULL));
}

/* ---- preparing and opening ---- */

static int count_frames(void *context, const struct frame *frame)
{
    (void)frame;
    ++*(unsigned *)context;
    return 0;
}

static void assert_scan(
    const struct journal_file *journal, unsigned frames, uint64_t end, uint64_t torn_bytes)
{
    struct journal_scan scan;
    struct error error = {0};
    unsigned visited = 0;
    if (journal_file_scan(journal, 0, count_frames, &visited, &scan, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(visited, frames);
    assert_int_equal(scan.frames, frames);
    assert_int_equal(scan.end, end);
    assert_int_equal(scan.torn_bytes, torn_bytes);
}

static void prepares_and_opens(void **state)
{
    struct fixture *fixture = *state;
    struct journal_file *journal, *again, *other;
    struct error error = {0};
    struct stat status;
    assert_int_equal(
        journal_file_prepare(fixture->io, fixture->directory, 12, 3 << 20, NULL, &journal, &error), 0);
    assert_int_equal(journal->id, 12);
    assert_int_equal(journal->size, 3 << 20);
    assert_int_equal(stat(journal->path, &status), 0);
    assert_int_equal(status.st_size, 3 << 20);
    assert_true(status.st_blocks * 512 >= 3 << 20); /* no holes: a commit needs no allocation */
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_scan(journal, 0, 4096, 0);
    uint64_t ends[SAMPLE_FRAMES];
    sample_append(journal, 4096, SAMPLE_FRAMES, false, ends);
    assert_scan(journal, SAMPLE_FRAMES, ends[SAMPLE_FRAMES - 1], 0);
    assert_int_equal(journal_file_open(fixture->directory, 12, &again, &error), 0);
    assert_int_equal(again->nonce, journal->nonce);
    assert_int_equal(again->size, journal->size);
    assert_int_equal(again->file, -1);
    assert_scan(again, SAMPLE_FRAMES, ends[SAMPLE_FRAMES - 1], 0);
    assert_int_equal(
        journal_file_prepare(fixture->io, fixture->directory, 12, 3 << 20, NULL, &other, &error), -EEXIST);
    assert_scan(again, SAMPLE_FRAMES, ends[SAMPLE_FRAMES - 1], 0);
    assert_int_equal(
        journal_file_prepare(fixture->io, fixture->directory, 13, 1 << 20, NULL, &other, &error), 0);
    assert_true(other->nonce != journal->nonce);
    assert_int_equal(journal_file_open(fixture->directory, 14, &journal, &error), -ENOENT);
    journal_file_close(other);
    journal_file_close(journal);
    journal_file_close(again);
    journal_file_close(NULL);
}

static void recycles(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    uint64_t ends[SAMPLE_FRAMES];
    struct journal_file *old = sample_journal(fixture->io, fixture->directory, NULL), *new;
    sample_append(old, 4096, SAMPLE_FRAMES, false, ends);
    struct stat before, after;
    assert_int_equal(stat(old->path, &before), 0);
    assert_int_equal(journal_file_prepare(
                         fixture->io, fixture->directory, 8, SAMPLE_JOURNAL_BYTES, old->path, &new, &error),
        0);
    assert_false(exists(old->path));
    assert_int_equal(stat(new->path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(new->nonce != old->nonce);
    assert_scan(new, 0, 4096, 0); /* full of stale frames: they are neither valid nor this journal's tail */
    sample_append(new, 4096, 3, false, ends);
    assert_scan(new, 3, ends[2], 0);
    journal_file_close(old);
    journal_file_close(new);
    assert_int_equal(journal_file_open(fixture->directory, 8, &new, &error), 0);
    assert_scan(new, 3, ends[2], 0);
    journal_file_close(new);
}

static void does_not_recycle_another_size(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct journal_file *old = sample_journal(fixture->io, fixture->directory, NULL), *new;
    uint64_t ends[SAMPLE_FRAMES];
    sample_append(old, 4096, SAMPLE_FRAMES, false, ends);
    assert_int_equal(journal_file_prepare(fixture->io, fixture->directory, 8, SAMPLE_JOURNAL_BYTES * 2,
                         old->path, &new, &error),
        0);
    assert_false(exists(old->path));
    assert_int_equal(new->size, SAMPLE_JOURNAL_BYTES * 2);
    assert_scan(new, 0, 4096, 0);
    journal_file_close(old);
    journal_file_close(new);
}

/* Whatever call fails or falls short: an error and no new file, or a good journal. */
static void every_failing_call_of_prepare(void **state)
{
    struct fixture *fixture = *state;
    static const int CODES[] = {ENOSPC, EIO, 0};
    char *old_path = test_path(fixture->directory, "journal-%d", SAMPLE_JOURNAL_ID);
    char *new_path = test_path(fixture->directory, "journal-8");
    for (unsigned variant = 0; variant < 9; variant++) {
        int code = CODES[variant % 3];
        unsigned how = variant / 3; /* 0: from nothing, 1: recycled, 2: recycled but of another size */
        struct io_fault_plan plan = {.code = code, .calls = ALL_CALLS & ~(1u << IO_CALL_UNLINK)};
        uint64_t k = 0;
        do {
            struct journal_file *old = NULL, *new = NULL;
            struct error error = {0};
            io_fault_set(fixture->io, &(struct io_fault_plan){0});
            if (how > 0)
                old = sample_journal(fixture->io, fixture->directory, NULL);
            plan.fail_at = ++k;
            plan.fail_count = code ? 1 : 0;
            io_fault_set(fixture->io, &plan);
            int r = journal_file_prepare(fixture->io, fixture->directory, 8,
                (uint64_t)SAMPLE_JOURNAL_BYTES << (how == 2), how ? old_path : NULL, &new, &error);
            assert_true(r == 0 || (code && r == -code && error.code == code));
            assert_int_equal(exists(new_path), r == 0);
            if (r == 0) {
                assert_scan(new, 0, 4096, 0);
                assert_int_equal(unlink(new_path), 0);
            }
            if (exists(old_path))
                assert_int_equal(unlink(old_path), 0);
            journal_file_close(old);
            journal_file_close(new);
        } while (k <= io_fault_calls(fixture->io));
        assert_true(k > 4);
    }
    free(old_path);
    free(new_path);
}

static void header_put(const char *path, size_t at, const void *data, size_t size, bool fix)
{
    size_t file_size;
    char *content = test_file_read(path, &file_size);
    memcpy(content + at, data, size);
    if (fix)
        store_u64(content + 8, checksum(content + 16, JOURNAL_HEADER_BYTES - 16, 0));
    test_file_write(path, content, file_size);
    free(content);
}

static void refuses_wrong_files(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *what;
        size_t at;
        const char *bytes;
        bool fix;
        int code;
    } CASES[] = {
        {"other magic", 0, "CDB-JRNK", true, EBADMSG},
        {"wrong checksum", 8, "12345678", false, EBADMSG},
        {"newer version", 16, "\3", true, ENOTSUP},
        {"newer version, damaged", 16, "\3", false, EBADMSG},
        {"unknown flag", 20, "\2", true, ENOTSUP},
        {"unknown flag 31", 23, "\x80", true, ENOTSUP},
        {"another id", 24, "\x08", true, EBADMSG},
        {"another size", 40, "\x08", true, EBADMSG},
        {"something behind the header", 4095, "\1", false, EBADMSG},
    };
    char *path = test_path(fixture->directory, "journal-%d", SAMPLE_JOURNAL_ID);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct error error = {0};
        struct journal_file *journal = sample_journal(fixture->io, fixture->directory, NULL);
        journal_file_close(journal);
        header_put(path, CASES[i].at, CASES[i].bytes, strlen(CASES[i].bytes), CASES[i].fix);
        int r = journal_file_open(fixture->directory, SAMPLE_JOURNAL_ID, &journal, &error);
        if (r != -CASES[i].code)
            fail_msg("%s: %d %s", CASES[i].what, r, error.message);
        assert_non_null(strstr(error.message, path));
        assert_int_equal(unlink(path), 0);
    }
    free(path);
}

/* ---- scanning ---- */

static int stop_at_third(void *context, const struct frame *frame)
{
    (void)frame;
    return ++*(unsigned *)context == 3 ? -ECANCELED : 0;
}

static void visitor_ends_the_scan(void **state)
{
    struct fixture *fixture = *state;
    struct journal_file *journal = sample_journal(fixture->io, fixture->directory, NULL);
    struct journal_scan scan;
    uint64_t ends[SAMPLE_FRAMES];
    unsigned visited = 0;
    sample_append(journal, 4096, SAMPLE_FRAMES, false, ends);
    assert_int_equal(journal_file_scan(journal, 0, stop_at_third, &visited, &scan, NULL), -ECANCELED);
    assert_int_equal(visited, 3);
    journal_file_close(journal);
}

static void clean_end_is_binding(void **state)
{
    struct fixture *fixture = *state;
    struct journal_file *journal = sample_journal(fixture->io, fixture->directory, NULL);
    struct journal_scan scan;
    struct error error;
    uint64_t ends[SAMPLE_FRAMES];
    sample_append(journal, 4096, SAMPLE_FRAMES, true, ends);
    static const int64_t OFF[] = {-8, -1, 1, 8, 100000};
    for (unsigned i = 0; i < SAMPLE_FRAMES; i++) {
        unsigned visited = 0;
        assert_int_equal(journal_file_scan(journal, ends[i], count_frames, &visited, &scan, &error), 0);
        assert_int_equal(visited, i + 1);
        assert_int_equal(scan.end, ends[i]);
        assert_int_equal(scan.torn_bytes, 0);
        for (size_t o = 0; o < sizeof(OFF) / sizeof(OFF[0]); o++) {
            uint64_t wrong = (uint64_t)((int64_t)ends[i] + OFF[o]);
            assert_int_equal(
                journal_file_scan(journal, wrong, count_frames, &visited, &scan, &error), -EBADMSG);
            assert_non_null(strstr(error.message, journal->path));
            assert_non_null(strstr(error.message, "connectordb repair"));
        }
    }
    assert_int_equal(journal_file_scan(journal, 8, count_frames, &(unsigned){0}, &scan, &error), -EBADMSG);
    journal_file_close(journal);
}

static void fills_to_the_last_byte(void **state)
{
    struct fixture *fixture = *state;
    struct journal_file *journal = sample_journal(fixture->io, fixture->directory, NULL);
    uint8_t bytes[88];
    uint64_t offset = 4096;
    unsigned frames = 0;
    for (; offset + sizeof(bytes) <= journal->size; offset += sizeof(bytes), frames++) {
        struct frame frame = {.kind = FRAME_TOMBSTONE, .series_id = frames, .offset = offset};
        frame_pack(bytes, journal->nonce, &frame, NULL);
        assert_int_equal(pwrite(journal->file, bytes, sizeof(bytes), (off_t)offset), sizeof(bytes));
    }
    assert_scan(journal, frames, offset, 0);
    journal_file_close(journal);
}

int main(void)
{
    static struct fixture posix = {.open = io_open_posix}, uring = {.open = io_open_uring};
#define OVER(test, backend)                                                                                  \
    {                                                                                                        \
#test " over " #backend, test, setup, teardown, &backend                                             \
    }
#define OVER_BOTH(test) OVER(test, posix), OVER(test, uring)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_samples_round_trip),
        cmocka_unit_test(slices_round_trip),
        cmocka_unit_test(single_number_is_small),
        cmocka_unit_test(too_large_a_batch_has_no_size),
        cmocka_unit_test(two_steps_equal_one),
        cmocka_unit_test(parse_takes_nothing_else),
        cmocka_unit_test(nonsense_headers_are_no_frames),
        cmocka_unit_test(nonsense_payloads_are_refused),
        cmocka_unit_test(nonsense_senders_are_refused),
        cmocka_unit_test(short_payload_is_refused),
        cmocka_unit_test(pack_checks_its_caller),
        OVER_BOTH(prepares_and_opens),
        OVER_BOTH(recycles),
        OVER_BOTH(does_not_recycle_another_size),
        OVER_BOTH(every_failing_call_of_prepare),
        OVER(refuses_wrong_files, posix),
        OVER(visitor_ends_the_scan, posix),
        OVER(clean_end_is_binding, posix),
        OVER(fills_to_the_last_byte, posix),
    };
    return cmocka_run_group_tests_name("journal_file", tests, NULL, NULL);
}
