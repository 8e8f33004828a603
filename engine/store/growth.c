#include "growth.h"

#include "bytes.h"
#include "space.h"

static uint64_t first_size(const struct store_options *options)
{
    return options->journal_bytes < JOURNAL_BYTES_FIRST ? options->journal_bytes : JOURNAL_BYTES_FIRST;
}

/* A file that a frame of this size fits in. */
static uint64_t size_for(uint64_t frame_bytes)
{
    return align_up(frame_bytes + JOURNAL_HEADER_BYTES, JOURNAL_HEADER_BYTES);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t growth_next_size(const struct store_options *options, uint64_t size, uint64_t used, uint64_t needed)
{
    uint64_t next = used >= size / GROWTH_USED_PART ? 2 * size : size;
    next = larger(next, size_for(needed));
    return next < options->journal_bytes ? larger(next, first_size(options)) : options->journal_bytes;
}

uint64_t growth_open_size(const struct store_options *options, uint64_t log_bytes)
{
    if (log_bytes > GROWTH_BUSY_BYTES)
        return options->journal_bytes;
    uint64_t size = first_size(options);
    while (size < options->journal_bytes && size / 2 < log_bytes)
        size *= 2;
    return size < options->journal_bytes ? size : options->journal_bytes;
}

/* The size of the file kept for recycling if it can serve, else 0. */
static uint64_t recyclable(const struct store_options *options, struct files *files, uint64_t size)
{
    uint64_t kept = recycler_size(files_recycler(files));
    bool fits = kept >= larger(size, JOURNAL_BYTES_MIN) && kept <= larger(size, options->journal_bytes) &&
                kept % JOURNAL_HEADER_BYTES == 0;
    return fits ? kept : 0;
}

bool growth_is_cheap(const struct store_options *options, struct files *files, uint64_t size)
{
    return recyclable(options, files, size) > 0;
}

uint64_t growth_open_space(
    const struct store_options *options, struct files *files, uint64_t log_bytes, uint64_t copied_bytes)
{
    bool partly = growth_open_size(options, log_bytes) < options->journal_bytes;
    uint64_t blocks = partly ? GROWTH_FILL_BYTES : first_size(options);
    uint64_t needed = copied_bytes + JOURNAL_HEADER_BYTES <= blocks ? blocks : copied_bytes + blocks;
    uint64_t kept = recycler_size(files_recycler(files)); /* used, or removed */
    return needed > kept ? needed - kept : 0;
}

static int prepare_recycled(struct io *io, struct files *files, uint64_t size, struct journal_file **ret_file,
    struct error *ret_error)
{
    struct recycler *recycler = files_recycler(files);
    int r = journal_file_prepare(io, files_directory(files), files_take_ids(files, 1), size,
        recycler_take(recycler), ret_file, ret_error);
    recycler_done(recycler);
    return r;
}

static int prepare_new(struct io *io, struct files *files, uint64_t size, bool partly,
    struct journal_file **ret_file, struct error *ret_error)
{
    partly = partly && size > GROWTH_FILL_BYTES;
    int r =
        space_check(files_directory(files), partly ? GROWTH_FILL_BYTES : size, "the next journal", ret_error);
    if (r < 0)
        return r;
    uint64_t id = files_take_ids(files, 1);
    if (partly)
        return journal_file_prepare_partly(
            io, files_directory(files), id, size, GROWTH_FILL_BYTES, ret_file, ret_error);
    return journal_file_prepare(io, files_directory(files), id, size, NULL, ret_file, ret_error);
}

int growth_prepare(const struct store_options *options, struct io *io, struct files *files, uint64_t size,
    uint64_t needed, bool partly, struct journal_file **ret_file, struct error *ret_error)
{
    uint64_t kept = recyclable(options, files, size);
    if (kept > 0)
        return prepare_recycled(io, files, kept, ret_file, ret_error);
    int r = prepare_new(io, files, size, partly, ret_file, ret_error);
    if (r == 0)
        recycler_discard(files_recycler(files)); /* it does not fit any more */
    if (r == 0 || !error_is_no_space(-r))
        return r;
    uint64_t smaller = larger(first_size(options), size_for(needed));
    kept = recyclable(options, files, size_for(needed));
    if (kept > 0)
        return prepare_recycled(io, files, kept, ret_file, ret_error);
    return smaller < size ? prepare_new(io, files, smaller, partly, ret_file, ret_error) : r;
}
