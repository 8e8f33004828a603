/* Descriptions of a series in a segment and of its blocks; below both segment.h and segment_format.h. */
#ifndef CONNECTORDB_SEGMENT_SERIES_H
#define CONNECTORDB_SEGMENT_SERIES_H

#include "wide.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BLOCK_POINTS_MAX = 4096,
    BLOCK_PAYLOAD_BYTES = 64 << 10, /* of msgpack in a block of more than one point */
};

/* One series in a segment. */
struct segment_series {
    uint64_t series_id;
    uint64_t first_index;
    uint64_t count;
    double time_first;
    double time_last;
    uint64_t logical_bytes; /* of the series from index 0 up to and including its last point here */
    uint32_t block_count;
    /* Where the blocks are; only segment_block reads these: */
    uint64_t block_index_start; /* entry in the block index; if block_count > 1 */
    uint64_t block_offset;      /* in the file */
    uint64_t block_size;        /* of all blocks */
};

/* One block of a series. */
struct segment_block {
    uint64_t first_index;
    uint32_t count;
    double time_first;
    double time_last;
    uint64_t offset; /* in the file */
    uint32_t size;
};

struct block_aggregate {
    bool valid; /* false: the values are not numbers, or some are doubles, which have no exact sum */
    uint32_t count;
    double min;
    double max;
    uint8_t exponent; /* the sum is sum / 10^exponent, exactly */
    int128 sum;
};

#endif
