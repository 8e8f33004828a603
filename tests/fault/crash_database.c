#include "crash_database.h"

#include <unistd.h>

/* ---- noting ---- */

struct crash_object *crash_object_of(
    struct crash_run *run, const char *user, const char *device, const char *name)
{
    struct crash_objects *objects = &run->objects;
    for (size_t i = 0; i < objects->count; i++) {
        struct crash_object *object = &objects->objects[i];
        if (strcmp(object->user, user) == 0 && strcmp(object->device, device) == 0 &&
            strcmp(object->name, name) == 0)
            return object;
    }
    REQUIRE(objects->count < CRASH_OBJECTS_MAX, "too many streams");
    struct crash_object *object = &objects->objects[objects->count++];
    (void)snprintf(object->user, sizeof(object->user), "%s", user);
    (void)snprintf(object->device, sizeof(object->device), "%s", device);
    (void)snprintf(object->name, sizeof(object->name), "%s", name);
    return object;
}

static struct crash_change *begin_change(
    struct crash_run *run, struct crash_object *object, bool exists, bool downlink)
{
    REQUIRE(object->change_count < CRASH_CHANGES_MAX, "too many changes");
    struct crash_change *change = &object->changes[object->change_count++];
    *change = (struct crash_change){
        .begun = crash_log_count(&run->log), .ended = NEVER, .exists = exists, .downlink = downlink};
    return change;
}

/* Whether the stream is there. */
static bool look_up(struct crash_run *run, const struct crash_object *object, struct stream *ret_stream)
{
    struct error error = {0};
    *ret_stream = (struct stream){0};
    int r = catalog_stream_by_name(
        run->database->catalog, object->user, object->device, object->name, ret_stream, &error);
    REQUIRE(r == 0 || r == -ENOENT, "%s: %s", object->name, error.message);
    return r == 0;
}

void crash_learn_series(struct crash_run *run, struct crash_object *object)
{
    struct stream stream;
    bool there = look_up(run, object, &stream);
    object->series_id = there ? stream.series_id : 0;
    object->downlink_series_id = there ? stream.downlink_series_id : 0;
    stream_free(&stream);
}

/* A change that failed has happened or not: what is there now tells, and it stays so. */
static void end_change(
    struct crash_run *run, struct crash_object *object, int result, const struct error *error)
{
    struct crash_change *change = &object->changes[object->change_count - 1];
    REQUIRE(result == 0 || run->disk_is_full, "%s: %s", object->name, error->message);
    if (result < 0) {
        struct stream stream;
        change->exists = look_up(run, object, &stream);
        change->downlink = change->exists && stream.downlink;
        stream_free(&stream);
    }
    change->ended = crash_log_mark(&run->log);
    crash_learn_series(run, object);
}

char *crash_text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

/* What a call deletes goes away with the call. */
struct deletion {
    uint64_t attempts[8];
    size_t count;
};

static void begin_deletion(struct crash_run *run, struct deletion *deletion, uint64_t series_id)
{
    if (series_id == 0)
        return;
    deletion->attempts[deletion->count++] =
        store_model_attempt(&run->model, MODEL_DELETE, &series_id, 1, 0, crash_log_count(&run->log));
}

/* gone: without a row; what points are still there no open finds. */
static void end_deletion(struct crash_run *run, const struct deletion *deletion, bool gone)
{
    uint64_t ended = crash_log_mark(&run->log);
    for (size_t i = 0; i < deletion->count; i++)
        store_model_settle(&run->model, deletion->attempts[i], gone ? MODEL_DONE : MODEL_REFUSED, ended);
}

/* ---- doing ---- */

static struct device find_device(struct crash_run *run, const char *name)
{
    struct device device;
    struct error error = {0};
    REQUIRE(catalog_device_by_name(run->database->catalog, "alice", name, &device, &error) == 0, "%s",
        error.message);
    return device;
}

struct crash_object *crash_create_stream(
    struct crash_run *run, const char *device_name, const char *name, bool downlink)
{
    struct error error = {0};
    struct crash_object *object = crash_object_of(run, "alice", device_name, name);
    struct device device = find_device(run, device_name);
    struct stream made = {.device_id = device.id, .name = crash_text(name), .downlink = downlink};
    (void)begin_change(run, object, true, downlink);
    int r = catalog_create_stream(run->database->catalog, &made, NULL, &error);
    end_change(run, object, r, &error);
    device_free(&device);
    return object;
}

enum { DEVICE_STREAMS = 2 };

struct crash_object *crash_create_device(struct crash_run *run, const char *name)
{
    static const char *const names[DEVICE_STREAMS] = {"s0", "s1"};
    struct stream streams[DEVICE_STREAMS];
    struct crash_object *objects[DEVICE_STREAMS];
    struct error error = {0};
    struct user alice;
    REQUIRE(catalog_user_by_name(run->database->catalog, "alice", &alice, &error) == 0, "%s", error.message);
    struct device device = {.user_id = alice.id, .name = crash_text(name)};
    for (size_t i = 0; i < DEVICE_STREAMS; i++) {
        streams[i] = (struct stream){.name = crash_text(names[i]), .downlink = i == 0};
        objects[i] = crash_object_of(run, "alice", name, names[i]);
        begin_change(run, objects[i], true, i == 0)->with_device = true;
    }
    int r = catalog_create_device_with_streams(
        run->database->catalog, &device, streams, DEVICE_STREAMS, NULL, &error);
    for (size_t i = 0; i < DEVICE_STREAMS; i++)
        end_change(run, objects[i], r, &error);
    user_free(&alice);
    return objects[0]->series_id != 0 ? objects[0] : NULL;
}

void crash_append_to(struct crash_run *run, const struct crash_object *object)
{
    if (object->series_id)
        crash_append(run, object->series_id, 1 + crash_below(run, 5));
    if (object->downlink_series_id)
        crash_append(run, object->downlink_series_id, 1 + crash_below(run, 5));
}

void crash_delete_stream(struct crash_run *run, struct crash_object *object)
{
    struct error error = {0};
    struct deletion deletion = {.count = 0};
    struct stream stream;
    REQUIRE(look_up(run, object, &stream), "%s is not there", object->name);
    (void)begin_change(run, object, false, false);
    begin_deletion(run, &deletion, object->series_id);
    begin_deletion(run, &deletion, object->downlink_series_id);
    int r = database_delete_stream(run->database, stream.id, &error);
    end_change(run, object, r, &error);
    end_deletion(run, &deletion, object->series_id == 0);
    stream_free(&stream);
}

void crash_delete_device(
    struct crash_run *run, const char *name, struct crash_object *const *objects, size_t count)
{
    struct error error = {0};
    struct deletion deletion = {.count = 0};
    struct device device = find_device(run, name);
    for (size_t i = 0; i < count; i++) {
        (void)begin_change(run, objects[i], false, false);
        begin_deletion(run, &deletion, objects[i]->series_id);
        begin_deletion(run, &deletion, objects[i]->downlink_series_id);
    }
    int r = database_delete_device(run->database, device.id, &error);
    for (size_t i = 0; i < count; i++)
        end_change(run, objects[i], r, &error);
    end_deletion(run, &deletion, objects[0]->series_id == 0);
    device_free(&device);
}

void crash_switch_downlink(struct crash_run *run, struct crash_object *object, bool downlink)
{
    struct error error = {0};
    struct deletion deletion = {.count = 0};
    struct stream stream;
    REQUIRE(look_up(run, object, &stream), "%s is not there", object->name);
    (void)begin_change(run, object, true, downlink);
    if (!downlink)
        begin_deletion(run, &deletion, object->downlink_series_id);
    stream.downlink = downlink;
    int r = database_change_stream(run->database, stream.id, &stream, UINT32_MAX, NULL, &error);
    end_change(run, object, r, &error);
    end_deletion(run, &deletion, object->downlink_series_id == 0);
    stream_free(&stream);
}

void crash_append_and_seal(struct crash_run *run, const struct crash_object *a, const struct crash_object *b)
{
    for (unsigned i = 0; i < 3; i++) {
        crash_append_to(run, a);
        crash_append_to(run, b);
        crash_maybe_work(run);
    }
    crash_work(run);
    if (crash_below(run, 3) > 0)
        REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
}

/* ---- importing ---- */

enum { IMPORTED_STREAMS = 3, IMPORTED_POINTS = 20 };

static int import_rows(struct crash_run *run, const char *name, uint64_t first, struct error *ret_error)
{
    static const char *const streams[IMPORTED_STREAMS] = {"s0", "s1", "s2"};
    struct user user = {.name = crash_text(name),
        .email = crash_text(""),
        .password = crash_text("x"),
        .password_scheme = crash_text("bcrypt")};
    struct device device = {.name = crash_text("d")};
    struct catalog_import *import;
    int r = catalog_import_begin(run->database->catalog, &user, &import, ret_error);
    if (r < 0)
        return r;
    r = catalog_import_device(import, &device, ret_error);
    for (uint64_t i = 0; r == 0 && i < IMPORTED_STREAMS; i++) {
        struct stream stream = {.name = crash_text(streams[i]), .series_id = first + i};
        r = catalog_import_stream(import, &stream, ret_error);
    }
    if (r == 0)
        return catalog_import_commit(import, ret_error);
    catalog_import_rollback(import);
    return r;
}

/* Ids and segments, which nobody can name yet. */
static int import_data(struct crash_run *run, const char *name, struct store_bulk **ret_bulk,
    uint64_t *ret_first, struct error *ret_error)
{
    int r = catalog_reserve_series(run->database->catalog, IMPORTED_STREAMS, ret_first, ret_error);
    if (r == 0)
        r = store_bulk_open(run->store, name, false, ret_bulk, ret_error);
    return r == 0 ? crash_load(run, *ret_bulk, *ret_first, IMPORTED_STREAMS, IMPORTED_POINTS, ret_error) : r;
}

/* Segments into the store, then the rows that make them visible. Until then none of it is there. */
static void publish_user(struct crash_run *run, const char *name, struct store_bulk *bulk, uint64_t first)
{
    struct crash_object *objects[IMPORTED_STREAMS];
    struct error error = {0};
    for (uint64_t i = 0; i < IMPORTED_STREAMS; i++) {
        char stream[8];
        (void)snprintf(stream, sizeof(stream), "s%u", (unsigned)i);
        objects[i] = crash_object_of(run, name, "d", stream);
        (void)begin_change(run, objects[i], true, false);
    }
    uint64_t attempt = crash_begin_load(run, first, IMPORTED_STREAMS, IMPORTED_POINTS);
    int r = store_bulk_publish(bulk, &error);
    if (r == 0)
        r = import_rows(run, name, first, &error);
    for (uint64_t i = 0; i < IMPORTED_STREAMS; i++)
        end_change(run, objects[i], r, &error);
    crash_settle(run, attempt, objects[0]->series_id != 0);
    for (uint64_t i = 0; i < IMPORTED_STREAMS; i++) {
        REQUIRE((objects[i]->series_id != 0) == (objects[0]->series_id != 0), "%s is there in part", name);
        if (objects[i]->series_id == 0)
            (void)store_delete_series(
                run->store, (uint64_t[]){first + i}, 1, NULL); /* as import does it; the next open else */
    }
}

void crash_import_user(struct crash_run *run, const char *name)
{
    uint64_t first;
    struct error error = {0};
    struct store_bulk *bulk = NULL;
    int r = import_data(run, name, &bulk, &first, &error);
    REQUIRE(r == 0 || run->disk_is_full, "%s: %s", name, error.message);
    if (r == 0)
        publish_user(run, name, bulk, first);
    store_bulk_close(bulk, false);
}

/* ---- life ---- */

static const char *database_path_of(const struct crash_run *run)
{
    return run->database_path ? run->database_path : run->directory;
}

int crash_try_open_database(struct crash_run *run)
{
    struct error error = {0};
    int r = database_open(database_path_of(run), &run->options, &run->database, &error);
    REQUIRE(r == 0 || run->disk_is_full, "%s", error.message);
    run->store = r == 0 ? run->database->store : NULL;
    if (r < 0)
        run->database = NULL;
    return r;
}

int crash_try_close_database(struct crash_run *run)
{
    struct error error = {0};
    int r = database_close(run->database, &error);
    REQUIRE(r == 0 || run->disk_is_full, "%s", error.message);
    run->store = NULL;
    run->database = NULL;
    return r;
}

void crash_open_database(struct crash_run *run)
{
    REQUIRE(crash_try_open_database(run) == 0, "the database does not open");
}

void crash_close_database(struct crash_run *run)
{
    REQUIRE(crash_try_close_database(run) == 0, "the database does not close");
}

void crash_prepare_database(struct crash_run *run)
{
    struct error error = {0};
    struct catalog_import *import;
    struct user user = {.name = crash_text("alice"),
        .email = crash_text(""),
        .password = crash_text("x"),
        .password_scheme = crash_text("bcrypt")};
    struct device device = {.name = crash_text("d")};
    struct store_options options = {
        .journal_bytes = CRASH_JOURNAL_BYTES, .no_threads = true, .io = crash_plain_io()};
    REQUIRE(run->database_path || rmdir(run->directory) == 0, "%s: %s", run->directory, strerror(errno));
    REQUIRE(database_create(database_path_of(run), NULL, &error) == 0, "%s", error.message);
    REQUIRE(database_open(database_path_of(run), &options, &run->database, &error) == 0, "%s", error.message);
    REQUIRE(catalog_import_begin(run->database->catalog, &user, &import, &error) == 0, "%s", error.message);
    REQUIRE(catalog_import_device(import, &device, &error) == 0, "%s", error.message);
    REQUIRE(catalog_import_commit(import, &error) == 0, "%s", error.message);
    crash_close_database(run);
}
