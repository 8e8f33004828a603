/* Random operations on a store, judged by the model (store_model.h): appends of every kind of value with
 * senders, missing times and restamping, to one series and to several at once, refused appends, deletes,
 * snapshots held over all that, bulk loads, sealing, merging and clean reopening.
 *
 * $CONNECTORDB_SEED repeats a run, $CONNECTORDB_STEPS (operations) makes it longer. */
#include "store_helpers.h"
#include "store_model.h"

#include "bytes.h"
#include "clock.h"

#include <math.h>
#include <pthread.h>

enum {
    SERIES_MAX = 16,   /* alive at once */
    SNAPSHOTS_MAX = 4, /* held at once */
    LOADED_MAX = 4,    /* series of a bulk load */
    UNIT_MAX = 6,      /* series that are appended to at once */
    EXPECTED_MAX = 1 << 18,
};

struct series {
    uint64_t id;
    enum value_profile profile;
    bool senders;
};

struct held_snapshot {
    struct store_snapshot *snapshot;
    uint64_t taken; /* when: a moment of the model */
};

/* What the listener must still report, in order: single appends of one thread have one possible order. */
struct expectation {
    uint64_t series_id;
    uint64_t first_index;
    struct points points;
};

struct test {
    struct test_random random;
    char *directory;
    struct store_options options;
    struct store *store;
    struct store_model model;
    uint64_t now;          /* the model's count of moments */
    struct series *series; /* ids ascend; deleted ones stay for the snapshots that still hold them */
    size_t series_count;
    uint64_t next_id;
    uint64_t bulk_number;
    struct held_snapshot snapshots[SNAPSHOTS_MAX];
    pthread_mutex_t lock; /* of the fields below */
    pthread_cond_t heard_all;
    struct expectation *expected;
    size_t expected_count, expected_next;
};

static uint64_t below(struct test *test, uint64_t bound)
{
    return test_random_below(&test->random, bound);
}

/* ---- listening ---- */

static void expect(struct test *test, uint64_t series_id, uint64_t first_index, const struct points *points)
{
    struct expectation *expected = &test->expected[test->expected_count];
    REQUIRE(test->expected_count < EXPECTED_MAX, "too many steps");
    *expected = (struct expectation){.series_id = series_id, .first_index = first_index};
    points_append(&expected->points, points, 0, points->count);
    test->expected_count++;
}

/* The batch may be heard before store_append returned, so an expectation is made before and taken back. */
static void on_batch(void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    struct test *test = context;
    REQUIRE(pthread_mutex_lock(&test->lock) == 0, "lock");
    REQUIRE(test->expected_next < test->expected_count, "heard series %llu index %llu, nothing was appended",
        (unsigned long long)series_id, (unsigned long long)first_index);
    struct expectation *expected = &test->expected[test->expected_next++];
    REQUIRE(expected->series_id == series_id && expected->first_index == first_index,
        "heard series %llu index %llu instead of %llu index %llu", (unsigned long long)series_id,
        (unsigned long long)first_index, (unsigned long long)expected->series_id,
        (unsigned long long)expected->first_index);
    REQUIRE(batch->count == expected->points.count, "heard %u points", batch->count);
    /* Missing times are known only when store_append has returned: what is NaN here is compared there. */
    struct points heard = {0};
    points_from_batch(&heard, batch);
    for (uint64_t i = 0; i < heard.count; i++)
        if (isnan(expected->points.times[i]))
            expected->points.times[i] = heard.times[i];
    points_check_batch(&expected->points, 0, batch, "listener");
    points_free(&heard);
    points_free(&expected->points);
    if (test->expected_next == test->expected_count)
        REQUIRE(pthread_cond_broadcast(&test->heard_all) == 0, "condition");
    REQUIRE(pthread_mutex_unlock(&test->lock) == 0, "lock");
}

static void wait_until_heard(struct test *test)
{
    REQUIRE(pthread_mutex_lock(&test->lock) == 0, "lock");
    while (test->expected_next < test->expected_count)
        REQUIRE(pthread_cond_wait(&test->heard_all, &test->lock) == 0, "condition");
    REQUIRE(pthread_mutex_unlock(&test->lock) == 0, "lock");
}

/* ---- opening and comparing ---- */

static void open_store(struct test *test)
{
    test->store = test_store_open(test->directory, &test->options);
    store_set_listener(test->store, on_batch, test);
}

static struct store_snapshot *open_snapshot(struct test *test)
{
    struct error error = {0};
    struct store_snapshot *snapshot = NULL;
    int r = store_snapshot_open(test->store, &snapshot, &error);
    REQUIRE(r == 0 && snapshot, "%d: %s", r, error.message);
    return snapshot;
}

static uint64_t length_of(struct test *test, const struct series *series)
{
    return store_model_length(&test->model, series->id);
}

static bool is_deleted(struct test *test, const struct series *series)
{
    return store_model_deleted(&test->model, series->id);
}

static void judge_snapshot(struct test *test, struct store_snapshot *snapshot, uint64_t at)
{
    struct model_violation violation;
    REQUIRE(store_model_judge_snapshot(&test->model, at, snapshot, NULL, &violation), "%s", violation.text);
}

static void judge(struct test *test)
{
    struct store_snapshot *snapshot = open_snapshot(test);
    judge_snapshot(test, snapshot, NOW);
    struct points none = {0};
    test_series_equal(snapshot, test->next_id + 1000, &none, 0);
    store_snapshot_close(snapshot);
}

static uint64_t attempt(struct test *test, enum model_operation operation, const struct series *series,
    const struct points *points)
{
    return store_model_attempt_points(&test->model, operation, series->id, points, ++test->now);
}

static void settle(struct test *test, uint64_t number, enum model_outcome outcome)
{
    store_model_settle(&test->model, number, outcome, ++test->now);
}

static void delete_in_model(struct test *test, const struct series *series)
{
    settle(test, store_model_attempt(&test->model, MODEL_DELETE, &series->id, 1, 0, ++test->now), MODEL_DONE);
}

/* ---- appending ---- */

static struct series *new_series(struct test *test)
{
    test->series = realloc(test->series, (test->series_count + 1) * sizeof(*test->series));
    REQUIRE(test->series, "no memory");
    struct series *series = &test->series[test->series_count++];
    test->next_id += 1 + below(test, 3);
    *series = (struct series){.id = test->next_id,
        .profile = (enum value_profile)below(test, PROFILE_COUNT),
        .senders = below(test, 4) == 0};
    return series;
}

static struct series *pick_alive(struct test *test)
{
    size_t alive = 0;
    for (size_t i = 0; i < test->series_count; i++)
        alive += !is_deleted(test, &test->series[i]);
    if (alive < SERIES_MAX && (alive == 0 || below(test, 20) == 0))
        return new_series(test);
    for (;;) {
        struct series *series = &test->series[below(test, test->series_count)];
        if (!is_deleted(test, series))
            return series;
    }
}

static uint64_t pick_count(struct test *test)
{
    uint64_t kind = below(test, 40);
    return kind == 0 ? 1 + below(test, 6000) : kind < 10 ? 1 + below(test, 200) : 1 + below(test, 12);
}

/* Random points in order from `after` on, not more than fit one journal. */
static void make_points(
    struct test *test, const struct series *series, double after, uint64_t count, struct points *points)
{
    uint64_t frame_bytes = test->options.journal_bytes / 8 * 5;
    double time = after;
    for (uint64_t i = 0; i < count && points->values.size + 16 * i < frame_bytes; i++) {
        time = random_time_after(time, &test->random);
        points_push_random(points, series->profile, time, series->senders, &test->random);
    }
}

static double last_time(struct test *test, const struct series *series)
{
    uint64_t length = length_of(test, series);
    return length > 0 ? store_model_series(&test->model, series->id)->points.times[length - 1] : 0;
}

/* PUT: leading points older than the last stored one take its time. */
static void restamp(struct points *points, double last)
{
    double to = last == floor(last) ? last + 0.00001 : last;
    if (points->count == 0 || !(points->times[0] < last))
        return;
    for (uint64_t i = 0; i < points->count && points->times[i] <= to; i++)
        points->times[i] = to;
}

/* Appends points whose times the model knows. */
static void append_known(struct test *test, struct series *series, struct points *points, unsigned flags)
{
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, 0, points->count, below(test, 2), &batch);
    if (flags & STORE_APPEND_RESTAMP)
        restamp(points, last_time(test, series));
    uint64_t length = length_of(test, series), first_index = UINT64_MAX;
    REQUIRE(pthread_mutex_lock(&test->lock) == 0, "lock");
    expect(test, series->id, length, points);
    REQUIRE(pthread_mutex_unlock(&test->lock) == 0, "lock");
    uint64_t number = attempt(test, MODEL_APPEND, series, points);
    struct error error = {0};
    int r = store_append(test->store, series->id, &batch, flags, &first_index, &error);
    REQUIRE(r == 0, "append to series %llu: %d: %s", (unsigned long long)series->id, r, error.message);
    REQUIRE(first_index == length, "first index %llu", (unsigned long long)first_index);
    REQUIRE(batch.count == points->count, "%u points are left in the batch", batch.count);
    points_check_batch(points, 0, &batch, "batch after append");
    settle(test, number, MODEL_DONE);
    batch_free(&batch);
}

static void step_append(struct test *test)
{
    struct series *series = pick_alive(test);
    struct points points = {0};
    make_points(test, series, last_time(test, series), pick_count(test), &points);
    append_known(test, series, &points, 0);
    points_free(&points);
}

/* To each of several series, as one unit; ids ascend. */
static void step_append_many(struct test *test)
{
    struct points points[UNIT_MAX] = {{0}};
    struct batch batches[UNIT_MAX];
    struct store_part parts[UNIT_MAX];
    uint64_t attempts[UNIT_MAX], lengths[UNIT_MAX];
    uint32_t count = 0;
    for (size_t i = below(test, 3); i < test->series_count && count < UNIT_MAX; i += 1 + below(test, 4)) {
        const struct series *series = &test->series[i];
        if (is_deleted(test, series))
            continue;
        make_points(test, series, last_time(test, series), 1 + below(test, 8), &points[count]);
        batch_init(&batches[count]);
        points_to_batch(&points[count], 0, points[count].count, true, &batches[count]);
        lengths[count] = length_of(test, series);
        REQUIRE(pthread_mutex_lock(&test->lock) == 0, "lock");
        expect(test, series->id, lengths[count], &points[count]);
        REQUIRE(pthread_mutex_unlock(&test->lock) == 0, "lock");
        attempts[count] = attempt(test, MODEL_APPEND, series, &points[count]);
        parts[count] = (struct store_part){.series_id = series->id, .batch = &batches[count]};
        count++;
    }
    if (count == 0)
        return;
    struct error error = {0};
    int r = store_append_many(test->store, parts, count, 0, NULL, &error);
    REQUIRE(r == 0, "append to %u series: %d: %s", count, r, error.message);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(parts[i].first_index == lengths[i], "first index");
        points_check_batch(&points[i], 0, &batches[i], "batch after append");
        settle(test, attempts[i], MODEL_DONE);
        batch_free(&batches[i]);
        points_free(&points[i]);
    }
}

static void step_restamp(struct test *test)
{
    struct series *series = pick_alive(test);
    struct points points = {0};
    double back = below(test, 2) ? 1e-5 * (double)below(test, 5) : (double)below(test, 10);
    make_points(test, series, last_time(test, series) - back, 1 + below(test, 12), &points);
    append_known(test, series, &points, STORE_APPEND_RESTAMP);
    points_free(&points);
}

/* Some times are missing: they become the time of the append, or that of the point before if that is later.
 */
static void step_missing_times(struct test *test)
{
    struct series *series = pick_alive(test);
    struct points points = {0};
    uint64_t count = 1 + below(test, 8), given = below(test, count + 1);
    make_points(test, series, last_time(test, series), given, &points);
    given = points.count;
    while (points.count < count)
        points_push_random(&points, series->profile, (double)NAN, false, &test->random);
    struct batch batch;
    batch_init(&batch);
    points_to_batch(&points, 0, count, true, &batch);
    REQUIRE(batch.missing_times == (given < count), "the batch does not know of its missing times");
    REQUIRE(pthread_mutex_lock(&test->lock) == 0, "lock");
    expect(test, series->id, length_of(test, series), &points);
    REQUIRE(pthread_mutex_unlock(&test->lock) == 0, "lock");
    struct error error = {0};
    double before = clock_now_seconds();
    int r = store_append(test->store, series->id, &batch, 0, NULL, &error);
    double after = clock_now_seconds();
    REQUIRE(r == 0, "%d: %s", r, error.message);
    REQUIRE(!batch.missing_times, "times are still missing");
    double last = last_time(test, series);
    for (uint64_t i = 0; i < count; i++) {
        double time = batch_time(&batch, (uint32_t)i);
        if (i >= given)
            REQUIRE(time == last || (time > last && time >= before && time <= after),
                "a missing time became %.17g after %.17g, now being %.17g", time, last, before);
        points.times[i] = last = i < given ? points.times[i] : time;
    }
    points_check_batch(&points, 0, &batch, "batch after append");
    settle(test, attempt(test, MODEL_APPEND, series, &points), MODEL_DONE); /* its times are known now */
    batch_free(&batch);
    points_free(&points);
}

static void refused(struct test *test, const struct series *series, const struct points *points, int code)
{
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, 0, points->count, true, &batch);
    uint64_t first_index = 4711;
    struct error error = {0};
    bool deleted = is_deleted(test, series);
    uint64_t number = deleted ? 0 : attempt(test, MODEL_APPEND, series, points);
    int r = store_append(test->store, series->id, &batch, 0, &first_index, &error);
    REQUIRE(r == code && error.code == -code && error.message[0], "%d: %s", r, error.message);
    REQUIRE(first_index == 4711, "an output was written");
    if (!deleted)
        settle(test, number, MODEL_REFUSED);
    batch_free(&batch);
}

static void step_refused(struct test *test)
{
    struct series *series = pick_alive(test);
    struct points points = {0};
    if (length_of(test, series) == 0 || below(test, 2)) { /* not ascending within the batch */
        make_points(test, series, last_time(test, series), 1 + below(test, 10), &points);
        double end = points.times[points.count - 1];
        points_push_random(&points, series->profile, nextafter(end, -INFINITY), false, &test->random);
    } else { /* older than the last one */
        make_points(test, series, nextafter(last_time(test, series), -INFINITY), 1, &points);
        points.times[0] = nextafter(last_time(test, series), -INFINITY);
    }
    refused(test, series, &points, -EINVAL);
    points_free(&points);
}

/* ---- deleting ---- */

static void step_delete(struct test *test)
{
    struct series *series = pick_alive(test);
    uint64_t ids[] = {test->next_id + 5000, series->id};
    struct error error = {0};
    int r = store_delete_series(test->store, ids, 2, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    delete_in_model(test, series);
    struct points points = {0};
    make_points(test, series, 0, 3, &points);
    refused(test, series, &points, -ENOENT);
    points_free(&points);
}

static void step_retain(struct test *test)
{
    uint64_t *known = malloc((test->series_count + 1) * sizeof(*known));
    REQUIRE(known, "no memory");
    size_t count = 0;
    uint64_t dropped = 0;
    for (size_t i = 0; i < test->series_count; i++) {
        struct series *series = &test->series[i];
        if (is_deleted(test, series))
            continue;
        if (length_of(test, series) > 0 && below(test, 10) == 0) {
            delete_in_model(test, series);
            dropped++;
        } else {
            known[count++] = series->id;
        }
    }
    uint64_t deleted = UINT64_MAX;
    struct error error = {0};
    int r = store_retain_series(test->store, known, count, &deleted, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    REQUIRE(deleted == dropped, "%llu series deleted, not %llu", (unsigned long long)deleted,
        (unsigned long long)dropped);
    free(known);
}

/* ---- reading ---- */

/* Ranges and times of one series, in a snapshot taken at this moment. */
static void check_snapshot(struct test *test, struct store_snapshot *snapshot, uint64_t taken)
{
    static const struct model_series none;
    const struct model_series *series =
        store_model_series(&test->model, test->series[below(test, test->series_count)].id);
    if (!series) /* nothing was appended to it */
        series = &none;
    uint64_t length = store_model_expect(series, taken).length;
    uint64_t from = below(test, length + 3), to = below(test, 2) ? below(test, length + 3) : from + 10;
    test_range_equal(snapshot, series->id, &series->points, length, from, to);
    for (int i = 0; i < 4; i++) {
        double time = length > 0 ? series->points.times[below(test, length)] : 1;
        time = i == 1   ? nextafter(time, INFINITY)
               : i == 2 ? nextafter(time, -INFINITY)
               : i == 3 ? time + 1.5
                        : time;
        uint64_t index = UINT64_MAX;
        struct error error = {0};
        int r = store_snapshot_index_of_time(snapshot, series->id, time, &index, &error);
        REQUIRE(r == 0, "%d: %s", r, error.message);
        uint64_t wanted = points_index_of_time(&series->points, length, time);
        REQUIRE(index == wanted, "index of time %.17g in series %llu is %llu, not %llu", time,
            (unsigned long long)series->id, (unsigned long long)index, (unsigned long long)wanted);
    }
}

static void close_snapshot(struct held_snapshot *held)
{
    store_snapshot_close(held->snapshot);
    *held = (struct held_snapshot){0};
}

/* Takes a snapshot, or looks at one that is held, or closes it after a complete comparison. */
static void step_snapshot(struct test *test)
{
    struct held_snapshot *held = &test->snapshots[below(test, SNAPSHOTS_MAX)];
    if (test->series_count == 0)
        return;
    if (!held->snapshot) {
        held->snapshot = open_snapshot(test);
        held->taken = test->now;
    }
    check_snapshot(test, held->snapshot, held->taken);
    if (below(test, 3) > 0)
        return;
    judge_snapshot(test, held->snapshot, held->taken);
    close_snapshot(held);
}

static void step_read(struct test *test)
{
    if (test->series_count == 0)
        return;
    struct store_snapshot *snapshot = open_snapshot(test);
    check_snapshot(test, snapshot, NOW);
    store_snapshot_close(snapshot);
}

/* ---- bulk loads ---- */

/* Returns the number of the attempt. */
static uint64_t load_series(struct test *test, struct store_bulk_writer *writer, struct series *series)
{
    struct error error = {0};
    struct points points = {0}, loaded = {0};
    int r = store_bulk_series(writer, series->id, series->id * 7, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    for (uint64_t part = below(test, 4); part > 0; part--) {
        points_clear(&points);
        double last = loaded.count > 0 ? loaded.times[loaded.count - 1] : 0;
        make_points(test, series, last, pick_count(test), &points);
        struct batch batch;
        batch_init(&batch);
        points_to_batch(&points, 0, points.count, below(test, 2), &batch);
        r = store_bulk_append(writer, &batch, &error);
        REQUIRE(r == 0, "%d: %s", r, error.message);
        points_append(&loaded, &points, 0, points.count);
        batch_free(&batch);
    }
    uint64_t number = attempt(test, MODEL_LOAD, series, &loaded);
    points_free(&points);
    points_free(&loaded);
    return number;
}

static void step_bulk(struct test *test)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "load-%llu", (unsigned long long)test->bulk_number++);
    struct error error = {0};
    struct store_bulk *bulk = NULL;
    struct store_bulk_writer *writer = NULL;
    int r = store_bulk_open(test->store, name, false, &bulk, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    r = store_bulk_writer_open(bulk, &writer, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    uint64_t attempts[LOADED_MAX];
    size_t first = test->series_count, count = 1 + below(test, LOADED_MAX);
    for (size_t i = 0; i < count; i++)
        attempts[i] = load_series(test, writer, new_series(test));
    r = store_bulk_writer_finish(writer, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    store_bulk_writer_close(writer);
    bool publish = below(test, 4) > 0;
    if (publish)
        r = store_bulk_publish(bulk, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    store_bulk_close(bulk, false);
    for (size_t i = 0; i < count; i++) {
        settle(test, attempts[i], publish ? MODEL_DONE : MODEL_REFUSED);
        if (!publish) /* never was there; the ids are not used again */
            delete_in_model(test, &test->series[first + i]);
    }
}

/* ---- sealing, reopening ---- */

static void step_seal(struct test *test)
{
    struct error error = {0};
    int r = store_seal(test->store, below(test, 2), &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
}

static void step_merge(struct test *test)
{
    struct error error = {0};
    int r = store_merge(test->store, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
}

static void close_all(struct test *test)
{
    for (size_t i = 0; i < SNAPSHOTS_MAX; i++)
        if (test->snapshots[i].snapshot)
            close_snapshot(&test->snapshots[i]);
    wait_until_heard(test);
    test_store_close(test->store);
}

static void step_reopen(struct test *test)
{
    close_all(test);
    if (below(test, 4) == 0)
        test_store_check(test->directory);
    open_store(test);
    REQUIRE(store_recovery(test->store)->clean, "the store was closed cleanly");
    judge(test);
}

static const struct {
    void (*step)(struct test *test);
    unsigned weight;
} steps[] = {
    {step_append, 500},
    {step_append_many, 60},
    {step_restamp, 60},
    {step_missing_times, 20},
    {step_refused, 40},
    {step_delete, 12},
    {step_retain, 3},
    {step_snapshot, 100},
    {step_read, 150},
    {step_bulk, 12},
    {step_seal, 12},
    {step_merge, 6},
    {step_reopen, 8},
};

static void run_steps(struct test *test, uint64_t count)
{
    unsigned weights = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        weights += steps[i].weight;
    for (uint64_t n = 0; n < count; n++) {
        uint64_t pick = below(test, weights);
        size_t i = 0;
        while (pick >= steps[i].weight)
            pick -= steps[i++].weight;
        steps[i].step(test);
    }
}

static void run_model(uint64_t seed, const struct store_options *options, uint64_t step_count)
{
    struct test test = {
        .random = {test_seed(seed)}, .options = *options, .directory = test_directory_create_fast()};
    test.expected = calloc(EXPECTED_MAX, sizeof(*test.expected));
    assert_non_null(test.expected);
    assert_int_equal(pthread_mutex_init(&test.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&test.heard_all, NULL), 0);
    store_model_init(&test.model, 0);
    test_store_create(test.directory);
    open_store(&test);
    run_steps(&test, step_count);
    judge(&test);
    close_all(&test);
    test_store_check(test.directory);
    open_store(&test);
    judge(&test);
    test_store_close(test.store);
    store_model_free(&test.model);
    free(test.series);
    free(test.expected);
    (void)pthread_mutex_destroy(&test.lock);
    (void)pthread_cond_destroy(&test.heard_all);
    test_directory_remove(test.directory);
}

static void test_small_journals(void **state)
{
    (void)state;
    struct store_options options = {.journal_bytes = 64 << 10, .wait_ms_max = 60000};
    run_model(1, &options, test_parameter("CONNECTORDB_STEPS", 700));
}

static void test_usual_journals(void **state)
{
    (void)state;
    struct store_options options = {
        .journal_bytes = 4 << 20, .fsync = STORE_FSYNC_INTERVAL, .fsync_interval_ms = 5};
    run_model(2, &options, test_parameter("CONNECTORDB_STEPS", 700));
}

static void test_few_journals(void **state)
{
    (void)state;
    struct store_options options = {
        .journal_bytes = 64 << 10, .journals_max = 2, .wait_ms_max = 60000, .fsync = STORE_FSYNC_NEVER};
    run_model(3, &options, test_parameter("CONNECTORDB_STEPS", 700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_journals),
        cmocka_unit_test(test_usual_journals),
        cmocka_unit_test(test_few_journals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
