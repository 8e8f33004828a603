#include "segment_iterator.h"

#include <errno.h>

void segment_iterator_start(struct segment_iterator *iterator, const struct segment *segment)
{
    *iterator = (struct segment_iterator){.segment = segment};
}

int segment_iterator_next(struct segment_iterator *iterator, struct error *ret_error)
{
    const struct segment *segment = iterator->segment;
    if (iterator->left == 0) {
        if (iterator->page == segment->layout.page_count)
            return 0;
        int r = segment_page(segment, iterator->page, &iterator->cursor, &iterator->from, &iterator->end,
            &iterator->left, ret_error);
        if (r < 0)
            return r;
        iterator->page++;
    }
    iterator->from = directory_entry_get(iterator->from, iterator->end, &iterator->cursor,
        segment->footer.blocks_end, segment->footer.index_count, &iterator->series);
    if (map_faulted(segment->map))
        return error_set(ret_error, EIO,
            "%s: the file cannot be read (I/O error, or it was cut off while in use)",
            map_path(segment->map));
    if (!iterator->from)
        return error_set(ret_error, EBADMSG, "%s: page %llu of the series directory is damaged",
            map_path(segment->map), (unsigned long long)iterator->page - 1);
    iterator->left--;
    return 1;
}
