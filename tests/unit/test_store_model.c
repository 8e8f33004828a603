/* Random operations on a store, compared point for point with plain arrays: appends of every kind of value
 * with senders, missing times and restamping, refused appends, deletes, snapshots held over all that, bulk
 * loads, sealing, merging and clean reopening.
 *
 * $CONNECTORDB_SEED repeats a run, $CONNECTORDB_STEPS (operations) makes it longer. */
#include "store_model.h"

#include "bytes.h"
#include "clock.h"

#include <math.h>
#include <pthread.h>

enum {
    SERIES_MAX = 16,   /* alive at once */
    SNAPSHOTS_MAX = 4, /* held at once */
    EXPECTED_MAX = 1 << 18,
};

struct model_series {
    uint64_t id;
    enum value_profile profile;
    bool senders;
    bool deleted;
    struct points points;
};

struct model_snapshot {
    struct store_snapshot *snapshot;
    size_t series_count;
    uint64_t *lengths; /* by place in model.series */
};

/* What the listener must still report, in order: single appends of one thread have one possible order. */
struct expectation {
    uint64_t series_id;
    uint64_t first_index;
    struct points points;
};

struct model {
    struct test_random random;
    char *directory;
    struct store_options options;
    struct store *store;
    struct model_series *series; /* ids ascend; deleted ones stay for the snapshots that still hold them */
    size_t series_count;
    uint64_t next_id;
    uint64_t bulk_number;
    struct model_snapshot snapshots[SNAPSHOTS_MAX];
    pthread_mutex_t lock; /* of the fields below */
    pthread_cond_t heard_all;
    struct expectation *expected;
    size_t expected_count, expected_next;
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return test_random_below(&model->random, bound);
}

/* ---- listening ---- */

static void expect(struct model *model, uint64_t series_id, uint64_t first_index, const struct points *points)
{
    struct expectation *expected = &model->expected[model->expected_count];
    REQUIRE(model->expected_count < EXPECTED_MAX, "too many steps");
    *expected = (struct expectation){.series_id = series_id, .first_index = first_index};
    points_append(&expected->points, points, 0, points->count);
    model->expected_count++;
}

/* The batch may be heard before store_append returned, so an expectation is made before and taken back. */
static void on_batch(void *context, uint64_t series_id, uint64_t first_index, const struct batch *batch)
{
    struct model *model = context;
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    REQUIRE(model->expected_next < model->expected_count,
        "heard series %llu index %llu, nothing was appended", (unsigned long long)series_id,
        (unsigned long long)first_index);
    struct expectation *expected = &model->expected[model->expected_next++];
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
    if (model->expected_next == model->expected_count)
        REQUIRE(pthread_cond_broadcast(&model->heard_all) == 0, "condition");
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
}

static void wait_until_heard(struct model *model)
{
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    while (model->expected_next < model->expected_count)
        REQUIRE(pthread_cond_wait(&model->heard_all, &model->lock) == 0, "condition");
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
}

/* ---- opening and comparing ---- */

static void open_store(struct model *model)
{
    model->store = test_store_open(model->directory, &model->options);
    store_set_listener(model->store, on_batch, model);
}

static struct store_snapshot *open_snapshot(struct model *model)
{
    struct error error = {0};
    struct store_snapshot *snapshot = NULL;
    int r = store_snapshot_open(model->store, &snapshot, &error);
    REQUIRE(r == 0 && snapshot, "%d: %s", r, error.message);
    return snapshot;
}

static uint64_t length_of(const struct model_series *series)
{
    return series->deleted ? 0 : series->points.count;
}

static void compare_all(struct model *model)
{
    struct store_snapshot *snapshot = open_snapshot(model);
    for (size_t i = 0; i < model->series_count; i++)
        test_series_equal(
            snapshot, model->series[i].id, &model->series[i].points, length_of(&model->series[i]));
    struct points none = {0};
    test_series_equal(snapshot, model->next_id + 1000, &none, 0);
    store_snapshot_close(snapshot);
}

/* ---- appending ---- */

static struct model_series *new_series(struct model *model)
{
    model->series = realloc(model->series, (model->series_count + 1) * sizeof(*model->series));
    REQUIRE(model->series, "no memory");
    struct model_series *series = &model->series[model->series_count++];
    model->next_id += 1 + below(model, 3);
    *series = (struct model_series){.id = model->next_id,
        .profile = (enum value_profile)below(model, PROFILE_COUNT),
        .senders = below(model, 4) == 0};
    return series;
}

static struct model_series *pick_alive(struct model *model)
{
    size_t alive = 0;
    for (size_t i = 0; i < model->series_count; i++)
        alive += !model->series[i].deleted;
    if (alive < SERIES_MAX && (alive == 0 || below(model, 20) == 0))
        return new_series(model);
    for (;;) {
        struct model_series *series = &model->series[below(model, model->series_count)];
        if (!series->deleted)
            return series;
    }
}

static uint64_t pick_count(struct model *model)
{
    uint64_t kind = below(model, 40);
    return kind == 0 ? 1 + below(model, 6000) : kind < 10 ? 1 + below(model, 200) : 1 + below(model, 12);
}

/* Random points in order from `after` on, not more than fit one journal. */
static void make_points(struct model *model, const struct model_series *series, double after, uint64_t count,
    struct points *points)
{
    uint64_t frame_bytes = model->options.journal_bytes / 8 * 5;
    double time = after;
    for (uint64_t i = 0; i < count && points->values.size + 16 * i < frame_bytes; i++) {
        time = random_time_after(time, &model->random);
        points_push_random(points, series->profile, time, series->senders, &model->random);
    }
}

static double last_time(const struct model_series *series)
{
    return series->points.count > 0 ? series->points.times[series->points.count - 1] : 0;
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
static void append_known(
    struct model *model, struct model_series *series, struct points *points, unsigned flags)
{
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, 0, points->count, below(model, 2), &batch);
    if (flags & STORE_APPEND_RESTAMP)
        restamp(points, last_time(series));
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    expect(model, series->id, series->points.count, points);
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
    uint64_t first_index = UINT64_MAX;
    struct error error = {0};
    int r = store_append(model->store, series->id, &batch, flags, &first_index, &error);
    REQUIRE(r == 0, "append to series %llu: %d: %s", (unsigned long long)series->id, r, error.message);
    REQUIRE(first_index == series->points.count, "first index %llu", (unsigned long long)first_index);
    REQUIRE(batch.count == points->count, "%u points are left in the batch", batch.count);
    points_check_batch(points, 0, &batch, "batch after append");
    points_append(&series->points, points, 0, points->count);
    batch_free(&batch);
}

static void step_append(struct model *model)
{
    struct model_series *series = pick_alive(model);
    struct points points = {0};
    make_points(model, series, last_time(series), pick_count(model), &points);
    append_known(model, series, &points, 0);
    points_free(&points);
}

static void step_restamp(struct model *model)
{
    struct model_series *series = pick_alive(model);
    struct points points = {0};
    double back = below(model, 2) ? 1e-5 * (double)below(model, 5) : (double)below(model, 10);
    make_points(model, series, last_time(series) - back, 1 + below(model, 12), &points);
    append_known(model, series, &points, STORE_APPEND_RESTAMP);
    points_free(&points);
}

/* Some times are missing: they become the time of the append, or that of the point before if that is later.
 */
static void step_missing_times(struct model *model)
{
    struct model_series *series = pick_alive(model);
    struct points points = {0};
    uint64_t count = 1 + below(model, 8), given = below(model, count + 1);
    make_points(model, series, last_time(series), given, &points);
    given = points.count;
    while (points.count < count)
        points_push_random(&points, series->profile, (double)NAN, false, &model->random);
    struct batch batch;
    batch_init(&batch);
    points_to_batch(&points, 0, count, true, &batch);
    REQUIRE(batch.missing_times == (given < count), "the batch does not know of its missing times");
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    expect(model, series->id, series->points.count, &points);
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
    struct error error = {0};
    double before = clock_now_seconds();
    int r = store_append(model->store, series->id, &batch, 0, NULL, &error);
    double after = clock_now_seconds();
    REQUIRE(r == 0, "%d: %s", r, error.message);
    REQUIRE(!batch.missing_times, "times are still missing");
    double last = last_time(series);
    for (uint64_t i = 0; i < count; i++) {
        double time = batch_time(&batch, (uint32_t)i);
        if (i >= given)
            REQUIRE(time == last || (time > last && time >= before && time <= after),
                "a missing time became %.17g after %.17g, now being %.17g", time, last, before);
        points.times[i] = last = i < given ? points.times[i] : time;
    }
    points_check_batch(&points, 0, &batch, "batch after append");
    points_append(&series->points, &points, 0, count);
    batch_free(&batch);
    points_free(&points);
}

static void refused(
    struct model *model, const struct model_series *series, const struct points *points, int code)
{
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, 0, points->count, true, &batch);
    uint64_t first_index = 4711;
    struct error error = {0};
    int r = store_append(model->store, series->id, &batch, 0, &first_index, &error);
    REQUIRE(r == code && error.code == -code && error.message[0], "%d: %s", r, error.message);
    REQUIRE(first_index == 4711, "an output was written");
    batch_free(&batch);
}

static void step_refused(struct model *model)
{
    struct model_series *series = pick_alive(model);
    struct points points = {0};
    if (series->points.count == 0 || below(model, 2)) { /* not ascending within the batch */
        make_points(model, series, last_time(series), 1 + below(model, 10), &points);
        double end = points.times[points.count - 1];
        points_push_random(&points, series->profile, nextafter(end, -INFINITY), false, &model->random);
    } else { /* older than the last one */
        make_points(model, series, nextafter(last_time(series), -INFINITY), 1, &points);
        points.times[0] = nextafter(last_time(series), -INFINITY);
    }
    refused(model, series, &points, -EINVAL);
    points_free(&points);
}

/* ---- deleting ---- */

static void step_delete(struct model *model)
{
    struct model_series *series = pick_alive(model);
    uint64_t ids[] = {model->next_id + 5000, series->id};
    struct error error = {0};
    int r = store_delete_series(model->store, ids, 2, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    series->deleted = true;
    struct points points = {0};
    make_points(model, series, last_time(series), 3, &points);
    refused(model, series, &points, -ENOENT);
    points_free(&points);
}

static void step_retain(struct model *model)
{
    uint64_t *known = malloc((model->series_count + 1) * sizeof(*known));
    REQUIRE(known, "no memory");
    size_t count = 0;
    uint64_t dropped = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        struct model_series *series = &model->series[i];
        if (series->deleted)
            continue;
        if (series->points.count > 0 && below(model, 10) == 0) {
            series->deleted = true;
            dropped++;
        } else {
            known[count++] = series->id;
        }
    }
    uint64_t deleted = UINT64_MAX;
    struct error error = {0};
    int r = store_retain_series(model->store, known, count, &deleted, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    REQUIRE(deleted == dropped, "%llu series deleted, not %llu", (unsigned long long)deleted,
        (unsigned long long)dropped);
    free(known);
}

/* ---- reading ---- */

static void check_snapshot(
    struct model *model, struct store_snapshot *snapshot, const uint64_t *lengths, size_t series_count)
{
    size_t place = below(model, model->series_count);
    const struct model_series *series = &model->series[place];
    uint64_t length = place < series_count ? lengths[place] : 0;
    if (below(model, 4) == 0)
        test_series_equal(snapshot, series->id, &series->points, length);
    uint64_t from = below(model, length + 3), to = below(model, 2) ? below(model, length + 3) : from + 10;
    test_range_equal(snapshot, series->id, &series->points, length, from, to);
    for (int i = 0; i < 4; i++) {
        double time = length > 0 ? series->points.times[below(model, length)] : 1;
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

static void close_snapshot(struct model_snapshot *held)
{
    store_snapshot_close(held->snapshot);
    free(held->lengths);
    *held = (struct model_snapshot){0};
}

/* Takes a snapshot, or looks at one that is held, or closes it after a complete comparison. */
static void step_snapshot(struct model *model)
{
    struct model_snapshot *held = &model->snapshots[below(model, SNAPSHOTS_MAX)];
    if (model->series_count == 0)
        return;
    if (!held->snapshot) {
        held->snapshot = open_snapshot(model);
        held->series_count = model->series_count;
        held->lengths = malloc(model->series_count * sizeof(*held->lengths));
        REQUIRE(held->lengths, "no memory");
        for (size_t i = 0; i < model->series_count; i++)
            held->lengths[i] = length_of(&model->series[i]);
    }
    check_snapshot(model, held->snapshot, held->lengths, held->series_count);
    if (below(model, 3) > 0)
        return;
    for (size_t i = 0; i < held->series_count; i++)
        test_series_equal(held->snapshot, model->series[i].id, &model->series[i].points, held->lengths[i]);
    close_snapshot(held);
}

static void step_read(struct model *model)
{
    if (model->series_count == 0)
        return;
    struct store_snapshot *snapshot = open_snapshot(model);
    uint64_t *lengths = malloc(model->series_count * sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    for (size_t i = 0; i < model->series_count; i++)
        lengths[i] = length_of(&model->series[i]);
    check_snapshot(model, snapshot, lengths, model->series_count);
    free(lengths);
    store_snapshot_close(snapshot);
}

/* ---- bulk loads ---- */

static void load_series(struct model *model, struct store_bulk_writer *writer, struct model_series *series)
{
    struct error error = {0};
    int r = store_bulk_series(writer, series->id, series->id * 7, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    for (uint64_t part = below(model, 4); part > 0; part--) {
        struct points points = {0};
        make_points(model, series, last_time(series), pick_count(model), &points);
        struct batch batch;
        batch_init(&batch);
        points_to_batch(&points, 0, points.count, below(model, 2), &batch);
        r = store_bulk_append(writer, &batch, &error);
        REQUIRE(r == 0, "%d: %s", r, error.message);
        points_append(&series->points, &points, 0, points.count);
        batch_free(&batch);
        points_free(&points);
    }
}

static void step_bulk(struct model *model)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "load-%llu", (unsigned long long)model->bulk_number++);
    struct error error = {0};
    struct store_bulk *bulk = NULL;
    struct store_bulk_writer *writer = NULL;
    int r = store_bulk_open(model->store, name, false, &bulk, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    r = store_bulk_writer_open(bulk, &writer, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    size_t first = model->series_count;
    for (uint64_t count = 1 + below(model, 4); count > 0; count--)
        load_series(model, writer, new_series(model));
    r = store_bulk_writer_finish(writer, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    store_bulk_writer_close(writer);
    bool publish = below(model, 4) > 0;
    if (publish)
        r = store_bulk_publish(bulk, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    store_bulk_close(bulk, false);
    if (!publish) /* never was there; the ids are not used again */
        for (size_t i = first; i < model->series_count; i++)
            model->series[i].deleted = true;
}

/* ---- sealing, reopening ---- */

static void step_seal(struct model *model)
{
    struct error error = {0};
    int r = store_seal(model->store, below(model, 2), &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
}

static void step_merge(struct model *model)
{
    struct error error = {0};
    int r = store_merge(model->store, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
}

static void close_all(struct model *model)
{
    for (size_t i = 0; i < SNAPSHOTS_MAX; i++)
        if (model->snapshots[i].snapshot)
            close_snapshot(&model->snapshots[i]);
    wait_until_heard(model);
    test_store_close(model->store);
}

static void step_reopen(struct model *model)
{
    close_all(model);
    if (below(model, 4) == 0)
        test_store_check(model->directory);
    open_store(model);
    REQUIRE(store_recovery(model->store)->clean, "the store was closed cleanly");
    compare_all(model);
}

static const struct {
    void (*step)(struct model *model);
    unsigned weight;
} steps[] = {
    {step_append, 500},
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

static void run_steps(struct model *model, uint64_t count)
{
    unsigned weights = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        weights += steps[i].weight;
    for (uint64_t n = 0; n < count; n++) {
        uint64_t pick = below(model, weights);
        size_t i = 0;
        while (pick >= steps[i].weight)
            pick -= steps[i++].weight;
        steps[i].step(model);
    }
}

static void run_model(uint64_t seed, const struct store_options *options, uint64_t step_count)
{
    struct model model = {
        .random = {test_seed(seed)}, .options = *options, .directory = test_directory_create_fast()};
    model.expected = calloc(EXPECTED_MAX, sizeof(*model.expected));
    assert_non_null(model.expected);
    assert_int_equal(pthread_mutex_init(&model.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&model.heard_all, NULL), 0);
    test_store_create(model.directory);
    open_store(&model);
    run_steps(&model, step_count);
    compare_all(&model);
    close_all(&model);
    test_store_check(model.directory);
    open_store(&model);
    compare_all(&model);
    test_store_close(model.store);
    for (size_t i = 0; i < model.series_count; i++)
        points_free(&model.series[i].points);
    free(model.series);
    free(model.expected);
    (void)pthread_mutex_destroy(&model.lock);
    (void)pthread_cond_destroy(&model.heard_all);
    test_directory_remove(model.directory);
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
