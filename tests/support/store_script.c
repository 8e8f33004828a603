#include "store_script.h"

#include "clock.h"

#include <sched.h>

enum { SCRIPT_DEADLINE_SECONDS = 30 };

static uint64_t below(struct script *script, uint64_t bound)
{
    return test_random_below(&script->random, bound);
}

static uint64_t mark(struct script *script)
{
    return script->mark ? script->mark(script->context) : 0;
}

static struct attempt *attempt(struct script *script, enum attempt_kind kind, uint64_t series_id)
{
    script->attempts = realloc(script->attempts, (script->attempt_count + 1) * sizeof(*script->attempts));
    REQUIRE(script->attempts, "no memory");
    struct attempt *made = &script->attempts[script->attempt_count++];
    *made =
        (struct attempt){.kind = kind, .series_id = series_id, .started = mark(script), .ended = UINT64_MAX};
    return made;
}

static void end_attempt(struct script *script, struct attempt *made, enum attempt_outcome outcome)
{
    made->outcome = outcome;
    made->ended = mark(script);
}

static struct store_snapshot *open_snapshot(struct store *store)
{
    struct error error = {0};
    struct store_snapshot *snapshot = NULL;
    int r = store_snapshot_open(store, &snapshot, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
    return snapshot;
}

/* ---- judging ---- */

enum expected { EXPECTED_MAYBE, EXPECTED_THERE, EXPECTED_ABSENT };

static enum expected expected_at(const struct script *script, const struct attempt *made, uint64_t at)
{
    if (made->outcome == OUTCOME_REFUSED || made->started >= at)
        return EXPECTED_ABSENT;
    bool acknowledged = made->outcome == OUTCOME_ACKNOWLEDGED && made->ended <= at;
    bool may_be_lost = script->lossy && made->kind == ATTEMPT_APPEND;
    return acknowledged && !may_be_lost ? EXPECTED_THERE : EXPECTED_MAYBE;
}

static bool same_points(const struct points *a, uint64_t at, const struct points *b)
{
    if (at + b->count > a->count)
        return false;
    for (uint64_t i = 0; i < b->count; i++) {
        size_t size, wanted_size;
        const uint8_t *value = points_value(a, at + i, &size), *wanted = points_value(b, i, &wanted_size);
        if (memcmp(&a->times[at + i], &b->times[i], sizeof(double)) != 0 || size != wanted_size ||
            memcmp(value, wanted, size) != 0)
            return false;
    }
    return true;
}

static void read_series(
    struct store_snapshot *snapshot, uint64_t series_id, struct points *points, const char *what)
{
    struct error error = {0};
    struct store_series series;
    int r = test_series_read(snapshot, series_id, points, &error);
    REQUIRE(r == 0, "%s: reading series %llu: %s", what, (unsigned long long)series_id, error.message);
    r = store_snapshot_series(snapshot, series_id, &series, &error);
    REQUIRE(r == 0 && series.length == points->count, "%s: series %llu says %llu points, has %llu", what,
        (unsigned long long)series_id, (unsigned long long)series.length, (unsigned long long)points->count);
}

static void judge_appended(const struct script *script, struct store_snapshot *snapshot, uint64_t series_id,
    uint64_t at, const char *what)
{
    struct points points = {0};
    read_series(snapshot, series_id, &points, what);
    bool may_be_deleted = false, must_be_deleted = false, must_have = false, lost = false;
    uint64_t place = 0;
    for (size_t i = 0; i < script->attempt_count; i++) {
        const struct attempt *made = &script->attempts[i];
        if (made->series_id != series_id || made->kind == ATTEMPT_BULK)
            continue;
        enum expected expected = expected_at(script, made, at);
        if (made->kind == ATTEMPT_DELETE) {
            may_be_deleted |= expected != EXPECTED_ABSENT;
            must_be_deleted |= expected == EXPECTED_THERE;
            continue;
        }
        bool there = expected != EXPECTED_ABSENT && same_points(&points, place, &made->points);
        REQUIRE(!there || !lost, "%s: series %llu has a hole before index %llu", what,
            (unsigned long long)series_id, (unsigned long long)place);
        lost |= !there && script->lossy && made->outcome == OUTCOME_ACKNOWLEDGED;
        place += there ? made->points.count : 0;
        must_have |= expected == EXPECTED_THERE;
        bool deleted = points.count == 0 && may_be_deleted;
        REQUIRE(there || deleted || expected != EXPECTED_THERE || points.count == 0,
            "%s: an acknowledged batch of series %llu is missing or changed at index %llu of %llu", what,
            (unsigned long long)series_id, (unsigned long long)place, (unsigned long long)points.count);
    }
    REQUIRE(place == points.count, "%s: series %llu has points at %llu that nobody wrote there", what,
        (unsigned long long)series_id, (unsigned long long)place);
    REQUIRE(points.count > 0 || !must_have || may_be_deleted, "%s: series %llu lost everything", what,
        (unsigned long long)series_id);
    REQUIRE(points.count == 0 || !must_be_deleted, "%s: deleted series %llu is back", what,
        (unsigned long long)series_id);
    points_free(&points);
}

static void judge_loaded(const struct script *script, const struct attempt *made,
    struct store_snapshot *snapshot, uint64_t at, const char *what)
{
    enum expected expected = expected_at(script, made, at);
    uint64_t there = 0;
    for (uint64_t id = made->series_id; id < made->series_id + made->bulk_count; id++) {
        struct points points = {0};
        read_series(snapshot, id, &points, what);
        REQUIRE(points.count == 0 ||
                    (points.count == made->points.count && same_points(&points, 0, &made->points)),
            "%s: loaded series %llu is not whole", what, (unsigned long long)id);
        there += points.count > 0;
        points_free(&points);
    }
    REQUIRE(there == 0 || there == made->bulk_count, "%s: %llu of %llu loaded series are there", what,
        (unsigned long long)there, (unsigned long long)made->bulk_count);
    REQUIRE(there > 0 || expected != EXPECTED_THERE, "%s: a published load is gone", what);
    REQUIRE(there == 0 || expected != EXPECTED_ABSENT, "%s: a load is there that was not published", what);
}

void script_judge(const struct script *script, struct store *store, uint64_t at, const char *what)
{
    struct store_snapshot *snapshot = open_snapshot(store);
    for (uint64_t series_id = 1; series_id <= SCRIPT_SERIES; series_id++)
        judge_appended(script, snapshot, series_id, at, what);
    for (size_t i = 0; i < script->attempt_count; i++)
        if (script->attempts[i].kind == ATTEMPT_BULK)
            judge_loaded(script, &script->attempts[i], snapshot, at, what);
    store_snapshot_close(snapshot);
}

void script_judge_directory(const struct script *script, const char *directory, uint64_t at, const char *what)
{
    struct error error = {0};
    struct store *store = NULL;
    struct store_options options = script->options;
    options.io = NULL;
    int r = store_open(directory, &options, &store, &error);
    REQUIRE(r == 0, "%s: the store does not open: %d: %s", what, r, error.message);
    script_judge(script, store, at, what);
    struct batch batch;
    batch_init(&batch);
    REQUIRE(batch_push_integer(&batch, 1, 1) == 0, "no memory");
    r = store_append(store, SCRIPT_BULK_FIRST_ID - 1, &batch, 0, NULL, &error);
    REQUIRE(r == 0, "%s: the store takes no points: %d: %s", what, r, error.message);
    batch_free(&batch);
    test_store_close(store);
    test_store_check(directory);
}

void store_script_free(struct script *script)
{
    for (size_t i = 0; i < script->attempt_count; i++)
        points_free(&script->attempts[i].points);
    free(script->attempts);
    script->attempts = NULL;
    script->attempt_count = 0;
}

/* ---- running ---- */

/* Nobody sees points that are not durable, and reads go on whatever happened to the journal: right now
 * exactly what was acknowledged is there. */
static void judge_now(struct script *script)
{
    struct script known = *script;
    known.attempts = malloc((script->attempt_count + 1) * sizeof(*known.attempts));
    REQUIRE(known.attempts, "no memory");
    memcpy(known.attempts, script->attempts, script->attempt_count * sizeof(*known.attempts));
    for (size_t i = 0; i < known.attempt_count; i++)
        if (known.attempts[i].outcome == OUTCOME_UNKNOWN && known.attempts[i].kind == ATTEMPT_APPEND)
            known.attempts[i].outcome = OUTCOME_REFUSED;
    script_judge(&known, script->store, UINT64_MAX, "the running store");
    free(known.attempts);
}

static void make_points(struct script *script, struct points *points)
{
    enum { BATCH_BYTES = 6000, POINTS = 200 };
    uint64_t count = below(script, 4) ? 1 + below(script, 10) : 1 + below(script, POINTS);
    for (uint64_t i = 0; i < count && points->values.size < BATCH_BYTES; i++) {
        script->time += 0.25;
        points_push_random(
            points, below(script, 3) ? PROFILE_TEXTS : PROFILE_MIXED, script->time, false, &script->random);
    }
}

static bool journal_dead(struct script *script)
{
    struct store_stats stats;
    store_get_stats(script->store, &stats);
    return stats.journal_dead;
}

static int append_once(struct script *script, uint64_t series_id, struct points *points)
{
    struct attempt *made = attempt(script, ATTEMPT_APPEND, series_id);
    points_append(&made->points, points, 0, points->count);
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, 0, points->count, true, &batch);
    struct error error = {0};
    int r = store_append(script->store, series_id, &batch, 0, NULL, &error);
    batch_free(&batch);
    REQUIRE(r == 0 || r == -EAGAIN || error_is_no_space(-r) || r == -EIO, "append: %d: %s", r, error.message);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    end_attempt(script, made, r == 0 ? OUTCOME_ACKNOWLEDGED : r == -EIO ? OUTCOME_UNKNOWN : OUTCOME_REFUSED);
    return r;
}

/* An append that was refused for want of space succeeds when there is space, without reopening. */
static int append_when_healthy(struct script *script, uint64_t series_id, struct points *points)
{
    uint64_t deadline = clock_monotonic_ns() + SCRIPT_DEADLINE_SECONDS * UINT64_C(1000000000);
    int r;
    do {
        REQUIRE(clock_monotonic_ns() < deadline, "the store does not recover though the device is healthy");
        sched_yield();
        r = append_once(script, series_id, points);
    } while (r == -EAGAIN || error_is_no_space(-r));
    return r;
}

/* false: the journal is dead. */
static bool append(struct script *script, uint64_t series_id)
{
    struct points points = {0};
    make_points(script, &points);
    int r = append_once(script, series_id, &points);
    if (r < 0 && !journal_dead(script)) {
        judge_now(script);
        if (script->heal)
            script->heal(script->context);
        r = append_when_healthy(script, series_id, &points);
    }
    points_free(&points);
    REQUIRE(r == 0 || journal_dead(script), "an insert failed for good, but the journal is not dead");
    return r == 0;
}

/* The journal is dead: inserts fail and leave nothing, even when the device works again; reads go on. */
static void live_on_dead(struct script *script)
{
    script->died = true;
    judge_now(script);
    if (script->heal)
        script->heal(script->context);
    for (uint64_t series_id = 1; series_id < SCRIPT_SERIES; series_id++) {
        struct points points = {0};
        make_points(script, &points);
        int r = append_once(script, series_id, &points);
        REQUIRE(r == -EIO, "an insert into a dead journal returned %d", r);
        script->attempts[script->attempt_count - 1].outcome = OUTCOME_REFUSED;
        points_free(&points);
    }
    judge_now(script);
}

static bool delete_last(struct script *script)
{
    struct attempt *made = attempt(script, ATTEMPT_DELETE, SCRIPT_SERIES);
    uint64_t id = SCRIPT_SERIES;
    struct error error = {0};
    int r = store_delete_series(script->store, &id, 1, &error);
    REQUIRE(r == 0 || r == -EAGAIN || error_is_no_space(-r) || r == -EIO, "delete: %d: %s", r, error.message);
    end_attempt(script, made, r == 0 ? OUTCOME_ACKNOWLEDGED : OUTCOME_UNKNOWN);
    return !journal_dead(script);
}

static int load(struct script *script, struct store_bulk *bulk, const struct attempt *made)
{
    struct error error = {0};
    struct store_bulk_writer *writer = NULL;
    struct batch batch;
    batch_init(&batch);
    points_to_batch(&made->points, 0, made->points.count, true, &batch);
    int r = store_bulk_writer_open(bulk, &writer, &error);
    for (uint64_t i = 0; r == 0 && i < made->bulk_count; i++) {
        r = store_bulk_series(writer, made->series_id + i, i, &error);
        if (r == 0)
            r = store_bulk_append(writer, &batch, &error);
    }
    if (r == 0)
        r = store_bulk_writer_finish(writer, &error);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    store_bulk_writer_close(writer);
    batch_free(&batch);
    (void)script;
    return r;
}

static void bulk_load(struct script *script)
{
    struct attempt *made = attempt(script, ATTEMPT_BULK, script->next_bulk_id);
    made->bulk_count = 3;
    script->next_bulk_id += made->bulk_count;
    make_points(script, &made->points);
    char name[32];
    (void)snprintf(name, sizeof(name), "load-%llu", (unsigned long long)made->series_id);
    struct error error = {0};
    struct store_bulk *bulk = NULL;
    int r = store_bulk_open(script->store, name, false, &bulk, &error);
    enum attempt_outcome outcome = OUTCOME_REFUSED;
    if (r == 0 && load(script, bulk, made) == 0) {
        r = store_bulk_publish(bulk, &error);
        outcome = r == 0 ? OUTCOME_ACKNOWLEDGED : OUTCOME_UNKNOWN;
    }
    end_attempt(script, made, outcome);
    store_bulk_close(bulk, false);
}

static bool open_script_store(struct script *script)
{
    struct error error = {0};
    script->store = NULL;
    int r = store_open(script->directory, &script->options, &script->store, &error);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    return r == 0;
}

static bool step(struct script *script, uint64_t i)
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
    return append(script, 1 + below(script, last));
}

void script_run(struct script *script)
{
    struct error error = {0};
    script->options.io = script->io;
    script->next_bulk_id = SCRIPT_BULK_FIRST_ID;
    int r = store_create(script->directory, script->io, &error);
    REQUIRE(r == 0 || error.message[0], "%d without a message", r);
    script->created = r == 0;
    script->created_at = mark(script);
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
