#include "manifest.h"

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "file.h"
#include "store_layout.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the lists: room for the smallest power of two that holds the count ---- */

static uint64_t room_for(uint64_t count)
{
    uint64_t room = 1;
    while (room < count)
        room *= 2;
    return room;
}

/* Makes room for one more. 0 or -ENOMEM with everything unchanged. */
static int grow(void **list, uint64_t count, size_t item_bytes)
{
    if (*list && count < room_for(count))
        return 0;
    void *larger = realloc(*list, room_for(count + 1) * item_bytes);
    if (!larger)
        return -ENOMEM;
    *list = larger;
    return 0;
}

int manifest_add_journal(struct manifest *manifest, struct manifest_journal journal)
{
    void *list = manifest->journals;
    int r = grow(&list, manifest->journal_count, sizeof(journal));
    if (r < 0)
        return r;
    manifest->journals = list;
    manifest->journals[manifest->journal_count++] = journal;
    return 0;
}

int manifest_add_segment(struct manifest *manifest, struct manifest_segment segment)
{
    void *list = manifest->segments;
    int r = grow(&list, manifest->segment_count, sizeof(segment));
    if (r < 0)
        return r;
    manifest->segments = list;
    manifest->segments[manifest->segment_count++] = segment;
    return 0;
}

/* The index of the first deleted series with this id or a larger one. */
static uint64_t deleted_index(const struct manifest *manifest, uint64_t series_id)
{
    uint64_t low = 0, high = manifest->deleted_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (manifest->deleted[middle] < series_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int manifest_add_deleted(struct manifest *manifest, uint64_t series_id)
{
    uint64_t index = deleted_index(manifest, series_id);
    if (index < manifest->deleted_count && manifest->deleted[index] == series_id)
        return 0;
    void *list = manifest->deleted;
    int r = grow(&list, manifest->deleted_count, sizeof(series_id));
    if (r < 0)
        return r;
    manifest->deleted = list;
    memmove(&manifest->deleted[index + 1], &manifest->deleted[index],
        (manifest->deleted_count - index) * sizeof(series_id));
    manifest->deleted[index] = series_id;
    manifest->deleted_count++;
    return 0;
}

/* A copy of a list, with memory as grow expects it; NULL without memory. */
static void *copy_list(const void *list, uint64_t count, size_t item_bytes)
{
    void *copy = malloc(room_for(count) * item_bytes);
    if (copy && count > 0)
        memcpy(copy, list, count * item_bytes);
    return copy;
}

int manifest_copy(const struct manifest *from, struct manifest *ret_to)
{
    *ret_to = *from;
    ret_to->journals = copy_list(from->journals, from->journal_count, sizeof(*from->journals));
    ret_to->segments = copy_list(from->segments, from->segment_count, sizeof(*from->segments));
    ret_to->deleted = copy_list(from->deleted, from->deleted_count, sizeof(*from->deleted));
    return ret_to->journals && ret_to->segments && ret_to->deleted ? 0 : -ENOMEM;
}

void manifest_free(struct manifest *manifest)
{
    free(manifest->journals);
    free(manifest->segments);
    free(manifest->deleted);
    *manifest = (struct manifest){0};
}

/* ---- bytes ---- */

static uint64_t image_checksum(const uint8_t *image, uint64_t size)
{
    size_t from = offsetof(struct manifest_header, format_version);
    return checksum(image + from, size - from, 0);
}

/* The size that a header's counts claim; 0 when it is over MANIFEST_BYTES_MAX. */
static uint64_t claimed_size(const struct manifest_header *header)
{
    if (header->deleted_count > MANIFEST_BYTES_MAX)
        return 0;
    uint64_t size = sizeof(*header) + header->journal_count * sizeof(struct manifest_journal) +
                    header->segment_count * sizeof(struct manifest_segment) +
                    header->deleted_count * sizeof(uint64_t);
    return size <= MANIFEST_BYTES_MAX ? size : 0;
}

static uint8_t *put(uint8_t *to, const void *list, uint64_t bytes)
{
    if (bytes > 0)
        memcpy(to, list, bytes);
    return to + bytes;
}

static void pack(uint8_t *image, const struct manifest *manifest, struct manifest_header header)
{
    uint8_t *to = put(image, &header, sizeof(header));
    to = put(to, manifest->journals, header.journal_count * sizeof(*manifest->journals));
    to = put(to, manifest->segments, header.segment_count * sizeof(*manifest->segments));
    to = put(to, manifest->deleted, header.deleted_count * sizeof(*manifest->deleted));
    CHECK((uint64_t)(to - image) == header.file_size);
    store_u64(image + offsetof(struct manifest_header, checksum), image_checksum(image, header.file_size));
}

int manifest_write(
    struct io *io, const char *directory, const struct manifest *manifest, struct error *ret_error)
{
    bool in_doubt;
    return manifest_write_result(io, directory, manifest, &in_doubt, ret_error);
}

int manifest_write_result(struct io *io, const char *directory, const struct manifest *manifest,
    bool *ret_in_doubt, struct error *ret_error)
{
    bool renamed = false;
    *ret_in_doubt = false;
    struct manifest_header header = {
        .format_version = MANIFEST_FORMAT_VERSION,
        .version = manifest->version,
        .next_file_id = manifest->next_file_id,
        .journal_count = manifest->journal_count,
        .segment_count = manifest->segment_count,
        .deleted_count = manifest->deleted_count,
    };
    memcpy(header.magic, MANIFEST_MAGIC, sizeof(header.magic));
    header.file_size = claimed_size(&header);
    if (header.file_size == 0)
        return error_set(ret_error, EFBIG, "%s/%s would be larger than %d bytes", directory, MANIFEST_NAME,
            MANIFEST_BYTES_MAX);
    uint8_t *image = malloc(header.file_size);
    if (!image)
        return error_set(ret_error, ENOMEM, "out of memory");
    pack(image, manifest, header);
    int r =
        io_replace_file_result(io, directory, MANIFEST_NAME, image, header.file_size, &renamed, ret_error);
    *ret_in_doubt = r < 0 && renamed;
    free(image);
    return r;
}

/* ---- reading ---- */

static int read_image(const char *path, struct buffer *image, struct error *ret_error)
{
    int r = file_read_regular(path, MANIFEST_BYTES_MAX, image, ret_error);
    if (r == -E2BIG || (r == 0 && image->size < sizeof(struct manifest_header)))
        return error_set(ret_error, EBADMSG, "%s: %s bytes, expected %zu to %d; `connectordb repair` helps",
            path, r < 0 ? "too many" : "too few", sizeof(struct manifest_header), MANIFEST_BYTES_MAX);
    return r;
}

/* Position of magic, checksum, format version and flags and the checksum's rule are the same in every
 * version, so that a newer file is told from a damaged one. */
static int verify(const char *path, const uint8_t *image, uint64_t size, const struct manifest_header *header,
    struct error *ret_error)
{
    if (memcmp(header->magic, MANIFEST_MAGIC, sizeof(header->magic)) != 0)
        return error_set(ret_error, EBADMSG,
            "%s: offset 0: not a manifest (no \"%s\"); `connectordb repair` helps", path, MANIFEST_MAGIC);
    uint64_t found = image_checksum(image, size);
    if (found != header->checksum)
        return error_set(ret_error, EBADMSG,
            "%s: offset %zu: checksum %016llx, expected %016llx; `connectordb repair` helps", path,
            offsetof(struct manifest_header, checksum), (unsigned long long)found,
            (unsigned long long)header->checksum);
    if (header->format_version != MANIFEST_FORMAT_VERSION || header->flags != 0)
        return error_set(ret_error, ENOTSUP,
            "%s: manifest version %u, flags %#x: written by a newer ConnectorDB; this one reads version %d",
            path, header->format_version, header->flags, MANIFEST_FORMAT_VERSION);
    uint64_t claimed = claimed_size(header);
    if (claimed != size || header->file_size != size)
        return error_set(ret_error, EBADMSG,
            "%s: offset %zu: %llu bytes by its header, %llu by its counts, found %llu; `connectordb repair` "
            "helps",
            path, offsetof(struct manifest_header, file_size), (unsigned long long)header->file_size,
            (unsigned long long)claimed, (unsigned long long)size);
    return 0;
}

/* A copy of `count` items with room as grow expects it; *from moves behind them. NULL without memory. */
static void *take(const uint8_t **from, uint64_t count, size_t item_bytes)
{
    void *list = copy_list(*from, count, item_bytes);
    *from += count * item_bytes;
    return list;
}

static int check_deleted(const char *path, const struct manifest *manifest, struct error *ret_error)
{
    for (uint64_t i = 1; i < manifest->deleted_count; i++) {
        if (manifest->deleted[i] <= manifest->deleted[i - 1])
            return error_set(ret_error, EBADMSG,
                "%s: deleted series %llu follows %llu; `connectordb repair` helps", path,
                (unsigned long long)manifest->deleted[i], (unsigned long long)manifest->deleted[i - 1]);
    }
    return 0;
}

static int unpack(const char *path, const uint8_t *image, uint64_t size, struct manifest *ret_manifest,
    struct error *ret_error)
{
    struct manifest_header header;
    memcpy(&header, image, sizeof(header));
    int r = verify(path, image, size, &header, ret_error);
    if (r < 0)
        return r;
    struct manifest manifest = {
        .version = header.version,
        .next_file_id = header.next_file_id,
        .journal_count = header.journal_count,
        .segment_count = header.segment_count,
        .deleted_count = header.deleted_count,
    };
    const uint8_t *from = image + sizeof(header);
    manifest.journals = take(&from, header.journal_count, sizeof(*manifest.journals));
    manifest.segments = take(&from, header.segment_count, sizeof(*manifest.segments));
    manifest.deleted = take(&from, header.deleted_count, sizeof(*manifest.deleted));
    if (!manifest.journals || !manifest.segments || !manifest.deleted)
        r = error_set(ret_error, ENOMEM, "out of memory");
    else
        r = check_deleted(path, &manifest, ret_error);
    if (r < 0) {
        manifest_free(&manifest);
        return r;
    }
    *ret_manifest = manifest;
    return 0;
}

int manifest_read(const char *directory, struct manifest *ret_manifest, struct error *ret_error)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", directory, MANIFEST_NAME);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(ret_error, ENAMETOOLONG, "%s: path too long", directory);
    struct buffer image = {0};
    int r = read_image(path, &image, ret_error);
    if (r == 0)
        r = unpack(path, image.data, image.size, ret_manifest, ret_error);
    buffer_free(&image);
    return r;
}
