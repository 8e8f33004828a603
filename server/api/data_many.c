/* Inserting into several streams at once: all of it is stored, by one commit, or nothing.
 *
 * The datapoints of each stream are read into a batch of its own, a target. Whether the request may write to
 * a stream is decided where the body names it first, before its datapoints are read. Everything else is
 * checked stream by stream, in the order in which the body names them, after the body was read. */
#include "body.h"
#include "idempotency.h"
#include "insert.h"
#include "json_streams.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAMS_MAX = 10000,
    TARGET_BYTES = 3 << 10, /* what a target with few points takes */
    LOOKUPS_MAX = 8,        /* after a stream was cut while its points were on their way */
};

struct target {
    char path[PATH_BYTES_MAX + sizeof("/downlink")]; /* as the body names it */
    char text[PATH_BYTES_MAX + sizeof("/downlink")]; /* the names, each with its 0 byte */
    const char *user, *device, *stream;              /* in text */
    bool downlink;
    struct stream_place place;
    uint64_t series_id;
    struct batch batch;
};

/* Bytes of values for the streams of one device. */
struct device_bytes {
    int64_t device_id;
    uint64_t bytes;
};

struct insert {
    const struct request *request;
    struct problem *problem;
    unsigned flags;
    struct body body;
    struct idempotent_request keyed;
    struct target **targets; /* in the order in which the body names them */
    size_t count, capacity;
    void *by_path; /* of tsearch, over the targets */
    void *devices; /* of tsearch */
};

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct target *)a)->path, ((const struct target *)b)->path);
}

static int compare_devices(const void *a, const void *b)
{
    int64_t left = ((const struct device_bytes *)a)->device_id;
    int64_t right = ((const struct device_bytes *)b)->device_id;
    return (left > right) - (left < right);
}

static int compare_series(const void *a, const void *b)
{
    uint64_t left = (*(struct target *const *)a)->series_id, right = (*(struct target *const *)b)->series_id;
    return (left > right) - (left < right);
}

static bool no_memory(struct insert *insert)
{
    return problem_later(insert->problem, 503, "The server has no memory left for the datapoints, try again");
}

static void nothing_to_free(void *target)
{
    (void)target; /* insert->targets owns it */
}

static void insert_free(struct insert *insert)
{
    tdestroy(insert->by_path, nothing_to_free);
    tdestroy(insert->devices, free);
    for (size_t i = 0; i < insert->count; i++) {
        batch_free(&insert->targets[i]->batch);
        free(insert->targets[i]);
    }
    free(insert->targets);
}

/* ---- the streams that the body names ---- */

/* Splits "user/device/stream" or "user/device/stream/downlink". False: it is neither. */
static bool split_path(struct target *target)
{
    char *names[4], *rest = target->text;
    size_t count = 0;
    memcpy(target->text, target->path, sizeof(target->text));
    while (rest && count < 4)
        names[count++] = strsep(&rest, "/");
    if (rest || count < 3 || (count == 4 && strcmp(names[3], "downlink") != 0))
        return false;
    target->user = names[0];
    target->device = names[1];
    target->stream = names[2];
    target->downlink = count == 4;
    return name_valid(names[0]) && name_valid(names[1]) && name_valid(names[2]);
}

/* The request as if it were for this stream alone. */
static struct request part_of(const struct insert *insert, const struct target *target)
{
    struct request part = *insert->request;
    part.query = (struct query){.count = target->downlink, .parameters = {{"downlink", "true"}}};
    part.user = target->user;
    part.device = target->device;
    part.stream = target->stream;
    return part;
}

static bool target_allowed(struct insert *insert, struct target *target)
{
    struct request part = part_of(insert, target);
    return insert_allowed(&part, &target->place, &target->series_id, insert->problem) ||
           problem_about(insert->problem, target->path);
}

static bool reserve_target(struct insert *insert)
{
    if (insert->count == STREAMS_MAX)
        return problem_set(insert->problem, 413, "An insert can name at most %d streams", STREAMS_MAX);
    if (!body_hold(&insert->body, TARGET_BYTES))
        return false;
    if (insert->count < insert->capacity)
        return true;
    size_t capacity = insert->capacity > 0 ? 2 * insert->capacity : 16;
    void *targets = realloc(insert->targets, capacity * sizeof(struct target *));
    if (!targets)
        return no_memory(insert);
    insert->targets = targets;
    insert->capacity = capacity;
    return true;
}

/* Takes the target over in any case. */
static bool add_target(struct insert *insert, struct target *target)
{
    if (!tsearch(target, &insert->by_path, compare_paths)) {
        free(target);
        return no_memory(insert);
    }
    insert->targets[insert->count++] = target;
    if (!split_path(target))
        return problem_set(insert->problem, 400,
            "\"%s\" is not the path of a stream; user/device/stream is needed", target->path);
    return target_allowed(insert, target);
}

/* The target of a path, made when the body names it first. NULL: the problem is set. */
static struct target *find_target(struct insert *insert, const char *path, size_t size)
{
    struct target key = {.path = ""};
    if (size >= sizeof(key.path) || memchr(path, '\0', size)) {
        (void)problem_set(insert->problem, 400,
            "\"%.*s...\" is not the path of a stream; user/device/stream is needed",
            (int)(sizeof(key.path) - 1), path);
        return NULL;
    }
    if (size > 0)
        memcpy(key.path, path, size);
    void *found = tfind(&key, &insert->by_path, compare_paths);
    if (found)
        return *(struct target **)found;
    if (!reserve_target(insert))
        return NULL;
    struct target *target = calloc(1, sizeof(*target));
    if (!target) {
        (void)no_memory(insert);
        return NULL;
    }
    memcpy(target->path, key.path, sizeof(target->path));
    return add_target(insert, target) ? target : NULL;
}

/* ---- reading ---- */

/* The datapoints that json_streams_next announced. */
static bool read_stream(struct insert *insert, struct json_streams *reader, const char *path, size_t size)
{
    struct error error = {0};
    struct target *target = find_target(insert, path, size);
    if (!target)
        return false;
    int r = json_streams_read(reader, &target->batch, BATCH_POINTS_MAX - target->batch.count, &error);
    if (r > 0)
        return insert_limit_problem(json_streams_limit(reader), insert->problem);
    return r == 0 || insert_json_problem(r, &error, insert->problem);
}

static bool read_streams(struct insert *insert)
{
    struct json_streams *reader = NULL;
    struct error error = {0};
    const char *path;
    size_t size;
    bool done = true;
    int r = json_streams_open(body_read, &insert->body, &reader);
    while (r >= 0 && done && (r = json_streams_next(reader, &path, &size, &error)) == 1)
        done = read_stream(insert, reader, path, size);
    if (r < 0)
        done = insert_json_problem(r, &error, insert->problem);
    json_streams_close(reader);
    return done;
}

/* ---- checking ---- */

/* The bytes counted for the device so far. NULL: the problem is set. */
static struct device_bytes *find_device_bytes(struct insert *insert, int64_t device_id)
{
    struct device_bytes key = {.device_id = device_id};
    void *found = tfind(&key, &insert->devices, compare_devices);
    if (found)
        return *(struct device_bytes **)found;
    struct device_bytes *made = malloc(sizeof(*made));
    if (made)
        *made = key;
    if (!made || !tsearch(made, &insert->devices, compare_devices)) {
        free(made);
        (void)no_memory(insert);
        return NULL;
    }
    return made;
}

static bool check_target(struct insert *insert, struct target *target)
{
    struct request part = part_of(insert, target);
    struct device_bytes *device = find_device_bytes(insert, target->place.device_id);
    if (!device)
        return false;
    if (!insert_check(&part, &target->place, &target->batch, insert->flags, device->bytes, insert->problem))
        return problem_about(insert->problem, target->path);
    if (!target->place.ephemeral)
        device->bytes += batch_logical_bytes(&target->batch, 0, target->batch.count);
    return true;
}

static bool check_targets(struct insert *insert)
{
    for (size_t i = 0; i < insert->count; i++) {
        if (!check_target(insert, insert->targets[i]))
            return false;
    }
    return true;
}

/* ---- storing ---- */

/* The targets with something to store, in the order of their series. */
static size_t sort_targets(const struct insert *insert, struct target **sorted)
{
    size_t count = 0;
    for (size_t i = 0; i < insert->count; i++) {
        if (insert->targets[i]->batch.count > 0 && !insert->targets[i]->place.ephemeral)
            sorted[count++] = insert->targets[i];
    }
    qsort(sorted, count, sizeof(struct target *), compare_series);
    return count;
}

/* One attempt. *ret_gone: a target whose series has been deleted, NULL when there is none. */
static bool store_sorted(struct insert *insert, struct target **sorted, size_t count,
    struct store_part *parts, struct target **ret_gone)
{
    struct error error = {0};
    uint32_t refused = 0;
    *ret_gone = NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && sorted[i]->series_id == sorted[i - 1]->series_id)
            return problem_set(insert->problem, 400, "\"%s\" and \"%s\" name the same datapoints",
                sorted[i - 1]->path, sorted[i]->path);
        parts[i] = (struct store_part){.series_id = sorted[i]->series_id, .batch = &sorted[i]->batch};
    }
    size_t part_count = count;
    int r = 0;
    if (insert->keyed.idempotency && count > 0)
        r = idempotency_part(&insert->keyed, &parts[part_count++]);
    if (r == 0)
        r = store_append_many(insert->request->server->database->store, parts, (uint32_t)part_count,
            insert->flags, &refused, &error);
    if (r == 0)
        return true;
    if (refused == count && r == -ENOENT) /* the key's own series */
        return problem_later(insert->problem, 503, "The insert took too long, try again");
    bool named = refused < count && (r == -EINVAL || r == -ENOENT || r == -EAGAIN);
    struct target *target = sorted[named ? refused : 0];
    struct request part = part_of(insert, target);
    (void)insert_refused(&part, r, &error, insert->problem);
    if (r == -ENOENT)
        *ret_gone = target;
    return named ? problem_about(insert->problem, target->path) : false;
}

/* A stream that was cut meanwhile has another series, which takes the points. */
static bool look_up_again(struct insert *insert, struct target *target)
{
    struct problem refused = *insert->problem;
    int64_t stream_id = target->place.stream_id;
    uint64_t series_id = target->series_id;
    *insert->problem = (struct problem){0};
    if (!target_allowed(insert, target))
        return false;
    if (target->place.stream_id == stream_id && target->series_id != series_id)
        return true;
    *insert->problem = refused;
    return false;
}

/* Points that are not stored go to subscribers only, once the others are stored. */
static void publish_ephemeral(const struct insert *insert)
{
    for (size_t i = 0; i < insert->count; i++) {
        const struct target *target = insert->targets[i];
        if (target->place.ephemeral)
            ephemeral_publish(insert->request->server->ephemeral, target->series_id, &target->batch);
    }
}

static bool store_targets(struct insert *insert)
{
    struct target **sorted = malloc((insert->count + 1) * sizeof(struct target *));
    struct store_part *parts = malloc((insert->count + 1) * sizeof(*parts));
    bool done = sorted && parts;
    if (!done)
        (void)no_memory(insert);
    for (int attempt = 0; done; attempt++) {
        struct target *gone;
        done = store_sorted(insert, sorted, sort_targets(insert, sorted), parts, &gone);
        if (done || !gone || attempt == LOOKUPS_MAX)
            break;
        done = look_up_again(insert, gone);
    }
    if (done)
        publish_ephemeral(insert);
    free(sorted);
    free(parts);
    return done;
}

/* ---- requests ---- */

static bool insert_body(struct insert *insert, struct request *request)
{
    bool answered = false;
    bool done = body_open(
        &insert->body, request, request->server->configuration->insert_limit_bytes, insert->problem);
    idempotency_observe(&insert->keyed, &insert->body);
    return done && read_streams(insert) &&
           idempotency_check(&insert->keyed, request, &answered, insert->problem) &&
           (answered || (check_targets(insert) && store_targets(insert)));
}

static bool insert_many(struct request *request, unsigned flags, struct problem *problem)
{
    struct insert insert = {.request = request, .problem = problem, .flags = flags};
    if (!request_acting(request))
        return problem_set(problem, 403, "Log in to insert datapoints");
    bool done = idempotency_begin(request, &insert.keyed, problem) && insert_body(&insert, request);
    idempotency_end(&insert.keyed, done);
    insert_free(&insert);
    body_close(&insert.body);
    return done && answer_ok(request);
}

bool data_many_post(struct request *request, struct problem *problem)
{
    return insert_many(request, 0, problem);
}

bool data_many_put(struct request *request, struct problem *problem)
{
    return insert_many(request, STORE_APPEND_RESTAMP, problem);
}
