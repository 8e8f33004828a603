/* Packs and parses the parts of a segment; no I/O. docs/FORMAT.md, section 5, is normative. */
#ifndef CONNECTORDB_SEGMENT_FORMAT_H
#define CONNECTORDB_SEGMENT_FORMAT_H

#include "batch.h"
#include "bytes.h"
#include "error.h"
#include "segment_series.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_MAGIC UINT64_C(0x4d4745532d424443)        /* "CDB-SEGM" */
#define SEGMENT_FOOTER_MAGIC UINT64_C(0x444e45532d424443) /* "CDB-SEND" */

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_FLAGS_KNOWN = 0,
    SEGMENT_ALIGNMENT = 8, /* of the block index */
    DIRECTORY_PAGE_ENTRIES = 128,
    DIRECTORY_ENTRY_BYTES_MAX = 7 * VARINT_BYTES_MAX + 8,
    BLOCK_HEADER_BYTES_MAX = 8 + 6 * VARINT_BYTES_MAX,
    BLOCK_HEADER_BYTES_MIN = 8 + 6,
    BLOCK_OFFSET_BITS = 38,
    BLOCK_SIZE_BITS = 26,
    BLOCK_BYTES_MAX = (1 << BLOCK_SIZE_BITS) - 1,
};
#define SEGMENT_BYTES_MAX (UINT64_C(1) << BLOCK_OFFSET_BITS)

struct segment_header {
    uint64_t magic;
    uint64_t checksum; /* of what follows; seed 0 */
    uint32_t version;
    uint32_t flags; /* an unknown one: refuse */
    uint64_t segment_id;
};
static_assert(sizeof(struct segment_header) == 32, "no hidden padding on disk");

struct index_entry {
    uint64_t first_index;
    double time_first;
    double time_last;
    uint64_t extent; /* offset | size << BLOCK_OFFSET_BITS */
};
static_assert(sizeof(struct index_entry) == 32, "no hidden padding on disk");

struct aggregate_entry {
    double min;
    double max;
    uint64_t sum_low;
    uint64_t sum_high;
    uint32_t count;
    uint8_t exponent;
    uint8_t valid;     /* 0 or 1; 0: all else is 0 */
    uint16_t reserved; /* 0 */
};
static_assert(sizeof(struct aggregate_entry) == 40, "no hidden padding on disk");

struct page_entry {
    uint64_t first_series;
    uint64_t blocks_offset; /* where the first block of the page's first series starts */
    uint64_t index_start;   /* the first index entry of the page's first series with several blocks */
    uint64_t page_offset;   /* of the page, in the directory */
};
static_assert(sizeof(struct page_entry) == 32, "no hidden padding on disk");

struct segment_footer {
    uint64_t magic;
    uint64_t checksum; /* of what follows, seeded with the segment id */
    uint32_t version;
    uint32_t flags; /* an unknown one: refuse */
    uint64_t segment_id;
    uint64_t file_size;
    uint64_t blocks_end;  /* blocks are [sizeof(header), blocks_end) */
    uint64_t index_count; /* entries of the index and of the aggregates */
    uint64_t index_checksum;
    uint64_t aggregates_checksum;
    uint64_t directory_size; /* pages and page table */
    uint64_t directory_checksum;
    uint64_t series_count;
    uint64_t point_count;
    uint64_t reserved[3]; /* 0 */
};
static_assert(sizeof(struct segment_footer) == 128, "no hidden padding on disk");

/* Offsets of the parts, computed from a verified footer. */
struct segment_layout {
    uint64_t index_offset;
    uint64_t aggregates_offset;
    uint64_t directory_offset;
    uint64_t page_table_offset;
    uint64_t page_count;
    uint64_t footer_offset;
};

/* The seed of a block's checksum. Those of index, aggregates and directory are seeded with the segment's id
 * alone. */
static inline uint64_t block_seed(uint64_t segment_id, uint64_t offset)
{
    return segment_id * UINT64_C(0x9e3779b97f4a7c15) + offset;
}

/* Fills in the header of a new segment, with its checksum. */
void segment_header_pack(struct segment_header *header, uint64_t segment_id);
/* 0; -EBADMSG; -ENOTSUP newer version or unknown flag. path: for the message. */
int segment_header_check(
    const struct segment_header *header, uint64_t segment_id, const char *path, struct error *ret_error);
/* Sets the checksum of a footer whose other members are set. */
void segment_footer_seal(struct segment_footer *footer);
/* Verifies the footer against the size of the file and sets the layout: the parts are adjacent and fill the
 * file.
 * 0; -EBADMSG; -ENOTSUP newer version or unknown flag. path: for the message. */
int segment_footer_check(const struct segment_footer *footer, uint64_t segment_id, uint64_t file_size,
    const char *path, struct segment_layout *ret_layout, struct error *ret_error);

/* ---- blocks ---- */
struct block_header {
    uint64_t size; /* of the whole block */
    uint64_t series_id;
    uint64_t first_index;
    uint32_t count;
    uint32_t header_size;
    uint64_t times_size;
    uint64_t values_size;
    uint64_t senders_size;
};

/* Writes the header of a block directly before its columns, which are adjacent, and sets header->size and
 * header->header_size. Returns the start of the block, at most BLOCK_HEADER_BYTES_MAX before `columns`.
 * block_seal sets the checksum when the offset of the block is known. */
uint8_t *block_header_pack(uint8_t *columns, struct block_header *header);
/* Sets the checksum of a packed block, for its segment and its offset in the file. */
void block_seal(uint8_t *block, uint64_t size, uint64_t segment_id, uint64_t offset);
/* Parses the header of the block at data; header->size is at most `size`. Does not verify the checksum. 0 or
 * -EBADMSG. */
int block_header_parse(
    const uint8_t *data, uint64_t size, struct block_header *header, struct error *ret_error);
/* Returns whether the checksum of the block is right. */
bool block_is_sealed(const uint8_t *block, uint64_t size, uint64_t segment_id, uint64_t offset);

/* ---- directory ---- */
/* The position of a reader or writer in a page: the base values of the next entry's differences. */
struct directory_cursor {
    uint64_t series_id;    /* of the entry before; at the start of a page, of its first entry */
    uint64_t block_offset; /* of the next series' first block */
    uint64_t index_start;  /* index entry of the next series with several blocks */
};

/* Writes an entry and advances the cursor. Returns the end of the entry, at most DIRECTORY_ENTRY_BYTES_MAX
 * after `to`. */
uint8_t *directory_entry_put(
    uint8_t *to, const struct segment_series *series, struct directory_cursor *cursor);
/* Reads an entry from [from, end) and advances the cursor. Returns the end of the entry, NULL if it is
 * damaged.
 * blocks_end, index_count  limits of the offsets and index entries it may refer to */
const uint8_t *directory_entry_get(const uint8_t *from, const uint8_t *end, struct directory_cursor *cursor,
    uint64_t blocks_end, uint64_t index_count, struct segment_series *ret_series);

/* ---- aggregates ---- */
/* Computes the aggregate of points [from, from + count); it is not valid for doubles. */
void aggregate_compute(
    const struct numbers *numbers, uint32_t from, uint32_t count, struct block_aggregate *ret_aggregate);
/* An aggregate in memory <-> its entry in the file. */
void aggregate_pack(const struct block_aggregate *aggregate, struct aggregate_entry *entry);
void aggregate_unpack(const struct aggregate_entry *entry, struct block_aggregate *ret_aggregate);

#endif
