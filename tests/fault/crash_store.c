/* Scenarios of a store alone. */
#include "crash_scenario.h"

#include "batch.h"
#include "database.h"
#include "io.h"

enum { UNIT_SERIES_MAX = 8 };
enum { LOAD_FIRST = 1000, LOAD_SERIES = 5, LOAD_POINTS = 40, LOAD_SERIES_MAX = 16 };

/* ---- doing things and noting them ---- */

uint64_t crash_below(struct crash_run *run, uint64_t bound)
{
    return test_random_below(&run->random, bound);
}

void crash_settle(struct crash_run *run, uint64_t attempt, bool done)
{
    store_model_settle(&run->model, attempt, done ? MODEL_DONE : MODEL_REFUSED, crash_log_mark(&run->log));
}

uint64_t crash_begin_load(struct crash_run *run, uint64_t first_id, uint64_t series, uint64_t points)
{
    uint64_t ids[LOAD_SERIES_MAX];
    REQUIRE(series <= LOAD_SERIES_MAX, "too many series");
    for (uint64_t i = 0; i < series; i++)
        ids[i] = first_id + i;
    return store_model_attempt(&run->model, MODEL_LOAD, ids, series, points, crash_log_count(&run->log));
}

static void open_again(struct crash_run *run);

static void reopen(struct crash_run *run)
{
    if (run->database) {
        (void)database_close(run->database, NULL);
        REQUIRE(database_open(run->database_path ? run->database_path : run->directory, &run->options,
                    &run->database, NULL) == 0,
            "reopen");
        run->store = run->database->store;
    } else {
        (void)store_close(run->store, NULL);
        open_again(run);
    }
}

/* After a dead journal: closes, heals, opens, and takes what is there as the outcome. */
static void revive_dead(struct crash_run *run)
{
    struct store_stats stats;
    store_get_stats(run->store, &stats);
    if (!stats.journal_dead)
        return;
    crash_log_fail(&run->log, (struct crash_failures){0});
    reopen(run);
    uint64_t *lengths = calloc(run->model.count + 1, sizeof(*lengths));
    struct model_violation violation;
    REQUIRE(lengths, "no memory");
    REQUIRE(store_model_judge(&run->model, NOW, run->store, lengths, &violation), "%s", violation.text);
    store_model_settle_found(&run->model, lengths, crash_log_mark(&run->log));
    free(lengths);
}

void crash_end_failures(struct crash_run *run)
{
    crash_log_fail(&run->log, (struct crash_failures){0});
    revive_dead(run);
}

void crash_append(struct crash_run *run, uint64_t series_id, uint64_t count)
{
    if (store_model_deleted(&run->model, series_id))
        return;
    struct batch batch;
    struct error error = {0};
    uint64_t first = store_model_length(&run->model, series_id), index = first;
    batch_init(&batch);
    store_model_points(&run->model, series_id, first, count, &batch);
    uint64_t attempt =
        store_model_attempt(&run->model, MODEL_APPEND, &series_id, 1, count, crash_log_count(&run->log));
    int r = store_append(run->store, series_id, &batch, 0, &index, &error);
    batch_free(&batch);
    REQUIRE(r == 0 || r == -EAGAIN || r == -ENOSPC || r == -EIO, "append: %d: %s", r, error.message);
    REQUIRE(r < 0 || index == first, "appended at %llu, expected %llu", (unsigned long long)index,
        (unsigned long long)first);
    if (r != -EIO)
        crash_settle(run, attempt, r == 0);
    else
        revive_dead(run);
}

/* One insert into several series that are not deleted; ids ascending. */
static void append_unit(struct crash_run *run, const uint64_t *series_ids, uint32_t count, uint64_t points)
{
    struct batch batches[UNIT_SERIES_MAX];
    struct store_part parts[UNIT_SERIES_MAX];
    uint64_t firsts[UNIT_SERIES_MAX];
    struct error error = {0};
    for (uint32_t i = 0; i < count; i++) {
        firsts[i] = store_model_length(&run->model, series_ids[i]);
        batch_init(&batches[i]);
        store_model_points(&run->model, series_ids[i], firsts[i], points, &batches[i]);
        parts[i] = (struct store_part){.series_id = series_ids[i], .batch = &batches[i]};
    }
    uint64_t attempt =
        store_model_attempt(&run->model, MODEL_APPEND, series_ids, count, points, crash_log_count(&run->log));
    int r = store_append_many(run->store, parts, count, 0, NULL, &error);
    REQUIRE(r == 0 || r == -EAGAIN || r == -ENOSPC || r == -EIO, "append unit: %d: %s", r, error.message);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(r < 0 || parts[i].first_index == firsts[i], "appended at another index");
        batch_free(&batches[i]);
    }
    if (r != -EIO)
        crash_settle(run, attempt, r == 0);
    else
        revive_dead(run);
}

void crash_delete(struct crash_run *run, const uint64_t *series_ids, size_t count)
{
    struct error error = {0};
    uint64_t attempt =
        store_model_attempt(&run->model, MODEL_DELETE, series_ids, count, 0, crash_log_count(&run->log));
    int r = store_delete_series(run->store, series_ids, count, &error);
    REQUIRE(r == 0 || r == -EAGAIN || r == -ENOSPC || r == -EIO, "delete: %d: %s", r, error.message);
    if (r != -EIO)
        crash_settle(run, attempt, r == 0);
    else
        revive_dead(run);
}

void crash_work(struct crash_run *run)
{
    while (run->options.no_threads && store_work(run->store, NULL) == 1)
        continue;
}

void crash_maybe_work(struct crash_run *run)
{
    if (run->options.no_threads && crash_below(run, 2))
        (void)store_work(run->store, NULL);
}

static int load_series(struct crash_run *run, struct store_bulk *bulk, uint64_t first_id, uint64_t series,
    uint64_t points, struct error *ret_error)
{
    struct store_bulk_writer *writer = NULL;
    int r = store_bulk_writer_open(bulk, &writer, ret_error);
    for (uint64_t id = first_id; r == 0 && id < first_id + series; id++) {
        struct batch batch;
        batch_init(&batch);
        store_model_points(&run->model, id, 0, points, &batch);
        r = store_bulk_series(writer, id, id, ret_error);
        if (r == 0)
            r = store_bulk_append(writer, &batch, ret_error);
        batch_free(&batch);
    }
    if (r == 0)
        r = store_bulk_writer_finish(writer, ret_error);
    store_bulk_writer_close(writer);
    return r;
}

/* In two writers' segments. */
int crash_load(struct crash_run *run, struct store_bulk *bulk, uint64_t first_id, uint64_t series,
    uint64_t points, struct error *ret_error)
{
    int r = load_series(run, bulk, first_id, series / 2, points, ret_error);
    return r == 0 ? load_series(run, bulk, first_id + series / 2, series - series / 2, points, ret_error) : r;
}

static void load(struct crash_run *run, struct store_bulk *bulk, uint64_t first_id, uint64_t series)
{
    struct error error = {0};
    REQUIRE(crash_load(run, bulk, first_id, series, LOAD_POINTS, &error) == 0, "%s", error.message);
}

static void publish(
    struct crash_run *run, struct store_bulk *bulk, uint64_t first_id, uint64_t series, uint64_t points)
{
    struct error error = {0};
    uint64_t attempt = crash_begin_load(run, first_id, series, points);
    REQUIRE(store_bulk_publish(bulk, &error) == 0, "%s", error.message);
    crash_settle(run, attempt, true);
}

static void open_again(struct crash_run *run)
{
    struct error error = {0};
    REQUIRE(store_open(run->directory, &run->options, &run->store, &error) == 0, "%s", error.message);
}

static void close_it(struct crash_run *run)
{
    struct error error = {0};
    REQUIRE(store_close(run->store, &error) == 0, "%s", error.message);
    run->store = NULL;
}

static void seal(struct crash_run *run)
{
    struct error error = {0};
    crash_work(run);
    REQUIRE(store_seal(run->store, true, &error) == 0, "%s", error.message);
    crash_maybe_work(run);
}

static void prepare_store(struct crash_run *run)
{
    test_store_create(run->directory);
}

/* ---- workloads ---- */

enum { INSERTS = 120, INSERT_SERIES = 12, SEGMENTS_TO_MERGE = 12 };

static void append_some(struct crash_run *run, uint64_t series, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        crash_append(run, 1 + crash_below(run, series), 1 + crash_below(run, 5));
        crash_maybe_work(run);
    }
}

static void play_inserts(struct crash_run *run)
{
    open_again(run);
    append_some(run, INSERT_SERIES, INSERTS);
    close_it(run);
}

/* Mostly units; in between inserts into one series. */
static void append_units(struct crash_run *run, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t ids[UNIT_SERIES_MAX], id = 0;
        uint32_t parts = 2 + (uint32_t)crash_below(run, UNIT_SERIES_MAX - 1);
        for (uint32_t n = 0; n < parts; n++) {
            do
                id += 1 + crash_below(run, 3);
            while (store_model_deleted(&run->model, id));
            ids[n] = id;
        }
        append_unit(run, ids, parts, 1 + crash_below(run, 3));
        if (crash_below(run, 3) == 0)
            crash_append(run, 1 + crash_below(run, 20), 1 + crash_below(run, 5));
        crash_maybe_work(run);
    }
}

/* Inserts into several series at once, all of them there or none: among others, over the ends of journals,
 * over sealing, merging and reopening, and while the disk is full now and then. */
static void play_units(struct crash_run *run)
{
    run->options.wait_ms_max = 1;
    open_again(run);
    append_units(run, 25);
    for (unsigned i = 0; i < SEGMENTS_TO_MERGE; i++) {
        append_units(run, 2);
        seal(run);
    }
    crash_work(run);
    append_units(run, 5);
    close_it(run);
    open_again(run);
    for (unsigned round = 0; round < 3; round++) {
        crash_log_fail(&run->log, (struct crash_failures){
                                      .from = 1 + crash_below(run, 12),
                                      .count = 1 + crash_below(run, 20),
                                      .kinds = round % 2 ? CRASH_CALLS_OF_SPACE : CRASH_CALLS_OF_NAMES,
                                  });
        append_units(run, 8);
        crash_end_failures(run);
        crash_work(run);
    }
    close_it(run);
}

/* Journals fill up, are sealed and recycled; and some are sealed before. */
static void play_seal(struct crash_run *run)
{
    open_again(run);
    for (unsigned i = 0; i < 5; i++) {
        append_some(run, 8, 40);
        if (crash_below(run, 2))
            seal(run);
    }
    close_it(run);
}

static void play_merge(struct crash_run *run)
{
    open_again(run);
    for (unsigned i = 0; i < SEGMENTS_TO_MERGE + 2; i++) {
        append_some(run, 6, 4);
        seal(run);
        if (i == SEGMENTS_TO_MERGE / 2)
            crash_delete(run, (uint64_t[]){2}, 1);
    }
    crash_work(run);
    struct store_stats stats;
    store_get_stats(run->store, &stats);
    REQUIRE(stats.merged_segments >= SEGMENTS_TO_MERGE, "only %llu segments were merged",
        (unsigned long long)stats.merged_segments);
    append_some(run, 6, 4);
    close_it(run);
}

static void play_delete(struct crash_run *run)
{
    uint64_t ids[10];
    open_again(run);
    for (unsigned round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 10; i++) {
            ids[i] = 100 * round + i + 1;
            crash_append(run, ids[i], 1 + crash_below(run, 6));
        }
        if (round % 2 == 0)
            seal(run);
        crash_delete(run, ids, 1);
        crash_delete(run, ids + 1, 6); /* in one group */
        crash_append(run, ids[8], 3);
        if (crash_below(run, 2))
            seal(run);
        crash_work(run); /* gives back what is deleted */
    }
    close_it(run);
}

static struct store_bulk *open_bulk(struct crash_run *run, const char *name, bool resume)
{
    struct store_bulk *bulk;
    struct error error = {0};
    REQUIRE(store_bulk_open(run->store, name, resume, &bulk, &error) == 0, "%s", error.message);
    return bulk;
}

static void play_import(struct crash_run *run)
{
    open_again(run);
    for (uint64_t first = LOAD_FIRST; first < LOAD_FIRST + 300; first += 100) {
        char name[16];
        (void)snprintf(name, sizeof(name), "load-%u", (unsigned)first);
        append_some(run, 4, 3);
        struct store_bulk *bulk = open_bulk(run, name, false);
        load(run, bulk, first, LOAD_SERIES);
        append_some(run, 4, 3);
        publish(run, bulk, first, LOAD_SERIES, LOAD_POINTS);
        store_bulk_close(bulk, false);
        crash_maybe_work(run);
    }
    crash_delete(run, (uint64_t[]){LOAD_FIRST + 100}, 1);
    seal(run);
    close_it(run);
}

/* A load that is left and gone on with in the next life; the judge goes on with it from whatever is left. */
static void play_resume(struct crash_run *run)
{
    open_again(run);
    append_some(run, 4, 3);
    struct store_bulk *bulk = open_bulk(run, "resumed", false);
    load(run, bulk, LOAD_FIRST, 3);
    (void)crash_log_mark(&run->log);
    store_bulk_close(bulk, true);
    close_it(run);
    open_again(run);
    append_some(run, 4, 2);
    bulk = open_bulk(run, "resumed", true);
    load(run, bulk, LOAD_FIRST + 3, LOAD_SERIES - 3);
    publish(run, bulk, LOAD_FIRST, LOAD_SERIES, LOAD_POINTS);
    store_bulk_close(bulk, true);
    append_some(run, 4, 2);
    close_it(run);
}

/* The disk is full now and then: only for new files (inserts are refused), or for every write (the journal
 * dies). */
static void play_full(struct crash_run *run)
{
    run->options.wait_ms_max = 1;
    open_again(run);
    for (unsigned round = 0; round < 6; round++) {
        append_some(run, 8, 12);
        crash_log_fail(&run->log, (struct crash_failures){
                                      .from = 1 + crash_below(run, 12),
                                      .count = 1 + crash_below(run, 20),
                                      .kinds = round % 2 ? CRASH_CALLS_OF_SPACE : CRASH_CALLS_OF_NAMES,
                                  });
        append_some(run, 8, 12);
        (void)store_seal(run->store, true, NULL);
        crash_maybe_work(run);
        crash_end_failures(run);
        crash_work(run);
    }
    close_it(run);
}

/* Nobody waits for the disk: only the end of the log may be lost, and no deletion. */
static void play_lazily(struct crash_run *run)
{
    run->model.lossy = true;
    open_again(run);
    for (unsigned round = 0; round < 4; round++) {
        append_some(run, 8, 40);
        append_units(run, 3);
        if (round == 1)
            crash_delete(run, (uint64_t[]){3}, 1);
        if (round == 2)
            seal(run);
    }
    close_it(run);
}

static void play_lazy(struct crash_run *run)
{
    run->options.fsync = STORE_FSYNC_NEVER;
    play_lazily(run);
}

/* The syncer's thread syncs now and then. */
static void play_interval(struct crash_run *run)
{
    run->options.fsync = STORE_FSYNC_INTERVAL;
    run->options.fsync_interval_ms = 1;
    play_lazily(run);
}

static void play_reopen(struct crash_run *run)
{
    for (unsigned life = 0; life < 6; life++) {
        open_again(run);
        append_some(run, 6, (unsigned)crash_below(run, 30));
        if (life == 2)
            crash_delete(run, (uint64_t[]){3}, 1);
        if (crash_below(run, 2))
            crash_work(run);
        close_it(run);
    }
}

/* Journals that grow: blocks are allocated ahead of the inserts, and the next journal is twice as large. */
static void play_grow(struct crash_run *run)
{
    run->options.journal_bytes = 8 << 20;
    open_again(run);
    for (unsigned i = 0; i < 45; i++) {
        crash_append(run, 1 + crash_below(run, 4), 10 + crash_below(run, 20));
        crash_work(run); /* nobody else allocates */
    }
    close_it(run);
    open_again(run);
    append_some(run, 4, 2);
    seal(run);
    append_some(run, 4, 2);
    close_it(run);
}

/* A bit of everything; what recovery is enumerated on. */
static void play_mixed(struct crash_run *run)
{
    open_again(run);
    append_some(run, 8, 30);
    seal(run);
    append_units(run, 10);
    crash_delete(run, (uint64_t[]){3, 4}, 2);
    struct store_bulk *bulk = open_bulk(run, "mixed", false);
    load(run, bulk, LOAD_FIRST, LOAD_SERIES);
    publish(run, bulk, LOAD_FIRST, LOAD_SERIES, LOAD_POINTS);
    store_bulk_close(bulk, false);
    append_some(run, 8, 30);
    seal(run);
    append_units(run, 10);
    close_it(run);
}

/* ---- several threads ---- */

enum {
    APPENDERS = 3,
    APPENDS_OF_EACH = 40,
    SERIES_OF_EACH = CRASH_THREADS_SERIES / APPENDERS,
    UNIT_EVERY = 8, /* appends */
};

struct appender {
    struct crash_run *run;
    struct test_random random;
    const uint64_t *series;
};

static void *append_in_thread(void *argument)
{
    struct appender *appender = argument;
    for (unsigned i = 0; i < APPENDS_OF_EACH; i++) {
        uint64_t id = appender->series[test_random_below(&appender->random, SERIES_OF_EACH)];
        uint64_t count = 1 + test_random_below(&appender->random, 5);
        if (i % UNIT_EVERY == UNIT_EVERY - 1)
            append_unit(appender->run, appender->series, SERIES_OF_EACH, count);
        else
            crash_append(appender->run, id, count);
    }
    return NULL;
}

void crash_append_in_threads(struct crash_run *run, const uint64_t series[CRASH_THREADS_SERIES],
    void (*meanwhile)(struct crash_run *run))
{
    struct appender appenders[APPENDERS];
    pthread_t threads[APPENDERS];
    for (unsigned i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){run, {test_random_next(&run->random)}, series + i * SERIES_OF_EACH};
        REQUIRE(pthread_create(&threads[i], NULL, append_in_thread, &appenders[i]) == 0, "thread");
    }
    if (meanwhile)
        meanwhile(run);
    for (unsigned i = 0; i < APPENDERS; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0, "thread");
}

static void play_threads(struct crash_run *run)
{
    static const uint64_t series[CRASH_THREADS_SERIES] = {1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24};
    open_again(run);
    crash_append_in_threads(run, series, NULL);
    REQUIRE(store_seal(run->store, true, NULL) == 0, "seal");
    close_it(run);
}

/* ---- judging ---- */

struct io *crash_plain_io(void)
{
    static struct io *io; /* for the process's life */
    struct error error = {0};
    REQUIRE(io || io_open_posix(&io, &error) == 0, "%s", error.message);
    return io;
}

static void note_finding(void *context, const char *message)
{
    struct model_violation *violation = context;
    if (!violation->text[0])
        (void)model_violated(violation, "check: %s", message);
}

bool crash_check_store(const char *directory, struct model_violation *violation)
{
    struct error error = {0};
    violation->text[0] = '\0';
    int r = store_check(directory, note_finding, violation, &error);
    return r == 0 || (r < 0 && model_violated(violation, "check: %s", error.message));
}

static struct store_options judge_options(struct test_random *random)
{
    enum { THREADS_EVERY = 16 };
    return (struct store_options){
        .journal_bytes = CRASH_JOURNAL_BYTES,
        .io = crash_plain_io(),
        .no_threads = test_random_below(random, THREADS_EVERY) > 0,
        .wait_ms_max = 60000,
    };
}

/* The store goes on where it was: appends to a series that there is. */
static bool go_on(const struct crash_run *run, struct store *store, const struct store_options *options,
    uint64_t *lengths, uint64_t number, struct model_violation *violation)
{
    const struct model_series *series = &run->model.series[number];
    if (store_model_expect(series, NOW).deleted || lengths[number] == 0)
        return true;
    struct batch batch;
    struct error error = {0};
    uint64_t index = 0;
    batch_init(&batch);
    store_model_points(&run->model, series->id, lengths[number], 2, &batch);
    while (options->no_threads && store_work(store, NULL) == 1)
        continue;
    int r = store_append(store, series->id, &batch, 0, &index, &error);
    batch_free(&batch);
    if (r < 0)
        return model_violated(violation, "it takes no more points: %s", error.message);
    if (index != lengths[number])
        return model_violated(violation, "series %llu goes on at %llu, expected %llu",
            (unsigned long long)series->id, (unsigned long long)index, (unsigned long long)lengths[number]);
    lengths[number] += 2;
    return true;
}

typedef bool (*judge_open)(const struct crash_run *run, uint64_t point, struct store *store,
    uint64_t *lengths, struct model_violation *violation);

/* First life: what must be there, and more. */
static bool judge_first(const struct crash_run *run, uint64_t point, const char *directory, uint64_t *lengths,
    judge_open look, struct test_random *random, struct model_violation *violation)
{
    struct store *store;
    struct error error = {0};
    struct store_options options = judge_options(random);
    if (store_open(directory, &options, &store, &error) < 0)
        return model_violated(violation, "does not open: %s", error.message);
    bool good = store_model_judge(&run->model, point, store, lengths, violation);
    if (good && look)
        good = look(run, point, store, lengths, violation);
    if (good && run->model.count > 0)
        good = go_on(run, store, &options, lengths, test_random_below(random, run->model.count), violation);
    if (good && test_random_below(random, 8) == 0) {
        while (options.no_threads && store_work(store, NULL) == 1)
            continue;
        if (store_seal(store, true, &error) < 0 || store_merge(store, &error) < 0)
            good = model_violated(violation, "does not seal: %s", error.message);
        if (good)
            good = store_model_judge_lengths(&run->model, lengths, store, violation);
    }
    if (store_close(store, &error) < 0 && good)
        good = model_violated(violation, "does not close: %s", error.message);
    return good;
}

/* Second life: the same again. */
static bool judge_second(const struct crash_run *run, const char *directory, const uint64_t *lengths,
    struct test_random *random, struct model_violation *violation)
{
    struct store *store;
    struct error error = {0};
    struct store_options options = judge_options(random);
    if (store_open(directory, &options, &store, &error) < 0)
        return model_violated(violation, "does not open again: %s", error.message);
    bool good = store_model_judge_lengths(&run->model, lengths, store, violation);
    if (store_close(store, &error) < 0 && good)
        good = model_violated(violation, "does not close again: %s", error.message);
    return good;
}

static bool judge_with(const struct crash_run *run, uint64_t point, const char *directory, judge_open look,
    struct test_random *random, struct model_violation *violation)
{
    uint64_t *lengths = calloc(run->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = crash_check_store(directory, violation) &&
                judge_first(run, point, directory, lengths, look, random, violation) &&
                crash_check_store(directory, violation) &&
                judge_second(run, directory, lengths, random, violation);
    free(lengths);
    return good;
}

static bool judge_store(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    return judge_with(run, point, directory, NULL, random, violation);
}

/* Goes on with the load from what is left of it: what is missing is loaded anew, and then all of it is there.
 */
static bool finish_load(const struct crash_run *run, uint64_t point, struct store *store, uint64_t *lengths,
    struct model_violation *violation)
{
    struct error error = {0};
    struct store_bulk *bulk = NULL;
    struct store_bulk_writer *writer = NULL;
    size_t number = 0;
    (void)point;
    while (number < run->model.count && run->model.series[number].id != LOAD_FIRST)
        number++;
    REQUIRE(number + LOAD_SERIES <= run->model.count, "the load is not in the model");
    if (lengths[number] > 0)
        return true; /* published */
    int r = store_bulk_open(store, "resumed", true, &bulk, &error);
    if (r == 0)
        r = store_bulk_writer_open(bulk, &writer, &error);
    for (uint64_t id = LOAD_FIRST; r == 0 && id < LOAD_FIRST + LOAD_SERIES; id++) {
        uint64_t found_id, points;
        if (store_bulk_find(bulk, id, &found_id, &points)) {
            if (found_id != id || points != LOAD_POINTS)
                r = error_set(&error, EINVAL, "series %llu was found with %llu points",
                    (unsigned long long)id, (unsigned long long)points);
            continue;
        }
        struct batch batch;
        batch_init(&batch);
        store_model_points(&run->model, id, 0, LOAD_POINTS, &batch);
        r = store_bulk_series(writer, id, id, &error);
        if (r == 0)
            r = store_bulk_append(writer, &batch, &error);
        batch_free(&batch);
    }
    if (r == 0)
        r = store_bulk_writer_finish(writer, &error);
    store_bulk_writer_close(writer);
    if (r == 0)
        r = store_bulk_publish(bulk, &error);
    store_bulk_close(bulk, true);
    for (size_t i = 0; r == 0 && i < LOAD_SERIES; i++)
        lengths[number + i] = LOAD_POINTS;
    if (r < 0)
        return model_violated(violation, "the load cannot be finished: %s", error.message);
    return store_model_judge_lengths(&run->model, lengths, store, violation);
}

static bool judge_resume(const struct crash_run *run, uint64_t point, const char *directory,
    struct test_random *random, struct model_violation *violation)
{
    return judge_with(run, point, directory, finish_load, random, violation);
}

/* ---- living on ---- */

static bool revive_store(
    const struct crash_run *before, uint64_t point, struct crash_run *run, struct model_violation *violation)
{
    struct error error = {0};
    (void)crash_log_mark(&run->log); /* the first entry: point 1 is before the open */
    if (store_open(run->directory, &run->options, &run->store, &error) < 0)
        return model_violated(violation, "does not open: %s", error.message);
    uint64_t *lengths = calloc(before->model.count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good = store_model_judge(&before->model, point, run->store, lengths, violation);
    if (good) {
        store_model_restart(&run->model, point, lengths, crash_log_mark(&run->log));
        append_some(run, 8, 4);
        crash_maybe_work(run);
    }
    free(lengths);
    if (store_close(run->store, &error) < 0 && good)
        good = model_violated(violation, "does not close: %s", error.message);
    run->store = NULL;
    return good;
}

enum { TEXTS_SHORT = 40, TEXTS_LONG = 1800 };

const struct crash_scenario crash_store_scenarios[] = {
    {"inserts", TEXTS_SHORT, false, prepare_store, play_inserts, judge_store, NULL, true},
    {"units", TEXTS_SHORT, false, prepare_store, play_units, judge_store, NULL, true},
    {"seal", TEXTS_LONG, false, prepare_store, play_seal, judge_store, NULL, true},
    {"merge", TEXTS_SHORT, false, prepare_store, play_merge, judge_store, NULL, true},
    {"delete", TEXTS_SHORT, false, prepare_store, play_delete, judge_store, NULL, true},
    {"import", TEXTS_SHORT, false, prepare_store, play_import, judge_store, NULL, true},
    {"resume", TEXTS_SHORT, false, prepare_store, play_resume, judge_resume, NULL, true},
    {"full", TEXTS_LONG, false, prepare_store, play_full, judge_store, NULL, true},
    {"lazy", TEXTS_LONG, false, prepare_store, play_lazy, judge_store, NULL, true},
    {"interval", TEXTS_LONG, true, prepare_store, play_interval, judge_store, NULL, true},
    {"reopen", TEXTS_SHORT, false, prepare_store, play_reopen, judge_store, NULL, true},
    {"grow", TEXTS_LONG, false, prepare_store, play_grow, judge_store, NULL, true},
    {"recovery", TEXTS_LONG, false, prepare_store, play_mixed, judge_store, revive_store, true},
    {"threads", TEXTS_LONG, true, prepare_store, play_threads, judge_store, NULL, true},
};
const size_t crash_store_scenario_count = sizeof(crash_store_scenarios) / sizeof(crash_store_scenarios[0]);
