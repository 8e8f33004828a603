/* The kept points are loaded as a new series, which replaces the old one in the catalog:
 * points of a series are never changed. In this order, so that a crash between any two steps loses nothing:
 *
 *   1. The series is frozen: what was acknowledged before is in the snapshot that follows, and nothing is
 * acknowledged after.
 *   2. The cut points go to the folder, synced.
 *   3. The kept points are loaded as a new series, durable, which no row names yet.
 *   4. One transaction of the catalog has the stream name the new series: the moment of the cut.
 *   5. The old series is deleted, and with it the freeze.
 *
 * After a crash the next open deletes the series that no row names: the new one before step 4, the old one
 * after it. */
#include "cut.h"

#include "export_tail.h"
#include "folder.h"
#include "meter.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cut {
    struct database *database;
    const struct cut_options *options;
    int64_t stream_id;
    uint64_t series_id, new_series_id;
    struct database_snapshot snapshot;
    struct cut_result result;
    bool frozen, exported, published;
};

/* ---- which stream ---- */

static bool split_path(const char *path, char names[3][NAME_BYTES_MAX + 1])
{
    for (size_t i = 0; i < 3; i++) {
        size_t size = strcspn(path, "/");
        if (size > NAME_BYTES_MAX)
            return false;
        memcpy(names[i], path, size);
        names[i][size] = '\0';
        if (!name_valid(names[i]) || (path[size] == '/') != (i < 2))
            return false;
        path += size + 1;
    }
    return true;
}

bool cut_path_valid(const char *path)
{
    char names[3][NAME_BYTES_MAX + 1];
    return split_path(path, names);
}

static int find_stream(struct cut *cut, struct error *ret_error)
{
    const struct cut_options *options = cut->options;
    char names[3][NAME_BYTES_MAX + 1];
    struct stream stream;
    if (!split_path(options->path, names))
        return error_set(ret_error, EINVAL, "'%.100s' is not the path of a stream: give user/device/stream",
            options->path);
    if (!isfinite(options->after))
        return error_set(ret_error, EINVAL, "the time to cut after must be a finite number of seconds");
    int r = catalog_stream_by_name(cut->database->catalog, names[0], names[1], names[2], &stream, ret_error);
    if (r < 0)
        return r;
    cut->stream_id = stream.id;
    cut->series_id = options->downlink ? stream.downlink_series_id : stream.series_id;
    if (cut->series_id == 0)
        r = error_set(ret_error, EINVAL, "%s has no downlink", options->path);
    stream_free(&stream);
    return r;
}

/* ---- what is cut ---- */

static int time_at(struct cut *cut, uint64_t index, double *ret_time, struct error *ret_error)
{
    struct store_cursor *cursor;
    const struct batch *batch;
    int r =
        store_cursor_open(cut->snapshot.store, cut->series_id, index, index + 1, false, &cursor, ret_error);
    if (r < 0)
        return r;
    r = store_cursor_next(cursor, &batch, ret_error);
    if (r == 0 && !batch)
        r = error_set(
            ret_error, EBADMSG, "%s ends before point %llu", cut->options->path, (unsigned long long)index);
    if (r == 0)
        *ret_time = batch_time(batch, 0);
    store_cursor_close(cursor);
    return r;
}

static int measure(struct cut *cut, struct error *ret_error)
{
    struct store_snapshot *snapshot = cut->snapshot.store;
    struct cut_result *result = &cut->result;
    struct store_series series;
    int r = store_snapshot_series(snapshot, cut->series_id, &series, ret_error);
    if (r == 0)
        r = store_snapshot_index_of_time(
            snapshot, cut->series_id, cut->options->after, &result->kept, ret_error);
    if (r < 0)
        return r;
    result->cut = series.length - result->kept;
    if (result->kept > 0)
        r = time_at(cut, result->kept - 1, &result->kept_last, ret_error);
    if (r == 0 && result->cut > 0)
        r = time_at(cut, result->kept, &result->cut_first, ret_error);
    if (result->cut > 0)
        result->cut_last = series.time_last;
    return r;
}

static int export_cut(struct cut *cut, struct error *ret_error)
{
    struct transfer_options options = cut->options->transfer;
    const struct export_tail tail = {.series_id = cut->series_id, .from = cut->result.kept};
    options.filters = &cut->options->path;
    options.filter_count = 1;
    options.threads = 1;
    int r = export_tail(&cut->snapshot, &tail, cut->options->directory, &options, ret_error);
    cut->exported = r == 0;
    return r;
}

/* ---- what is kept ---- */

static int copy_points(struct cut *cut, struct store_cursor *cursor, struct store_bulk_writer *writer,
    struct meter *meter, struct error *ret_error)
{
    uint64_t copied = 0;
    for (;;) {
        const struct batch *batch;
        int r = meter_check_cancelled(meter, ret_error);
        if (r == 0)
            r = store_cursor_next(cursor, &batch, ret_error);
        if (r == 0 && batch)
            r = store_bulk_append(writer, batch, ret_error);
        if (r < 0)
            return r;
        if (!batch)
            break;
        copied += batch->count;
        meter_add(meter, batch->count, 0);
    }
    return copied == cut->result.kept
               ? 0
               : error_set(ret_error, EBADMSG, "%s: %llu of %llu points can be read", cut->options->path,
                     (unsigned long long)copied, (unsigned long long)cut->result.kept);
}

static int copy_kept(struct cut *cut, struct store_bulk *bulk, struct meter *meter, struct error *ret_error)
{
    struct store_bulk_writer *writer = NULL;
    struct store_cursor *cursor = NULL;
    int r = store_bulk_writer_open(bulk, &writer, ret_error);
    if (r == 0)
        r = store_bulk_series(writer, cut->new_series_id, 0, ret_error);
    if (r == 0)
        r = store_cursor_open(
            cut->snapshot.store, cut->series_id, 0, cut->result.kept, true, &cursor, ret_error);
    if (r == 0)
        r = copy_points(cut, cursor, writer, meter, ret_error);
    store_cursor_close(cursor);
    if (r == 0)
        r = store_bulk_writer_finish(writer, ret_error);
    store_bulk_writer_close(writer);
    return r;
}

static int load_kept(struct cut *cut, struct error *ret_error)
{
    struct store *store = cut->database->store;
    struct store_bulk *bulk = NULL;
    struct meter meter;
    int r = catalog_reserve_series(cut->database->catalog, 1, &cut->new_series_id, ret_error);
    if (r < 0 || cut->result.kept == 0)
        return r; /* an empty series needs no segment */
    meter_init(&meter, &cut->options->transfer);
    meter.points_total = cut->result.kept;
    (void)snprintf(meter.current, sizeof(meter.current), "%s", cut->options->path);
    r = store_bulk_discard(store, DATABASE_CUT_STAGING, ret_error);
    if (r == 0)
        r = store_bulk_open(store, DATABASE_CUT_STAGING, false, &bulk, ret_error);
    if (r == 0)
        r = meter_start(&meter, ret_error);
    if (r == 0)
        r = copy_kept(cut, bulk, &meter, ret_error);
    meter_stop(&meter);
    if (r == 0)
        r = store_bulk_publish(bulk, ret_error);
    cut->published = r == 0;
    store_bulk_close(bulk, false);
    return r;
}

/* ---- the whole ---- */

/* The catalog names the new series. From here on there is no way back, and the old series must never take a
 * point again: a failed deletion leaves it frozen. */
static int replace(struct cut *cut, struct error *ret_error)
{
    const struct cut_options *options = cut->options;
    int r = catalog_replace_series(cut->database->catalog, cut->stream_id, options->downlink, cut->series_id,
        cut->new_series_id, ret_error);
    if (r == -EINPROGRESS) {
        cut->frozen = cut->exported = cut->published = false; /* all stays as it is until the next open */
        return error_prefix(ret_error,
            "whether %s was cut is known when the database is opened again, until then it takes no inserts; "
            "what was to be cut is kept in %s",
            options->path, options->directory);
    }
    if (r < 0)
        return r;
    cut->frozen = cut->exported = cut->published = false;
    r = store_delete_series(cut->database->store, &cut->series_id, 1, ret_error);
    if (r < 0)
        (void)error_prefix(ret_error,
            "%s was cut (what was cut is in %s), but the old data stays on the disk until the next start",
            options->path, options->directory);
    return r;
}

static int cut_points(struct cut *cut, struct error *ret_error)
{
    int r = find_stream(cut, ret_error);
    if (r == 0 && !cut->options->dry_run) {
        r = store_freeze_series(cut->database->store, cut->series_id, ret_error);
        cut->frozen = r == 0;
    }
    if (r == 0)
        r = database_snapshot_open(cut->database, &cut->snapshot, ret_error);
    if (r == 0)
        r = measure(cut, ret_error);
    if (r < 0 || cut->options->dry_run || cut->result.cut == 0)
        return r;
    r = export_cut(cut, ret_error);
    if (r == 0)
        r = load_kept(cut, ret_error);
    return r == 0 ? replace(cut, ret_error) : r;
}

/* Takes back what was done before the moment of the cut. */
static void undo(struct cut *cut)
{
    if (cut->published)
        (void)store_delete_series(
            cut->database->store, &cut->new_series_id, 1, NULL); /* else the next open does it */
    if (cut->exported)
        folder_remove(cut->options->directory);
    if (cut->frozen)
        store_unfreeze_series(cut->database->store, cut->series_id);
}

int cut_stream(struct database *database, const struct cut_options *options, struct cut_result *ret_result,
    struct error *ret_error)
{
    struct cut cut = {.database = database, .options = options};
    bool idle = false;
    if (!atomic_compare_exchange_strong(&database->cutting, &idle, true))
        return error_set(ret_error, EBUSY, "another stream is being cut: wait until that has ended");
    int r = cut_points(&cut, ret_error);
    database_snapshot_close(&cut.snapshot);
    undo(&cut);
    atomic_store(&database->cutting, false);
    if (r == 0)
        *ret_result = cut.result;
    return r;
}
