/* What a crash left of a database: rows and points, and that they agree. */
#include "crash_database.h"

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

static bool check_device(const struct crash_object *object, bool expected, struct catalog *catalog,
    struct model_violation *violation)
{
    struct device device = {0};
    struct error error = {0};
    int r = catalog_device_by_name(catalog, object->user, object->device, &device, &error);
    device_free(&device);
    if (r < 0 && r != -ENOENT)
        return model_violated(violation, "device %s: %s", object->device, error.message);
    return (r == 0) == expected ||
           model_violated(violation, "device %s/%s is%s there, its stream %s is%s", object->user,
               object->device, r == 0 ? "" : " not", object->name, expected ? "" : " not");
}

/* ret_exists, ret_downlink: what was found. */
static bool check_object(const struct crash_object *object, uint64_t point, struct catalog *catalog,
    struct crash_change *ret_found, struct model_violation *violation)
{
    struct stream stream = {0};
    struct error error = {0};
    struct object_expected expected = expect_object(object, point);
    int r = catalog_stream_by_name(catalog, object->user, object->device, object->name, &stream, &error);
    if (r < 0 && r != -ENOENT)
        return model_violated(violation, "stream %s: %s", object->name, error.message);
    struct crash_change found = {.exists = r == 0, .downlink = r == 0 && stream.downlink};
    stream_free(&stream);
    bool is_before = found.exists == expected.exists && found.downlink == expected.downlink;
    bool is_after =
        expected.open && found.exists == expected.open->exists && found.downlink == expected.open->downlink;
    if (!is_before && !is_after)
        return model_violated(violation, "stream %s/%s/%s is%s there%s, expected%s%s", object->user,
            object->device, object->name, found.exists ? "" : " not",
            found.downlink ? " with a downlink" : "", expected.exists ? " it" : " none",
            expected.downlink ? " with a downlink" : "");
    if (expected.open && expected.open->with_device &&
        !check_device(object, found.exists, catalog, violation))
        return false;
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
static bool check_series_rows(const struct crash_run *run, uint64_t point, const uint64_t *lengths,
    const uint64_t *rows, size_t row_count, struct model_violation *violation)
{
    for (size_t i = 0; i < run->model.count; i++) {
        const struct model_series *series = &run->model.series[i];
        struct model_expected expected = store_model_expect(series, point);
        bool named = is_in(rows, row_count, series->id);
        bool deleting = expected.open && expected.open->operation == MODEL_DELETE,
             loading = expected.open && expected.open->operation == MODEL_LOAD;
        if (!named && lengths[i] > 0)
            return model_violated(violation, "series %llu has %llu points but no row",
                (unsigned long long)series->id, (unsigned long long)lengths[i]);
        if (named && expected.deleted)
            return model_violated(
                violation, "series %llu was deleted and has a row", (unsigned long long)series->id);
        if (named && ((deleting && lengths[i] != expected.length) || (loading && lengths[i] == 0)))
            return model_violated(
                violation, "series %llu has a row but no data", (unsigned long long)series->id);
    }
    return true;
}

/* Series that the model does not know: of rows that were just being made, so they are empty; or the judge's
 * own. */
static bool check_new_rows(const struct crash_run *run, struct store *store, const uint64_t *rows,
    size_t row_count, struct model_violation *violation)
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
            good = model_violated(violation, "series %llu: %s", (unsigned long long)rows[i], error.message);
        else if (!known && rows[i] < SERIES_TO_SPARE && series.length > 0)
            good =
                model_violated(violation, "series %llu is new and has points", (unsigned long long)rows[i]);
    }
    store_snapshot_close(snapshot);
    return good;
}

bool crash_check_database(const struct crash_run *run, uint64_t point, struct database *database,
    uint64_t *lengths, struct crash_change *found, struct model_violation *violation)
{
    struct error error = {0};
    uint64_t *rows = NULL;
    size_t row_count = 0;
    bool good = store_model_judge(&run->model, point, database->store, lengths, violation);
    if (good && catalog_series(database->catalog, &rows, &row_count, &error) < 0)
        good = model_violated(violation, "catalog: %s", error.message);
    good = good && check_series_rows(run, point, lengths, rows, row_count, violation) &&
           check_new_rows(run, database->store, rows, row_count, violation);
    for (size_t i = 0; good && i < run->objects.count; i++)
        good = check_object(&run->objects.objects[i], point, database->catalog, &found[i], violation);
    free(rows);
    return good;
}

static void note_finding(void *context, const char *message)
{
    struct model_violation *violation = context;
    if (!violation->text[0])
        (void)model_violated(violation, "check: %s", message);
}

bool crash_check_files(const char *directory, struct model_violation *violation)
{
    struct error error = {0};
    char *catalog = test_path(directory, "catalog.sqlite"), *data = test_path(directory, "data");
    violation->text[0] = '\0';
    int r = catalog_check(catalog, note_finding, violation, &error);
    bool good = r == 0 || (r < 0 && model_violated(violation, "check: %s", error.message));
    good = good && crash_check_store(data, violation);
    free(catalog);
    free(data);
    return good;
}

/* Ids are never given out twice. Takes the ones that the workload got afterwards, so that nobody gets them
 * now. */
static bool check_ids(
    const struct crash_run *run, uint64_t point, struct catalog *catalog, struct model_violation *violation)
{
    uint64_t first;
    struct error error = {0};
    if (catalog_reserve_series(catalog, SERIES_TO_SPARE, &first, &error) < 0)
        return model_violated(violation, "no new series: %s", error.message);
    for (size_t i = 0; i < run->model.count; i++) {
        const struct model_series *series = &run->model.series[i];
        if (series->id >= first && series->count > 0 && series->attempts[0].begun < point)
            return model_violated(
                violation, "series id %llu is given out again", (unsigned long long)series->id);
    }
    return true;
}

/* The database goes on: a new stream takes points. */
static bool go_on(const struct crash_run *run, uint64_t point, struct database *database, bool no_threads,
    struct model_violation *violation)
{
    struct device device;
    struct stream stream = {.name = crash_text("after")};
    struct error error = {0};
    struct batch batch;
    if (!check_ids(run, point, database->catalog, violation))
        return false;
    int r = catalog_device_by_name(database->catalog, "alice", "user", &device, &error);
    if (r < 0)
        return model_violated(violation, "alice/user: %s", error.message);
    stream.device_id = device.id;
    r = catalog_create_stream(database->catalog, &stream, NULL, &error);
    device_free(&device);
    if (r == 0)
        r = catalog_stream_by_name(database->catalog, "alice", "user", "after", &stream, &error);
    if (r < 0)
        return model_violated(violation, "no new stream: %s", error.message);
    uint64_t index = 1;
    batch_init(&batch);
    store_model_points(&run->model, stream.series_id, 0, 3, &batch);
    while (no_threads && store_work(database->store, NULL) == 1) /* there may be no journal with space */
        continue;
    r = store_append(database->store, stream.series_id, &batch, 0, &index, &error);
    batch_free(&batch);
    stream_free(&stream);
    if (r < 0 || index != 0)
        return model_violated(
            violation, "a new stream takes no points: %s", r < 0 ? error.message : "it is not empty");
    return true;
}

/* Each state is opened and looked at; some once more afterwards, some are checked: SQLite's reading of its
 * schema, which is most of the time, is better spent on more states. */
enum { SECOND_LIFE_EVERY = 3, CHECK_EVERY = 2 };

bool crash_judge_database(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    unsigned lives = test_random_below(random, SECOND_LIFE_EVERY) == 0 ? 2 : 1;
    bool checks = test_random_below(random, CHECK_EVERY) == 0;
    struct error error = {0};
    struct database *database;
    struct crash_change found[CRASH_OBJECTS_MAX];
    struct store_options options = {.journal_bytes = CRASH_JOURNAL_BYTES,
        .io = crash_plain_io(),
        .no_threads = test_random_below(random, 16) > 0,
        .wait_ms_max = 60000};
    uint64_t *lengths = calloc(run->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = true;
    for (unsigned life = 0; good && life < lives; life++) {
        if (database_open(directory, &options, &database, &error) < 0) {
            good = model_violated(violation, "does not open%s: %s", life ? " again" : "", error.message);
            break;
        }
        good = crash_check_database(run, point, database, lengths, found, violation);
        if (good && life == 0)
            good = go_on(run, point, database, options.no_threads, violation);
        if (database_close(database, &error) < 0 && good)
            good = model_violated(violation, "does not close: %s", error.message);
    }
    good = good && (!checks || crash_check_files(directory, violation));
    free(lengths);
    return good;
}
