/* An open segment, shared by segment_reader.c and segment_check.c. */
#ifndef CONNECTORDB_SEGMENT_PRIVATE_H
#define CONNECTORDB_SEGMENT_PRIVATE_H

#include "map.h"
#include "segment.h"
#include "segment_format.h"

struct segment {
    struct map *map;
    uint64_t id;
    struct segment_footer footer;
    struct segment_layout layout;
};

/* Copy entry `number` (CHECKed) of a table; entries in the map may be unaligned. */
void segment_page_entry(const struct segment *segment, uint64_t page, struct page_entry *ret_entry);
void segment_index_entry(const struct segment *segment, uint64_t number, struct index_entry *ret_entry);
void segment_aggregate_entry(
    const struct segment *segment, uint64_t number, struct aggregate_entry *ret_entry);

/* Decodes the columns of a parsed block, whose checksum the caller has verified, into a cleared batch. 0,
 * -EBADMSG, -ENOMEM. */
int segment_decode_block(const uint8_t *data, const struct block_header *header, struct columns *columns,
    bool times_only, struct batch *batch, struct error *ret_error);

/* Finds the *ret_count entries of a page of the directory: they are in [*ret_from, *ret_end). 0, -EBADMSG,
 * -EIO. */
int segment_page(const struct segment *segment, uint64_t page, struct directory_cursor *ret_cursor,
    const uint8_t **ret_from, const uint8_t **ret_end, uint32_t *ret_count, struct error *ret_error);

#endif
