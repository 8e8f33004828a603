/* Scenarios of streams that are cut: the stream has all its points, or those that are kept and the folder has
 * the others. */
#include "crash_database.h"

#include "cut.h"
#include "export.h"

enum { CALLS_OF_A_CUT = 90 };

static void prepare_cut(struct crash_run *run)
{
    run->database_path = test_path(run->directory, "db");
    crash_prepare_database(run);
    crash_open_scratch(run);
}

static double time_of(const struct crash_run *run, uint64_t series_id, uint64_t index)
{
    struct batch batch;
    batch_init(&batch);
    store_model_points(&run->model, series_id, index, 1, &batch);
    double time = batch_time(&batch, 0);
    batch_free(&batch);
    return time;
}

static uint64_t series_of_row(struct database *database, const struct crash_cut *cut)
{
    struct stream stream;
    struct error error = {0};
    int r = catalog_stream_by_name(
        database->catalog, cut->object->user, cut->object->device, cut->object->name, &stream, &error);
    REQUIRE(r == 0, "%s", error.message);
    uint64_t id = cut->downlink ? stream.downlink_series_id : stream.series_id;
    stream_free(&stream);
    return id;
}

static int try_cut(struct crash_run *run, const struct crash_cut *cut, double after, struct error *ret_error)
{
    char path[64];
    struct cut_result result;
    (void)snprintf(path, sizeof(path), "%s/%s/%s", cut->object->user, cut->object->device, cut->object->name);
    char *folder = test_path(run->directory, "%s", cut->name);
    const struct cut_options options = {
        .path = path, .downlink = cut->downlink, .after = after, .directory = folder};
    int r = cut_stream(run->database, &options, &result, ret_error);
    REQUIRE(r < 0 || (result.kept == cut->kept && result.cut == cut->length - cut->kept),
        "%llu points are kept, %llu cut", (unsigned long long)result.kept, (unsigned long long)result.cut);
    free(folder);
    return r;
}

/* With failures. True: it is cut. What failed otherwise has left nothing, and the stream takes points. */
static bool cut_on_a_full_disk(struct crash_run *run, const struct crash_cut *cut, double after)
{
    struct error error = {0};
    crash_log_fail(&run->log, (struct crash_failures){.from = 1 + crash_below(run, CALLS_OF_A_CUT),
                                  .count = 1 + crash_below(run, 4),
                                  .kinds = CRASH_CALLS_OF_SPACE});
    run->disk_is_full = true;
    int r = try_cut(run, cut, after, &error);
    crash_log_fail(&run->log, (struct crash_failures){0});
    struct store_stats stats;
    store_get_stats(run->store, &stats);
    if (r == -EINPROGRESS || stats.journal_dead) {
        (void)crash_try_close_database(run);
        run->disk_is_full = false;
        crash_open_database(run);
    }
    run->disk_is_full = false;
    if (r == 0 || series_of_row(run->database, cut) != cut->series_id)
        return true;
    char *folder = test_path(run->directory, "%s", cut->name);
    REQUIRE(r == -EINPROGRESS || !crash_is_there(folder), "%s: the folder is left", error.message);
    if (r == -EINPROGRESS) {
        char *aside = test_path(run->directory, "%s.aside", cut->name);
        REQUIRE(rename(folder, aside) == 0, "rename");
        free(aside);
    }
    free(folder);
    return false;
}

/* Cuts the points after the one at `last`; NEVER: all. */
static void cut_off(struct crash_run *run, struct crash_object *object, bool downlink, uint64_t last)
{
    REQUIRE(run->cut_count < CRASH_CUTS_MAX, "too many cuts");
    struct error error = {0};
    struct crash_cut *cut = &run->cuts[run->cut_count++];
    uint64_t id = downlink ? object->downlink_series_id : object->series_id;
    *cut = (struct crash_cut){.object = object,
        .downlink = downlink,
        .series_id = id,
        .begun = crash_log_mark(&run->log),
        .length = store_model_length(&run->model, id),
        .ended = NEVER,
        .append_begun = NEVER,
        .append_ended = NEVER};
    double after = last == NEVER ? 0 : time_of(run, id, last);
    while (cut->kept < cut->length && time_of(run, id, cut->kept) <= after)
        cut->kept++;
    REQUIRE(cut->kept < cut->length, "nothing to cut");
    (void)snprintf(cut->name, sizeof(cut->name), "first-%u", (unsigned)run->cut_count);
    uint64_t attempt = store_model_attempt(&run->model, MODEL_DELETE, &id, 1, 0, crash_log_count(&run->log));
    if (!run->disk_fills || !cut_on_a_full_disk(run, cut, after))
        REQUIRE(try_cut(run, cut, after, &error) == 0, "%s", error.message);
    cut->ended = crash_log_mark(&run->log);
    store_model_settle(&run->model, attempt, MODEL_DONE, cut->ended);
    crash_learn_series(run, object);
}

/* The point that the old series would have had next. */
static void append_after(struct crash_run *run)
{
    struct crash_cut *cut = &run->cuts[run->cut_count - 1];
    struct error error = {0};
    struct batch batch;
    uint64_t index = 0;
    batch_init(&batch);
    store_model_points(&run->model, cut->series_id, cut->kept, 1, &batch);
    cut->append_begun = crash_log_mark(&run->log);
    while (store_work(run->store, NULL) == 1)
        continue;
    int r = store_append(run->store, series_of_row(run->database, cut), &batch, 0, &index, &error);
    REQUIRE(r == 0 && index == cut->kept, "%s", error.message);
    cut->append_ended = crash_log_mark(&run->log);
    batch_free(&batch);
}

static void play_cut(struct crash_run *run)
{
    crash_open_database(run);
    struct crash_object *a = crash_create_stream(run, "user", "a", true),
                        *b = crash_create_stream(run, "d", "b", true);
    crash_append_and_seal(run, a, b);
    crash_append_to(run, a); /* some of it is still in a journal */
    cut_off(run, a, false, 4);
    append_after(run);
    crash_append(run, b->series_id, 3);
    cut_off(run, a, true, NEVER);
    append_after(run);
    crash_append_to(run, b);
    crash_work(run);
    REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
    cut_off(run, b, false, 1);
    crash_append(run, b->downlink_series_id, 2);
    crash_close_database(run);
}

static void play_crowded_cut(struct crash_run *run)
{
    run->disk_fills = true;
    play_cut(run);
}

/* ---- judging ---- */

static bool check_folder(const struct crash_run *run, const struct crash_cut *cut, const char *directory,
    bool must_be_there, struct model_violation *violation)
{
    struct error error = {0};
    struct transfer_options options = {.threads = 1};
    struct transfer_result result;
    char *path = test_path(directory, "%s", cut->name), *seal = test_path(path, "connectordb.json");
    bool complete = crash_is_there(seal), good = true;
    if (!complete) {
        good = !must_be_there ||
               model_violated(violation, "%s was cut and %s is not complete", cut->object->name, cut->name);
    } else if (import_database(run->scratch, path, &options, &result, &error) < 0) {
        good = model_violated(violation, "%s cannot be imported: %s", cut->name, error.message);
    } else {
        struct store_snapshot *snapshot;
        REQUIRE(store_snapshot_open(run->scratch->store, &snapshot, &error) == 0, "%s", error.message);
        good = store_model_judge_part(&run->model, cut->series_id, cut->kept, cut->length, snapshot,
            series_of_row(run->scratch, cut), violation);
        store_snapshot_close(snapshot);
    }
    crash_forget_imported(run);
    free(seal);
    free(path);
    return good;
}

static bool check_new_series(const struct crash_run *run, uint64_t point, const struct crash_cut *cut,
    struct store_snapshot *snapshot, uint64_t id, struct model_violation *violation)
{
    struct store_series series, old;
    struct error error = {0};
    if (store_snapshot_series(snapshot, id, &series, &error) < 0 ||
        store_snapshot_series(snapshot, cut->series_id, &old, &error) < 0)
        return model_violated(violation, "%s: %s", cut->object->name, error.message);
    uint64_t least = cut->kept + (cut->append_ended <= point), most = cut->kept + (cut->append_begun < point);
    if (series.length < least || series.length > most)
        return model_violated(violation, "%s was cut and has %llu points, not %llu to %llu",
            cut->object->name, (unsigned long long)series.length, (unsigned long long)least,
            (unsigned long long)most);
    if (old.length > 0)
        return model_violated(violation, "%s was cut and its old series is there", cut->object->name);
    return store_model_judge_part(&run->model, cut->series_id, 0, series.length, snapshot, id, violation);
}

static bool check_cut(const struct crash_run *run, uint64_t point, const struct crash_cut *cut,
    struct database *database, const char *directory, struct model_violation *violation)
{
    uint64_t id = series_of_row(database, cut);
    struct store_snapshot *snapshot;
    bool good = true, done = id != cut->series_id;
    REQUIRE(store_snapshot_open(database->store, &snapshot, NULL) == 0, "snapshot");
    if (!done && cut->ended <= point)
        good = model_violated(violation, "%s was cut and is not", cut->object->name);
    else if (done && cut->begun >= point)
        good = model_violated(violation, "%s is cut too early", cut->object->name);
    else if (done)
        good = check_new_series(run, point, cut, snapshot, id, violation);
    else if (cut->begun < point)
        good = store_model_judge_part(&run->model, cut->series_id, 0, cut->length, snapshot, id, violation);
    store_snapshot_close(snapshot);
    return good && check_folder(run, cut, directory, done, violation);
}

/* A cut is only begun once its stream is there. */
static bool judge_cut(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    struct error error = {0};
    struct database *database;
    struct store_options options = {
        .no_threads = true, .io = crash_plain_io(), .journal_bytes = CRASH_JOURNAL_BYTES};
    char *path = test_path(directory, "db");
    uint64_t *lengths = calloc(run->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = database_open(path, &options, &database, &error) == 0 ||
                model_violated(violation, "does not open: %s", error.message);
    if (good) {
        good = store_model_judge(&run->model, point, database->store, lengths, violation);
        for (size_t i = 0; good && i < run->cut_count && run->cuts[i].begun < point; i++)
            good = check_cut(run, point, &run->cuts[i], database, directory, violation);
        if (database_close(database, &error) < 0 && good)
            good = model_violated(violation, "does not close: %s", error.message);
    }
    good = good && (test_random_below(random, 2) > 0 || crash_check_files(path, violation));
    free(lengths);
    free(path);
    return good;
}

enum { TEXTS_SHORT = 40 };

const struct crash_scenario crash_cut_scenarios[] = {
    {"cut", TEXTS_SHORT, false, prepare_cut, play_cut, judge_cut, NULL, false},
    {"fullcut", TEXTS_SHORT, false, prepare_cut, play_crowded_cut, judge_cut, NULL, false},
};
const size_t crash_cut_scenario_count = sizeof(crash_cut_scenarios) / sizeof(crash_cut_scenarios[0]);
