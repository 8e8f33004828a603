/* store_append_many: batches of several series are there together or not at all. */
#include "store_fixture.h"

#include "journal_file.h"
#include "store_layout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTS = 3, APPENDERS = 4, ROUNDS = 200 };

static int set_up(void **state)
{
    return fixture_set_up(state, 64 << 10);
}

/* A unit of one batch for each of the series 1 to PARTS: series n gets n points at `time`. */
struct unit {
    struct batch batches[PARTS];
    struct store_part parts[PARTS];
};

static void make_unit(struct unit *unit, double time)
{
    for (unsigned i = 0; i < PARTS; i++) {
        batch_init(&unit->batches[i]);
        for (unsigned n = 0; n <= i; n++)
            REQUIRE(batch_push_integer(&unit->batches[i], time, (int64_t)n) == 0, "no memory");
        unit->parts[i] =
            (struct store_part){.series_id = i + 1, .batch = &unit->batches[i], .first_index = 99};
    }
}

static void free_unit(struct unit *unit)
{
    for (unsigned i = 0; i < PARTS; i++)
        batch_free(&unit->batches[i]);
}

/* Appends a unit at `time`; refused: the part that is named when it fails. */
static int append_unit(struct store *store, double time, uint32_t *ret_refused, struct error *ret_error)
{
    struct unit unit;
    make_unit(&unit, time);
    int r = store_append_many(store, unit.parts, PARTS, 0, ret_refused, ret_error);
    free_unit(&unit);
    return r;
}

static void assert_units(struct fixture *fixture, uint64_t units)
{
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(length_of(fixture, i + 1), units * (i + 1));
}

static void test_appends_to_all(void **state)
{
    struct fixture *fixture = *state;
    struct unit unit;
    assert_int_equal(append_unit(fixture->store, 1, NULL, NULL), 0);
    make_unit(&unit, 2);
    assert_int_equal(store_append_many(fixture->store, unit.parts, PARTS, 0, NULL, NULL), 0);
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(unit.parts[i].first_index, i + 1);
    free_unit(&unit);
    assert_units(fixture, 2);
    assert_int_equal(store_append_many(fixture->store, NULL, 0, 0, NULL, NULL), 0);
    reopen(fixture);
    assert_units(fixture, 2);
    assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    assert_units(fixture, 2);
    assert_int_equal(append_unit(fixture->store, 3, NULL, NULL), 0);
    assert_units(fixture, 3);
}

/* Whatever is wrong with one part: nothing of the others is appended, and the part is named. */
static void test_one_refusal_refuses_all(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    uint32_t refused = 99;
    must_append(fixture, 2, 10);
    assert_error(&error, append_unit(fixture->store, 5, &refused, &error), EINVAL, "10");
    assert_int_equal(refused, 1);
    assert_int_equal(store_freeze_series(fixture->store, 3, NULL), 0);
    assert_error(&error, append_unit(fixture->store, 10, &refused, &error), EAGAIN, "3");
    assert_int_equal(refused, 2);
    store_unfreeze_series(fixture->store, 3);
    const uint64_t deleted = 1;
    assert_int_equal(store_delete_series(fixture->store, &deleted, 1, NULL), 0);
    assert_error(&error, append_unit(fixture->store, 10, &refused, &error), ENOENT, "1");
    assert_int_equal(refused, 0);
    assert_int_equal(length_of(fixture, 1), 0);
    assert_int_equal(length_of(fixture, 2), 1);
    assert_int_equal(length_of(fixture, 3), 0);
}

static void test_too_large_for_a_journal(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct unit unit;
    make_unit(&unit, 1);
    for (unsigned n = 0; n < 3000; n++) /* 48 KB each: one fits, all do not */
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(batch_push_integer(&unit.batches[i], 1, 0), 0);
    assert_error(&error, store_append_many(fixture->store, unit.parts, PARTS, 0, NULL, &error), E2BIG, NULL);
    free_unit(&unit);
    assert_units(fixture, 0);
}

static void test_reading_only(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture->options.read_only = true;
    reopen(fixture);
    assert_error(&error, append_unit(fixture->store, 1, NULL, &error), EROFS, NULL);
    fixture->options.read_only = false;
    reopen(fixture);
}

struct appender {
    struct store *store;
    atomic_uint *running;
};

static void *append_units(void *argument)
{
    struct appender *appender = argument;
    struct error error = {0};
    for (unsigned n = 0; n < ROUNDS; n++) {
        int r = append_unit(appender->store, 1, NULL, &error);
        REQUIRE(r == 0, "%s", error.message);
    }
    atomic_fetch_sub(appender->running, 1);
    return NULL;
}

/* A snapshot has whole units only, while several threads append and journals are sealed. */
static void test_snapshots_have_whole_units(void **state)
{
    struct fixture *fixture = *state;
    atomic_uint running = APPENDERS;
    struct appender appender = {fixture->store, &running};
    pthread_t threads[APPENDERS];
    for (unsigned i = 0; i < APPENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_units, &appender), 0);
    do {
        struct store_snapshot *snapshot = open_snapshot(fixture);
        uint64_t lengths[PARTS];
        for (unsigned i = 0; i < PARTS; i++) {
            struct store_series series;
            assert_int_equal(store_snapshot_series(snapshot, i + 1, &series, NULL), 0);
            lengths[i] = series.length;
        }
        store_snapshot_close(snapshot);
        assert_int_equal(lengths[1], 2 * lengths[0]);
        assert_int_equal(lengths[2], 3 * lengths[0]);
    } while (atomic_load(&running) > 0);
    for (unsigned i = 0; i < APPENDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_units(fixture, (uint64_t)APPENDERS * ROUNDS);
}

/* ---- torn units ---- */

/* The path of journal number `number`, or NULL: there is none. */
static char *journal_path(const char *directory, unsigned number)
{
    char *path = test_path(directory, "journal-%u", number);
    if (access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* The number of the oldest journal of the store: the one that is appended to. */
static unsigned active_journal(const char *directory)
{
    for (unsigned number = 1; number < 100; number++) {
        char *path = journal_path(directory, number);
        free(path);
        if (path)
            return number;
    }
    fail_msg("no journal in %s", directory);
    return 0;
}

static void copy_file(const char *from, const char *to)
{
    size_t size;
    char *content = test_file_read(from, &size);
    test_file_write(to, content, size);
    free(content);
}

/* Manifest and journals of a running store. */
static void copy_store(const char *from, const char *to)
{
    char *manifest = test_path(from, "%s", MANIFEST_NAME), *copy = test_path(to, "%s", MANIFEST_NAME);
    copy_file(manifest, copy);
    free(copy);
    free(manifest);
    for (unsigned number = 1; number < 100; number++) {
        char *journal = journal_path(from, number);
        if (!journal)
            continue;
        copy = test_path(to, "journal-%u", number);
        copy_file(journal, copy);
        free(copy);
        free(journal);
    }
}

static uint64_t used_bytes(const char *content, size_t size)
{
    while (size > 0 && content[size - 1] == 0)
        size--;
    return size;
}

/* A copy of the store whose active journal keeps `kept` bytes, then zeros: how many points each series has.
 */
static void lengths_after_tear(const char *directory, uint64_t kept, uint64_t lengths[PARTS])
{
    char *copy = test_directory_create_fast();
    copy_store(directory, copy);
    char *journal = journal_path(copy, active_journal(copy));
    struct stat status;
    assert_int_equal(stat(journal, &status), 0);
    assert_int_equal(truncate(journal, (off_t)kept), 0);
    assert_int_equal(truncate(journal, status.st_size), 0);
    struct fixture torn = {.directory = copy, .store = test_store_open(copy, NULL)};
    for (unsigned i = 0; i < PARTS; i++)
        lengths[i] = length_of(&torn, i + 1);
    test_store_close(torn.store);
    test_store_check(copy);
    test_directory_remove(copy);
    free(journal);
}

/* The journal of a killed process, torn at every 8th byte behind the first unit: the second one is there
 * whole or not at all. */
static void test_a_torn_unit_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    char *path = journal_path(fixture->directory, active_journal(fixture->directory));
    size_t size;
    assert_int_equal(append_unit(fixture->store, 1, NULL, NULL), 0);
    char *first = test_file_read(path, &size);
    uint64_t begin = (used_bytes(first, size) + 7) / 8 * 8;
    assert_int_equal(append_unit(fixture->store, 2, NULL, NULL), 0);
    char *second = test_file_read(path, &size);
    uint64_t end = used_bytes(second, size);
    assert_true(end > begin + PARTS * sizeof(uint64_t));
    unsigned torn = 0, whole = 0;
    for (uint64_t kept = begin; kept < end + 8; kept += 8) {
        uint64_t lengths[PARTS];
        lengths_after_tear(fixture->directory, kept, lengths);
        uint64_t units = lengths[0];
        for (unsigned i = 0; i < PARTS; i++)
            assert_int_equal(lengths[i], units * (i + 1));
        torn += units == 1;
        whole += units == 2;
    }
    assert_int_equal(whole, 1); /* with its last byte */
    assert_int_equal(torn, (end + 7 - begin) / 8);
    free(second);
    free(first);
    free(path);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_appends_to_all),
        WITH_STORE(test_one_refusal_refuses_all),
        WITH_STORE(test_too_large_for_a_journal),
        WITH_STORE(test_reading_only),
        WITH_STORE(test_snapshots_have_whole_units),
        WITH_STORE(test_a_torn_unit_is_not_there),
    };
    return cmocka_run_group_tests_name("store_append_many", tests, NULL, NULL);
}
