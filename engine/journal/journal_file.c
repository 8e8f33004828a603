/* A journal file's life: made, opened, scanned. Frames are frame.c's, the group commit is commit.c's. */
#include "journal_file.h"

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "journal_format.h"
#include "store_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILL_BYTES = 1 << 20 };

/* ---- header ---- */

static uint64_t header_page_checksum(const uint8_t *page)
{
    size_t from = offsetof(struct journal_header, version);
    return checksum(page + from, JOURNAL_HEADER_BYTES - from, 0);
}

static void header_pack(uint8_t *page, const struct journal_file *journal, uint32_t flags)
{
    struct journal_header header = {
        .version = JOURNAL_FORMAT_VERSION,
        .flags = flags,
        .id = journal->id,
        .nonce = journal->nonce,
        .size = journal->size,
    };
    memcpy(header.magic, JOURNAL_MAGIC, sizeof(header.magic));
    memset(page, 0, JOURNAL_HEADER_BYTES);
    memcpy(page, &header, sizeof(header));
    store_u64(page + offsetof(struct journal_header, checksum), header_page_checksum(page));
}

/* Position of magic, checksum, version and flags and the checksum's rule are the same in every version, so
 * that a newer file is told from a damaged one. */
static int header_unpack(
    const struct map *map, uint64_t id, struct journal_header *ret_header, struct error *ret_error)
{
    const char *path = map_path(map);
    struct journal_header header;
    if (map_size(map) < JOURNAL_HEADER_BYTES)
        return error_set(ret_error, EBADMSG,
            "%s: %llu bytes, too short for a journal; `connectordb repair` helps", path,
            (unsigned long long)map_size(map));
    memcpy(&header, map_data(map), sizeof(header));
    uint64_t found = header_page_checksum(map_data(map));
    if (map_faulted(map))
        return error_set(ret_error, EIO, "%s: cannot read the header", path);
    if (memcmp(header.magic, JOURNAL_MAGIC, sizeof(header.magic)) != 0)
        return error_set(ret_error, EBADMSG,
            "%s: offset 0: not a journal (no \"%s\"); `connectordb repair` helps", path, JOURNAL_MAGIC);
    if (found != header.checksum)
        return error_set(ret_error, EBADMSG,
            "%s: offset 0: header checksum %016llx, expected %016llx; `connectordb repair` helps", path,
            (unsigned long long)found, (unsigned long long)header.checksum);
    if (header.version < JOURNAL_FORMAT_VERSION_MIN || header.version > JOURNAL_FORMAT_VERSION ||
        (header.flags & ~(uint32_t)JOURNAL_FLAGS_KNOWN))
        return error_set(ret_error, ENOTSUP,
            "%s: journal version %u, flags %#x: written by a newer ConnectorDB; this one reads version %d",
            path, header.version, header.flags, JOURNAL_FORMAT_VERSION);
    if (header.id != id || header.size != map_size(map))
        return error_set(ret_error, EBADMSG,
            "%s: journal %llu of %llu bytes, expected journal %llu of %llu bytes; `connectordb repair` helps",
            path, (unsigned long long)header.id, (unsigned long long)header.size, (unsigned long long)id,
            (unsigned long long)map_size(map));
    *ret_header = header;
    return 0;
}

/* ---- open and close ---- */

static int journal_new(
    const char *directory, uint64_t id, struct journal_file **ret_journal, struct error *ret_error)
{
    struct journal_file *journal = calloc(1, sizeof(*journal));
    if (!journal)
        return error_set(ret_error, ENOMEM, "out of memory");
    journal->id = id;
    journal->file = -1;
    journal->path = store_journal_path(directory, id);
    if (!journal->path) {
        free(journal);
        return error_set(ret_error, ENOMEM, "out of memory");
    }
    *ret_journal = journal;
    return 0;
}

/* The size when all blocks of the file are allocated, else 0. */
static uint64_t allocated_bytes(const struct journal_file *journal)
{
    struct stat status;
    bool whole = stat(journal->path, &status) == 0 && (uint64_t)status.st_blocks * 512 >= journal->size;
    return whole ? journal->size : 0;
}

int journal_file_open(
    const char *directory, uint64_t id, struct journal_file **ret_journal, struct error *ret_error)
{
    struct journal_file *journal;
    struct journal_header header = {0};
    int r = journal_new(directory, id, &journal, ret_error);
    if (r < 0)
        return r;
    r = map_open(journal->path, 0, &journal->map, ret_error);
    if (r == 0)
        r = header_unpack(journal->map, id, &header, ret_error);
    if (r < 0) {
        journal_file_close(journal);
        return r;
    }
    journal->nonce = header.nonce;
    journal->size = header.size;
    journal->filled = allocated_bytes(journal);
    *ret_journal = journal;
    return 0;
}

void journal_file_close(struct journal_file *journal)
{
    if (!journal)
        return;
    map_close(journal->map);
    if (journal->file >= 0)
        (void)close(journal->file);
    free(journal->path);
    free(journal);
}

/* ---- read ---- */

int journal_read_points(const struct journal_file *journal, uint64_t series_id, uint64_t offset,
    struct batch *ret_view, struct error *ret_error)
{
    const uint8_t *image = map_data(journal->map);
    struct frame frame;
    bool valid = frame_parse(image, journal->size, offset, journal->nonce, true, &frame) == 1;
    if (!valid || map_faulted(journal->map) || frame.kind != FRAME_POINTS || frame.series_id != series_id)
        return error_set(ret_error, EBADMSG,
            "%s: offset %llu: the frame of series %llu does not have the checksum it was written with",
            journal->path, (unsigned long long)offset, (unsigned long long)series_id);
    return frame_view(image, &frame, false, ret_view, ret_error);
}

int journal_frame_bytes(
    const struct journal_file *journal, uint64_t offset, uint64_t *ret_bytes, struct error *ret_error)
{
    struct frame frame;
    if (frame_parse_header(map_data(journal->map), journal->size, offset, journal->nonce, &frame) != 1 ||
        map_faulted(journal->map))
        return error_set(ret_error, EBADMSG, "%s: offset %llu: there is no head of a frame", journal->path,
            (unsigned long long)offset);
    *ret_bytes = frame_size(&frame);
    return 0;
}

/* ---- prepare ---- */

/* Zeros over the whole size, not fallocate: a commit then neither allocates nor converts extents, and its
 * partial pages are in the cache already. Synced piece by piece: one flush of all of it would hold up the
 * commits of the active journal for as long as the device takes for it. */
static int fill_with_zeros(struct io *io, const struct journal_file *journal, struct error *ret_error)
{
    bool synced;
    return journal_file_fill(io, journal, 0, journal->filled, &synced, ret_error);
}

int journal_file_fill(struct io *io, const struct journal_file *journal, uint64_t from, uint64_t to,
    bool *ret_synced, struct error *ret_error)
{
    *ret_synced = false;
    uint8_t *zeros = calloc(1, FILL_BYTES);
    if (!zeros)
        return error_set(ret_error, ENOMEM, "out of memory");
    int r = 0;
    for (uint64_t offset = from; r == 0 && offset < to; offset += FILL_BYTES) {
        uint64_t left = to - offset;
        r = io_write_all(io, journal->file, journal->path, zeros,
            left < FILL_BYTES ? (size_t)left : FILL_BYTES, offset, ret_error);
        if (r == 0) {
            *ret_synced = true;
            r = io_sync_data(io, journal->file, journal->path, ret_error);
        }
    }
    free(zeros);
    return r;
}

/* The size first: a header of another size than the file's would be damage. */
static int create_filled(struct io *io, struct journal_file *journal, struct error *ret_error)
{
    journal->file = io_open_file(io, journal->path, O_WRONLY | O_CREAT | O_EXCL, 0600, ret_error);
    int r = journal->file < 0 ? journal->file : 0;
    if (r == 0 && journal->filled < journal->size)
        r = io_truncate(io, journal->file, journal->path, journal->size, ret_error);
    return r < 0 ? r : fill_with_zeros(io, journal, ret_error);
}

/* Safe at any moment of a crash: no manifest names the old id any more nor the new one already, so whatever
 * the file holds meanwhile is never read as either. */
static int take_recycled(
    struct io *io, struct journal_file *journal, const char *recycle, struct error *ret_error)
{
    int r = io_rename(io, recycle, journal->path, ret_error);
    if (r < 0)
        return r;
    journal->file = io_open_file(io, journal->path, O_WRONLY, 0, ret_error);
    if (journal->file < 0)
        return journal->file;
    /* Usually in the cache still; if not, commits shall not wait for it page by page. */
    (void)posix_fadvise(journal->file, 0, (off_t)journal->size, POSIX_FADV_WILLNEED);
    return 0;
}

/* 1 = the file has the wanted size and is taken; 0 = it does not and is gone. */
static int recycle_fits(struct io *io, const char *recycle, uint64_t size, struct error *ret_error)
{
    struct stat status;
    if (stat(recycle, &status) < 0)
        return error_set(ret_error, errno, "%s: cannot read its size: %s", recycle, strerrordesc_np(errno));
    if ((uint64_t)status.st_size == size)
        return 1;
    return io_unlink(io, recycle, ret_error);
}

static int publish_header(struct io *io, const struct journal_file *journal, const char *directory,
    uint32_t flags, struct error *ret_error)
{
    uint8_t page[JOURNAL_HEADER_BYTES];
    header_pack(page, journal, flags);
    int r = io_write_all(io, journal->file, journal->path, page, sizeof(page), 0, ret_error);
    if (r < 0)
        return r;
    r = io_sync(io, journal->file, journal->path, ret_error);
    return r < 0 ? r : io_sync_directory(io, directory, ret_error);
}

static int make_file(struct io *io, const char *directory, struct journal_file *journal, const char *recycle,
    struct error *ret_error)
{
    int r = recycle ? recycle_fits(io, recycle, journal->size, ret_error) : 0;
    if (r < 0)
        return r;
    uint32_t flags = r > 0 ? JOURNAL_FLAG_RECYCLED : 0;
    r = r > 0 ? take_recycled(io, journal, recycle, ret_error) : create_filled(io, journal, ret_error);
    if (r == 0)
        r = publish_header(io, journal, directory, flags, ret_error);
    if (r == 0)
        r = map_open(journal->path, journal->size, &journal->map, ret_error);
    return r;
}

static int prepare(struct io *io, const char *directory, const struct journal_file *wanted,
    const char *recycle, struct journal_file **ret_journal, struct error *ret_error)
{
    CHECK(wanted->size >= JOURNAL_BYTES_MIN && wanted->size <= JOURNAL_BYTES_MAX &&
          wanted->size % JOURNAL_HEADER_BYTES == 0);
    CHECK(wanted->filled >= JOURNAL_HEADER_BYTES && wanted->filled <= wanted->size &&
          wanted->filled % JOURNAL_HEADER_BYTES == 0);
    struct journal_file *journal;
    int r = journal_new(directory, wanted->id, &journal, ret_error);
    if (r < 0)
        return r;
    journal->size = wanted->size;
    journal->filled = wanted->filled;
    journal->nonce = wanted->nonce;
    bool exists = access(journal->path, F_OK) == 0;
    if (exists)
        r = error_set(ret_error, EEXIST, "%s exists already", journal->path);
    else
        r = make_file(io, directory, journal, recycle, ret_error);
    if (r < 0) {
        if (!exists) /* nobody has heard of the file: its space is worth more than its half-made content */
            (void)io_unlink(io, journal->path, NULL);
        journal_file_close(journal);
        return r;
    }
    *ret_journal = journal;
    return 0;
}

static int draw_nonce(uint64_t *ret_nonce, struct error *ret_error)
{
    if (getrandom(ret_nonce, sizeof(*ret_nonce), 0) != (ssize_t)sizeof(*ret_nonce))
        return error_set(ret_error, EIO, "no random number for a new journal: %s", strerrordesc_np(errno));
    return 0;
}

int journal_file_prepare(struct io *io, const char *directory, uint64_t id, uint64_t size,
    const char *recycle, struct journal_file **ret_journal, struct error *ret_error)
{
    struct journal_file wanted = {.id = id, .size = size, .filled = size};
    int r = draw_nonce(&wanted.nonce, ret_error);
    return r < 0 ? r : prepare(io, directory, &wanted, recycle, ret_journal, ret_error);
}

int journal_file_prepare_partly(struct io *io, const char *directory, uint64_t id, uint64_t size,
    uint64_t fill, struct journal_file **ret_journal, struct error *ret_error)
{
    struct journal_file wanted = {.id = id, .size = size, .filled = fill};
    int r = draw_nonce(&wanted.nonce, ret_error);
    return r < 0 ? r : prepare(io, directory, &wanted, NULL, ret_journal, ret_error);
}

/* ---- scan ---- */

struct tail {
    uint64_t end;          /* after the last frame of this journal that is at least a whole header */
    uint64_t synced_to;    /* the largest of all frames found behind the first bad one */
    uint64_t synced_frame; /* the frame that says so */
};

/* Looks behind the first bad frame for frames of this journal. Their headers vouch for themselves: a torn
 * payload does not make synced_to less true. */
static void look_behind(const struct journal_file *journal, uint64_t from, struct tail *ret_tail)
{
    const uint8_t *image = map_data(journal->map);
    const uint64_t magic_at = offsetof(struct frame_header, magic);
    struct tail tail = {.end = from};
    uint64_t offset = from;
    while (offset + sizeof(struct frame_header) <= journal->size) {
        struct frame frame;
        if (load_u32(image + offset + magic_at) != FRAME_MAGIC ||
            !frame_parse_header(image, journal->size, offset, journal->nonce, &frame)) {
            offset += FRAME_ALIGNMENT;
            continue;
        }
        if (frame.synced_to > tail.synced_to) {
            tail.synced_to = frame.synced_to;
            tail.synced_frame = offset;
        }
        offset += frame_size(&frame);
        tail.end = offset;
    }
    *ret_tail = tail;
}

static uint64_t last_byte_set(const struct journal_file *journal, uint64_t from)
{
    const uint8_t *image = map_data(journal->map);
    uint64_t end = journal->size;
    while (end - from >= sizeof(uint64_t) && load_u64(image + end - sizeof(uint64_t)) == 0)
        end -= sizeof(uint64_t);
    while (end > from && image[end - 1] == 0)
        end--;
    return end;
}

static int corrupt(const struct journal_file *journal, uint64_t limit, uint64_t offset, const char *because,
    struct error *ret_error)
{
    char found[128];
    frame_describe(map_data(journal->map), limit, offset, journal->nonce, found, sizeof(found));
    return error_set(ret_error, EBADMSG,
        "%s: damaged at offset %llu: expected a frame, because %s; found %s; `connectordb repair` keeps what "
        "is whole",
        journal->path, (unsigned long long)offset, because, found);
}

static bool is_recycled(const struct journal_file *journal)
{
    struct journal_header header;
    memcpy(&header, map_data(journal->map), sizeof(header));
    return header.flags & JOURNAL_FLAG_RECYCLED;
}

/* Decides whether the first bad frame, at `end`, is the tail or corruption. */
static int judge_tail(
    const struct journal_file *journal, uint64_t end, uint64_t *ret_torn_bytes, struct error *ret_error)
{
    struct tail tail;
    char because[128];
    look_behind(journal, end, &tail);
    if (tail.synced_to > end) {
        (void)snprintf(because, sizeof(because),
            "the frame at offset %llu was written when %llu bytes were on disk",
            (unsigned long long)tail.synced_frame, (unsigned long long)tail.synced_to);
        return corrupt(journal, journal->size, end, because, ret_error);
    }
    if (!is_recycled(journal)) {
        uint64_t last = last_byte_set(journal, end);
        if (last > tail.end)
            tail.end = last;
    }
    *ret_torn_bytes = tail.end - end;
    return 0;
}

/* The end of the unit that begins with this valid frame, or 0: some of its frames are not there. All frames
 * of a unit are written by the same group commit. */
static uint64_t unit_end(const struct journal_file *journal, uint64_t limit, const struct frame *first)
{
    struct frame frame = *first;
    uint64_t end = frame.offset + frame_size(&frame);
    while (frame.continues) {
        if (!frame_parse(map_data(journal->map), limit, end, journal->nonce, true, &frame) ||
            frame.group != first->group)
            return 0;
        end += frame_size(&frame);
    }
    return end;
}

/* Visits whole units only: of a torn one nothing counts. */
static int visit_frames(const struct journal_file *journal, uint64_t limit,
    int (*visit)(void *context, const struct frame *frame), void *context, struct journal_scan *scan)
{
    struct frame frame;
    uint64_t whole_to = 0; /* the frames before this offset belong to units that are whole */
    while (frame_parse(map_data(journal->map), limit, scan->end, journal->nonce, true, &frame)) {
        if (frame.continues && scan->end >= whole_to) {
            whole_to = unit_end(journal, limit, &frame);
            if (whole_to == 0)
                return 0;
        }
        int r = visit(context, &frame);
        if (r < 0)
            return r;
        scan->end += frame_size(&frame);
        scan->frames++;
        scan->points += frame.count;
    }
    return 0;
}

static int judge_clean_end(
    const struct journal_file *journal, uint64_t end, uint64_t expected_end, struct error *ret_error)
{
    char because[128];
    uint64_t limit = expected_end < journal->size ? expected_end : journal->size;
    if (end == expected_end)
        return 0;
    (void)snprintf(
        because, sizeof(because), "it was closed with %llu bytes", (unsigned long long)expected_end);
    return corrupt(journal, limit, end, because, ret_error);
}

int journal_file_scan(const struct journal_file *journal, uint64_t expected_end,
    int (*visit)(void *context, const struct frame *frame), void *context, struct journal_scan *ret_scan,
    struct error *ret_error)
{
    struct journal_scan scan = {.end = JOURNAL_HEADER_BYTES};
    uint64_t limit = expected_end > 0 && expected_end < journal->size ? expected_end : journal->size;
    int r = visit_frames(journal, limit, visit, context, &scan);
    if (r < 0)
        return r;
    if (expected_end > 0)
        r = judge_clean_end(journal, scan.end, expected_end, ret_error);
    else
        r = judge_tail(journal, scan.end, &scan.torn_bytes, ret_error);
    if (map_faulted(journal->map))
        return error_set(ret_error, EIO, "%s: cannot be read: I/O error, or the file was cut", journal->path);
    if (r == 0)
        *ret_scan = scan;
    return r;
}
