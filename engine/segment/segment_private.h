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

/* Entries are read out by copy: their places are known to lie within the map, their alignment is not. */
void segment_page_entry(const struct segment *segment, uint64_t page, struct page_entry *ret_entry);
void segment_index_entry(const struct segment *segment, uint64_t number, struct index_entry *ret_entry);
void segment_aggregate_entry(const struct segment *segment, uint64_t number, struct aggregate_entry *ret_entry);

/* Decodes the columns of a parsed block (the caller has verified its seal) into a cleared batch. 0, -EBADMSG, -ENOMEM. */
int segment_decode_block(const uint8_t *data, const struct block_header *header, struct columns *columns,
    bool times_only, struct batch *batch, struct error *ret_error);

/* A page's entries are [*ret_from, *ret_end); *ret_count of them. 0 or -EBADMSG. */
int segment_page(const struct segment *segment, uint64_t page, struct directory_cursor *ret_cursor,
    const uint8_t **ret_from, const uint8_t **ret_end, uint32_t *ret_count, struct error *ret_error);

#endif
