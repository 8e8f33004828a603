#include "segment_format.h"

#include "bytes.h"
#include "checksum.h"

#include <errno.h>

/* ---- header and footer ---- */

/* Magic, checksum, version and flags keep their places in every version: a newer file is told from a damaged
 * one. */
static int check_version(uint32_t version, uint32_t flags, const char *path, struct error *ret_error)
{
    if (version != SEGMENT_VERSION)
        return error_set(ret_error, ENOTSUP,
            "%s: segment format %u; this program reads up to %d: use a newer one", path, version,
            SEGMENT_VERSION);
    if ((flags & ~(uint32_t)SEGMENT_FLAGS_KNOWN) != 0)
        return error_set(
            ret_error, ENOTSUP, "%s: unknown segment flags %08x: use a newer program", path, flags);
    return 0;
}

static int check_id(uint64_t expected, uint64_t found, const char *path, struct error *ret_error)
{
    if (expected == found)
        return 0;
    return error_set(ret_error, EBADMSG, "%s: expected segment %llu, found %llu", path,
        (unsigned long long)expected, (unsigned long long)found);
}

/* `found` in the file at `offset` should be `expected`. */
static int differs(const char *what, const char *path, uint64_t offset, uint64_t expected, uint64_t found,
    struct error *ret_error)
{
    return error_set(ret_error, EBADMSG, "%s: %s: at offset %llu expected %016llx, found %016llx", path, what,
        (unsigned long long)offset, (unsigned long long)expected, (unsigned long long)found);
}

static uint64_t header_checksum(const struct segment_header *header)
{
    return checksum(&header->version, sizeof(*header) - offsetof(struct segment_header, version), 0);
}

void segment_header_pack(struct segment_header *header, uint64_t segment_id)
{
    *header =
        (struct segment_header){.magic = SEGMENT_MAGIC, .version = SEGMENT_VERSION, .segment_id = segment_id};
    header->checksum = header_checksum(header);
}

int segment_header_check(
    const struct segment_header *header, uint64_t segment_id, const char *path, struct error *ret_error)
{
    uint64_t expected = header_checksum(header);
    if (header->magic != SEGMENT_MAGIC)
        return differs("no segment", path, 0, SEGMENT_MAGIC, header->magic, ret_error);
    if (header->checksum != expected)
        return differs("the header is damaged", path, 8, expected, header->checksum, ret_error);
    int r = check_version(header->version, header->flags, path, ret_error);
    return r < 0 ? r : check_id(segment_id, header->segment_id, path, ret_error);
}

static uint64_t footer_checksum(const struct segment_footer *footer, uint64_t segment_id)
{
    return checksum(&footer->version, sizeof(*footer) - offsetof(struct segment_footer, version), segment_id);
}

void segment_footer_seal(struct segment_footer *footer)
{
    footer->checksum = footer_checksum(footer, footer->segment_id);
}

static int check_footer_bytes(const struct segment_footer *footer, uint64_t segment_id, uint64_t offset,
    const char *path, struct error *ret_error)
{
    uint64_t expected = footer_checksum(footer, segment_id);
    if (footer->magic != SEGMENT_FOOTER_MAGIC)
        return differs("cut off or damaged", path, offset, SEGMENT_FOOTER_MAGIC, footer->magic, ret_error);
    if (footer->checksum != expected)
        return differs("the footer is damaged", path, offset + 8, expected, footer->checksum, ret_error);
    int r = check_version(footer->version, footer->flags, path, ret_error);
    return r < 0 ? r : check_id(segment_id, footer->segment_id, path, ret_error);
}

int segment_footer_check(const struct segment_footer *footer, uint64_t segment_id, uint64_t file_size,
    const char *path, struct segment_layout *ret_layout, struct error *ret_error)
{
    uint64_t footer_offset = file_size - sizeof(*footer);
    int r = check_footer_bytes(footer, segment_id, footer_offset, path, ret_error);
    if (r < 0)
        return r;
    struct segment_layout layout = {.footer_offset = footer_offset};
    const uint64_t per_block = sizeof(struct index_entry) + sizeof(struct aggregate_entry);
    /* Each size is below file_size before anything is added, so that no sum can wrap. */
    if (footer->file_size == file_size && file_size <= SEGMENT_BYTES_MAX && footer->blocks_end <= file_size &&
        footer->index_count <= file_size / per_block && footer->directory_size <= file_size &&
        footer->series_count <= file_size && footer->blocks_end >= sizeof(struct segment_header)) {
        layout.index_offset = align_up(footer->blocks_end, SEGMENT_ALIGNMENT);
        layout.aggregates_offset = layout.index_offset + footer->index_count * sizeof(struct index_entry);
        layout.directory_offset =
            layout.aggregates_offset + footer->index_count * sizeof(struct aggregate_entry);
        layout.page_count = (footer->series_count + DIRECTORY_PAGE_ENTRIES - 1) / DIRECTORY_PAGE_ENTRIES;
        uint64_t table_size = layout.page_count * sizeof(struct page_entry);
        uint64_t directory_end = layout.directory_offset + footer->directory_size;
        if (directory_end == footer_offset && table_size <= footer->directory_size) {
            layout.page_table_offset = directory_end - table_size;
            *ret_layout = layout;
            return 0;
        }
    }
    return error_set(ret_error, EBADMSG,
        "%s: the footer at offset %llu names parts that do not make up %llu bytes", path,
        (unsigned long long)footer_offset, (unsigned long long)file_size);
}

/* ---- blocks ---- */

static size_t varint_size(uint64_t value)
{
    uint8_t scratch[VARINT_BYTES_MAX];
    return (size_t)(varint_put(scratch, value) - scratch);
}

uint8_t *block_header_pack(uint8_t *columns, struct block_header *header)
{
    uint8_t fields[BLOCK_HEADER_BYTES_MAX], *to = fields;
    to = varint_put(to, header->series_id);
    to = varint_put(to, header->first_index);
    to = varint_put(to, header->count);
    to = varint_put(to, header->times_size);
    to = varint_put(to, header->values_size);
    size_t fields_size = (size_t)(to - fields);
    uint64_t rest = fields_size + header->times_size + header->values_size + header->senders_size;
    header->header_size = (uint32_t)(8 + varint_size(rest) + fields_size);
    header->size = 8 + varint_size(rest) + rest;
    uint8_t *block = columns - header->header_size;
    memcpy(varint_put(block + 8, rest), fields, fields_size);
    return block;
}

static uint64_t block_checksum(const uint8_t *block, uint64_t size, uint64_t segment_id, uint64_t offset)
{
    return checksum(block + 8, (size_t)size - 8, block_seed(segment_id, offset));
}

void block_seal(uint8_t *block, uint64_t size, uint64_t segment_id, uint64_t offset)
{
    store_u64(block, block_checksum(block, size, segment_id, offset));
}

bool block_is_sealed(const uint8_t *block, uint64_t size, uint64_t segment_id, uint64_t offset)
{
    return load_u64(block) == block_checksum(block, size, segment_id, offset);
}

/* The varints behind the checksum; rest: bytes after the first of them. */
static const uint8_t *parse_fields(const uint8_t *from, const uint8_t *end, struct block_header *header,
    uint64_t *ret_rest, uint64_t *ret_count)
{
    const uint8_t *fields = from = varint_get(from, end, ret_rest);
    if (!from || *ret_rest > (uint64_t)(end - from))
        return NULL;
    end = fields + *ret_rest;
    if (!(from = varint_get(from, end, &header->series_id)) ||
        !(from = varint_get(from, end, &header->first_index)) || !(from = varint_get(from, end, ret_count)) ||
        !(from = varint_get(from, end, &header->times_size)))
        return NULL;
    from = varint_get(from, end, &header->values_size);
    if (from)
        header->size = (uint64_t)(end - from);
    return from;
}

int block_header_parse(
    const uint8_t *data, uint64_t size, struct block_header *header, struct error *ret_error)
{
    uint64_t rest = 0, count = 0;
    if (size < BLOCK_HEADER_BYTES_MIN)
        return error_set(ret_error, EBADMSG, "a block of %llu bytes", (unsigned long long)size);
    const uint8_t *columns = parse_fields(data + 8, data + size, header, &rest, &count);
    if (!columns)
        return error_set(ret_error, EBADMSG, "the block's header is cut off");
    uint64_t columns_size = header->size; /* what parse_fields left */
    header->header_size = (uint32_t)(columns - data);
    header->size = header->header_size + columns_size;
    if (count < 1 || count > BLOCK_POINTS_MAX || header->first_index > UINT64_MAX - count)
        return error_set(ret_error, EBADMSG, "a block of %llu points (1 to %d)", (unsigned long long)count,
            BLOCK_POINTS_MAX);
    if (header->times_size > columns_size || header->values_size > columns_size - header->times_size)
        return error_set(ret_error, EBADMSG, "the block's columns take %llu and %llu bytes of %llu",
            (unsigned long long)header->times_size, (unsigned long long)header->values_size,
            (unsigned long long)columns_size);
    header->count = (uint32_t)count;
    header->senders_size = columns_size - header->times_size - header->values_size;
    return 0;
}

/* ---- aggregates ---- */

void aggregate_compute(
    const struct numbers *numbers, uint32_t from, uint32_t count, struct block_aggregate *ret_aggregate)
{
    *ret_aggregate = (struct block_aggregate){0};
    if (numbers->kind != NUMBERS_AS_DECIMALS)
        return;
    const int64_t *integers = numbers->integers + from;
    int64_t min = integers[0], max = integers[0];
    int128 sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        min = integers[i] < min ? integers[i] : min;
        max = integers[i] > max ? integers[i] : max;
        sum += integers[i];
    }
    double power = POWERS_OF_TEN[numbers->exponent];
    *ret_aggregate = (struct block_aggregate){.valid = true,
        .count = count,
        .min = (double)min / power,
        .max = (double)max / power,
        .exponent = numbers->exponent,
        .sum = sum};
}

void aggregate_pack(const struct block_aggregate *aggregate, struct aggregate_entry *entry)
{
    *entry = (struct aggregate_entry){0};
    if (!aggregate->valid)
        return;
    *entry = (struct aggregate_entry){.min = aggregate->min,
        .max = aggregate->max,
        .sum_low = (uint64_t)aggregate->sum,
        .sum_high = (uint64_t)((uint128)aggregate->sum >> 64),
        .count = aggregate->count,
        .exponent = aggregate->exponent,
        .valid = 1};
}

void aggregate_unpack(const struct aggregate_entry *entry, struct block_aggregate *ret_aggregate)
{
    *ret_aggregate = (struct block_aggregate){0};
    if (!entry->valid)
        return;
    *ret_aggregate = (struct block_aggregate){.valid = true,
        .count = entry->count,
        .min = entry->min,
        .max = entry->max,
        .exponent = entry->exponent,
        .sum = (int128)((uint128)entry->sum_high << 64 | entry->sum_low)};
}
