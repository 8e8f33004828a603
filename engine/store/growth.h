/* How large journals are. They grow with their use, from JOURNAL_BYTES_FIRST to options.journal_bytes, so
 * that a quiet database stays small and a busy one has few, large journals whose files are recycled.
 * docs/decisions/0014-growing-journals.md has the reasons. */
#ifndef CONNECTORDB_GROWTH_H
#define CONNECTORDB_GROWTH_H

#include "files.h"
#include "store.h"

enum {
    GROWTH_FILL_BYTES = 256 << 10, /* allocated of a journal that is prepared while the database opens, and
                                      ahead of its use later */
    GROWTH_USED_PART =
        8, /* a journal of which one part in so many is used is followed by one of twice its size */
    GROWTH_BUSY_BYTES = 8 << 20, /* a log this long at open is that of a busy database */
};

/* The size of the journal to follow one of `size` bytes of which `used` hold frames; `needed`: a frame that
 * must fit, or 0. */
uint64_t growth_next_size(const struct store_options *options, uint64_t size, uint64_t used, uint64_t needed);
/* The size of the journal that a database opens with: log_bytes are in its journals. */
uint64_t growth_open_size(const struct store_options *options, uint64_t log_bytes);
/* The free space that an open needs at least, to copy so many bytes of frames to new journals. */
uint64_t growth_open_space(
    const struct store_options *options, struct files *files, uint64_t log_bytes, uint64_t copied_bytes);
/* Whether a file for this size is kept for recycling: to prepare a journal is quick then, and writes next to
 * nothing. */
bool growth_is_cheap(const struct store_options *options, struct files *files, uint64_t size);
/* Prepares a journal of `size` bytes or, from the file kept for recycling, a larger one. Where there is no
 * space for that, a smaller one in which a frame of `needed` bytes fits. partly: only GROWTH_FILL_BYTES of a
 * new file are allocated. 0 or -errno. */
int growth_prepare(const struct store_options *options, struct io *io, struct files *files, uint64_t size,
    uint64_t needed, bool partly, struct journal_file **ret_file, struct error *ret_error);

#endif
