/* A store in a directory of its own for one test, which begins with it empty and ends with one that passes
 * its check. */
#ifndef CONNECTORDB_STORE_FIXTURE_H
#define CONNECTORDB_STORE_FIXTURE_H

#include "store_helpers.h"

struct fixture {
    char *directory;
    struct store *store;
    struct store_options options; /* a test may change them and reopen */
};

static inline int fixture_set_up(void **state, uint64_t journal_bytes)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->directory = test_directory_create_fast();
    fixture->options = (struct store_options){.journal_bytes = journal_bytes};
    test_store_create(fixture->directory);
    fixture->store = test_store_open(fixture->directory, &fixture->options);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    test_store_close(fixture->store);
    test_store_check(fixture->directory);
    test_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static inline void reopen(struct fixture *fixture)
{
    test_store_close(fixture->store);
    fixture->store = test_store_open(fixture->directory, &fixture->options);
}

static inline struct store_snapshot *open_snapshot(struct fixture *fixture)
{
    struct store_snapshot *snapshot = NULL;
    assert_int_equal(store_snapshot_open(fixture->store, &snapshot, NULL), 0);
    assert_non_null(snapshot);
    return snapshot;
}

static inline uint64_t length_of(struct fixture *fixture, uint64_t series_id)
{
    struct store_snapshot *snapshot = open_snapshot(fixture);
    struct store_series series;
    assert_int_equal(store_snapshot_series(snapshot, series_id, &series, NULL), 0);
    store_snapshot_close(snapshot);
    return series.length;
}

/* One point: 0 at that time. */
static inline void must_append(struct fixture *fixture, uint64_t series_id, double time)
{
    struct batch batch;
    struct error error = {0};
    batch_init(&batch);
    assert_int_equal(batch_push_integer(&batch, time, 0), 0);
    if (store_append(fixture->store, series_id, &batch, 0, NULL, &error) != 0)
        fail_msg("append at %g: %s", time, error.message);
    batch_free(&batch);
}

/* The call failed with this errno, and its message names the word (NULL = any). */
static inline void assert_error(const struct error *error, int result, int code, const char *word)
{
    if (result != -code || error->code != code)
        fail_msg("%d (%s) instead of %s", result, error->message, strerror(code));
    if (word && !strstr(error->message, word))
        fail_msg("'%s' does not name '%s'", error->message, word);
}

#endif
