#include "store_model.h"

#include "bytes.h"

void store_model_init(struct store_model *model, uint64_t value_bytes)
{
    *model = (struct store_model){.lock = PTHREAD_MUTEX_INITIALIZER, .value_bytes = value_bytes};
}

void store_model_free(struct store_model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        free(model->series[i].attempts);
        points_free(&model->series[i].points);
    }
    free(model->series);
    *model = (struct store_model){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static struct model_series *find(const struct store_model *model, uint64_t series_id)
{
    for (size_t i = 0; i < model->count; i++) {
        if (model->series[i].id == series_id)
            return &model->series[i];
    }
    return NULL;
}

const struct model_series *store_model_series(const struct store_model *model, uint64_t series_id)
{
    return find(model, series_id);
}

static struct model_series *find_or_add(struct store_model *model, uint64_t series_id)
{
    struct model_series *series = find(model, series_id);
    if (series)
        return series;
    if (model->count == model->capacity) {
        model->capacity = model->capacity ? model->capacity * 2 : 32;
        model->series = realloc(model->series, model->capacity * sizeof(*model->series));
        REQUIRE(model->series, "no memory");
    }
    model->series[model->count] = (struct model_series){.id = series_id};
    return &model->series[model->count++];
}

static void add_attempt(struct model_series *series, const struct model_attempt *attempt)
{
    if (series->count == series->capacity) {
        series->capacity = series->capacity ? series->capacity * 2 : 8;
        series->attempts = realloc(series->attempts, series->capacity * sizeof(*series->attempts));
        REQUIRE(series->attempts, "no memory");
    }
    series->attempts[series->count++] = *attempt;
}

void store_model_copy(struct store_model *to, const struct store_model *from)
{
    store_model_init(to, from->value_bytes);
    to->lossy = from->lossy;
    to->attempts = from->attempts;
    for (size_t i = 0; i < from->count; i++) {
        struct model_series *series = find_or_add(to, from->series[i].id);
        for (size_t n = 0; n < from->series[i].count; n++)
            add_attempt(series, &from->series[i].attempts[n]);
    }
}

/* ---- attempts and outcomes ---- */

static void lock(struct store_model *model)
{
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
}

static void unlock(struct store_model *model)
{
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
}

struct model_expected store_model_expect(const struct model_series *series, uint64_t at)
{
    struct model_expected expected = {0};
    for (size_t i = 0; i < series->count; i++) {
        const struct model_attempt *attempt = &series->attempts[i];
        if (attempt->begun >= at)
            break;
        if (attempt->ended > at) {
            expected.open = attempt;
            break;
        }
        if (attempt->outcome == MODEL_REFUSED)
            continue;
        expected.deleted |= attempt->operation == MODEL_DELETE;
        expected.length = expected.deleted ? 0 : attempt->first + attempt->count;
    }
    return expected;
}

static struct model_series *begin(
    struct store_model *model, const struct model_attempt *operation, uint64_t series_id)
{
    struct model_series *series = find_or_add(model, series_id);
    struct model_attempt attempt = *operation;
    attempt.first = operation->operation == MODEL_DELETE ? 0 : store_model_expect(series, NOW).length;
    attempt.ended = NEVER;
    add_attempt(series, &attempt);
    return series;
}

uint64_t store_model_attempt(struct store_model *model, enum model_operation operation,
    const uint64_t *series_ids, size_t series_count, uint64_t count, uint64_t now)
{
    lock(model);
    struct model_attempt made = {.number = ++model->attempts,
        .operation = operation,
        .series_count = series_count,
        .count = count,
        .begun = now};
    for (size_t i = 0; i < series_count; i++)
        (void)begin(model, &made, series_ids[i]);
    unlock(model);
    return made.number;
}

uint64_t store_model_attempt_points(struct store_model *model, enum model_operation operation,
    uint64_t series_id, const struct points *points, uint64_t now)
{
    lock(model);
    struct model_attempt made = {.number = ++model->attempts,
        .operation = operation,
        .series_count = 1,
        .count = points->count,
        .begun = now};
    struct model_series *series = begin(model, &made, series_id);
    uint64_t first = series->attempts[series->count - 1].first;
    REQUIRE(first <= series->points.count, "series %llu has made points", (unsigned long long)series_id);
    points_truncate(&series->points, first); /* refused ones go */
    points_append(&series->points, points, 0, points->count);
    unlock(model);
    return made.number;
}

void store_model_settle(struct store_model *model, uint64_t number, enum model_outcome outcome, uint64_t now)
{
    lock(model);
    size_t settled = 0, series_count = 1;
    for (size_t i = 0; i < model->count && settled < series_count; i++) {
        struct model_series *series = &model->series[i];
        struct model_attempt *last = series->count > 0 ? &series->attempts[series->count - 1] : NULL;
        if (!last || last->number != number)
            continue;
        last->ended = now;
        last->outcome = outcome;
        series_count = last->series_count;
        settled++;
    }
    REQUIRE(
        settled == series_count, "attempt %llu is not the last of its series", (unsigned long long)number);
    unlock(model);
}

static struct model_expected expect_now(struct store_model *model, uint64_t series_id)
{
    lock(model);
    const struct model_series *series = find(model, series_id);
    struct model_expected expected = series ? store_model_expect(series, NOW) : (struct model_expected){0};
    unlock(model);
    return expected;
}

uint64_t store_model_length(struct store_model *model, uint64_t series_id)
{
    return expect_now(model, series_id).length;
}

bool store_model_deleted(struct store_model *model, uint64_t series_id)
{
    return expect_now(model, series_id).deleted;
}

static bool is_done(const struct model_attempt *attempt, uint64_t length)
{
    return attempt->operation == MODEL_DELETE ? length == 0 : length == attempt->first + attempt->count;
}

void store_model_restart(struct store_model *model, uint64_t at, const uint64_t *lengths, uint64_t now)
{
    for (size_t i = 0; i < model->count; i++) {
        struct model_series *series = &model->series[i];
        size_t count = 0;
        bool open = false;
        while (!open && count < series->count && series->attempts[count].begun < at) {
            struct model_attempt *attempt = &series->attempts[count++];
            open = attempt->ended > at;
            attempt->begun = 0;
            attempt->ended = open ? now : 1;
            if (open)
                attempt->outcome = is_done(attempt, lengths[i]) ? MODEL_DONE : MODEL_REFUSED;
        }
        series->count = count;
    }
}

void store_model_settle_found(struct store_model *model, const uint64_t *lengths, uint64_t now)
{
    for (size_t i = 0; i < model->count; i++) {
        struct model_series *series = &model->series[i];
        for (size_t n = 0; n < series->count; n++) {
            struct model_attempt *attempt = &series->attempts[n];
            if (attempt->ended != NEVER)
                continue;
            attempt->ended = now;
            attempt->outcome = is_done(attempt, lengths[i]) ? MODEL_DONE : MODEL_REFUSED;
        }
    }
}

/* ---- points ---- */

static uint64_t mix(uint64_t series_id, uint64_t index)
{
    struct test_random random = {series_id * UINT64_C(0x9e3779b97f4a7c15) + index};
    return test_random_next(&random);
}

/* Some neighbours have the same time. */
static double time_of(uint64_t series_id, uint64_t index)
{
    return 1000.0 + (double)(series_id % 7) + (double)(index / 3) * 0.25;
}

enum { TEXT_BYTES_LIMIT = 4096 };

static size_t value_of(
    const struct store_model *model, uint64_t series_id, uint64_t index, uint8_t to[TEXT_BYTES_LIMIT + 3])
{
    uint64_t hash = mix(series_id, index);
    switch (series_id % 4) {
    case 0:
        return value_of_integer(to, (int64_t)(hash % 2000) - 1000);
    case 1:
        return value_of_double(to, (double)(hash % 100000) / 7);
    case 2:
        to[0] = hash % 2 ? 0xc3 : 0xc2;
        return 1;
    default:
        break;
    }
    size_t size = 300 + (size_t)(hash % (model->value_bytes + 1));
    REQUIRE(size <= TEXT_BYTES_LIMIT, "the texts are too long");
    to[0] = 0xda; /* str16 */
    to[1] = (uint8_t)(size >> 8);
    to[2] = (uint8_t)size;
    memset(to + 3, (int)('a' + hash % 26), size); /* quick to make; the number in it makes it this point's */
    (void)snprintf((char *)to + 3, size, "%016llx", (unsigned long long)hash);
    to[3 + 16] = '.';
    return size + 3;
}

void store_model_points(
    const struct store_model *model, uint64_t series_id, uint64_t first, uint64_t count, struct batch *batch)
{
    uint8_t value[TEXT_BYTES_LIMIT + 3];
    for (uint64_t i = first; i < first + count; i++) {
        size_t size = value_of(model, series_id, i, value);
        REQUIRE(batch_push_msgpack(batch, time_of(series_id, i), value, size) == 0, "no memory");
    }
}

/* ---- comparing ---- */

bool model_violated(struct model_violation *violation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(violation->text, sizeof(violation->text), format, arguments);
    va_end(arguments);
    return false;
}

/* A point as it must be. */
struct point {
    double time;
    const void *value;
    size_t value_size;
    const char *sender;
    size_t sender_size;
    uint8_t made[TEXT_BYTES_LIMIT + 3];
};

static void expect_point(const struct store_model *model, const struct model_series *series,
    uint64_t series_id, uint64_t index, struct point *ret_point)
{
    if (series && series->points.count > 0) {
        ret_point->time = series->points.times[index];
        ret_point->value = points_value(&series->points, index, &ret_point->value_size);
        ret_point->sender = points_sender(&series->points, index, &ret_point->sender_size);
        return;
    }
    ret_point->time = time_of(series_id, index);
    ret_point->value = ret_point->made;
    ret_point->value_size = value_of(model, series_id, index, ret_point->made);
    ret_point->sender = "";
    ret_point->sender_size = 0;
}

static double expect_time(const struct model_series *series, uint64_t index)
{
    return series->points.count > 0 ? series->points.times[index] : time_of(series->id, index);
}

static bool check_batch(const struct store_model *model, uint64_t series_id, uint64_t first,
    const struct batch *batch, uint64_t *value_bytes, struct model_violation *violation)
{
    const struct model_series *series = find(model, series_id);
    struct point expected;
    uint8_t scratch[9];
    for (uint32_t i = 0; i < batch->count; i++) {
        if (series && series->points.count > 0 && first + i >= series->points.count)
            return model_violated(violation, "series %llu, point %llu: nobody inserted it",
                (unsigned long long)series_id, (unsigned long long)(first + i));
        size_t size, sender_size;
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        const char *sender = batch_sender(batch, i, &sender_size);
        expect_point(model, series, series_id, first + i, &expected);
        *value_bytes += size;
        if (size != expected.value_size || memcmp(value, expected.value, size) != 0 ||
            sender_size != expected.sender_size || memcmp(sender, expected.sender, sender_size) != 0 ||
            double_bits(batch_time(batch, i)) != double_bits(expected.time))
            return model_violated(violation, "series %llu, point %llu: not what was inserted",
                (unsigned long long)series_id, (unsigned long long)(first + i));
    }
    return true;
}

/* copy_id: the series in the snapshot, from its point copy_from on; series_id: whose points [from, length) it
 * must hold. */
static bool check_points(const struct store_model *model, struct store_snapshot *snapshot, uint64_t copy_id,
    uint64_t copy_from, uint64_t series_id, uint64_t from, uint64_t length, uint64_t *value_bytes,
    struct model_violation *violation)
{
    struct error error = {0};
    struct store_cursor *cursor = NULL;
    const struct batch *batch = NULL;
    uint64_t index = from;
    bool good = true;
    *value_bytes = 0;
    int r = store_cursor_open(snapshot, copy_id, copy_from, UINT64_MAX, false, &cursor, &error);
    while (r == 0 && good && (r = store_cursor_next(cursor, &batch, &error)) == 0 && batch) {
        good = check_batch(model, series_id, index, batch, value_bytes, violation);
        index += batch->count;
    }
    store_cursor_close(cursor);
    if (r < 0)
        return model_violated(violation, "series %llu cannot be read at %llu of %llu: %s",
            (unsigned long long)series_id, (unsigned long long)index, (unsigned long long)length,
            error.message);
    if (good && index != length)
        return model_violated(violation, "series %llu: %llu points were read, expected %llu",
            (unsigned long long)series_id, (unsigned long long)index, (unsigned long long)length);
    return good;
}

bool store_model_judge_part(const struct store_model *model, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_snapshot *snapshot, uint64_t copy_id, struct model_violation *violation)
{
    uint64_t bytes;
    return check_points(model, snapshot, copy_id, 0, series_id, from, to, &bytes, violation);
}

bool store_model_judge_copy(const struct store_model *model, uint64_t series_id, uint64_t at,
    struct store_snapshot *snapshot, uint64_t copy_id, struct model_violation *violation)
{
    const struct model_series *series = find(model, series_id);
    uint64_t length = series ? store_model_expect(series, at).length : 0;
    return store_model_judge_part(model, series_id, 0, length, snapshot, copy_id, violation);
}

/* The index of the first point after the one in the middle. */
static bool check_index_of_time(const struct model_series *series, struct store_snapshot *snapshot,
    uint64_t length, struct model_violation *violation)
{
    struct error error = {0};
    uint64_t middle = length / 2, later = middle, index;
    double time = expect_time(series, middle);
    if (store_snapshot_index_of_time(snapshot, series->id, time, &index, &error) < 0)
        return model_violated(
            violation, "series %llu: index of time: %s", (unsigned long long)series->id, error.message);
    while (later < length && expect_time(series, later) <= time)
        later++;
    return index == later ||
           model_violated(violation, "series %llu: index of time is %llu, expected %llu",
               (unsigned long long)series->id, (unsigned long long)index, (unsigned long long)later);
}

/* Every point that is there is the right one, from the beginning and from the middle, and what the store says
 * of the series is true. */
static bool read_series(const struct store_model *model, struct store_snapshot *snapshot,
    const struct model_series *series, uint64_t *ret_length, struct model_violation *violation)
{
    struct store_series found;
    struct error error = {0};
    unsigned long long id = series->id;
    uint64_t bytes, bytes_from_middle;
    if (store_snapshot_series(snapshot, series->id, &found, &error) < 0)
        return model_violated(violation, "series %llu: %s", id, error.message);
    uint64_t length = *ret_length = found.length, middle = length / 2;
    if (!check_points(model, snapshot, series->id, 0, series->id, 0, length, &bytes, violation))
        return false;
    if (found.logical_bytes != bytes)
        return model_violated(violation, "series %llu: %llu logical bytes, expected %llu", id,
            (unsigned long long)found.logical_bytes, (unsigned long long)bytes);
    double first = length > 0 ? expect_time(series, 0) : 0;
    double last = length > 0 ? expect_time(series, length - 1) : 0;
    if (double_bits(found.time_first) != double_bits(first) ||
        double_bits(found.time_last) != double_bits(last))
        return model_violated(violation, "series %llu: first or last time is wrong", id);
    return length == 0 || (check_index_of_time(series, snapshot, length, violation) &&
                              check_points(model, snapshot, series->id, middle, series->id, middle, length,
                                  &bytes_from_middle, violation));
}

static bool read_all(const struct store_model *model, struct store_snapshot *snapshot, uint64_t *ret_lengths,
    struct model_violation *violation)
{
    bool good = true;
    for (size_t i = 0; good && i < model->count; i++)
        good = read_series(model, snapshot, &model->series[i], &ret_lengths[i], violation);
    return good;
}

/* ---- judging ---- */

/* Each operation on several series is there in all of them or in none. Series that are or may be deleted do
 * not tell. */
static bool check_whole(const struct store_model *model, const struct model_attempt *attempt, uint64_t at,
    const uint64_t *lengths, struct model_violation *violation)
{
    size_t there = 0, absent = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_series *series = &model->series[i];
        struct model_expected expected = store_model_expect(series, at);
        if (expected.deleted || (expected.open && expected.open->operation == MODEL_DELETE))
            continue;
        for (size_t n = series->count; n-- > 0;) {
            const struct model_attempt *part = &series->attempts[n];
            if (part->number != attempt->number)
                continue;
            bool is_there = lengths[i] >= part->first + part->count;
            there += is_there;
            absent += !is_there;
        }
    }
    return there == 0 || absent == 0 ||
           model_violated(violation, "operation %llu is there in %zu of %zu series",
               (unsigned long long)attempt->number, there, there + absent);
}

/* Of the operations that may be there in part at a moment from `from` to `at`. */
static bool check_operations(const struct store_model *model, uint64_t from, uint64_t at,
    const uint64_t *lengths, struct model_violation *violation)
{
    bool good = true;
    uint64_t checked = 0;
    for (size_t i = 0; good && i < model->count; i++) {
        const struct model_series *series = &model->series[i];
        for (size_t n = 0; good && n < series->count; n++) {
            const struct model_attempt *attempt = &series->attempts[n];
            bool may_be_in_part = attempt->begun < at && attempt->ended > from;
            if (!may_be_in_part || attempt->series_count == 1 || attempt->operation == MODEL_DELETE ||
                attempt->number == checked)
                continue;
            good = check_whole(model, attempt, at, lengths, violation);
            checked = attempt->number;
        }
    }
    return good;
}

/* The moment up to which everything is there, going by the last append that is there. */
static uint64_t surviving_end(const struct store_model *model, uint64_t at, const uint64_t *lengths)
{
    uint64_t end = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_series *series = &model->series[i];
        for (size_t n = 0; n < series->count; n++) {
            const struct model_attempt *attempt = &series->attempts[n];
            bool is_append = attempt->operation == MODEL_APPEND && attempt->begun < at;
            if (is_append && lengths[i] >= attempt->first + attempt->count && attempt->begun > end)
                end = attempt->begun;
        }
    }
    return end;
}

static bool is_end_of_batch(const struct model_series *series, uint64_t length)
{
    bool is_end = length == 0;
    for (size_t n = 0; n < series->count; n++)
        is_end |= length == series->attempts[n].first + series->attempts[n].count;
    return is_end;
}

/* What is left of a series is its beginning in whole batches, and nothing that was appended before something
 * that is there is lost. */
static bool check_beginning(const struct model_series *series, uint64_t at, uint64_t end, uint64_t length,
    struct model_violation *violation)
{
    struct model_expected most = store_model_expect(series, at), least = store_model_expect(series, end);
    bool is_load = series->attempts[0].operation == MODEL_LOAD;
    if (most.deleted || least.deleted || is_load)
        least = most;
    uint64_t longest = most.length;
    if (most.open && most.open->first + most.open->count > longest)
        longest = most.open->first + most.open->count;
    bool deleting = most.open && most.open->operation == MODEL_DELETE;
    if ((length < least.length && !(deleting && length == 0)) || length > longest ||
        !is_end_of_batch(series, length))
        return model_violated(violation,
            "series %llu has %llu points, expected %llu to %llu in whole batches",
            (unsigned long long)series->id, (unsigned long long)length, (unsigned long long)least.length,
            (unsigned long long)longest);
    return true;
}

static bool check_beginnings(const struct store_model *model, uint64_t from, uint64_t at,
    const uint64_t *lengths, struct model_violation *violation)
{
    uint64_t end = surviving_end(model, at, lengths);
    bool good = true;
    for (size_t i = 0; good && i < model->count; i++)
        good = check_beginning(&model->series[i], at, end > from ? end : from, lengths[i], violation);
    return good;
}

static bool check_length(const struct model_series *series, uint64_t at, bool running, uint64_t length,
    struct model_violation *violation)
{
    struct model_expected expected = store_model_expect(series, at);
    const struct model_attempt *open = expected.open;
    if (running && open && open->operation == MODEL_APPEND)
        open = NULL;
    if (length == expected.length || (open && is_done(open, length)))
        return true;
    return model_violated(violation, "series %llu has %llu points, expected %llu%s%s",
        (unsigned long long)series->id, (unsigned long long)length, (unsigned long long)expected.length,
        expected.deleted ? " (deleted)" : "",
        !open                             ? ""
        : open->operation == MODEL_DELETE ? ", or none"
                                          : ", or a batch more");
}

/* What of a store is judged. */
struct question {
    uint64_t at;
    bool running;                  /* nothing is there whose outcome is unknown */
    const uint64_t *exact_lengths; /* NULL: those that follow from the attempts */
    uint64_t between_from;         /* not NEVER: as it was at one moment from here to `at` */
};

static bool check_lengths(const struct store_model *model, const struct question *question,
    const uint64_t *lengths, struct model_violation *violation)
{
    if (question->between_from != NEVER)
        return check_beginnings(model, question->between_from, question->at, lengths, violation) &&
               check_operations(model, question->between_from, question->at, lengths, violation);
    if (model->lossy && !question->running && !question->exact_lengths)
        return check_beginnings(model, 0, question->at, lengths, violation) &&
               check_operations(model, 0, question->at, lengths, violation);
    bool good = true;
    for (size_t i = 0; good && i < model->count; i++) {
        const struct model_series *series = &model->series[i];
        if (!question->exact_lengths)
            good = check_length(series, question->at, question->running, lengths[i], violation);
        else if (lengths[i] != question->exact_lengths[i])
            good = model_violated(violation, "series %llu had %llu points, after another open %llu",
                (unsigned long long)series->id, (unsigned long long)question->exact_lengths[i],
                (unsigned long long)lengths[i]);
    }
    return good && (question->exact_lengths ||
                       check_operations(model, question->at, question->at, lengths, violation));
}

/* ret_lengths: may be NULL */
static bool judge_snapshot(const struct store_model *model, const struct question *question,
    struct store_snapshot *snapshot, uint64_t *ret_lengths, struct model_violation *violation)
{
    uint64_t *lengths = ret_lengths ? ret_lengths : calloc(model->count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    bool good =
        read_all(model, snapshot, lengths, violation) && check_lengths(model, question, lengths, violation);
    if (!ret_lengths)
        free(lengths);
    return good;
}

static bool judge(const struct store_model *model, const struct question *question, struct store *store,
    uint64_t *ret_lengths, struct model_violation *violation)
{
    struct store_snapshot *snapshot;
    struct error error = {0};
    if (store_snapshot_open(store, &snapshot, &error) < 0)
        return model_violated(violation, "snapshot: %s", error.message);
    bool good = judge_snapshot(model, question, snapshot, ret_lengths, violation);
    store_snapshot_close(snapshot);
    return good;
}

bool store_model_judge(const struct store_model *model, uint64_t at, struct store *store,
    uint64_t *ret_lengths, struct model_violation *violation)
{
    return judge(model, &(struct question){.at = at, .between_from = NEVER}, store, ret_lengths, violation);
}

bool store_model_judge_snapshot(const struct store_model *model, uint64_t at, struct store_snapshot *snapshot,
    uint64_t *ret_lengths, struct model_violation *violation)
{
    return judge_snapshot(
        model, &(struct question){.at = at, .between_from = NEVER}, snapshot, ret_lengths, violation);
}

bool store_model_judge_running(
    const struct store_model *model, struct store *store, struct model_violation *violation)
{
    return judge(
        model, &(struct question){.at = NOW, .running = true, .between_from = NEVER}, store, NULL, violation);
}

bool store_model_judge_between(const struct store_model *model, uint64_t from, uint64_t to,
    struct store *store, struct model_violation *violation)
{
    return judge(model, &(struct question){.at = to, .between_from = from}, store, NULL, violation);
}

bool store_model_judge_lengths(const struct store_model *model, const uint64_t *lengths, struct store *store,
    struct model_violation *violation)
{
    return judge(model, &(struct question){.at = NOW, .exact_lengths = lengths, .between_from = NEVER}, store,
        NULL, violation);
}
