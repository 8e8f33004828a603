#include "store_script.h"

#include "clock.h"

#include <sched.h>

enum { SCRIPT_DEADLINE_SECONDS = 30, TEXT_BYTES = 1500, LOAD_SERIES = 3 };

static uint64_t below(struct store_script *script, uint64_t bound)
{
    return test_random_below(&script->random, bound);
}

static uint64_t attempt(struct store_script *script, enum model_operation operation,
    const uint64_t *series_ids, size_t series_count, uint64_t count)
{
    return store_model_attempt(&script->model, operation, series_ids, series_count, count, ++script->now);
}

static void settle(struct store_script *script, uint64_t number, enum model_outcome outcome)
{
    store_model_settle(&script->model, number, outcome, ++script->now);
}

/* ---- judging ---- */

void store_script_judge_directory(const struct store_script *script, const char *directory, const char *what)
{
    struct error error = {0};
    struct model_violation violation;
    struct store *store = NULL;
    struct store_options options = script->options;
    options.io = NULL;
    int r = store_open(directory, &options, &store, &error);
    REQUIRE(r == 0, "%s: the store does not open: %d: %s", what, r, error.message);
    REQUIRE(store_model_judge(&script->model, NOW, store, NULL, &violation), "%s: %s", what, violation.text);
    struct batch batch;
    batch_init(&batch);
    REQUIRE(batch_push_integer(&batch, 1, 1) == 0, "no memory");
    r = store_append(store, SCRIPT_LOAD_FIRST_ID - 1, &batch, 0, NULL, &error);
    REQUIRE(r == 0, "%s: the store takes no points: %d: %s", what, r, error.message);
    batch_free(&batch);
    test_store_close(store);
    test_store_check(directory);
}

/* Nobody sees points that are not durable, and reads go on whatever happened to the journal: right now
 * exactly what was acknowledged is there. */
static void judge_now(struct store_script *script)
{
    struct model_violation violation;
    REQUIRE(store_model_judge_running(&script->model, script->store, &violation), "the running store: %s",
        violation.text);
}

void store_script_free(struct store_script *script)
{
    store_model_free(&script->model);
}

/* ---- running ---- */

static bool journal_dead(struct store_script *script)
{
    struct store_stats stats;
    store_get_stats(script->store, &stats);
    return stats.journal_dead;
}

/* What an insert appends: points to one series, or to each of several as one unit. */
struct insert {
    uint64_t ids[SCRIPT_SERIES]; /* ascending */
    uint32_t series_count;
    uint64_t count;
};

static struct insert make_insert(struct store_script *script, uint64_t last_id)
{
    struct insert insert = {.series_count = 1, .count = 1 + below(script, below(script, 4) ? 10 : 20)};
    uint64_t first = 1 + below(script, last_id);
    insert.ids[0] = first;
    if (below(script, 4) > 0)
        return insert;
    for (uint64_t id = first + 1; id <= last_id; id++)
        insert.ids[insert.series_count++] = id;
    return insert;
}

static int append_once(struct store_script *script, const struct insert *insert)
{
    struct batch batches[SCRIPT_SERIES];
    struct store_part parts[SCRIPT_SERIES];
    struct error error = {0};
    for (uint32_t i = 0; i < insert->series_count; i++) {
        uint64_t id = insert->ids[i];
        batch_init(&batches[i]);
        store_model_points(
            &script->model, id, store_model_length(&script->model, id), insert->count, &batches[i]);
        parts[i] = (struct store_part){.series_id = id, .batch = &batches[i]};
    }
    uint64_t number = attempt(script, MODEL_APPEND, insert->ids, insert->series_count, insert->count);
    int r = insert->series_count == 1
                ? store_append(script->store, insert->ids[0], &batches[0], 0, NULL, &error)
                : store_append_many(script->store, parts, insert->series_count, 0, NULL, &error);
    for (uint32_t i = 0; i < insert->series_count; i++)
        batch_free(&batches[i]);
    REQUIRE(r == 0 || r == -EAGAIN || error_is_no_space(-r) || r == -EIO, "append: %d: %s", r, error.message);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    if (r != -EIO || script->died) /* nothing was written to a journal that was dead before */
        settle(script, number, r == 0 ? MODEL_DONE : MODEL_REFUSED);
    return r;
}

/* An append that was refused for want of space succeeds when there is space, without reopening. */
static int append_when_healthy(struct store_script *script, const struct insert *insert)
{
    uint64_t deadline = clock_monotonic_ns() + SCRIPT_DEADLINE_SECONDS * UINT64_C(1000000000);
    int r;
    do {
        REQUIRE(clock_monotonic_ns() < deadline, "the store does not recover though the device is healthy");
        sched_yield();
        r = append_once(script, insert);
    } while (r == -EAGAIN || error_is_no_space(-r));
    return r;
}

/* false: the journal is dead. */
static bool append(struct store_script *script, uint64_t last_id)
{
    struct insert insert = make_insert(script, last_id);
    int r = append_once(script, &insert);
    if (r < 0 && !journal_dead(script)) {
        judge_now(script);
        if (script->heal)
            script->heal(script->context);
        r = append_when_healthy(script, &insert);
    }
    REQUIRE(r == 0 || journal_dead(script), "an insert failed for good, but the journal is not dead");
    return r == 0;
}

/* The journal is dead: inserts fail and leave nothing, even when the device works again; reads go on. */
static void live_on_dead(struct store_script *script)
{
    script->died = true;
    judge_now(script);
    if (script->heal)
        script->heal(script->context);
    for (uint64_t id = 1; id < SCRIPT_SERIES; id++) {
        int r = append_once(script, &(struct insert){.ids = {id}, .series_count = 1, .count = 3});
        REQUIRE(r == -EIO, "an insert into a dead journal returned %d", r);
    }
    judge_now(script);
}

static bool delete_last(struct store_script *script)
{
    uint64_t id = SCRIPT_SERIES, number = attempt(script, MODEL_DELETE, &id, 1, 0);
    struct error error = {0};
    int r = store_delete_series(script->store, &id, 1, &error);
    REQUIRE(r == 0 || r == -EAGAIN || error_is_no_space(-r) || r == -EIO, "delete: %d: %s", r, error.message);
    if (r == 0)
        settle(script, number, MODEL_DONE);
    return !journal_dead(script);
}

static int load(
    struct store_script *script, struct store_bulk *bulk, const uint64_t ids[LOAD_SERIES], uint64_t count)
{
    struct error error = {0};
    struct store_bulk_writer *writer = NULL;
    int r = store_bulk_writer_open(bulk, &writer, &error);
    for (size_t i = 0; r == 0 && i < LOAD_SERIES; i++) {
        struct batch batch;
        batch_init(&batch);
        store_model_points(&script->model, ids[i], 0, count, &batch);
        r = store_bulk_series(writer, ids[i], i, &error);
        if (r == 0)
            r = store_bulk_append(writer, &batch, &error);
        batch_free(&batch);
    }
    if (r == 0)
        r = store_bulk_writer_finish(writer, &error);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    store_bulk_writer_close(writer);
    return r;
}

static void bulk_load(struct store_script *script)
{
    uint64_t ids[LOAD_SERIES], count = 1 + below(script, 100);
    for (size_t i = 0; i < LOAD_SERIES; i++)
        ids[i] = script->next_load_id++;
    char name[32];
    (void)snprintf(name, sizeof(name), "load-%llu", (unsigned long long)ids[0]);
    struct error error = {0};
    struct store_bulk *bulk = NULL;
    uint64_t number = attempt(script, MODEL_LOAD, ids, LOAD_SERIES, count);
    int r = store_bulk_open(script->store, name, false, &bulk, &error);
    if (r == 0)
        r = load(script, bulk, ids, count);
    if (r < 0)
        settle(script, number, MODEL_REFUSED);
    else if (store_bulk_publish(bulk, &error) == 0)
        settle(script, number, MODEL_DONE);
    store_bulk_close(bulk, false);
}

static bool open_script_store(struct store_script *script)
{
    struct error error = {0};
    script->store = NULL;
    int r = store_open(script->directory, &script->options, &script->store, &error);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    return r == 0;
}

static bool step(struct store_script *script, uint64_t i)
{
    uint64_t count = script->append_count;
    if (i == count / 4 || i == count * 3 / 4)
        bulk_load(script);
    if (i == count * 5 / 8)
        (void)store_seal(script->store, true, NULL);
    if (i == count * 7 / 8)
        (void)store_merge(script->store, NULL);
    if (i == count * 3 / 8) {
        (void)store_close(script->store, NULL);
        script->store = NULL;
        if (!open_script_store(script))
            return false;
    }
    if (i == count / 2 && !delete_last(script))
        return false;
    uint64_t last = i < count / 2 ? SCRIPT_SERIES : SCRIPT_SERIES - 1;
    return append(script, last);
}

void store_script_run(struct store_script *script)
{
    struct error error = {0};
    script->options.io = script->io;
    script->next_load_id = SCRIPT_LOAD_FIRST_ID;
    store_model_init(&script->model, TEXT_BYTES);
    int r = store_create(script->directory, script->io, &error);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    script->created = r == 0;
    script->opened = script->created && open_script_store(script);
    if (!script->opened)
        return;
    uint64_t i = 0;
    while (i < script->append_count && step(script, i))
        i++;
    if (!script->store)
        return;
    if (i < script->append_count)
        live_on_dead(script);
    else
        judge_now(script);
    (void)store_close(script->store, NULL);
    script->store = NULL;
}
