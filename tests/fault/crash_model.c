#include "crash_model.h"

#include "bytes.h"

void crash_model_init(struct crash_model *model, uint64_t value_bytes)
{
    *model = (struct crash_model){.lock = PTHREAD_MUTEX_INITIALIZER, .value_bytes = value_bytes};
}

void crash_model_free(struct crash_model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->series[i].attempts);
    free(model->series);
    *model = (struct crash_model){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static struct crash_series *find(const struct crash_model *model, uint64_t series_id)
{
    for (size_t i = 0; i < model->count; i++) {
        if (model->series[i].id == series_id)
            return &model->series[i];
    }
    return NULL;
}

static struct crash_series *find_or_add(struct crash_model *model, uint64_t series_id)
{
    struct crash_series *series = find(model, series_id);
    if (series)
        return series;
    if (model->count == model->capacity) {
        model->capacity = model->capacity ? model->capacity * 2 : 32;
        model->series = realloc(model->series, model->capacity * sizeof(*model->series));
        REQUIRE(model->series, "no memory");
    }
    model->series[model->count] = (struct crash_series){.id = series_id};
    return &model->series[model->count++];
}

static void add_attempt(struct crash_series *series, const struct crash_attempt *attempt)
{
    if (series->count == series->capacity) {
        series->capacity = series->capacity ? series->capacity * 2 : 8;
        series->attempts = realloc(series->attempts, series->capacity * sizeof(*series->attempts));
        REQUIRE(series->attempts, "no memory");
    }
    series->attempts[series->count++] = *attempt;
}

void crash_model_copy(struct crash_model *to, const struct crash_model *from)
{
    crash_model_init(to, from->value_bytes);
    to->lossy = from->lossy;
    for (size_t i = 0; i < from->count; i++) {
        struct crash_series *series = find_or_add(to, from->series[i].id);
        for (size_t n = 0; n < from->series[i].count; n++)
            add_attempt(series, &from->series[i].attempts[n]);
    }
}

uint64_t crash_model_begin(struct crash_model *model, struct crash_log *log, uint64_t series_id,
    uint64_t first, uint64_t count, uint64_t unit)
{
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    struct crash_series *series = find_or_add(model, series_id);
    add_attempt(series,
        &(struct crash_attempt){
            .first = first, .count = count, .unit = unit, .begun = crash_log_count(log), .ended = NEVER});
    uint64_t ticket = series->count - 1;
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
    return ticket;
}

void crash_model_end(
    struct crash_model *model, uint64_t series_id, uint64_t ticket, uint64_t ended, bool happened)
{
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    struct crash_attempt *attempt = &find(model, series_id)->attempts[ticket];
    attempt->ended = ended;
    attempt->happened = happened;
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
}

/* ---- what may be there ---- */

struct crash_expected crash_series_expect(const struct crash_series *series, uint64_t point)
{
    struct crash_expected expected = {0};
    for (size_t i = 0; i < series->count; i++) {
        const struct crash_attempt *attempt = &series->attempts[i];
        if (attempt->begun >= point)
            break;
        if (attempt->ended > point) {
            expected.open = attempt;
            break;
        }
        if (!attempt->happened)
            continue;
        expected.deleted |= attempt->count == 0;
        expected.length = expected.deleted ? 0 : attempt->first + attempt->count;
    }
    return expected;
}

uint64_t crash_model_length(struct crash_model *model, uint64_t series_id)
{
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    const struct crash_series *series = find(model, series_id);
    uint64_t length = series ? crash_series_expect(series, NEVER - 1).length : 0;
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
    return length;
}

bool crash_model_deleted(struct crash_model *model, uint64_t series_id)
{
    REQUIRE(pthread_mutex_lock(&model->lock) == 0, "lock");
    const struct crash_series *series = find(model, series_id);
    bool deleted = series && crash_series_expect(series, NEVER - 1).deleted;
    REQUIRE(pthread_mutex_unlock(&model->lock) == 0, "lock");
    return deleted;
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
    const struct crash_model *model, uint64_t series_id, uint64_t index, uint8_t to[TEXT_BYTES_LIMIT + 3])
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

void crash_model_points(
    const struct crash_model *model, uint64_t series_id, uint64_t first, uint64_t count, struct batch *batch)
{
    uint8_t value[TEXT_BYTES_LIMIT + 3];
    for (uint64_t i = first; i < first + count; i++) {
        size_t size = value_of(model, series_id, i, value);
        REQUIRE(batch_push_msgpack(batch, time_of(series_id, i), value, size) == 0, "no memory");
    }
}

/* ---- looking ---- */

bool crash_violated(struct crash_violation *violation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(violation->text, sizeof(violation->text), format, arguments);
    va_end(arguments);
    return false;
}

static bool check_batch(const struct crash_model *model, uint64_t series_id, uint64_t first,
    const struct batch *batch, struct crash_violation *violation)
{
    uint8_t expected[TEXT_BYTES_LIMIT + 3], scratch[9];
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t size, expected_size = value_of(model, series_id, first + i, expected), sender;
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        (void)batch_sender(batch, i, &sender);
        if (size != expected_size || memcmp(value, expected, size) != 0 || sender != 0 ||
            double_bits(batch_time(batch, i)) != double_bits(time_of(series_id, first + i)))
            return crash_violated(violation, "series %llu, point %llu: not what was inserted",
                (unsigned long long)series_id, (unsigned long long)(first + i));
    }
    return true;
}

/* stored_id: the series in the snapshot, from its point stored_from on; series_id: whose points [from,
 * length) it must hold. */
static bool check_points(const struct crash_model *model, struct store_snapshot *snapshot, uint64_t stored_id,
    uint64_t stored_from, uint64_t series_id, uint64_t from, uint64_t length,
    struct crash_violation *violation)
{
    struct error error = {0};
    struct store_cursor *cursor = NULL;
    const struct batch *batch = NULL;
    uint64_t index = from;
    bool good = true;
    int r = store_cursor_open(snapshot, stored_id, stored_from, UINT64_MAX, false, &cursor, &error);
    while (r == 0 && good && (r = store_cursor_next(cursor, &batch, &error)) == 0 && batch) {
        good = check_batch(model, series_id, index, batch, violation);
        index += batch->count;
    }
    store_cursor_close(cursor);
    if (r < 0)
        return crash_violated(violation, "series %llu cannot be read at %llu of %llu: %s",
            (unsigned long long)series_id, (unsigned long long)index, (unsigned long long)length,
            error.message);
    if (good && index != length)
        return crash_violated(violation, "series %llu: %llu points were read, it says %llu",
            (unsigned long long)series_id, (unsigned long long)index, (unsigned long long)length);
    return good;
}

static bool check_range(const struct crash_model *model, struct store_snapshot *snapshot, uint64_t stored_id,
    uint64_t series_id, uint64_t from, uint64_t length, struct crash_violation *violation)
{
    return check_points(model, snapshot, stored_id, from, series_id, from, length, violation);
}

bool crash_model_check_part(const struct crash_model *model, uint64_t series_id, uint64_t from, uint64_t to,
    struct store_snapshot *snapshot, uint64_t stored_id, struct crash_violation *violation)
{
    return check_points(model, snapshot, stored_id, 0, series_id, from, to, violation);
}

static bool read_series(const struct crash_model *model, struct store_snapshot *snapshot, uint64_t series_id,
    uint64_t *ret_length, struct crash_violation *violation)
{
    struct store_series series;
    struct error error = {0};
    uint64_t index;
    if (store_snapshot_series(snapshot, series_id, &series, &error) < 0)
        return crash_violated(violation, "series %llu: %s", (unsigned long long)series_id, error.message);
    *ret_length = series.length;
    if (!check_range(model, snapshot, series_id, series_id, 0, series.length, violation))
        return false;
    if (series.length == 0)
        return true;
    uint64_t middle = series.length / 2;
    if (series.time_first != time_of(series_id, 0) ||
        series.time_last != time_of(series_id, series.length - 1))
        return crash_violated(
            violation, "series %llu: first or last time is wrong", (unsigned long long)series_id);
    if (store_snapshot_index_of_time(snapshot, series_id, time_of(series_id, middle), &index, &error) < 0)
        return crash_violated(
            violation, "series %llu: index of time: %s", (unsigned long long)series_id, error.message);
    uint64_t later = middle;
    while (later < series.length && time_of(series_id, later) <= time_of(series_id, middle))
        later++;
    if (index != later)
        return crash_violated(violation, "series %llu: index of time is %llu, expected %llu",
            (unsigned long long)series_id, (unsigned long long)index, (unsigned long long)later);
    return check_range(model, snapshot, series_id, series_id, middle, series.length, violation);
}

bool crash_model_check_copy(const struct crash_model *model, uint64_t series_id, uint64_t point,
    struct store_snapshot *snapshot, uint64_t copy_id, struct crash_violation *violation)
{
    const struct crash_series *series = find(model, series_id);
    uint64_t length = series ? crash_series_expect(series, point).length : 0;
    return check_range(model, snapshot, copy_id, series_id, 0, length, violation);
}

/* ---- judging ---- */

struct unit_seen {
    uint64_t unit;
    bool there;
};

static bool check_open_unit(
    struct unit_seen *seen, const struct crash_attempt *open, bool there, struct crash_violation *violation)
{
    if (seen->unit == open->unit && seen->there != there)
        return crash_violated(violation, "a part of unit %llu is there", (unsigned long long)open->unit);
    *seen = (struct unit_seen){open->unit, there};
    return true;
}

/* The moment up to which everything is there, going by the last insert that is there. */
static uint64_t surviving_end(const struct crash_model *model, uint64_t point, const uint64_t *lengths)
{
    uint64_t end = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct crash_series *series = &model->series[i];
        for (size_t n = 0; n < series->count; n++) {
            const struct crash_attempt *attempt = &series->attempts[n];
            bool is_insert = attempt->count > 0 && attempt->unit == 0 && attempt->begun < point;
            if (is_insert && lengths[i] >= attempt->first + attempt->count && attempt->begun > end)
                end = attempt->begun;
        }
    }
    return end;
}

static bool is_end_of_batch(const struct crash_series *series, uint64_t length)
{
    bool is_end = length == 0;
    for (size_t n = 0; n < series->count; n++)
        is_end |= length == series->attempts[n].first + series->attempts[n].count;
    return is_end;
}

/* What is left of a series is its beginning in whole batches, and nothing that was inserted before something
 * that is there is lost. */
static bool check_beginning(const struct crash_series *series, uint64_t point, uint64_t end, uint64_t length,
    struct crash_violation *violation)
{
    struct crash_expected most = crash_series_expect(series, point), least = crash_series_expect(series, end);
    bool is_load = series->attempts[0].unit != 0;
    if (most.deleted || least.deleted || is_load)
        least = most;
    uint64_t longest = most.length;
    if (most.open && most.open->first + most.open->count > longest)
        longest = most.open->first + most.open->count;
    bool deleting = most.open && most.open->count == 0;
    if ((length < least.length && !(deleting && length == 0)) || length > longest ||
        !is_end_of_batch(series, length))
        return crash_violated(violation,
            "series %llu has %llu points, expected %llu to %llu in whole batches",
            (unsigned long long)series->id, (unsigned long long)length, (unsigned long long)least.length,
            (unsigned long long)longest);
    return true;
}

static bool check_length(const struct crash_series *series, uint64_t point, uint64_t length,
    struct unit_seen *seen, struct crash_violation *violation)
{
    struct crash_expected expected = crash_series_expect(series, point);
    const struct crash_attempt *open = expected.open;
    bool is_before = length == expected.length, is_after = false;
    if (open)
        is_after = length == open->first + open->count && (open->count > 0 || length == 0);
    if (!is_before && !is_after)
        return crash_violated(violation, "series %llu has %llu points, expected %llu%s%s",
            (unsigned long long)series->id, (unsigned long long)length, (unsigned long long)expected.length,
            expected.deleted ? " (deleted)" : "",
            open ? open->count > 0 ? ", or a batch more" : ", or none" : "");
    if (open && open->unit != 0)
        return check_open_unit(seen, open, is_after, violation);
    return true;
}

bool crash_model_check(const struct crash_model *model, uint64_t point, struct store *store,
    uint64_t *ret_lengths, struct crash_violation *violation)
{
    struct store_snapshot *snapshot;
    struct error error = {0};
    struct unit_seen seen = {0};
    if (store_snapshot_open(store, &snapshot, &error) < 0)
        return crash_violated(violation, "snapshot: %s", error.message);
    bool good = true;
    for (size_t i = 0; good && i < model->count; i++) {
        good = read_series(model, snapshot, model->series[i].id, &ret_lengths[i], violation);
        if (good && !model->lossy)
            good = check_length(&model->series[i], point, ret_lengths[i], &seen, violation);
    }
    uint64_t end = good && model->lossy ? surviving_end(model, point, ret_lengths) : 0;
    for (size_t i = 0; good && model->lossy && i < model->count; i++)
        good = check_beginning(&model->series[i], point, end, ret_lengths[i], violation);
    store_snapshot_close(snapshot);
    return good;
}

bool crash_model_check_moment(const struct crash_model *model, uint64_t from, uint64_t to,
    struct store *store, struct crash_violation *violation)
{
    struct store_snapshot *snapshot;
    struct error error = {0};
    uint64_t *lengths = calloc(model->count + 1, sizeof(*lengths));
    REQUIRE(lengths, "no memory");
    if (store_snapshot_open(store, &snapshot, &error) < 0) {
        free(lengths);
        return crash_violated(violation, "snapshot: %s", error.message);
    }
    bool good = true;
    for (size_t i = 0; good && i < model->count; i++)
        good = read_series(model, snapshot, model->series[i].id, &lengths[i], violation);
    uint64_t end = good ? surviving_end(model, to, lengths) : 0;
    for (size_t i = 0; good && i < model->count; i++)
        good = check_beginning(&model->series[i], to, end > from ? end : from, lengths[i], violation);
    store_snapshot_close(snapshot);
    free(lengths);
    return good;
}

bool crash_model_check_exactly(const struct crash_model *model, const uint64_t *lengths, struct store *store,
    struct crash_violation *violation)
{
    struct store_snapshot *snapshot;
    struct error error = {0};
    if (store_snapshot_open(store, &snapshot, &error) < 0)
        return crash_violated(violation, "snapshot: %s", error.message);
    bool good = true;
    for (size_t i = 0; good && i < model->count; i++) {
        uint64_t length;
        good = read_series(model, snapshot, model->series[i].id, &length, violation);
        if (good && length != lengths[i])
            good = crash_violated(violation, "series %llu had %llu points, after another open %llu",
                (unsigned long long)model->series[i].id, (unsigned long long)lengths[i],
                (unsigned long long)length);
    }
    store_snapshot_close(snapshot);
    return good;
}

static bool is_outcome(const struct crash_attempt *attempt, uint64_t length)
{
    return attempt->count > 0 ? length == attempt->first + attempt->count : length == 0;
}

void crash_model_settle(struct crash_model *model, uint64_t point, const uint64_t *lengths, uint64_t at)
{
    for (size_t i = 0; i < model->count; i++) {
        struct crash_series *series = &model->series[i];
        size_t count = 0;
        bool open = false;
        while (!open && count < series->count && series->attempts[count].begun < point) {
            struct crash_attempt *attempt = &series->attempts[count++];
            open = attempt->ended > point;
            attempt->begun = 0;
            attempt->ended = open ? at : 1;
            if (open)
                attempt->happened = is_outcome(attempt, lengths[i]);
        }
        series->count = count;
    }
}

void crash_model_resolve(struct crash_model *model, const uint64_t *lengths, uint64_t at)
{
    for (size_t i = 0; i < model->count; i++) {
        struct crash_series *series = &model->series[i];
        for (size_t n = 0; n < series->count; n++) {
            struct crash_attempt *attempt = &series->attempts[n];
            if (attempt->ended != NEVER)
                continue;
            attempt->ended = at;
            attempt->happened = is_outcome(attempt, lengths[i]);
        }
    }
}
