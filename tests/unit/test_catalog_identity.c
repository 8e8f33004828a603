/* Who asks, and where a path leads: API keys, passwords, paths, and the memory in front of them. */
#include "catalog_fixture.h"
#include "fields.h"

#include "cache.h"

static void test_keys(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b");
    char long_key[300];
    memset(long_key, 'k', sizeof(long_key) - 1);
    long_key[sizeof(long_key) - 1] = '\0';
    const char *const key_of[] = {"key", long_key};
    int64_t ids[2];
    for (int i = 0; i < 2; i++) {
        struct device device = {
            .user_id = alice, .name = text(i ? "b" : "a"), .apikey = text(key_of[i]), .role = text("writer")};
        assert_int_equal(catalog_create_device(f.catalog, &device, &ids[i], &f.error), 0);
    }
    struct identity identity;
    assert_error(&f, catalog_identity_by_key(f.catalog, "", &identity, &f.error), ENOENT, "API key");
    assert_error(&f, catalog_identity_by_key(f.catalog, "ke", &identity, &f.error), ENOENT, "API key");
    assert_error(&f, catalog_identity_by_key(f.catalog, "KEY", &identity, &f.error), ENOENT, "API key");
    for (int round = 0; round < 2; round++) { /* the second from the cache */
        for (int i = 0; i < 2; i++) {
            assert_int_equal(catalog_identity_by_key(f.catalog, key_of[i], &identity, &f.error), 0);
            assert_int_equal(identity.user_id, alice);
            assert_int_equal(identity.device_id, ids[i]);
            assert_string_equal(identity.user, "alice");
            assert_string_equal(identity.device, i ? "b" : "a");
            assert_string_equal(identity.user_role, "user");
            assert_string_equal(identity.device_role, "writer");
        }
    }
    run_sql(&f, "UPDATE devices SET apikey = 'other' WHERE apikey = 'key'");
    assert_int_equal(
        catalog_identity_by_key(f.catalog, "key", &identity, &f.error), 0); /* no SQLite on this path */
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_delete_device(f.catalog, ids[1], &series, &count, &f.error), 0);
    free(series);
    assert_error(&f, catalog_identity_by_key(f.catalog, key_of[1], &identity, &f.error), ENOENT, "API key");
    assert_error(&f, catalog_identity_by_key(f.catalog, "key", &identity, &f.error), ENOENT, "API key");
    assert_int_equal(catalog_identity_by_key(f.catalog, "other", &identity, &f.error), 0);
    assert_int_equal(catalog_delete_user(f.catalog, alice, &series, &count, &f.error), 0);
    free(series);
    assert_error(&f, catalog_identity_by_key(f.catalog, "other", &identity, &f.error), ENOENT, "API key");
    fixture_close(&f);
}

/* What inserts are checked by: the place names it, and a change is seen. */
static void test_the_schema_of_a_place(void **state)
{
    static const struct {
        const char *schema;
        bool empty;
    } CASES[] = {
        {"{\"type\": \"number\"}", false}, {"{}", true}, {"true", true}, {"{\"type\":\"string\"}", false}};
    (void)state;
    struct fixture f = fixture_open();
    struct stream_place place;
    uint8_t digest[SCHEMA_DIGEST_BYTES];
    int64_t id = make_stream(&f, make_device(&f, make_user(&f, "alice", "a@b"), "d"), "s", false);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct stream changes = {.schema = text(CASES[i].schema)}, changed = {0};
        uint64_t dropped;
        uint32_t fields = 0;
        for (size_t j = 0; j < STREAM_KIND.count; j++)
            if (strcmp(STREAM_KIND.fields[j].name, "schema") == 0)
                fields = field_bit(&STREAM_KIND, &STREAM_KIND.fields[j]);
        assert_int_equal(
            catalog_change_stream(f.catalog, id, &changes, fields, &changed, &dropped, &f.error), 0);
        assert_int_equal(catalog_stream_place(f.catalog, "alice", "d", "s", &place, &f.error), 0);
        assert_int_equal(place.schema_empty, CASES[i].empty);
        assert_int_equal(schema_digest(changed.schema, digest), 0);
        if (CASES[i].empty)
            memset(digest, 0, sizeof(digest));
        assert_memory_equal(place.schema_digest, digest, sizeof(digest));
        stream_free(&changed);
    }
    fixture_close(&f);
}

static void test_places(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b");
    struct device public_device = {.user_id = alice, .name = text("p"), .is_public = true};
    int64_t device, id;
    assert_int_equal(catalog_create_device(f.catalog, &public_device, &device, &f.error), 0);
    struct stream stream = {
        .device_id = device, .name = text("s"), .schema = text("{\"type\":\"number\"}"), .ephemeral = true};
    assert_int_equal(catalog_create_stream(f.catalog, &stream, &id, &f.error), 0);
    int64_t plain = make_stream(&f, make_device(&f, alice, "q"), "t", true);
    struct stream_place place;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(catalog_stream_place(f.catalog, "alice", "p", "s", &place, &f.error), 0);
        assert_int_equal(place.user_id, alice);
        assert_int_equal(place.device_id, device);
        assert_int_equal(place.stream_id, id);
        assert_int_equal(place.series_id, 1);
        assert_int_equal(place.downlink_series_id, 0);
        assert_true(place.ephemeral && place.device_public && !place.downlink && !place.schema_empty);
        assert_int_equal(catalog_stream_place(f.catalog, "alice", "q", "t", &place, &f.error), 0);
        assert_int_equal(place.stream_id, plain);
        assert_int_equal(place.downlink_series_id, 3);
        assert_true(!place.ephemeral && !place.device_public && place.downlink && place.schema_empty);
    }
    run_sql(&f, "UPDATE streams SET name = 'u' WHERE name = 's'");
    assert_int_equal(
        catalog_stream_place(f.catalog, "alice", "p", "s", &place, &f.error), 0); /* no SQLite here */
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_delete_stream(f.catalog, plain, &series, &count, &f.error), 0);
    free(series);
    assert_error(&f, catalog_stream_place(f.catalog, "alice", "q", "t", &place, &f.error), ENOENT,
        "stream 'alice/q/t' not found");
    assert_error(
        &f, catalog_stream_place(f.catalog, "alice", "p", "s", &place, &f.error), ENOENT, "not found");
    assert_int_equal(catalog_stream_place(f.catalog, "alice", "p", "u", &place, &f.error), 0);
    static const char *const odd[] = {"", "p/s", "\xff", "abcdefghijklmnopqrstuvwxyz01234"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        assert_error(&f, catalog_stream_place(f.catalog, "alice", odd[i], "u", &place, &f.error), ENOENT,
            "stream not found");
    assert_int_equal(catalog_delete_device(f.catalog, device, &series, &count, &f.error), 0);
    free(series);
    assert_error(
        &f, catalog_stream_place(f.catalog, "alice", "p", "u", &place, &f.error), ENOENT, "not found");
    fixture_close(&f);
}

static void test_more_paths_than_the_cache_holds(void **state)
{
    (void)state;
    enum { SIZE = 64, KEYS = 4000 };
    struct cache *cache;
    struct error error;
    assert_int_equal(cache_create(SIZE, 16, sizeof(int), &cache, &error), 0);
    char key[16];
    int kept = 0;
    for (int i = 0; i < KEYS; i++) {
        int value = -1, size = snprintf(key, sizeof(key), "k%d", i);
        assert_false(cache_get(cache, key, (size_t)size, &value));
        cache_put(cache, key, (size_t)size, cache_generation(cache), &i);
        assert_true(cache_get(cache, key, (size_t)size, &value));
        assert_int_equal(value, i);
    }
    for (int i = 0; i < KEYS; i++) {
        int value = -1, size = snprintf(key, sizeof(key), "k%d", i);
        if (cache_get(cache, key, (size_t)size, &value)) {
            assert_int_equal(value, i);
            kept++;
        }
    }
    assert_in_range(kept, 1, 4 * SIZE);
    int value = 1;
    uint64_t before = cache_generation(cache);
    cache_outdate(cache);
    cache_put(cache, "a", 1, before, &value); /* read before the change */
    assert_false(cache_get(cache, "a", 1, &value));
    cache_put(cache, "a", 1, cache_generation(cache), &value);
    cache_put(cache, "a", 1, before, &kept);
    assert_true(cache_get(cache, "a", 1, &value));
    assert_int_equal(value, 1);
    cache_put(cache, "a key that is too long", 22, cache_generation(cache), &value);
    assert_false(cache_get(cache, "a key that is too long", 22, &value));
    cache_free(cache);
}

/* ---- logging in ---- */

static void create_user(
    struct fixture *fixture, const char *name, const char *email, const char *password, int64_t *ret_id)
{
    struct user user = some_user(name, email);
    assert_int_equal(catalog_create_user(fixture->catalog, &user, password, ret_id, &fixture->error), 0);
}

static void test_logging_in(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice;
    create_user(&f, "alice", "Alice@Example.com", "secret", &alice);
    static const char *const names[] = {"alice", "ALICE", "Alice@Example.com", "alice@example.COM"};
    struct identity identity;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(catalog_identity_by_password(f.catalog, names[i], "secret", &identity, &f.error), 0);
        assert_int_equal(identity.user_id, alice);
        assert_string_equal(identity.user, "alice");
        assert_string_equal(identity.device, "user");
        assert_string_equal(identity.user_role, "user");
        assert_string_equal(identity.device_role, "user");
    }
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "alice", "Secret", &identity, &f.error), EACCES, "wrong");
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "alice", "", &identity, &f.error), EACCES, "wrong");
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "alic", "secret", &identity, &f.error), ENOENT, "user");
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "", "secret", &identity, &f.error), ENOENT, "user");
    char huge[8192];
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "alice", huge, &identity, &f.error), EACCES, "wrong");
    assert_error(
        &f, catalog_identity_by_password(f.catalog, huge, "secret", &identity, &f.error), ENOENT, "user");
    fixture_close(&f);
}

static void test_a_right_password_is_remembered(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice;
    create_user(&f, "alice", "a@b", "secret", &alice);
    struct identity identity;
    assert_int_equal(catalog_identity_by_password(f.catalog, "alice", "secret", &identity, &f.error), 0);
    run_sql(&f, "UPDATE users SET password = 'x'"); /* a login that asked SQLite or bcrypt would fail now */
    assert_int_equal(catalog_identity_by_password(f.catalog, "alice", "secret", &identity, &f.error), 0);
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "a@b", "secret", &identity, &f.error), EINVAL, "hash");
    assert_int_equal(catalog_set_password(f.catalog, alice, "new", &f.error), 0);
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "alice", "secret", &identity, &f.error), EACCES, "wrong");
    assert_int_equal(catalog_identity_by_password(f.catalog, "alice", "new", &identity, &f.error), 0);
    assert_error(&f, catalog_set_password(f.catalog, 99, "new", &f.error), ENOENT, "user not found");
    assert_error(&f, catalog_set_password(f.catalog, alice, "", &f.error), EINVAL, "password");
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_delete_user(f.catalog, alice, &series, &count, &f.error), 0);
    free(series);
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "alice", "new", &identity, &f.error), ENOENT, "user");
    fixture_close(&f);
}

static void test_names_that_differ_by_case(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t lower, upper;
    create_user(&f, "alice", "a@b", "one", &lower);
    struct identity identity;
    assert_int_equal(catalog_identity_by_password(f.catalog, "ALICE", "one", &identity, &f.error), 0);
    assert_int_equal(identity.user_id, lower);
    create_user(&f, "ALICE", "b@b", "two", &upper);
    assert_error(
        &f, catalog_identity_by_password(f.catalog, "ALICE", "one", &identity, &f.error), EACCES, "wrong");
    assert_int_equal(catalog_identity_by_password(f.catalog, "ALICE", "two", &identity, &f.error), 0);
    assert_int_equal(identity.user_id, upper);
    assert_int_equal(catalog_identity_by_password(f.catalog, "Alice", "one", &identity, &f.error), 0);
    assert_int_equal(identity.user_id, lower);
    fixture_close(&f);
}

static void import_hash(
    struct fixture *fixture, const char *name, const char *hash, const char *salt, const char *scheme)
{
    struct user user = {.name = text(name),
        .email = text(""),
        .role = text("user"),
        .password = text(hash),
        .password_salt = text(salt),
        .password_scheme = text(scheme)};
    struct catalog_import *import;
    assert_int_equal(catalog_import_begin(fixture->catalog, &user, &import, &fixture->error), 0);
    assert_int_equal(catalog_import_commit(import, &fixture->error), 0);
}

static void test_old_hashes_are_upgraded_at_login(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    import_hash(&f, "sha",
        "6c838e934e3feefae6cfa53af11375d4954f85c6f5ed888c02cd7806a71696d1"
        "cb449f2be78e9e6ea301a95c81f28ad8766f3ae582f9beaac33c7dc2b7ba9187",
        "salt", "SHA512");
    import_hash(&f, "cheap", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U", "bcrypt");
    import_hash(&f, "good", "$2a$10$VUmyNGr0b1Hpw.yUl0Jco.MpoXA/1QzgHyuiRk4FMgc/FnwiMqh76",
        "f71f4d85-f9b1-4fb4-7a0c-6be8439e3fa2", "bcrypt");
    static const struct {
        const char *name, *password;
        bool upgraded;
    } cases[] = {{"sha", "test", true}, {"cheap", "U*", true}, {"good", "test", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct user before, after;
        struct identity identity;
        assert_int_equal(catalog_user_by_name(f.catalog, cases[i].name, &before, &f.error), 0);
        assert_error(&f, catalog_identity_by_password(f.catalog, cases[i].name, "no", &identity, &f.error),
            EACCES, "");
        assert_int_equal(catalog_user_by_name(f.catalog, cases[i].name, &after, &f.error), 0);
        assert_string_equal(after.password, before.password);
        user_free(&after);
        assert_int_equal(
            catalog_identity_by_password(f.catalog, cases[i].name, cases[i].password, &identity, &f.error),
            0);
        fixture_reopen(&f); /* nothing is remembered */
        assert_int_equal(catalog_user_by_name(f.catalog, cases[i].name, &after, &f.error), 0);
        assert_int_equal(strcmp(after.password, before.password) != 0, cases[i].upgraded);
        assert_string_equal(after.password_scheme, cases[i].upgraded ? "bcrypt-hmac-sha256" : "bcrypt");
        assert_memory_equal(after.password, cases[i].upgraded ? "$2b$10$" : "$2a$10$", 7);
        assert_int_equal(
            catalog_identity_by_password(f.catalog, cases[i].name, cases[i].password, &identity, &f.error),
            0);
        user_free(&before);
        user_free(&after);
    }
    fixture_close(&f);
}

static void test_hashing_for_an_import(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct user user = {.name = strdup("bob"),
        .email = strdup(""),
        .nickname = strdup(""),
        .description = strdup(""),
        .icon = strdup(""),
        .role = strdup("user"),
        .password = strdup("old"),
        .password_salt = strdup("old"),
        .password_scheme = strdup("")};
    assert_error(&f, user_set_password(&user, "", &f.error), EINVAL, "password");
    assert_string_equal(user.password, "old");
    assert_int_equal(user_set_password(&user, "bob", &f.error), 0);
    import_hash(&f, "bob", user.password, user.password_salt, user.password_scheme);
    struct identity identity;
    assert_int_equal(catalog_identity_by_password(f.catalog, "bob", "bob", &identity, &f.error), 0);
    user_free(&user);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_the_schema_of_a_place),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_more_paths_than_the_cache_holds),
        cmocka_unit_test(test_logging_in),
        cmocka_unit_test(test_a_right_password_is_remembered),
        cmocka_unit_test(test_names_that_differ_by_case),
        cmocka_unit_test(test_old_hashes_are_upgraded_at_login),
        cmocka_unit_test(test_hashing_for_an_import),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
