#include "data_limits.h"

#include "find.h"

#include <stdio.h>

/* The limits of the owner's role. */
static bool find_limits(const struct request *request, const struct stream_place *place,
    const struct access_limits **ret_limits, struct problem *problem)
{
    const struct identity *identity = request_acting(request);
    struct user owner = {0};
    if (identity && identity->user_id == place->user_id) {
        *ret_limits = access_limits(request->permissions, identity->user_role);
        return true;
    }
    if (!find_user(request, 403, &owner, problem))
        return false;
    *ret_limits = access_limits(request->permissions, owner.role);
    user_free(&owner);
    return true;
}

static int add_series(
    struct store_snapshot *snapshot, uint64_t series_id, uint64_t *bytes, struct error *ret_error)
{
    struct store_series series = {0};
    int r = series_id ? store_snapshot_series(snapshot, series_id, &series, ret_error) : 0;
    *bytes += series.logical_bytes;
    return r;
}

static int add_device(const struct request *request, struct store_snapshot *snapshot, int64_t device_id,
    uint64_t *bytes, struct error *ret_error)
{
    struct stream rows[CATALOG_PAGE_ROWS];
    char after[NAME_BYTES_MAX + 1] = "";
    int count, r = 0;
    do {
        count = catalog_streams_page(request->server->database->catalog, device_id, after, rows, ret_error);
        for (int i = 0; i < count; i++) {
            if (r == 0)
                r = add_series(snapshot, rows[i].series_id, bytes, ret_error);
            if (r == 0)
                r = add_series(snapshot, rows[i].downlink_series_id, bytes, ret_error);
            (void)snprintf(after, sizeof(after), "%s", rows[i].name);
            stream_free(&rows[i]);
        }
    } while (r == 0 && count > 0);
    return count < 0 ? count : r;
}

/* The bytes stored now. device_bytes: only where there is a limit. */
static int stored_bytes(const struct request *request, const struct stream_place *place, bool of_device,
    uint64_t *stream_bytes, uint64_t *device_bytes, struct error *ret_error)
{
    struct store_snapshot *snapshot = NULL;
    int r = store_snapshot_open(request->server->database->store, &snapshot, ret_error);
    if (r == 0)
        r = add_series(snapshot, place->series_id, stream_bytes, ret_error);
    if (r == 0)
        r = add_series(snapshot, place->downlink_series_id, stream_bytes, ret_error);
    if (r == 0 && of_device)
        r = add_device(request, snapshot, place->device_id, device_bytes, ret_error);
    store_snapshot_close(snapshot);
    return r;
}

static bool fits(uint64_t stored, uint64_t added, uint64_t limit, const char *what, struct problem *problem)
{
    return limit == 0 || (stored <= limit && added <= limit - stored) ||
           problem_set(problem, 403,
               "The insert has %llu bytes of values: with the %llu that are stored the %s would exceed its "
               "limit of %llu",
               (unsigned long long)added, (unsigned long long)stored, what, (unsigned long long)limit);
}

bool data_limits_pass(const struct request *request, const struct stream_place *place,
    const struct batch *batch, uint64_t other_bytes, struct problem *problem)
{
    const struct access_limits *limits;
    struct error error = {0};
    uint64_t stream_bytes = 0, device_bytes = 0;
    if (batch->count == 0 || place->ephemeral)
        return true;
    if (!find_limits(request, place, &limits, problem))
        return false;
    if (limits->max_stream_size == 0 && limits->max_device_size == 0)
        return true;
    int r = stored_bytes(request, place, limits->max_device_size > 0, &stream_bytes, &device_bytes, &error);
    if (r < 0)
        return request_failed(request, r, &error, problem);
    uint64_t added = batch_logical_bytes(batch, 0, batch->count);
    return fits(stream_bytes, added, limits->max_stream_size, "stream", problem) &&
           fits(device_bytes, added + other_bytes, limits->max_device_size, "device", problem);
}
