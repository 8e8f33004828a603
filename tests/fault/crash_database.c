/* Scenarios of a database: catalog and store together. */
#include "crash_scenario.h"

#include "database.h"

#include <unistd.h>

/* ---- doing things and noting them ---- */

static struct crash_object *object_of(struct crash_run *run, const char *user, const char *device, const char *name)
{
    struct crash_objects *objects = &run->objects;
    for (size_t i = 0; i < objects->count; i++) {
        struct crash_object *object = &objects->objects[i];
        if (strcmp(object->user, user) == 0 && strcmp(object->device, device) == 0 && strcmp(object->name, name) == 0)
            return object;
    }
    REQUIRE(objects->count < CRASH_OBJECTS_MAX, "too many streams");
    struct crash_object *object = &objects->objects[objects->count++];
    (void)snprintf(object->user, sizeof(object->user), "%s", user);
    (void)snprintf(object->device, sizeof(object->device), "%s", device);
    (void)snprintf(object->name, sizeof(object->name), "%s", name);
    return object;
}

static struct crash_change *begin_change(struct crash_run *run, struct crash_object *object, bool exists, bool downlink)
{
    REQUIRE(object->change_count < CRASH_CHANGES_MAX, "too many changes");
    struct crash_change *change = &object->changes[object->change_count++];
    *change = (struct crash_change){
        .begun = crash_log_count(&run->log), .ended = NEVER, .exists = exists, .downlink = downlink};
    return change;
}

static struct stream look_up(struct crash_run *run, const struct crash_object *object)
{
    struct stream stream;
    struct error error = {0};
    REQUIRE(catalog_stream_by_name(run->database->catalog, object->user, object->device, object->name, &stream, &error) == 0,
        "%s: %s", object->name, error.message);
    return stream;
}

static void learn_series(struct crash_run *run, struct crash_object *object)
{
    struct stream stream = look_up(run, object);
    object->series_id = stream.series_id;
    object->downlink_series_id = stream.downlink_series_id;
    stream_free(&stream);
}

static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal; /* nobody writes to it */
}

static struct crash_object *create_stream(struct crash_run *run, const char *device_name, const char *name, bool downlink)
{
    struct device device;
    struct error error = {0};
    struct crash_object *object = object_of(run, "alice", device_name, name);
    REQUIRE(catalog_device_by_name(run->database->catalog, "alice", device_name, &device, &error) == 0, "%s", error.message);
    struct stream made = {.device_id = device.id, .name = text(name), .downlink = downlink};
    struct crash_change *change = begin_change(run, object, true, downlink);
    REQUIRE(catalog_create_stream(run->database->catalog, &made, NULL, &error) == 0, "%s", error.message);
    change->ended = crash_log_mark(&run->log);
    device_free(&device);
    learn_series(run, object);
    return object;
}

static void append_to(struct crash_run *run, const struct crash_object *object)
{
    crash_append(run, object->series_id, 1 + crash_below(run, 5));
    if (object->downlink_series_id)
        crash_append(run, object->downlink_series_id, 1 + crash_below(run, 5));
}

/* What a call deletes goes away with the call. */
struct deletion {
    uint64_t ids[8], tickets[8];
    size_t count;
};

static void begin_deletion(struct crash_run *run, struct deletion *deletion, uint64_t series_id)
{
    if (series_id == 0)
        return;
    deletion->ids[deletion->count] = series_id;
    deletion->tickets[deletion->count++] = crash_model_begin(&run->model, &run->log, series_id, 0, 0, 0);
}

static void end_deletion(struct crash_run *run, const struct deletion *deletion, uint64_t ended)
{
    for (size_t i = 0; i < deletion->count; i++)
        crash_model_end(&run->model, deletion->ids[i], deletion->tickets[i], ended, true);
}

static void delete_stream(struct crash_run *run, struct crash_object *object)
{
    struct error error = {0};
    struct deletion deletion = {.count = 0};
    struct stream stream = look_up(run, object);
    struct crash_change *change = begin_change(run, object, false, false);
    begin_deletion(run, &deletion, object->series_id);
    begin_deletion(run, &deletion, object->downlink_series_id);
    REQUIRE(database_delete_stream(run->database, stream.id, &error) == 0, "%s", error.message);
    change->ended = crash_log_mark(&run->log);
    end_deletion(run, &deletion, change->ended);
    object->series_id = object->downlink_series_id = 0;
    stream_free(&stream);
}

static void delete_device(struct crash_run *run, const char *name, struct crash_object *const *objects, size_t count)
{
    struct error error = {0};
    struct device device;
    struct deletion deletion = {.count = 0};
    struct crash_change *changes[4];
    REQUIRE(catalog_device_by_name(run->database->catalog, "alice", name, &device, &error) == 0, "%s", error.message);
    for (size_t i = 0; i < count; i++) {
        changes[i] = begin_change(run, objects[i], false, false);
        begin_deletion(run, &deletion, objects[i]->series_id);
        begin_deletion(run, &deletion, objects[i]->downlink_series_id);
    }
    REQUIRE(database_delete_device(run->database, device.id, &error) == 0, "%s", error.message);
    uint64_t ended = crash_log_mark(&run->log);
    end_deletion(run, &deletion, ended);
    for (size_t i = 0; i < count; i++) {
        changes[i]->ended = ended;
        objects[i]->series_id = objects[i]->downlink_series_id = 0;
    }
    device_free(&device);
}

static void switch_downlink(struct crash_run *run, struct crash_object *object, bool downlink)
{
    struct error error = {0};
    struct deletion deletion = {.count = 0};
    struct stream stream = look_up(run, object);
    struct crash_change *change = begin_change(run, object, true, downlink);
    if (!downlink)
        begin_deletion(run, &deletion, object->downlink_series_id);
    stream.downlink = downlink;
    REQUIRE(database_update_stream(run->database, &stream, &error) == 0, "%s", error.message);
    change->ended = crash_log_mark(&run->log);
    end_deletion(run, &deletion, change->ended);
    stream_free(&stream);
    learn_series(run, object);
}

enum { IMPORTED_STREAMS = 3, IMPORTED_POINTS = 20 };

static int import_rows(struct crash_run *run, const char *name, uint64_t first, struct error *ret_error)
{
    static const char *const streams[IMPORTED_STREAMS] = {"s0", "s1", "s2"};
    struct user user = {.name = text(name), .email = text(""), .password = text("x"), .password_scheme = text("bcrypt")};
    struct device device = {.name = text("d")};
    struct catalog_import *import;
    int r = catalog_import_begin(run->database->catalog, &user, &import, ret_error);
    if (r < 0)
        return r;
    r = catalog_import_device(import, &device, ret_error);
    for (uint64_t i = 0; r == 0 && i < IMPORTED_STREAMS; i++) {
        struct stream stream = {.name = text(streams[i]), .series_id = first + i};
        r = catalog_import_stream(import, &stream, ret_error);
    }
    return r == 0 ? catalog_import_commit(import, ret_error) : r;
}

/* As an import of a folder: ids, segments, then the rows that make them visible. Until then none of it is there. */
static void import_user(struct crash_run *run, const char *name)
{
    uint64_t first, tickets[IMPORTED_STREAMS], load = ++run->loads;
    struct error error = {0};
    struct store_bulk *bulk;
    struct crash_change *changes[IMPORTED_STREAMS];
    REQUIRE(catalog_reserve_series(run->database->catalog, IMPORTED_STREAMS, &first, &error) == 0, "%s", error.message);
    REQUIRE(store_bulk_open(run->store, name, false, &bulk, &error) == 0, "%s", error.message);
    crash_load(run, bulk, first, IMPORTED_STREAMS, IMPORTED_POINTS);
    for (uint64_t i = 0; i < IMPORTED_STREAMS; i++) {
        char stream[8];
        (void)snprintf(stream, sizeof(stream), "s%u", (unsigned)i);
        struct crash_object *object = object_of(run, name, "d", stream);
        object->series_id = first + i;
        changes[i] = begin_change(run, object, true, false);
        tickets[i] = crash_model_begin(&run->model, &run->log, first + i, 0, IMPORTED_POINTS, load);
    }
    REQUIRE(store_bulk_publish(bulk, &error) == 0, "%s", error.message);
    REQUIRE(import_rows(run, name, first, &error) == 0, "%s", error.message);
    uint64_t ended = crash_log_mark(&run->log);
    for (uint64_t i = 0; i < IMPORTED_STREAMS; i++) {
        changes[i]->ended = ended;
        crash_model_end(&run->model, first + i, tickets[i], ended, true);
    }
    store_bulk_close(bulk, false);
}

static void open_database(struct crash_run *run)
{
    struct error error = {0};
    REQUIRE(database_open(run->directory, &run->options, &run->database, &error) == 0, "%s", error.message);
    run->store = run->database->store;
}

static void close_database(struct crash_run *run)
{
    struct error error = {0};
    REQUIRE(database_close(run->database, &error) == 0, "%s", error.message);
    run->store = NULL;
    run->database = NULL;
}

/* An empty database with user alice and her device d. */
static void prepare_database(struct crash_run *run)
{
    struct error error = {0};
    struct catalog_import *import;
    struct user user = {.name = text("alice"), .email = text(""), .password = text("x"), .password_scheme = text("bcrypt")};
    struct device device = {.name = text("d")};
    struct store_options options = {.journal_bytes = CRASH_JOURNAL_BYTES, .no_threads = true, .io = crash_plain_io()};
    REQUIRE(rmdir(run->directory) == 0, "%s: %s", run->directory, strerror(errno));
    REQUIRE(database_create(run->directory, NULL, &error) == 0, "%s", error.message);
    REQUIRE(database_open(run->directory, &options, &run->database, &error) == 0, "%s", error.message);
    REQUIRE(catalog_import_begin(run->database->catalog, &user, &import, &error) == 0, "%s", error.message);
    REQUIRE(catalog_import_device(import, &device, &error) == 0, "%s", error.message);
    REQUIRE(catalog_import_commit(import, &error) == 0, "%s", error.message);
    close_database(run);
}

/* ---- workloads ---- */

static void play_streams(struct crash_run *run)
{
    open_database(run);
    struct crash_object *kept = create_stream(run, "user", "kept", true);
    for (unsigned round = 0; round < 3; round++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%u", round);
        struct crash_object *object = create_stream(run, "d", name, round % 2 == 0);
        append_to(run, object);
        append_to(run, kept);
        crash_maybe_work(run);
        if (round != 1)
            delete_stream(run, object);
    }
    crash_work(run);
    REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
    struct crash_object *again = create_stream(run, "d", "s0", false); /* the name is free */
    append_to(run, again);
    delete_device(run, "d", (struct crash_object *[]){again, object_of(run, "alice", "d", "s1")}, 2);
    append_to(run, kept);
    close_database(run);
}

static void play_downlink(struct crash_run *run)
{
    open_database(run);
    struct crash_object *object = create_stream(run, "d", "s", true);
    append_to(run, object);
    for (unsigned round = 0; round < 3; round++) {
        switch_downlink(run, object, false);
        append_to(run, object);
        crash_maybe_work(run);
        switch_downlink(run, object, true);
        append_to(run, object);
        if (round == 1) {
            close_database(run);
            open_database(run);
        }
    }
    close_database(run);
}

static void play_database_import(struct crash_run *run)
{
    open_database(run);
    struct crash_object *kept = create_stream(run, "d", "kept", false);
    append_to(run, kept);
    import_user(run, "bob");
    append_to(run, kept);
    append_to(run, object_of(run, "bob", "d", "s1"));
    crash_maybe_work(run);
    import_user(run, "carol");
    append_to(run, object_of(run, "carol", "d", "s0"));
    close_database(run);
}

/* ---- judging ---- */

enum { SERIES_TO_SPARE = 1000 }; /* more than any workload makes */

struct object_expected {
    bool exists, downlink;
    const struct crash_change *open;
};

static struct object_expected expect_object(const struct crash_object *object, uint64_t point)
{
    struct object_expected expected = {0};
    for (size_t i = 0; i < object->change_count && object->changes[i].begun < point; i++) {
        const struct crash_change *change = &object->changes[i];
        if (change->ended > point) {
            expected.open = change;
            break;
        }
        expected.exists = change->exists;
        expected.downlink = change->downlink;
    }
    return expected;
}

/* ret_exists, ret_downlink: what was found. */
static bool check_object(const struct crash_object *object, uint64_t point, struct catalog *catalog, struct crash_change *ret_found,
    struct crash_violation *violation)
{
    struct stream stream = {0};
    struct error error = {0};
    struct object_expected expected = expect_object(object, point);
    int r = catalog_stream_by_name(catalog, object->user, object->device, object->name, &stream, &error);
    if (r < 0 && r != -ENOENT)
        return crash_violated(violation, "stream %s: %s", object->name, error.message);
    struct crash_change found = {.exists = r == 0, .downlink = r == 0 && stream.downlink};
    stream_free(&stream);
    bool is_before = found.exists == expected.exists && found.downlink == expected.downlink;
    bool is_after = expected.open && found.exists == expected.open->exists && found.downlink == expected.open->downlink;
    if (!is_before && !is_after)
        return crash_violated(violation, "stream %s/%s/%s is%s there%s, expected%s%s", object->user, object->device, object->name,
            found.exists ? "" : " not", found.downlink ? " with a downlink" : "", expected.exists ? " it" : " none",
            expected.downlink ? " with a downlink" : "");
    *ret_found = found;
    return true;
}

static bool is_in(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

/* A row's series holds what it must; what no row names holds nothing. */
static bool check_series_rows(const struct crash_run *run, uint64_t point, const uint64_t *lengths, const uint64_t *rows,
    size_t row_count, struct crash_violation *violation)
{
    for (size_t i = 0; i < run->model.count; i++) {
        const struct crash_series *series = &run->model.series[i];
        struct crash_expected expected = crash_series_expect(series, point);
        bool named = is_in(rows, row_count, series->id);
        bool deleting = expected.open && expected.open->count == 0, loading = expected.open && expected.open->load != 0;
        if (!named && lengths[i] > 0)
            return crash_violated(violation, "series %llu has %llu points but no row", (unsigned long long)series->id,
                (unsigned long long)lengths[i]);
        if (named && expected.deleted)
            return crash_violated(violation, "series %llu was deleted and has a row", (unsigned long long)series->id);
        if (named && ((deleting && lengths[i] != expected.length) || (loading && lengths[i] == 0)))
            return crash_violated(violation, "series %llu has a row but no data", (unsigned long long)series->id);
    }
    return true;
}

/* Series that the model does not know: of rows that were just being made, so they are empty; or the judge's own. */
static bool check_new_rows(const struct crash_run *run, struct store *store, const uint64_t *rows, size_t row_count,
    struct crash_violation *violation)
{
    struct store_snapshot *snapshot;
    struct error error = {0};
    bool good = true;
    REQUIRE(store_snapshot_open(store, &snapshot, &error) == 0, "%s", error.message);
    for (size_t i = 0; good && i < row_count; i++) {
        struct store_series series = {0};
        bool known = false;
        for (size_t n = 0; n < run->model.count; n++)
            known |= run->model.series[n].id == rows[i];
        if (store_snapshot_series(snapshot, rows[i], &series, &error) < 0)
            good = crash_violated(violation, "series %llu: %s", (unsigned long long)rows[i], error.message);
        else if (!known && rows[i] < SERIES_TO_SPARE && series.length > 0)
            good = crash_violated(violation, "series %llu is new and has points", (unsigned long long)rows[i]);
    }
    store_snapshot_close(snapshot);
    return good;
}

/* found: one for each object. */
static bool check_database(const struct crash_run *run, uint64_t point, struct database *database, uint64_t *lengths,
    struct crash_change *found, struct crash_violation *violation)
{
    struct error error = {0};
    uint64_t *rows = NULL;
    size_t row_count = 0;
    bool good = crash_model_check(&run->model, point, database->store, lengths, violation);
    if (good && catalog_series(database->catalog, &rows, &row_count, &error) < 0)
        good = crash_violated(violation, "catalog: %s", error.message);
    good = good && check_series_rows(run, point, lengths, rows, row_count, violation) &&
           check_new_rows(run, database->store, rows, row_count, violation);
    for (size_t i = 0; good && i < run->objects.count; i++)
        good = check_object(&run->objects.objects[i], point, database->catalog, &found[i], violation);
    free(rows);
    return good;
}

static void note_finding(void *context, const char *message)
{
    struct crash_violation *violation = context;
    if (!violation->text[0])
        (void)crash_violated(violation, "check: %s", message);
}

static bool check_files(const char *directory, struct crash_violation *violation)
{
    struct error error = {0};
    char *catalog = test_path(directory, "catalog.sqlite"), *data = test_path(directory, "data");
    violation->text[0] = '\0';
    int r = catalog_check(catalog, note_finding, violation, &error);
    bool good = r == 0 || (r < 0 && crash_violated(violation, "check: %s", error.message));
    good = good && crash_check_store(data, violation);
    free(catalog);
    free(data);
    return good;
}

/* Ids are never given out twice. Takes the ones that the workload got afterwards, so that nobody gets them now. */
static bool check_ids(const struct crash_run *run, uint64_t point, struct catalog *catalog, struct crash_violation *violation)
{
    uint64_t first;
    struct error error = {0};
    if (catalog_reserve_series(catalog, SERIES_TO_SPARE, &first, &error) < 0)
        return crash_violated(violation, "no new series: %s", error.message);
    for (size_t i = 0; i < run->model.count; i++) {
        const struct crash_series *series = &run->model.series[i];
        if (series->id >= first && series->count > 0 && series->attempts[0].begun < point)
            return crash_violated(violation, "series id %llu is given out again", (unsigned long long)series->id);
    }
    return true;
}

/* The database goes on: a new stream takes points. */
static bool go_on(const struct crash_run *run, uint64_t point, struct database *database, struct crash_violation *violation)
{
    struct device device;
    struct stream stream = {.name = text("after")};
    struct error error = {0};
    struct batch batch;
    if (!check_ids(run, point, database->catalog, violation))
        return false;
    int r = catalog_device_by_name(database->catalog, "alice", "user", &device, &error);
    if (r < 0)
        return crash_violated(violation, "alice/user: %s", error.message);
    stream.device_id = device.id;
    r = catalog_create_stream(database->catalog, &stream, NULL, &error);
    device_free(&device);
    if (r == 0)
        r = catalog_stream_by_name(database->catalog, "alice", "user", "after", &stream, &error);
    if (r < 0)
        return crash_violated(violation, "no new stream: %s", error.message);
    uint64_t index = 1;
    batch_init(&batch);
    crash_model_points(&run->model, stream.series_id, 0, 3, &batch);
    r = store_append(database->store, stream.series_id, &batch, 0, &index, &error);
    batch_free(&batch);
    stream_free(&stream);
    if (r < 0 || index != 0)
        return crash_violated(violation, "a new stream takes no points: %s", r < 0 ? error.message : "it is not empty");
    return true;
}

static bool judge_database(const struct crash_run *run, uint64_t point, const char *directory, struct test_random *random,
    struct crash_violation *violation)
{
    struct error error = {0};
    struct database *database;
    struct crash_change found[CRASH_OBJECTS_MAX];
    struct store_options options = {.journal_bytes = CRASH_JOURNAL_BYTES, .io = crash_plain_io(),
        .no_threads = test_random_below(random, 16) > 0, .wait_ms_max = 60000};
    uint64_t *lengths = calloc(run->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = true;
    for (unsigned life = 0; good && life < 2; life++) {
        if (database_open(directory, &options, &database, &error) < 0) {
            good = crash_violated(violation, "does not open%s: %s", life ? " again" : "", error.message);
            break;
        }
        good = check_database(run, point, database, lengths, found, violation);
        if (good && life == 0)
            good = go_on(run, point, database, violation);
        if (database_close(database, &error) < 0 && good)
            good = crash_violated(violation, "does not close: %s", error.message);
    }
    good = good && check_files(directory, violation);
    free(lengths);
    return good;
}

/* ---- living on ---- */

/* As crash_model_settle, for streams. */
static void settle_objects(struct crash_run *run, uint64_t point, const struct crash_change *found, uint64_t at)
{
    for (size_t i = 0; i < run->objects.count; i++) {
        struct crash_object *object = &run->objects.objects[i];
        size_t count = 0;
        bool open = false;
        while (!open && count < object->change_count && object->changes[count].begun < point) {
            struct crash_change *change = &object->changes[count++];
            open = change->ended > point;
            change->begun = 0;
            change->ended = open ? at : 1;
        }
        if (open) { /* one way or the other, but only one */
            object->changes[count - 1].exists = found[i].exists;
            object->changes[count - 1].downlink = found[i].downlink;
        }
        object->change_count = count;
        object->series_id = object->downlink_series_id = 0;
        if (found[i].exists)
            learn_series(run, object);
    }
}

static bool revive_database(const struct crash_run *before, uint64_t point, struct crash_run *run, struct crash_violation *violation)
{
    struct error error = {0};
    struct crash_change found[CRASH_OBJECTS_MAX];
    (void)crash_log_mark(&run->log); /* the first entry: point 1 is before the open */
    if (database_open(run->directory, &run->options, &run->database, &error) < 0)
        return crash_violated(violation, "does not open: %s", error.message);
    run->store = run->database->store;
    uint64_t *lengths = calloc(before->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = check_database(before, point, run->database, lengths, found, violation);
    if (good) {
        uint64_t at = crash_log_mark(&run->log);
        crash_model_settle(&run->model, point, lengths, at);
        settle_objects(run, point, found, at);
        struct crash_object *object = create_stream(run, "user", "revived", true);
        append_to(run, object);
        crash_maybe_work(run);
        switch_downlink(run, object, false);
    }
    free(lengths);
    if (database_close(run->database, &error) < 0 && good)
        good = crash_violated(violation, "does not close: %s", error.message);
    run->database = NULL;
    run->store = NULL;
    return good;
}

enum { TEXTS_SHORT = 40 };

const struct crash_scenario crash_database_scenarios[] = {
    {"streams", TEXTS_SHORT, false, prepare_database, play_streams, judge_database, NULL},
    {"downlink", TEXTS_SHORT, false, prepare_database, play_downlink, judge_database, NULL},
    {"users", TEXTS_SHORT, false, prepare_database, play_database_import, judge_database, NULL},
    {"rebirth", TEXTS_SHORT, false, prepare_database, play_streams, judge_database, revive_database},
};
const size_t crash_database_scenario_count = sizeof(crash_database_scenarios) / sizeof(crash_database_scenarios[0]);
