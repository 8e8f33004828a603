/* Iterates over the series of a segment in ascending order of id. segment_each_series does the same with a
 * callback. */
#ifndef CONNECTORDB_SEGMENT_ITERATOR_H
#define CONNECTORDB_SEGMENT_ITERATOR_H

#include "segment_private.h"

struct segment_iterator {
    const struct segment *segment;
    uint64_t page; /* the next one to read */
    struct directory_cursor cursor;
    const uint8_t *from, *end;
    uint32_t left;                /* unread entries of the current page */
    struct segment_series series; /* the current one */
};

/* Sets it before the first series of the segment, which is borrowed. */
void segment_iterator_start(struct segment_iterator *iterator, const struct segment *segment);
/* Advances to the next series. 1 = iterator->series is set, 0 = the end, -EBADMSG, -EIO. */
int segment_iterator_next(struct segment_iterator *iterator, struct error *ret_error);

#endif
