/* Scenarios of export folders: what is exported is complete or refused, what is imported is there user by
 * user. */
#include "crash_database.h"

#include "export.h"

#include <unistd.h>

static const char *const users[] = {"alice", "bob"};

/* ---- exports ---- */

char *crash_beside(const struct crash_run *run, const char *name)
{
    char *above = strdup(run->directory), *slash = above ? strrchr(above, '/') : NULL;
    REQUIRE(slash, "no memory");
    *slash = '\0';
    char *path = test_path(above, "%s", name);
    free(above);
    return path;
}

void crash_open_scratch(struct crash_run *run)
{
    struct error error = {0};
    char *scratch = crash_beside(run, "scratch");
    REQUIRE(database_create(scratch, NULL, &error) == 0, "%s", error.message);
    REQUIRE(database_open(scratch, &run->options, &run->scratch, &error) == 0, "%s", error.message);
    free(scratch);
}

/* Beside what is recorded: the database that is exported, and one that exports are imported into. */
static void prepare_export(struct crash_run *run)
{
    run->database_path = crash_beside(run, "db");
    crash_prepare_database(run);
    crash_open_scratch(run);
}

static int make_export(struct crash_run *run, const char *path, struct error *ret_error)
{
    struct transfer_options options = {.threads = 1};
    struct transfer_result result;
    return export_database(run->database, path, &options, &result, ret_error);
}

static void export_to(struct crash_run *run, const char *name)
{
    crash_make_copy(run, name, make_export);
}

static void play_export(struct crash_run *run)
{
    crash_open_database(run);
    struct crash_object *a = crash_create_stream(run, "user", "a", true),
                        *b = crash_create_stream(run, "d", "b", false);
    crash_append_and_seal(run, a, b);
    export_to(run, "first");
    crash_import_user(run, "bob");
    crash_append_and_seal(run, a, b);
    for (unsigned i = 0; i < 20;
         i++) { /* more text than fits into a buffer: written without the page cache */
        crash_append(run, b->series_id, 120);
        crash_work(run);
    }
    export_to(run, "second");
    crash_close_database(run);
}

static void play_crowded_export(struct crash_run *run)
{
    run->disk_fills = true;
    play_export(run);
}

static bool check_imported_stream(const struct crash_run *run, const struct crash_copy *copy,
    const struct crash_object *object, struct database *database, struct store_snapshot *snapshot,
    struct model_violation *violation)
{
    struct stream stream = {0};
    struct error error = {0};
    int r = catalog_stream_by_name(
        database->catalog, object->user, object->device, object->name, &stream, &error);
    bool good =
        r == 0 || model_violated(violation, "%s: stream %s: %s", copy->name, object->name, error.message);
    if (good && stream.downlink != (object->downlink_series_id != 0))
        good = model_violated(violation, "%s: stream %s has %s downlink", copy->name, object->name,
            stream.downlink ? "a" : "no");
    good = good && store_model_judge_copy(
                       &run->model, object->series_id, copy->begun, snapshot, stream.series_id, violation);
    if (good && stream.downlink)
        good = store_model_judge_copy(&run->model, object->downlink_series_id, copy->begun, snapshot,
            stream.downlink_series_id, violation);
    stream_free(&stream);
    return good;
}

static bool has_user(struct database *database, const char *name)
{
    struct user user;
    bool has = catalog_user_by_name(database->catalog, name, &user, NULL) == 0;
    if (has)
        user_free(&user);
    return has;
}

/* Each user of the copy is there with everything, or (unless all must be) not at all. */
static bool check_imported(const struct crash_run *run, const struct crash_copy *copy,
    struct database *database, bool all, struct model_violation *violation)
{
    struct store_snapshot *snapshot;
    uint64_t user_count, devices, streams, expected = 0;
    bool good = true;
    REQUIRE(store_snapshot_open(database->store, &snapshot, NULL) == 0, "snapshot");
    REQUIRE(catalog_counts(database->catalog, &user_count, &devices, &streams, NULL) == 0, "counts");
    for (size_t i = 0; good && i < copy->objects.count; i++) {
        const struct crash_object *object = &copy->objects.objects[i];
        if (object->series_id == 0 || (!all && !has_user(database, object->user)))
            continue;
        expected++;
        good = check_imported_stream(run, copy, object, database, snapshot, violation);
    }
    store_snapshot_close(snapshot);
    if (good && streams != expected)
        good = model_violated(violation, "%s holds %llu streams, expected %llu", copy->name,
            (unsigned long long)streams, (unsigned long long)expected);
    return good;
}

void crash_forget_imported(const struct crash_run *run)
{
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        struct user user;
        if (catalog_user_by_name(run->scratch->catalog, users[i], &user, NULL) < 0)
            continue;
        REQUIRE(database_delete_user(run->scratch, user.id, NULL) == 0, "delete");
        user_free(&user);
    }
    while (store_work(run->scratch->store, NULL) == 1)
        continue;
}

static bool judge_export(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    bool good = true;
    (void)random;
    for (size_t i = 0; good && i < run->copy_count; i++) {
        const struct crash_copy *copy = &run->copies[i];
        struct error error = {0};
        struct transfer_options options = {.threads = 1};
        struct transfer_result result;
        char *path = test_path(directory, "%s", copy->name), *seal = test_path(path, "connectordb.json");
        bool complete = crash_is_there(seal);
        int r =
            crash_is_there(path) ? import_database(run->scratch, path, &options, &result, &error) : -ENOENT;
        if (complete && r < 0)
            good = model_violated(
                violation, "%s is complete and cannot be imported: %s", copy->name, error.message);
        else if (!complete && r != -ENOENT)
            good = model_violated(
                violation, "%s is not complete, its import: %s", copy->name, r ? error.message : "succeeds");
        else if (!complete && copy->ended <= point)
            good = model_violated(violation, "%s was made and is not complete", copy->name);
        else if (complete)
            good = check_imported(run, copy, run->scratch, true, violation);
        crash_forget_imported(run);
        free(seal);
        free(path);
    }
    return good;
}

/* ---- imports ---- */

/* Beside: a database and its export. Recorded: an empty one. */
static void prepare_import(struct crash_run *run)
{
    struct error error = {0};
    struct transfer_options options = {.threads = 1};
    struct transfer_result result;
    char *folder = crash_beside(run, "folder");
    run->database_path = crash_beside(run, "db");
    crash_prepare_database(run);
    crash_open_database(run);
    struct crash_object *a = crash_create_stream(run, "user", "a", true),
                        *b = crash_create_stream(run, "d", "b", false);
    crash_append_and_seal(run, a, b);
    crash_import_user(run, "bob");
    run->copies[run->copy_count++] = (struct crash_copy){
        .name = "folder", .begun = crash_log_mark(&run->log), .ended = NEVER, .objects = run->objects};
    REQUIRE(export_database(run->database, folder, &options, &result, &error) == 0, "%s", error.message);
    crash_close_database(run);
    free(run->database_path);
    run->database_path = NULL;
    REQUIRE(rmdir(run->directory) == 0, "%s: %s", run->directory, strerror(errno));
    REQUIRE(database_create(run->directory, NULL, &error) == 0, "%s", error.message);
    free(folder);
}

static void play_import(struct crash_run *run)
{
    struct error error = {0};
    struct transfer_options options = {.threads = 1};
    struct transfer_result result;
    char *folder = crash_beside(run, "folder");
    crash_open_database(run);
    REQUIRE(import_database(run->database, folder, &options, &result, &error) == 0, "%s", error.message);
    run->copies[0].ended = crash_log_mark(&run->log);
    crash_work(run);
    crash_close_database(run);
    free(folder);
}

/* Imports again what is missing: going on with what was read, or anew. */
static bool import_the_rest(const struct crash_run *run, struct database *database,
    struct test_random *random, struct model_violation *violation)
{
    struct error error = {0};
    bool anew =
        !has_user(database, users[0]) && !has_user(database, users[1]) && test_random_below(random, 3) == 0;
    struct transfer_options options = {.threads = 1, .resume = !anew, .restart = anew};
    struct transfer_result result;
    char *folder = crash_beside(run, "folder");
    int r = import_database(database, folder, &options, &result, &error);
    free(folder);
    if (r < 0)
        return model_violated(violation, "the import cannot be finished: %s", error.message);
    return check_imported(run, &run->copies[0], database, true, violation);
}

static bool judge_import(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    struct error error = {0};
    struct database *database;
    struct store_options options = {
        .no_threads = true, .io = crash_plain_io(), .journal_bytes = CRASH_JOURNAL_BYTES};
    const struct crash_copy *copy = &run->copies[0];
    if (database_open(directory, &options, &database, &error) < 0)
        return model_violated(violation, "does not open: %s", error.message);
    bool good = check_imported(run, copy, database, copy->ended <= point, violation) &&
                import_the_rest(run, database, random, violation);
    if (database_close(database, &error) < 0 && good)
        good = model_violated(violation, "does not close: %s", error.message);
    return good && (test_random_below(random, 2) > 0 || crash_check_files(directory, violation));
}

enum { TEXTS_SHORT = 40 };

const struct crash_scenario crash_folder_scenarios[] = {
    {"export", TEXTS_SHORT, false, prepare_export, play_export, judge_export, NULL, false},
    {"fullexport", TEXTS_SHORT, false, prepare_export, play_crowded_export, judge_export, NULL, false},
    {"folder", TEXTS_SHORT, false, prepare_import, play_import, judge_import, NULL, false},
};
const size_t crash_folder_scenario_count = sizeof(crash_folder_scenarios) / sizeof(crash_folder_scenarios[0]);
