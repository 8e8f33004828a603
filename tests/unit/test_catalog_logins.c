/* How much work a login makes, and how many are worked on: crypt_rn is counted and held up on its way to
 * libxcrypt. */
#include "catalog_fixture.h"

#include "catalog_internal.h"

#include <crypt.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static atomic_uint spent;          /* 2^cost of each hash */
static atomic_bool held;           /* hashes wait for `release` */
static sem_t entered, release_one; /* a hash has begun; it may go on */

char *crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    static _Atomic(void *) real;
    if (!atomic_load(&real))
        atomic_store(&real, dlsym(RTLD_NEXT, "crypt_rn"));
    void *address = atomic_load(&real);
    char *(*function)(const char *, const char *, void *, int);
    memcpy(&function, &address, sizeof(function));
    atomic_fetch_add(&spent, 1u << atoi(setting + 4));
    if (atomic_load(&held)) {
        (void)sem_post(&entered);
        while (sem_wait(&release_one) < 0)
            continue;
    }
    return function(phrase, setting, data, size);
}

static void import_hash(struct fixture *fixture, const char *name, const char *hash, const char *scheme)
{
    struct user user = {.name = text(name),
        .email = text(""),
        .role = text("user"),
        .password = text(hash),
        .password_salt = text(""),
        .password_scheme = text(scheme)};
    struct catalog_import *import;
    assert_int_equal(catalog_import_begin(fixture->catalog, &user, &import, &fixture->error), 0);
    assert_int_equal(catalog_import_commit(import, &fixture->error), 0);
}

static void test_a_refused_login_costs_the_same(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct user new = some_user("new", "new@b");
    assert_int_equal(catalog_create_user(f.catalog, &new, "secret", NULL, &f.error), 0);
    import_hash(&f, "ten", "$2a$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "bcrypt");
    import_hash(&f, "five", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "bcrypt");
    import_hash(&f, "sha", "6c838e93", "SHA512");
    import_hash(&f, "broken", "no hash", "bcrypt");
    static const struct {
        const char *name;
        int code;
    } cases[] = {{"new", -EACCES}, {"ten", -EACCES}, {"five", -EACCES}, {"sha", -EACCES}, {"broken", -EINVAL},
        {"nobody", -ENOENT}, {"new@b", -EACCES}, {"nobody@b", -ENOENT}, {"not a name", -ENOENT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity identity;
        atomic_store(&spent, 0);
        assert_int_equal(catalog_identity_by_password(f.catalog, cases[i].name, "wrong", &identity, &f.error),
            cases[i].code);
        if (atomic_load(&spent) != 1u << 10)
            fail_msg("%s: %u units of work, not 1024", cases[i].name, atomic_load(&spent));
        atomic_store(&spent, 0);
        assert_int_equal(
            catalog_identity_by_password(f.catalog, cases[i].name, "", &identity, &f.error), -EACCES);
        assert_int_equal(atomic_load(&spent), 0); /* decided without asking who there is */
    }
    fixture_close(&f);
}

static void test_memory_judges_no_guess(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct user user = some_user("alice", "a@b");
    assert_int_equal(catalog_create_user(f.catalog, &user, "pw", NULL, &f.error), 0);
    struct identity identity;
    assert_false(catalog_identity_remembered_password(f.catalog, "alice", "pw", &identity));
    assert_int_equal(catalog_identity_by_password(f.catalog, "alice", "pw", &identity, &f.error), 0);
    atomic_store(&spent, 0);
    memset(&identity, 0, sizeof(identity));
    assert_true(catalog_identity_remembered_password(f.catalog, "alice", "pw", &identity));
    assert_string_equal(identity.user, "alice");
    assert_false(catalog_identity_remembered_password(f.catalog, "alice", "pW", &identity));
    assert_false(catalog_identity_remembered_password(f.catalog, "alice", "", &identity));
    assert_int_equal(atomic_load(&spent), 0);
    struct device device;
    assert_int_equal(catalog_device_by_name(f.catalog, "alice", "user", &device, &f.error), 0);
    assert_false(catalog_identity_remembered_key(f.catalog, device.apikey, &identity));
    assert_int_equal(catalog_identity_by_key(f.catalog, device.apikey, &identity, &f.error), 0);
    memset(&identity, 0, sizeof(identity));
    assert_true(catalog_identity_remembered_key(f.catalog, device.apikey, &identity));
    assert_string_equal(identity.device, "user");
    assert_false(catalog_identity_remembered_key(f.catalog, "", &identity));
    assert_false(catalog_identity_remembered_key(f.catalog, "wrong", &identity));
    device_free(&device);
    fixture_close(&f);
}

/* ---- few hashes at a time, and stopping ---- */

struct attempt {
    pthread_t thread;
    struct catalog *catalog;
    int result;
};

static sem_t ended;

static void await(sem_t *semaphore, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        while (sem_wait(semaphore) < 0)
            continue;
    }
}

static void *attempt(void *context)
{
    struct attempt *attempt = context;
    struct identity identity;
    struct error error;
    attempt->result = catalog_identity_by_password(attempt->catalog, "nobody", "wrong", &identity, &error);
    (void)sem_post(&ended);
    return NULL;
}

static void test_stopping_waits_for_no_queue(void **state)
{
    (void)state;
    enum { TOO_MANY = 5, ATTEMPTS_MAX = HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX + TOO_MANY };
    struct fixture f = fixture_open();
    struct attempt attempts[ATTEMPTS_MAX];
    unsigned slots = f.catalog->hashing.free;
    unsigned count = slots + HASHES_WAITING_MAX + TOO_MANY;
    assert_in_range(slots, 1, HASHES_AT_ONCE_MAX);
    atomic_store(&held, true);
    for (unsigned i = 0; i < count; i++) {
        attempts[i] = (struct attempt){.catalog = f.catalog};
        assert_int_equal(pthread_create(&attempts[i].thread, NULL, attempt, &attempts[i]), 0);
    }
    await(&entered, slots);
    await(&ended, TOO_MANY); /* turned away at once */
    assert_int_equal(sem_trywait(&entered), -1);
    catalog_stop_hashing(f.catalog);
    await(&ended, HASHES_WAITING_MAX); /* while the hashes that began are still held */
    atomic_store(&held, false);
    for (unsigned i = 0; i < slots; i++)
        (void)sem_post(&release_one);
    unsigned judged = 0, turned_away = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(pthread_join(attempts[i].thread, NULL), 0);
        judged += attempts[i].result == -ENOENT;
        turned_away += attempts[i].result == -EBUSY;
    }
    assert_int_equal(judged, slots);
    assert_int_equal(turned_away, count - slots);
    struct identity identity;
    assert_error(&f, catalog_identity_by_password(f.catalog, "nobody", "wrong", &identity, &f.error), EBUSY,
        "stopping");
    struct user user = some_user("late", "late@b");
    assert_error(&f, catalog_create_user(f.catalog, &user, "secret", NULL, &f.error), EBUSY, "stopping");
    fixture_close(&f);
}

int main(void)
{
    (void)sem_init(&entered, 0, 0);
    (void)sem_init(&release_one, 0, 0);
    (void)sem_init(&ended, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refused_login_costs_the_same),
        cmocka_unit_test(test_memory_judges_no_guess),
        cmocka_unit_test(test_stopping_waits_for_no_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
