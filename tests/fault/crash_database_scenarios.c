/* Scenarios of a database: catalog and store together. */
#include "crash_database.h"

/* ---- workloads ---- */

static void play_streams(struct crash_run *run)
{
    crash_open_database(run);
    struct crash_object *kept = crash_create_stream(run, "user", "kept", true);
    for (unsigned round = 0; round < 3; round++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "s%u", round);
        struct crash_object *object = crash_create_stream(run, "d", name, round % 2 == 0);
        crash_append_to(run, object);
        crash_append_to(run, kept);
        crash_maybe_work(run);
        if (round != 1)
            crash_delete_stream(run, object);
    }
    crash_work(run);
    REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
    struct crash_object *again = crash_create_stream(run, "d", "s0", false); /* the name is free */
    crash_append_to(run, again);
    crash_delete_device(
        run, "d", (struct crash_object *[]){again, crash_object_of(run, "alice", "d", "s1")}, 2);
    crash_append_to(run, kept);
    crash_append_to(run, crash_create_device(run, "e"));
    crash_append_to(run, kept);
    crash_close_database(run);
}

static void change_something(struct crash_run *run)
{
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    const char *name = names[crash_below(run, 4)];
    struct crash_object *object = crash_object_of(run, "alice", "d", name);
    bool changes = object->change_count + 2 < CRASH_CHANGES_MAX;
    uint64_t what = crash_below(run, 8);
    if (object->series_id == 0 && changes)
        (void)crash_create_stream(run, "d", name, crash_below(run, 2));
    else if (what == 0 && changes)
        crash_delete_stream(run, object);
    else if (what <= 2 && changes)
        crash_switch_downlink(run, object, object->downlink_series_id == 0);
    else
        crash_append_to(run, object);
    crash_maybe_work(run);
}

static void play_downlink(struct crash_run *run)
{
    crash_open_database(run);
    struct crash_object *object = crash_create_stream(run, "d", "s", true);
    crash_append_to(run, object);
    for (unsigned round = 0; round < 3; round++) {
        crash_switch_downlink(run, object, false);
        crash_append_to(run, object);
        crash_maybe_work(run);
        crash_switch_downlink(run, object, true);
        crash_append_to(run, object);
        if (round == 1) {
            crash_close_database(run);
            crash_open_database(run);
        }
    }
    crash_close_database(run);
}

static void play_database_import(struct crash_run *run)
{
    crash_open_database(run);
    struct crash_object *kept = crash_create_stream(run, "d", "kept", false);
    crash_append_to(run, kept);
    crash_import_user(run, "bob");
    crash_append_to(run, kept);
    crash_append_to(run, crash_object_of(run, "bob", "d", "s1"));
    crash_maybe_work(run);
    crash_import_user(run, "carol");
    crash_append_to(run, crash_object_of(run, "carol", "d", "s0"));
    crash_close_database(run);
}

/* The disk is full now and then, at any call of catalog or store: what is refused has not happened, and all
 * goes on without a restart when there is space again. */
static void play_crowded(struct crash_run *run)
{
    run->options.wait_ms_max = 1;
    crash_open_database(run);
    for (unsigned round = 0; round < 6; round++) {
        char name[8];
        crash_log_fail(&run->log, (struct crash_failures){
                                      .from = 1 + crash_below(run, 25),
                                      .count = 1 + crash_below(run, 25),
                                      .kinds = round % 2 ? CRASH_CALLS_OF_SPACE : CRASH_CALLS_OF_NAMES,
                                  });
        run->disk_is_full = true;
        for (unsigned i = 0; i < 6; i++)
            change_something(run);
        (void)snprintf(name, sizeof(name), "n%u", round);
        (void)crash_create_device(run, name);
        if (round % 3 == 2) {
            (void)snprintf(name, sizeof(name), "u%u", round);
            crash_import_user(run, name);
            crash_end_failures(run);
        }
        if (round % 3 == 1) {
            (void)crash_try_close_database(run);
            (void)crash_try_open_database(run);
        }
        run->disk_is_full = false;
        if (run->database)
            crash_end_failures(run);
        crash_log_fail(&run->log, (struct crash_failures){0});
        if (!run->database)
            crash_open_database(run);
        crash_work(run);
        (void)snprintf(name, sizeof(name), "r%u", round);
        crash_append_to(run, crash_create_stream(run, "d", name, true));
    }
    crash_close_database(run);
}

/* ---- living on ---- */

/* As store_model_restart, for streams. */
static void settle_objects(
    struct crash_run *run, uint64_t point, const struct crash_change *found, uint64_t at)
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
            crash_learn_series(run, object);
    }
}

static bool revive_database(
    const struct crash_run *before, uint64_t point, struct crash_run *run, struct model_violation *violation)
{
    struct error error = {0};
    struct crash_change found[CRASH_OBJECTS_MAX];
    (void)crash_log_mark(&run->log); /* the first entry: point 1 is before the open */
    if (database_open(run->directory, &run->options, &run->database, &error) < 0)
        return model_violated(violation, "does not open: %s", error.message);
    run->store = run->database->store;
    uint64_t *lengths = calloc(before->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = crash_check_database(before, point, run->database, lengths, found, violation);
    if (good) {
        uint64_t at = crash_log_mark(&run->log);
        store_model_restart(&run->model, point, lengths, at);
        settle_objects(run, point, found, at);
        struct crash_object *object = crash_create_stream(run, "user", "revived", true);
        crash_append_to(run, object);
        crash_maybe_work(run);
        crash_switch_downlink(run, object, false);
    }
    free(lengths);
    if (database_close(run->database, &error) < 0 && good)
        good = model_violated(violation, "does not close: %s", error.message);
    run->database = NULL;
    run->store = NULL;
    return good;
}

enum { TEXTS_SHORT = 40 };

const struct crash_scenario crash_database_scenarios[] = {
    {"streams", TEXTS_SHORT, false, crash_prepare_database, play_streams, crash_judge_database, NULL, false},
    {"downlink", TEXTS_SHORT, false, crash_prepare_database, play_downlink, crash_judge_database, NULL,
        false},
    {"users", TEXTS_SHORT, false, crash_prepare_database, play_database_import, crash_judge_database, NULL,
        false},
    {"crowded", TEXTS_SHORT, false, crash_prepare_database, play_crowded, crash_judge_database, NULL, false},
    {"rebirth", TEXTS_SHORT, false, crash_prepare_database, play_streams, crash_judge_database,
        revive_database, false},
};
const size_t crash_database_scenario_count =
    sizeof(crash_database_scenarios) / sizeof(crash_database_scenarios[0]);
