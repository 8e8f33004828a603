/* Rebuilds a damaged store from what of its files is sound, block by block and frame by frame: every piece
 * that validates is taken, in order of index; what is lost is said; later points of a series with a hole move
 * down to close it (indexes are places in a sequence, times stay). The result is a new directory; the old one
 * is kept whole. */
#include "append_times.h"
#include "bytes.h"
#include "check.h"
#include "id_map.h"
#include "journal_file.h"
#include "manifest.h"
#include "segment.h"
#include "segment_private.h"
#include "store.h"
#include "store_layout.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPAIRED_SEGMENT_BYTES = 1 << 30 };

struct source { /* one file */
    char *path;
    struct map *map;
    uint64_t id;
    uint64_t nonce; /* journals */
    bool is_journal;
};

struct piece { /* a sound block or frame */
    uint64_t series_id;
    uint64_t first_index;
    uint32_t count;
    uint32_t source;
    uint64_t offset;
    uint64_t size;
};

struct repair {
    const char *directory;
    void (*say)(void *context, const char *text);
    void *context;
    struct io *io;
    char *target;
    struct manifest manifest;
    bool manifest_sound;
    struct source *sources;
    uint32_t source_count;
    struct piece *pieces;
    size_t piece_count, piece_capacity;
    struct id_map deleted;
    uint64_t next_file_id;
    struct segment_writer *writer;
    struct manifest result;
    struct columns *columns;
    struct buffer bytes; /* of one piece, */
    struct batch batch;  /* and its points */
    struct store_repair_result counts;
};

__attribute__((format(printf, 2, 3))) static void say(struct repair *repair, const char *format, ...)
{
    char text[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (repair->say)
        repair->say(repair->context, text);
}

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ENOMEM, "out of memory for the repair; nothing was changed");
}

/* ---- the files ---- */

static int add_source(struct repair *repair, const char *name, uint64_t id, bool is_journal, uint64_t nonce,
    struct error *ret_error)
{
    struct error error = {0};
    struct source source = {.id = id, .is_journal = is_journal, .nonce = nonce};
    struct source *sources = realloc(repair->sources, (repair->source_count + 1) * sizeof(*sources));
    if (!sources)
        return no_memory(ret_error);
    repair->sources = sources;
    if (asprintf(&source.path, "%s/%s", repair->directory, name) < 0)
        return no_memory(ret_error);
    if (map_open(source.path, 0, &source.map, &error) < 0) {
        say(repair, "%s; it is left out", error.message);
        free(source.path);
        return 0;
    }
    repair->sources[repair->source_count++] = source;
    if (id >= repair->next_file_id)
        repair->next_file_id = id + 1;
    return 0;
}

static int add_named_sources(struct repair *repair, struct error *ret_error)
{
    char name[STORE_NAME_BYTES];
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < repair->manifest.segment_count; i++) {
        uint64_t id = repair->manifest.segments[i].id;
        r = add_source(repair, store_segment_name(name, id), id, false, 0, ret_error);
    }
    for (uint32_t i = 0; r == 0 && i < repair->manifest.journal_count; i++) {
        const struct manifest_journal *journal = &repair->manifest.journals[i];
        r = add_source(
            repair, store_journal_name(name, journal->id), journal->id, true, journal->nonce, ret_error);
    }
    return r;
}

/* Without a manifest every segment and every journal with a sound header counts. */
static int add_all_sources(struct repair *repair, struct error *ret_error)
{
    DIR *directory = opendir(repair->directory);
    if (!directory)
        return error_set(ret_error, errno, "%s: %s", repair->directory, strerror(errno));
    const struct dirent *entry;
    int r = 0;
    while (r == 0 && (entry = readdir(directory))) {
        uint64_t id;
        struct error error = {0};
        struct journal_file *file;
        if (store_name_is_segment(entry->d_name, &id)) {
            r = add_source(repair, entry->d_name, id, false, 0, ret_error);
        } else if (store_name_is_journal(entry->d_name, &id)) {
            if (journal_file_open(repair->directory, id, &file, &error) < 0) {
                say(repair, "%s; it is left out", error.message);
                continue;
            }
            r = add_source(repair, entry->d_name, id, true, file->nonce, ret_error);
            journal_file_close(file);
        }
    }
    (void)closedir(directory);
    return r;
}

static int find_sources(struct repair *repair, struct error *ret_error)
{
    struct error error = {0};
    int r = manifest_read(repair->directory, &repair->manifest, &error);
    repair->manifest_sound = r == 0;
    repair->next_file_id = 1;
    if (r < 0) {
        say(repair, "%s; going by the files that are there", error.message);
        return add_all_sources(repair, ret_error);
    }
    repair->next_file_id = repair->manifest.next_file_id;
    for (uint64_t i = 0; i < repair->manifest.deleted_count; i++) {
        if (id_map_put(&repair->deleted, repair->manifest.deleted[i], repair) < 0)
            return no_memory(ret_error);
    }
    return add_named_sources(repair, ret_error);
}

/* ---- the pieces ---- */

static int add_piece(struct repair *repair, const struct piece *piece, struct error *ret_error)
{
    if (repair->piece_count == repair->piece_capacity) {
        size_t capacity = repair->piece_capacity ? repair->piece_capacity * 2 : 1024;
        struct piece *pieces = realloc(repair->pieces, capacity * sizeof(*pieces));
        if (!pieces)
            return no_memory(ret_error);
        repair->pieces = pieces;
        repair->piece_capacity = capacity;
    }
    repair->pieces[repair->piece_count++] = *piece;
    return 0;
}

/* The end of the blocks, when the footer can tell; else blocks are looked for up to the end of the file. */
static uint64_t end_of_blocks(const struct source *source)
{
    struct segment_footer footer;
    struct segment_layout layout;
    uint64_t size = map_size(source->map);
    if (size < sizeof(footer))
        return size;
    memcpy(&footer, map_data(source->map) + size - sizeof(footer), sizeof(footer));
    return segment_footer_check(&footer, source->id, size, source->path, &layout, NULL) == 0
               ? footer.blocks_end
               : size;
}

/* Whether a sound block starts at `offset`. */
static bool block_at(
    const struct source *source, uint64_t offset, uint64_t end, struct block_header *ret_header)
{
    const uint8_t *data = map_data(source->map);
    uint64_t room = end - offset < BLOCK_BYTES_MAX ? end - offset : BLOCK_BYTES_MAX;
    uint64_t rest;
    const uint8_t *after;
    if (room < BLOCK_HEADER_BYTES_MIN ||
        !(after = varint_get(data + offset + 8, data + offset + room, &rest)))
        return false;
    uint64_t size = (uint64_t)(after - data) - offset;
    if (rest > room - size)
        return false;
    size += rest;
    return block_header_parse(data + offset, size, ret_header, NULL) == 0 && ret_header->size == size &&
           columns_plausible(data + offset + ret_header->header_size, ret_header->times_size,
               ret_header->values_size, ret_header->senders_size) &&
           block_is_sealed(data + offset, size, source->id, offset);
}

static int find_blocks(struct repair *repair, uint32_t number, struct error *ret_error)
{
    const struct source *source = &repair->sources[number];
    uint64_t end = end_of_blocks(source);
    uint64_t bad_from = 0;
    int r = 0;
    for (uint64_t offset = sizeof(struct segment_header); r == 0 && offset < end;) {
        struct block_header header;
        if (!block_at(source, offset, end, &header)) {
            bad_from = bad_from ? bad_from : offset;
            offset++;
            continue;
        }
        if (bad_from)
            say(repair, "%s: %llu bytes from offset %llu on are damaged", source->path,
                (unsigned long long)(offset - bad_from), (unsigned long long)bad_from);
        bad_from = 0;
        struct piece piece = {.series_id = header.series_id,
            .first_index = header.first_index,
            .count = header.count,
            .source = number,
            .offset = offset,
            .size = header.size};
        r = add_piece(repair, &piece, ret_error);
        offset += header.size;
    }
    if (bad_from && end < map_size(source->map))
        say(repair, "%s: %llu bytes from offset %llu on are damaged", source->path,
            (unsigned long long)(end - bad_from), (unsigned long long)bad_from);
    return r;
}

static int find_frames(struct repair *repair, uint32_t number, struct error *ret_error)
{
    const struct source *source = &repair->sources[number];
    uint64_t size = map_size(source->map);
    for (uint64_t offset = JOURNAL_HEADER_BYTES; offset < size;) {
        struct frame frame;
        if (frame_parse(map_data(source->map), size, offset, source->nonce, true, &frame) != 1) {
            offset += 8;
            continue;
        }
        int r = 0;
        if (frame.kind == FRAME_TOMBSTONE) {
            if (id_map_put(&repair->deleted, frame.series_id, repair) < 0)
                r = no_memory(ret_error);
        } else {
            struct piece piece = {.series_id = frame.series_id,
                .first_index = frame.first_index,
                .count = frame.count,
                .source = number,
                .offset = offset,
                .size = frame_size(&frame)};
            r = add_piece(repair, &piece, ret_error);
        }
        if (r < 0)
            return r;
        offset += frame_size(&frame);
    }
    return 0;
}

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->series_id != y->series_id)
        return x->series_id < y->series_id ? -1 : 1;
    if (x->first_index != y->first_index)
        return x->first_index < y->first_index ? -1 : 1;
    return x->count > y->count ? -1 : x->count < y->count; /* the longer one first: it covers the other */
}

static int find_pieces(struct repair *repair, struct error *ret_error)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < repair->source_count; i++)
        r = repair->sources[i].is_journal ? find_frames(repair, i, ret_error)
                                          : find_blocks(repair, i, ret_error);
    if (r == 0 && repair->piece_count > 0)
        qsort(repair->pieces, repair->piece_count, sizeof(*repair->pieces), compare_pieces);
    return r;
}

/* ---- writing ---- */

/* Copies the piece to repair->bytes and looks at it once more. A page that the disk does not give back turns
 * to zeros for good (map.h): what is sound after it was copied was sound while it was. The rest of the file
 * may be anything. */
static int copy_piece(
    struct repair *repair, const struct piece *piece, struct frame *ret_frame, struct error *ret_error)
{
    const struct source *source = &repair->sources[piece->source];
    const uint8_t *data = map_data(source->map);
    bool sound;
    repair->bytes.size = 0;
    if (buffer_append(&repair->bytes, data + piece->offset, (size_t)piece->size) < 0)
        return no_memory(ret_error);
    if (source->is_journal)
        sound = frame_parse(data, map_size(source->map), piece->offset, source->nonce, true, ret_frame) == 1;
    else
        sound = block_is_sealed(data + piece->offset, piece->size, source->id, piece->offset);
    return sound ? 0 : error_set(ret_error, EIO, "it could be read before, and cannot be now");
}

/* The piece's points, in repair->bytes or repair->batch until the next one is read. */
static int read_piece(
    struct repair *repair, const struct piece *piece, struct batch *ret_view, struct error *ret_error)
{
    struct frame frame;
    struct block_header header;
    int r = copy_piece(repair, piece, &frame, ret_error);
    if (r < 0)
        return r;
    if (repair->sources[piece->source].is_journal) {
        frame.offset = 0; /* in the copy */
        return frame_view(repair->bytes.data, &frame, true, ret_view, ret_error);
    }
    batch_clear(&repair->batch);
    r = block_header_parse(repair->bytes.data, piece->size, &header, ret_error);
    if (r == 0)
        r = segment_decode_block(
            repair->bytes.data, &header, repair->columns, false, &repair->batch, ret_error);
    if (r == 0) /* a frame's view tells by itself */
        r = batch_check_times(&repair->batch, -INFINITY, ret_error);
    if (r == 0)
        batch_slice(&repair->batch, 0, repair->batch.count, ret_view);
    return r;
}

static int end_writer(struct repair *repair, struct error *ret_error)
{
    if (!repair->writer)
        return 0;
    char *path = NULL;
    struct segment *segment = NULL;
    uint64_t id = repair->next_file_id - 1;
    int r = segment_writer_finish(repair->writer, ret_error);
    segment_writer_close(repair->writer);
    repair->writer = NULL;
    if (r == 0) {
        path = store_segment_path(repair->target, id);
        r = path ? 0 : no_memory(ret_error);
    }
    if (r == 0)
        r = segment_open(path, id, &segment, ret_error);
    if (r == 0 && segment_point_count(segment) > 0) {
        struct manifest_segment named = {
            .id = id, .size = segment_file_size(segment), .checksum = segment_footer_checksum(segment)};
        if (manifest_add_segment(&repair->result, named) < 0)
            r = no_memory(ret_error);
    } else if (r == 0) {
        (void)unlink(path);
    }
    segment_close(segment);
    free(path);
    return r;
}

static int begin_series(struct repair *repair, uint64_t series_id, struct error *ret_error)
{
    int r = 0;
    if (repair->writer && segment_writer_size(repair->writer) > REPAIRED_SEGMENT_BYTES)
        r = end_writer(repair, ret_error);
    if (r == 0 && !repair->writer) {
        uint64_t id = repair->next_file_id++;
        char *path = store_segment_path(repair->target, id);
        if (!path)
            return no_memory(ret_error);
        r = segment_writer_open(repair->io, path, id, &repair->writer, ret_error);
        free(path);
    }
    if (r == 0)
        r = segment_writer_series(repair->writer, series_id, 0, 0, ret_error);
    return r;
}

static void lose(struct repair *repair, uint64_t series_id, uint64_t from, uint64_t to)
{
    say(repair, "series %llu: points %llu to %llu are lost; later ones move down",
        (unsigned long long)series_id, (unsigned long long)from, (unsigned long long)to - 1);
    repair->counts.lost_points += to - from;
}

/* Pieces [from, to) are all of one series. */
static int write_series(struct repair *repair, size_t from, size_t to, struct error *ret_error)
{
    uint64_t series_id = repair->pieces[from].series_id;
    uint64_t expected = 0;
    double time_last = -INFINITY;
    int r = begin_series(repair, series_id, ret_error);
    for (size_t i = from; r == 0 && i < to; i++) {
        const struct piece *piece = &repair->pieces[i];
        uint64_t end = piece->first_index + piece->count;
        struct batch view, rest;
        struct error error = {0};
        if (end <= expected)
            continue; /* another file holds them as well */
        int read = read_piece(repair, piece, &view, &error);
        if (read == -ENOMEM)
            return no_memory(ret_error);
        uint32_t skip = piece->first_index < expected ? (uint32_t)(expected - piece->first_index) : 0;
        if (read == 0 && batch_time(&view, skip) < time_last)
            read = error_set(&error, EBADMSG, "series %llu: index %llu is older than the point before it",
                (unsigned long long)series_id, (unsigned long long)(piece->first_index + skip));
        if (read < 0) {
            say(repair, "%s: offset %llu: %s; left out", repair->sources[piece->source].path,
                (unsigned long long)piece->offset, error.message);
            continue;
        }
        if (piece->first_index > expected)
            lose(repair, series_id, expected, piece->first_index);
        batch_slice(&view, skip, view.count - skip, &rest);
        r = segment_writer_append(repair->writer, &rest, ret_error);
        time_last = batch_time(&view, view.count - 1);
        repair->counts.points += rest.count;
        expected = end;
    }
    return r;
}

static int write_all(struct repair *repair, struct error *ret_error)
{
    int r = 0;
    for (size_t from = 0, to; r == 0 && from < repair->piece_count; from = to) {
        for (to = from + 1;
             to < repair->piece_count && repair->pieces[to].series_id == repair->pieces[from].series_id;)
            to++;
        if (id_map_get(&repair->deleted, repair->pieces[from].series_id))
            continue;
        r = write_series(repair, from, to, ret_error);
        repair->counts.series++;
    }
    if (r == 0)
        r = end_writer(repair, ret_error);
    if (r == 0) {
        repair->result.version = repair->manifest.version + 1;
        repair->result.next_file_id = repair->next_file_id;
        r = manifest_write(repair->io, repair->target, &repair->result, ret_error);
    }
    return r;
}

/* ---- putting it in place ---- */

static void remove_target(const struct repair *repair)
{
    DIR *directory = opendir(repair->target);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        char *path;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (asprintf(&path, "%s/%s", repair->target, entry->d_name) < 0)
            break;
        (void)unlink(path);
        free(path);
    }
    if (directory)
        (void)closedir(directory);
    (void)rmdir(repair->target);
}

/* The last step, also of a repair that was interrupted before it: the rebuilt directory gets its name,
 * durably. */
static int move_into_place(struct repair *repair, struct error *ret_error)
{
    char *parent = strdup(repair->directory);
    if (!parent)
        return no_memory(ret_error);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = 0;
    int r = io_rename(repair->io, repair->target, repair->directory, ret_error);
    if (r < 0)
        (void)error_prefix(ret_error, "run `connectordb repair` again");
    else
        r = io_sync_directory(repair->io, slash ? parent : ".", ret_error);
    free(parent);
    return r;
}

static int swap_directories(struct repair *repair, const char *keep_as, struct error *ret_error)
{
    int r = io_rename(repair->io, repair->directory, keep_as, ret_error);
    if (r < 0) {
        (void)error_prefix(ret_error, "nothing was changed");
        return r;
    }
    return move_into_place(repair, ret_error);
}

static void repair_free(struct repair *repair)
{
    for (uint32_t i = 0; i < repair->source_count; i++) {
        map_close(repair->sources[i].map);
        free(repair->sources[i].path);
    }
    free(repair->sources);
    free(repair->pieces);
    free(repair->target);
    id_map_free(&repair->deleted);
    segment_writer_close(repair->writer);
    columns_close(repair->columns);
    batch_free(&repair->batch);
    buffer_free(&repair->bytes);
    manifest_free(&repair->manifest);
    manifest_free(&repair->result);
    io_close(repair->io);
}

static int prepare(struct repair *repair, struct error *ret_error)
{
    int r = io_open_default(&repair->io, ret_error);
    if (r == 0 && asprintf(&repair->target, "%s" STORE_REPAIRING, repair->directory) < 0) {
        repair->target = NULL;
        r = no_memory(ret_error);
    }
    return r;
}

/* A repair that stopped between its two renames: the rebuilt directory, complete, waits for its name. */
static bool was_interrupted(const struct repair *repair)
{
    struct manifest manifest;
    if (access(repair->directory, F_OK) == 0 || manifest_read(repair->target, &manifest, NULL) < 0)
        return false;
    manifest_free(&manifest);
    return true;
}

static int rebuild(struct repair *repair, struct error *ret_error)
{
    int r = 0;
    if (columns_open(&repair->columns) < 0)
        r = no_memory(ret_error);
    if (r == 0)
        r = find_sources(repair, ret_error);
    if (r == 0)
        r = find_pieces(repair, ret_error);
    if (r < 0)
        return r;
    remove_target(repair); /* of a repair that was interrupted */
    r = io_make_directory(repair->io, repair->target, 0700, ret_error);
    if (r < 0)
        return r;
    r = write_all(repair, ret_error);
    if (r < 0)
        remove_target(repair);
    return r;
}

int store_repair(const char *directory, const char *keep_as, void (*line)(void *context, const char *text),
    void *context, struct store_repair_result *ret_result, struct error *ret_error)
{
    struct repair repair = {.directory = directory, .say = line, .context = context};
    int r = map_install_handler(ret_error);
    if (r < 0)
        return r;
    batch_init(&repair.batch);
    r = prepare(&repair, ret_error);
    if (r == 0 && was_interrupted(&repair)) {
        say(&repair, "finishing a repair that was interrupted");
        r = move_into_place(&repair, ret_error);
    } else {
        if (r == 0)
            r = rebuild(&repair, ret_error);
        if (r == 0)
            r = swap_directories(&repair, keep_as, ret_error);
    }
    if (r == 0)
        *ret_result = repair.counts;
    repair_free(&repair);
    return r;
}
