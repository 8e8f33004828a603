/* Damage to journals. Whatever happens to the bytes: what a scan hands out is exactly a prefix of what was
 * written, what was known to be on disk is never cut silently, and what was never acknowledged never stops an
 * open. */
#include "test.h"
#include "batch_equal.h"

#include "bytes.h"
#include "checksum.h"
#include "journal_file.h"
#include "journal_format.h"
#include "journal_sample.h"

#include <fcntl.h>
#include <unistd.h>

enum { LAST = SAMPLE_FRAMES - 1, SECTOR = 512 };

struct fixture {
    char *directory;
    struct io *io;
    struct journal_file *journal;
    uint64_t ends[SAMPLE_FRAMES];
    uint8_t *pristine; /* the whole file as it was written */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->directory = test_directory_create();
    if (io_open_posix(&fixture->io, NULL) < 0)
        return -1;
    fixture->journal = sample_journal(fixture->io, fixture->directory, NULL);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    journal_file_close(fixture->journal);
    io_close(fixture->io);
    test_directory_remove(fixture->directory);
    free(fixture->pristine);
    free(fixture);
    return 0;
}

/* Fills the journal with the samples and keeps a copy. */
static void fill(struct fixture *fixture, bool one_group)
{
    sample_append(fixture->journal, 4096, SAMPLE_FRAMES, one_group, fixture->ends);
    free(fixture->pristine);
    fixture->pristine = (uint8_t *)test_file_read(fixture->journal->path, NULL);
}

static void put(const struct fixture *fixture, uint64_t offset, const void *data, size_t size)
{
    assert_int_equal(pwrite(fixture->journal->file, data, size, (off_t)offset), size);
}

static void restore(const struct fixture *fixture, uint64_t offset, size_t size)
{
    put(fixture, offset, fixture->pristine + offset, size);
}

static uint64_t start_of(const struct fixture *fixture, unsigned frame)
{
    return frame ? fixture->ends[frame - 1] : 4096;
}

/* The frame that holds this byte. */
static unsigned frame_at(const struct fixture *fixture, uint64_t offset)
{
    unsigned frame = 0;
    while (offset >= fixture->ends[frame])
        frame++;
    return frame;
}

/* ---- a scan that compares every frame with what was written ---- */

struct compare {
    const struct fixture *fixture;
    unsigned frames;
};

static int compare_frame(void *context, const struct frame *frame)
{
    struct compare *compare = context;
    const struct fixture *fixture = compare->fixture;
    unsigned number = compare->frames++;
    assert_true(number < SAMPLE_FRAMES);
    assert_int_equal(frame->offset, start_of(fixture, number));
    assert_int_equal(frame->offset + frame_size(frame), fixture->ends[number]);
    const uint8_t *image = map_data(fixture->journal->map);
    assert_memory_equal(image + frame->offset, fixture->pristine + frame->offset, frame_size(frame));
    if (frame->kind == FRAME_POINTS) {
        struct batch view, expected;
        struct frame sample;
        sample_frame(number, &sample, &expected);
        assert_int_equal(frame_view(image, frame, true, &view, NULL), 0);
        assert_true(batch_equal(&view, &expected));
        batch_free(&expected);
    }
    return 0;
}

static int scan(const struct fixture *fixture, uint64_t expected_end, unsigned *ret_frames,
    struct journal_scan *ret_scan, struct error *ret_error)
{
    struct compare compare = {.fixture = fixture};
    int r = journal_file_scan(fixture->journal, expected_end, compare_frame, &compare, ret_scan, ret_error);
    *ret_frames = compare.frames;
    return r;
}

static void assert_corrupt(const struct fixture *fixture, uint64_t expected_end, unsigned bad_frame)
{
    struct journal_scan found;
    struct error error = {0};
    char where[64];
    unsigned frames;
    assert_int_equal(scan(fixture, expected_end, &frames, &found, &error), -EBADMSG);
    assert_int_equal(frames, bad_frame);
    snprintf(
        where, sizeof(where), "damaged at offset %llu:", (unsigned long long)start_of(fixture, bad_frame));
    assert_non_null(strstr(error.message, fixture->journal->path));
    assert_non_null(strstr(error.message, where));
    assert_non_null(strstr(error.message, "; found "));
    assert_non_null(strstr(error.message, "connectordb repair"));
}

/* Where the bytes of a torn tail end: that of the last frame whose header is whole, or the last byte that is
 * not 0. */
static uint64_t torn_end(const struct fixture *fixture)
{
    const uint8_t *image = map_data(fixture->journal->map);
    uint64_t end = fixture->journal->size;
    while (image[end - 1] == 0)
        end--;
    for (unsigned i = 0; i < SAMPLE_FRAMES; i++) {
        uint64_t start = start_of(fixture, i);
        if (fixture->ends[i] > end &&
            memcmp(image + start, fixture->pristine + start, sizeof(struct frame_header)) == 0)
            end = fixture->ends[i];
    }
    return end;
}

/* The first `frames` frames are there, what follows is cut; end: where the cut bytes end. */
static void assert_cut(const struct fixture *fixture, unsigned frames, uint64_t end)
{
    struct journal_scan found;
    struct error error = {0};
    unsigned visited;
    if (scan(fixture, 0, &visited, &found, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(visited, frames);
    assert_int_equal(found.frames, frames);
    assert_int_equal(found.end, start_of(fixture, frames));
    assert_int_equal(found.torn_bytes, end > found.end ? end - found.end : 0);
}

static void flip(const struct fixture *fixture, uint64_t bit)
{
    uint8_t byte = fixture->pristine[bit / 8] ^ (uint8_t)(1u << bit % 8);
    put(fixture, bit / 8, &byte, 1);
}

/* ---- flipped bits ---- */

/* Every group but the last one was on disk before the next one was written: damage to it is corruption. */
static void every_bit_of_synced_frames(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    assert_cut(fixture, SAMPLE_FRAMES, 0);
    for (uint64_t bit = 4096 * 8; bit < fixture->ends[LAST] * 8; bit++) {
        unsigned frame = frame_at(fixture, bit / 8);
        flip(fixture, bit);
        if (frame < LAST)
            assert_corrupt(fixture, 0, frame);
        else
            assert_cut(fixture, LAST, torn_end(fixture));
        restore(fixture, bit / 8, 1);
    }
    assert_cut(fixture, SAMPLE_FRAMES, 0);
}

/* One group that nobody was told of: a bad frame in it ends the journal there. */
static void every_bit_of_an_unsynced_group(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, true);
    for (uint64_t bit = 4096 * 8; bit < fixture->ends[LAST] * 8; bit++) {
        flip(fixture, bit);
        assert_cut(fixture, frame_at(fixture, bit / 8), torn_end(fixture));
        restore(fixture, bit / 8, 1);
    }
}

/* With a recorded end, any damage below it is corruption, whatever the frames say. */
static void every_bit_below_a_clean_end(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, true);
    for (uint64_t bit = 4096 * 8; bit < fixture->ends[LAST] * 8; bit++) {
        flip(fixture, bit);
        assert_corrupt(fixture, fixture->ends[LAST], frame_at(fixture, bit / 8));
        restore(fixture, bit / 8, 1);
    }
}

static void bits_behind_the_end(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    enum { STEP = 61 };
    for (uint64_t bit = fixture->ends[LAST] * 8; bit < fixture->journal->size * 8; bit += STEP) {
        flip(fixture, bit);
        assert_cut(fixture, SAMPLE_FRAMES, bit / 8 + 1);
        restore(fixture, bit / 8, 1);
    }
}

static void every_bit_of_the_header(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    for (uint64_t bit = 0; bit < JOURNAL_HEADER_BYTES * 8; bit++) {
        struct journal_file *journal;
        struct error error = {0};
        flip(fixture, bit);
        assert_int_equal(
            journal_file_open(fixture->directory, SAMPLE_JOURNAL_ID, &journal, &error), -EBADMSG);
        assert_non_null(strstr(error.message, fixture->journal->path));
        restore(fixture, bit / 8, 1);
    }
}

/* ---- lengths ---- */

/* A journal's size never changes: a shorter or longer file is damage. */
static void every_truncation(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    const char *path = fixture->journal->path;
    enum { STEP = 257 };
    for (uint64_t size = fixture->journal->size + 8; size-- > 0;) {
        if (size > fixture->ends[LAST] + 8 && size < fixture->journal->size && size % STEP)
            continue;
        struct journal_file *journal = NULL;
        struct error error = {0};
        assert_int_equal(truncate(path, (off_t)size), 0);
        int r = journal_file_open(fixture->directory, SAMPLE_JOURNAL_ID, &journal, &error);
        assert_int_equal(r, size == fixture->journal->size ? 0 : -EBADMSG);
        assert_true(r == 0 || strstr(error.message, path));
        journal_file_close(journal);
    }
}

/* ---- torn writes ---- */

/* The last group reached the disk up to some byte. */
static void every_length_of_a_torn_frame(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    static const uint8_t zeros[4096];
    for (unsigned frame = 0; frame < SAMPLE_FRAMES; frame++) {
        uint64_t start = start_of(fixture, frame), end = fixture->ends[frame];
        put(fixture, start, zeros, fixture->ends[LAST] - start);
        for (uint64_t written = start; written < end; written++) {
            /* The frame's last bytes may be zeros: then it is whole before all of it was written. */
            bool whole =
                memcmp(map_data(fixture->journal->map) + start, fixture->pristine + start, end - start) == 0;
            assert_cut(fixture, frame + whole, torn_end(fixture));
            restore(fixture, written, 1);
        }
        assert_cut(fixture, frame + 1, 0);
    }
}

/* A device writes the sectors of one group in any order: any subset of them may be there after a crash. */
static void every_subset_of_sectors(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, true);
    static const uint8_t zeros[SECTOR];
    uint64_t first = 4096 / SECTOR, count = (fixture->ends[LAST] + SECTOR - 1) / SECTOR - first;
    assert_in_range(count, 3, 10);
    for (unsigned there = 0; there < 1u << count; there++) {
        unsigned frames = 0;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t offset = (first + i) * SECTOR;
            if (there & 1u << i)
                restore(fixture, offset, SECTOR);
            else
                put(fixture, offset, zeros, SECTOR);
        }
        while (frames < SAMPLE_FRAMES && memcmp(map_data(fixture->journal->map) + 4096,
                                             fixture->pristine + 4096, fixture->ends[frames] - 4096) == 0)
            frames++;
        struct journal_scan found;
        unsigned visited;
        assert_int_equal(scan(fixture, 0, &visited, &found, NULL), 0);
        assert_int_equal(visited, frames);
    }
}

/* A whole group is missing although a later one says that it was on disk: a lost write. */
static void a_lost_write_is_corruption(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t zeros[4096];
    for (unsigned frame = 0; frame < LAST; frame++) {
        fill(fixture, false);
        uint64_t start = start_of(fixture, frame);
        put(fixture, start, zeros, fixture->ends[frame] - start);
        assert_corrupt(fixture, 0, frame);
    }
}

/* ... even when the later one is torn itself, as long as its header is whole. */
static void a_torn_witness_still_testifies(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    static const uint8_t zeros[4096];
    uint64_t start = start_of(fixture, LAST - 1);
    put(fixture, start, zeros, fixture->ends[LAST - 1] - start);
    put(fixture, start_of(fixture, LAST) + sizeof(struct frame_header), zeros,
        fixture->ends[LAST] - start_of(fixture, LAST) - sizeof(struct frame_header));
    assert_corrupt(fixture, 0, LAST - 1);
}

/* ---- frames from elsewhere ---- */

/* A recycled file is full of whole frames of its earlier life, at the same offsets even. */
static void stale_frames_are_nothing(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    uint8_t *old = fixture->pristine;
    char *old_path = test_path(fixture->directory, "old");
    assert_int_equal(rename(fixture->journal->path, old_path), 0);
    journal_file_close(fixture->journal);
    fixture->pristine = NULL;
    assert_int_equal(journal_file_prepare(fixture->io, fixture->directory, SAMPLE_JOURNAL_ID,
                         SAMPLE_JOURNAL_BYTES, old_path, &fixture->journal, NULL),
        0);
    sample_set_nonce(fixture->journal, SAMPLE_NONCE + 1);
    for (unsigned count = 0; count <= SAMPLE_FRAMES; count++) {
        put(fixture, 4096, old + 4096, SAMPLE_JOURNAL_BYTES - 4096);
        sample_append(fixture->journal, 4096, SAMPLE_FRAMES, false, fixture->ends);
        free(fixture->pristine);
        fixture->pristine = (uint8_t *)test_file_read(fixture->journal->path, NULL);
        uint64_t end = start_of(fixture, count);
        put(fixture, end, old + end, SAMPLE_JOURNAL_BYTES - end);
        assert_cut(fixture, count, 0);
        if (count == SAMPLE_FRAMES)
            break;
        /* Torn over stale bytes: the new header, but not all of the payload. */
        uint64_t size = fixture->ends[count] - end;
        bool tombstone = size == sizeof(struct frame_header);
        restore(fixture, end, size);
        if (!tombstone)
            put(fixture, fixture->ends[count] - 8, "leftover", 8);
        assert_cut(fixture, count + tombstone, tombstone ? 0 : fixture->ends[count]);
    }
    free(old_path);
    free(old);
}

/* Whole, checksummed frames of this very journal, but in another place. */
static void misplaced_frames_are_nothing(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    for (unsigned frame = 0; frame < SAMPLE_FRAMES; frame++) {
        uint64_t size = fixture->ends[frame] - start_of(fixture, frame);
        for (uint64_t shift = 0; shift <= 4096; shift += 8) { /* behind the end: no journal goes on there */
            put(fixture, fixture->ends[LAST] + shift, fixture->pristine + start_of(fixture, frame), size);
            struct journal_scan found;
            unsigned visited;
            assert_int_equal(scan(fixture, 0, &visited, &found, NULL), 0);
            assert_int_equal(visited, SAMPLE_FRAMES);
            restore(fixture, fixture->ends[LAST] + shift, size);
        }
    }
    /* Frames 6 and 8 swapped where they fit: a point for the wrong series. */
    uint64_t first = start_of(fixture, 6), second = start_of(fixture, 8);
    put(fixture, first, fixture->pristine + second, fixture->ends[8] - second);
    assert_corrupt(fixture, 0, 6);
}

/* A value may hold the bytes of a frame; without the nonce it cannot checksum. */
static void a_forged_frame_is_nothing(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    struct frame forged = {.offset = fixture->ends[LAST], .group = 100, .synced_to = fixture->ends[LAST]};
    uint8_t *bytes = sample_pack(4, 0, &forged);
    put(fixture, forged.offset, bytes, frame_size(&forged));
    struct journal_scan found;
    unsigned visited;
    assert_int_equal(scan(fixture, 0, &visited, &found, NULL), 0);
    assert_int_equal(visited, SAMPLE_FRAMES);
    free(bytes);
}

/* Of a unit that was not synced, every damaged bit costs the whole: its frames before the damage as well. */
static void every_bit_of_a_unit(void **state)
{
    struct fixture *fixture = *state;
    uint64_t ends[3];
    fill(fixture, false);
    sample_append_unit(fixture->journal, fixture->ends[LAST], 3, ends);
    free(fixture->pristine);
    fixture->pristine = (uint8_t *)test_file_read(fixture->journal->path, NULL);
    for (uint64_t offset = fixture->ends[LAST]; offset < ends[2]; offset++) {
        struct journal_scan found;
        unsigned visited;
        uint8_t damaged = fixture->pristine[offset] ^ (uint8_t)(1u << offset % 8);
        put(fixture, offset, &damaged, 1);
        assert_int_equal(scan(fixture, 0, &visited, &found, NULL), 0);
        assert_int_equal(visited, SAMPLE_FRAMES);
        assert_int_equal(found.end, fixture->ends[LAST]);
        restore(fixture, offset, 1);
    }
    assert_corrupt(fixture, ends[1], SAMPLE_FRAMES); /* a clean end within a unit */
}

/* The device cannot read a page, or somebody cut the file under the map: an error, no crash, no silent end.
 */
static void an_unreadable_page_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, false);
    assert_int_equal(map_install_handler(NULL), 0);
    assert_int_equal(truncate(fixture->journal->path, 4096), 0);
    struct journal_scan found;
    struct error error = {0};
    struct compare compare = {.fixture = fixture};
    assert_int_equal(journal_file_scan(fixture->journal, 0, compare_frame, &compare, &found, &error), -EIO);
    assert_non_null(strstr(error.message, fixture->journal->path));
}

int main(void)
{
#define WITH_JOURNAL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_JOURNAL(every_bit_of_synced_frames),
        WITH_JOURNAL(every_bit_of_an_unsynced_group),
        WITH_JOURNAL(every_bit_below_a_clean_end),
        WITH_JOURNAL(bits_behind_the_end),
        WITH_JOURNAL(every_bit_of_the_header),
        WITH_JOURNAL(every_truncation),
        WITH_JOURNAL(every_length_of_a_torn_frame),
        WITH_JOURNAL(every_subset_of_sectors),
        WITH_JOURNAL(a_lost_write_is_corruption),
        WITH_JOURNAL(a_torn_witness_still_testifies),
        WITH_JOURNAL(stale_frames_are_nothing),
        WITH_JOURNAL(misplaced_frames_are_nothing),
        WITH_JOURNAL(a_forged_frame_is_nothing),
        WITH_JOURNAL(every_bit_of_a_unit),
        WITH_JOURNAL(an_unreadable_page_is_an_error),
    };
    return cmocka_run_group_tests_name("journal damage", tests, NULL, NULL);
}
