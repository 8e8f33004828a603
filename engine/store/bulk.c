/* Bulk load: series go straight into segments in a staging directory, which then move into the store in one
 * step. The staging's own small manifest names what is finished there, so that a killed load can go on. */
#include "bulk.h"

#include "append_times.h"
#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "file.h"
#include "segment.h"
#include "staging_format.h"
#include "store_layout.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BULK_NAME_BYTES_MAX = 64,
    BULK_SEGMENT_BYTES =
        64 << 20, /* a segment this large is finished before the next series: what resuming may lose */
    STAGING_BYTES_MAX = 1 << 30,
    FILE_IDS_PER_BULK = 1 << 16, /* taken in advance: one change of the set of files for so many */
};

struct store_bulk {
    struct io *io;
    struct files *files;
    struct wake wake;
    char *directory;
    pthread_mutex_t lock; /* the fields below */
    uint64_t next_file_id, file_id_end;
    struct staging_entry *entries;
    size_t entry_count, entry_capacity;
    bool published;
};

struct store_bulk_writer {
    struct store_bulk *bulk;
    struct segment_writer *segment;
    uint64_t segment_id;
    char *path;
    struct staging_entry *pending; /* series of the current segment; the last one is being loaded */
    size_t pending_count, pending_capacity;
    double time_last;
};

/* ---- the staging's manifest ---- */

static int write_staging(struct store_bulk *bulk, struct error *ret_error)
{
    size_t size = sizeof(struct staging_header) + bulk->entry_count * sizeof(struct staging_entry);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return error_set(ret_error, ENOMEM, "out of memory for the staging");
    struct staging_header header = {.magic = STAGING_MAGIC, .count = bulk->entry_count};
    memcpy(bytes, &header, sizeof(header));
    if (bulk->entry_count > 0)
        memcpy(bytes + sizeof(header), bulk->entries, bulk->entry_count * sizeof(struct staging_entry));
    store_u64(bytes, checksum(bytes + sizeof(uint64_t), size - sizeof(uint64_t), 0));
    int r = io_replace_file(bulk->io, bulk->directory, STAGING_NAME, bytes, size, ret_error);
    free(bytes);
    return r;
}

static int parse_staging(struct store_bulk *bulk, const uint8_t *bytes, size_t size)
{
    struct staging_header header;
    if (size < sizeof(header))
        return -EBADMSG;
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != STAGING_MAGIC ||
        header.count != (size - sizeof(header)) / sizeof(struct staging_entry) ||
        header.checksum != checksum(bytes + sizeof(uint64_t), size - sizeof(uint64_t), 0))
        return -EBADMSG;
    bulk->entries = malloc((header.count + 1) * sizeof(struct staging_entry));
    if (!bulk->entries)
        return -ENOMEM;
    memcpy(bulk->entries, bytes + sizeof(header), header.count * sizeof(struct staging_entry));
    bulk->entry_count = header.count;
    bulk->entry_capacity = header.count + 1;
    return 0;
}

static int read_staging(struct store_bulk *bulk, struct error *ret_error)
{
    char *path = store_path(bulk->directory, STAGING_NAME);
    if (!path)
        return error_set(ret_error, ENOMEM, "out of memory for the staging");
    struct buffer bytes = {0};
    int r = file_read_regular(path, STAGING_BYTES_MAX, &bytes, ret_error);
    if (r == -ENOENT) {
        r = 0;
    } else if (r == 0) {
        r = parse_staging(bulk, bytes.data, bytes.size);
        if (r < 0)
            (void)error_set(ret_error, -r, "%s: is damaged; start the import anew", path);
    }
    buffer_free(&bytes);
    free(path);
    return r;
}

/* Forgets series whose segment is not there or not whole. */
static int verify_staging(struct store_bulk *bulk, struct error *ret_error)
{
    size_t kept = 0;
    uint64_t checked_id = 0;
    bool checked_good = false;
    for (size_t i = 0; i < bulk->entry_count; i++) {
        uint64_t id = bulk->entries[i].segment_id;
        if (i == 0 || id != checked_id) {
            char *path = store_segment_path(bulk->directory, id);
            if (!path)
                return error_set(ret_error, ENOMEM, "out of memory for the staging");
            struct segment *segment = NULL;
            checked_good = segment_open(path, id, &segment, NULL) == 0;
            checked_id = id;
            segment_close(segment);
            free(path);
        }
        if (checked_good)
            bulk->entries[kept++] = bulk->entries[i];
    }
    bulk->entry_count = kept;
    return 0;
}

static bool is_staged(const struct store_bulk *bulk, const char *name)
{
    uint64_t id;
    if (!store_name_is_segment(name, &id))
        return false;
    for (size_t i = 0; i < bulk->entry_count; i++) {
        if (bulk->entries[i].segment_id == id)
            return true;
    }
    return false;
}

/* Unlinks everything in the staging directory, or only what is not staged. */
static void clear_directory(const struct store_bulk *bulk, bool keep_staged)
{
    DIR *directory = opendir(bulk->directory);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (keep_staged && (strcmp(name, STAGING_NAME) == 0 || is_staged(bulk, name)))
            continue;
        char *path = store_path(bulk->directory, name);
        if (path)
            (void)io_unlink(bulk->io, path, NULL);
        free(path);
    }
    if (directory)
        (void)closedir(directory);
}

/* ---- opening and closing ---- */

static bool name_is_valid(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > BULK_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
            return false;
    }
    return true;
}

static int take_file_ids(struct store_bulk *bulk, struct error *ret_error)
{
    uint64_t first = files_take_ids(bulk->files, FILE_IDS_PER_BULK);
    /* Durable before they are used: the staging keeps its files over a crash. */
    int r = files_apply(bulk->files, &(struct files_edit){0}, NULL, ret_error);
    if (r < 0)
        return r;
    bulk->next_file_id = first;
    bulk->file_id_end = first + FILE_IDS_PER_BULK;
    return 0;
}

static int bulk_new(struct io *io, struct files *files, const char *name, struct store_bulk **ret_bulk,
    struct error *ret_error)
{
    if (!name_is_valid(name))
        return error_set(ret_error, EINVAL, "'%s' is no name for a staging", name);
    struct store_bulk *bulk = calloc(1, sizeof(*bulk));
    if (bulk)
        bulk->directory = store_import_path(files_directory(files), name);
    if (!bulk || !bulk->directory) {
        free(bulk);
        return error_set(ret_error, ENOMEM, "out of memory for the staging");
    }
    bulk->io = io;
    bulk->files = files;
    (void)pthread_mutex_init(&bulk->lock, NULL);
    *ret_bulk = bulk;
    return 0;
}

int bulk_open(struct io *io, struct files *files, struct wake wake, const char *name, bool resume,
    struct store_bulk **ret_bulk, struct error *ret_error)
{
    struct store_bulk *bulk;
    int r = bulk_new(io, files, name, &bulk, ret_error);
    if (r < 0)
        return r;
    bulk->wake = wake;
    struct error error;
    r = io_make_directory(io, bulk->directory, 0700, &error);
    if (r == -EEXIST && resume) {
        r = read_staging(bulk, ret_error);
        if (r == 0)
            r = verify_staging(bulk, ret_error);
        if (r == 0)
            clear_directory(bulk, true);
    } else if (r < 0) {
        (void)error_set(ret_error, error.code, "%s", error.message);
    } else {
        r = io_sync_directory(io, files_directory(files), ret_error);
    }
    if (r == 0)
        r = take_file_ids(bulk, ret_error);
    if (r < 0) {
        store_bulk_close(bulk, true);
        return r;
    }
    *ret_bulk = bulk;
    return 0;
}

void store_bulk_close(struct store_bulk *bulk, bool keep)
{
    if (!bulk)
        return;
    if (bulk->published || !keep) {
        clear_directory(bulk, false);
        (void)rmdir(bulk->directory);
    }
    (void)pthread_mutex_destroy(&bulk->lock);
    free(bulk->entries);
    free(bulk->directory);
    free(bulk);
}

int bulk_discard(struct io *io, struct files *files, const char *name, struct error *ret_error)
{
    struct store_bulk *bulk;
    int r = bulk_new(io, files, name, &bulk, ret_error);
    if (r == 0)
        store_bulk_close(bulk, false);
    return r;
}

const char *store_bulk_directory(const struct store_bulk *bulk)
{
    return bulk->directory;
}

bool store_bulk_find(struct store_bulk *bulk, uint64_t tag, uint64_t *ret_series_id, uint64_t *ret_points)
{
    bool found = false;
    (void)pthread_mutex_lock(&bulk->lock);
    for (size_t i = 0; !found && i < bulk->entry_count; i++) {
        if (bulk->entries[i].tag == tag) {
            *ret_series_id = bulk->entries[i].series_id;
            *ret_points = bulk->entries[i].points;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&bulk->lock);
    return found;
}

/* ---- writing ---- */

int store_bulk_writer_open(
    struct store_bulk *bulk, struct store_bulk_writer **ret_writer, struct error *ret_error)
{
    struct store_bulk_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return error_set(ret_error, ENOMEM, "out of memory for a bulk load");
    writer->bulk = bulk;
    *ret_writer = writer;
    return 0;
}

void store_bulk_writer_close(struct store_bulk_writer *writer)
{
    if (!writer)
        return;
    segment_writer_close(writer->segment);
    free(writer->path);
    free(writer->pending);
    free(writer);
}

static int begin_segment(struct store_bulk_writer *writer, struct error *ret_error)
{
    struct store_bulk *bulk = writer->bulk;
    (void)pthread_mutex_lock(&bulk->lock);
    bool exhausted = bulk->next_file_id == bulk->file_id_end;
    int r = exhausted ? take_file_ids(bulk, ret_error) : 0;
    writer->segment_id = bulk->next_file_id++;
    (void)pthread_mutex_unlock(&bulk->lock);
    if (r < 0)
        return r;
    free(writer->path);
    writer->path = store_segment_path(bulk->directory, writer->segment_id);
    if (!writer->path)
        return error_set(ret_error, ENOMEM, "out of memory for a bulk load");
    return segment_writer_open(bulk->io, writer->path, writer->segment_id, &writer->segment, ret_error);
}

/* Finishes the segment and names its series in the staging. */
static int end_segment(struct store_bulk_writer *writer, struct error *ret_error)
{
    struct store_bulk *bulk = writer->bulk;
    struct io *io = bulk->io;
    if (!writer->segment)
        return 0;
    int r = segment_writer_finish(writer->segment, ret_error);
    if (r == 0)
        r = io_sync_directory(io, bulk->directory, ret_error);
    segment_writer_close(writer->segment);
    writer->segment = NULL;
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&bulk->lock);
    size_t needed = bulk->entry_count + writer->pending_count;
    if (needed > bulk->entry_capacity) {
        struct staging_entry *entries = realloc(bulk->entries, needed * 2 * sizeof(*entries));
        if (entries) {
            bulk->entries = entries;
            bulk->entry_capacity = needed * 2;
        } else {
            r = error_set(ret_error, ENOMEM, "out of memory for the staging");
        }
    }
    if (r == 0) {
        memcpy(bulk->entries + bulk->entry_count, writer->pending,
            writer->pending_count * sizeof(*writer->pending));
        bulk->entry_count = needed;
        r = write_staging(bulk, ret_error);
    }
    (void)pthread_mutex_unlock(&bulk->lock);
    writer->pending_count = 0;
    return r;
}

static int add_pending(struct store_bulk_writer *writer, uint64_t series_id, uint64_t tag)
{
    if (writer->pending_count == writer->pending_capacity) {
        size_t capacity = writer->pending_capacity ? writer->pending_capacity * 2 : 16;
        struct staging_entry *pending = realloc(writer->pending, capacity * sizeof(*pending));
        if (!pending)
            return -ENOMEM;
        writer->pending = pending;
        writer->pending_capacity = capacity;
    }
    writer->pending[writer->pending_count++] =
        (struct staging_entry){.series_id = series_id, .tag = tag, .segment_id = writer->segment_id};
    return 0;
}

static int check_is_new(struct files *files, uint64_t series_id, struct error *ret_error)
{
    struct version *version = files_version(files);
    bool holds = version_holds(version, series_id) && !files_is_deleted(files, series_id);
    version_release(version);
    return holds ? error_set(
                       ret_error, EEXIST, "series %llu holds points already", (unsigned long long)series_id)
                 : 0;
}

int store_bulk_series(
    struct store_bulk_writer *writer, uint64_t series_id, uint64_t tag, struct error *ret_error)
{
    int r = check_is_new(writer->bulk->files, series_id, ret_error);
    if (r == 0 && writer->segment && writer->pending_count > 0 &&
        (series_id <= writer->pending[writer->pending_count - 1].series_id ||
            segment_writer_size(writer->segment) > BULK_SEGMENT_BYTES))
        r = end_segment(writer, ret_error);
    if (r == 0 && !writer->segment)
        r = begin_segment(writer, ret_error);
    if (r == 0)
        r = segment_writer_series(writer->segment, series_id, 0, 0, ret_error);
    if (r == 0 && add_pending(writer, series_id, tag) < 0)
        r = error_set(ret_error, ENOMEM, "out of memory for a bulk load");
    writer->time_last = -INFINITY;
    return r;
}

int store_bulk_append(struct store_bulk_writer *writer, const struct batch *batch, struct error *ret_error)
{
    CHECK(writer->segment && writer->pending_count > 0);
    if (batch->count == 0)
        return 0;
    if (batch->missing_times)
        return error_set(ret_error, EINVAL, "a point without a time cannot be loaded");
    int r = batch_check_times(batch, writer->time_last, ret_error);
    if (r == 0)
        r = segment_writer_append(writer->segment, batch, ret_error);
    if (r < 0)
        return r;
    writer->time_last = batch_time(batch, batch->count - 1);
    writer->pending[writer->pending_count - 1].points += batch->count;
    return 0;
}

int store_bulk_writer_finish(struct store_bulk_writer *writer, struct error *ret_error)
{
    return end_segment(writer, ret_error);
}

/* ---- publishing ---- */

struct move {
    char *from, *to;
    uint64_t id;
    struct segment_file *file;
    bool moved;
};

static int compare_moves(const void *a, const void *b)
{
    uint64_t x = ((const struct move *)a)->id, y = ((const struct move *)b)->id;
    return x < y ? -1 : x > y;
}

/* The distinct segments of the staging. */
static int list_moves(struct store_bulk *bulk, struct move **ret_moves, uint32_t *ret_count)
{
    struct move *moves = calloc(bulk->entry_count + 1, sizeof(*moves));
    if (!moves)
        return -ENOMEM;
    for (size_t i = 0; i < bulk->entry_count; i++)
        moves[i].id = bulk->entries[i].segment_id;
    qsort(moves, bulk->entry_count, sizeof(*moves), compare_moves);
    uint32_t count = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < bulk->entry_count; i++) {
        if (count > 0 && moves[count - 1].id == moves[i].id)
            continue;
        uint64_t id = moves[i].id;
        moves[count] = (struct move){
            .id = id,
            .from = store_segment_path(bulk->directory, id),
            .to = store_segment_path(files_directory(bulk->files), id),
        };
        r = moves[count].from && moves[count].to ? 0 : -ENOMEM;
        count++;
    }
    *ret_moves = moves;
    *ret_count = count;
    return r;
}

static void free_moves(struct move *moves, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(moves[i].from);
        free(moves[i].to);
        segment_file_release(moves[i].file);
    }
    free(moves);
}

static int move_segment(struct io *io, struct move *move, struct error *ret_error)
{
    int r = io_rename(io, move->from, move->to, ret_error);
    if (r < 0)
        return r;
    move->moved = true;
    struct segment *segment;
    r = segment_open(move->to, move->id, &segment, ret_error);
    if (r < 0)
        return r;
    if (segment_point_count(segment) == 0) { /* only empty series: nothing to keep */
        segment_close(segment);
        (void)io_unlink(io, move->to, NULL);
        return 0;
    }
    move->file = segment_file_new(io, segment);
    if (!move->file) {
        segment_close(segment);
        return error_set(ret_error, ENOMEM, "out of memory for a bulk load");
    }
    return 0;
}

static int name_segments(struct files *files, struct move *moves, uint32_t count,
    enum files_outcome *ret_outcome, struct error *ret_error)
{
    *ret_outcome = FILES_REFUSED;
    struct segment_file **segments = calloc((size_t)count + 1, sizeof(struct segment_file *));
    if (!segments)
        return error_set(ret_error, ENOMEM, "out of memory for a bulk load");
    uint32_t segment_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (moves[i].file)
            segments[segment_count++] = moves[i].file;
    }
    int r = 0;
    if (segment_count > 0)
        r = files_apply(files,
            &(struct files_edit){
                .add_segments = segments,
                .add_segment_count = segment_count,
                .keep_refused = true, /* they go back to the staging */
            },
            ret_outcome, ret_error);
    free(segments);
    return r;
}

int store_bulk_publish(struct store_bulk *bulk, struct error *ret_error)
{
    struct move *moves = NULL;
    uint32_t count = 0;
    (void)pthread_mutex_lock(&bulk->lock);
    int r = list_moves(bulk, &moves, &count);
    if (r < 0)
        (void)error_set(ret_error, ENOMEM, "out of memory for a bulk load");
    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = move_segment(bulk->io, &moves[i], ret_error);
    if (r == 0)
        r = io_sync_directory(bulk->io, files_directory(bulk->files), ret_error);
    enum files_outcome outcome = FILES_REFUSED;
    if (r == 0) {
        r = name_segments(bulk->files, moves, count, &outcome, ret_error);
        bulk->published = r == 0;
        bulk->wake.call(bulk->wake.context);
    }
    for (uint32_t i = 0; r < 0 && outcome == FILES_REFUSED && i < count;
         i++) { /* back into the staging, so that a resumed load finds them */
        if (moves[i].moved)
            (void)io_rename(bulk->io, moves[i].to, moves[i].from, NULL);
    }
    free_moves(moves, moves ? count : 0);
    (void)pthread_mutex_unlock(&bulk->lock);
    return r;
}
