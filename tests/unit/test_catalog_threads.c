/* Many threads at once: what a write has returned is seen by every read that begins afterwards, cached or
 * not. */
#include "catalog_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { READERS = 3, ROUNDS = 60 };

struct shared {
    struct fixture *fixture;
    int64_t device;
    atomic_uint version;           /* odd while the writer changes something */
    atomic_uint_fast64_t expected; /* the downlink series of stream "s" while version is even */
    atomic_uint checked, wrong;
    atomic_bool done;
};

/* What was read while nothing changed must be what the last change left. */
static void *read_places(void *argument)
{
    struct shared *shared = argument;
    struct catalog *catalog = shared->fixture->catalog;
    while (!atomic_load(&shared->done)) {
        unsigned before = atomic_load(&shared->version);
        uint64_t expected = atomic_load(&shared->expected);
        struct stream_place place;
        struct identity identity;
        struct error error;
        if (catalog_stream_place(catalog, "alice", "d", "s", &place, &error) < 0 ||
            catalog_identity_by_key(catalog, "key", &identity, &error) < 0 ||
            strcmp(identity.device, "d") != 0)
            (void)atomic_fetch_add(&shared->wrong, 1);
        if (before % 2 == 0 && atomic_load(&shared->version) == before) {
            (void)atomic_fetch_add(&shared->checked, 1);
            if (place.downlink_series_id != expected)
                (void)atomic_fetch_add(&shared->wrong, 1);
        }
    }
    return NULL;
}

/* A snapshot stays the same, and the next one is not older. */
static int count_streams(void *context, const struct stream *stream)
{
    (void)stream;
    (*(int *)context)++;
    return 0;
}

static void *read_snapshots(void *argument)
{
    struct shared *shared = argument;
    int last = 0;
    while (!atomic_load(&shared->done)) {
        struct catalog_snapshot *snapshot;
        struct error error;
        int first = 0, second = 0;
        if (catalog_snapshot_open(shared->fixture->catalog, &snapshot, &error) < 0 ||
            catalog_each_stream(snapshot, shared->device, count_streams, &first, &error) < 0 ||
            catalog_each_stream(snapshot, shared->device, count_streams, &second, &error) < 0) {
            (void)atomic_fetch_add(&shared->wrong, 1);
            return NULL;
        }
        catalog_snapshot_close(snapshot);
        if (first != second || first < last)
            (void)atomic_fetch_add(&shared->wrong, 1);
        last = first;
    }
    return NULL;
}

/* Off or on, and then long enough at rest for some reader to look. */
static void switch_downlink(struct shared *shared, int64_t stream_id, bool downlink)
{
    char name[] = "s";
    struct stream stream = {.id = stream_id, .name = name, .downlink = downlink};
    uint64_t dropped;
    struct error error;
    (void)atomic_fetch_add(&shared->version, 1);
    assert_int_equal(catalog_change_stream(
                         shared->fixture->catalog, stream.id, &stream, UINT32_MAX, NULL, &dropped, &error),
        0);
    struct stream stored = get_stream(shared->fixture, "alice", "d", "s");
    atomic_store(&shared->expected, stored.downlink_series_id);
    stream_free(&stored);
    unsigned checked = atomic_load(&shared->checked);
    (void)atomic_fetch_add(&shared->version, 1);
    while (atomic_load(&shared->checked) < checked + READERS)
        (void)sched_yield();
}

static void test_readers_never_see_the_past(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct device device = {
        .user_id = make_user(&f, "alice", "a@b"), .name = text("d"), .apikey = text("key")};
    struct shared shared = {.fixture = &f};
    assert_int_equal(catalog_create_device(f.catalog, &device, &shared.device, &f.error), 0);
    int64_t stream = make_stream(&f, shared.device, "s", false);
    pthread_t readers[READERS], lister;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_places, &shared), 0);
    assert_int_equal(pthread_create(&lister, NULL, read_snapshots, &shared), 0);
    for (int i = 0; i < ROUNDS; i++) {
        switch_downlink(&shared, stream, i % 2 == 0);
        char name[16];
        (void)snprintf(name, sizeof(name), "n%d", i);
        make_stream(&f, shared.device, name, false);
    }
    atomic_store(&shared.done, true);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(pthread_join(lister, NULL), 0);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    fixture_close(&f);
}

/* ---- writers ---- */

static void *create_streams(void *argument)
{
    struct shared *shared = argument;
    unsigned thread = atomic_fetch_add(&shared->version, 1);
    for (int i = 0; i < ROUNDS; i++) {
        char name[NAME_BYTES_MAX + 1];
        (void)snprintf(name, sizeof(name), "t%u-%d", thread, i);
        struct stream stream = {.device_id = shared->device, .name = name, .downlink = i % 2};
        struct error error;
        if (catalog_create_stream(shared->fixture->catalog, &stream, NULL, &error) < 0)
            (void)atomic_fetch_add(&shared->wrong, 1);
    }
    return NULL;
}

static void test_writers_take_turns(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct shared shared = {.fixture = &f};
    shared.device = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    pthread_t writers[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, create_streams, &shared), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_series(f.catalog, &series, &count, &f.error), 0);
    assert_int_equal(count, READERS * ROUNDS * 3 / 2);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(series[i], i + 1);
    free(series);
    fixture_close(&f);
}

static void *create_one_stream(void *argument)
{
    struct shared *shared = argument;
    char name[] = "late";
    struct stream stream = {.device_id = shared->device, .name = name};
    struct error error;
    if (catalog_create_stream(shared->fixture->catalog, &stream, NULL, &error) < 0)
        (void)atomic_fetch_add(&shared->wrong, 1);
    atomic_store(&shared->done, true);
    return NULL;
}

static void test_paused_writes_wait(void **state)
{
    (void)state;
    enum { LOOKS = 200 };
    struct fixture f = fixture_open();
    struct shared shared = {.fixture = &f};
    shared.device = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    catalog_pause_writes(f.catalog);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, create_one_stream, &shared), 0);
    struct stream stream;
    for (int i = 0; i < LOOKS; i++) {
        (void)sched_yield();
        assert_false(atomic_load(&shared.done));
        assert_int_equal(catalog_stream_by_name(f.catalog, "alice", "d", "late", &stream, &f.error), -ENOENT);
    }
    catalog_resume_writes(f.catalog);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    stream = get_stream(&f, "alice", "d", "late");
    stream_free(&stream);
    fixture_close(&f);
}

/* An import that one thread begins and another one ends. */
static void *commit_import(void *argument)
{
    struct error error;
    return catalog_import_commit(argument, &error) < 0 ? argument : NULL;
}

static void test_an_import_changes_threads(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct user user = imported_user("bob", "b@b");
    struct catalog_import *import;
    assert_int_equal(catalog_import_begin(f.catalog, &user, &import, &f.error), 0);
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, commit_import, import), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    assert_int_equal(catalog_user_by_name(f.catalog, "bob", &user, &f.error), 0);
    user_free(&user);
    fixture_close(&f);
}

/* ---- logins ---- */

struct login {
    struct fixture *fixture;
    const char *password;
    int result;
};

/* On a stack as small as a server thread's. */
static void *log_in(void *argument)
{
    struct login *login = argument;
    struct identity identity;
    struct error error;
    login->result =
        catalog_identity_by_password(login->fixture->catalog, "alice", login->password, &identity, &error);
    return NULL;
}

static void test_many_log_in_at_once_on_small_stacks(void **state)
{
    (void)state;
    enum { THREADS = 16, STACK_BYTES = 100 << 10 };
    struct fixture f = fixture_open();
    struct user user = some_user("alice", "a@b");
    assert_int_equal(catalog_create_user(f.catalog, &user, "secret", NULL, &f.error), 0);
    struct login logins[THREADS];
    pthread_t threads[THREADS];
    pthread_attr_t attributes;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    for (int i = 0; i < THREADS; i++) {
        logins[i] = (struct login){.fixture = &f, .password = i == 7 ? "wrong" : "secret"};
        assert_int_equal(pthread_create(&threads[i], &attributes, log_in, &logins[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(logins[i].result, i == 7 ? -EACCES : 0);
    }
    (void)pthread_attr_destroy(&attributes);
    fixture_close(&f);
}

/* Logins race with a change of the password: once the change has returned, the old one is refused. */
static void test_an_old_password_never_comes_back(void **state)
{
    (void)state;
    enum { CHANGES = 3, THREADS = 2 };
    struct fixture f = fixture_open();
    struct user user = some_user("alice", "a@b");
    int64_t id;
    static const char *const passwords[] = {"p0", "p1", "p2", "p3"};
    assert_int_equal(catalog_create_user(f.catalog, &user, passwords[0], &id, &f.error), 0);
    for (int change = 0; change < CHANGES; change++) {
        struct login logins[THREADS];
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            logins[i] = (struct login){.fixture = &f, .password = passwords[change]};
            assert_int_equal(pthread_create(&threads[i], NULL, log_in, &logins[i]), 0);
        }
        assert_int_equal(catalog_set_password(f.catalog, id, passwords[change + 1], &f.error), 0);
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_true(logins[i].result == 0 || logins[i].result == -EACCES);
        }
        struct login after = {.fixture = &f, .password = passwords[change]};
        (void)log_in(&after);
        assert_int_equal(after.result, -EACCES);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_never_see_the_past),
        cmocka_unit_test(test_writers_take_turns),
        cmocka_unit_test(test_paused_writes_wait),
        cmocka_unit_test(test_an_import_changes_threads),
        cmocka_unit_test(test_many_log_in_at_once_on_small_stacks),
        cmocka_unit_test(test_an_old_password_never_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
